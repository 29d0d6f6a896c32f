"""Pure. What may not enter yet, and the proof afterwards.

`take_out` finds the greatest set of operations whose references resolve (in the state or in each other: cycles
within a frame hold) and whose entities satisfy their schema; the rest is parked. `prove` holds the result against
the laws before anything is written.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from merge_bot import letters
from merge_bot.collection import APPEND, LAST_WRITER_WINS, OBSERVE, SUM, Collection, Collections
from merge_bot.delta import Operation
from merge_bot.errors import GuardError
from merge_bot.findings import Reason
from merge_bot.layouts.base import WHOLE, Change
from merge_bot.strategies.base import Ground
from merge_bot.strategies.last_writer_wins import fold_entity
from merge_bot.strategies.sum import totals

Target = tuple[str, str]
_MANY = 20


class EntityRules(Protocol):
    """Tells what keeps a finished entity from satisfying its collection's schema."""

    def entity_problems(self, collection: Collection, entity: Any) -> list[tuple[str, str]]:
        """(property or "", what is wrong) of each problem; empty if the entity is fine."""


@dataclass(slots=True)
class Violation:
    """An operation that has to wait, and for what."""

    operation: Operation
    reason: Reason
    waits_for: list[dict[str, Any]] = field(default_factory=list)


def take_out(
    pending: Mapping[str, Sequence[Operation]],
    grounds: Mapping[str, Ground],
    collections: Collections,
    rules: EntityRules,
) -> tuple[dict[str, list[Operation]], list[Violation]]:
    """Split ranked operations into those that may enter and those that have to wait."""
    sieve = _Sieve(pending, grounds, collections, rules)
    sieve.run()
    kept = {
        name: [one for one in operations if _name(one) not in sieve.violations]
        if sieve.violations
        else list(operations)
        for name, operations in pending.items()
    }
    return kept, list(sieve.violations.values())


def _name(operation: Operation) -> tuple[str, int]:
    return (operation.origin.digest, operation.index)


class _Sieve:
    """Removes until nothing more must go; each removal may take away what another operation refers to."""

    def __init__(
        self,
        pending: Mapping[str, Sequence[Operation]],
        grounds: Mapping[str, Ground],
        collections: Collections,
        rules: EntityRules,
    ) -> None:
        self._pending, self._grounds, self._collections, self._rules = pending, grounds, collections, rules
        self.violations: dict[tuple[str, int], Violation] = {}
        self._waiting: dict[Target, list[tuple[Operation, Any]]] = {}
        self._provides: dict[tuple[str, int], Target] = {}
        self._providers: Counter[Target] = Counter()
        self._missing: deque[Target] = deque()
        self._entities: dict[Target, list[Operation]] = {}
        self._doubtful: dict[Target, None] = {}

    def run(self) -> None:
        self._find_references()
        self._find_providers()
        self._find_entities()
        self._missing.extend(sorted(target for target in self._waiting if not self._providers[target]))
        while self._missing or self._doubtful:
            while self._missing:
                target = self._missing.popleft()
                for operation, value in self._waiting[target]:
                    self._remove(operation, Reason.DANGLING_REFERENCE, {"collection": target[0], "key": value})
            doubtful, self._doubtful = sorted(self._doubtful), {}
            for entity in doubtful:
                self._examine(entity)

    def _find_references(self) -> None:
        """Every reference of the frame whose target is not in the state yet."""
        wanted: dict[str, dict[str, list[tuple[Operation, Any]]]] = {}
        for name, operations in self._pending.items():
            for field_name, target_name in self._collections[name].references.items():
                target = self._collections[target_name]
                found = wanted.setdefault(target_name, {})
                for operation in operations:
                    value = operation.record.get(field_name)
                    if value is None:
                        continue
                    for one in value if isinstance(value, list) else (value,):
                        found.setdefault(target.key_for(one), []).append((operation, one))
        for target_name, found in wanted.items():
            for key in found.keys() - self._grounds[target_name].store.present(found.keys()):
                self._waiting[target_name, key] = found[key]

    def _find_providers(self) -> None:
        """Which operations of the frame create what others wait for."""
        for name in {target for target, _ in self._waiting}:
            rules = self._collections[name]
            for operation in self._pending.get(name, ()):
                target = (name, rules.key_of(operation.record) or "")
                if target in self._waiting:
                    self._provides[_name(operation)] = target
                    self._providers[target] += 1

    def _find_entities(self) -> None:
        for name, operations in self._pending.items():
            rules = self._collections[name]
            if rules.strategy not in (LAST_WRITER_WINS, SUM):
                continue
            for operation in operations:
                key = WHOLE if rules.strategy == SUM else rules.key_of(operation.record) or ""
                self._entities.setdefault((name, key), []).append(operation)
        self._doubtful = dict.fromkeys(sorted(self._entities))

    def _remove(self, operation: Operation, reason: Reason, waits_for: dict[str, Any]) -> None:
        name = _name(operation)
        if name in self.violations:
            if waits_for not in self.violations[name].waits_for:
                self.violations[name].waits_for.append(waits_for)
            return
        self.violations[name] = Violation(operation, reason, [waits_for])
        provided = self._provides.get(name)
        if provided:
            self._providers[provided] -= 1
            if not self._providers[provided]:
                self._missing.append(provided)
        rules = self._collections[operation.collection]
        if rules.strategy == LAST_WRITER_WINS:
            self._doubtful[rules.name, rules.key_of(operation.record) or ""] = None
        elif rules.strategy == SUM:
            self._doubtful[rules.name, WHOLE] = None

    def _examine(self, entity: Target) -> None:
        """Fold what is left of an entity's operations, and take them out if the result is no valid entity."""
        name, key = entity
        rules, ground = self._collections[name], self._grounds[name]
        operations = [one for one in self._entities[entity] if _name(one) not in self.violations]
        if not operations:
            return
        base = ground.store.records({key}).get(key)
        if rules.strategy == SUM:
            self._examine_sum(rules, base or {}, operations)
            return
        clock = ground.clocks.records({key}).get(key) if ground.clocks else None
        folded = fold_entity(rules, base, clock, operations)
        problems = [(field_name, letters.OUT_OF_RANGE) for field_name in folded.out_of_range]
        problems = problems or self._rules.entity_problems(rules, folded.entity)
        for operation in operations if problems else ():
            reason = Reason.SUM_OUT_OF_RANGE if folded.out_of_range else Reason.INCOMPLETE_ENTITY
            for field_name, problem in problems[:_MANY]:
                self._remove(operation, reason, {"field": field_name, "problem": problem})

    def _examine_sum(self, rules: Collection, base: dict[str, Any], operations: list[Operation]) -> None:
        """Counters stand alone: only increments of a counter that is at fault wait, unless the whole is."""
        result = totals(base, operations)
        problems = [(name, letters.OUT_OF_RANGE) for name, value in result.items() if value is None]
        problems = problems or self._rules.entity_problems(rules, base | result)
        if not problems:
            return
        faults = {name: problem for name, problem in problems if name in result}
        for operation in operations:
            (name,) = operation.record
            if name in faults or not faults:
                problem = faults.get(name) or problems[0][1]
                self._remove(operation, Reason.SUM_OUT_OF_RANGE, {"field": name, "problem": problem})


def prove(
    changes: Iterable[Change],
    growth: Mapping[str, int],
    entered: Mapping[str, int],
    applied: Mapping[str, int],
    collections: Collections,
) -> None:
    """Hold a merged frame against the laws. Raises GuardError; nothing has been written then.

    No file of a collection gets fewer records; a collection of records grows by exactly what was applied to it,
    any other by no more than entered it.
    """
    for change in changes:
        if change.after < change.before:
            raise GuardError(letters.would_shrink(change.path, change.before, change.after))
    for name, grown in growth.items():
        exact = collections[name].strategy in (APPEND, OBSERVE)
        count = (applied if exact else entered).get(name, 0)
        if grown != count if exact else not 0 <= grown <= count:
            raise GuardError(letters.grew_wrongly(name, grown, count))
