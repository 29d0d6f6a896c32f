"""A crash between the move of the branch and the files: noticed, repaired, nothing lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from merge_bot.errors import RepositoryError
from merge_bot.git import consumed
from tests.move import Move, tree
from tests.repo import AUTHOR, BRANCH, Repo

MakeRepo = Callable[..., Repo]
ROOT = Path(__file__).parent.parent


def test_a_crash_after_the_branch_moved_is_repaired(move: Move) -> None:
    repo = move.repo
    repo.write("mine", b"edited")
    repo.write("in/two", b"newer")
    move.crash()
    assert move.marked and tree(repo)["state/a.json"] == b"old a"
    assert move.repair()
    assert (repo.status, move.marked) == ([" M mine", "?? in/two"], False)
    assert tree(repo) == move.after | {"mine": b"edited", "in/two": b"newer"}
    assert not move.repair()


def test_a_crash_before_the_branch_moved_leaves_nothing_to_repair(move: Move) -> None:
    with move.repo.opened() as found:
        found.announce(move.old, move.new, move.consumed)
    before = tree(move.repo)
    assert move.marked and not move.repair()
    assert (move.repo.status, tree(move.repo), move.marked) == ([], before, False)


def test_a_crash_after_the_files_followed_leaves_nothing_to_repair(move: Move) -> None:
    move.crash()
    move.repo.git("reset", "--quiet", "--hard")
    move.repo.write("state/a.json", b"edited since")
    move.repo.git("add", "state/a.json")
    assert not move.repair()
    assert (move.repo.status, move.marked) == (["M  state/a.json"], False)


def test_a_lost_race_leaves_no_marker(move: Move) -> None:
    repo = move.repo
    with repo.opened() as found:
        found.announce(move.old, move.new, move.consumed)
        rival = repo.commit({"rival": b"1"})
        assert not found.compare_and_swap(BRANCH, move.new, move.old)
    assert (move.marked, repo.head, repo.status) == (False, rival, [])


def test_a_race_lost_by_what_was_not_announced_leaves_the_marker_of_another(move: Move) -> None:
    move.crash()
    with move.repo.opened() as found:
        late = found.write_commit(move.old, {"x": b"1"}, "late\n", AUTHOR, 0)
        assert not found.compare_and_swap(BRANCH, late, move.old)
    assert move.repair()
    assert (move.repo.status, tree(move.repo)) == ([], move.after)


def test_a_marker_of_a_branch_that_went_elsewhere_is_dropped(move: Move) -> None:
    repo = move.repo
    move.crash()
    repo.git("reset", "--quiet", "--hard", move.old)
    rival = repo.commit({"rival": b"1"})
    assert not move.repair()
    assert (move.marked, repo.head, repo.status) == (False, rival, [])


def test_an_intake_that_was_cut_short_only_sets_the_index(repo: Repo) -> None:
    old = repo.commit({"a": b"1", "in/changed": b"1"})
    repo.write("in/new", b"taken in")
    repo.write("in/over", b"taken in")
    repo.write("in/changed", b"2")
    with repo.opened() as found:
        changes = {"in/new": b"taken in", "in/over": b"taken in", "in/changed": b"2"}
        new = found.write_commit(old, changes, "deltas\n", AUTHOR, 0)
        found.announce(old, new, {}, index_only=True)
        assert found.compare_and_swap(BRANCH, new, old)
    repo.write("in/over", b"a newer one")
    with repo.opened() as found:
        assert found.repair()
    assert repo.status == [" M in/over"]
    assert tree(repo) == {"a": b"1", **changes, "in/over": b"a newer one"}


def test_an_update_of_the_files_that_was_cut_short_is_completed(move: Move) -> None:
    """As if the machine had stopped in the middle of `read-tree -u`, which writes the index last."""
    repo = move.repo
    move.crash()
    repo.write("state/a.json", b"new a")
    repo.write("state/c/d.json", b"new")
    (repo.path / "in/one").unlink()
    assert move.repair()
    assert (repo.status, tree(repo)) == ([], move.after)


@pytest.mark.parametrize("head", ["main", "other"])
def test_a_file_that_a_crash_left_aside_comes_back(move: Move, head: str) -> None:
    repo = move.repo
    move.crash()
    places = {path: os.fsencode(repo.path / path) for path in ("in/one", "in/two")}
    repo.write("in/one", b"newer, and taken aside")
    for place in places.values():
        os.rename(place, consumed.aside_of(place))
    if head == "other":
        repo.git("symbolic-ref", "HEAD", "refs/heads/other")
    assert move.repair() is (head == "main")
    present = {path: data for path, data in tree(repo).items() if path.startswith("in/")}
    assert present == {"in/one": b"newer, and taken aside"}


def test_a_marker_that_cannot_be_read_gets_a_letter(move: Move) -> None:
    marker = move.repo.write(".git/dreamcatcher/update.json", b'{"ref": "refs/heads/main"}')
    for damaged in (b'{"ref": "refs/heads/main"}', b"", b"[]", b"\xff"):
        marker.write_bytes(damaged)
        with pytest.raises(RepositoryError) as caught:
            move.repair()
        assert str(caught.value) == (
            f"{marker} says that an update of the work tree was interrupted, but it cannot be read. "
            "Look at `git status`; when the work tree is as it should be, delete that file."
        )


def test_hostile_names_survive_the_marker(repo: Repo) -> None:
    path = 'in/\udcff"\n.json'
    old = repo.commit({path: b"1", "a": b"1"})
    with repo.opened() as found:
        new = found.write_commit(old, {path: None, "a": b"2"}, "x\n", AUTHOR, 0)
        found.announce(old, new, repo.files() | {"a": "0" * 40})
        assert found.compare_and_swap(BRANCH, new, old)
    with repo.opened() as found:
        assert found.repair()
    assert (repo.status, tree(repo)) == ([], {"a": b"2"})


def test_while_one_process_is_at_it_others_wait_or_leave_it_to_it(move: Move) -> None:
    program = """
import sys
from merge_bot.git import Repository
with Repository.open(sys.argv[1]) as found:
    print(found.repair(wait=sys.argv[2] == "wait"), flush=True)
"""
    command = [sys.executable, "-c", program, os.fspath(move.repo.path)]
    with move.repo.opened() as found:
        found.announce(move.old, move.new, move.consumed)
        assert found.compare_and_swap(BRANCH, move.new, move.old)
        assert subprocess.check_output([*command, "leave"], cwd=ROOT) == b"False\n"
        waiting = subprocess.Popen([*command, "wait"], cwd=ROOT, stdout=subprocess.PIPE)
        found.fast_forward(move.old, move.new, move.consumed)
    assert waiting.communicate()[0] == b"False\n"
    assert (move.repo.status, tree(move.repo)) == ([], move.after)


def test_a_git_that_outlives_its_killed_parent_is_waited_for(move: Move, tmp_path: Path) -> None:
    """The lock is held until `read-tree` ends, so the next command never meets one that is still at work."""
    program = """
import os, signal, sys
from merge_bot.git import Repository, process
spawn = process._spawn
def watched(arguments, *rest):
    child = spawn(arguments, *rest)
    if arguments[0] == "read-tree":
        os.kill(child.pid, signal.SIGSTOP)
        print(child.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return child
process._spawn = watched
import json
old, new, consumed = json.loads(sys.argv[2])
with Repository.open(sys.argv[1]) as found:
    found.announce(old, new, consumed)
    found.compare_and_swap("refs/heads/main", new, old)
    found.fast_forward(old, new, consumed)
"""
    facts = json.dumps([move.old, move.new, move.consumed])
    killed = subprocess.run([sys.executable, "-c", program, move.repo.path, facts], cwd=ROOT, stdout=subprocess.PIPE)
    orphan = int(killed.stdout)
    with move.repo.opened() as found:
        assert not found.repair(wait=False) and move.marked
        os.kill(orphan, 18)
        found.repair()
    assert (move.repo.status, tree(move.repo), move.marked) == ([], move.after, False)


def test_killed_at_every_step_it_is_old_or_new_and_the_next_run_completes(make_repo: MakeRepo) -> None:
    """SIGKILL before, right after the start, and after each git command, and before each file operation of ours."""
    program = """
import os, signal, sys
from merge_bot.git import Identity, Repository, files, process
steps = int(sys.argv[2])
def step():
    global steps
    steps -= 1
    if steps < 0:
        os.kill(os.getpid(), signal.SIGKILL)
def before(function):
    def wrapped(*arguments, **options):
        step()
        return function(*arguments, **options)
    return wrapped
def after(function):
    def wrapped(*arguments, **options):
        result = function(*arguments, **options)
        step()
        return result
    return wrapped
process._spawn = before(after(process._spawn))
process.Git.run = after(process.Git.run)
for name in ("rename", "give_back", "remove", "write_durably", "read", "replace"):
    setattr(files, name, before(getattr(files, name)))
with Repository.open(sys.argv[1]) as found:
    found.repair()
    old = found.resolve("refs/heads/main")
    consumed = {p: e.id for p in ("in/one", "in/two") if (e := found.entry_at(old, p))}
    if consumed:
        changes = {"state/a": b"new", "state/b": b"new", **dict.fromkeys(consumed)}
        new = found.write_commit(old, changes, "merge", Identity("N", "e"), 0)
        assert found.can_fast_forward(old, new, consumed) == []
        found.announce(old, new, consumed)
        assert found.compare_and_swap("refs/heads/main", new, old)
        found.fast_forward(old, new, consumed)
"""
    template = make_repo("template")
    template.commit({"state/a": b"old", "in/one": b"1", "in/two": b"2", "mine": b"1"})
    template.write("mine", b"edited")
    template.write("in/two", b"newer")
    template.write("in/three", b"3")
    before, kills = template.files(), 0
    while True:
        subprocess.run(["cp", "-a", template.path, template.path.parent / f"at-{kills}"], check=True)
        repo = Repo(template.path.parent / f"at-{kills}")
        done = subprocess.run([sys.executable, "-c", program, repo.path, str(kills)], cwd=ROOT)
        if done.returncode == 0:
            break
        assert done.returncode == -9
        after = repo.files("main")
        assert after == before or list(after) == ["mine", "state/a", "state/b"]
        subprocess.run([sys.executable, "-c", program, repo.path, "100000"], cwd=ROOT, check=True)
        assert tree(repo) == {
            "state/a": b"new", "state/b": b"new", "mine": b"edited", "in/two": b"newer", "in/three": b"3",
        }, kills  # fmt: skip
        assert repo.status == [" M mine", "?? in/three", "?? in/two"], kills
        assert repo.refs() == [BRANCH] and not list(repo.path.glob(".git/*.lock")), kills
        subprocess.run(["rm", "-r", repo.path], check=True)
        kills += 1
    assert kills > 40
