"""The work tree follows its branch, and every edit of people is named or kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from merge_bot.errors import GitFailed, LocalEdits
from merge_bot.git import Repository, checkout
from merge_bot.git.process import Git
from tests.move import Move, tree
from tests.repo import AUTHOR, BRANCH, Repo


def test_a_clean_work_tree_follows(move: Move) -> None:
    assert move.in_the_way() == []
    move.go()
    assert (move.repo.head, move.repo.status, tree(move.repo), move.marked) == (move.new, [], move.after, False)


def test_unrelated_edits_stay_as_they_are(move: Move) -> None:
    repo = move.repo
    repo.write("mine", b"edited")
    repo.write("staged", b"new and staged")
    repo.git("add", "staged")
    repo.write("staged", b"and edited since")
    repo.write("state/untracked", b"1")
    repo.write("in/three", b"delta 3")
    before = repo.status
    assert move.in_the_way() == []
    move.go()
    assert repo.status == before == ["AM staged", " M mine", "?? in/three", "?? state/untracked"] or (
        sorted(repo.status) == sorted(before)
    )
    assert tree(repo) == move.after | {
        "mine": b"edited", "staged": b"and edited since", "state/untracked": b"1", "in/three": b"delta 3",
    }  # fmt: skip
    assert repo.git("show", ":staged") == "new and staged"


def edit(repo: Repo) -> None:
    repo.write("state/a.json", b"edited")


def edit_what_goes(repo: Repo) -> None:
    repo.write("state/b.json", b"edited")


def stage(repo: Repo) -> None:
    repo.write("state/a.json", b"edited")
    repo.git("add", ".")


def stage_and_take_back(repo: Repo) -> None:
    stage(repo)
    repo.write("state/a.json", b"old a")


def stage_other_than_what_comes(repo: Repo) -> None:
    stage(repo)
    repo.write("state/a.json", b"new a")


def stage_removal(repo: Repo) -> None:
    repo.git("rm", "--quiet", "state/a.json")


def unstage_what_goes(repo: Repo) -> None:
    repo.git("rm", "--quiet", "--cached", "state/b.json")


def stage_what_comes(repo: Repo) -> None:
    repo.write("state/c/d.json", b"mine")
    repo.git("add", ".")


def untracked(repo: Repo) -> None:
    repo.write("state/c/d.json", b"mine")


def ignored(repo: Repo) -> None:
    repo.write(".git/info/exclude", b"state/c\n")
    repo.write("state/c/d.json", b"mine")


def file_for_folder(repo: Repo) -> None:
    repo.write("state/c", b"mine")


def link_for_folder(repo: Repo) -> None:
    (repo.path / "state/c").symlink_to("/tmp")


def folder_for_file(repo: Repo) -> None:
    repo.write("state/c/d.json/mine", b"mine")


def unresolved(repo: Repo) -> None:
    blob = repo.git("hash-object", "-w", "--stdin", stdin=b"x")
    stages = "".join(f"100644 {blob} {stage}\tconflict\n" for stage in (1, 2, 3))
    repo.git("update-index", "--index-info", stdin=stages.encode())


EDITS = {
    edit: ["state/a.json"],
    edit_what_goes: ["state/b.json"],
    stage: ["state/a.json"],
    stage_and_take_back: ["state/a.json"],
    stage_other_than_what_comes: ["state/a.json"],
    stage_removal: ["state/a.json"],
    unstage_what_goes: ["state/b.json"],
    stage_what_comes: ["state/c/d.json"],
    untracked: ["state/c/d.json"],
    ignored: ["state/c/d.json"],
    file_for_folder: ["state/c"],
    link_for_folder: ["state/c"],
    folder_for_file: ["state/c/d.json/mine"],
    unresolved: ["conflict"],
}


@pytest.mark.parametrize(("change", "stands"), EDITS.items(), ids=lambda one: getattr(one, "__name__", ""))
def test_edits_in_the_way_are_named_and_kept(move: Move, change: Callable[[Repo], None], stands: list[str]) -> None:
    repo = move.repo
    change(repo)
    before, status = tree(repo), repo.status
    assert move.in_the_way() == stands
    assert (tree(repo), repo.status) == (before, status)
    if change is ignored:
        return  # git itself would overwrite it: that is why `can_fast_forward` is asked first
    with pytest.raises(LocalEdits) as caught:
        move.go()
    assert str(caught.value).startswith(
        f"The branch moved to {move.new}, but the work tree could not follow, because of local edits here:\n"
        f"  {stands[0]}\nThey are untouched. Move these files away"
    )
    assert tree(repo) == {path: data for path, data in before.items() if not path.startswith("in/")}


def test_once_the_edits_are_moved_away_the_next_command_brings_the_files_along(move: Move) -> None:
    repo = move.repo
    edit(repo)
    untracked(repo)
    with pytest.raises(LocalEdits):
        move.go()
    with pytest.raises(LocalEdits):
        move.repair()
    for path in ("state/a.json", "state/c/d.json"):
        (repo.path / path).unlink()
    assert move.repair()
    assert (repo.status, tree(repo), move.marked) == ([], move.after, False)


def test_files_that_are_already_what_comes_are_not_in_the_way(move: Move) -> None:
    repo = move.repo
    repo.write("state/a.json", b"new a")
    repo.write("state/c/d.json", b"new")
    (repo.path / "state/b.json").unlink()
    assert move.in_the_way() == []
    move.go()
    assert (repo.status, tree(repo)) == ([], move.after)


def test_a_file_may_become_a_folder_and_a_folder_a_file(repo: Repo) -> None:
    repo.commit({"x/y": b"1", "z": b"1"})
    move = Move(repo, {"x/y": None, "x": b"2", "z": None, "z/w": b"2", "in/one": None, "in/two": None})
    assert move.in_the_way() == []
    move.go()
    left = {"state/a.json": b"old a", "state/b.json": b"old b", "mine": b"1", "x": b"2", "z/w": b"2"}
    assert (repo.status, tree(repo)) == ([], left)


def test_nothing_happens_when_another_branch_or_none_is_checked_out(move: Move) -> None:
    repo = move.repo
    for switch in (["checkout", "--quiet", "-b", "other"], ["checkout", "--quiet", "--detach"]):
        repo.git(*switch)
        before = tree(repo)
        repo.git("update-ref", BRANCH, move.old)
        with repo.opened() as found:
            found.announce(move.old, move.new, move.consumed)
            assert found.compare_and_swap(BRANCH, move.new, move.old)
            found.fast_forward(move.old, move.new, move.consumed)
            assert not found.repair()
        assert (tree(repo), repo.status, move.marked) == (before, [], False)


def test_a_branch_without_commits_can_be_followed(repo: Repo) -> None:
    repo.write("mine", b"1")
    repo.write("schemas/a", b"1")
    empty = repo.git("hash-object", "-t", "tree", "/dev/null")
    with repo.opened() as found:
        new = found.write_commit(None, {"schemas/a": b"1", "state/b": b"2"}, "x\n", AUTHOR, 0)
        assert found.can_fast_forward(empty, new) == []
        found.announce(empty, new, {})
        assert found.compare_and_swap(BRANCH, new, None)
        found.fast_forward(empty, new, {})
    assert (repo.status, tree(repo)) == (["?? mine"], {"mine": b"1", "schemas/a": b"1", "state/b": b"2"})


def test_a_linked_work_tree_follows_its_own_branch(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a": b"1"})
    repo.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "linked"))
    linked = Repo(tmp_path / "linked")
    with linked.opened() as found:
        old = linked.head
        new = found.write_commit(old, {"a": b"2"}, "x\n", AUTHOR, 0)
        found.announce(old, new, {})
        assert found.compare_and_swap("refs/heads/side", new, old)
        found.fast_forward(old, new, {})
    assert (linked.status, repo.status) == ([], [])
    assert [(one.path / "a").read_bytes() for one in (linked, repo)] == [b"2", b"1"]


def test_a_prompt_that_holds_the_index_for_a_moment_is_waited_for(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = move.repo.write(".git/index.lock", b"")
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            lock.unlink()

    monkeypatch.setattr(checkout, "time", SimpleNamespace(sleep=sleep))
    move.go()
    assert (move.repo.status, len(waited)) == ([], 3)


def test_an_index_lock_that_stays_gets_a_letter(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = move.repo.write(".git/index.lock", b"")
    monkeypatch.setattr(checkout, "time", SimpleNamespace(sleep=lambda seconds: None))
    with pytest.raises(GitFailed, match=r"index\.lock[\s\S]*delete that file"):
        move.go()
    lock.unlink()
    assert move.repair()
    assert (move.repo.status, tree(move.repo)) == ([], move.after)


def test_the_index_is_refreshed_and_written_by_one_command(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []
    run = Git.run

    def watched(self: Git, *arguments: str, **options: object) -> object:
        commands.append(arguments[0])
        return run(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Git, "run", watched)
    with Repository.open(move.repo.path) as found:
        found.announce(move.old, move.new, move.consumed)
        assert found.compare_and_swap(BRANCH, move.new, move.old)
        del commands[:]
        found.fast_forward(move.old, move.new, move.consumed)
    assert commands == ["update-index", "read-tree"]
