"""Pure. `parked.jsonl`: records that refer to nothing yet, or entities still incomplete, waiting for what they need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from merge_bot import letters
from merge_bot.canonical import line
from merge_bot.delta import Condition, Operation, Origin, parse_utc
from merge_bot.errors import UnreadableState
from merge_bot.findings import Reason
from merge_bot.paths import Paths
from merge_bot.state import Files, parse_lines

_TYPES = {
    "collection": str, "delta": str, "frame": int, "index": int, "pointer": str, "record": dict, "since": int,
    "stream_id": str, "utc": str, "waits_for": list,
}  # fmt: skip


class Parked(NamedTuple):
    """A violation that waits. `waits_for` lists {collection, key} or {field, problem}; `since` is the frame."""

    operation: Operation
    reason: Reason
    waits_for: tuple[dict[str, Any], ...]
    since: int

    def as_json(self) -> dict[str, Any]:
        origin, condition = self.operation.origin, self.operation.condition
        only_if: dict[str, Any] = (
            {"condition": {"expect": condition.expect, "base": condition.base}} if condition else {}
        )
        if self.operation.resolves:
            only_if["resolves"] = True
        return {
            **only_if,
            "collection": self.operation.collection,
            "delta": origin.digest,
            "frame": origin.frame,
            "index": self.operation.index,
            "pointer": self.operation.pointer,
            "reason": self.reason,
            "record": self.operation.record,
            "since": self.since,
            "stream_id": origin.stream_id,
            "utc": origin.utc,
            "waits_for": list(self.waits_for),
        }


def read_parked(files: Files, paths: Paths) -> list[Parked]:
    """What waits, as of the frame before. Raises UnreadableState if the file is damaged."""
    data = files.read(paths.parked)
    try:
        return [_parked(one) for one in parse_lines(data, paths.parked)] if data else []
    except (KeyError, TypeError, ValueError):
        raise UnreadableState(letters.wrong_shape(paths.parked, "parked records")) from None


def _parked(one: dict[str, Any]) -> Parked:
    fits = all(type(one[name]) is kind for name, kind in _TYPES.items())
    if not fits or not all(type(each) is dict for each in one["waits_for"]):
        raise TypeError
    origin = Origin(parse_utc(one["utc"]) or 0, one["stream_id"], one["delta"], one["frame"], one["utc"])
    condition = Condition(**one["condition"]) if "condition" in one else None
    operation = Operation(
        origin, one["index"], one["collection"], one["pointer"], one["record"], condition, "resolves" in one
    )
    return Parked(operation, Reason(one["reason"]), tuple(one["waits_for"]), one["since"])


def parked_bytes(waiting: Iterable[Parked]) -> bytes:
    """The file's bytes. `waiting` comes in the order of the operations' rank."""
    return b"".join(line(one.as_json()) for one in waiting)
