"""Pure. Layout `entities`: one file a key, so a frame reads and writes only the entities that it touches.

A single value is `KEY.json`; an observed entity is `KEY.jsonl`, one record a line. Names keep `[a-z0-9_-]` and
percent-encode the rest (file systems that fold case must not fold keys); long ones end in a hash. A folder takes a
thousand files; further ones go one level deeper, by the hash of the key.
"""

from __future__ import annotations

import re
from collections.abc import Collection as Items
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from merge_bot import letters
from merge_bot.batch import Batch
from merge_bot.canonical import document
from merge_bot.collection import OBSERVE, UNION, Mark
from merge_bot.errors import UnreadableState
from merge_bot.layouts.base import Change, Opening
from merge_bot.state import count_lines, parse_json, parse_lines
from merge_bot.tree import Entry

FOLDER_LIMIT = 1000
_BATCH = 200  # files held at a time when they are written: what an agent has noticed in its life may be long
_PLAIN = re.compile(r"[a-z0-9_-]+")
_LONGEST = 120
# Names that Windows keeps for devices: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"com{digit}" for digit in range(10)} | {f"lpt{digit}" for digit in range(10)}
)


def entity_name(key: str) -> str:
    """The file name, without its ending, of the entity under `key`."""
    name = key
    if not _PLAIN.fullmatch(key):
        name = "".join(chr(byte) if _PLAIN.match(chr(byte)) else f"%{byte:02x}" for byte in key.encode("utf-8"))
    if name in _DEVICES:
        name = f"%{ord(name[0]):02x}{name[1:]}"
    if not name or len(name) > _LONGEST:
        name = f"{name[:60]}~{sha256(key.encode('utf-8')).hexdigest()[:32]}"
    return name


class EntitiesStore:
    """The files of one collection's entities."""

    def __init__(self, opening: Opening) -> None:
        self._rules = opening.collection
        self._files = opening.files
        self._ending = ".jsonl" if opening.collection.strategy == OBSERVE else ".json"
        self._folders: dict[str, Mapping[str, Entry]] = {}
        self._paths: dict[str, str | None] = {}
        self._bytes: dict[str, bytes] = {}
        self._stored: dict[str, Any] = {}
        self._changed: dict[str, Any] = {}
        self._added: dict[str, list[bytes]] = {}
        self._growth = 0

    def present(self, marks: Items[Mark]) -> set[Mark]:
        keys = [key for key in marks if isinstance(key, str)]
        self._find_all(keys)
        return {key for key in keys if self._find(key)}

    def expect(self, marks: Items[Mark]) -> None:
        keys = sorted(map(str, marks))
        self._find_all(keys)
        self._files.expect(path for key in keys if (path := self._find(key)))

    def records(self, keys: Items[str]) -> dict[str, Any]:
        self._load(keys)
        for key in keys:
            if key not in self._stored and (path := self._find(key)):
                self._stored[key] = self._parse(self._bytes[path], path)
        return {key: self._stored[key] for key in keys if key in self._stored}

    def put(self, key: str, value: Any) -> None:
        self._changed[key] = value

    def append(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            for key, line in zip(batch.marks, batch.each_line(), strict=True):
                self._added.setdefault(str(key), []).append(line)

    def flush(self) -> Iterable[Change]:
        keys = sorted(self._changed.keys() | self._added.keys())
        crowd: dict[str, int] = {}
        self._find_all(keys)
        for at, key in enumerate(keys):
            if at % _BATCH == 0:
                self._load(keys[at : at + _BATCH])
            path = self._find(key) or self._place(key, crowd)
            old = self._bytes.pop(path, b"")
            before = self._size_before(key, path, old) if old else 0
            if key in self._added:
                added = self._added.pop(key)
                new, after = old + b"\n".join([*added, b""]), before + len(added)
            else:
                new, after = document(self._changed[key]), _size(self._changed[key])
            self._growth += after - before
            if new != old:
                yield Change(path, new, before, after)

    def growth(self) -> int:
        return self._growth

    def path_of(self, key: str) -> str | None:
        """Where the entity lies; None if there is none."""
        return self._find(key)

    def _load(self, keys: Iterable[str]) -> None:
        """Read, in one batch, the files of those of `keys` that are there and not read yet."""
        keys = list(keys)
        self._find_all(keys)
        paths = (path for key in keys if (path := self._find(key)) and path not in self._bytes)
        self._bytes |= self._files.read_many(paths)

    def _size_before(self, key: str, path: str, old: bytes) -> int:
        if self._rules.strategy == OBSERVE:
            return count_lines(old, path)
        return _size(self._stored.pop(key) if key in self._stored else self._parse(old, path))

    def _parse(self, data: bytes, path: str) -> Any:
        if self._rules.strategy == OBSERVE:
            return parse_lines(data, path)
        value = parse_json(data, path)
        kind, wanted = (list, "an array") if self._rules.strategy == UNION else (dict, "an object")
        if not isinstance(value, kind):
            raise UnreadableState(letters.wrong_shape(path, wanted))
        return value

    def _find(self, key: str) -> str | None:
        """The path of the entity's file, None if it has none."""
        if key not in self._paths:
            self._find_all([key])
        return self._paths[key]

    def _find_all(self, keys: Iterable[str]) -> None:
        """Find the files of many entities, a level of folders after the other, each level read in one batch."""
        open_ones = {key: (self._rules.path, iter(_levels(key))) for key in keys if key not in self._paths}
        while open_ones:
            wanted = {folder for folder, _ in open_ones.values()} - self._folders.keys()
            self._folders |= self._files.folders(wanted)
            further = {}
            for key, (folder, levels) in open_ones.items():
                entries, name = self._folders[folder], entity_name(key) + self._ending
                if found := entries.get(name):
                    if not found.is_file:
                        raise UnreadableState(letters.wrong_shape(f"{folder}/{name}", "a plain file"))
                    self._paths[key] = f"{folder}/{name}"
                elif (deeper := next(levels, "")) in entries:
                    further[key] = (f"{folder}/{deeper}", levels)
                else:
                    self._paths[key] = None
            open_ones = further

    def _place(self, key: str, crowd: dict[str, int]) -> str:
        """Where a new entity goes. `crowd` counts each folder's files, those of this frame included."""
        folder, name = self._rules.path, entity_name(key) + self._ending
        for deeper in _levels(key):
            if folder not in crowd:
                crowd[folder] = sum(not entry.is_tree for entry in self._entries(folder).values())
            if crowd[folder] < FOLDER_LIMIT:
                break
            folder = f"{folder}/{deeper}"
        crowd[folder] = crowd.get(folder, 0) + 1
        return f"{folder}/{name}"

    def _entries(self, folder: str) -> Mapping[str, Entry]:
        if folder not in self._folders:
            self._folders |= self._files.folders([folder])
        return self._folders[folder]


def _levels(key: str) -> Iterator[str]:
    """The names of the deeper folders that `key` would go to, level by level."""
    digest = sha256(key.encode("utf-8")).hexdigest()
    yield from (f"~{digest[at : at + 2]}" for at in range(0, 16, 2))


def _size(value: Any) -> int:
    """How many records an entity's value counts as: a set counts its members."""
    return len(value) if isinstance(value, list) else 1
