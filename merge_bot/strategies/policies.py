"""Pure. Who wins a conflict: what becomes of a field when writes meet it, by its policy. A function of the set of all
its writes, in whatever order and runs they come.

`latest`: the greatest (instant, stream_id, digest, index). `hold`: nobody; the field keeps what it had before the
frame that disagrees, and what comes later joins the candidates, until a resolution. `first`, `max`, `min` and
`prefer-worker`: the newest frame's write as `latest` would have it, but of several workers' last words in that frame
the first by rank, the greatest, the least (null is neither), or that of the worker named first; of workers that are
not named, the latest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from merge_bot.canonical import compact
from merge_bot.collection import FIRST, HOLD, LATEST, MAX, PREFER_WORKER, Policy
from merge_bot.conflicts import candidate
from merge_bot.findings import Outcome, Reason
from merge_bot.strategies.clocks import ABSENT, Clock, Write, known, others


@dataclass(slots=True)
class Settled:
    """A field after a fold: its value (or absent), its clock, the losing writes, and the writes of one frame as a
    conflict would list them; `disputed` says that they are one."""

    value: Any
    clock: Clock
    entry: dict[str, Any] | None
    disputed: bool
    lost: list[tuple[Write, Outcome, Reason]]


def settle(policy: Policy, value: Any, clock: Clock | None, writes: Sequence[Write]) -> Settled:
    """The field after `writes`. `value` is what it held (ABSENT: nothing), `clock` what is known of who wrote that."""
    if (clock and "resolved" in clock) or any(one.resolves for one in writes):
        return _resolved(policy, value, clock, writes)
    return _settle(policy, value, clock, writes)


def _settle(policy: Policy, value: Any, clock: Clock | None, writes: Sequence[Write]) -> Settled:
    if policy.name == LATEST:
        return _latest(value, clock, writes)
    if policy.name == HOLD:
        return _hold(value, clock, writes)
    return _preferred(policy, value, clock, writes)


def _resolved(policy: Policy, value: Any, clock: Clock | None, writes: Sequence[Write]) -> Settled:
    """A resolution settles its frame and all before: what was written there loses, the rest goes on from it."""
    until = clock.get("resolved", -1) if clock else -1
    before = [*known(value, clock), *others(clock)]
    rulings = [one for one in (*before, *writes) if one.resolves and one.origin.frame >= until]
    ruling = max(rulings, key=lambda one: (one.origin.frame, one.rank), default=None)
    later = list(writes)
    if ruling is not None:
        until = ruling.origin.frame
        if any(one is ruling for one in writes):
            later += before
            value, clock = ruling.value, ruling.as_json()
    fresh = [one for one in later if one.origin.frame > until]
    settled = _settle(policy, value, clock, fresh)
    settled.clock["resolved"] = until
    if settled.entry and settled.entry["frame"] <= until:
        settled.entry, settled.disputed = None, False
    own = {(one.origin.digest, one.index) for one in writes}
    settled.lost = [one for one in settled.lost if (one[0].origin.digest, one[0].index) in own]
    stale = [one for one in writes if one.origin.frame <= until and one is not ruling]
    settled.lost += [
        (one, Outcome.SUPERSEDED, Reason.OLDER_WRITE) for one in stale if not _same(one.value, settled.value)
    ]
    return settled


def _latest(value: Any, clock: Clock | None, writes: Sequence[Write]) -> Settled:
    """The greatest write wins; the incumbent, known by its clock, competes like any other."""
    ranked = sorted([*known(value, clock), *writes], key=lambda write: write.rank)
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


def _hold(value: Any, clock: Clock | None, writes: Sequence[Write]) -> Settled:
    """Frame by frame: what all writers of a frame agree on is the value; the first frame that disagrees is held.

    The clock keeps every write and the value before the first, so that a late delta finds the same answer. A writer
    that takes its word back in the same frame has still disagreed: more writes never clear what is held.
    """
    base = clock.get("base", ABSENT) if clock and "writes" in clock else value
    ranked = sorted([*known(value, clock), *writes], key=lambda write: (write.origin.frame, write.rank))
    current, held = base, None
    for frame, group in groupby(ranked, key=lambda write: write.origin.frame):
        ones = list(group)
        if len({one.origin.stream_id for one in ones}) > 1 and len({compact(one.value) for one in ones}) > 1:
            held = frame
            break
        current = ones[-1].value
    new_clock: Clock = {"writes": [one.as_json() | {"value": one.value} for one in ranked]}
    if base is not ABSENT:
        new_clock["base"] = base
    if held is None:
        older = [one for one in writes if not _same(one.value, current)]
        lost = [(one, Outcome.SUPERSEDED, Reason.OLDER_WRITE) for one in older]
        return Settled(current, new_clock, None, False, lost)
    waiting = [one for one in ranked if one.origin.frame >= held]
    entry = _entry(waiting[0], HOLD, None if current is ABSENT else current, waiting)
    lost = [
        (one, Outcome.HELD, Reason.HELD_FOR_RESOLUTION)
        if one.origin.frame >= held
        else (one, Outcome.SUPERSEDED, Reason.OLDER_WRITE)
        for one in writes
        if one.origin.frame >= held or not _same(one.value, current)
    ]
    return Settled(current, new_clock, entry, True, lost)


def _preferred(policy: Policy, value: Any, clock: Clock | None, writes: Sequence[Write]) -> Settled:
    """Of the newest frame's writers, each by its last word, the one that the policy prefers. Older frames lose.

    The clock keeps the others' words, so that a late one of the frame is compared with all of them.
    """
    everything = [*known(value, clock), *others(clock), *writes]
    newest = max(one.origin.frame for one in everything)
    ranked = sorted((one for one in everything if one.origin.frame == newest), key=lambda write: write.rank)
    finals = {one.origin.stream_id: one for one in ranked}
    winner = _choose(policy, list(finals.values()))
    rivals = [one for one in finals.values() if not _same(one.value, winner.value)]
    entry = _entry(winner, policy.name, winner.value, list(finals.values()))
    lost = [
        (one, Outcome.CONFLICT, Reason.CONCURRENT_WRITE)
        if one in rivals
        else (one, Outcome.SUPERSEDED, Reason.OLDER_WRITE)
        for one in writes
        if not _same(one.value, winner.value)
    ]
    new_clock = winner.as_json()
    if len(finals) > 1:
        rest = sorted((one for one in finals.values() if one is not winner), key=lambda write: write.rank)
        new_clock["others"] = [one.as_json() | {"value": one.value} for one in rest]
    return Settled(winner.value, new_clock, entry, bool(rivals), lost)


def _choose(policy: Policy, finals: Sequence[Write]) -> Write:
    """One of the last words of a frame's writers; which, does not depend on their order."""
    if policy.name == FIRST:
        return min(finals, key=lambda write: write.rank)
    if policy.name == PREFER_WORKER:
        places = {worker: -place for place, worker in enumerate(policy.workers)}
        last = -len(policy.workers)
        return max(finals, key=lambda write: (places.get(write.origin.stream_id, last), write.rank))
    said = [one for one in finals if one.value is not None] or finals
    ordered = sorted(said, key=lambda write: (_order(write.value), write.rank))
    if policy.name == MAX:
        return ordered[-1]
    least = _order(ordered[0].value)
    return max((one for one in ordered if _order(one.value) == least), key=lambda write: write.rank)


def _order(value: Any) -> tuple[int, Any]:
    """Any two JSON values can be compared: true and false, then numbers, then text, then the rest by its bytes."""
    if value is None or isinstance(value, bool):
        return (0, bool(value))
    if isinstance(value, int | float):
        return (1, value)
    return (2, value) if isinstance(value, str) else (3, compact(value))


def _same(one: Any, other: Any) -> bool:
    return one is not ABSENT and other is not ABSENT and compact(one) == compact(other)


def _entry(of: Write, policy: str, value: Any, writes: Sequence[Write]) -> dict[str, Any]:
    ranked = sorted(writes, key=lambda write: write.rank)
    candidates = [candidate(one.origin, one.value) for one in ranked]
    return {"frame": of.origin.frame, "policy": policy, "value": value, "candidates": candidates}
