"""The work tree of a clone follows its branch. Its files belong to people and workers: no edit is ever discarded.

The update is announced in a marker file before the branch moves, and the marker goes when the files have followed;
so a crash between the two is noticed, and the next command completes it. A file lock keeps two processes from doing
this at once; it vanishes with its holder.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Container, Iterator, Mapping
from typing import NamedTuple

from merge_bot.errors import GitFailed, LocalEdits, RepositoryError
from merge_bot.git import files, letters
from merge_bot.git.consumed import settle, take_away
from merge_bot.git.history import diff_trees
from merge_bot.git.local import Local, after, compare
from merge_bot.git.lock import Lock
from merge_bot.git.objects import Objects
from merge_bot.git.process import Git, raw
from merge_bot.git.write import Identity, Writer
from merge_bot.tree import Entry


class Update(NamedTuple):
    """A move of the branch that the work tree has to follow. `consumed`: inbox path → blob id that was merged.

    `index_only`: the commit was made from what lies in the work tree, so no file there changes.
    """

    ref: str
    old: str
    new: str
    consumed: dict[str, str]
    index_only: bool = False


class Checkout:
    """The index and files at `root`, in a clone whose own git folder is `git_dir`."""

    def __init__(self, git: Git, objects: Objects, writer: Writer, git_dir: str, root: str, object_format: str) -> None:
        self._git, self._objects, self._writer = git, objects, writer
        self._root, self._object_format = os.fsencode(root), object_format
        own = os.path.join(os.fsencode(git_dir), b"dreamcatcher")
        self._marker = os.path.join(own, b"update.json")
        self._lock = Lock(os.path.join(own, b"lock"))
        self._announced = False

    def close(self) -> None:
        """A marker that still stands is left for the next command, which sees what became of the branch."""
        if self._announced:
            self._announced = False
            self._lock.release()

    def add_to_index(self, entries: Mapping[str, Entry | None]) -> None:
        """Set what the index holds at these paths (None: nothing). Files are not touched."""
        with self._lock.held():
            self._index(entries)

    def in_the_way(self, old: str, new: str, consumed: Container[str]) -> list[str]:
        """Local edits that a move from `old` to `new` would have to discard, sorted. Changes nothing."""
        with self._lock.held():
            self._index({})
            return self._compare(old, new, consumed).in_the_way

    def announce(self, update: Update) -> None:
        """Say what is about to happen, before the branch moves. Waits for another process that is at it."""
        if not self._announced:
            self._lock.acquire()
            self._announced = True
        files.replace(self._marker, json.dumps(update._asdict()).encode())

    def withdraw(self) -> None:
        """Nothing is left to be done about what was announced."""
        if self._announced:
            files.remove(self._marker)
            self.close()

    def follow(self, old: str, new: str, consumed: Mapping[str, str]) -> None:
        """Bring index and files from `old` to `new`. Raises LocalEdits, with the files as they were."""
        consumed = {path: blob for path, blob in consumed.items() if self._objects.entry_at(new, path) is None}
        with self._lock.held():
            for path, blob in consumed.items():
                take_away(self._at(path), blob, self._object_format)
            # They leave the index first: what is in neither tree nor index, git does not touch, so a file that a
            # worker puts there from now on is safe.
            self._index(dict.fromkeys(consumed))
            self._read_tree(old, new, consumed)

    def repair(self, head: Callable[[], str | None], wait: bool) -> bool:
        """Complete what a crash left undone; whether there was something to do.

        `head` tells the branch that is checked out. `wait` for a process that is just doing it, or leave it to it.
        """
        if files.look(self._marker) is None or not self._lock.acquire(wait):
            return False
        try:
            update = self._read_marker()
            if update is None:  # another process was at it, and is done
                return False
            for path, blob in update.consumed.items():
                settle(self._at(path), blob, self._object_format)
            behind = False
            if head() == update.ref and self._objects.resolve(update.ref) == update.new:
                self._index({})
                behind = self._compare(update.old, update.new, update.consumed).behind
                if behind and update.index_only:
                    self._index({move.path: after(move) for move in diff_trees(self._git, update.old, update.new)})
                elif behind:
                    self.follow(update.old, update.new, update.consumed)
            self._writer.remove_leftovers()
            files.remove(self._marker)
            return behind
        finally:
            self._lock.release()

    def _read_tree(self, old: str, new: str, consumed: Mapping[str, str]) -> None:
        """Git's own two-tree merge: what differs between the trees follows, everything else stays as it is."""
        left = [path for path in consumed if files.look(self._at(path)) is not None]
        with self._without(old, left) as base:
            try:
                self._write("read-tree", "-m", "-u", base, new)
            except GitFailed:
                local = self._compare(old, new, consumed)
                if local.in_the_way:
                    raise LocalEdits(letters.not_followed(new, local.in_the_way)) from None
                if not local.landed:
                    raise
                # An update that was cut short had written these files, but not the index.
                self._index(local.landed)
                self._write("read-tree", "-m", "-u", base, new)

    @contextlib.contextmanager
    def _without(self, commit: str, paths: list[str]) -> Iterator[str]:
        """A commit like `commit`, less `paths`: files there are then none of git's business. Let go of afterwards."""
        if not paths:
            yield commit
            return
        base = self._writer.commit(commit, dict.fromkeys(paths), "", Identity("", ""), 0)
        try:
            yield base
        finally:
            self._writer.discard([base])

    def _compare(self, old: str, new: str, consumed: Container[str]) -> Local:
        return compare(self._git, self._root, self._object_format, old, new, consumed)

    def _index(self, entries: Mapping[str, Entry | None]) -> None:
        """Set entries, and have git look at all files again, so that it knows which are as committed."""
        lines = []
        for path, entry in entries.items():
            mode, name = entry or Entry("0", self._writer.nothing)
            lines.append(b"%s %s\t%s\0" % (mode.encode(), name.encode(), raw(path)))
        self._write("update-index", "--refresh", "-z", "--index-info", stdin=b"".join(lines), ok=(0, 1))

    def _write(self, *arguments: str, stdin: bytes = b"", ok: Container[int] = (0,)) -> None:
        """A command that writes the index, tried again while another git (`git status` in a prompt) has it locked."""
        for pause in (0.05, 0.1, 0.2, 0.4, 0.8, None):
            try:
                self._git.run(*arguments, stdin=stdin, ok=ok, writes=True, handles=self._lock.handles)
                return
            except GitFailed as failure:
                if pause is None or "index.lock" not in str(failure):
                    raise
                time.sleep(pause)

    def _read_marker(self) -> Update | None:
        data = files.read(self._marker)
        if data is None:
            return None
        try:
            update = Update(**json.loads(data))
        except (ValueError, TypeError) as problem:
            raise RepositoryError(letters.unreadable_marker(os.fsdecode(self._marker))) from problem
        return update

    def _at(self, path: str) -> bytes:
        return os.path.join(self._root, raw(path))
