"""Pure. `conflicts.json`: the open conflicts by collection, key and field, each with every value that was written.

An entry: {"frame", "policy", "value": the one applied or kept, "candidates": [{stream_id, utc, delta, value}]}.
The field `*` is the whole record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from merge_bot import letters
from merge_bot.canonical import compact
from merge_bot.delta import Origin, parse_utc
from merge_bot.errors import UnreadableState
from merge_bot.paths import Paths
from merge_bot.state import Files, read_json

WHOLE_RECORD = "*"


def candidate(origin: Origin, value: Any) -> dict[str, Any]:
    """One writer's value as a conflict shows it."""
    return {"stream_id": origin.stream_id, "utc": origin.utc, "delta": origin.digest, "value": value}


class Conflict(NamedTuple):
    """Two writers, different values: all recorded, one applied by rule or none (policy hold)."""

    collection: str
    key: str
    field: str
    entry: dict[str, Any]


@dataclass(slots=True)
class Conflicts:
    """The open conflicts while a frame is merged. `opened` lists what this frame opened or added to."""

    entries: dict[str, dict[str, dict[str, Any]]]
    opened: dict[tuple[str, str, str], Conflict] = field(default_factory=dict)
    touched: bool = False

    @classmethod
    def read(cls, files: Files, paths: Paths) -> Conflicts:
        """What is open as of the frame before. Raises UnreadableState if the file is damaged."""
        entries = read_json(files, paths.conflicts, missing={})
        if not _nested(entries, 3):
            raise UnreadableState(letters.wrong_shape(paths.conflicts, "conflicts by collection, key and field"))
        return cls(entries)

    def get(self, collection: str, key: str, name: str) -> dict[str, Any] | None:
        return self.entries.get(collection, {}).get(key, {}).get(name)

    def open(self, collection: str, key: str, name: str, entry: dict[str, Any]) -> None:
        """Record a conflict; candidates that an open one of the same frame already has are kept."""
        old = self.get(collection, key, name)
        if old and old["frame"] == entry["frame"]:
            known = {compact(one) for one in entry["candidates"]}
            kept = [one for one in old["candidates"] if compact(one) not in known]
            entry = entry | {"candidates": sorted(kept + entry["candidates"], key=_rank)}
        if old == entry:
            return
        self.entries.setdefault(collection, {}).setdefault(key, {})[name] = entry
        self.opened[collection, key, name] = Conflict(collection, key, name, entry)
        self.touched = True

    def close(self, collection: str, key: str, name: str) -> None:
        """A later frame's write settled the field."""
        fields = self.entries.get(collection, {}).get(key, {})
        if fields.pop(name, None) is None:
            return
        self.opened.pop((collection, key, name), None)
        self.touched = True
        if not fields:
            del self.entries[collection][key]
        if not self.entries[collection]:
            del self.entries[collection]

    def take_over(self, collection: str, entries: dict[str, dict[str, Any]], opened: Iterable[Conflict]) -> None:
        """What is open in a collection now, and what of it was opened in this frame, as another process found it."""
        if self.entries.get(collection, {}) == entries:
            return
        self.entries.pop(collection, None)
        if entries:
            self.entries[collection] = entries
        self.opened = {place: one for place, one in self.opened.items() if one.collection != collection}
        self.opened |= {(one.collection, one.key, one.field): one for one in opened}
        self.touched = True

    def all(self) -> Iterator[Conflict]:
        """Every open conflict."""
        for collection, keys in self.entries.items():
            for key, fields in keys.items():
                for name, entry in fields.items():
                    yield Conflict(collection, key, name, entry)

    def count(self) -> int:
        """How many conflicts are open."""
        return sum(len(fields) for keys in self.entries.values() for fields in keys.values())


def _rank(one: dict[str, Any]) -> tuple[int, str, str]:
    return (parse_utc(one["utc"]) or 0, one["stream_id"], one["delta"])


def _nested(value: Any, depth: int) -> bool:
    """Whether `value` is objects all the way down: `depth` levels, and an entry with its frame and candidates."""
    if not isinstance(value, dict):
        return False
    if depth == 0:
        return isinstance(value.get("frame"), int) and isinstance(value.get("candidates"), list)
    return all(_nested(one, depth - 1) for one in value.values())
