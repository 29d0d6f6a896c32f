"""Writing: a commit by one `git fast-import`, a ref by one compare-and-swap. No index, no work tree.

A commit under construction hangs on a private ref, refs/dreamcatcher/build/<pid>-<random>, so that a pruning gc
leaves it alone; the compare-and-swap that puts it in place removes that ref in the same transaction.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import IO, NamedTuple

from merge_bot.errors import GitFailed
from merge_bot.git import files
from merge_bot.git.ahead import Ahead
from merge_bot.git.objects import Objects
from merge_bot.git.process import Git, Running, raw
from merge_bot.tree import FILE, Entry

BUILD_REFS = "refs/dreamcatcher/build/"
_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_PLAIN = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_./-]*\Z")
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

    def __init__(self, git: Git, objects: Objects, git_dir: str, object_format: str) -> None:
        self._git, self._objects, self._git_dir = git, objects, git_dir
        self.nothing = "0" * (64 if object_format == "sha256" else 40)
        self._building: dict[str, list[str]] = {}
        self._object_format = object_format
        self._ahead: Ahead | None = None

    def ahead(self, path: str, data: bytes) -> None:
        """Write now, beside other work, what a file of the next commit will hold."""
        if self._ahead is None:
            self._ahead = Ahead(self._git.start(*_COMMAND, writes=True), self._object_format)
        self._ahead.send(path, data)

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
        for a path that git cannot hold, GitFailed.
        """
        self.remove_leftovers()
        ref = f"{BUILD_REFS}{os.getpid()}-{secrets.token_hex(8)}"
        _building_here.add(ref)
        pairs = changes.items() if isinstance(changes, Mapping) else changes
        ahead, self._ahead = self._ahead, None
        process = ahead.finish() if ahead else self._git.start(*_COMMAND, writes=True)
        try:
            _begin(process.stdin, ref, base, message, author, when)
            for path, new in pairs:
                if ahead and isinstance(new, bytes) and (found := ahead.found(path, new)):
                    new = Entry(FILE, found)
                _change(process.stdin, raw(path), new)
            process.stdin.write(b"get-mark :1\ndone\n")
            process.stdin.flush()
            commit = process.stdout.readline().decode().strip()
            if process.finish() != 0 or not commit:
                raise process.failure()
        except BrokenPipeError as problem:
            raise process.failure() from problem
        finally:
            self._clean_up_after(process)
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
            self._clean_up_after(ahead.finish())
        self.discard(list(self._building))

    def remove_leftovers(self) -> None:
        """Build refs of processes that are no more."""
        out = self._git.run("for-each-ref", "--format=%(refname)", BUILD_REFS).out
        self._remove([ref for ref in out.decode().split() if not _in_use(ref)])

    def _remove(self, refs: Iterable[str]) -> None:
        if stdin := b"".join(b"delete %s\0\0" % raw(ref) for ref in refs):
            self._git.run("update-ref", "-z", "--stdin", stdin=stdin, writes=True)

    def _clean_up_after(self, process: Running) -> None:
        """fast-import leaves a report in the repository whenever it does not end well."""
        process.stop()
        files.remove(os.path.join(os.fsencode(self._git_dir), b"fast_import_crash_%d" % process.pid))


# Measured: compression 1 and no deltas take a third of the default's time, on few big blobs a fifth. One pack a commit
# (no unpacking into loose objects, each synced to the disk by itself) takes a seventh for 40 files; the clone's own
# `git gc --auto`, which runs with people's commits and fetches, gathers the packs.
_COMMAND = (
    "-c", "core.compression=1", "-c", "pack.compression=1", "-c", "core.ignoreCase=false",
    "-c", "fastimport.unpackLimit=1", "fast-import", "--quiet", "--done", "--depth=0",
)  # fmt: skip


def _begin(stream: IO[bytes], ref: str, base: str | None, message: str, author: Identity, when: int) -> None:
    name, email = (raw(_NOT_IN_A_NAME.sub(" ", part).strip()) for part in author)
    who = b" ".join(part for part in (name, b"<%s>" % email) if part)
    text = raw(message)
    stream.write(
        b"commit %s\nmark :1\ncommitter %s %d +0000\n" % (raw(ref), who, when)
        + b"data %d\n%s\n" % (len(text), text)
        + (b"from %s\n" % raw(base) if base else b"")
    )


def _change(stream: IO[bytes], path: bytes, new: New) -> None:
    if new is None:
        stream.write(b"D %s\n" % _quoted(path))
    elif isinstance(new, Entry):
        if not _ID.match(new.id):
            raise ValueError(f"not an object id: {new.id!r}")
        stream.write(b"M %s %s %s\n" % (new.mode.encode(), new.id.encode(), _quoted(path)))
    else:
        mode, data = new if isinstance(new, Content) else (FILE, new)
        stream.write(b"M %s inline %s\ndata %d\n" % (mode.encode(), _quoted(path), len(data)))
        stream.write(data)
        stream.write(b"\n")


def _quoted(path: bytes) -> bytes:
    """A path as fast-import reads it: C-quoted if there is anything odd in it."""
    if any(part in (b"", b".", b"..") or part.lower() == b".git" for part in path.split(b"/")) or b"\0" in path:
        raise ValueError(f"git cannot hold a file at {path!r}")
    if _PLAIN.match(path):
        return path
    return b'"%s"' % b"".join(
        bytes([byte]) if 32 <= byte < 127 and byte not in b'"\\' else b"\\%03o" % byte for byte in path
    )


def _in_use(ref: str) -> bool:
    """Whether the process that a build ref names still runs. Containers give out the same few numbers over and over."""
    number = ref.removeprefix(BUILD_REFS).partition("-")[0]
    if not number.isdecimal() or int(number) == os.getpid():
        return ref in _building_here
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
