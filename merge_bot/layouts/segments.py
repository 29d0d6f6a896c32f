"""Pure. Layout `segments`: append-only, one `.jsonl` a frame, one record a line; cost grows with the frame alone.

Beside each segment stands a key file: the first eight bytes of the SHA-256 of each record's key, in line order.
A fresh clone deduplicates by reading the key files in one batch. A hash is a filter, not an identity: on a hit the
candidate line is read and its key compared, so a forged collision can never make a record disappear.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection as Items
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from merge_bot import letters
from merge_bot.batch import Batch
from merge_bot.canonical import KEY_BYTES, key_hash
from merge_bot.collection import Collection, Mark
from merge_bot.errors import UnreadableState
from merge_bot.layouts.base import Change, Opening
from merge_bot.paths import numbered
from merge_bot.state import parse_lines

_ENDING = ".jsonl"


class SegmentsStore:
    """The segments of one collection, with their key files."""

    def __init__(self, opening: Opening) -> None:
        self._rules = opening.collection
        self._files = opening.files
        self._frame = opening.frame
        self._keys_folder = opening.paths.keys(opening.collection.name)
        self._has_keys = opening.collection.keeps_records
        self._hashes: dict[str, array[int]] | None = None
        self._added: list[Batch] = []
        self._growth = 0

    def present(self, marks: Items[Mark]) -> set[Mark]:
        probe = marks if isinstance(marks, set) else set(marks)
        return set().union(*(probe.intersection(known) for known in self._key_files().values()))

    def expect(self, keys: Items[str]) -> None:
        """Its files are few."""

    def records(self, keys: Items[str]) -> dict[str, Any]:
        wanted = set(keys)
        probe = frozenset(map(key_hash, keys))
        hits = {name: hit for name, hashes in self._key_files().items() if (hit := probe.intersection(hashes))}
        found: dict[str, Any] = {}
        segments = self._files.read_many(self._segment(name) for name in hits)
        for name, hit in hits.items():
            path, hashes = self._segment(name), self._key_files()[name]
            candidates = parse_lines(segments[path], path)
            if len(candidates) != len(hashes):
                raise UnreadableState(letters.key_file_disagrees(path, len(candidates), len(hashes)))
            for record, one in zip(candidates, hashes, strict=True):
                if one in hit and (key := self._rules.key_of(record)) in wanted:
                    found.setdefault(key, record)
        return found

    def put(self, key: str, value: Any) -> None:
        raise TypeError("a segment is append-only")

    def append(self, batches: Sequence[Batch]) -> None:
        self._added.extend(batches)
        self._growth += sum(map(len, batches))

    def flush(self) -> Iterable[Change]:
        if not self._growth:
            return
        name = numbered(self._frame)
        path = self._segment(name)
        old = self._files.read(path) or b""  # of a merge of this number that was rolled back, say: never overwritten
        before = len(parse_lines(old, path))
        after = before + self._growth
        yield Change(path, b"".join([old, *(one.lines for one in self._added)]), before, after)
        if self._has_keys:
            known = self._key_files()[name].tobytes() if old else b""
            yield Change(self._keys(name), known + b"".join(_bytes(one.marks) for one in self._added), before, after)

    def growth(self) -> int:
        return self._growth

    def path_of(self, key: str) -> str | None:
        """The segment that holds the record under `key`; None if none does."""
        one = key_hash(key)
        for name, hashes in self._key_files().items():
            path = self._segment(name)
            if one in hashes and any(
                self._rules.key_of(record) == key for record in parse_lines(self._files.read(path) or b"", path)
            ):
                return path
        return None

    def _key_files(self) -> Mapping[str, array[int]]:
        """The key hashes of each segment by its name (000/000405), in line order."""
        if self._hashes is None:
            names = sorted(self._names())
            known = self._files.read_many(map(self._keys, names))
            self._hashes = {}
            for name in names:
                data = known.get(self._keys(name))
                if data is None:
                    self._hashes[name] = self._rebuilt(self._segment(name))
                elif len(data) % KEY_BYTES:
                    raise UnreadableState(letters.wrong_shape(self._keys(name), "whole key hashes"))
                else:
                    self._hashes[name] = array("Q", data)
        return self._hashes

    def _rebuilt(self, path: str) -> array[int]:
        """The hashes of a segment that has no key file, from its records."""
        records = parse_lines(self._files.read(path) or b"", path)
        return array("Q", (key_hash(self._rules.key_of(record) or "") for record in records))

    def _names(self) -> Iterable[str]:
        for thousand, entry in self._files.folder(self._rules.path).items():
            folder = f"{self._rules.path}/{thousand}"
            for name, one in self._files.folder(folder).items() if entry.is_tree else ():
                if name.endswith(_ENDING):
                    if not one.is_file:
                        raise UnreadableState(letters.wrong_shape(f"{folder}/{name}", "a plain file"))
                    yield f"{thousand}/{name.removesuffix(_ENDING)}"

    def _segment(self, name: str) -> str:
        return f"{self._rules.path}/{name}{_ENDING}"

    def _keys(self, name: str) -> str:
        return f"{self._keys_folder}/{name}.keys"


def key_file(rules: Collection, records: Iterable[Mapping[str, Any]]) -> bytes:
    """The key file of a segment that holds these records."""
    return _bytes(rules.marks_of(records))


def _bytes(marks: Any) -> bytes:
    return array("Q", marks).tobytes()
