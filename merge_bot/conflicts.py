"""Pure. `conflicts.json`: the open conflicts by collection, key and field, each with every value that was written.

An entry: {"frame", "policy", "value": the one applied or kept, "candidates": [{stream_id, utc, delta, value}]}.
The field `*` is the whole record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from merge_bot.delta import Origin

WHOLE_RECORD = "*"


def candidate(origin: Origin, value: Any) -> dict[str, Any]:
    """One writer's value as a conflict shows it."""
    return {"stream_id": origin.stream_id, "utc": origin.utc, "delta": origin.digest, "value": value}


@dataclass(frozen=True, slots=True)
class Conflict:
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

    def get(self, collection: str, key: str, name: str) -> dict[str, Any] | None:
        return self.entries.get(collection, {}).get(key, {}).get(name)

    def open(self, collection: str, key: str, name: str, entry: dict[str, Any]) -> None:
        """Record a conflict; candidates that an open one of the same frame already has are kept."""
        old = self.get(collection, key, name)
        if old and old["frame"] == entry["frame"]:
            known = {(one["delta"], one["stream_id"]) for one in entry["candidates"]}
            kept = [one for one in old["candidates"] if (one["delta"], one["stream_id"]) not in known]
            candidates = kept + entry["candidates"]
            entry = entry | {
                "candidates": sorted(candidates, key=lambda one: (one["utc"], one["stream_id"], one["delta"]))
            }
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

    def count(self) -> int:
        """How many conflicts are open."""
        return sum(len(fields) for keys in self.entries.values() for fields in keys.values())
