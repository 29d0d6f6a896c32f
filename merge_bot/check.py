"""Pure. What may not enter yet, and the proof afterwards.

`take_out` finds the greatest set of operations whose references resolve (in the state or in each other: cycles
within a frame hold) and whose entities satisfy their schema; the rest is parked. `prove` holds the result against
the laws before anything is written.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from merge_bot import letters
from merge_bot.canonical import compact
from merge_bot.collection import APPEND, LAST_WRITER_WINS, OBSERVE, SUM, Collection, Collections
from merge_bot.delta import Operation
from merge_bot.errors import GuardError
from merge_bot.findings import Reason
from merge_bot.layouts.base import WHOLE, Finished
from merge_bot.pending import Pending
from merge_bot.references import Dangling, Naming
from merge_bot.strategies.base import Ground
from merge_bot.strategies.clocks import read_clocks
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


Gone = Mapping[str, Mapping[str, set[int]]]
"""Operations that do not enter: by collection and delta, their indexes."""


def take_out(
    pending: Pending,
    grounds: Mapping[str, Ground],
    collections: Collections,
    rules: EntityRules,
    elsewhere: Container[str] = (),
) -> list[Violation]:
    """The ranked operations that have to wait; the entities of the collections in `elsewhere` are not looked at.

    Where a limit (64 bits, a schema's maximum) has no room for all, the first by rank enter; the others are looked at
    again in each frame. So what a limit lets in depends on the frames, as an admission does.
    """
    sieve = _Sieve(pending, grounds, collections, rules, elsewhere)
    sieve.run()
    return sorted(sieve.violations.values(), key=lambda one: one.operation.rank)


def gone(violations: Iterable[Violation]) -> Gone:
    """The operations that have to wait."""
    found: dict[str, dict[str, set[int]]] = {}
    for one in violations:
        operation = one.operation
        found.setdefault(operation.collection, {}).setdefault(operation.origin.digest, set()).add(operation.index)
    return found


def without(pending: Pending, gone: Gone) -> Pending:
    """What may enter."""
    batches, operations = dict(pending.batches), dict(pending.operations)
    for name, lost in gone.items():
        if name in batches:
            batches[name] = [one.without(lost.get(one.origin.digest, ())) for one in batches[name]]
        else:
            operations[name] = staying(operations[name], lost)
    return Pending(batches, operations)


def staying(operations: Sequence[Operation], lost: Mapping[str, set[int]]) -> list[Operation]:
    """The operations on a collection without those that are lost, by delta and index."""
    return [one for one in operations if one.index not in lost.get(one.origin.digest, ())]


def _name(operation: Operation) -> tuple[str, int]:
    return (operation.origin.digest, operation.index)


class Entities:
    """The entities on which there are operations, each with these, with what it was, and what would become of it."""

    def __init__(self, grounds: Mapping[str, Ground], collections: Collections, rules: EntityRules) -> None:
        self._grounds, self._collections, self._rules = grounds, collections, rules
        self._bases: dict[Target, Known] = {}
        self.operations: dict[Target, list[Operation]] = {}

    def find(self, name: str, operations: Sequence[Operation]) -> None:
        """Read those of one collection."""
        rules, ground = self._collections[name], self._grounds[name]
        if not operations or rules.strategy not in (LAST_WRITER_WINS, SUM):
            return
        by_key: dict[str, list[Operation]] = {}
        for operation in operations:
            key = WHOLE if rules.strategy == SUM else rules.key_of(operation.record) or ""
            by_key.setdefault(key, []).append(operation)
        entities = ground.store.records(by_key.keys())
        clocks = read_clocks(ground.clocks, by_key.keys(), ground.clocks_at) if ground.clocks else {}
        for key, ones in by_key.items():
            self.operations[name, key] = ones
            self._bases[name, key] = (entities.get(key), clocks.get(key))

    def known(self, entity: Target) -> Known:
        """What an entity was, and its clock."""
        return self._bases[entity]

    def fold(self, entity: Target, before: Known, operations: Sequence[Operation]) -> tuple[Known, list[Problem]]:
        """The entity after `operations`, and what is wrong with it then."""
        rules = self._collections[entity[0]]
        value, clock = before
        if not operations:
            return before, []
        if rules.strategy == LAST_WRITER_WINS:
            ground = self._grounds[entity[0]]
            folded = fold_entity(rules, value, clock, operations, ground)
            ground.folded[entity[1]] = (operations, folded)
            if not folded.entered:
                return before, []
            problems = [(name, letters.OUT_OF_RANGE) for name in folded.out_of_range]
            return (folded.entity, folded.clock), problems or self._rules.entity_problems(rules, folded.entity)
        old = value or {}
        result = totals(rules, old, operations)
        new = old | {name: one for name, one in result.items() if one is not None}
        problems = [(name, letters.OUT_OF_RANGE) for name, one in result.items() if one is None]
        problems = problems or self._rules.entity_problems(rules, new)
        # What was wrong with other counters before is not the increments' fault.
        return (new, None), problems and [one for one in problems if one not in self._rules.entity_problems(rules, old)]


class _Sieve:
    """Removes until nothing more must go; each removal may take away what another operation refers to."""

    def __init__(
        self,
        pending: Pending,
        grounds: Mapping[str, Ground],
        collections: Collections,
        rules: EntityRules,
        elsewhere: Container[str],
    ) -> None:
        self._pending, self._collections, self._elsewhere = pending, collections, elsewhere
        self.violations: dict[tuple[str, int], Violation] = {}
        groups = pending.groups(collections, lenient=False)
        self._dangling = Dangling(groups, collections, lambda name, marks: grounds[name].store.present(marks))
        self._entities = Entities(grounds, collections, rules)
        self._doubtful: dict[Target, None] = {}

    def run(self) -> None:
        for name, operations in self._pending.operations.items():
            if name not in self._elsewhere:
                self._entities.find(name, operations)
        self._doubtful = dict.fromkeys(self._entities.operations)
        found: Iterable[Naming] = self._dangling.first()
        while True:
            for operation, _, target, value in found:
                self._remove(operation, Reason.DANGLING_REFERENCE, {"collection": target, "key": value})
            found = self._dangling.further()
            if found:
                continue
            doubtful, self._doubtful = sorted(self._doubtful), {}
            for entity in doubtful:
                self._examine(entity)
            found = self._dangling.further()
            if not found and not self._doubtful:
                return

    def _remove(self, operation: Operation, reason: Reason, *needs: dict[str, Any]) -> None:
        name = _name(operation)
        known = name in self.violations
        violation = self.violations.setdefault(name, Violation(operation, reason))
        violation.needs |= {compact(one): one for one in needs}
        if known:
            return
        self._dangling.without(operation)
        rules = self._collections[operation.collection]
        if rules.name in self._elsewhere:
            return
        if rules.strategy == LAST_WRITER_WINS:
            self._doubtful[rules.name, rules.key_of(operation.record) or ""] = None
        elif rules.strategy == SUM:
            self._doubtful[rules.name, WHOLE] = None

    def _examine(self, entity: Target) -> None:
        """If an entity's operations would not leave it valid, take out those that spoil a field, or else all.

        Each that spoils what ranks before it goes: one worker's thousandth tag must not lock out everybody's profile.
        What is left is examined again.
        """
        operations = [one for one in self._entities.operations[entity] if _name(one) not in self.violations]
        before = self._entities.known(entity)
        _, problems = self._entities.fold(entity, before, operations)
        if not problems:
            return
        fields, spoiled = {name for name, _ in problems}, False
        for operation in operations:
            after, found = self._entities.fold(entity, before, [operation])
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


def prove(
    changes: Iterable[Finished],
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
