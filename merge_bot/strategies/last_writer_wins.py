"""Pure. last-writer-wins. Law: each field of each entity holds the value of its greatest write, also against late
deltas; other fields and other entities are not touched; an entity that is not there yet is created.

Tie-break: (instant, stream_id, digest, index). Different values from two streams in one frame are a conflict, with
every value recorded; who wins it is the field's policy (`policies`). An operation may be conditional (`conditions`).
A field's own `sum` or `union` adds instead; a derived counter takes no writes. Operations: the key fields and any of
the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from merge_bot import strict_json
from merge_bot.collection import SUM, UNION, Collection
from merge_bot.conflicts import Conflicts
from merge_bot.delta import Operation
from merge_bot.findings import Outcome, Reason, Recover
from merge_bot.strategies.base import Ground, Loss
from merge_bot.strategies.clocks import ABSENT, Write
from merge_bot.strategies.conditions import Judged, judge, refusals
from merge_bot.strategies.policies import Settled, settle
from merge_bot.strategies.sum import counted, total
from merge_bot.strategies.union import members, united

_RANKED_OUTCOMES = (Outcome.HELD, Outcome.CONFLICT, Outcome.SUPERSEDED)


@dataclass(slots=True)
class EntityFold:
    """One entity after its operations. `settled` is what became of each field that has no strategy of its own;
    `entered` counts the operations that were not refused for their condition."""

    entity: dict[str, Any]
    clock: dict[str, Any]
    settled: dict[str, Settled] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    out_of_range: list[str] = field(default_factory=list)
    entered: int = 0


def fold_entity(
    rules: Collection,
    base: dict[str, Any] | None,
    clock: dict[str, Any] | None,
    operations: Sequence[Operation],
    ground: Ground,
) -> EntityFold:
    """Bring ranked `operations` on one entity together with what it was. Changes nothing that it is given."""
    key_fields = {part.name for part in rules.key}
    folded = EntityFold(dict(base or {}), dict(clock or {}))
    judged = None
    lost: dict[tuple[str, int], dict[str, tuple[Outcome, Reason, dict[str, Any]]]] = {}
    if any(operation.condition for operation in operations):
        judged = judge(rules, folded.entity, folded.clock, operations, ground)
        operations = judged.entered
    folded.entered = len(operations)
    writes: dict[str, list[Write]] = {}
    by_rank: dict[tuple[str, int], Operation] = {}
    for operation in operations:
        by_rank[operation.origin.digest, operation.index] = operation
        for name, value in operation.record.items():
            if name in key_fields:
                folded.entity.setdefault(name, value)
            elif counts := rules.counts(name):
                ignored = (Outcome.SUPERSEDED, Reason.DERIVED_COUNTER, {"counts": counts})
                lost.setdefault((operation.origin.digest, operation.index), {})[name] = ignored
            else:
                writes.setdefault(name, []).append(
                    Write(operation.origin, operation.index, value, ground.frame, resolves=operation.resolves)
                )
    if judged and judged.after:
        writes = {name: [_moved(judged, name, one) for one in ones] for name, ones in writes.items()}
    for name, ones in writes.items():
        rule = rules.rule(name)
        if rule.strategy in (SUM, UNION):
            result = _added(rules, folded.entity, name, [one.value for one in ones])
            if result is None:
                folded.out_of_range.append(name)
            else:
                folded.entity[name] = result
        else:
            settled = settle(rule.on_conflict, folded.entity.get(name, ABSENT), folded.clock.get(name), ones)
            if settled.value is not ABSENT:
                folded.entity[name] = settled.value
            else:
                folded.entity.pop(name, None)
            folded.clock[name] = settled.clock
            folded.settled[name] = settled
            stands: dict[str, Any] = {"stands": None if settled.value is ABSENT else settled.value}
            # A conflict names all its writers itself.
            by = {"by": settled.clock["by"]} if "by" in settled.clock else {}
            for write, outcome, reason in settled.lost:
                won = stands | by if outcome == Outcome.SUPERSEDED else stands
                lost.setdefault((write.origin.digest, write.index), {})[name] = (outcome, reason, won)
    folded.losses = [_loss(by_rank[rank], fields) for rank, fields in lost.items()]
    if judged:
        folded.losses += refusals(judged, folded.entity, folded.clock, rules)
    return folded


def _moved(judged: Judged, name: str, write: Write) -> Write:
    after = judged.after.get((write.origin.digest, write.index, name))
    return write if after is None else write.later_than(after)


def _added(rules: Collection, entity: dict[str, Any], name: str, values: Sequence[Any]) -> Any:
    """The new value of a property that adds; None if no number can say it."""
    place = rules.pointer + strict_json.pointer(rules.key_of(entity) or "", name)
    if rules.rule(name).strategy == SUM:
        return total(counted(entity.get(name), rules.path, place), values)
    return united(members(entity.get(name), rules.path, place), chain.from_iterable(values))


def _loss(operation: Operation, fields: dict[str, tuple[Outcome, Reason, dict[str, Any]]]) -> Loss:
    """The worst outcome of an operation's fields speaks for it; the detail names each field that was not applied."""
    outcome, reason = min(
        ((outcome, reason) for outcome, reason, _ in fields.values()), key=lambda one: _RANKED_OUTCOMES.index(one[0])
    )
    recover = {
        Outcome.HELD: Recover.ASK_OPERATOR,
        Outcome.CONFLICT: Recover.REFETCH_AND_RECOMPUTE,
    }.get(outcome, Recover.NONE)
    detail = {name: {"wrote": operation.record[name], **won, "reason": why} for name, (_, why, won) in fields.items()}
    return Loss(operation, outcome, reason, recover, {"fields": detail})


class LastWriterWins:
    """Entities whose fields each keep their greatest write."""

    def fold(self, rules: Collection, operations: Sequence[Operation], ground: Ground) -> list[Loss]:
        assert ground.clocks is not None
        by_key: dict[str, list[Operation]] = {}
        for one in operations:
            by_key.setdefault(rules.key_of(one.record) or "", []).append(one)
        counted_ones = {key for counts in ground.counts.values() for key in counts.values}
        keys = by_key.keys() | counted_ones
        entities = ground.store.records(keys)
        clocks = ground.clocks.records(by_key.keys())
        losses: list[Loss] = []
        for key in sorted(keys):
            operations = by_key.get(key, [])
            of, folded = ground.folded.pop(key, ((), None))
            if folded is None or of != operations:
                folded = fold_entity(rules, entities.get(key), clocks.get(key), operations, ground)
            if folded.entered or (key in entities and key in counted_ones):
                ground.store.put(key, _with_counts(rules, key, folded.entity, ground))
            if folded.clock:
                ground.clocks.put(key, folded.clock)
            _mark(ground.conflicts, rules.name, key, folded)
            losses.extend(folded.losses)
        return losses


def _with_counts(rules: Collection, key: str, entity: dict[str, Any], ground: Ground) -> dict[str, Any]:
    """The entity with the derived counters that change."""
    for name, counts in ground.counts.items():
        if key in counts.values:
            place = rules.pointer + strict_json.pointer(key, name)
            entity[name] = counts.after(key, counted(entity.get(name), rules.path, place))
    return entity


def _mark(conflicts: Conflicts, collection: str, key: str, folded: EntityFold) -> None:
    """Open conflicts, and close those that a later frame's write settled.

    One stays open while the field's value is of the frame in which it arose; further writes of that frame join it.
    """
    for name, field_after in folded.settled.items():
        entry, old = field_after.entry, conflicts.get(collection, key, name)
        if entry and (field_after.disputed or (old and old["frame"] == entry["frame"])):
            conflicts.open(collection, key, name, entry)
        elif old:
            conflicts.close(collection, key, name)
