"""Pure. Read, compute, write: what a function makes of an entity, as an operation that says what it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from merge_bot import worker_letters
from merge_bot.collection import EXPECT, SUM, UNION, Collection
from merge_bot.findings import Reason
from merge_bot.messages import Letter
from merge_bot.strategies.conditions import alike
from merge_bot.strategies.sum import total
from merge_bot.strategies.union import united

Entity = dict[str, Any]
Compute = Callable[[Entity], Mapping[str, Any] | None]


class Uncomputable(Exception):
    """What the function returned cannot be written. `field` is where, "" all of it; `letter` says what is wrong."""

    def __init__(self, field: str, reason: Reason, letter: Letter) -> None:
        super().__init__(field, *letter)
        self.field, self.reason, self.letter = field, reason, letter


class Change(NamedTuple):
    """The entity as it should be, and the operation that makes it so; None if nothing changes.

    `adds` says whether it holds fields that add up.
    """

    entity: Entity
    operation: Entity | None
    adds: bool = False


def computed(rules: Collection, entity: Entity, fn: Compute, reads: Iterable[str] = ()) -> Change:
    """What `fn` makes of an entity.

    What `fn` leaves out stays. Of a summed field the difference is written, of a united one what is new; of every other
    one the value, and what it was (nothing: null) is expected, as is that of each field in `reads`. Raises
    Uncomputable.
    """
    result = fn(deepcopy(entity))
    if result is None:
        return Change(entity, None)
    if not isinstance(result, Mapping):
        raise Uncomputable("", Reason.NOT_AN_OBJECT, worker_letters.not_a_change(result))
    own = {part.name for part in rules.key}
    operation: Entity = {}
    expect: Entity = {}
    for name, value in result.items():
        if name in entity and alike(value, entity[name]):
            continue
        if name in own:
            raise Uncomputable(name, Reason.NO_KEY, worker_letters.key_changed(name))
        strategy = rules.rule(name).strategy
        if strategy == SUM:
            operation[name] = _difference(name, entity.get(name) or 0, value)
        elif strategy == UNION:
            operation[name] = _new_members(name, entity.get(name) or [], value)
        else:
            operation[name] = value
            expect[name] = entity.get(name)
    if not operation:
        return Change(entity, None)
    adds = any(name not in expect for name in operation)
    expect |= {name: entity.get(name) for name in reads}
    key = {name: entity[name] for name in own}
    return Change({**entity, **result}, {**key, **operation, **({EXPECT: expect} if expect else {})}, adds)


def _difference(name: str, old: Any, new: Any) -> Any:
    if isinstance(new, bool) or not isinstance(new, int | float):
        return new  # validation says what should stand here
    difference = total(new, [-old])
    if difference is None:
        raise Uncomputable(name, Reason.SUM_OUT_OF_RANGE, worker_letters.no_difference(name))
    return difference


def _new_members(name: str, old: Sequence[Any], new: Any) -> Any:
    if not isinstance(new, list):
        return new
    if not all(any(alike(one, other) for other in new) for one in old):
        raise Uncomputable(name, Reason.SCHEMA_VIOLATION, worker_letters.set_shrinks(name))
    return [one for one in new if not any(alike(one, other) for other in old)]


def overlaid(rules: Collection, entity: Entity, operations: Iterable[Mapping[str, Any]]) -> Entity:
    """An entity after operations that no merge has seen yet."""
    own = {part.name for part in rules.key}
    result = dict(entity)
    for operation in operations:
        for name, value in operation.items():
            strategy = rules.rule(name).strategy
            if name in own or name == EXPECT:
                continue
            if strategy == SUM:
                added = total(result.get(name) or 0, [value])
                result[name] = result.get(name) if added is None else added
            elif strategy == UNION:
                result[name] = united(result.get(name) or [], value)
            else:
                result[name] = value
    return result
