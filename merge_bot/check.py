"""Pure. What may not enter yet, and the proof afterwards.

`take_out` finds the greatest set of operations whose references resolve (in the state or in each other: cycles
within a frame hold) and whose entities satisfy their schema; the rest is parked. `prove` holds the result against
the laws before anything is written.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from merge_bot import letters
from merge_bot.canonical import compact
from merge_bot.collection import APPEND, LAST_WRITER_WINS, OBSERVE, SUM, Collection, Collections
from merge_bot.delta import Operation
from merge_bot.errors import GuardError
from merge_bot.findings import Reason
from merge_bot.layouts.base import WHOLE, Change
from merge_bot.strategies.base import Ground
from merge_bot.strategies.last_writer_wins import fold_entity
from merge_bot.strategies.sum import totals

Target = tuple[str, str]
Known = tuple[dict[str, Any] | None, dict[str, Any] | None]
Problem = tuple[str, str]
_MANY = 20


class Judge(Protocol):
    """Decides whether a value satisfies a schema."""

    def is_valid(self, value: Any) -> bool: ...


class EntityRules(Protocol):
    """Tells what records and finished entities are held to."""

    def operand(self, collection: str) -> Judge:
        """What one operation's record must satisfy; of a sum, the object of increments."""

    def entity_problems(self, collection: Collection, entity: Any) -> list[tuple[str, str]]:
        """(property or "", what is wrong) of each problem; empty if the entity is fine."""


@dataclass(slots=True)
class Violation:
    """An operation that has to wait, and for what: {collection, key} or {field, problem}, each once."""

    operation: Operation
    reason: Reason
    needs: dict[bytes, dict[str, Any]] = field(default_factory=dict)

    @property
    def waits_for(self) -> list[dict[str, Any]]:
        """What it needs, in the order of canonical bytes."""
        return [self.needs[content] for content in sorted(self.needs)]


def take_out(
    pending: Mapping[str, Sequence[Operation]],
    grounds: Mapping[str, Ground],
    collections: Collections,
    rules: EntityRules,
) -> tuple[dict[str, list[Operation]], list[Violation]]:
    """Split ranked operations into those that may enter and those that have to wait.

    Where a limit (64 bits, a schema's maximum) has no room for all, the first by rank enter; the others are looked at
    again in each frame. So what a limit lets in depends on the frames, as an admission does.
    """
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


def _spread(operations: Sequence[Operation], values: Sequence[Any]) -> Iterator[tuple[Operation, Any]]:
    """Each operation with each of the values that it names, where some name a list."""
    for operation, value in zip(operations, values, strict=True):
        for one in value if isinstance(value, list) else (value,):
            yield operation, one


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
        self._bases: dict[Target, Known] = {}
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
        """Every reference of the frame whose target is not in the state yet.

        Many refer to the same few, and most to what is there: each value is looked up once, then the few are found.
        """
        wanted: dict[str, set[Any]] = {}
        for target, _, values in self._references():
            wanted.setdefault(target, set()).update(values)
        missing: dict[str, dict[Any, str]] = {}
        for target, names in wanted.items():
            keys = {name: self._collections[target].key_for(name) for name in names - {None}}
            present = self._grounds[target].store.present(keys.values())
            missing[target] = {name: key for name, key in keys.items() if key not in present}
        for target, operations, values in self._references():
            absent = missing[target]
            found = [(one, value) for one, value in zip(operations, values, strict=True) if value in absent]
            for operation, value in found:
                self._waiting.setdefault((target, absent[value]), []).append((operation, value))

    def _references(self) -> Iterator[tuple[str, Sequence[Operation], Sequence[Any]]]:
        """For each field that refers: to which collection, operations, and the value that each names there, or None."""
        for name, operations in self._pending.items():
            for field_name, target in self._collections[name].holding.items():
                values = [operation.record.get(field_name) for operation in operations]
                if list in set(map(type, values)):
                    pairs = list(_spread(operations, values))
                    yield target, [operation for operation, _ in pairs], [value for _, value in pairs]
                else:
                    yield target, operations, values

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
            rules, ground = self._collections[name], self._grounds[name]
            if rules.strategy not in (LAST_WRITER_WINS, SUM):
                continue
            by_key: dict[str, list[Operation]] = {}
            for operation in operations:
                key = WHOLE if rules.strategy == SUM else rules.key_of(operation.record) or ""
                by_key.setdefault(key, []).append(operation)
            entities = ground.store.records(by_key.keys())
            clocks = ground.clocks.records(by_key.keys()) if ground.clocks else {}
            for key, ones in by_key.items():
                self._entities[name, key] = ones
                self._bases[name, key] = (entities.get(key), clocks.get(key))
        self._doubtful = dict.fromkeys(self._entities)

    def _remove(self, operation: Operation, reason: Reason, *needs: dict[str, Any]) -> None:
        name = _name(operation)
        known = name in self.violations
        violation = self.violations.setdefault(name, Violation(operation, reason))
        violation.needs |= {compact(one): one for one in needs}
        if known:
            return
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
        """If an entity's operations would not leave it valid, take out those that spoil a field, or else all.

        Each that spoils what ranks before it goes: one worker's thousandth tag must not lock out everybody's profile.
        What is left is examined again.
        """
        operations = [one for one in self._entities[entity] if _name(one) not in self.violations]
        before = self._bases[entity]
        _, problems = self._fold(entity, before, operations)
        if not problems:
            return
        fields, spoiled = {name for name, _ in problems}, False
        for operation in operations:
            after, found = self._fold(entity, before, [operation])
            faults = [one for one in found if one[0] in fields and one[0] in operation.record]
            if faults:
                spoiled = True
                self._refuse(operation, faults)
            else:
                before = after
        for operation in () if spoiled else operations:
            self._refuse(operation, problems)

    def _refuse(self, operation: Operation, problems: list[Problem]) -> None:
        is_number = any(problem == letters.OUT_OF_RANGE for _, problem in problems)
        of_sum = self._collections[operation.collection].strategy == SUM
        reason = Reason.SUM_OUT_OF_RANGE if is_number or of_sum else Reason.INCOMPLETE_ENTITY
        needs = ({"field": name, "problem": problem} for name, problem in problems[:_MANY])
        self._remove(operation, reason, *needs)

    def _fold(self, entity: Target, before: Known, operations: Sequence[Operation]) -> tuple[Known, list[Problem]]:
        """The entity after `operations`, and what is wrong with it then."""
        rules = self._collections[entity[0]]
        value, clock = before
        if not operations:
            return before, []
        if rules.strategy == LAST_WRITER_WINS:
            folded = fold_entity(rules, value, clock, operations)
            problems = [(name, letters.OUT_OF_RANGE) for name in folded.out_of_range]
            return (folded.entity, folded.clock), problems or self._rules.entity_problems(rules, folded.entity)
        old = value or {}
        result = totals(rules, old, operations)
        new = old | {name: one for name, one in result.items() if one is not None}
        problems = [(name, letters.OUT_OF_RANGE) for name, one in result.items() if one is None]
        problems = problems or self._rules.entity_problems(rules, new)
        # What was wrong with other counters before is not the increments' fault.
        return (new, None), problems and [one for one in problems if one not in self._rules.entity_problems(rules, old)]


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
