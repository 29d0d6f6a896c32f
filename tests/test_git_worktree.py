"""The work tree: what lies there uncommitted, and how it follows its branch without an edit being lost."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from merge_bot.errors import GitFailed, LocalEdits, RepositoryError
from merge_bot.git import Content, Entry, New, Repository, checkout, consumed, files, scan
from merge_bot.git.process import Git
from merge_bot.tree import object_id
from tests.repo import AUTHOR, BRANCH, Repo

MakeRepo = Callable[..., Repo]
ROOT = Path(__file__).parent.parent


def tree(repo: Repo) -> dict[str, bytes]:
    """Every file of the work tree, links as their text."""
    places = [path for path in repo.path.rglob("*") if ".git" not in path.parts]
    return {
        str(path.relative_to(repo.path)): os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
        for path in places
        if path.is_symlink() or path.is_file()
    }


# --- what lies there


def test_scan_names_what_is_new_changed_gone_and_odd(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    tip = repo.commit({"in/same": b"1", "in/changed": b"1", "in/gone": b"1", "in/deep/same": b"1", "in/mode": b"1",
                       "in/to-link": b"same", "in/to-folder": b"1", "out": b"1", "in/.gitkeep": b""})  # fmt: skip
    repo.write("in/changed", b"22")
    repo.write("in/new.json", b"333")
    repo.write("in/deep/er/new", b"4")
    repo.write("in/.new.json.tmp", b"half")
    repo.write("in/.deep.tmp/x", b"half")
    repo.write("in/.gitignore", b"*")
    repo.write("in/.hidden", b"5")
    repo.write("in/new.tmp", b"6")
    repo.write("in/nested/.git/config", b"")
    repo.write("in/nested/file", b"7")
    repo.write("out", b"2")
    (repo.path / "in/gone").unlink()
    (repo.path / "in/.gitkeep").unlink()
    (repo.path / "in/mode").chmod(0o755)
    (repo.path / "in/link").symlink_to("/etc/passwd")
    (repo.path / "in/folder-link").symlink_to("deep")
    (repo.path / "in/to-link").unlink()
    (repo.path / "in/to-link").symlink_to("same")
    (repo.path / "in/to-folder").unlink()
    repo.write("in/to-folder/x", b"8")
    os.mkfifo(repo.path / "in/fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(repo.path / "in")  # the names of sockets are short
        listening.bind("socket")
        with repo.opened() as found:
            local = found.untracked_and_changed(tip, "in")
    assert {path: (one.mode, one.size, one.read()) for path, one in local.changed.items()} == {
        "in/changed": ("100644", 2, b"22"),
        "in/new.json": ("100644", 3, b"333"),
        "in/deep/er/new": ("100644", 1, b"4"),
        "in/.hidden": ("100644", 1, b"5"),
        "in/new.tmp": ("100644", 1, b"6"),
        "in/nested/file": ("100644", 1, b"7"),
        "in/mode": ("100755", 1, b"1"),
        "in/link": ("120000", 11, b"/etc/passwd"),
        "in/folder-link": ("120000", 4, b"deep"),
        "in/to-link": ("120000", 4, b"same"),
        "in/to-folder/x": ("100644", 1, b"8"),
    }
    assert local.deleted == ["in/gone", "in/to-folder"]
    assert local.odd == {
        "in/fifo": "a FIFO", "in/socket": "a socket", "in/nested/.git": "a git repository inside this one",
    }  # fmt: skip
    assert sorted(local.folders) == ["in/deep", "in/deep/er", "in/nested", "in/to-folder"]


def test_scan_without_a_commit_and_of_nothing(repo: Repo) -> None:
    repo.write("in/a", b"1")
    with repo.opened() as found:
        assert list(found.untracked_and_changed(None, "in").changed) == ["in/a"]
        assert found.untracked_and_changed(None, "nowhere") == scan.LocalFiles()
        tip = repo.commit({"in/b": b"1"})
        assert found.untracked_and_changed(tip, "nowhere") == scan.LocalFiles()


def test_scan_does_not_follow_a_link_in_place_of_the_folder(repo: Repo) -> None:
    tip = repo.commit({"state/in/a": b"1", "elsewhere/in/b": b"1"})
    subprocess.run(["rm", "-r", repo.path / "state"], check=True)
    (repo.path / "state").symlink_to("elsewhere")
    with repo.opened() as found:
        local = found.untracked_and_changed(tip, "state/in")
    assert (local.changed, local.deleted, local.odd) == ({}, ["state/in/a"], {"state/in": "not a folder"})


def test_scan_takes_bytes_as_they_lie_there(repo: Repo) -> None:
    tip = repo.commit({".gitattributes": b"* text eol=lf filter=shout\n", "in/a": b"1\n"})
    repo.git("config", "filter.shout.clean", "tr a-z A-Z")
    repo.git("config", "core.autocrlf", "true")
    repo.write("in/a", b"1\r\n")
    with repo.opened() as found:
        local = found.untracked_and_changed(tip, "in")
        assert local.changed["in/a"].read() == b"1\r\n"
        made = found.write_commit(tip, {"in/a": Content("100644", b"1\r\n")}, "x\n", AUTHOR, 0)
        assert local.changed["in/a"].id == repo.files(made)["in/a"]


def test_exec_bits_mean_nothing_where_the_file_system_has_none(repo: Repo) -> None:
    repo.write("in/run", b"1").chmod(0o755)
    repo.git("add", ".")
    tip = repo.commit()
    repo.git("config", "core.fileMode", "false")
    (repo.path / "in/run").chmod(0o644)
    with repo.opened() as found:
        assert found.untracked_and_changed(tip, "in").changed == {}
        repo.write("in/run", b"2")
        assert found.untracked_and_changed(tip, "in").changed["in/run"].mode == "100755"


def test_scan_bears_files_that_vanish_change_or_turn_into_something_else(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gone", "growing", "swapped", "kept", "grown"):
        repo.write(f"in/{name}", name.encode())
    tip = repo.commit({"x": b"1"})
    look = files.look
    pieces = files.pieces

    def meddling_look(path: bytes) -> os.stat_result | None:
        info = look(path)
        if path.endswith(b"/in/gone"):
            os.unlink(path)
        if path.endswith(b"/in/swapped"):
            os.unlink(path)
            os.mkfifo(path)
        return info

    def meddling_pieces(file: BinaryIO, path: str = "in/growing") -> Iterator[bytes]:
        for piece in pieces(file):
            if piece.startswith(b"growing"):
                with (repo.path / path).open("ab") as more:
                    more.write(b"more")
            yield piece

    monkeypatch.setattr(files, "look", meddling_look)
    monkeypatch.setattr(files, "pieces", meddling_pieces)
    with repo.opened() as found:
        local = found.untracked_and_changed(tip, "in")
        assert list(local.changed) == ["in/grown", "in/kept"]
        assert local.odd == {"in/growing": "a file that is being written"}
        repo.write("in/grown", b"growing")
        monkeypatch.setattr(files, "pieces", lambda file: meddling_pieces(file, "in/grown"))
        assert local.changed["in/grown"].read() is None
        os.unlink(repo.path / "in/kept")
        assert local.changed["in/kept"].read() is None


def test_scan_names_what_may_not_be_read(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's refusal is played, because root, who runs this in containers, may read everything."""
    tip = repo.commit({"x": b"1"})
    repo.write("in/secret", b"1")
    repo.write("in/closed/x", b"1")
    refused = {os.fsencode(repo.path / path) for path in ("in/secret", "in/closed")}
    for name in ("open", "listdir"):
        function = getattr(os, name)

        def refusing(path: bytes, *rest: int, function: Callable[..., object] = function) -> object:
            if path in refused:
                raise PermissionError
            return function(path, *rest)

        monkeypatch.setattr(os, name, refusing)
    with repo.opened() as found:
        local = found.untracked_and_changed(tip, "in")
    assert local.changed == {}
    assert local.odd == {"in/secret": "a file that we may not read", "in/closed": "a folder that we may not read"}


def test_index_add_makes_committed_files_clean_and_touches_nothing_else(repo: Repo) -> None:
    tip = repo.commit({"a": b"1", "staged": b"1", "edited": b"1"})
    repo.write("staged", b"2")
    repo.git("add", "staged")
    repo.write("edited", b"2")
    repo.write("in/new\nname", b"1")
    repo.write("in/over", b"1")
    with repo.opened() as found:
        local = found.untracked_and_changed(tip, "in")
        changes = {path: one.read() for path, one in local.changed.items()}
        new = found.write_commit(tip, changes, "deltas\n", AUTHOR, 0)
        repo.write("in/over", b"written meanwhile")
        found.announce(tip, new, {}, index_only=True)
        assert found.compare_and_swap(BRANCH, new, tip)
        found.index_add({path: found.entry_at(new, path) for path in changes})
        found.arrived()
        assert not found.repair()
    assert repo.status == [" M edited", " M in/over", "M  staged"]


# --- following the branch


class Move:
    """A branch that moves from `old` to `new` under a work tree, as the merge moves it."""

    def __init__(self, repo: Repo, changes: Mapping[str, New] | None = None) -> None:
        self.repo = repo
        repo.commit({"in/one": b"delta 1", "in/two": b"delta 2", "mine": b"1"})
        self.old = repo.commit({"state/a.json": b"old a", "state/b.json": b"old b"})
        ids = repo.files()
        self.consumed = {path: ids[path] for path in ("in/one", "in/two")}
        self.changes: Mapping[str, New] = changes or {
            "state/a.json": b"new a",
            "state/c/d.json": b"new",
            "state/b.json": None,
            "in/one": None,
            "in/two": None,
            "frames/one": Entry("100644", ids["in/one"]),
        }
        with repo.opened() as found:
            self.new = found.write_commit(self.old, self.changes, "merge\n", AUTHOR, 0)
            repo.git("update-ref", "refs/heads/new", self.new)
        self.after = {"state/a.json": b"new a", "state/c/d.json": b"new", "frames/one": b"delta 1", "mine": b"1"}

    def in_the_way(self) -> list[str]:
        with self.repo.opened() as found:
            return found.can_fast_forward(self.old, self.new, self.consumed)

    def go(self) -> None:
        with self.repo.opened() as found:
            found.announce(self.old, self.new, self.consumed)
            assert found.compare_and_swap(BRANCH, self.new, self.old)
            found.fast_forward(self.old, self.new, self.consumed)

    def crash(self) -> None:
        """As `go`, but the process ends right after the branch moved."""
        with self.repo.opened() as found:
            found.announce(self.old, self.new, self.consumed)
            assert found.compare_and_swap(BRANCH, self.new, self.old)

    def repair(self) -> bool:
        with self.repo.opened() as found:
            return found.repair()

    @property
    def marked(self) -> bool:
        return (self.repo.path / ".git/dreamcatcher/update.json").exists()


@pytest.fixture
def move(repo: Repo) -> Move:
    return Move(repo)


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


def test_an_overwritten_inbox_file_survives_for_the_next_merge(move: Move) -> None:
    repo = move.repo
    repo.write("in/one", b"a newer delta")
    assert move.in_the_way() == []
    move.go()
    assert (repo.status, tree(repo)) == (["?? in/one"], move.after | {"in/one": b"a newer delta"})
    assert [ref for ref in repo.refs() if "dreamcatcher" in ref] == []
    with repo.opened() as found:
        assert list(found.untracked_and_changed(move.new, "in").changed) == ["in/one"]


def test_an_inbox_file_that_is_something_else_now_is_left_there(move: Move) -> None:
    repo = move.repo
    for path in ("in/one", "in/two"):
        (repo.path / path).unlink()
    (repo.path / "in/one").symlink_to("two")
    repo.write("in/two/x", b"1")
    assert move.in_the_way() == []
    move.go()
    assert repo.status == ["?? in/one", "?? in/two/x"]
    assert tree(repo) == move.after | {"in/one": b"two", "in/two/x": b"1"}


WHEN = ["before the look", "after the look", "after the rename", "before read-tree"]


@pytest.mark.parametrize("when", WHEN)
def test_a_worker_that_overwrites_at_any_moment_loses_nothing(
    move: Move, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    repo = move.repo
    place = repo.path / "in/one"

    def overwrite() -> None:
        (repo.path / "in/.one.tmp").write_bytes(b"newer")
        os.replace(repo.path / "in/.one.tmp", place)

    holds, rename, write_index = consumed._holds, files.rename, checkout.Checkout._write
    done = []

    def once() -> None:
        if not done:
            done.append(True)
            overwrite()

    def meddling_holds(path: bytes, object_format: str) -> str | None:
        if when == "before the look" and path == os.fsencode(place):
            once()
        found = holds(path, object_format)
        if when == "after the look" and path == os.fsencode(place):
            once()
        return found

    def meddling_rename(source: bytes, target: bytes) -> bool:
        moved = rename(source, target)
        if when == "after the rename" and source == os.fsencode(place):
            once()
        return moved

    def meddling_write(self: checkout.Checkout, *arguments: str, **options: object) -> None:
        if when == "before read-tree" and arguments[0] == "update-index":
            write_index(self, *arguments, **options)  # type: ignore[arg-type]
            once()
            return
        write_index(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(consumed, "_holds", meddling_holds)
    monkeypatch.setattr(files, "rename", meddling_rename)
    monkeypatch.setattr(checkout.Checkout, "_write", meddling_write)
    move.go()
    assert done
    assert (repo.status, tree(repo)) == (["?? in/one"], move.after | {"in/one": b"newer"})


def test_a_version_that_was_taken_aside_never_goes_back_over_a_newer_one(
    move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = move.repo
    place = repo.path / "in/one"
    versions = iter([b"second", b"third"])
    holds, rename = consumed._holds, files.rename

    def meddling_holds(path: bytes, object_format: str) -> str | None:
        found = holds(path, object_format)
        if path == os.fsencode(place) and found == move.consumed["in/one"]:
            place.write_bytes(next(versions))
        return found

    def meddling_rename(source: bytes, target: bytes) -> bool:
        moved = rename(source, target)
        if source == os.fsencode(place):
            place.write_bytes(next(versions))
        return moved

    monkeypatch.setattr(consumed, "_holds", meddling_holds)
    monkeypatch.setattr(files, "rename", meddling_rename)
    move.go()
    (spare,) = set(tree(repo)) - set(move.after) - {"in/one"}
    assert tree(repo) == move.after | {"in/one": b"third", spare: b"second"}
    assert spare.startswith("in/one.") and sorted(repo.status) == ["?? in/one", f"?? {spare}"]


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    place = os.fsencode(tmp_path)
    files.write_durably(place + b"/file", b"1")
    os.symlink(b"file", place + b"/link")
    os.mkfifo(place + b"/fifo")
    for name in (b"link", b"fifo", b"", b"nothing", b"file/below"):
        assert files.open_regular(place + b"/" + name) is None
    with files.open_regular(place + b"/file") or open(os.devnull, "rb") as file:
        assert b"".join(files.pieces(file)) == b"1"


def test_what_was_left_aside_is_decided_before_another_file_is_taken(tmp_path: Path) -> None:
    place = os.fsencode(tmp_path / "delta.json")
    blob = object_id("blob", b"merged")
    spare = tmp_path / f"delta.{object_id('blob', b'other')[:12]}.json"
    for _ in range(2):  # the second time, the spare name has this very content already
        files.write_durably(place, b"merged")
        files.write_durably(consumed.aside_of(place), b"other")
        consumed.take_away(place, blob, "sha1")
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {spare.name: b"other"}
    spare.write_bytes(b"something else under that name")
    files.write_durably(place, b"merged")
    files.write_durably(consumed.aside_of(place), b"other")
    consumed.take_away(place, blob, "sha1")
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"other", b"something else under that name"]


def test_giving_back_works_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refused)
    source, target = os.fsencode(tmp_path / "a"), os.fsencode(tmp_path / "b")
    files.write_durably(source, b"1")
    assert files.give_back(source, target) and files.read(target) == b"1"
    files.write_durably(source, b"2")
    assert not files.give_back(source, target)
    assert (files.read(source), files.read(target)) == (b"2", b"1")


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


# --- crashes


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
