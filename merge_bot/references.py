"""Pure. What records refer to, field by field, and which of it neither the state nor the frame holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from sys import intern
from typing import Any, NamedTuple

from merge_bot.collection import SEGMENTS, Collection, Mark, Marks
from merge_bot.delta import Operation


class References(NamedTuple):
    """What one field of some records names: the marks of keys in `target`, each with the row of its record."""

    target: str
    marks: Marks
    rows: Sequence[int]


def references_of(
    rules: Collection, others: Mapping[str, Collection], records: Sequence[Mapping[str, Any]]
) -> dict[str, References]:
    """What the records refer to, by field. A field that is absent or null refers to nothing."""
    found = {}
    for field, target in rules.references.items():
        values: Sequence[Any] = [record.get(field) for record in records]
        rows: Sequence[int] = range(len(values))
        kinds = set(map(type, values))
        if list in kinds:
            pairs = [(row, one) for row, value in enumerate(values) for one in _each(value)]
            rows, values = [row for row, _ in pairs], [one for _, one in pairs]
        if list in kinds or type(None) in kinds:
            there = [value is not None for value in values]
            rows, values = list(compress(rows, there)), list(compress(values, there))
        if values:
            found[field] = References(target, _marks(others[target], values), rows)
    return found


def _each(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else (value,)


def _marks(target: Collection, values: Sequence[Any]) -> Marks:
    """The mark of each value. Where names are marks, each is there once, as many name the same."""
    marks: Any = target.marks_for(values)
    return marks if target.layout == SEGMENTS else list(map(intern, marks))


class Group(NamedTuple):
    """Operations of one collection, the marks of the keys they bring (made when asked for), and their references."""

    collection: str
    operations: Sequence[Operation]
    marks: Callable[[], Iterable[Mark]]
    references: Mapping[str, References]


class Naming(NamedTuple):
    """One reference: the operation and its field, the collection referred to, and the value that names the record."""

    operation: Operation
    field: str
    target: str
    value: Any


_Place = tuple[Group, int, str, Mark]


class Dangling:
    """The references of a frame that do not resolve, in the state or in the frame.

    They are found column by column. Only once a removal takes away the last record that others refer to are the
    references gone through one by one. `present` tells which marks of a collection the state holds.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        collections: Mapping[str, Collection],
        present: Callable[[str, set[Mark]], set[Mark]],
    ) -> None:
        self._groups, self._collections = groups, collections
        self._absent: dict[str, set[Mark]] = {}
        for group in groups:
            for target, marks, _ in group.references.values():
                self._absent.setdefault(target, set()).update(marks)
        for target, wanted in self._absent.items():
            wanted -= present(target, wanted)
        self._providers: Counter[tuple[str, Mark]] | None = None
        self._waiting: dict[tuple[str, Mark], list[_Place]] = {}
        self._gone: dict[tuple[str, Mark], None] = {}

    def first(self) -> Iterator[Naming]:
        """Every reference to what neither the state nor the frame holds."""
        lost = {target: set(absent) for target, absent in self._absent.items()}
        for group in self._groups:
            if lost.get(group.collection):
                lost[group.collection].difference_update(group.marks())
        return (self._naming(place) for place in self._places(lost))

    def without(self, operation: Operation) -> None:
        """Take note that an operation of the frame is out: what it would have added cannot be referred to."""
        name = operation.collection
        absent = self._absent.get(name)
        if not absent or not operation.brings:
            return
        mark = self._mark(operation)
        if mark not in absent:
            return
        if self._providers is None:
            self._index()
            assert self._providers is not None
        self._providers[name, mark] -= 1
        if not self._providers[name, mark]:
            self._gone[name, mark] = None

    def further(self) -> list[Naming]:
        """The references that dangle since the last time this was asked."""
        gone, self._gone = sorted(self._gone, key=repr), {}
        return [self._naming(place) for target in gone for place in self._waiting.get(target, ())]

    def _mark(self, operation: Operation) -> Mark:
        rules = self._collections[operation.collection]
        return rules.mark(rules.key_of(operation.record) or "")

    def _index(self) -> None:
        """Who brings what, and who refers to it: asked for while all operations are still in."""
        self._providers = Counter()
        for group in self._groups:
            if absent := self._absent.get(group.collection):
                self._providers.update((group.collection, mark) for mark in group.marks() if mark in absent)
        for place in self._places(self._absent):
            group, _, field, mark = place
            self._waiting.setdefault((group.references[field].target, mark), []).append(place)

    def _places(self, wanted: Mapping[str, set[Mark]]) -> Iterator[_Place]:
        """Where any of these marks, by collection, is referred to."""
        for group in self._groups:
            for field, (target, marks, rows) in group.references.items():
                if not wanted[target].isdisjoint(marks):
                    hit = wanted[target]
                    yield from ((group, row, field, mark) for row, mark in zip(rows, marks, strict=True) if mark in hit)

    def _naming(self, place: _Place) -> Naming:
        group, row, field, mark = place
        operation, target = group.operations[row], group.references[field].target
        rules = self._collections[target]
        named = (one for one in _each(operation.record[field]) if one is not None)
        return Naming(operation, field, target, next(one for one in named if rules.mark(rules.key_for(one)) == mark))
