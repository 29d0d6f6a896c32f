"""The quarantine as a workshop: looked at, put up again, amended, dropped; and never is anything counted twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from merge_bot.clone import Clone
from merge_bot.history import History
from merge_bot.rollback import roll_back
from tests.command import INBOX, begun, delta, masked, run
from tests.repo import Repo
from tests.test_control import BROKEN, NOW, about, allow, asks, merge, outcomes, stats

BETTER = {
    "frame": 405,
    "stream_id": "w1",
    "utc": "2026-03-25T03:00:00Z",
    "stats_increments": {"total_posts": 1},
}
AMEND = about("amend", BROKEN, 405, **{"with": BETTER})


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    """Frame 405 quarantined a delta. At the end every frame is proven, and every one replays to the same bytes."""
    repo = begun(Repo(tmp_path))
    assert outcomes(merge(repo, BROKEN)) == ["w1: quarantined"]
    yield repo
    with History(str(repo.path)) as history:
        assert history.verify().findings == []
        assert [one for one in range(405, history.newest + 1) if history.replay(one).same is not True] == []


def amended(repo: Repo) -> bytes:
    """The amended delta, as it waits in the inbox."""
    [path] = (repo.path / INBOX).glob("*.json")
    return path.read_bytes()


def ledger(repo: Repo, frame: int = 405) -> dict[str, dict[str, Any]]:
    data = repo.git("show", f"HEAD:state/_control/ledger/000/{frame:06d}.jsonl")
    return {one["delta"]: one for one in map(json.loads, data.splitlines())}


# --- amended: at most one of the two counts


def test_an_amended_delta_counts_once_and_its_original_never(repo: Repo) -> None:
    assert outcomes(merge(repo, asks(406, AMEND))) == ["operator: applied; amend applied amended"]
    better = amended(repo)
    assert json.loads(better) == {**BETTER, "_meta": {"amends": sha256(BROKEN).hexdigest()}}
    assert outcomes(merge(repo)) == ["w1: late"]
    allow(repo, "mood")
    assert outcomes(merge(repo, BROKEN, better)) == ["w1: duplicate", "w1: duplicate"]
    assert stats(repo) == {"total_posts": 1}
    original, new = sha256(BROKEN).hexdigest(), sha256(better).hexdigest()
    lines = ledger(repo)
    assert (lines[original]["outcome"], lines[original]["amended_by"]) == ("amended", new)
    assert (lines[new]["outcome"], lines[new]["amends"], lines[new]["merged_in"]) == ("late", original, 407)


def test_original_and_amended_in_one_frame(repo: Repo) -> None:
    merge(repo, asks(406, AMEND))
    allow(repo, "mood")
    assert outcomes(merge(repo, BROKEN)) == ["w1: duplicate", "w1: late"]
    assert stats(repo) == {"total_posts": 1}


def test_an_original_that_comes_again_with_its_amendment(repo: Repo) -> None:
    allow(repo, "mood")
    assert outcomes(merge(repo, BROKEN, asks(406, AMEND))) == [
        "operator: applied; amend refused arrived_again",
        "w1: late",
    ]
    assert stats(repo) == {"mood": 1}


def test_of_two_amendments_one_counts(repo: Repo) -> None:
    other = {**AMEND, "with": {**BETTER, "stats_increments": {"total_posts": 7}}}
    assert outcomes(merge(repo, asks(406, AMEND, other))) == [
        "operator: applied; amend applied amended; amend refused decided_before"
    ]
    merge(repo)
    assert outcomes(merge(repo, asks(408, other))) == ["operator: applied; amend refused decided_before"]
    assert stats(repo) == {"total_posts": 1}


@pytest.mark.parametrize("op", ["retry", "drop"])
def test_an_original_is_settled_by_its_amendment(repo: Repo, op: str) -> None:
    merge(repo, asks(406, AMEND))
    more = {"reason": "x"} if op == "drop" else {}
    request = about(op, BROKEN, 405, **more)
    assert outcomes(merge(repo, asks(407, request)))[0] == f"operator: applied; {op} refused decided_before"


def test_an_original_of_a_frame_to_come_never_counts_either(repo: Repo) -> None:
    early = delta("w2", 408, stats_increments={"mood": 1})
    merge(repo, early)
    better = {**BETTER, "frame": 408, "stream_id": "w2"}
    merge(repo, asks(407, about("amend", early, 406, **{"with": better})))
    allow(repo, "mood")
    assert outcomes(merge(repo, early)) == ["w2: applied", "w2: duplicate"]
    assert outcomes(merge(repo, early)) == ["w2: duplicate"]
    assert stats(repo) == {"total_posts": 1}


def test_what_was_amended_can_be_refused_and_amended_again(repo: Repo) -> None:
    path = "schemas/stats.schema.json"
    before = (repo.path / path).read_bytes()
    allow(repo, "joy")
    merge(repo, asks(406, {**AMEND, "with": {**BETTER, "stats_increments": {"joy": 1}}}))
    repo.commit({path: before})
    second = amended(repo)
    assert outcomes(merge(repo)) == ["w1: quarantined"]
    assert outcomes(merge(repo, asks(408, about("amend", second, 407, **{"with": BETTER})))) == [
        "operator: applied; amend applied amended"
    ]
    merge(repo)
    lines = ledger(repo)
    [last] = [one for one in lines.values() if one["outcome"] == "late"]
    assert lines[last["amends"]]["amends"] == sha256(BROKEN).hexdigest()
    assert stats(repo) == {"total_posts": 1}


def test_a_rollback_of_an_amended_delta_leaves_its_original_settled(repo: Repo) -> None:
    merge(repo, asks(406, AMEND))
    merge(repo)
    with Clone.open(str(repo.path)) as clone:
        roll_back(clone, 405, NOW, requeue=True)
    assert outcomes(merge(repo)) == ["operator: late; amend refused decided_before", "w1: late"]
    allow(repo, "mood")
    assert outcomes(merge(repo, BROKEN)) == ["w1: duplicate"]
    assert stats(repo) == {"total_posts": 1}


def test_a_fenced_delta_is_amended_whatever_lease_there_is(repo: Repo) -> None:
    merge(repo, asks(406, {"op": "claim"}, stream="w1"))
    late = delta("w1", 407, stats_increments={"total_posts": 5})
    assert outcomes(merge(repo, late)) == ["w1: fenced"]
    merge(repo, asks(408, about("amend", late, 407, **{"with": BETTER})))
    assert outcomes(merge(repo)) == ["w1: late"]
    assert stats(repo) == {"total_posts": 1}


def test_a_fenced_delta_that_is_put_up_again_is_fenced_again(repo: Repo) -> None:
    merge(repo, asks(406, {"op": "claim"}, stream="w1"))
    late = delta("w1", 407, stats_increments={"total_posts": 5})
    merge(repo, late)
    merge(repo, asks(408, about("retry", late, 407)))
    assert outcomes(merge(repo)) == ["w1: fenced"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stats_increments": {"moods": 1}}, "/stats_increments/moods: stats_increments.moods: unknown key."),
        ({"utc": "yesterday"}, "/utc: utc: expected a time such as"),
        ({"stream_id": "w2"}, "/stream_id: the original is of `w1`, not of `w2`."),
        ({"_meta": []}, ""),
        ({"_meta": "x"}, "/_meta: _meta: expected an object"),
    ],
)
def test_what_takes_its_place_has_to_be_a_delta_that_may_enter(repo: Repo, change: dict[str, Any], said: str) -> None:
    receipts = merge(repo, asks(406, {**AMEND, "with": {**BETTER, **change}}))
    if not said:
        assert outcomes(receipts) == ["operator: applied; amend applied amended"]
        return
    assert outcomes(receipts) == ["operator: applied; amend refused bad_amendment"]
    assert said in receipts[0]["operations"][0]["detail"]["why"]
    assert ledger(repo)[sha256(BROKEN).hexdigest()]["outcome"] == "quarantined"


# --- the command


def test_list_and_show(repo: Repo) -> None:
    digest = sha256(BROKEN).hexdigest()
    assert masked(run("quarantine", "list", "--repo", repo.path).out) == (
        "1 delta of the newest 406 frames waits in quarantine.\n\n"
        "Frame 405\n"
        "  <short>  state/stream_deltas/frame-405-w1.5fb02a76.json: unknown_key\n"
        "    line 1, /stats_increments/mood: stats_increments.mood: unknown key.\n"
        "      The keys there are total_agents, total_channels, total_posts, total_comments, total_observations, "
        "total_follows, total_reactions.\n"
        "\nLook at one: dreamcatcher quarantine show DIGEST (then retry, amend or drop it).\n"
    ).replace("5fb02a76", digest[:8])
    said = run("quarantine", "show", digest[:6], "--repo", repo.path)
    assert BROKEN.decode() in said.out
    assert run("quarantine", "show", digest, "--raw", "--repo", repo.path).out.encode() == BROKEN
    shown = run("quarantine", "show", digest[:6], "--json", "--repo", repo.path).json
    assert (shown["digest"], shown["kept_in"], shown["content"].encode()) == (digest, 405, BROKEN)


def test_filters(repo: Repo) -> None:
    def listed(*options: str) -> int:
        return len(run("quarantine", "list", *options, "--json", "--repo", repo.path).json["waiting"])

    merge(repo, delta("w2", 406, stats_increments={"total_posts": 1}))
    assert listed() == listed("--worker", "w1") == listed("--refused-for", "unknown_key") == 1
    assert listed("--worker", "w2") == listed("--refused-for", "clock_ahead") == listed("--frames", "1") == 0
    assert listed("--remote", str(repo.path)) == 1


def test_each_decision_is_asked_for_and_then_nothing_waits(repo: Repo, tmp_path: Path) -> None:
    digest = sha256(BROKEN).hexdigest()
    second = delta("w2", 406, stats_increments={"mood": 2})
    third = delta("w3", 406, stats_increments={"mood": 3})
    merge(repo, second, third)
    file = tmp_path / "better.json"
    file.write_text(json.dumps(BETTER))
    assert run("quarantine", "amend", digest[:12], file, "--repo", repo.path).out.splitlines()[0] == (
        f"Asked to amend 1 delta: {digest[:12]}."
    )
    run("quarantine", "drop", sha256(second).hexdigest()[:12], "--reason", "no", "--repo", repo.path)
    run("quarantine", "retry", "--worker", "w3", "--repo", repo.path)
    file.unlink()
    assert outcomes(run("merge", "--repo", repo.path, "--json").json["receipts"]) == [
        "operator: applied; amend applied amended",
        "operator: applied; drop applied dropped",
        "operator: applied; retry applied put_up_again",
    ]
    assert run("quarantine", "list", "--json", "--repo", repo.path).json["waiting"] == []
    allow(repo, "mood")
    assert outcomes(merge(repo)) == ["w1: late", "w3: late"]
    assert stats(repo) == {"mood": 3, "total_posts": 1}


def test_a_delta_of_a_frame_far_ahead_is_withdrawn(repo: Repo) -> None:
    far = delta("w2", 20260416, stats_increments={"total_posts": 1})
    repo.commit({f"{INBOX}/frame-20260416-w2.json": far})
    merge(repo, delta("w3", 406, stats_increments={"total_posts": 2}))
    assert (repo.path / INBOX / "frame-20260416-w2.json").exists()
    said = run("quarantine", "drop", sha256(far).hexdigest()[:9], "--reason", "a date", "--repo", repo.path)
    assert said.code == 0, said.err
    told = outcomes(run("merge", "--repo", repo.path, "--json").json["receipts"])
    assert told == ["operator: applied; drop applied dropped", "w2: dropped"]
    assert not (repo.path / INBOX / "frame-20260416-w2.json").exists()
    kept = repo.git("ls-files", "state/frames/000/000407/deltas").splitlines()
    assert far in [(repo.path / path).read_bytes() for path in kept]
    assert ledger(repo, 407)[sha256(far).hexdigest()]["outcome"] == "dropped"
    path = repo.path / "state/_control/ledger/20260/20260416.jsonl"
    assert json.loads(path.read_bytes())["outcome"] == "dropped"
    repo.write(f"{INBOX}/frame-20260416-w2.json", far)
    assert outcomes(merge(repo)) == ["w2: duplicate"]
    assert stats(repo) == {"total_posts": 2}


def test_edit(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "sed -i s/mood/total_posts/")
    digest = sha256(BROKEN).hexdigest()
    assert run("quarantine", "amend", digest, "--edit", "--repo", repo.path).code == 0
    for expected in (["operator: applied; amend applied amended"], ["w1: late"]):
        assert outcomes(run("merge", "--repo", repo.path, "--json").json["receipts"]) == expected
    assert stats(repo) == {"total_posts": 1}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "ffff"], 'No delta whose SHA-256 begins with "ffff" waits in quarantine'),
        (["retry", "ffff"], 'No delta whose SHA-256 begins with "ffff" waits in quarantine'),
        (["retry"], "Which? Give their DIGESTs, or --worker W, or --refused-for REASON."),
        (["retry", "--worker", "w9"], "Nothing like that waits in quarantine."),
        (["drop", "ffff"], "Missing option '--reason'"),
        (["amend", "ffff"], "Give a FILE with the whole delta, or --edit."),
        (["amend", "", "-", "--as", "eve"], '"eve" is no operator'),
        (["amend", "", "-"], "standard input"),
        (["amend", "", "README.md"], "README.md"),
    ],
)
def test_what_is_not_clear_is_said_at_once(repo: Repo, arguments: list[str], said: str) -> None:
    done = run("quarantine", *arguments, "--repo", repo.path, stdin=b"")
    assert done.code == 1
    assert said in done.err


def test_an_amendment_that_may_not_enter_is_said_at_once(repo: Repo) -> None:
    done = run("quarantine", "amend", "", "-", "--repo", repo.path, stdin=BROKEN)
    assert done.code == 1
    assert "stats_increments.mood: unknown key." in done.err
    assert not list((repo.path / INBOX).glob("*.json"))


def test_bytes_that_left_the_tree_are_shown_from_history(repo: Repo) -> None:
    repo.commit({".github/dreamcatcher.yml": b"keep-frames: 1\n"})
    merge(repo, delta("w2", 406, stats_increments={"total_posts": 1}))
    assert repo.git("ls-files", "state/frames/000/000405/quarantine") == ""
    assert run("quarantine", "show", "", "--raw", "--repo", repo.path).out.encode() == BROKEN


def test_an_empty_quarantine(tmp_path: Path) -> None:
    begun(Repo(tmp_path))
    assert run("quarantine", "list", "--repo", tmp_path).out == (
        "0 deltas of the newest 405 frames wait in quarantine.\n"
    )
