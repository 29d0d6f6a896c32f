"""Pure. append. Law: new = old ++ the new records, one per natural key, in the order of their rank.

Tie-break: the same content under one key is a duplicate; different content is a conflict, the first kept (what is
already in the state came first), the other recorded whole. Operations: whole records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from merge_bot.batch import Batch
from merge_bot.canonical import compact
from merge_bot.collection import Collection, Mark
from merge_bot.conflicts import WHOLE_RECORD, Conflicts, candidate
from merge_bot.delta import Operation, Origin
from merge_bot.findings import Outcome, Reason, Recover
from merge_bot.strategies.base import Ground, Loss


class Kept(NamedTuple):
    """What stands under a key: the record, its canonical bytes, and where it came from (None: an earlier frame)."""

    record: Any
    content: bytes
    origin: Origin | None


class Suspect(NamedTuple):
    """An operation whose key may be taken, with where its line begins among those of its batch."""

    operation: Operation
    key: str
    content: bytes
    begin: int


class Append:
    """One record per key; the first stays."""

    def fold(self, rules: Collection, batches: Sequence[Batch], ground: Ground) -> list[Loss]:
        marks = _taken_marks(batches, ground)
        suspects = [_suspects(rules, batch, marks) for batch in batches]
        keys = {one.key for found in suspects for one in found.values()}
        taken = {key: Kept(record, compact(record), None) for key, record in ground.store.records(keys).items()}
        refused: dict[str, list[Operation]] = {}
        losses: list[Loss] = []
        entering: list[Batch] = []
        for batch, found in zip(batches, suspects, strict=True):
            out: dict[int, tuple[int, int]] = {}
            for row, (operation, key, content, begin) in found.items():
                first = taken.setdefault(key, Kept(operation.record, content, operation.origin))
                if first.record is operation.record:
                    continue
                out[row] = begin, len(content) + 1
                if first.content == content:
                    losses.append(Loss(operation, Outcome.DUPLICATE, Reason.SAME_RECORD, detail={"key": key}))
                else:
                    losses.append(_conflict(key, operation, first))
                    refused.setdefault(key, []).append(operation)
            entering.append(batch.less(out) if out else batch)
        for key, ones in refused.items():
            _open(ground.conflicts, rules.name, key, taken[key], ones)
        ground.store.append(entering)
        return losses


def _suspects(rules: Collection, batch: Batch, marks: set[Mark]) -> dict[int, Suspect]:
    """The operations with one of these marks, by row."""
    if marks.isdisjoint(batch.marks):
        return {}
    lines = batch.each_line()
    found = {}
    for row, mark in enumerate(batch.marks):
        if mark in marks:
            operation = batch.operation(row, lines[row])
            begin = sum(map(len, lines[:row])) + row
            found[row] = Suspect(operation, rules.key_of(operation.record) or "", lines[row], begin)
    return found


def _taken_marks(batches: Sequence[Batch], ground: Ground) -> set[Mark]:
    """The marks that stand in the state already or come more than once: only there can a key be taken."""
    seen: set[Mark] = set()
    repeated: set[Mark] = set()
    for batch in batches:
        own = set(batch.marks)
        repeated |= own & seen
        if len(own) < len(batch.marks):
            repeated.update(mark for mark, count in Counter(batch.marks).items() if count > 1)
        seen |= own
    return ground.store.present(seen) | repeated


def _open(conflicts: Conflicts, collection: str, key: str, kept: Kept, refused: Sequence[Operation]) -> None:
    """Record what was refused under one key, beside what an earlier frame refused."""
    old = conflicts.get(collection, key, WHOLE_RECORD)
    known = [candidate(kept.origin, kept.record)] if kept.origin else []
    entry = {
        "frame": old["frame"] if old else refused[0].origin.frame,
        "policy": "first",
        "value": kept.record,
        "candidates": [*known, *(candidate(one.origin, one.record) for one in refused)],
    }
    conflicts.open(collection, key, WHOLE_RECORD, entry)


def _conflict(key: str, operation: Operation, kept: Kept) -> Loss:
    detail = {"key": key, "kept": kept.record, "refused": operation.record}
    if kept.origin:
        detail["kept_from"] = kept.origin.stream_id
    return Loss(operation, Outcome.CONFLICT, Reason.SAME_KEY_OTHER_CONTENT, Recover.REFETCH_AND_RECOMPUTE, detail)
