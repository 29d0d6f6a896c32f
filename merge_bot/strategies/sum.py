"""Pure. sum. Law: new = old + the sum of the increments, in integers and exact decimals. No ties: addition commutes.

Operations: {counter: increment}, one counter each. Nothing is ever recounted from a window. A derived counter grows by
what a frame added to the collection that it counts; increments to it are ignored, and their receipts say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from merge_bot import letters, strict_json
from merge_bot.canonical import as_number, exact
from merge_bot.collection import Collection
from merge_bot.delta import Operation
from merge_bot.errors import UnreadableState
from merge_bot.findings import Outcome, Reason
from merge_bot.layouts.base import WHOLE
from merge_bot.strategies.base import Ground, Loss

if TYPE_CHECKING:
    from decimal import Decimal

_DIGITS = 800  # more than any two doubles need to be added exactly: 2^-1074 … 2^1023


def total(old: int | float, increments: Iterable[int | float]) -> int | float | None:
    """`old` plus all increments, exactly; None if the result is no number that JSON readers keep."""
    numbers = [old, *increments]
    if all(isinstance(one, int) for one in numbers):
        return as_number(sum(map(int, numbers)))
    from decimal import localcontext

    with localcontext(prec=_DIGITS):
        result: Decimal | int = 0
        for one in numbers:
            result += exact(one)
        return as_number(result)


def counted(value: Any, path: str, pointer: str) -> int | float:
    """What a counter says now; null is nothing yet. Raises UnreadableState if it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise UnreadableState(letters.wrong_shape(path, "a number", pointer))
    return value or 0


def totals(rules: Collection, old: Mapping[str, Any], operations: Iterable[Operation]) -> dict[str, int | float | None]:
    """The new value of each counter that the operations name, derived ones left out. Raises UnreadableState if one is
    no number now."""
    increments: dict[str, list[int | float]] = {}
    for operation in operations:
        for name, one in operation.record.items():
            if rules.counts(name) is None:
                increments.setdefault(name, []).append(one)
    return {
        name: total(counted(old.get(name), rules.path, rules.pointer + strict_json.pointer(name)), ones)
        for name, ones in increments.items()
    }


class Sum:
    """Counters that add up."""

    def fold(self, rules: Collection, operations: Sequence[Operation], ground: Ground) -> list[Loss]:
        old = ground.store.records({WHOLE}).get(WHOLE, {})
        new = old | totals(rules, old, operations)
        for name, counts in ground.counts.items():
            new[name] = counts.after(
                WHOLE, counted(old.get(name), rules.path, rules.pointer + strict_json.pointer(name))
            )
        ground.store.put(WHOLE, new)
        return [
            Loss(one, Outcome.SUPERSEDED, Reason.DERIVED_COUNTER, detail={"counts": of})
            for one in operations
            for name in one.record
            if (of := rules.counts(name)) is not None
        ]
