"""Writing: a commit as one pack, a ref by one compare-and-swap. No index, no work tree.

A commit under construction hangs on a private ref, refs/dreamcatcher/build/<pid>-<random>, so that a pruning gc
leaves it alone; the compare-and-swap that puts it in place removes that ref in the same transaction.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from merge_bot.canonical import Pieces
from merge_bot.errors import GitFailed, RepositoryError
from merge_bot.git import files, letters
from merge_bot.git.ahead import Ahead, Sent
from merge_bot.git.head import surely_none
from merge_bot.git.objects import Objects
from merge_bot.git.pack import TEMPORARY, Pack
from merge_bot.git.process import Git, raw
from merge_bot.tree import FILE, Entry, edited

if TYPE_CHECKING:
    from merge_bot.git.writing import WritingProcess
    from merge_bot.layouts.base import There

BUILD_REFS = "refs/dreamcatcher/build/"
_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_IMPOSSIBLE = re.compile(r"/(?:\.{0,2}|\.[gG][iI][tT])(?:/|\Z)")
_NOT_IN_A_NAME = re.compile(r"[<>\n\0]+")

_building_here: set[str] = set()  # the build refs of this process, whichever object wrote them


class Identity(NamedTuple):
    """Who commits."""

    name: str
    email: str


class Content(NamedTuple):
    """New bytes of a file that is not a plain one: mode 100755, or 120000 with a link's text as data."""

    mode: str
    data: bytes


New = bytes | Content | Entry | None
"""What a path becomes: new bytes, bytes under another mode, an object that the repository has, or nothing."""


class Writer:
    """Writes commits and moves refs of one repository."""

    def __init__(self, git: Git, objects: Objects, folder: str, object_format: str) -> None:
        self._git, self._objects, self._folder = git, objects, os.fsencode(folder)
        self.nothing = "0" * (64 if object_format == "sha256" else 40)
        self._building: dict[str, list[str]] = {}
        self._object_format = object_format
        self._ahead: Ahead | None = None

    def ahead(self, data: bytes | Pieces) -> Sent:
        """Write now, beside other work, what a file of the next commit will hold."""
        return self._on_the_way().send(data)

    def beside(self, work: Callable[[There], None]) -> WritingProcess | None:
        """Have the process that will write ahead do `work` first; None where there is none."""
        return self._on_the_way().beside(work)

    def _on_the_way(self) -> Ahead:
        if self._ahead is None:
            self._ahead = Ahead(self._new())
        return self._ahead

    def commit(
        self,
        base: str | None,
        changes: Mapping[str, New] | Iterable[tuple[str, New]],
        message: str,
        author: Identity,
        when: int,
    ) -> str:
        """The id of a new commit: `base` with `changes`. No branch is moved.

        Pairs may be generated, so that not all content is in memory at once; a later one wins. Raises ValueError
        for a path that git cannot hold, RepositoryError for an object that is not there, GitFailed.
        """
        self.remove_leftovers()
        ahead, self._ahead = self._ahead, None
        pack = ahead.finish() if ahead else self._new()
        try:
            entries = self._entries(changes.items() if isinstance(changes, Mapping) else changes, pack)
            root = self._objects.commit_tree(base) if base else None
            tree = edited(root, entries, self._objects.tree, write=pack.add_tree)
            commit = pack.add("commit", _commit(tree, base, message, author, when))
            pack.finish()
        except BaseException:
            pack.discard()
            raise
        ref = f"{BUILD_REFS}{os.getpid()}-{os.urandom(8).hex()}"
        _building_here.add(ref)
        self._git.run("update-ref", "-z", "--stdin", stdin=b"create %s\0%s\0" % (raw(ref), raw(commit)), writes=True)
        self._building.setdefault(commit, []).append(ref)
        return commit

    def compare_and_swap(self, ref: str, new: str, old: str | None, message: str) -> bool:
        """Move `ref` from `old` (None: it must not exist) to `new`. False if it was elsewhere: the race is lost.

        What happened is told by reading the ref again, never from an error text. Raises GitFailed if the ref is
        still at `old`, so that something else is wrong.
        """
        lines = [b"update %s\0%s\0%s\0" % (raw(ref), raw(new), raw(old or self.nothing))]
        lines += [b"delete %s\0\0" % raw(built) for built in self._building.get(new, ())]
        try:
            self._git.run("update-ref", "-m", message, "-z", "--stdin", stdin=b"".join(lines), writes=True)
        except GitFailed:
            (found,) = self._objects.info([ref])
            if found is not None and found.id == new:
                return True
            if (found.id if found else None) == old:
                raise
            return False
        self._building.pop(new, None)
        return True

    def discard(self, commits: Iterable[str]) -> None:
        """Let go of commits that were written and not put in place."""
        self._remove([ref for commit in commits for ref in self._building.pop(commit, ())])

    def close(self) -> None:
        """Let go of all that was not put in place."""
        ahead, self._ahead = self._ahead, None
        if ahead:
            ahead.discard()
        self.discard(list(self._building))

    def remove_leftovers(self) -> None:
        """What processes that are no more were building: refs, and packs that nobody can see."""
        if not surely_none(os.path.dirname(os.fsdecode(self._folder)), BUILD_REFS):
            out = self._git.run("for-each-ref", "--format=%(refname)", BUILD_REFS).out
            self._remove([ref for ref in out.decode().split() if not _in_use(ref)])
        packs = os.path.join(self._folder, b"pack")
        for name in files.entries(packs):
            if name.startswith(TEMPORARY) and not _runs(name.removeprefix(TEMPORARY).partition(b"-")[0].decode()):
                files.remove(os.path.join(packs, name))

    def _remove(self, refs: Iterable[str]) -> None:
        if stdin := b"".join(b"delete %s\0\0" % raw(ref) for ref in refs):
            self._git.run("update-ref", "-z", "--stdin", stdin=stdin, writes=True)

    def _new(self) -> Pack:
        return Pack(self._folder, self._object_format)

    def _entries(self, pairs: Iterable[tuple[str, New]], pack: Pack) -> dict[str, Entry | None]:
        """Each path's entry, new content written. Raises RepositoryError for objects that nobody has."""
        entries: dict[str, Entry | None] = {}
        wanted = set()
        for path, new in pairs:
            if isinstance(new, bytes):
                new = Content(FILE, new)
            if isinstance(new, Content):
                new = Entry(new.mode, pack.add("blob", new.data))
            elif new is not None:
                if not _ID.match(new.id):
                    raise ValueError(f"not an object id: {new.id!r}")
                if new.id not in pack:
                    wanted.add(new.id)
            entries[_checked(path)] = new
        for name, size in self._objects.sizes(wanted).items():
            if size is None:
                raise RepositoryError(letters.no_object(name))
        return entries


def _commit(tree: str, base: str | None, message: str, author: Identity, when: int) -> bytes:
    name, email = (raw(_NOT_IN_A_NAME.sub(" ", part).strip()) for part in author)
    who = b" ".join(part for part in (name, b"<%s> %d +0000" % (email, when)) if part)
    parent = b"parent %s\n" % raw(base) if base else b""
    return b"tree %s\n%bauthor %b\ncommitter %b\n\n%b" % (raw(tree), parent, who, who, raw(message))


def _checked(path: str) -> str:
    if _IMPOSSIBLE.search(f"/{path}") or "\0" in path:
        raise ValueError(f"git cannot hold a file at {raw(path)!r}")
    return path


def _in_use(ref: str) -> bool:
    """Whether the process that a build ref names still runs. Containers give out the same few numbers over and over."""
    number = ref.removeprefix(BUILD_REFS).partition("-")[0]
    if not number.isdecimal() or int(number) == os.getpid():
        return ref in _building_here
    return _runs(number)


def _runs(number: str) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError, ValueError):
        return False
    except PermissionError:
        return True
    return True
