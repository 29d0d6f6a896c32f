"""Pure. What a frame wants to merge, by collection and ranked: batches of records, single operations of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

from merge_bot.batch import Batch
from merge_bot.collection import Collection, Collections, Mark
from merge_bot.delta import Operation
from merge_bot.references import Group, References, references_of


@dataclass(slots=True)
class Pending:
    """The batches and operations of each collection; a collection has the one or the other."""

    batches: dict[str, list[Batch]] = field(default_factory=dict)
    operations: dict[str, list[Operation]] = field(default_factory=dict)

    def of(self, name: str) -> Sequence[Any]:
        """The batches or the operations on a collection."""
        return self.batches[name] if name in self.batches else self.operations[name]

    def size(self, name: str) -> int:
        """How many operations there are on a collection."""
        return sum(map(len, self.batches.get(name, ()))) + len(self.operations.get(name, ()))

    def marks(self, rules: Collection) -> set[Mark]:
        """The marks of the keys that the operations on a collection have."""
        marks: set[Mark] = set(chain.from_iterable(one.marks for one in self.batches.get(rules.name, ())))
        return marks.union(rules.mark(rules.key_of(one.record) or "") for one in self.operations.get(rules.name, ()))

    def groups(self, collections: Collections, *, lenient: bool) -> list[Group]:
        """Everything, with the references that only warn (`lenient`), or with those that have to resolve."""
        found = []
        for name, operations in self.operations.items():
            rules = collections[name]
            references = references_of(rules, collections, [one.record for one in operations])
            found.append(
                Group(name, operations, partial(_marks, rules, operations), _chosen(rules, references, lenient))
            )
        for name, batches in self.batches.items():
            rules = collections[name]
            for one in batches:
                chosen = _chosen(rules, one.references, lenient)
                found.append(Group(name, one, partial(getattr, one, "marks"), chosen))
        return found


def _chosen(rules: Collection, references: Mapping[str, References], lenient: bool) -> Mapping[str, References]:
    if not rules.lenient and not lenient:
        return references
    return {name: one for name, one in references.items() if (name in rules.lenient) == lenient}


def _marks(rules: Collection, operations: Iterable[Operation]) -> Iterator[Mark]:
    return (rules.mark(rules.key_of(one.record) or "") for one in operations if one.brings)
