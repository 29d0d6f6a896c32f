"""Pure. Git's tree objects: read, written and edited without a repository at hand.

The merge must know the state tree's id before it commits, because the manifest names it. Object format:
https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import NamedTuple

TREE = "040000"
FILE = "100644"


class Entry(NamedTuple):
    """A tree entry: six-digit octal mode and object id in hex."""

    mode: str
    id: str

    @property
    def is_tree(self) -> bool:
        return self.mode == TREE

    @property
    def is_file(self) -> bool:
        return self.mode == FILE


Entries = Mapping[str, Entry]


def object_id(kind: str, data: bytes, object_format: str = "sha1") -> str:
    """The id that git gives an object of this kind ("blob", "tree") and content."""
    return hashlib.new(object_format, f"{kind} {len(data)}\0".encode() + data).hexdigest()


def parse(raw: bytes, object_format: str = "sha1") -> dict[str, Entry]:
    """A raw tree object as name → entry. Names are text with undecodable bytes kept (surrogateescape)."""
    width = hashlib.new(object_format).digest_size
    entries: dict[str, Entry] = {}
    at = 0
    while at < len(raw):
        space = raw.index(b" ", at)
        end = raw.index(b"\0", space)
        name = raw[space + 1 : end].decode("utf-8", "surrogateescape")
        entries[name] = Entry(raw[at:space].decode().zfill(6), raw[end + 1 : end + 1 + width].hex())
        at = end + 1 + width
    return entries


def encode(entries: Entries) -> bytes:
    """Entries as a raw tree object, in git's order (a folder sorts as if its name ended in `/`)."""
    modes = {mode: b"%b " % mode.lstrip("0").encode() for mode in {entry.mode for entry in entries.values()}}
    rows = []
    for text, (mode, one) in entries.items():
        name = text.encode("utf-8", "surrogateescape")
        rows.append((name + b"/" if mode == TREE else name, modes[mode] + name + b"\0" + bytes.fromhex(one)))
    rows.sort()
    return b"".join([row for _, row in rows])


def edited(
    root: str | None,
    changes: Mapping[str, Entry | None],
    read: Callable[[str], Entries],
    *,
    without: Container[str] = (),
    object_format: str = "sha1",
    write: Callable[[bytes], str] | None = None,
) -> str:
    """The id of tree `root` after `changes` (path → entry, None removes); None as root is the empty tree.

    `read` gives the entries of a tree id; only trees on the way to a change are read. `without` names entries of
    the root to leave out. A folder left empty disappears, as git has no empty folders. `write` takes each new tree
    and gives its id; by default it is only computed.
    """
    write = write or partial(object_id, "tree", object_format=object_format)
    start = {name: entry for name, entry in (read(root) if root else {}).items() if name not in without}
    return write(encode(_edited(start, "", _by_folder(changes), read, write)))


class _Folder:
    """What changes right in a folder, and the names of the folders in it in which something changes."""

    __slots__ = ("changes", "folders")

    def __init__(self) -> None:
        self.changes: dict[str, Entry | None] = {}
        self.folders: list[str] = []


def _by_folder(changes: Mapping[str, Entry | None]) -> dict[str, _Folder]:
    """The changes by the path of their folder; the root is ""."""
    found = {"": _Folder()}
    for path, entry in changes.items():
        folder, _, name = path.rpartition("/")
        if folder not in found:
            _enter(folder, found)
        found[folder].changes[name] = entry
    return found


def _enter(folder: str, found: dict[str, _Folder]) -> None:
    found[folder] = _Folder()
    above, _, name = folder.rpartition("/")
    if above not in found:
        _enter(above, found)
    found[above].folders.append(name)


def _edited(
    entries: Entries,
    at: str,
    changed: Mapping[str, _Folder],
    read: Callable[[str], Entries],
    write: Callable[[bytes], str],
) -> Entries:
    after = dict(entries)
    for name, entry in changed[at].changes.items():
        if entry is None:
            after.pop(name, None)
        else:
            after[name] = entry
    for name in changed[at].folders:
        old = after.get(name)
        before = read(old.id) if old and old.is_tree else {}
        below = _edited(before, f"{at}/{name}" if at else name, changed, read, write)
        if below and below != before:
            after[name] = Entry(TREE, write(encode(below)))
        elif not below and before:
            del after[name]
    return after
