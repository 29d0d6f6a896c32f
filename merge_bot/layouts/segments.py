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
from merge_bot.canonical import KEY_BYTES, key_bytes, key_hash, line
from merge_bot.errors import UnreadableState
from merge_bot.layouts.base import Change, Opening
from merge_bot.paths import numbered
from merge_bot.state import parse_lines


class SegmentsStore:
    """The segments of one collection, with their key files."""

    def __init__(self, opening: Opening) -> None:
        self._rules = opening.collection
        self._files = opening.files
        self._frame = opening.frame
        self._keys_folder = opening.paths.keys(opening.collection.name)
        self._has_keys = opening.collection.keeps_records
        self._hashes: dict[str, array[int]] | None = None
        self._added: list[tuple[str, Any]] = []
        self._added_keys: set[str] = set()

    def present(self, keys: Items[str]) -> set[str]:
        wanted = {key_hash(key): key for key in keys}
        probe = frozenset(wanted)
        found = self._added_keys.intersection(keys)
        for hashes in self._key_files().values():
            found.update(wanted[one] for one in probe.intersection(hashes))
        return found

    def records(self, keys: Items[str]) -> dict[str, Any]:
        wanted = set(keys)
        probe = frozenset(map(key_hash, keys))
        hits = {name: hit for name, hashes in self._key_files().items() if (hit := probe.intersection(hashes))}
        found: dict[str, Any] = {}
        segments = self._files.read_many(f"{self._rules.path}/{name}.jsonl" for name in hits)
        for name, hit in hits.items():
            path = f"{self._rules.path}/{name}.jsonl"
            hashes = self._key_files()[name]
            candidates = parse_lines(segments[path], path)
            if len(candidates) != len(hashes):
                raise UnreadableState(letters.key_file_disagrees(path, len(candidates), len(hashes)))
            for record, one in zip(candidates, hashes, strict=True):
                if one in hit and (key := self._rules.key_of(record)) in wanted:
                    found.setdefault(key, record)
        return found

    def put(self, key: str, value: Any) -> None:
        raise TypeError("a segment is append-only")

    def append(self, items: Sequence[tuple[str, Any]]) -> None:
        self._added.extend(items)
        if self._has_keys:
            self._added_keys.update(key for key, _ in items)

    def flush(self) -> Iterable[Change]:
        if not self._added:
            return
        name, count = numbered(self._frame), len(self._added)
        yield Change(f"{self._rules.path}/{name}.jsonl", b"".join(line(one) for _, one in self._added), 0, count)
        if self._has_keys:
            keys = b"".join(key_bytes(key) for key, _ in self._added)
            yield Change(f"{self._keys_folder}/{name}.keys", keys, 0, count)

    def growth(self) -> int:
        return len(self._added)

    def _key_files(self) -> Mapping[str, array[int]]:
        """The key hashes of each segment by its name (000/000405), in line order."""
        if self._hashes is None:
            segments = set(self._names(self._rules.path, ".jsonl"))
            known = self._files.read_many(f"{self._keys_folder}/{name}.keys" for name in sorted(segments))
            self._hashes = {}
            for name in sorted(segments):
                data = known.get(f"{self._keys_folder}/{name}.keys")
                if data is None:
                    self._hashes[name] = self._rebuilt(f"{self._rules.path}/{name}.jsonl")
                elif len(data) % KEY_BYTES:
                    raise UnreadableState(letters.wrong_shape(f"{self._keys_folder}/{name}.keys", "whole key hashes"))
                else:
                    self._hashes[name] = array("Q", data)
        return self._hashes

    def _rebuilt(self, path: str) -> array[int]:
        """The hashes of a segment that has no key file, from its records."""
        records = parse_lines(self._files.read(path) or b"", path)
        return array("Q", (key_hash(self._rules.key_of(record) or "") for record in records))

    def _names(self, folder: str, ending: str) -> Iterable[str]:
        for thousand, entry in self._files.folder(folder).items():
            if entry.is_tree:
                for name in self._files.folder(f"{folder}/{thousand}"):
                    if name.endswith(ending):
                        yield f"{thousand}/{name.removesuffix(ending)}"
