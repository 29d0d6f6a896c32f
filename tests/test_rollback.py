"""Rollback: an earlier frame's state as a new frame. What is undone stays out; what is put up again comes in once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from merge_bot.clone import Clone
from merge_bot.commit_files import CommitFiles
from merge_bot.edits import live_state_tree
from merge_bot.errors import LocalEdits, RepositoryError
from merge_bot.frame import Result
from merge_bot.history import History
from merge_bot.paths import Paths
from merge_bot.rollback import Rolled, apart, roll_back
from merge_bot.tree import edited
from tests.command import INBOX, begun, deliver, delta, masked, run
from tests.repo import Repo

NOW = datetime(2026, 3, 25, 4, 0, 0, tzinfo=UTC)
ARIA = {"agent_id": "agent-aria", "name": "Aria"}
PATHS = Paths()


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return begun(Repo(tmp_path))


def merge(repo: Repo, *deltas: bytes) -> Result:
    deliver(repo, *deltas)
    with Clone.open(str(repo.path)) as clone:
        return clone.merge(NOW)


def back(repo: Repo, target: int, *, requeue: bool = False) -> Rolled:
    with Clone.open(str(repo.path)) as clone:
        return roll_back(clone, target, NOW, requeue=requeue)


def bump(stream: str, frame: int, by: int, seconds: int = 0) -> bytes:
    """A delta that adds to a counter, so that being counted twice shows."""
    utc = (NOW + timedelta(seconds=seconds - 600)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return delta(stream, frame, utc, stats_increments={"total_posts": by})


def posts(repo: Repo) -> int:
    value: int = json.loads(repo.git("show", "HEAD:state/stats.json")).get("total_posts", 0)
    return value


def three_frames(repo: Repo) -> None:
    """Frames 405 to 407 add 1, 10 and 100."""
    merge(repo, bump("w1", 405, 1))
    merge(repo, bump("w1", 406, 10), bump("w2", 406, 0))
    merge(repo, bump("w1", 407, 100))


def state_of(repo: Repo, commit: str, *, books: bool) -> str:
    """The state tree of a commit, without ledger and workers unless `books`."""
    with repo.opened() as repository:
        files = CommitFiles(repository, commit)
        root = live_state_tree(files, PATHS)
        if books:
            return root
        entry = files.entry("state")
        gone = {"_control/workers.json": None}
        ledger = repo.git("ls-tree", "-r", "--name-only", commit, "state/_control/ledger").splitlines()
        gone |= {path.removeprefix("state/"): None for path in ledger}
        assert entry is not None
        return edited(entry.id, gone, files.entries, without=PATHS.outside_the_digest())


def ledger(repo: Repo) -> dict[tuple[str, int], dict[str, Any]]:
    """(worker, frame) → the ledger's line."""
    found = {}
    for path in repo.git("ls-files", "state/_control/ledger").splitlines():
        for line in repo.git("show", f"HEAD:{path}").splitlines():
            one = json.loads(line)
            found[one["stream_id"], int(Path(path).stem)] = one
    return found


def test_the_state_of_an_earlier_frame_becomes_a_new_frame(repo: Repo) -> None:
    merge(repo, delta("w1", profile_updates=[ARIA], stats_increments={"total_posts": 1}))
    then = repo.head
    merge(
        repo,
        delta("w1", 406, profile_updates=[{**ARIA, "bio": "new"}], channels_updated=[{"slug": "a", "name": "A"}]),
        delta("w2", 406, posts_created=[{"number": 1, "title": "t", "channel": "a", "author": "agent-aria"}]),
        delta("w3", 406, posts_created=[{"number": 2, "title": "t", "channel": "nowhere", "author": "agent-aria"}]),
    )
    tip = repo.head
    rolled = back(repo, 405)
    manifest = rolled.frame.manifest
    assert (manifest.frame, manifest.kind, manifest.landed, manifest.previous) == (
        407, "rollback", tip, json.loads(repo.git("show", f"{tip}:state/_meta.json"))["manifest"],
    )  # fmt: skip
    assert state_of(repo, repo.head, books=False) == state_of(repo, then, books=False)
    assert state_of(repo, repo.head, books=True) == manifest.state_tree
    assert repo.git("rev-parse", "HEAD^") == tip
    assert json.loads(repo.git("show", "HEAD:state/_meta.json"))["frame"] == 408
    assert repo.status == []
    with History(str(repo.path)) as history:
        assert history.manifest(407) == manifest
        assert history.state(407).record("agents", "agent-aria") == history.state(405).record("agents", "agent-aria")
        assert (history.state(406).parked != [], history.state(407).parked) == (True, [])
        assert manifest.counts == history.manifest(405).counts


def test_an_undone_delta_does_not_come_back_by_itself(repo: Repo) -> None:
    three_frames(repo)
    back(repo, 405)
    assert posts(repo) == 1
    again = merge(repo, bump("w1", 406, 10))
    assert again.frame is not None
    assert [(one.outcome.value, one.notes) for one in again.frame.receipts] == [
        ("duplicate", ["these bytes were settled in frame 408: undone"])
    ]
    assert posts(repo) == 1


def test_a_requeued_delta_comes_in_exactly_once_more(repo: Repo) -> None:
    three_frames(repo)
    rolled = back(repo, 405, requeue=True)
    rows = rolled.frame.manifest.rollback
    assert rows is not None and rows["requeued"]
    assert [(row["merged_in"], row["source"]) for row in rows["undone"]] == [
        (406, f"{INBOX}/frame-406-{one}.json") for one in sorted(("w1", "w2"), key=lambda one: _digest(repo, 406, one))
    ] + [(407, f"{INBOX}/frame-407-w1.json")]
    assert len(list((repo.path / INBOX).glob("*.json"))) == 3
    merged = merge(repo)
    assert merged.frame is not None
    assert [one.outcome.value for one in merged.frame.receipts] == ["late"] * 3
    assert posts(repo) == 111
    merge(repo, bump("w1", 406, 10), bump("w1", 407, 100))
    assert posts(repo) == 111
    assert {one["outcome"] for one in ledger(repo).values()} == {"applied", "late"}


def _digest(repo: Repo, frame: int, stream: str) -> str:
    from hashlib import sha256

    return sha256(bump(stream, frame, {"w1": 10, "w2": 0}[stream])).hexdigest()


def test_the_slot_of_an_undone_delta_is_free_for_a_corrected_one(repo: Repo) -> None:
    three_frames(repo)
    back(repo, 405)
    merge(repo, bump("w1", 406, 20, seconds=9))
    assert posts(repo) == 21


def test_a_rollback_can_be_rolled_back(repo: Repo) -> None:
    three_frames(repo)
    before = state_of(repo, repo.head, books=True)
    back(repo, 405)
    rolled = back(repo, 407)
    assert rolled.frame.manifest.rollback is not None
    assert [row["merged_in"] for row in rolled.frame.manifest.rollback["restored"]] == [406, 406, 407]
    assert rolled.frame.manifest.rollback["undone"] == []
    assert state_of(repo, repo.head, books=True) == before
    merge(repo, bump("w1", 406, 10))
    assert posts(repo) == 111


def test_what_was_put_up_again_and_then_restored_is_not_counted_twice(repo: Repo) -> None:
    three_frames(repo)
    back(repo, 405, requeue=True)
    back(repo, 407)
    merged = merge(repo)
    assert merged.frame is not None
    assert [one.outcome.value for one in merged.frame.receipts] == ["duplicate"] * 3
    assert posts(repo) == 111


def test_merged_again_and_undone_again(repo: Repo) -> None:
    three_frames(repo)  # 405, 406, 407
    back(repo, 405, requeue=True)  # 408
    merge(repo)  # 409: 406's and 407's deltas again
    merge(repo, bump("w1", 410, 1000))
    rolled = back(repo, 407)  # 411: 409 and 410 undone, 406 and 407 back
    assert rolled.frame.manifest.rollback is not None
    assert {row["merged_in"] for row in rolled.frame.manifest.rollback["undone"]} == {409, 410}
    assert posts(repo) == 111
    outcomes = {key: (one["outcome"], one["merged_in"]) for key, one in ledger(repo).items()}
    assert outcomes == {
        ("w1", 405): ("applied", 405),
        ("w1", 406): ("applied", 406),
        ("w2", 406): ("applied", 406),
        ("w1", 407): ("applied", 407),
        ("w1", 410): ("undone", 411),
    }
    with History(str(repo.path)) as history:
        assert apart(history, 411, 405) == ([411, 407, 406], [])
        assert apart(history, 410, 407) == ([410, 409, 408], [407, 406])


def test_a_requeued_delta_that_no_longer_fits_is_quarantined_with_its_bytes(repo: Repo) -> None:
    merge(repo, bump("w1", 405, 1))
    merge(repo, delta("w1", 406, channels_updated=[{"slug": "a", "name": "A"}]))
    back(repo, 405, requeue=True)
    schema = json.loads((repo.path / "schemas/channels.schema.json").read_bytes())
    schema["properties"]["name"]["minLength"] = 2
    repo.commit({"schemas/channels.schema.json": json.dumps(schema).encode()})
    merged = merge(repo)
    assert merged.frame is not None
    (row,) = merged.frame.manifest.deltas
    assert row["outcome"] == "quarantined"
    assert repo.git("show", f"HEAD:{row['file']}").encode() == delta(
        "w1", 406, channels_updated=[{"slug": "a", "name": "A"}]
    )


def test_versions_that_were_overwritten_before_the_rollback_are_still_read_after_it(repo: Repo) -> None:
    merge(repo, bump("w1", 405, 1))
    path = f"{INBOX}/frame-406-w1.json"
    repo.commit({path: bump("w1", 406, 10)})
    repo.commit({path: bump("w1", 406, 20, seconds=1)})
    repo.commit({path: None})
    back(repo, 404)
    merged = merge(repo)
    assert merged.frame is not None
    assert [one.outcome.value for one in merged.frame.receipts] == ["quarantined", "late"] or [
        one.outcome.value for one in merged.frame.receipts
    ] == ["late", "quarantined"]


def test_worker_tallies_go_on(repo: Repo) -> None:
    three_frames(repo)
    before = repo.git("show", "HEAD:state/_control/workers.json")
    back(repo, 404)
    assert repo.git("show", "HEAD:state/_control/workers.json") == before


def test_waiting_deltas_wait_on(repo: Repo) -> None:
    three_frames(repo)
    repo.commit({f"{INBOX}/frame-408-w9.json": bump("w9", 408, 1000)})
    back(repo, 405)
    assert (repo.path / INBOX / "frame-408-w9.json").exists()
    merge(repo)
    assert posts(repo) == 1001


def test_what_cannot_be_rolled_back_to(repo: Repo) -> None:
    three_frames(repo)
    for target, start in (
        (407, "The state is frame 407's already"),
        (408, "There is no frame 408"),
        (3, "There is no"),
    ):
        with pytest.raises(RepositoryError, match=start):
            back(repo, target)
    schema = json.loads((repo.path / "schemas/posts.schema.json").read_bytes())
    schema["x-merge"]["layout"] = "file"
    head = repo.commit({"schemas/posts.schema.json": json.dumps(schema).encode()})
    with pytest.raises(RepositoryError, match="`posts` lies or merges in another way since"):
        back(repo, 405)
    assert repo.head == head


def test_local_edits_are_not_discarded(repo: Repo) -> None:
    three_frames(repo)
    head = repo.head
    repo.write("state/stats.json", b"mine")
    with pytest.raises(LocalEdits):
        back(repo, 405)
    assert (repo.head, (repo.path / "state/stats.json").read_bytes()) == (head, b"mine")


def test_a_rollback_says_what_it_undid(repo: Repo) -> None:
    three_frames(repo)
    head = repo.head
    dry = run("rollback", 406, "--dry-run", "--repo", repo.path)
    assert (dry.code, repo.head) == (0, head)
    assert masked(dry.out) == (
        "Dry run, nothing was written. Frame 408 would have the state of frame 406: 1 delta undone.\n\n"
        "1 delta undone\n  state/stream_deltas/frame-407-w1.json, merged in frame 407\n\n"
        "To do it: dreamcatcher rollback 406\n"
    )
    done = run("rollback", 406, "--requeue", "--repo", repo.path, "--json")
    assert (done.code, done.json["frame"], done.json["to"], done.json["requeued"]) == (0, 408, 406, True)
    assert [row["source"] for row in done.json["undone"]] == [f"{INBOX}/frame-407-w1.json"]
    said = run("rollback", 999, "--repo", repo.path)
    assert (said.code, said.err) == (
        1, "There is no frame 999. The frames here go from 404 to 408 (`dreamcatcher log` lists them).\n",
    )  # fmt: skip


def test_rollbacks_replay_to_the_same_bytes(repo: Repo) -> None:
    three_frames(repo)
    back(repo, 405, requeue=True)
    merge(repo)
    back(repo, 407)
    with History(str(repo.path)) as history:
        for frame in range(405, 411):
            replayed = history.replay(frame)
            assert (frame, replayed.same, replayed.differs) == (frame, True, [])
