"""Pure. last-writer-wins. Law: each field of each entity holds the value of its greatest write, also against late
deltas; other fields and other entities are not touched; an entity that is not there yet is created.

Tie-break: (instant, stream_id, digest, index). Different values from two streams in one frame are a conflict, with
every value recorded. Under `on_conflict: hold` no value is applied: the field keeps what it had before that frame,
and what comes later joins the candidates, until a resolution. A field's own `sum` or `union` adds instead.
Operations: the key fields and any of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Any, NamedTuple

from merge_bot import strict_json
from merge_bot.canonical import compact
from merge_bot.collection import HOLD, LATEST, SUM, UNION, Collection
from merge_bot.conflicts import Conflicts, candidate
from merge_bot.delta import Operation, Origin, parse_utc
from merge_bot.findings import Outcome, Reason, Recover
from merge_bot.strategies.base import Ground, Loss
from merge_bot.strategies.sum import counted, total
from merge_bot.strategies.union import members, united

_ABSENT: Any = object()
_RANKED_OUTCOMES = (Outcome.HELD, Outcome.CONFLICT, Outcome.SUPERSEDED)


class Write(NamedTuple):
    """One value written to one field."""

    origin: Origin
    index: int  # type: ignore[assignment]  # in the place of tuple.index, which nobody needs
    value: Any

    @property
    def rank(self) -> tuple[Origin, int]:
        return (self.origin, self.index)

    def as_json(self) -> dict[str, Any]:
        origin = self.origin
        return {
            "at": origin.utc,
            "by": origin.stream_id,
            "delta": origin.digest,
            "frame": origin.frame,
            "index": self.index,
        }


def _write(clock: dict[str, Any], value: Any) -> Write:
    origin = Origin(parse_utc(clock["at"]) or 0, clock["by"], clock["delta"], clock["frame"], clock["at"])
    return Write(origin, clock["index"], value)


def _known(value: Any, clock: dict[str, Any] | None) -> list[Write]:
    """The earlier writes that a field's clock tells of: all of them under `hold`, else the one that stands."""
    if clock is None:
        return []
    if "writes" in clock:
        return [_write(one, one["value"]) for one in clock["writes"]]
    return [] if value is _ABSENT else [_write(clock, value)]


@dataclass(slots=True)
class Settled:
    """A field after a fold: its value (or absent), its clock, the losing writes, and the writes of one frame as a
    conflict would list them; `disputed` says that they are one."""

    value: Any
    clock: dict[str, Any]
    entry: dict[str, Any] | None
    disputed: bool
    lost: list[tuple[Write, Outcome, Reason]]


def latest(value: Any, clock: dict[str, Any] | None, writes: Sequence[Write]) -> Settled:
    """The greatest write wins; the incumbent, known by its clock, competes like any other."""
    ranked = sorted([*_known(value, clock), *writes], key=lambda write: write.rank)
    winner = ranked[-1]
    finals = {one.origin.stream_id: one for one in ranked if one.origin.frame == winner.origin.frame}
    rivals = [one for one in finals.values() if not _same(one.value, winner.value)]
    entry = _entry(winner, LATEST, winner.value, list(finals.values()))
    lost = [
        (one, Outcome.CONFLICT, Reason.CONCURRENT_WRITE)
        if one in rivals
        else (one, Outcome.SUPERSEDED, Reason.OLDER_WRITE)
        for one in writes
        if not _same(one.value, winner.value)
    ]
    return Settled(winner.value, winner.as_json(), entry, bool(rivals), lost)


def hold(value: Any, clock: dict[str, Any] | None, writes: Sequence[Write]) -> Settled:
    """Frame by frame: what all writers of a frame agree on is the value; the first frame that disagrees is held.

    The clock keeps every write and the value before the first, so that a late delta finds the same answer. A writer
    that takes its word back in the same frame has still disagreed: more writes never clear what is held.
    """
    base = clock.get("base", _ABSENT) if clock and "writes" in clock else value
    ranked = sorted([*_known(value, clock), *writes], key=lambda write: (write.origin.frame, write.rank))
    current, held = base, None
    for frame, group in groupby(ranked, key=lambda write: write.origin.frame):
        ones = list(group)
        if len({one.origin.stream_id for one in ones}) > 1 and len({compact(one.value) for one in ones}) > 1:
            held = frame
            break
        current = ones[-1].value
    new_clock: dict[str, Any] = {"writes": [one.as_json() | {"value": one.value} for one in ranked]}
    if base is not _ABSENT:
        new_clock["base"] = base
    if held is None:
        older = [one for one in writes if not _same(one.value, current)]
        lost = [(one, Outcome.SUPERSEDED, Reason.OLDER_WRITE) for one in older]
        return Settled(current, new_clock, None, False, lost)
    waiting = [one for one in ranked if one.origin.frame >= held]
    entry = _entry(waiting[0], HOLD, None if current is _ABSENT else current, waiting)
    lost = [
        (one, Outcome.HELD, Reason.HELD_FOR_RESOLUTION)
        if one.origin.frame >= held
        else (one, Outcome.SUPERSEDED, Reason.OLDER_WRITE)
        for one in writes
        if one.origin.frame >= held or not _same(one.value, current)
    ]
    return Settled(current, new_clock, entry, True, lost)


def _agreed(ranked: Sequence[Write]) -> tuple[Write | None, int | None]:
    """The first frame that disagrees, if one does, and the last write before it, if there is one."""
    agreed = None
    for frame, group in groupby(ranked, key=lambda write: write.origin.frame):
        ones = list(group)
        if len({one.origin.stream_id for one in ones}) > 1 and len({compact(one.value) for one in ones}) > 1:
            return agreed, frame
        agreed = ones[-1]
    return agreed, None


def standing(value: Any, clock: dict[str, Any] | None) -> Write | None:
    """The write that gave a field its value, by the field's clock; None if it is older than the rules."""
    known = _known(value, clock)
    return _agreed(known)[0] if clock and "writes" in clock else known[0] if known else None


def _same(one: Any, other: Any) -> bool:
    return one is not _ABSENT and other is not _ABSENT and compact(one) == compact(other)


def _entry(of: Write, policy: str, value: Any, writes: Sequence[Write]) -> dict[str, Any]:
    ranked = sorted(writes, key=lambda write: write.rank)
    candidates = [candidate(one.origin, one.value) for one in ranked]
    return {"frame": of.origin.frame, "policy": policy, "value": value, "candidates": candidates}


@dataclass(slots=True)
class EntityFold:
    """One entity after its operations. `settled` is what became of each field that has no strategy of its own."""

    entity: dict[str, Any]
    clock: dict[str, Any]
    settled: dict[str, Settled] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    out_of_range: list[str] = field(default_factory=list)


def fold_entity(
    rules: Collection, base: dict[str, Any] | None, clock: dict[str, Any] | None, operations: Sequence[Operation]
) -> EntityFold:
    """Bring ranked `operations` on one entity together with what it was. Changes neither argument."""
    key_fields = {part.name for part in rules.key}
    folded = EntityFold(dict(base or {}), dict(clock or {}))
    writes: dict[str, list[Write]] = {}
    by_rank: dict[tuple[str, int], Operation] = {}
    for operation in operations:
        by_rank[operation.origin.digest, operation.index] = operation
        for name, value in operation.record.items():
            if name in key_fields:
                folded.entity.setdefault(name, value)
            else:
                writes.setdefault(name, []).append(Write(operation.origin, operation.index, value))
    lost: dict[tuple[str, int], dict[str, tuple[Outcome, Reason, dict[str, Any]]]] = {}
    for name, ones in writes.items():
        rule = rules.rule(name)
        if rule.strategy in (SUM, UNION):
            result = _added(rules, folded.entity, name, [one.value for one in ones])
            if result is None:
                folded.out_of_range.append(name)
            else:
                folded.entity[name] = result
        else:
            settle = hold if rule.on_conflict == HOLD else latest
            settled = settle(folded.entity.get(name, _ABSENT), folded.clock.get(name), ones)
            if settled.value is not _ABSENT:
                folded.entity[name] = settled.value
            else:
                folded.entity.pop(name, None)
            folded.clock[name] = settled.clock
            folded.settled[name] = settled
            stands: dict[str, Any] = {"stands": None if settled.value is _ABSENT else settled.value}
            # A conflict names all its writers itself.
            by = {"by": settled.clock["by"]} if "by" in settled.clock else {}
            for write, outcome, reason in settled.lost:
                won = stands | by if outcome == Outcome.SUPERSEDED else stands
                lost.setdefault((write.origin.digest, write.index), {})[name] = (outcome, reason, won)
    folded.losses = [_loss(by_rank[rank], fields) for rank, fields in lost.items()]
    return folded


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
        for operation in operations:
            by_key.setdefault(rules.key_of(operation.record) or "", []).append(operation)
        entities = ground.store.records(by_key.keys())
        clocks = ground.clocks.records(by_key.keys())
        losses: list[Loss] = []
        for key in sorted(by_key):
            folded = fold_entity(rules, entities.get(key), clocks.get(key), by_key[key])
            ground.store.put(key, folded.entity)
            if folded.clock:
                ground.clocks.put(key, folded.clock)
            _mark(ground.conflicts, rules.name, key, folded)
            losses.extend(folded.losses)
        return losses


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
