"""Pure. The circuit breaker: a worker whose deltas are bad again and again is disabled, and the others go on.

What comes of a disabled worker waits in quarantine, unread (`gate`), until an operator enables it. Several deltas of
one frame have no order that could be relied on: one good among them ends the row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from merge_bot import control_letters as letters
from merge_bot.control import Decision, Office, applied, refused
from merge_bot.delta import FILE_NAME, Request
from merge_bot.findings import Outcome, Reason, Receipt, Recover
from merge_bot.workers import DISABLED, Worker, Workers

_GOOD = frozenset({Outcome.APPLIED, Outcome.LATE, Outcome.FALLBACK, Outcome.SUPERSEDED})
# Not the worker's own doing, or told of while it is disabled.
_NOT_COUNTED = frozenset({Reason.WORKER_DISABLED, Reason.NOT_ENROLLED, Reason.BRANCH_REWOUND})


def enable(office: Office, request: Request) -> Decision:
    """Let a disabled worker write again. What waits of it is put up by `retry`."""
    name = str(request.content["worker"])
    worker = office.workers.known.get(name, Worker())
    if worker.status != DISABLED:
        why = letters.not_disabled(name)
        return refused(request, Reason.NOT_DISABLED, Recover.NONE, why)
    worker.status, worker.bad = "", 0
    return applied(request, Reason.ENABLED, {"worker": name}, {"worker": name})


def count(receipts: Iterable[Receipt], workers: Workers, limit: int) -> Iterator[dict[str, Any]]:
    """Count each worker's bad deltas in a row. Yields a row for the manifest for each that is disabled now."""
    bad: Counter[str] = Counter()
    good: set[str] = set()
    for receipt in receipts:
        name = _whose(receipt)
        if name is None or receipt.source == "parked":
            continue
        if receipt.outcome in _GOOD and name in workers.known:
            good.add(name)
        elif receipt.outcome == Outcome.QUARANTINED and receipt.reason not in _NOT_COUNTED:
            bad[name] += 1
            if receipt.stream_id is None and limit:
                workers.of(name).quarantined += 1  # nobody else counts what does not say whose it is
    for name in sorted(good):
        workers.of(name).bad = 0
    for name, times in sorted(bad.items()) if limit else ():
        worker = workers.of(name)
        if name in good or worker.status == DISABLED:
            continue
        worker.bad += times
        if worker.bad >= limit:
            worker.status = DISABLED
            yield {"op": "disable", "worker": name}


def _whose(receipt: Receipt) -> str | None:
    """Who wrote a delta; what cannot be read is told by its name."""
    named = FILE_NAME.match(receipt.source.rpartition("/")[2])
    return receipt.stream_id or (named["stream_id"] if named else None)
