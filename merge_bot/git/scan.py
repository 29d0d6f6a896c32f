"""The files of a folder on disk, held against a commit: what workers put there and nobody committed yet.

Bytes as they lie there: no attributes, no filters, no ignore rules, because nothing that a worker delivered may be
overlooked. Links are not followed, and what is not a file is never opened. Workers write while this reads.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from merge_bot.git import files
from merge_bot.git.objects import Objects
from merge_bot.git.process import raw, text
from merge_bot.tree import Entry

_TRIES = 3
_KEPT_NAMES = frozenset({b".gitkeep", b".gitignore"})
_KINDS = (
    (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)  # fmt: skip
CHANGING = "a file that is being written"


class Unsettled(Exception):
    """The file changed while it was read."""


class LocalFile(NamedTuple):
    """A file on disk: git's mode for it, its size in bytes, the blob id that it would have."""

    mode: str
    size: int
    id: str
    place: bytes

    def read(self) -> bytes | None:
        """What it holds now (a link: its text); None if it is gone, became something else, or is being written."""
        try:
            return read_settled(self.place)
        except (Unsettled, PermissionError):
            return None


@dataclass(slots=True)
class LocalFiles:
    """How a folder on disk differs from a commit. All paths are relative to the repository.

    `changed`: new or different files and links. `deleted`: in the commit, gone from disk. `odd`: what is there and
    is neither, with what it is instead; it was not opened. `folders`: the folders below the folder.
    """

    changed: dict[str, LocalFile] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    odd: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)


def scan(objects: Objects, object_format: str, root: bytes, commit: str | None, folder: str, modes: bool) -> LocalFiles:
    """Hold `folder` of the work tree at `root` against `commit` (None: nothing).

    `modes`: whether the file system keeps exec bits.
    """
    found = LocalFiles()
    committed = dict(_committed(objects, commit, folder)) if commit else {}
    seen = set()
    for path, info in _walk(root, folder, found):
        seen.add(path)
        try:
            entry = entry_of(os.path.join(root, raw(path)), object_format)
        except Unsettled:
            found.odd[path] = CHANGING
            continue
        except PermissionError:
            found.odd[path] = "a file that we may not read"
            continue
        if entry is None:  # gone since it was listed
            seen.discard(path)
            continue
        known = committed.get(path)
        mode = known.mode if known and not modes and "120000" not in (known.mode, entry.mode) else entry.mode
        if known != Entry(mode, entry.id):
            found.changed[path] = LocalFile(mode, info.st_size, entry.id, os.path.join(root, raw(path)))
    gone = committed.keys() - seen - found.odd.keys()
    found.deleted = sorted(path for path in gone if not _skipped(raw(path.rpartition("/")[2])))
    return found


def entry_of(place: bytes, object_format: str) -> Entry | None:
    """Mode and blob id of a file or link on disk; None if neither is there. A file is read in pieces."""
    target = files.read_link(place)
    if target is not None:
        return Entry("120000", _blob_id(len(target), [target], object_format))
    for _ in range(_TRIES):
        file = files.open_regular(place)
        if file is None:
            return None
        with file:
            before = os.fstat(file.fileno())
            blob = _blob_id(before.st_size, files.pieces(file), object_format)
            if _same(before, os.fstat(file.fileno())):
                return Entry("100755" if before.st_mode & stat.S_IXUSR else "100644", blob)
    raise Unsettled


def read_settled(place: bytes) -> bytes | None:
    """The bytes of a file, or the text of a link, on disk; None if neither is there."""
    target = files.read_link(place)
    if target is not None:
        return target
    for _ in range(_TRIES):
        file = files.open_regular(place)
        if file is None:
            return None
        with file:
            before = os.fstat(file.fileno())
            data = b"".join(files.pieces(file))
            if _same(before, os.fstat(file.fileno())) and len(data) == before.st_size:
                return data
    raise Unsettled


def _walk(root: bytes, folder: str, found: LocalFiles) -> Iterator[tuple[str, os.stat_result]]:
    """Files and links below a folder. A folder that is reached through a link is not ours to read."""
    place = root
    for part in folder.split("/"):
        place = os.path.join(place, raw(part))
        info = files.look(place)
        if info is None:
            return
        if not stat.S_ISDIR(info.st_mode):
            found.odd[folder] = "not a folder"
            return
    waiting = [folder]
    while waiting:
        inside = waiting.pop()
        try:
            names = files.entries(os.path.join(root, raw(inside)))
        except PermissionError:
            found.odd[inside] = "a folder that we may not read"
            continue
        for name in names:
            path = f"{inside}/{text(name)}"
            info = files.look(os.path.join(root, raw(path)))
            if info is None or _skipped(name):
                continue
            if name.lower() == b".git":
                found.odd[path] = "a git repository inside this one"
            elif stat.S_ISDIR(info.st_mode):
                found.folders.append(path)
                waiting.append(path)
            elif stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode):
                yield path, info
            else:
                found.odd[path] = next((kind for test, kind in _KINDS if test(info.st_mode)), "not a file")


def _committed(objects: Objects, commit: str, folder: str) -> Iterator[tuple[str, Entry]]:
    waiting = [(folder, objects.entry_at(commit, folder))]
    while waiting:
        path, entry = waiting.pop()
        if entry is not None and entry.is_tree:
            waiting.extend((f"{path}/{name}", below) for name, below in objects.tree(entry.id).items())
        elif entry is not None and path != folder:
            yield path, entry


def _skipped(name: bytes) -> bool:
    """Temporary names of a writer that is at work, and what people put there to keep the folder."""
    return name in _KEPT_NAMES or (name.startswith(b".") and name.endswith(b".tmp"))


def _blob_id(size: int, pieces: Iterator[bytes] | list[bytes], object_format: str) -> str:
    whole = hashlib.new(object_format, b"blob %d\0" % size, usedforsecurity=False)
    for piece in pieces:
        whole.update(piece)
    return whole.hexdigest()


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
