"""Pure. Entities merged in another process, beside what is merged here: records, which need nothing of them but keys.

The other process begins with all that was read so far. It reads the entities and, once it is told which operations have
to wait, folds what is left and writes the files. Where an entity would not satisfy its schema then, it says so: what
has to wait is a matter of all collections, and everything is merged here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from merge_bot.check import Entities, EntityRules, Gone, staying, without
from merge_bot.collection import ENTITIES, Collection, Collections
from merge_bot.conflicts import Conflict
from merge_bot.counting import derived
from merge_bot.delta import Operation
from merge_bot.folding import Folded, fold_one
from merge_bot.grounds import Grounds
from merge_bot.layouts.base import Ahead, Finished, There, Wire
from merge_bot.pending import Pending
from merge_bot.strategies.base import Ground

Closed = Sequence[tuple[str, str, str]]
"""Conflicts that are settled, by collection, key and field."""


class Unfit(Exception):
    """An entity does not satisfy its schema with all the operations that may enter otherwise."""


class Apart:
    """The collections that another process merges: `names`, once there is something."""

    def __init__(self, wire: Wire, able: Iterable[str]) -> None:
        self.names: frozenset[str] = frozenset()
        self._wire, self._able = wire, able
        self._results: dict[str, _Result] | None = None

    @classmethod
    def begin(
        cls, ahead: Ahead, collections: Collections, rules: EntityRules, grounds: Callable[[Closed], Grounds]
    ) -> Apart | None:
        """Have the process begin, while this one is small; None where this one does everything."""
        able = [
            name
            for name, one in collections.items()
            if one.layout == ENTITIES and not one.enters_whole and not any(derived(one))
        ]
        wire = ahead.beside(lambda wire: _merge(collections, rules, grounds, wire)) if able else None
        return cls(wire, able) if wire else None

    def take(self, pending: Pending, closed: Closed) -> None:
        """Tell it what there is to merge, and which conflicts are settled."""
        operations = {name: _plain(pending.operations[name]) for name in self._able if pending.operations[name]}
        self.names = frozenset(operations)
        self._wire.say((operations, closed))

    def go_on(self, gone: Gone) -> None:
        """Tell it which operations have to wait, as far as is known here."""
        if self.names:
            self._wire.say({name: lost for name, lost in gone.items() if name in self.names})

    def agree(self) -> None:
        """Wait until it has looked at all entities. Raises Unfit; it does nothing more then."""
        if self.names and not self._wire.hear():
            raise Unfit

    def folded(self, name: str, ground: Ground) -> Folded:
        """What came of a collection, when all are ready. Its conflicts enter those of the ground."""
        if self._results is None:
            self._results = self._wire.hear()
        folded, changes, conflicts, opened = self._results[name]
        ground.conflicts.take_over(name, conflicts, opened)
        return folded._replace(changes=list(map(Finished._make, changes)))


class _Result(NamedTuple):
    """What came of a collection, its files as plain tuples, its open conflicts, and those that were opened."""

    folded: Folded
    changes: list[tuple[Any, ...]]
    conflicts: dict[str, dict[str, Any]]
    opened: list[Conflict]


def _merge(collections: Collections, rules: EntityRules, opened: Callable[[Closed], Grounds], wire: There) -> None:
    """What the other process does."""
    told, closed = wire.hear()
    if not told:
        return
    pending: dict[str, list[Operation]] = {name: list(map(Operation._make, ones)) for name, ones in told.items()}
    grounds = opened(closed)
    everything = Pending({}, pending)
    for name in pending:
        grounds[name].expect(everything.marks(collections[name]))
    entities = Entities(grounds, collections, rules)
    for name, operations in pending.items():
        entities.find(name, operations)
    gone: Gone = wire.hear()
    if not _all_fit(entities, gone):
        wire.say(False)
        return
    wire.say(True)
    del entities
    kept = without(everything, gone)
    wire.say({name: _folded(collections[name], kept.of(name), grounds, wire) for name in pending})


def _folded(rules: Collection, operations: Sequence[Operation], grounds: Grounds, wire: There) -> _Result:
    folded = fold_one(rules, operations, grounds.pop(rules.name), wire)
    opened = [one for one in grounds.conflicts.opened.values() if one.collection == rules.name]
    changes = _plain(folded.changes)
    return _Result(folded._replace(changes=[]), changes, grounds.conflicts.entries.get(rules.name, {}), opened)


def _plain(ones: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Named tuples as plain ones, which travel in a third of the time."""
    return list(map(tuple, ones))


def _all_fit(entities: Entities, gone: Gone) -> bool:
    for entity, operations in entities.operations.items():
        if lost := gone.get(entity[0]):
            operations = staying(operations, lost)
        if entities.fold(entity, entities.known(entity), operations)[1]:
            return False
    return True
