"""Pure. A batch: the records that one delta brings to one append or observe collection, as columns.

Such records enter whole, so the merge only needs their canonical lines, what their keys are known by, and what they
refer to. A column of each costs a fraction of an object a record; an `Operation` is made where somebody asks for it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, compress
from typing import Any, NamedTuple, overload

import orjson

from merge_bot.canonical import lines
from merge_bot.collection import Collection, Marks
from merge_bot.delta import Operation, Origin
from merge_bot.references import References, references_of


class Run(NamedTuple):
    """Records that follow one another in a delta: how many, the index of the first as an operation, and the pointer of
    the array that holds them with the first one's place in it."""

    size: int
    first: int
    pointer: str
    place: int = 0


class Batch(Sequence[Operation]):
    """A sequence of operations that keeps columns.

    `lines` are the records as they stand in a `.jsonl` file, `marks` what their keys are known by (empty where nobody
    asks for keys), `references` what each referring field names, `size` how many bytes the lines are. A part of a batch
    keeps the lines of the whole, and only says which of them (`at`) are its own: nearly every batch loses a record, and
    a copy of nearly all would stay.
    """

    __slots__ = ("_all", "_at", "_cuts", "_ends", "_runs", "collection", "marks", "origin", "references", "size")

    def __init__(
        self,
        origin: Origin,
        collection: str,
        runs: Sequence[Run],
        lines: bytes,
        marks: Marks,
        references: Mapping[str, References],
        at: Sequence[int] | None = None,
        size: int | None = None,
    ) -> None:
        self.origin, self.collection, self.marks, self.references = origin, collection, marks, references
        self._all = lines
        self.size = len(lines) if size is None else size
        self._cuts: Sequence[tuple[int, int]] | None = None
        self._runs = runs
        self._at = range(sum(run.size for run in runs)) if at is None else at
        self._ends: array[int] | None = None

    @classmethod
    def of(
        cls,
        rules: Collection,
        others: Mapping[str, Collection],
        origin: Origin,
        runs: Sequence[Run],
        records: Sequence[Any],
    ) -> Batch:
        """The columns of `records`, each of which satisfies the collection's schema."""
        return cls(
            origin, rules.name, runs, lines(records), rules.marks_of(records), references_of(rules, others, records)
        )

    @classmethod
    def of_one(cls, rules: Collection, others: Mapping[str, Collection], operation: Operation) -> Batch:
        """The batch of a single operation, as one that waited comes back."""
        pointer, _, place = operation.pointer.rpartition("/")
        runs = [Run(1, operation.index, pointer, int(place) if place.isdecimal() else 0)]
        return cls.of(rules, others, operation.origin, runs, [operation.record])

    def __len__(self) -> int:
        return len(self._at)

    @overload
    def __getitem__(self, row: int) -> Operation: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Operation]: ...
    def __getitem__(self, row: int | slice) -> Operation | Sequence[Operation]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        return self.operation(row, self.line(row))

    def __iter__(self) -> Iterator[Operation]:
        return (self.operation(row, one) for row, one in enumerate(self.each_line()))

    def operation(self, row: int, data: bytes) -> Operation:
        """The operation in a row whose line is at hand."""
        index, pointer = self._place(self._at[row])
        return Operation(self.origin, index, self.collection, pointer, orjson.loads(data))

    @property
    def first(self) -> int:
        """The index of the first operation: batches of one delta are ranked by it."""
        return self._place(self._at[0])[0] if self._at else 0

    @property
    def lines(self) -> bytes:
        """The records as they stand in a `.jsonl` file."""
        if self._cuts is not None:
            return b"".join([self._all[begin:end] for begin, end in self._cuts])
        return self._all if self._is_whole else b"\n".join([*self.each_line(), b""])

    def line(self, row: int) -> bytes:
        """One record's line, without its end."""
        if self._ends is None:
            self._ends = array("Q", accumulate(len(one) + 1 for one in self._all.split(b"\n")[:-1]))
        at = self._at[row]
        return self._all[self._ends[at - 1] if at else 0 : self._ends[at] - 1]

    def each_line(self) -> list[bytes]:
        """Every record's line, without its end."""
        every = self._all.split(b"\n")
        return every[:-1] if self._is_whole else [every[at] for at in self._at]

    @property
    def _is_whole(self) -> bool:
        return isinstance(self._at, range)

    def without(self, indexes: Iterable[int]) -> Batch:
        """The batch without the operations of these indexes."""
        gone: set[int] = set()
        start = 0
        for run in self._runs:
            gone.update(start + index - run.first for index in indexes if run.first <= index < run.first + run.size)
            start += run.size
        kept = [row for row, at in enumerate(self._at) if at not in gone] if gone else ()
        return self.only(kept) if gone and len(kept) < len(self) else self

    def only(self, rows: Sequence[int]) -> Batch:
        """The batch of some of the rows, in their order."""
        kept = {row: new for new, row in enumerate(rows)}
        references = {}
        for field, (target, marks, owners) in self.references.items():
            chosen = [owner in kept for owner in owners]
            left = [kept[owner] for owner in compress(owners, chosen)]
            references[field] = References(target, list(compress(marks, chosen)), left)
        every = self._all.split(b"\n")
        return self._part(rows, references, sum(len(every[self._at[row]]) + 1 for row in rows))

    def less(self, out: Mapping[int, tuple[int, int]]) -> Batch:
        """What enters after these rows are out: nobody asks what it refers to any more.

        Each row is given with where its line begins among the lines, and how long it is, its end included.
        """
        rows = [row for row in range(len(self)) if row not in out]
        part = self._part(rows, {}, self.size - sum(size for _, size in out.values()))
        if self._is_whole:  # what stays is cut out in a few pieces, instead of line by line
            edges = [0, *(edge for begin, size in sorted(out.values()) for edge in (begin, begin + size)), self.size]
            part._cuts = list(zip(edges[::2], edges[1::2], strict=True))
        return part

    def _part(self, rows: Sequence[int], references: Mapping[str, References], size: int) -> Batch:
        marks = list(map(self.marks.__getitem__, rows)) if self.marks else self.marks
        at = [self._at[row] for row in rows]
        return Batch(self.origin, self.collection, self._runs, self._all, marks, references, at, size)

    def _place(self, at: int) -> tuple[int, str]:
        """The index and the pointer of a record by its place among all that the delta brought."""
        for run in self._runs:
            if at < run.size:
                return run.first + at, f"{run.pointer}/{run.place + at}"
            at -= run.size
        raise IndexError(at)
