"""Objects that lie whole in a pack, read here: that is mostly inflating, which isa-l does in a quarter of git's time.

What is not found here is git's to read: what is loose, or another repository's, or kept as a difference to another
object. So is what looks damaged: git says what is wrong. Format: gitformat-pack(5), version 2.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from typing import BinaryIO, NamedTuple

from merge_bot.git import files
from merge_bot.git.deflate import inflated

_KINDS = {1: "commit", 2: "tree", 3: "blob"}
_HEAD = b"\xfftOc\x00\x00\x00\x02"
_FANOUT = struct.Struct(">256I")
_WORD, _LONG = struct.Struct(">I"), struct.Struct(">Q")
_FAR = 1 << 31
_LONGEST_HEAD = 16  # bytes of an object's kind and size
_PIECE = 1 << 14
_MOST = 32  # packs, each of which is looked into for each object: git has better ways where they are many


class Packs:
    """The packs that lie in a folder of objects when they are first asked for."""

    def __init__(self, objects: str | os.PathLike[str], object_format: str) -> None:
        self._objects = os.fsencode(objects)
        self._width = 32 if object_format == "sha256" else 20
        self._packs: list[_Pack] | None = None

    def has(self, name: str) -> bool:
        """Whether an object can be read here."""
        return self.size(name) is not None

    def size(self, name: str) -> int | None:
        """An object's size in bytes; None if git has to be asked."""
        found = self._find(name)
        head = found[0].head(found[1]) if found else None
        return head.size if head else None

    def read(self, name: str, kind: str) -> bytes | None:
        """An object of this kind; None if git has to be asked."""
        found = self._find(name)
        return found[0].read(found[1], kind) if found else None

    def close(self) -> None:
        """Let go of the files."""
        for one in self._packs or ():
            one.close()
        self._packs = None

    def _find(self, name: str) -> tuple[_Pack, int] | None:
        """The pack that an object lies in, and where in it."""
        if self._packs is None:
            self._packs = list(self._open())
        wanted = bytes.fromhex(name)
        for one in self._packs:
            if (offset := one.offset(wanted)) is not None:
                if one is not self._packs[0]:  # objects that are asked for together mostly lie together
                    self._packs.remove(one)
                    self._packs.insert(0, one)
                return one, offset
        return None

    def _open(self) -> Iterator[_Pack]:
        folder = os.path.join(self._objects, b"pack")
        names = [name for name in files.entries(folder) if name.startswith(b"pack-") and name.endswith(b".idx")]
        for name in names if len(names) <= _MOST else ():
            path = os.path.join(folder, name)
            with suppress(OSError):  # whoever may not read it is told by git
                if index := _Index.of(path, self._width):
                    pack = files.open_regular(path.removesuffix(b"idx") + b"pack")
                    yield from [_Pack(index, pack)] if pack else ()


class _Head(NamedTuple):
    """What stands before an object's content: its kind, its size when it is inflated; and how long that is."""

    kind: str
    size: int
    length: int


class _Index:
    """A pack's index, version 2: sorted names, and where each object begins."""

    def __init__(self, data: mmap, width: int) -> None:
        self._data, self._width = data, width
        self._fanout = _FANOUT.unpack_from(data, len(_HEAD))
        self._names = len(_HEAD) + _FANOUT.size
        self._offsets = self._names + self._fanout[255] * (width + _WORD.size)
        self._far = self._offsets + self._fanout[255] * _WORD.size

    @classmethod
    def of(cls, path: bytes, width: int) -> _Index | None:
        """The index in a file; None if it is of another version, or no index. Raises OSError."""
        file = files.open_regular(path)
        if file is None:
            return None
        with file:
            if os.fstat(file.fileno()).st_size < len(_HEAD) + _FANOUT.size:
                return None
            data = mmap(file.fileno(), 0, access=ACCESS_READ)
        return cls(data, width) if data[: len(_HEAD)] == _HEAD else None

    def offset(self, name: bytes) -> int | None:
        """Where an object begins in the pack; None if it is not there."""
        first, end = self._fanout[name[0] - 1] if name[0] else 0, self._fanout[name[0]]
        at = bisect_left(range(first, end), name, key=self._name) + first
        if at >= end or self._name(at) != name:
            return None
        place: int = _WORD.unpack_from(self._data, self._offsets + at * _WORD.size)[0]
        if place >= _FAR:
            place = _LONG.unpack_from(self._data, self._far + (place - _FAR) * _LONG.size)[0]
        return place

    def _name(self, at: int) -> bytes:
        begin = self._names + at * self._width
        return self._data[begin : begin + self._width]


class _Pack:
    def __init__(self, index: _Index, file: BinaryIO) -> None:
        self._index, self._file = index, file

    def close(self) -> None:
        self._file.close()

    def offset(self, name: bytes) -> int | None:
        """Where an object begins; None if it is not in here."""
        try:
            return self._index.offset(name)
        except struct.error:  # the index is cut off
            return None

    def head(self, offset: int) -> _Head | None:
        """The head of an object that lies whole at this place."""
        return _head_of(self._at(offset, _LONGEST_HEAD))

    def read(self, offset: int, kind: str) -> bytes | None:
        """The content of an object that lies whole at this place, if it is of this kind."""
        first = self._at(offset, _PIECE)
        head = _head_of(first)
        if head is None or head.kind != kind:
            return None
        return inflated(self._pieces(first[head.length :], offset + len(first)), head.size)

    def _pieces(self, first: bytes, further: int) -> Iterator[bytes]:
        yield first
        while piece := self._at(further, _PIECE):
            yield piece
            further += len(piece)

    def _at(self, offset: int, size: int) -> bytes:
        """So many bytes from there, or fewer at the end; none where nothing can be read."""
        try:
            return os.pread(self._file.fileno(), size, offset)
        except (OSError, OverflowError):
            return b""


def _head_of(data: bytes) -> _Head | None:
    """The head that these bytes begin with; None for a difference to another object, and for what is cut off."""
    kind = _KINDS.get(data[0] >> 4 & 7) if data else None
    if kind is None:
        return None
    size, shift, at = data[0] & 15, 4, 0
    while data[at] & 128:
        at += 1
        if at == min(len(data), _LONGEST_HEAD):
            return None
        size |= (data[at] & 127) << shift
        shift += 7
    return _Head(kind, size, at + 1)
