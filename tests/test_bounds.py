"""Bounds and guards: a backlog becomes several frames, nothing is too large in silence, history only goes forward."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from merge_bot import frame as frame_module
from merge_bot.history import History
from tests.command import INBOX, begun, deliver, delta, run
from tests.repo import Repo
from tests.test_action_remote import Job, job
from tests.test_cli_merge import FIRST

__all__ = ["job"]


def bounded(repo: Repo, settings: str) -> Repo:
    begun(repo).commit({".github/dreamcatcher.yml": settings.encode()})
    return repo


def counting(worker: str, second: int, frame: int = 405, **meta: Any) -> bytes:
    """A delta of the second `second` that says so in a counter of its own."""
    utc = f"2026-03-25T03:10:{second:02d}Z"
    return delta(worker, frame, utc, stats_increments={"total_posts": 1}, **({"_meta": meta} if meta else {}))


def merged(repo: Repo, *arguments: object) -> list[dict[str, Any]]:
    done = run("merge", "--repo", repo.path, "--json", *arguments)
    assert done.code == 0, done.err
    return [*done.json["earlier"], {name: one for name, one in done.json.items() if name != "earlier"}]


def sound(repo: Repo) -> None:
    """Verify and replay find nothing; each counter's delta counts once."""
    assert run("verify", "--repo", repo.path).code == 0
    with History(repo.path) as history:
        frames = [one.frame for one in history.frames() if one.kind != "genesis"]
        assert [history.replay(number).differs for number in frames] == [[] for _ in frames]


def by_frame(repo: Repo) -> list[list[str]]:
    """The workers that each frame took in."""
    found = []
    for path in sorted(repo.files()):
        if path.endswith("/manifest.json") and not path.endswith("000404/manifest.json"):
            rows = json.loads(repo.git("show", f"HEAD:{path}"))["deltas"]
            found.append(sorted(row["source"].rpartition("/")[2].split("-")[2].split(".")[0] for row in rows))
    return found


# --- a backlog


def test_a_backlog_becomes_frames_of_those_that_were_written_first(repo: Repo) -> None:
    bounded(repo, "max-frame-deltas: 2\n")
    for second, worker in enumerate(("e", "d", "c", "b", "a")):
        deliver(repo, counting(worker, second))
    results = merged(repo)
    assert [(one["frame"], one["left"]) for one in results] == [(405, 3), (406, 1), (407, 0)]
    assert by_frame(repo) == [["d", "e"], ["b", "c"], ["a"]]
    assert json.loads((repo.path / "state/stats.json").read_text()) == {"total_posts": 5}
    assert [path for path in repo.files() if path.startswith(f"{INBOX}/frame")] == []
    sound(repo)


def test_versions_of_a_slot_and_copies_stay_together(repo: Repo) -> None:
    """Also where one of them is only in history."""
    bounded(repo, "max-frame-deltas: 2\n")
    repo.commit({f"{INBOX}/frame-405-b.r.json": counting("b", 30, run="r")})
    repo.commit({f"{INBOX}/frame-405-b.r.json": counting("b", 31, run="r")})
    repo.commit(
        {f"{INBOX}/frame-405-a.json": counting("a", 1), f"{INBOX}/frame-405-copy.json": counting("b", 31, run="r")}
    )
    repo.commit({f"{INBOX}/frame-405-z.json": b"{"})
    results = merged(repo)
    assert [one["deltas"] for one in results] == [
        {"applied": 1, "quarantined": 1},
        {"duplicate": 1, "late": 1, "superseded": 1},
    ]
    assert by_frame(repo) == [["a", "z"], ["b", "b", "copy"]]
    assert json.loads((repo.path / "state/stats.json").read_text()) == {"total_posts": 2}
    sound(repo)


def test_a_version_that_left_the_inbox_is_not_lost_in_a_backlog(repo: Repo) -> None:
    bounded(repo, "max-frame-deltas: 1\n")
    repo.commit({f"{INBOX}/frame-405-gone.json": counting("gone", 50)})
    repo.commit({f"{INBOX}/frame-405-gone.json": None})
    for second, worker in enumerate(("a", "b", "c")):
        deliver(repo, counting(worker, second))
    assert [one["frame"] for one in merged(repo)] == [405, 406, 407, 408]
    assert by_frame(repo) == [["a"], ["b"], ["c"], ["gone"]]
    sound(repo)


def test_a_slot_of_many_versions_enters_whole(repo: Repo) -> None:
    bounded(repo, "max-frame-deltas: 1\n")
    for second in range(3):
        repo.commit({f"{INBOX}/frame-405-a.r.json": counting("a", second, run="r")})
    (only,) = merged(repo)
    assert (only["deltas"], only["left"]) == ({"applied": 1, "superseded": 2}, 0)


def test_a_dry_run_says_how_many_come_next(repo: Repo) -> None:
    bounded(repo, "max-frame-deltas: 1\n")
    deliver(repo, counting("a", 1), counting("b", 2))
    text = run("merge", "--repo", repo.path, "--dry-run").out
    assert "More than one frame takes\n  1 delta comes next\n" in text


def test_by_pull_request_a_backlog_goes_one_frame_at_a_time(job: Job) -> None:
    job.hub.commit({".github/dreamcatcher.yml": b"max-frame-deltas: 1\n"})
    job.hub.deliver(a=counting("a", 1), b=counting("b", 2))
    job.hub.submit("c", "frame-405-c.json", counting("c", 3))
    titles = []
    for number in (1, 2, 3):
        assert job.step(INPUT_MODE="pull-request").code == 0
        titles.append(job.hub.github.pulls[number].title)
        assert len(job.hub.github.pulls) == number
        job.hub.github.merge(number, "squash")
    assert titles == [f"merge frame {number}: 1 delta, 1 operation" for number in (405, 406, 407)]
    assert job.step(INPUT_MODE="pull-request").code == 0
    assert len(job.hub.github.pulls) == 3
    assert json.loads(job.main("show", "main:state/stats.json")) == {"total_posts": 3}


def test_by_commits_delta_branches_of_a_backlog_drain_in_one_run(job: Job) -> None:
    job.hub.commit({".github/dreamcatcher.yml": b"max-frame-deltas: 1\n"})
    for second, worker in enumerate(("c", "b", "a")):
        job.hub.submit(worker, f"frame-405-{worker}.json", counting(worker, second))
    done = job.step()
    assert done.code == 0
    assert json.loads(job.main("show", "main:state/stats.json")) == {"total_posts": 3}
    assert job.outputs["frame"] == "407"
    assert run("verify", "--repo", job.hub.server.repo.path, "--branch", "main").code == 0


# --- one delta


def test_a_delta_of_too_many_operations_is_refused_with_a_letter(repo: Repo) -> None:
    bounded(repo, "max-delta-operations: 7\n")
    deliver(repo, FIRST)
    (result,) = merged(repo)
    (receipt,) = result["receipts"]
    assert (receipt["outcome"], receipt["reason"]) == ("quarantined", "too_many_operations")
    assert receipt["problems"][0]["message"] == "The delta holds 8 operations; at most 7 are taken."


def test_a_delta_that_takes_too_long_is_refused_and_refused_again_by_a_replay(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replay is quick, and comes to the same all the same."""
    bounded(repo, "max-validation-seconds: 5\n")
    deliver(repo, counting("slow", 1), counting("quick", 2))
    seconds, judge = [0.0], frame_module.validate

    def slowly(candidate: Any, rules: Any) -> Any:
        seconds[0] += 6.0 if "slow" in candidate.path else 1.0
        return judge(candidate, rules)

    with monkeypatch.context() as patch:
        patch.setattr(frame_module, "validate", slowly)
        patch.setattr(time, "monotonic", lambda: seconds[0])
        (result,) = merged(repo)
    by_worker = {one["stream_id"]: (one["outcome"], one.get("reason")) for one in result["receipts"]}
    assert by_worker == {"slow": ("quarantined", "validation_too_slow"), "quick": ("applied", None)}
    sound(repo)


# --- history


def test_a_clock_that_went_back_stops_the_merge(repo: Repo) -> None:
    """Somebody reverts the merge commit: everything agrees with everything, but the frame's number comes twice."""
    deliver(begun(repo), FIRST)
    assert run("merge", "--repo", repo.path).code == 0
    deliver(repo, delta("w2", 406, stats_increments={"total_posts": 1}))
    assert run("merge", "--repo", repo.path).code == 0
    repo.git("revert", "--no-edit", "HEAD")
    by, head = repo.head, repo.head
    done = run("merge", "--repo", repo.path)
    assert (done.code, repo.head) == (1, head)
    date = repo.git("log", "-1", "--format=%aI").replace("+00:00", "Z")
    assert done.err.startswith(
        f"The clock has gone back from frame 407 to frame 406, by Tester <tester@example.com> in {by[:10]} on {date}, "
        "so nothing was merged and nothing was written.\n"
    )
    repo.git("revert", "--no-edit", "HEAD")
    assert run("merge", "--repo", repo.path).code == 0, "what the letter says helps"


def test_a_branch_that_begins_with_a_merged_frame_stops_the_merge(repo: Repo) -> None:
    deliver(begun(repo), FIRST)
    assert run("merge", "--repo", repo.path).code == 0
    root = repo.git("commit-tree", "HEAD^{tree}", "-m", "all new")
    repo.git("reset", "--quiet", "--hard", root)
    deliver(repo, delta("w2", 406, stats_increments={"total_posts": 1}))
    done = run("merge", "--repo", repo.path)
    assert done.code == 1
    assert f"Commit {root[:10]}, by Tester <tester@example.com> on " in done.err
    assert "brings frame 405 but has nothing before it, as if the branch began there" in done.err


def test_a_shallow_clone_is_no_such_branch(repo: Repo, tmp_path: Path) -> None:
    deliver(begun(repo), FIRST)
    assert run("merge", "--repo", repo.path).code == 0
    repo.git("clone", "--quiet", "--depth=1", f"file://{repo.path}", str(tmp_path / "shallow"))
    clone = Repo(tmp_path / "shallow")
    deliver(clone, delta("w2", 406, stats_increments={"total_posts": 1}))
    done = run("merge", "--repo", clone.path)
    assert done.code == 0, done.err
