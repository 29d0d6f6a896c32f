"""Pure. Clocks: which write gave a field its value, so that a late one finds the same answer.

A clock is `{"at", "by", "delta", "frame", "index"}` of the write that stands. `merged` is there if another frame took
the write in than the one that it is of, `instant` (microseconds) if it counts as later than its writer's watch said.
`others` are, each with its `value`, those that a policy did not prefer in the same frame.
`resolves` marks a resolution; `resolved` is the frame up to which one settled the field, whoever wrote since.
Under `hold` it is `{"writes": [every write, each with its "value"], "base": what was there before the first}`.
"""

from __future__ import annotations

from collections.abc import Collection as Items
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from merge_bot import letters, strict_json
from merge_bot.canonical import compact
from merge_bot.delta import Origin, parse_utc
from merge_bot.errors import UnreadableState
from merge_bot.layouts.base import Store

ABSENT: Any = object()
Clock = dict[str, Any]
_TEXTS, _NUMBERS, _MAYBE_NUMBERS = ("at", "by", "delta"), ("frame", "index"), ("merged", "instant", "resolved")


class Write(NamedTuple):
    """One value written to one field. `merged` is the frame that took it in."""

    origin: Origin
    index: int  # type: ignore[assignment]  # in the place of tuple.index, which nobody needs
    value: Any
    merged: int
    moved: bool = False
    resolves: bool = False

    @property
    def rank(self) -> tuple[Origin, int]:
        return (self.origin, self.index)

    def later_than(self, instant: int) -> Write:
        """The same write, a microsecond after `instant`."""
        return self._replace(origin=self.origin._replace(instant=instant + 1), moved=True)

    def as_json(self) -> Clock:
        origin = self.origin
        clock = {
            "at": origin.utc,
            "by": origin.stream_id,
            "delta": origin.digest,
            "frame": origin.frame,
            "index": self.index,
        }
        if self.merged != origin.frame:
            clock["merged"] = self.merged
        if self.moved:
            clock["instant"] = origin.instant
        if self.resolves:
            clock["resolves"] = True
        return clock


def read_clocks(store: Store, keys: Items[str], path: str) -> dict[str, dict[str, Clock]]:
    """The clocks under `keys`, by field. `path` is where they lie: raises UnreadableState if one is no clock."""
    found = store.records(keys)
    for key, clocks in found.items():
        wrong = [name for name, one in clocks.items() if not _is_clock(one)] if type(clocks) is dict else [""]
        if wrong:
            place = strict_json.pointer(key, *filter(None, wrong[:1]))
            raise UnreadableState(letters.wrong_shape(path, "the clock of a field", place))
    return found


def _is_clock(one: Any) -> bool:
    if type(one) is not dict or not all(type(one.get(name, 0)) is int for name in _MAYBE_NUMBERS):
        return False
    kept = one.get("writes", one.get("others", []))
    if type(kept) is not list or not all(type(each) is dict and "value" in each and _is_write(each) for each in kept):
        return False
    return "writes" in one or _is_write(one)


def _is_write(one: Clock) -> bool:
    return (
        all(type(one.get(name)) is str for name in _TEXTS)
        and all(type(one.get(name)) is int for name in _NUMBERS)
        and all(type(one.get(name, 0)) is int for name in _MAYBE_NUMBERS)
    )


def known(value: Any, clock: Clock | None) -> list[Write]:
    """The earlier writes that a field's clock tells of: all of them under `hold`, else the one that stands."""
    if clock is None:
        return []
    if "writes" in clock:
        return [_write(one, one["value"]) for one in clock["writes"]]
    return [] if value is ABSENT else [_write(clock, value)]


def standing(value: Any, clock: Clock | None) -> Write | None:
    """The write that gave a field its value, by the field's clock; None if it is older than the rules."""
    writes = known(value, clock)
    return agreed(writes)[0] if clock and "writes" in clock else writes[0] if writes else None


def others(clock: Clock | None) -> list[Write]:
    """The last words of the workers that did not win the frame of the write that stands."""
    return [_write(one, one["value"]) for one in (clock or {}).get("others", ())]


def _write(clock: Clock, value: Any) -> Write:
    moved = clock.get("instant")
    instant = moved or parse_utc(clock["at"]) or 0
    origin = Origin(instant, clock["by"], clock["delta"], clock["frame"], clock["at"])
    merged: int = clock.get("merged", origin.frame)
    return Write(origin, clock["index"], value, merged, moved is not None, "resolves" in clock)


def agreed(ranked: Sequence[Write]) -> tuple[Write | None, int | None]:
    """Of writes in the order of their frames: the first frame that disagrees, and the last write before it."""
    last = None
    for frame, group in groupby(ranked, key=lambda write: write.origin.frame):
        ones = list(group)
        if len({one.origin.stream_id for one in ones}) > 1 and len({compact(one.value) for one in ones}) > 1:
            return last, frame
        last = ones[-1]
    return last, None
