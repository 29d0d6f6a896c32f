"""A pack: many new objects in one file with an index beside it, as git keeps them (gitformat-pack(5), version 2).

Git's own writers hash slowly on purpose (they look for attacks on SHA-1) and several times over; what is written here
was made by the merge, so it is compressed once, hashed once, and needs no second process. Objects are seen by git when
the index appears, which is the last step.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import accumulate
from typing import NamedTuple

from merge_bot.canonical import Pieces
from merge_bot.errors import GitFailed
from merge_bot.git import files, letters
from merge_bot.git.deflate import compressed, compressor
from merge_bot.tree import FILE, Entry

TEMPORARY = b"tmp_pack_dreamcatcher-"
"""How the names of unfinished packs begin, then the process's id; `git gc` removes what begins with tmp_ there."""

_KINDS = {"commit": 1, "tree": 2, "blob": 3}
_ELSEWHERE = 1 << 31
"""A place in the index's first table that has this bit is a number in the second one, for what lies further off."""
_FAR = _ELSEWHERE


class Written(NamedTuple):
    """A blob of a plain file that is in a pack: its id and the SHA-256 of its content, both in hex."""

    id: str
    sha256: str

    @property
    def entry(self) -> Entry:
        """What the file is in a tree."""
        return Entry(FILE, self.id)


class Ready(NamedTuple):
    """A blob that is hashed and compressed: its id, its bytes in a pack, the SHA-256 of its content in hex."""

    name: bytes
    packed: bytes
    sha256: str


State = tuple[dict[bytes, tuple[int, int]], int]
"""By id, where an object begins and its checksum; and the size of all."""


class Pack:
    """A pack under construction in a folder of objects. Each step raises GitFailed where nothing can be written."""

    def __init__(self, objects: bytes, object_format: str) -> None:
        self._folder = os.path.join(objects, b"pack")
        self._object_format = object_format
        self._rows: dict[bytes, tuple[int, int]] = {}
        self._path = os.path.join(self._folder, b"%b%d-%b" % (TEMPORARY, os.getpid(), os.urandom(8).hex().encode()))
        with self._letters():
            self._file = files.create(self._path)
            self._size = self._file.write(b"PACK" + struct.pack(">II", 2, 0))

    def add(self, kind: str, data: bytes) -> str:
        """Write an object ("commit", "tree", "blob"); its id in hex."""
        name = self._name(kind, data)
        if name not in self._rows:
            self._append(name, _packed(kind, data))
        return name.hex()

    def write(self, blob: bytes | Ready) -> Written:
        """Write a blob; its id, and the SHA-256 of its content."""
        if isinstance(blob, bytes):
            return Written(self.add("blob", blob), hashlib.sha256(blob).hexdigest())
        if blob.name not in self._rows:
            self._append(blob.name, blob.packed)
        return Written(blob.name.hex(), blob.sha256)

    def ready(self, content: Pieces) -> Ready:
        """A large blob, hashed and compressed piece by piece, for `write` in whichever process."""
        name, digest = self._begun("blob", len(content)), hashlib.sha256()
        stream, packed = compressor(), BytesIO()
        packed.write(_head(_KINDS["blob"], len(content)))
        for piece in content:
            name.update(piece)
            digest.update(piece)
            packed.write(stream.compress(piece))
        packed.write(stream.flush())
        return Ready(name.digest(), packed.getvalue(), digest.hexdigest())

    def add_tree(self, data: bytes) -> str:
        """Write a raw tree object; its id in hex."""
        return self.add("tree", data)

    @property
    def handle(self) -> int:
        """The open file: what writes for this pack in another process needs it."""
        return self._file.fileno()

    @property
    def state(self) -> State:
        """What `resume` goes on from, once everything is flushed."""
        return self._rows, self._size

    def flush(self) -> None:
        """Hand everything to the system: another process can go on from here."""
        with self._letters():
            self._file.flush()

    def resume(self, state: State) -> None:
        """Go on where another process stopped with this pack."""
        self._rows, self._size = state
        self._file.seek(self._size)

    def __contains__(self, name: str) -> bool:
        return bytes.fromhex(name) in self._rows

    def finish(self) -> None:
        """Put the pack in place, on the disk. One without objects leaves nothing."""
        if not self._rows:
            self.discard()
            return
        with self._letters():
            self._settle()

    def discard(self) -> None:
        """Leave nothing that was not put in place."""
        with contextlib.suppress(OSError):  # closing writes what is left, where there may be no room
            self._file.close()
        for path in (self._path, self._path + b".idx"):
            files.remove(path)

    def _name(self, kind: str, data: bytes) -> bytes:
        digest = self._begun(kind, len(data))
        digest.update(data)
        return digest.digest()

    def _begun(self, kind: str, size: int) -> hashlib._Hash:
        return hashlib.new(self._object_format, b"%b %d\0" % (kind.encode(), size))

    def _append(self, name: bytes, packed: bytes) -> None:
        with self._letters():
            self._file.write(packed)
        self._rows[name] = (self._size, zlib.crc32(packed))
        self._size += len(packed)

    def _settle(self) -> None:
        self._file.seek(8)
        self._file.write(struct.pack(">I", len(self._rows)))
        self._file.seek(0)
        whole = hashlib.new(self._object_format)
        for piece in files.pieces(self._file):
            whole.update(piece)
        self._file.write(whole.digest())
        name = os.path.join(self._folder, b"pack-%b" % whole.hexdigest().encode())
        files.settle(self._file, self._path, name + b".pack")
        index = self._path + b".idx"
        file = files.create(index)
        file.write(self._index(whole.digest()))
        files.settle(file, index, name + b".idx")

    @contextlib.contextmanager
    def _letters(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise GitFailed(letters.cannot_write(os.fsdecode(self._folder), problem)) from problem

    def _index(self, trailer: bytes) -> bytes:
        names = sorted(self._rows)
        rows = [self._rows[name] for name in names]
        counts = [0] * 256
        for name in names:
            counts[name[0]] += 1
        far = [offset for offset, _ in rows if offset >= _FAR]
        places = {offset: _ELSEWHERE + number for number, offset in enumerate(far)}
        content = b"".join([
            b"\xfftOc" + struct.pack(">I", 2),
            struct.pack(">256I", *accumulate(counts)),
            *names,
            struct.pack(f">{len(rows)}I", *(crc for _, crc in rows)),
            struct.pack(f">{len(rows)}I", *(places.get(offset, offset) for offset, _ in rows)),
            struct.pack(f">{len(far)}Q", *far),
            trailer,
        ])  # fmt: skip
        return content + hashlib.new(self._object_format, content).digest()


def size_of(blob: bytes | Ready) -> int:
    """How much a blob is to carry, in bytes."""
    return len(blob if isinstance(blob, bytes) else blob.packed)


def _packed(kind: str, data: bytes) -> bytes:
    return _head(_KINDS[kind], len(data)) + compressed(data)


def _head(kind: int, size: int) -> bytes:
    """An object's head: its kind and size, four bits first, then seven at a time, the lowest first."""
    head = [kind << 4 | size & 15]
    size >>= 4
    while size:
        head[-1] |= 128
        head.append(size & 127)
        size >>= 7
    return bytes(head)
