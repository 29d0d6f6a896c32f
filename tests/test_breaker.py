"""Who may write: a worker that is bad again and again is stopped, the others go on; and who is on the list at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merge_bot.errors import SettingsError
from merge_bot.findings import Rejection
from merge_bot.history import History
from merge_bot.settings import Settings
from merge_bot.validate import Rules, given, validate
from tests.command import INBOX, begun, delta, run
from tests.repo import Repo
from tests.test_control import about, asks, merge, outcomes, stats
from tests.world import collections_of, schema

SETTINGS = ".github/dreamcatcher.yml"


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    """Three bad deltas in a row are too many. At the end every frame is proven and replays to the same bytes."""
    repo = begun(Repo(tmp_path))
    repo.commit({SETTINGS: b"breaker: 3\n"})
    yield repo
    with History(str(repo.path)) as history:
        assert history.verify().findings == []
        assert [one for one in range(405, history.newest + 1) if history.replay(one).same is not True] == []


def bad(frame: int, number: int, stream: str = "w1") -> bytes:
    return delta(stream, frame, f"2026-03-25T03:00:0{number}Z", stats_increments={"mood": number})


def good(frame: int, stream: str = "w1", by: int = 1) -> bytes:
    return delta(stream, frame, stats_increments={"total_posts": by})


def line(repo: Repo, worker: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((repo.path / "state/_control/workers.json").read_bytes())[worker]
    return {name: one for name, one in value.items() if name in ("bad", "status", "quarantined", "applied")}


def test_a_worker_that_is_bad_again_and_again_waits_unread_and_the_others_go_on(repo: Repo) -> None:
    merge(repo, bad(405, 1), bad(405, 2), good(405, "w2"))
    assert line(repo, "w1") == {"applied": 0, "bad": 2, "quarantined": 2}
    merge(repo, bad(406, 3))
    assert line(repo, "w1") == {"applied": 0, "bad": 3, "quarantined": 3, "status": "disabled"}
    wants, garbage = good(407), b'{"frame": 407, "strea'
    repo.write(f"{INBOX}/frame-407-w1.json", garbage)
    receipts = merge(repo, wants, good(407, "w2"))
    assert outcomes(receipts) == ["w1: quarantined", "w1: quarantined", "w2: applied"]
    waiting = [one for one in receipts if one["stream_id"] == "w1"]
    assert {(one["reason"], one["recover"]) for one in waiting} == {("worker_disabled", "ask_operator")}
    assert {one["problems"][0]["message"] for one in waiting} == {
        "`w1` is disabled: 3 of its deltas in a row were bad. This one waits unread."
    }
    assert stats(repo) == {"total_posts": 2}
    put_up = merge(repo, asks(408, {"op": "enable", "worker": "w1"}, about("retry", wants, 407)))
    assert outcomes(put_up) == ["operator: applied; enable applied enabled; retry applied put_up_again"]
    assert outcomes(merge(repo)) == ["w1: late"]
    assert (stats(repo), line(repo, "w1")) == ({"total_posts": 3}, {"applied": 0, "quarantined": 5})


def test_it_is_said_loudly(repo: Repo) -> None:
    for number in range(3):
        repo.write(f"{INBOX}/frame-405-w1.{number}.json", b"{" * (number + 1))
    told = (
        "Disabled: too many bad deltas in a row\n"
        "  w1: what it sends waits in quarantine, unread\n"
        "    once it is mended: dreamcatcher worker enable w1 --requeue\n"
    )
    assert told in run("merge", "--repo", repo.path).out
    assert told in run("status", "--repo", repo.path).out


def test_what_comes_of_it_under_an_odd_name_waits_as_well(repo: Repo) -> None:
    merge(repo, *(bad(405, number) for number in range(3)))
    repo.write(f"{INBOX}/odd.json", good(406))
    assert [(one["stream_id"], one["reason"]) for one in merge(repo)] == [("w1", "worker_disabled")]


def test_one_good_delta_ends_the_row(repo: Repo) -> None:
    for frame in (405, 407):
        merge(repo, bad(frame, 1), bad(frame, 2))
        merge(repo, good(frame + 1))
    assert line(repo, "w1") == {"applied": 2, "quarantined": 4}


def test_a_fallback_ends_it_as_well(repo: Repo) -> None:
    merge(repo, bad(405, 1), bad(405, 2))
    merge(repo, delta("w1", 406, _meta={"status": "fallback"}))
    assert merge(repo, bad(407, 1))
    assert line(repo, "w1") == {"applied": 0, "bad": 1, "quarantined": 3}


def test_what_cannot_be_read_is_counted_by_its_name(repo: Repo) -> None:
    for number in range(3):
        repo.write(f"{INBOX}/frame-405-w1.{number}.json", b"{" * (number + 1))
    merge(repo)
    assert line(repo, "w1") == {"applied": 0, "bad": 3, "quarantined": 3, "status": "disabled"}


def test_a_zombie_does_not_disable_whoever_holds_the_lease_now(repo: Repo) -> None:
    merge(repo, asks(405, {"op": "claim"}, stream="w1"))
    for number in range(4):
        receipts = merge(repo, delta("w1", 406, f"2026-03-25T03:00:0{number}Z", _meta={"epoch": 0}))
        assert outcomes(receipts) == ["w1: fenced"]
    assert line(repo, "w1") == {"applied": 1, "quarantined": 0}


def test_the_same_bad_bytes_again_are_no_further_bad_delta(repo: Repo) -> None:
    for _ in range(4):
        merge(repo, bad(405, 1))
    assert line(repo, "w1") == {"applied": 0, "bad": 1, "quarantined": 1}


def test_nobody_is_disabled_with_the_breaker_off(repo: Repo) -> None:
    repo.commit({SETTINGS: b"breaker: 0\n"})
    merge(repo, *(bad(405, number) for number in range(9)))
    assert line(repo, "w1") == {"applied": 0, "quarantined": 9}


def test_only_who_is_disabled_can_be_enabled(repo: Repo) -> None:
    merge(repo, good(405))
    enable = {"op": "enable", "worker": "w1"}
    assert outcomes(merge(repo, asks(406, enable))) == ["operator: applied; enable refused not_disabled"]
    assert outcomes(merge(repo, asks(407, enable, stream="w1"))) == ["w1: applied; enable refused not_an_operator"]


def test_workers_json_that_says_otherwise_is_found(repo: Repo) -> None:
    merge(repo, *(bad(405, number) for number in range(3)), asks(405, {"op": "claim"}, stream="w2"))
    path, before = "state/_control/workers.json", repo.head
    data = (repo.path / path).read_bytes()
    for old, new, message in (
        (
            b'"disabled"',
            b'""',
            'The status of `w1` is the string "" there; the frames\' decisions make it the string "disabled".',
        ),
        (
            b'"epoch":1',
            b'"epoch":2',
            "The epoch of `w2` is the integer 2 there; the frames' decisions make it the integer 1.",
        ),
        (
            b'"held"',
            b'"ended"',
            'The lease of `w2` is the string "ended" there; the frames\' decisions make it the string "held".',
        ),
    ):
        assert old in data
        repo.commit({path: data.replace(old, new)})
        with History(str(repo.path)) as history:
            assert message in {one.message for one in history.verify().findings}
        repo.git("reset", "--quiet", "--hard", before)


# --- enrolment

COLLECTIONS = collections_of({name: schema("sum", {"a": {"type": "integer"}}) for name in ("posts", "votes")})
LISTED = Settings(enrolment="listed", workers={"w1": ("posts",), "w2": ("*",), "w3": ()})
ENROLLED: list[tuple[str, str, dict[str, Any], list[str]]] = [
    ("what it may", "w1", {"posts": {"a": 1}}, []),
    ("nothing at all", "w1", {}, []),
    (
        "what it may not",
        "w1",
        {"posts": {"a": 1}, "votes": {"a": 1}},
        ["collection_not_allowed /votes `w1` may not write to `votes`: it may write to `posts`."],
    ),
    ("an empty one of what it may not", "w1", {"votes": {}}, []),
    ("everything", "w2", {"posts": {"a": 1}, "votes": {"a": 1}}, []),
    (
        "on the list, for nothing",
        "w3",
        {"posts": {"a": 1}},
        ["collection_not_allowed /posts `w3` may not write to `posts`: it may write to no collection."],
    ),
    ("not on the list", "w9", {}, ["not_enrolled /stream_id `w9` is not enrolled here (enrolment: listed)."]),
    ("an operator decides", "operator", {"_control": [{"op": "enable", "worker": "w1"}]}, []),
    (
        "an operator that is not on the list writes nothing else",
        "operator",
        {"posts": {"a": 1}},
        ["collection_not_allowed /posts `operator` may not write to `posts`: it may write to no collection."],
    ),
]


@pytest.mark.parametrize(("stream", "content", "told"), [row[1:] for row in ENROLLED], ids=[row[0] for row in ENROLLED])
def test_who_is_on_the_list(stream: str, content: dict[str, Any], told: list[str]) -> None:
    document = {"frame": 5, "stream_id": stream, "utc": "2026-03-25T03:00:00Z", **content}
    verdict = validate(given(f"frame-5-{stream}.json", document), Rules(COLLECTIONS, LISTED))
    problems = verdict.problems if isinstance(verdict, Rejection) else ()
    assert [f"{one.reason} {one.pointer} {one.message}" for one in problems] == told
    assert not isinstance(validate(given(f"frame-5-{stream}.json", document), Rules(COLLECTIONS)), Rejection)


def test_a_list_with_a_mistake_is_refused() -> None:
    settings = Settings(enrolment="listed", workers={"w1": ("post",)})
    with pytest.raises(SettingsError, match=r"^workers: w1: \"post\" is not a collection; did you mean `posts`\?$"):
        Rules(COLLECTIONS, settings)


def test_who_is_not_on_the_list_is_kept_out_of_a_frame(repo: Repo) -> None:
    repo.commit({SETTINGS: b'enrolment: listed\nworkers:\n  w1: [stats]\n  w2: ["*"]\n'})
    receipts = merge(repo, good(405), good(405, "w2"), good(405, "w3"))
    assert outcomes(receipts) == ["w1: applied", "w2: applied", "w3: quarantined"]
    assert [one["recover"] for one in receipts if one["stream_id"] == "w3"] == ["ask_operator"]
    repo.commit({SETTINGS: b""})
    assert outcomes(merge(repo, good(405, "w3"))) == ["w3: late"]
