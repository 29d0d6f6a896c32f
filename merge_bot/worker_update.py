"""How a worker's update is brought home: delivered, waited for, and computed again where another write came first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from merge_bot import messages, worker_letters
from merge_bot.calls import refused
from merge_bot.canonical import digest
from merge_bot.collection import Collection
from merge_bot.errors import Contended, DreamcatcherError
from merge_bot.findings import Outcome, Reason
from merge_bot.patience import Patience
from merge_bot.reader import Newest
from merge_bot.records import record_of
from merge_bot.strategies.conditions import REFUSALS
from merge_bot.strict_json import pointer
from merge_bot.updates import Change, Compute, Uncomputable, computed, overlaid
from merge_bot.workers import Workers
from merge_bot.writer import Desk, delta_name

if TYPE_CHECKING:
    from merge_bot.worker_receipts import Settled

_OVERWRITTEN = frozenset({Outcome.CONFLICT, Outcome.SUPERSEDED})


class Attempt(NamedTuple):
    """The entity as it should be, and the delta that was delivered for it; None if nothing changes. `adds` says whether
    fields that add up are in it."""

    entity: dict[str, Any]
    data: bytes | None
    adds: bool


class Update:
    """One update: what it is of, and how it is computed. `newest` opens the newest frame."""

    def __init__(
        self,
        call: str,
        desk: Desk,
        rules: Collection,
        under: str,
        key: Any,
        fn: Compute,
        reads: Iterable[str],
        newest: Callable[[], AbstractContextManager[Newest]],
    ) -> None:
        self._call, self._desk, self._rules, self._under = call, desk, rules, under
        self._fn, self._reads, self._newest = fn, reads, newest
        if len(rules.key) > 1 and not isinstance(key, Mapping):
            letter = worker_letters.several_key_fields(rules.name, [part.name for part in rules.key])
            raise refused(call, Reason.NO_KEY, letter)
        self._own = dict(key) if isinstance(key, Mapping) else {rules.key[0].name: key}
        text = rules.key_of(self._own)
        if text is None:
            names = [part.name for part in rules.key]
            raise refused(call, Reason.NO_KEY, messages.no_key(names, names, ()))
        self._key = text
        self._frame, self._workers = 0, Workers()

    def change(self, written: Mapping[str, Any]) -> Change:
        """What there is to write, by the newest frame and the operations that were `written` since, by delta key."""
        rules = self._rules
        with self._newest() as newest:
            entity = {**self._own, **(record_of(newest.files, newest.paths, rules, self._key) or {})}
            self._frame, self._workers = newest.meta.frame, Workers.read(newest.files, newest.paths)
        mine = [one for name in rules.delta_keys for one in written.get(name, ()) if rules.key_of(one) == self._key]
        try:
            return computed(rules, overlaid(rules, entity, mine), self._fn, self._reads)
        except Uncomputable as error:
            where = pointer(error.field) if error.field else ""
            raise refused(self._call, error.reason, error.letter, where) from None

    def attempt(self, stream_id: str, meta: Mapping[str, Any], send: Callable[[str, bytes], None], run: str) -> Attempt:
        """Compute, and deliver the change as a delta of its own under the name `run`."""
        change = self.change({})
        if change.operation is None:
            return Attempt(change.entity, None, False)
        name = delta_name(self._frame, stream_id, run)
        operations = {self._under: [change.operation]}
        epoch = None if "epoch" in meta else self._workers.epoch_of(stream_id)
        meta = {**meta, "run": run} | ({} if epoch is None else {"epoch": epoch})
        data = self._desk.encode(name, self._frame, stream_id, operations, meta)
        send(name, data)
        return Attempt(change.entity, data, change.adds)


def until_it_holds(
    write: Callable[[str], Attempt], receipts: Callable[[], list[Settled]], call: str, attempts: int, patience: Patience
) -> dict[str, Any]:
    """`write`, under the name of a run, until a merge has applied it. What it expects makes it count once.

    Returns the entity as it was computed last. Raises Contended if `patience` ends before the merge, or if another
    write came first `attempts` times; DreamcatcherError if the delta was refused, or waits for something.
    """
    for _ in range(attempts):
        tried = write(f"update-{uuid4().hex[:16]}")
        if tried.data is None or _applied(_receipt(digest(tried.data), receipts, call, patience), tried, call):
            return tried.entity
    raise Contended(worker_letters.update_lost(call, attempts))


def _receipt(delta: str, receipts: Callable[[], list[Settled]], call: str, patience: Patience) -> Settled:
    while True:
        for one in receipts():
            if one.digest == delta and one.outcome != Outcome.DUPLICATE:
                return one
        if not patience.wait():
            raise Contended(worker_letters.update_not_merged(call, patience.budget, delta))


def _applied(receipt: Settled, tried: Attempt, call: str) -> bool:
    if receipt.outcome not in (Outcome.APPLIED, Outcome.LATE):
        raise DreamcatcherError(worker_letters.update_refused(call, receipt.outcome, receipt.problems))
    for one in receipt.operations:
        if one.outcome not in _OVERWRITTEN:
            raise DreamcatcherError(worker_letters.update_waits(call, one.outcome, receipt.merged_in))
        if one.reason not in REFUSALS and tried.adds:
            raise DreamcatcherError(worker_letters.update_half_overwritten(call, receipt.merged_in))
    return not receipt.operations
