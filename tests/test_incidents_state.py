"""Incidents in which state was damaged: by markers, by loaders that meant well, by hands, by clocks, by crashes.

Where a merge stops, the scenario goes on as its letter asks people to: they mend it, and merge again.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from merge_bot import collect, frame
from merge_bot.errors import DreamcatcherError
from merge_bot.git import Repository
from merge_bot.layouts import file as file_layout
from merge_bot.publish.base import Published
from merge_bot.publish.commit import CommitPublisher
from merge_bot.snapshot import Frame
from tests.command import INBOX
from tests.crashes import die_at_every_step
from tests.incidents import (
    LOG,
    commit_inbox,
    count,
    deliver,
    edits_go_unnoticed,
    guard,
    incident,
    merge,
    only_the_tip_is_read,
    post,
    posts,
    read,
    world,
)  # fmt: skip
from tests.repo import AUTHOR, BRANCH, Repo

__all__ = ["guard", "world"]
Patch = pytest.MonkeyPatch


def corrupt_is_empty(patch: Patch) -> None:
    """A loader as the first system had it."""
    edits_go_unnoticed(patch)
    whole = file_layout.parse_json

    def parse(data: bytes, path: str) -> Any:
        try:
            return whole(data, path)
        except DreamcatcherError:
            return {}

    patch.setattr(file_layout, "parse_json", parse)


@incident(([], 3), (corrupt_is_empty, ([], 1)))
def test_01_conflict_markers_were_committed_inside_stats_json(world: Repo, guard: None, left: Any) -> None:
    """Somebody merged two branches and committed the file with git's conflict markers in it; the next run read what it
    could, and put its own conflict around them. Now a merge stops at the line, and never writes a marker.
    """
    deliver(world, "w1", **post(1, 2))
    assert merge(world).code == 0
    proven = world.head
    world.git("switch", "--quiet", "--create", "theirs")
    world.commit({"state/stats.json": b'{\n  "posts": 7\n}\n'})
    world.git("switch", "--quiet", "main")
    world.commit({"state/stats.json": b'{\n  "posts": 8\n}\n', ".github/dreamcatcher.yml": b"foreign-edits: adopt\n"})
    world.git("merge", "theirs", check=False)
    world.git("commit", "--all", "--quiet", "--message", "resolved")
    damaged = world.head
    deliver(world, "w1", 6, **post(3))
    said = merge(world)
    if said.code:
        assert "state/stats.json:2 Git conflict markers were committed: 3 in all, the first is <<<<<<<." in said.err
        assert world.head == damaged
        world.git("checkout", "--quiet", proven, "--", "state/stats.json")
        world.commit(message="repaired")
        assert merge(world).code == 0
    marked = world.git("grep", "--files-with-matches", "^<<<<<<<", "HEAD", "--", "state", check=False).splitlines()
    assert (marked, count(world)) == left


@incident(137, (corrupt_is_empty, 1))
def test_02_a_loader_answered_nothing_for_a_corrupt_agents_json(world: Repo, guard: None, left: int) -> None:
    """It answered `{}` for a file that was cut off, and the next save wrote that: 136 agents were gone."""
    deliver(world, "w1", agents=[{"id": f"agent-{number}", "bio": "b"} for number in range(136)])
    assert merge(world).code == 0
    proven = world.head
    world.commit({"state/agents.json": (world.path / "state/agents.json").read_bytes()[:1000]})
    deliver(world, "w1", 6, agents=[{"id": "agent-new"}])
    said = merge(world)
    if said.code:
        assert "state/agents.json" in said.err
        world.git("checkout", "--quiet", proven, "--", "state/agents.json")
        world.commit(message="repaired")
        assert merge(world).code == 0
    assert len(read(world, "state/agents.json")) == left


def nothing_is_proven(patch: Patch) -> None:
    patch.setattr(frame, "prove", lambda *_: None)


@incident(136, (nothing_is_proven, 1))
def test_02_whatever_the_reason_no_collection_gets_smaller(
    world: Repo, guard: None, left: int, monkeypatch: Patch
) -> None:
    """The same loss by a mistake of our own: a store that forgets what it has read."""
    deliver(world, "w1", agents=[{"id": f"agent-{number}"} for number in range(136)])
    assert merge(world).code == 0
    whole = file_layout.FileStore.put

    def put(self: file_layout.FileStore, key: str, value: Any) -> None:
        self._part().value.clear()
        whole(self, key, value)

    monkeypatch.setattr(file_layout.FileStore, "put", put)
    deliver(world, "w1", 6, agents=[{"id": "agent-new"}])
    said = merge(world)
    assert ("state/agents.json" in said.err) == bool(said.code)
    assert len(read(world, "state/agents.json")) == left


@incident([1, 2, 3], (edits_go_unnoticed, [1, 3]), (only_the_tip_is_read, [1, 2]))
def test_04_a_merge_by_hand_accepted_the_remote_and_dropped_rows_and_a_delta(
    world: Repo, guard: None, left: list[int]
) -> None:
    """One commit of a person took rows out of the log, and a delta out of the inbox that nobody had processed."""
    deliver(world, "w1", **post(1))
    assert merge(world).code == 0
    world.git("branch", "theirs")
    deliver(world, "w1", 6, **post(2))
    assert merge(world).code == 0
    waiting = deliver(world, "w2", 7, **post(3))
    commit_inbox(world)
    old = read(world, LOG, "theirs")
    world.commit({".github/dreamcatcher.yml": b"foreign-edits: revert\n"})
    world.git("checkout", "--quiet", "theirs", "--", LOG)
    world.commit({waiting: None}, "merge: accept remote")
    assert read(world, LOG) == old
    assert merge(world).code == 0
    assert posts(world) == left


def clocks_may_go_back(patch: Patch) -> None:
    patch.setattr(collect, "_landed", lambda *_: None)


@incident(["4", "5", "6", "7", "8"], (clocks_may_go_back, ["4", "5", "6", "6", "7"]))
def test_11_the_frame_counter_went_backward(world: Repo, guard: None, left: list[str]) -> None:
    """It went from 524 to 517 when somebody put an older copy of the state back, and numbers were given out twice."""
    for number in (1, 2, 3):
        deliver(world, "w1", number + 4, **post(number))
        assert merge(world).code == 0
    proven = world.head
    world.git("rm", "-r", "--quiet", "state")
    world.git("checkout", "--quiet", "HEAD~4", "--", "state")
    world.git("rm", "-r", "--quiet", "--ignore-unmatch", f"{INBOX}/*.json")
    world.commit(message="the backup")
    assert read(world, "state/_meta.json")["frame"] == 6
    deliver(world, "w2", 6, **post(4))
    said = merge(world)
    if said.code:
        assert "8" in said.err and "6" in said.err
        world.git("checkout", "--quiet", proven, "--", "state")
        world.commit(message="the backup was a mistake")
        assert merge(world).code == 0
        assert posts(world) == [1, 2, 3, 4]
    frames = world.git("log", "--format=%(trailers:key=Dreamcatcher-Frame,valueonly,separator=)").split()
    assert sorted(frames) == left


def one_file_after_the_other(patch: Patch) -> None:
    def publish(self: CommitPublisher, made: Frame) -> Published:
        repository, base = self._repository, made.base
        for path, content in sorted(made.changes.items()):
            commit = repository.write_commit(base, {path: content}, path, AUTHOR, 1)
            assert repository.compare_and_swap(BRANCH, commit, base)
            base = commit
        return Published("pushed", base)

    patch.setattr(CommitPublisher, "publish", publish)


@incident({True}, (one_file_after_the_other, {True, False}))
def test_14_a_crash_between_two_files_left_stats_and_log_apart(
    world: Repo, guard: None, left: set[bool], tmp_path: Path
) -> None:
    """The files of the state were written one after the other, and the process died in between. Here it dies by
    SIGKILL at every sixteenth step of a merge.
    """
    deliver(world, "w1", **post(1, 2, 3))
    commit_inbox(world)
    work = tmp_path / "work"

    def prepare() -> None:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(world.path, work)

    found = set()
    for _ in die_at_every_step(prepare, lambda: frame_of(work), stride=16):
        left_behind = Repo(work)
        found.add(len(posts(left_behind)) == count(left_behind))
        if False in found:
            break
    assert found == left


def frame_of(root: Path) -> None:
    """One merge, without the doors' letters: the child that runs it is killed."""
    from merge_bot.clone import Clone
    from tests.past import NOON

    with Clone.open(str(root)) as clone:
        clone.merge(NOON.replace(hour=13))


@incident(True, (clocks_may_go_back, False))
def test_17_a_commit_without_a_parent_was_made_from_a_shallow_clone(world: Repo, guard: None, left: bool) -> None:
    """A job committed in a clone of depth 1 as if that were all, and pushed by force: the branch had lost its past."""
    begun = world.head
    deliver(world, "w1", **post(1))
    assert merge(world).code == 0
    proven = world.head
    orphan = world.git("commit-tree", "HEAD^{tree}", "-m", "from a shallow clone")
    world.git("reset", "--quiet", "--hard", orphan)
    deliver(world, "w1", 6, **post(2))
    said = merge(world)
    if said.code:
        assert orphan[:10] in said.err
        world.git("reset", "--quiet", "--hard", proven)
        assert merge(world).code == 0
    assert posts(world) == [1, 2]
    with Repository.open(world.path) as repository:
        assert repository.is_ancestor(begun, world.head) == left


def test_17_a_merge_in_a_shallow_clone_goes_on_from_what_the_branch_holds(world: Repo, tmp_path: Path) -> None:
    """The clone is as shallow as that of the job was; what it lacks is fetched, and the frame has its parent."""
    deliver(world, "w1", **post(1))
    assert merge(world).code == 0
    deliver(world, "w2", 6, **post(2))
    commit_inbox(world)
    tip = world.head
    world.git("clone", "--quiet", "--depth=1", world.path.as_uri(), str(tmp_path / "shallow"))
    shallow = Repo(tmp_path / "shallow")
    assert shallow.git("rev-list", "--count", "HEAD") == "1"
    assert merge(shallow).code == 0
    assert (shallow.git("rev-parse", "HEAD^"), posts(shallow)) == (tip, [1, 2])
    shallow.git("push", "--quiet", "origin", "HEAD:refs/heads/arrived")
    assert world.git("rev-list", "--count", "arrived") == str(int(world.git("rev-list", "--count", "main")) + 1)
