"""A branch that moves under a work tree, as the merge moves it: what tests of following, races and crashes share."""

from __future__ import annotations

import os
from collections.abc import Mapping

from merge_bot.git import Entry, New
from tests.repo import AUTHOR, BRANCH, Repo


def tree(repo: Repo) -> dict[str, bytes]:
    """Every file of the work tree, links as their text."""
    places = [path for path in repo.path.rglob("*") if ".git" not in path.parts]
    return {
        str(path.relative_to(repo.path)): os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
        for path in places
        if path.is_symlink() or path.is_file()
    }


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
