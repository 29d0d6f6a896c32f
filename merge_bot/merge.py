"""Pure. The merge: admitted deltas and the state before, in; changed files, losses, conflicts and what waits, out.

First what may not enter yet is taken out (`check.take_out`), then each collection's strategy folds the rest, in
the order of rank. The result is a function of the set of operations, not of the order in which they came.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from merge_bot.batch import Batch
from merge_bot.canonical import document
from merge_bot.check import EntityRules, Violation, take_out
from merge_bot.collection import FILE, LAST_WRITER_WINS, SEGMENTS, Collection, Collections
from merge_bot.conflicts import Conflicts
from merge_bot.counting import Tally
from merge_bot.delta import Delta, Operation
from merge_bot.folding import fold_all
from merge_bot.layouts.base import Ahead, Finished, Opening, stay
from merge_bot.layouts.catalog import open_store
from merge_bot.layouts.key_files import FEW
from merge_bot.lenient import Unresolved, unresolved
from merge_bot.parked import Parked, parked_bytes, read_parked
from merge_bot.paths import Paths
from merge_bot.pending import Pending
from merge_bot.state import Content, Files
from merge_bot.strategies.base import Ground, Loss

NOTHING: Mapping[tuple[str, str, str], Operation | None] = {}


@dataclass(slots=True)
class Merged:
    """What one frame makes of the state.

    `changes` are the collections' files, `marks` the other canonical ones (clocks, conflicts, parked records).
    By collection, `entered` counts the operations that were folded, `applied` those without a loss, `growth` the
    records added. `parked` is all that waits afterwards, `newly_parked` and `released` what this frame put there
    and took from there; `unresolved` is what lenient references name in vain.
    """

    changes: list[Finished] = field(default_factory=list)
    marks: dict[str, Content | None] = field(default_factory=dict)
    entered: Counter[str] = field(default_factory=Counter)
    applied: Counter[str] = field(default_factory=Counter)
    growth: dict[str, int] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    conflicts: Conflicts = field(default_factory=lambda: Conflicts({}))
    parked: list[Parked] = field(default_factory=list)
    newly_parked: list[Violation] = field(default_factory=list)
    released: list[Operation] = field(default_factory=list)
    unresolved: list[Unresolved] = field(default_factory=list)


def merge(
    deltas: Sequence[Delta],
    files: Files,
    paths: Paths,
    collections: Collections,
    rules: EntityRules,
    frame: int,
    ahead: Ahead = stay,
    rolled_back: int | None = None,
    resolved: Mapping[tuple[str, str, str], Operation | None] = NOTHING,
    recount: Container[str] = (),
) -> Merged:
    """Merge ranked `deltas` onto the state in `files` as frame `frame`; `rolled_back` is the newest rollback before it.

    `resolved` are the conflicts that are settled, by collection, key and field, with the write that settles each;
    `recount` names the collections whose derived counters are counted anew (`counting.untrusted`). The bytes of each
    file go to `ahead` when it is finished. Raises UnreadableState if one that the frame touches cannot be read.
    """
    waiting = read_parked(files, paths)
    returning = [one for one in waiting if _fits(one.operation, collections, rules)]
    pending = _by_collection(deltas, returning, collections)
    for one in resolved.values():
        if one is not None:
            insort(pending.operations[one.collection], one, key=lambda operation: operation.rank)
    grounds, conflicts = _open(files, paths, collections, frame, rolled_back)
    _expect(pending, grounds, collections)
    for place, one in resolved.items():
        if one is None:
            conflicts.close(*place)
    kept, violations = take_out(pending, grounds, collections, rules)
    merged = Merged(conflicts=conflicts, unresolved=unresolved(kept, grounds, collections))
    for name, folded in fold_all(kept, grounds, collections, Tally(collections, files, recount), ahead).items():
        entered = kept.size(name)
        merged.losses += folded.losses
        merged.entered[name] = entered + folded.counters
        if entered:
            merged.applied[name] = entered - len(folded.losses)
        merged.changes += folded.changes
        merged.marks |= folded.marks
        merged.growth[name] = folded.growth
    _sort_parked(merged, waiting, returning, violations, frame)
    if merged.parked != waiting:
        merged.marks[paths.parked] = parked_bytes(merged.parked)
    if conflicts.touched:
        merged.marks[paths.conflicts] = document(conflicts.entries)
    return merged


def _fits(operation: Operation, collections: Collections, rules: EntityRules) -> bool:
    """Whether a parked record can be merged at all: its schema may have changed, or gone, while it waited."""
    name, record = operation.collection, operation.record
    if name not in collections or not rules.operand(name).is_valid(record):
        return False
    return not collections[name].key or collections[name].key_of(record) is not None


def _by_collection(deltas: Iterable[Delta], returning: Sequence[Parked], collections: Collections) -> Pending:
    """All operations by collection, ranked. Deltas come ranked, so only parked operations need a sort."""
    batches: dict[str, list[Batch]] = {name: [] for name, one in collections.items() if one.enters_whole}
    pending: dict[str, list[Operation]] = {name: [] for name in collections if name not in batches}
    for delta in deltas:
        for name, operations in delta.operations.items():
            if isinstance(operations, Batch):
                batches[name].append(operations)
            else:
                pending[name].extend(operations)
    for one in returning:
        operation, rules = one.operation, collections[one.operation.collection]
        if rules.enters_whole:
            batches[rules.name].append(Batch.of_one(rules, collections, operation))
        else:
            pending[rules.name].append(operation)
    for name in {one.operation.collection for one in returning}:
        if name in batches:
            batches[name].sort(key=lambda batch: (batch.origin, batch.first))
        else:
            pending[name].sort(key=lambda operation: operation.rank)
    return Pending(batches, pending)


def _open(
    files: Files, paths: Paths, collections: Collections, frame: int, rolled_back: int | None
) -> tuple[dict[str, Ground], Conflicts]:
    shared: dict[str, Any] = {}
    conflicts = Conflicts.read(files, paths)
    grounds = {}
    for name, rules in collections.items():
        store = open_store(Opening(rules, files, paths, frame, shared))
        clocks, of_clocks = None, clock_rules(rules, paths)
        if rules.strategy == LAST_WRITER_WINS:
            clocks = open_store(Opening(of_clocks, files, paths, frame, shared))
        grounds[name] = Ground(store, clocks, conflicts, frame, rolled_back, clocks_at=of_clocks.path)
    return grounds, conflicts


def _expect(pending: Pending, grounds: Mapping[str, Ground], collections: Collections) -> None:
    """Say what the frame will ask the state: entities are read while other things are found out."""
    for name, ground in grounds.items():
        if collections[name].layout == FILE or (collections[name].layout == SEGMENTS and pending.size(name) > FEW):
            continue
        if marks := pending.marks(collections[name]):
            ground.store.expect(marks)
            if ground.clocks:
                ground.clocks.expect(marks)


def clock_rules(rules: Collection, paths: Paths) -> Collection:
    """Clocks lie as their entities do: a file a key beside `entities`, one file beside `file`."""
    path = paths.clocks(rules.name)
    if rules.layout == "file":
        path += ".json"
    return replace(rules, path=path, pointer="", shape="object", key=(), schema={}, references={}, sections=())


def _sort_parked(
    merged: Merged, waiting: Sequence[Parked], returning: Sequence[Parked], violations: Sequence[Violation], frame: int
) -> None:
    """Tell what waits on from what starts to wait and from what was released."""
    since = {one.operation.rank: one for one in returning}
    merged.parked = [one for one in waiting if one.operation.rank not in since]
    for violation in violations:
        operation = violation.operation
        old = since.pop(operation.rank, None)
        waits_for = tuple(violation.waits_for)
        merged.parked.append(Parked(operation, violation.reason, waits_for, old.since if old else frame))
        if old is None:
            merged.newly_parked.append(violation)
    merged.released = [one.operation for one in since.values()]
    merged.parked.sort(key=lambda one: one.operation.rank)
