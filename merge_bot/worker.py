"""A worker's turn in a frame: what happens in its block becomes one delta, or says that there is none."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from merge_bot import actions, delivery, worker_letters
from merge_bot.calls import find, inside, joined, refused
from merge_bot.collection import APPEND, LAST_WRITER_WINS, OBSERVE, SUM, UNION
from merge_bot.errors import (
    Contended,
    DeltaRejected,
    DreamcatcherError,
    RemoteRefused,
    RemoteUnreachable,
    SchemaError,
    SlotTaken,
    StaleState,
)
from merge_bot.findings import Problem, Reason, Rejection
from merge_bot.leaseholder import Leaseholder
from merge_bot.plain import plain
from merge_bot.strategies.sum import total
from merge_bot.strict_json import pointer
from merge_bot.termination import Termination
from merge_bot.validate import given, validate
from merge_bot.writer import Desk, delta_name, unknown_of

if TYPE_CHECKING:
    from merge_bot.reader import Newest
    from merge_bot.submit import Submitted
    from merge_bot.updates import Compute
    from merge_bot.worker_receipts import Settled

RUN_VARIABLE = "DREAMCATCHER_RUN"
_SOME_TIME = "2026-03-25T03:14:22.000001Z"  # stands in while single operations are checked


class Worker(Leaseholder):
    """One run of a worker in one frame: `with Worker("w1") as w: w.add("posts", number=1, title="…")`.

    Entering reads the rules and the open frame (`w.frame`) under `root`. Each call is checked at once by the bot's own
    validation, and raises DeltaRejected if it could not be merged. Leaving writes everything as one delta, stamped
    with that moment (`w.path` is its file); with nothing collected it says "alive, nothing new". If the block raises
    anything, or the process gets SIGTERM, a `fallback` delta is left instead, with the exception's type alone, and the
    exception goes on; SIGTERM becomes SystemExit(143), see `termination`.

    `run` names this run. By default the orchestrator names it (GitHub Actions, or the variable DREAMCATCHER_RUN); with
    none, or `run=""`, the worker writes once a frame. Entering raises SlotTaken if this run has delivered for this
    frame already; `replace=True` says that the newer delta counts. `frame` and `epoch` go into the delta as they are;
    without `epoch` it is that of the lease which the worker holds as of the frame. Entering raises LeaseEnded if it
    held one and holds none any more; see `claim`.

    With `push=True` the delta does not go into the work tree's inbox but to the worker's own branch on `remote` (a name
    or a URL), see `submit`; `w.submitted` tells where it is. What cannot be pushed within `budget` seconds is kept on
    disk, and the exception names the file. `ring=True` then starts the merge's workflow on GitHub, if it can.

    Calls from several threads are safe. A process forked inside of the block leaves no delta of its own.
    """

    def __init__(
        self,
        stream_id: str,
        *,
        root: str | os.PathLike[str] = ".",
        run: str | None = None,
        frame: int | None = None,
        epoch: int | None = None,
        replace: bool = False,
        push: bool = False,
        remote: str = "origin",
        budget: float = 60.0,
        ring: bool = False,
    ) -> None:
        super().__init__(stream_id, root, epoch, push, remote, budget)
        self.run = _run_of_the_orchestrator() if run is None else run or None
        self._asked_frame = frame
        self._replace = replace
        self._lock = threading.Lock()
        self._turn: _Turn | None = None
        self._path: Path | None = None
        self._ring = ring
        self.submitted: Submitted | None = None

    def __enter__(self) -> Worker:
        if self._turn:
            raise DreamcatcherError(worker_letters.entered_twice())
        desk = Desk.open(self._root)
        if not desk.collections:
            raise SchemaError(worker_letters.no_schemas(str(desk.schemas)))
        frame = desk.open_frame() if self._asked_frame is None else self._asked_frame
        epoch = desk.epoch(self.stream_id) if self._epoch is None else self._epoch
        turn = _Turn(desk, frame, self.stream_id, self._meta(epoch), self._submit if self._push else None)
        if not self._replace and not self._push:
            delivery.refuse_taken(desk.root, desk.paths.inbox, turn.name)
        self._path, self._turn = None, turn
        turn.termination.watch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        turn = self._at_work()
        with turn.termination.last_words():
            self._turn = None
            if turn.pid != os.getpid():
                return
            if error is not None:
                self._leave_fallback(turn, error)
                return
            try:
                self._path = turn.write(turn.operations, turn.meta, replace=self._replace)
            except (Contended, RemoteRefused, RemoteUnreachable):
                raise  # the delta is kept, and says more than a fallback
            except BaseException as failure:
                self._leave_fallback(turn, failure)
                raise

    @property
    def frame(self) -> int:
        """The frame that the delta is for."""
        return self._at_work().frame

    @property
    def path(self) -> Path:
        """The file that was left on leaving: the delta, or the fallback."""
        if self._path is None:
            raise DreamcatcherError(worker_letters.not_left())
        return self._path

    def add(self, collection: str, record: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        """Add a record to an append collection. Fields come by name, or in a dict, or both."""
        self._take("add", APPEND, collection, record, fields)

    def observe(self, collection: str, record: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        """Record an observation; each one is kept, also if it says the same as another."""
        self._take("observe", OBSERVE, collection, record, fields)

    def union(self, collection: str, record: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        """Add a member to a set."""
        self._take("union", UNION, collection, record, fields)

    def set(self, collection: str, key: Any = None, /, **fields: Any) -> None:
        """Set fields of one entity, which is made if it does not exist; all other fields stay.

        `key` is the entity's key; where that is made of several fields, give those by name. A dict in its place is
        the whole change. Fields with a strategy of their own take what that takes: of a summed one, the increment.
        """
        self._take("set", LAST_WRITER_WINS, collection, key, fields)

    def increment(self, collection: str, increments: Mapping[str, Any] | None = None, /, **counters: Any) -> None:
        """Add to counters (below zero: take away). Increments of one counter add up, exactly."""
        call = worker_letters.call("increment", collection)
        turn = self._at_work()
        _, key = find(turn.desk.collections, call, SUM, collection)
        new, _ = turn.checked(call, key, joined(call, increments, counters), many=False)
        with self._lock:
            totals = dict(turn.operations.get(key, {}))
            for counter, one in new.items():
                result = total(totals.get(counter, 0), [one])
                if result is None:
                    letter = worker_letters.sum_out_of_range(counter)
                    raise refused(call, Reason.SUM_OUT_OF_RANGE, letter, pointer(counter))
                totals[counter] = result
            turn.operations[key] = totals

    def update(
        self,
        collection: str,
        key: Any,
        fn: Compute,
        /,
        *,
        reads: Iterable[str] = (),
        attempts: int = 5,
        wait: float = 600.0,
    ) -> dict[str, Any]:
        """Read an entity, compute, and write what changed, on condition that what it was computed from still stands.

        `fn` is given the entity as the newest frame has it, with what this block wrote so far (only its key fields
        where there is none), and returns it as it should be, or only the fields that change; None changes nothing. Of
        a summed field the difference is written, of a united one what is new. Of each other one that changes, and of
        those in `reads`, the old value is expected: if it is another by then, the merge sets nothing of it. `key` is as
        in `set`; where it is made of several fields, a dict of them. Returns the entity as it was computed.

        Inside of a block the change goes into the block's delta, and the receipt says whether it held. Without a block
        it is a delta of its own: this waits up to `wait` seconds until a merge has taken it in, and computes again
        from what then stands where another write came first, at most `attempts` times. Raises DeltaRejected,
        Contended if it was not merged or never held, DreamcatcherError if it was refused or waits for something.
        """
        from merge_bot.patience import Patience
        from merge_bot.worker_update import Update, until_it_holds

        call = worker_letters.call("update", collection)
        desk = self._turn.desk if self._turn else Desk.open(self._root)
        rules, under = find(desk.collections, call, LAST_WRITER_WINS, collection)
        update = Update(call, desk, rules, under, key, fn, reads, self._newest)
        if self._turn:
            change = update.change(self._turn.operations)
            if change.operation is not None:
                self._take("update", LAST_WRITER_WINS, collection, change.operation, {})
            return change.entity

        def send(name: str, data: bytes) -> None:
            if self._push:
                self._submit(data)
            else:
                delivery.deliver(desk.root, desk.paths.inbox, name, data)

        attempt = partial(update.attempt, self.stream_id, self._meta(self._epoch), send)
        return until_it_holds(attempt, self.receipts, call, attempts, Patience(wait))

    def receipts(self, frame: int | None = None) -> list[Settled]:
        """What became of this worker's deltas, the newest first; needs no `with` block.

        With `frame`, of that frame: what it settled, and its deltas whenever they were merged (`merged_in`); without,
        what the newest 20 frames settled. Read from the branch that is checked out under `root`; with `push=True` from
        the remote, as it is now. Raises RepositoryError where there is no frame, UnreadableState, RemoteUnreachable.
        """
        from merge_bot.worker_receipts import told

        with self._newest() as newest:
            return told(newest.files, newest.paths, newest.meta, self.stream_id, frame).receipts

    @contextmanager
    def read(self, max_age: float | None = None) -> Iterator[Newest]:
        """The newest frame, to read from: `with w.read(max_age=600) as now: now.record("agents", "agent-aria")`.

        It says which `frame` that is, `as_of` when, and how many deltas wait `behind` it. With `max_age` (seconds)
        raises StaleState if the frame was merged longer ago; not if it was read on a remote where nothing waits. Read
        where `receipts` are, raises as they do.
        """
        from datetime import UTC, datetime

        with self._newest() as newest:
            age = newest.age(datetime.now(UTC))
            if max_age is not None and age > max_age:
                letter = worker_letters.stale(newest.frame, newest.as_of, age, max_age, newest.behind, newest.is_live)
                raise StaleState(letter)
            yield newest

    def _newest(self) -> AbstractContextManager[Newest]:
        """The newest frame. What reading needs, git above all, is loaded only here."""
        from merge_bot.reader import newest_here, newest_there

        return newest_there(self._target()) if self._push else newest_here(self._root)

    def _take(self, verb: str, strategy: str, collection: str, given_: Any, fields: dict[str, Any]) -> None:
        call = worker_letters.call(verb, collection)
        turn = self._at_work()
        rules, key = find(turn.desk.collections, call, strategy, collection)
        if strategy == LAST_WRITER_WINS and given_ is not None and not isinstance(given_, Mapping):
            if len(rules.key) > 1:
                letter = worker_letters.several_key_fields(rules.name, [part.name for part in rules.key])
                raise refused(call, Reason.NO_KEY, letter)
            given_ = {rules.key[0].name: given_}
        record, size = turn.checked(call, key, joined(call, given_, fields), many=True)
        with self._lock:
            if turn.size + size > turn.desk.rules.max_bytes:
                letter = worker_letters.too_much(turn.size + size, turn.desk.rules.max_bytes)
                raise refused(call, Reason.TOO_LARGE, letter)
            turn.size += size
            turn.operations.setdefault(key, []).append(record)

    def _at_work(self) -> _Turn:
        if self._turn is None:
            raise DreamcatcherError(worker_letters.not_entered())
        return self._turn

    def _submit(self, data: bytes) -> None:
        """Bring a delta to the remote. What that needs is loaded only here."""
        from datetime import UTC, datetime

        from merge_bot.bell import bell
        from merge_bot.patience import Patience
        from merge_bot.submit import submit

        now, ring = datetime.now(UTC), bell(os.environ) if self._ring else None
        self.submitted = submit(
            data, self._target(), now, worker=self.stream_id, patience=Patience(self._budget), ring=ring
        )

    def _meta(self, epoch: int | None) -> dict[str, Any]:
        return {name: one for name, one in (("run", self.run), ("epoch", epoch)) if one is not None}

    def _leave_fallback(self, turn: _Turn, error: BaseException) -> None:
        """Say that there is nothing, if that can be said; the exception goes on in any case."""
        why = "SIGTERM" if turn.termination.received else type(error).__name__
        if not (why.isascii() and why.isidentifier()):
            why = "Exception"
        try:
            self._path = turn.write({}, {"status": "fallback", "error": why, **turn.meta})
        except SlotTaken:
            pass  # what stands there says more
        except Exception as failure:
            error.add_note(worker_letters.no_fallback(failure))


class _Turn:
    """What exists from entering to leaving. `size` is about what the delta's file has so far, in bytes."""

    def __init__(
        self,
        desk: Desk,
        frame: int,
        stream_id: str,
        meta: dict[str, Any],
        send: Callable[[bytes], None] | None = None,
    ) -> None:
        self.desk = desk
        self._send = send
        self.frame = frame
        self.meta = meta
        self.name = delta_name(frame, stream_id, meta.get("run"))
        self.operations: dict[str, Any] = {}
        self.termination = Termination()
        self.pid = os.getpid()
        self._stream_id = stream_id
        self.size = len(desk.encode(self.name, frame, stream_id, {}, meta))  # a wrong envelope is refused here
        self._envelope = {"frame": frame, "stream_id": stream_id, "utc": _SOME_TIME, "_meta": meta}

    def checked(self, call: str, key: str, value: Any, *, many: bool) -> tuple[Any, int]:
        """A copy of one operation that may enter, and its size. Raises DeltaRejected, placed inside the operation."""
        problems: list[Problem] = []
        value = plain(value, call, problems)
        candidate = given(self.name, {**self._envelope, key: [value] if many else value})
        verdict = validate(candidate, self.desk.rules)
        if isinstance(verdict, Rejection):
            found = [inside(one, call, (key, 0) if many else (key,)) for one in verdict.problems]
            problems += unknown_of(found, problems)
        if not problems:
            return value, candidate.size - self._size_without(key)
        raise DeltaRejected(worker_letters.rejected(worker_letters.one_call(call), problems), problems)

    def write(self, operations: Mapping[str, Any], meta: Mapping[str, Any], *, replace: bool = False) -> Path | None:
        """Leave the delta: its file in the inbox, or None if it went elsewhere."""
        check = meta.get("status") != "fallback"
        if self._send is not None:
            self._send(self.desk.encode(self.name, self.frame, self._stream_id, operations, meta, check=check))
            return None
        return self.desk.write(self.frame, self._stream_id, operations, meta, check=check, replace=replace)

    def _size_without(self, key: str) -> int:
        return given(self.name, {**self._envelope, key: []}).size


def _run_of_the_orchestrator() -> str | None:
    return os.environ.get(RUN_VARIABLE) or actions.run_name(os.environ)
