"""Pure. The merge: admitted deltas and the state before, in; changed files, losses, conflicts and what waits, out.

First what may not enter yet is taken out (`check.take_out`), then each collection's strategy folds the rest, in
the order of rank. The result is a function of the set of operations, not of the order in which they came.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from merge_bot.apart import Apart, Unfit
from merge_bot.batch import Batch
from merge_bot.canonical import document
from merge_bot.check import EntityRules, Violation, gone, take_out, without
from merge_bot.collection import FILE, SEGMENTS, Collections
from merge_bot.conflicts import Conflicts
from merge_bot.counting import Tally
from merge_bot.delta import Delta, Operation
from merge_bot.folding import Elsewhere, Folded, fold_all, nowhere
from merge_bot.grounds import Grounds
from merge_bot.layouts.base import Ahead, Finished, stay
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
    apart: Apart | None = None,
) -> Merged:
    """Merge ranked `deltas` onto the state in `files` as frame `frame`; `rolled_back` is the newest rollback before it.

    `resolved` are the conflicts that are settled, by collection, key and field, with the write that settles each;
    `recount` names the collections whose derived counters are counted anew (`counting.untrusted`). The bytes of each
    file go to `ahead` when it is finished; `apart` is who merges entities beside this. Raises UnreadableState if a file
    that the frame touches cannot be read.
    """
    waiting = read_parked(files, paths)
    returning = [one for one in waiting if _fits(one.operation, collections, rules)]
    pending = _by_collection(deltas, returning, collections)
    for one in resolved.values():
        if one is not None:
            insort(pending.operations[one.collection], one, key=lambda operation: operation.rank)
    closed = [place for place, one in resolved.items() if one is None]
    if apart:
        apart.take(pending, closed)

    def attempt(elsewhere: Elsewhere) -> _Entered:
        grounds = Grounds.open(files, paths, collections, frame, rolled_back, closed)
        return _enter(pending, grounds, collections, rules, Tally(collections, files, recount), ahead, elsewhere)

    try:
        kept, violations, merged, found = attempt(apart or nowhere)
    except Unfit:
        kept, violations, merged, found = attempt(nowhere)
    for name, folded in found.items():
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
    if merged.conflicts.touched:
        merged.marks[paths.conflicts] = document(merged.conflicts.entries)
    return merged


_Entered = tuple[Pending, list[Violation], Merged, dict[str, Folded]]


def _enter(
    pending: Pending,
    grounds: Grounds,
    collections: Collections,
    rules: EntityRules,
    tally: Tally,
    ahead: Ahead,
    elsewhere: Elsewhere,
) -> _Entered:
    """Take out what has to wait, and fold the rest."""
    _expect(pending, grounds, collections, elsewhere.names)
    violations = take_out(pending, grounds, collections, rules, elsewhere.names)
    lost = gone(violations)
    elsewhere.go_on(lost)
    kept = without(pending, lost)
    merged = Merged(conflicts=grounds.conflicts, unresolved=unresolved(kept, grounds, collections))
    return kept, violations, merged, fold_all(kept, grounds, collections, tally, ahead, elsewhere)


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


def _expect(
    pending: Pending, grounds: Mapping[str, Ground], collections: Collections, elsewhere: Container[str]
) -> None:
    """Say what the frame will ask the state: entities are read while other things are found out.

    Of many hashes nothing is remembered that was looked up, so they are not named before.
    """
    for name, ground in grounds.items():
        layout = collections[name].layout
        if layout == FILE or name in elsewhere or (layout == SEGMENTS and pending.size(name) > FEW):
            continue
        if marks := pending.marks(collections[name]):
            ground.expect(marks)


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
