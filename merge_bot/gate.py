"""Pure. The gate: who may write, as of the base. What is of an ended lease is fenced, of a disabled worker waits.

Until a worker's first claim nothing is asked of its deltas. From then on a delta needs the epoch of the lease that is
held at the base; a delta of another epoch, or of none, is kept in quarantine, for good. A delta that holds nothing but
requests about leases needs no epoch: each request is judged by itself.
"""

from __future__ import annotations

from merge_bot import control_letters as letters
from merge_bot.control_schema import OF_LEASES
from merge_bot.delta import FILE_NAME, Candidate, Delta
from merge_bot.findings import Outcome, Problem, Reason, Recover, Rejection
from merge_bot.ledger import Line
from merge_bot.workers import DISABLED, HELD, Workers

# What a rollback put up again was let in under its own lease before; for what was amended an operator answers.
_ANSWERED_FOR = frozenset({Outcome.UNDONE, Outcome.AMENDED})


def fenced(delta: Delta, workers: Workers, known: Line | None) -> Problem | None:
    """Why a delta's epoch keeps it out; None if it may enter."""
    worker = workers.known.get(delta.stream_id)
    if worker is None or not worker.epoch or (known and known.requeued and known.outcome in _ANSWERED_FOR):
        return None
    if delta.epoch == worker.epoch and worker.lease == HELD:
        return None
    if delta.epoch is None and _is_about_leases(delta):
        return None
    letter = letters.fenced(delta.stream_id, delta.epoch, worker.epoch, is_held=worker.lease == HELD)
    reason = Reason.NO_EPOCH if delta.epoch is None else Reason.OTHER_EPOCH
    return Problem(delta.candidate.path, 0, "/_meta" if delta.epoch is None else "/_meta/epoch", reason, *letter)


def holds_lease(delta: Delta, workers: Workers) -> bool:
    """Whether a delta is of the lease that is held: a sign of life. Who only asks for it may be somebody else."""
    worker = workers.known.get(delta.stream_id)
    if worker is None or _is_about_leases(delta):
        return False
    return worker.lease == HELD and delta.epoch == worker.epoch


def _is_about_leases(delta: Delta) -> bool:
    return (
        bool(delta.control) and not any(delta.operations.values()) and all(one.op in OF_LEASES for one in delta.control)
    )


def unread(candidate: Candidate, workers: Workers) -> Rejection | None:
    """What is said of a disabled worker's delta instead of reading it; None for everybody else's."""
    named = FILE_NAME.match(candidate.path.rpartition("/")[2])
    name = candidate.worker or (named["stream_id"] if named else None)
    if name is None or not is_disabled(name, workers):
        return None
    return Rejection(
        (waits(candidate.path, name, workers),),
        Recover.ASK_OPERATOR,
        frame=int(named["frame"]) if named else None,
        stream_id=name,
    )


def is_disabled(name: str | None, workers: Workers) -> bool:
    """Whether the breaker has tripped for a worker."""
    return name is not None and name in workers.known and workers.known[name].status == DISABLED


def waits(path: str, name: str, workers: Workers) -> Problem:
    """Why a disabled worker's delta is not looked at."""
    return Problem(path, 0, "", Reason.WORKER_DISABLED, *letters.worker_disabled(name, workers.known[name].bad))
