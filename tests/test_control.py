"""Decisions that come in deltas: who may take them, what each does, and that verify and replay hold on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from merge_bot.clone import Clone
from merge_bot.history import History
from merge_bot.rollback import roll_back
from merge_bot.validate import given, validate
from tests.command import INBOX, begun, delta, run
from tests.repo import Repo
from tests.world import collections_of, rules_of, schema

NOW = datetime(2026, 3, 25, 4, 0, 0, tzinfo=UTC)
BROKEN = b'{"frame": 405, "stream_id": "w1", "utc": "2026-03-25T03:00:00Z", "stats_increments": {"mood": 1}}'


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    """At the end of each test every frame is proven, and every one replays to the same bytes."""
    repo = begun(Repo(tmp_path))
    yield repo
    with History(str(repo.path)) as history:
        assert history.verify().findings == []
        assert [one for one in range(405, history.newest + 1) if history.replay(one).same is not True] == []


def put(repo: Repo, *deltas: bytes) -> None:
    """Into the inbox, each under the name that its content asks for, with a suffix of its own."""
    for data in deltas:
        content = json.loads(data)
        name = f"frame-{content['frame']}-{content['stream_id']}.{sha256(data).hexdigest()[:8]}.json"
        repo.write(f"{INBOX}/{name}", data)


def merge(repo: Repo, *deltas: bytes) -> list[dict[str, Any]]:
    """Merge these and what waits: the frame's receipts, as they lie in the repository."""
    put(repo, *deltas)
    with Clone.open(str(repo.path)) as clone:
        frame = clone.merge(NOW).frame
    assert frame is not None
    place = f"state/frames/{frame.number // 1000:03d}/{frame.number:06d}/receipts.jsonl"
    return [json.loads(line) for line in repo.git("show", f"HEAD:{place}").splitlines()]


def asks(frame: int, *requests: dict[str, Any], stream: str = "operator", seconds: int = 0) -> bytes:
    """An operator's delta."""
    return delta(stream, frame, f"2026-03-25T03:30:{seconds:02d}Z", _control=list(requests))


def about(op: str, data: bytes, frame: int, **more: Any) -> dict[str, Any]:
    return {"op": op, "delta": sha256(data).hexdigest(), "frame": frame, **more}


def outcomes(receipts: list[dict[str, Any]]) -> list[str]:
    """Each delta by its worker, and each of its requests: "operator: applied; drop applied dropped"."""
    told = []
    for one in receipts:
        requests = [
            f"; {asked['detail']['op']} {asked['outcome']} {asked['reason']}"
            for asked in one.get("operations", ())
            if asked["collection"] == "_control"
        ]
        told.append(f"{one.get('stream_id')}: {one['outcome']}" + "".join(requests))
    return sorted(told)


def allow(repo: Repo, counter: str) -> None:
    """The schema of stats learns a counter."""
    value = json.loads(repo.git("show", "HEAD:schemas/stats.schema.json"))
    value["properties"][counter] = {"type": "integer"}
    repo.commit({"schemas/stats.schema.json": json.dumps(value).encode()})


def stats(repo: Repo) -> dict[str, int]:
    path = repo.path / "state/stats.json"
    value: dict[str, int] = json.loads(path.read_bytes()) if path.exists() else {}
    return value


def test_a_dropped_delta_never_comes_in_and_its_bytes_stay(repo: Repo) -> None:
    assert outcomes(merge(repo, BROKEN)) == ["w1: quarantined"]
    asked = merge(repo, asks(406, about("drop", BROKEN, 405, reason="not a counter")))
    assert outcomes(asked) == ["operator: applied; drop applied dropped"]
    assert asked[0]["counts"] == {"applied": 1}
    assert asked[0]["operations"][0]["detail"]["reason"] == "not a counter"
    allow(repo, "mood")
    assert outcomes(merge(repo, BROKEN)) == ["w1: duplicate"]
    assert "mood" not in stats(repo)
    kept = repo.git("ls-files", "state/frames/000/000405/quarantine").splitlines()
    assert [(repo.path / path).read_bytes() for path in kept] == [BROKEN]


def test_a_delta_that_is_put_up_again_is_looked_at_once_more(repo: Repo) -> None:
    merge(repo, BROKEN)
    assert outcomes(merge(repo, asks(406, about("retry", BROKEN, 405)))) == [
        "operator: applied; retry applied put_up_again"
    ]
    assert outcomes(merge(repo)) == ["w1: quarantined"]
    allow(repo, "mood")
    merge(repo, asks(408, about("retry", BROKEN, 407)))
    assert outcomes(merge(repo, BROKEN)) == ["w1: duplicate", "w1: late"]
    assert stats(repo)["mood"] == 1
    assert outcomes(merge(repo, BROKEN)) == ["w1: duplicate"]


def test_only_operators_decide(repo: Repo) -> None:
    merge(repo, BROKEN)
    drop = about("drop", BROKEN, 405, reason="mine")
    receipts = merge(repo, asks(406, drop, stream="w1"))
    assert outcomes(receipts) == ["w1: applied; drop refused not_an_operator"]
    assert (receipts[0]["counts"], receipts[0]["operations"][0]["recover"]) == ({"refused": 1}, "ask_operator")
    assert receipts[0]["operations"][0]["detail"]["why"] == (
        "`drop` is for operators, and `w1` is none: operators are `operator`. The settings name them "
        "(operators: [NAME] in .github/dreamcatcher.yml); send it as one of those."
    )
    repo.commit({".github/dreamcatcher.yml": b"operators: [w1]\n"})
    assert outcomes(merge(repo, asks(407, drop, stream="w1"))) == ["w1: applied; drop applied dropped"]
    assert outcomes(merge(repo, asks(408, drop))) == ["operator: applied; drop refused not_an_operator"]


def test_of_two_decisions_about_one_delta_the_first_holds(repo: Repo) -> None:
    repo.commit({".github/dreamcatcher.yml": b"operators: [ann, bob]\n"})
    merge(repo, BROKEN)
    drop, retry = about("drop", BROKEN, 405, reason="no"), about("retry", BROKEN, 405)
    assert outcomes(merge(repo, asks(406, retry, stream="ann", seconds=9), asks(406, drop, stream="bob"))) == [
        "ann: applied; retry refused decided_before",
        "bob: applied; drop applied dropped",
    ]
    assert outcomes(merge(repo, asks(407, retry, drop, stream="ann"))) == [
        "ann: applied; retry refused decided_before; drop refused decided_before"
    ]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (about("drop", b"never seen", 405, reason="x"), "not_in_quarantine"),
        (about("drop", BROKEN, 404, reason="x"), "not_in_quarantine"),
        (about("retry", BROKEN, 10**15), "not_in_quarantine"),
        (about("requeue", BROKEN, 405), "not_undone"),
        (about("requeue", BROKEN, 999), "not_undone"),
    ],
)
def test_what_is_not_there_cannot_be_decided(repo: Repo, request_: dict[str, Any], reason: str) -> None:
    merge(repo, BROKEN)
    assert outcomes(merge(repo, asks(406, request_))) == [f"operator: applied; {request_['op']} refused {reason}"]


def test_a_delta_that_the_frame_itself_merges_cannot_be_dropped_in_it(repo: Repo) -> None:
    merge(repo, BROKEN)
    allow(repo, "mood")
    receipts = merge(repo, BROKEN, asks(406, about("drop", BROKEN, 405, reason="late")))
    assert outcomes(receipts) == ["operator: applied; drop refused arrived_again", "w1: late"]
    assert stats(repo)["mood"] == 1


def test_what_is_up_already_is_not_put_up_twice(repo: Repo) -> None:
    merge(repo, BROKEN)
    retry = about("retry", BROKEN, 405)
    assert outcomes(merge(repo, asks(406, retry, retry))) == [
        "operator: applied; retry applied put_up_again; retry refused decided_before"
    ]


def test_bytes_that_left_the_tree_are_not_at_hand(repo: Repo) -> None:
    repo.commit({".github/dreamcatcher.yml": b"keep-frames: 1\n"})
    merge(repo, BROKEN)
    merge(repo, delta("w2", 406, stats_increments={"total_posts": 1}))
    assert outcomes(merge(repo, asks(407, about("retry", BROKEN, 405)))) == [
        "operator: applied; retry refused bytes_not_at_hand"
    ]


def test_undone_deltas_are_put_up_later_and_decisions_outlive_a_rollback(repo: Repo) -> None:
    merge(repo, BROKEN)
    counted = delta("w2", 406, stats_increments={"total_posts": 1})
    dropped = asks(406, about("drop", BROKEN, 405, reason="no"))
    merge(repo, counted, dropped)
    with Clone.open(str(repo.path)) as clone:
        roll_back(clone, 405, NOW)
    assert stats(repo) == {}
    requeue = [about("requeue", one, 407) for one in (counted, dropped)]
    assert outcomes(merge(repo, asks(408, *requeue))) == [
        "operator: applied; requeue applied put_up_again; requeue applied put_up_again"
    ]
    assert outcomes(merge(repo)) == ["operator: late; drop refused decided_before", "w2: late"]
    assert stats(repo) == {"total_posts": 1}
    allow(repo, "mood")
    assert outcomes(merge(repo, BROKEN, counted)) == ["w1: duplicate", "w2: duplicate"]


def test_a_claim_that_a_rollback_undid_is_not_granted_again(repo: Repo) -> None:
    claim = asks(405, {"op": "claim"}, stream="w1")
    merge(repo, delta("w2", 405, stats_increments={"total_posts": 1}))
    merge(repo, claim)
    merge(repo, asks(407, {"op": "release", "epoch": 1}, stream="w1"))
    with Clone.open(str(repo.path)) as clone:
        roll_back(clone, 405, NOW)
    merge(repo, asks(409, about("requeue", claim, 408)))
    assert outcomes(merge(repo)) == ["w1: late; claim refused decided_before"]


def test_the_report_shows_decisions(repo: Repo) -> None:
    merge(repo, BROKEN)
    put(repo, asks(406, about("drop", BROKEN, 405, reason="no"), about("retry", BROKEN, 404)))
    said = run("merge", "--repo", repo.path, "--json").json
    assert said["operations"] == {"_control": {"applied": 1, "refused": 1}}


def test_a_ledger_that_forgets_a_decision_is_found(tmp_path: Path) -> None:
    repo = begun(Repo(tmp_path))
    merge(repo, BROKEN)
    merge(repo, asks(406, about("drop", BROKEN, 405, reason="no")))
    path = "state/_control/ledger/000/000405.jsonl"
    data = (repo.path / path).read_bytes()
    assert b'"outcome":"dropped"' in data
    repo.commit({path: data.replace(b'"dropped"', b'"quarantined"')})
    with History(str(repo.path)) as history:
        found = {(one.path, one.reason.value) for one in history.verify().findings}
    assert (path, "books_disagree") in found


RULES = rules_of(collections_of({"stats": schema("sum", {"a": {"type": "integer"}})}))
SHA = "0" * 64
LETTERS: list[tuple[Any, list[str]]] = [
    ([{"op": "retry", "delta": SHA, "frame": 5}], []),
    ({"op": "retry"}, ["/_control _control: expected an array of requests, found an object."]),
    (["retry"], ['/_control/0 _control[0]: expected an object, found the string "retry".']),
    ([{"delta": SHA}], ["/_control/0 _control[0]: it does not say which operation: `op` is missing."]),
    ([{"op": "retyr"}], ['/_control/0/op _control[0].op: the string "retyr" is no operation.']),
    (
        [{"op": "drop", "delta": SHA, "frame": 5}],
        ["/_control/0 _control[0]: `reason` is missing."],
    ),
    (
        [{"op": "retry", "delta": "0", "frame": 5.0, "why": ""}],
        [
            '/_control/0/delta _control[0].delta: expected text that matches "^[0-9a-f]{64}$", found the string "0".',
            "/_control/0/frame _control[0].frame: expected an integer, found the number 5.0.",
            "/_control/0/why _control[0].why: unknown key.",
        ],
    ),
    (
        [{"op": "requeue", "delta": SHA, "frame": -1}],
        ["/_control/0/frame _control[0].frame: expected at least 0, found the integer -1."],
    ),
    (
        [{"op": "retry", "delta": SHA, "frame": 5}] * 1001,
        ["/_control _control: 1,001 requests; at most 1,000 are taken in one delta."],
    ),
]


@pytest.mark.parametrize(("control", "told"), LETTERS, ids=range(len(LETTERS)))
def test_letters(control: Any, told: list[str]) -> None:
    document = {"frame": 5, "stream_id": "w1", "utc": "2026-03-25T03:00:00Z", "_control": control}
    verdict = validate(given("frame-5-w1.json", document), RULES)
    problems = getattr(verdict, "problems", ())
    assert [f"{one.pointer} {one.message}" for one in problems] == told
