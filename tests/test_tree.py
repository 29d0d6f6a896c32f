"""Trees: the ids that real git gives, held against real git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merge_bot.tree import FILE, TREE, Entry, edited, encode, object_id, parse

ODD = ["a", "a.b", "a-", "a0", "a b", "A", "ab", "ä", "z\n", "-", "~", "\udcff", "a/x", "a/y/z", "a.b/x", "ab/a", "ä/ä"]


class Git:
    """A repository of its own, asked by its plumbing."""

    def __init__(self, folder: Path, object_format: str) -> None:
        self._folder, self._format = folder, object_format
        self._blobs: dict[bytes, str] = {}
        self.run("init", "--quiet", f"--object-format={object_format}")
        self.run("config", "core.protectNTFS", "false")

    def run(self, *words: str, stdin: bytes = b"", index: str = "index") -> bytes:
        environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(self._folder)}
        environment["GIT_INDEX_FILE"] = str(self._folder / index)
        done = subprocess.run(["git", *words], cwd=self._folder, input=stdin, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def blob(self, data: bytes) -> str:
        if data not in self._blobs:
            self._blobs[data] = self.run("hash-object", "-w", "--stdin", stdin=data).decode().strip()
        return self._blobs[data]

    def tree(self, files: Mapping[str, Entry]) -> str:
        """git's id of the tree of these files, by way of an index."""
        self.run("read-tree", "--empty")
        rows = [
            f"{one.mode} {one.id}\t".encode() + path.encode("utf-8", "surrogateescape") + b"\0"
            for path, one in files.items()
        ]
        self.run("update-index", "-z", "--index-info", stdin=b"".join(rows))
        return self.run("write-tree").decode().strip()

    def entries(self, tree: str) -> Mapping[str, Entry]:
        if tree == object_id("tree", b"", self._format):
            return {}
        return parse(self.run("cat-file", "tree", tree), self._format)


@pytest.fixture(scope="module", params=["sha1", "sha256"])
def object_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory, object_format: str) -> Git:
    return Git(tmp_path_factory.mktemp(object_format), object_format)


def without_clashes(names: list[str]) -> list[str]:
    """Paths of which none is a folder of another."""
    return [name for name in names if not any(other.startswith(f"{name}/") for other in names)]


def files_of(git: Git, names: list[str], mode: str = FILE) -> dict[str, Entry]:
    return {name: Entry(mode, git.blob(name.encode("utf-8", "surrogateescape"))) for name in names}


def nothing(tree: str) -> Mapping[str, Entry]:
    raise AssertionError(f"tree {tree} was read")


@pytest.mark.parametrize("data", [b"", b"x", b"a\0b\n", b"x" * 70_000])
def test_blobs(git: Git, object_format: str, data: bytes) -> None:
    assert object_id("blob", data, object_format) == git.blob(data)


def test_a_new_tree_has_gits_id_however_its_names_sort(git: Git, object_format: str) -> None:
    files = files_of(git, without_clashes(ODD))
    assert edited(None, files, nothing, object_format=object_format) == git.tree(files)


def test_other_kinds_of_entries_keep_their_modes(git: Git, object_format: str) -> None:
    blob = git.blob(b"x")
    files = {"run": Entry("100755", blob), "link": Entry("120000", blob), "plain": Entry(FILE, blob)}
    tree = edited(None, files, nothing, object_format=object_format)
    assert tree == git.tree(files)
    entries = git.entries(tree)
    assert entries == files
    assert object_id("tree", encode(entries), object_format) == tree
    assert [entries[name].is_file for name in ("run", "link", "plain")] == [False, False, True]


@settings(max_examples=15, deadline=None)
@given(before=st.sets(st.sampled_from(ODD)), added=st.sets(st.sampled_from(ODD)), removed=st.sets(st.sampled_from(ODD)))
def test_edits_give_what_git_gives(
    git: Git, object_format: str, before: set[str], added: set[str], removed: set[str]
) -> None:
    start = without_clashes(sorted(before))
    new = [name for name in without_clashes(sorted(added | set(start))) if name in added]
    old = files_of(git, [name for name in start if name in without_clashes(sorted({*start, *new}))])
    gone = sorted(removed - set(new))
    changes = {**dict.fromkeys(gone), **files_of(git, new, "100755")}
    kept = {name: one for name, one in old.items() if not any(f"{name}/".startswith(f"{one}/") for one in gone)}
    after = git.tree(kept | files_of(git, new, "100755"))
    assert edited(git.tree(old), changes, git.entries, object_format=object_format) == after


def test_a_folder_left_empty_disappears_with_those_above_it(git: Git, object_format: str) -> None:
    files = files_of(git, ["a/b/c/d", "x"])
    tree = edited(git.tree(files), {"a/b/c/d": None}, git.entries, object_format=object_format)
    assert tree == git.tree(files_of(git, ["x"]))
    tree = edited(tree, {"x": None}, git.entries, object_format=object_format)
    assert tree == object_id("tree", b"", object_format) == git.tree({})


def test_a_folder_goes_as_a_whole(git: Git, object_format: str) -> None:
    tree = git.tree(files_of(git, ["a/b/c", "a/d", "ab"]))
    assert edited(tree, {"a": None}, git.entries, object_format=object_format) == git.tree(files_of(git, ["ab"]))


def test_a_removal_below_a_file_removes_nothing(git: Git, object_format: str) -> None:
    tree = git.tree(files_of(git, ["a", "b"]))
    assert edited(tree, {"a/x": None, "c/y": None}, git.entries, object_format=object_format) == tree


def test_entries_of_the_root_can_be_left_out(git: Git, object_format: str) -> None:
    files = files_of(git, ["frames/1", "_meta.json", "a/frames/1", "b"])
    tree = edited(git.tree(files), {}, git.entries, without=("frames", "_meta.json", "no"), object_format=object_format)
    assert tree == git.tree(files_of(git, ["a/frames/1", "b"]))


def test_only_trees_on_the_way_to_a_change_are_read(git: Git, object_format: str) -> None:
    root = git.tree(files_of(git, ["a/b/c", "a/x/y", "z/q"]))
    read: list[str] = []

    def entries(tree: str) -> Mapping[str, Entry]:
        read.append(tree)
        return git.entries(tree)

    edited(root, {"a/b/new": Entry(FILE, git.blob(b""))}, entries, object_format=object_format)
    at_a = git.entries(root)["a"]
    assert at_a.mode == TREE
    assert read == [root, at_a.id, git.entries(at_a.id)["b"].id]
