"""Pure. Leases: a worker's right to write, told apart by epochs. Rules:

- The first lease has epoch 1. The epoch moves on each end of a lease: its release, or its reclaim after a silence. Who
  ends a lease names its epoch, so a request that comes too late ends nothing.
- What a frame claims, releases or reclaims takes effect after it: its deltas are judged by the epochs at the base,
  see `gate`.
- A sign of life is a delta of the lease's epoch, merged or a fallback. A lease is silent after so many frames, or so
  many seconds between the merges' clocks, without one.
"""

from __future__ import annotations

from typing import Any

from merge_bot import control_letters as letters
from merge_bot.control import Decision, Office, applied, refused
from merge_bot.delta import Request, instant_text, parse_utc
from merge_bot.findings import Outcome, Reason, Recover
from merge_bot.workers import ENDED, HELD, Worker


def claim(office: Office, request: Request) -> Decision:
    """Give the worker that asks the lease on its own name, if nobody holds it."""
    name = request.origin.stream_id
    worker = office.workers.of(name)
    if worker.lease == HELD:
        why = letters.lease_held(name, worker.epoch, worker.holder, is_silent(office, name, worker))
        return refused(request, Reason.LEASE_HELD, Recover.CLAIM_AGAIN, why)
    worker.epoch, worker.lease, worker.holder = max(1, worker.epoch), HELD, request.origin.digest
    worker.seen, worker.seen_at = office.moment.frame, instant_text(office.moment.now)
    return _granted(request, Reason.CLAIMED, name, worker)


def release(office: Office, request: Request) -> Decision:
    """End the lease of the worker that asks."""
    name, epoch = request.origin.stream_id, int(request.content["epoch"])
    worker = office.workers.of(name)
    return _stale(request, name, epoch, worker) or _end(request, Reason.RELEASED, name, worker)


def reclaim(office: Office, request: Request) -> Decision:
    """End a lease that somebody else holds, after a silence; an operator need not wait for one."""
    name, epoch = str(request.content["worker"]), int(request.content["epoch"])
    worker = office.workers.known.get(name, Worker())
    stale = _stale(request, name, epoch, worker)
    if stale:
        return stale
    if request.origin.stream_id not in office.settings.operators and not is_silent(office, name, worker):
        lease = office.settings.lease
        why = letters.not_silent(name, worker.seen, worker.seen_at, lease.silent_frames, lease.silent_seconds)
        return refused(request, Reason.NOT_SILENT, Recover.CLAIM_AGAIN, why)
    return _end(request, Reason.RECLAIMED, name, worker)


def is_silent(office: Office, name: str, worker: Worker) -> bool:
    """Whether nothing was seen of the lease for as long as the settings say; what this frame brings counts."""
    if name in office.admission.alive:
        return False
    lease, moment = office.settings.lease, office.moment
    seconds = (moment.now - (parse_utc(worker.seen_at) or 0)) / 1_000_000
    return moment.frame - worker.seen >= lease.silent_frames or seconds >= lease.silent_seconds


def note_signs_of_life(office: Office) -> None:
    """Once all is decided: who of those with a lease was heard of in this frame."""
    for name in office.admission.alive:
        worker = office.workers.known.get(name)
        if worker and worker.lease == HELD:
            worker.seen, worker.seen_at = office.moment.frame, instant_text(office.moment.now)


def _stale(request: Request, name: str, epoch: int, worker: Worker) -> Decision | None:
    """The answer to a request that names another epoch than that of the lease which is held."""
    if worker.lease == HELD and epoch == worker.epoch:
        return None
    why = letters.other_lease(request.op, name, epoch, worker.epoch, is_held=worker.lease == HELD)
    return Decision(request, Outcome.FENCED, Reason.OTHER_EPOCH, Recover.NONE, {"why": why, "worker": name})


def _end(request: Request, reason: Reason, name: str, worker: Worker) -> Decision:
    worker.epoch, worker.lease, worker.holder = worker.epoch + 1, ENDED, ""
    return _granted(request, reason, name, worker)


def _granted(request: Request, reason: Reason, name: str, worker: Worker) -> Decision:
    now: dict[str, Any] = {"worker": name, "epoch": worker.epoch}
    return applied(request, reason, {**now, "lease": worker.lease}, now)
