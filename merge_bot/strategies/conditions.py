"""Pure. Conditional writes. Law: the operations on one entity are looked at one after another, by rank; one whose
condition does not hold then sets nothing.

What a condition is held against is what the write that ranks before it in the frame left there, else what the state
holds. So of several that were computed from one value the first by rank enters, and the others are told what it wrote.
An unconditional write asks nobody: it makes those after it fail, and what it overwrites loses to it as to any write.
A write whose condition held came after what it was computed from, whatever the clocks said: it counts as later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from merge_bot.collection import HOLD, LATEST, SUM, UNION, Collection
from merge_bot.delta import Condition, Operation, Origin
from merge_bot.findings import Outcome, Reason, Recover
from merge_bot.strategies.base import Ground, Loss
from merge_bot.strategies.clocks import ABSENT, Clock, agreed, known

Faults = dict[str, Reason]
REFUSALS = frozenset({Reason.NOT_AS_EXPECTED, Reason.WRITTEN_SINCE})
"""Why an operation set nothing at all."""


@dataclass(slots=True)
class Judged:
    """`entered` by rank; `refused` with the fields that were not as expected; by (digest, index, field), `after` is the
    instant of what a write was computed from, where that is not earlier than its own."""

    entered: list[Operation] = field(default_factory=list)
    refused: list[tuple[Operation, Faults]] = field(default_factory=list)
    after: dict[tuple[str, int, str], int] = field(default_factory=dict)


def judge(
    rules: Collection, entity: dict[str, Any], clock: Clock, operations: Sequence[Operation], ground: Ground
) -> Judged:
    """Which of the ranked operations on one entity enter; `entity` and `clock` are what it was before the frame."""
    own = {part.name for part in rules.key}
    watched = {name for one in operations if one.condition for name in _watched(one, one.condition)}
    registers = {
        name: _Register(
            rules.rule(name).on_conflict.name, entity.get(name, ABSENT), clock.get(name), ground.rolled_back
        )
        for name in watched - own
        if rules.rule(name).strategy not in (SUM, UNION)
    }
    judged = Judged()
    for operation in sorted(operations, key=lambda one: not one.resolves):  # what settles a field goes before all
        if operation.condition and (faults := _faults(operation, operation.condition, registers)):
            judged.refused.append((operation, faults))
            continue
        judged.entered.append(operation)
        for name, value in operation.record.items():
            if name in registers:
                after = registers[name].take(operation, value)
                if after is not None:
                    judged.after[operation.origin.digest, operation.index, name] = after
    return judged


def _watched(operation: Operation, condition: Condition) -> list[str]:
    return [*condition.expect, *(operation.record if condition.base is not None else ())]


def _faults(operation: Operation, condition: Condition, registers: dict[str, _Register]) -> Faults:
    """The fields that are not as the condition has them. What cannot be expected (any more) is not."""
    faults: Faults = {}
    for name, value in condition.expect.items():
        register = registers.get(name)
        if register is None or not register.holds(value) or (name in operation.record and register.outranks(operation)):
            faults[name] = Reason.NOT_AS_EXPECTED
    if condition.base is not None:
        for name in operation.record:
            register = registers.get(name)
            if register and (
                register.written_since(condition.base, operation.origin.digest) or register.outranks(operation)
            ):
                faults.setdefault(name, Reason.WRITTEN_SINCE)
    return faults


class _Register:
    """One field while the operations of a frame are looked at."""

    def __init__(self, policy: str, value: Any, clock: Clock | None, rolled_back: int | None) -> None:
        self._value = value
        before = known(value, clock)
        # A rollback wrote every field: nobody who read before it knows what it brought back.
        self._merged = max([-1 if rolled_back is None else rolled_back, *(one.merged for one in before)])
        self._deltas: set[str] = set()
        self._top: tuple[Origin, int] | None = max((one.rank for one in before), default=None)
        self._by_frame = policy != LATEST
        self._frame = max((one.origin.frame for one in before), default=-1)
        self._settled: int = clock.get("resolved", -1) if clock else -1
        self._held = policy == HOLD and agreed(before)[1] is not None

    def holds(self, expected: Any) -> bool:
        return alike(None if self._value is ABSENT else self._value, expected)

    def written_since(self, base: int, by: str) -> bool:
        """Whether another delta than `by` wrote after frame `base`."""
        return self._merged > base or len(self._deltas) > (by in self._deltas)

    def outranks(self, operation: Operation) -> bool:
        """Whether what stands there cannot be overwritten by a write of this frame: a resolution settles its frame and
        all before, by most policies a newer frame's write stands over an older one."""
        frame = operation.origin.frame
        return frame <= self._settled or (self._by_frame and frame < self._frame)

    def take(self, operation: Operation, value: Any) -> int | None:
        """A write enters. The instant that it has to come after, if its own does not."""
        after = None
        rank = operation.rank
        if operation.resolves and not self.outranks(operation):
            self._held, self._settled, self._top = False, operation.origin.frame, None
        elif self._held or self.outranks(operation):
            return None
        if not self._by_frame and self._top is not None and rank <= self._top:
            if operation.condition is None:
                return None  # older than what stands
            after = self._top[0].instant
            rank = (operation.origin._replace(instant=after + 1), operation.index)
        self._top, self._value, self._frame = rank, value, max(self._frame, operation.origin.frame)
        self._deltas.add(operation.origin.digest)
        return after


def alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; 1 and 1.0 are, as in JSON Schema, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


def refusals(judged: Judged, entity: dict[str, Any], clock: Clock, rules: Collection) -> list[Loss]:
    """What the refused are told; `entity` and `clock` are what stands after the frame, and whose it is."""
    own = {part.name for part in rules.key}
    losses = []
    for operation, faults in judged.refused:
        assert operation.condition is not None
        reason = next(iter(faults.values()))
        fields: dict[str, dict[str, Any]] = {}
        for name in [one for one in operation.record if one not in own] + [*faults]:
            told: dict[str, Any] = {"stands": entity.get(name), "reason": faults.get(name, reason)}
            if "by" in clock.get(name, {}):
                told["by"] = clock[name]["by"]
            if name in operation.record:
                told["wrote"] = operation.record[name]
            if name in operation.condition.expect:
                told["expected"] = operation.condition.expect[name]
            fields[name] = told
        detail: dict[str, Any] = {"fields": fields}
        if operation.condition.base is not None:
            detail["base"] = operation.condition.base
        losses.append(Loss(operation, Outcome.CONFLICT, reason, Recover.REFETCH_AND_RECOMPUTE, detail))
    return losses
