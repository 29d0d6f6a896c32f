"""Pure. Layout `segments`: append-only, one `.jsonl` a frame, one record a line; cost grows with the frame alone.

Beside the segments stand their key files (`key_files`), which a fresh clone reads in one batch to know what is there.
A hash is a filter, not an identity: on a hit the candidate line is read and its key compared, so a forged collision
can never make a record disappear.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection as Items
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from merge_bot import letters
from merge_bot.batch import Batch
from merge_bot.canonical import Pieces, key_hash
from merge_bot.collection import Mark
from merge_bot.errors import UnreadableState
from merge_bot.layouts.base import Change, Opening
from merge_bot.layouts.key_files import FEW, SEGMENT, Hit, KeyFiles
from merge_bot.paths import numbered
from merge_bot.state import count_lines, parse_lines

_LARGE = 1 << 20  # bytes of a segment that are not put together here
_AT_ONCE = 1 << 18  # records of segments that are held at once, unless one alone has more


class SegmentsStore:
    """The segments of one collection, with their key files."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._rules = opening.collection
        self._files = opening.files
        self._known: KeyFiles | None = None
        self._soon: set[Any] = set()
        self._added: list[Batch] = []
        self._growth = 0

    def present(self, marks: Items[Mark]) -> set[Mark]:
        probe: Any = marks if isinstance(marks, set) else set(marks)
        found: set[Any] = self._keys().present(probe, self._soon) if probe else set()
        return found

    def expect(self, marks: Items[Mark]) -> None:
        if len(marks) <= FEW:
            self._soon.update(marks)

    def records(self, keys: Items[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _, key, record in self._under(keys):
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
        name = numbered(self._opening.frame)
        path = self._segment(name)
        old = self._files.read(path) or b""  # of a merge of this number that was rolled back, say: never overwritten
        before = len(parse_lines(old, path))
        data = Pieces(len(old) + sum(one.size for one in self._added), lambda: self._pieces(old))
        yield Change(path, data if len(data) > _LARGE else bytes(data), before, before + self._growth)
        if self._rules.keeps_records:
            added = array("Q")
            for one in self._added:
                added.extend(one.marks)  # type: ignore[arg-type]  # of a segment they are hashes
            keys = self._keys()
            keys.add(name, added)
            keys.compact()
            yield from keys.changes()

    def _pieces(self, old: bytes) -> Iterator[bytes]:
        yield old
        yield from (one.lines for one in self._added)

    def growth(self) -> int:
        return self._growth

    def path_of(self, key: str) -> str | None:
        """The segment that holds the record under `key`; None if none does."""
        return next((path for path, _, _ in self._under([key])), None)

    def _keys(self) -> KeyFiles:
        if self._known is None:
            self._known = KeyFiles(self._rules, self._files, self._opening.paths)
        return self._known

    def _under(self, keys: Items[str]) -> Iterator[tuple[str, str, Any]]:
        """(segment, key, record) of what lies under the keys, compared in full."""
        wanted = set(keys)
        found = self._keys().hits(set(map(key_hash, wanted))) if wanted else {}
        hits = {self._segment(name): hit for name, hit in found.items()}
        for batch in _batched(hits):
            segments = self._files.read_many(batch)
            for path in batch:
                for record in _candidates(segments.pop(path), path, hits[path]):
                    if (key := self._rules.key_of(record)) in wanted:
                        yield path, key or "", record

    def _segment(self, name: str) -> str:
        return f"{self._rules.path}/{name}{SEGMENT}"


def _batched(hits: Mapping[str, Hit]) -> Iterator[list[str]]:
    """The paths, as many at a time as can be held."""
    batch: list[str] = []
    held = 0
    for path, hit in hits.items():
        if batch and held + hit.size > _AT_ONCE:
            yield batch
            batch, held = [], 0
        batch.append(path)
        held += hit.size
    if batch:
        yield batch


def _candidates(data: bytes, path: str, hit: Hit) -> list[dict[str, Any]]:
    """The records of a segment whose hashes are hit. Raises UnreadableState, naming the line, as all reading does."""
    if (there := count_lines(data, path)) != hit.size:
        raise UnreadableState(letters.key_file_disagrees(path, there, hit.size))
    lines = data.split(b"\n")
    try:
        return parse_lines(b"".join(lines[at] + b"\n" for at in hit.lines), path)
    except UnreadableState:
        parse_lines(data, path)  # names the line by its place in the file
        raise
