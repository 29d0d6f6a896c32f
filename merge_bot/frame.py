"""A frame, from delta files to one commit: collect, validate, merge, check, snapshot, publish."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from merge_bot import letters
from merge_bot.admit import Admission, Moment, admit, asked_frames
from merge_bot.apart import Apart, Closed
from merge_bot.bounds import marked, slow
from merge_bot.brief import keep
from merge_bot.check import prove
from merge_bot.closing import waiting
from merge_bot.collect import Base, collect
from merge_bot.control import Find, Office, Row
from merge_bot.control_table import decide
from merge_bot.counting import untrusted
from merge_bot.delta import Candidate, Delta, instant_of
from merge_bot.errors import Contended
from merge_bot.findings import Rejection
from merge_bot.foresight import the_frame
from merge_bot.gate import unread
from merge_bot.git import Repository
from merge_bot.grounds import Grounds
from merge_bot.layouts.base import Ahead, stay
from merge_bot.ledger import Ledger
from merge_bot.merge import merge
from merge_bot.patience import Patience
from merge_bot.progress import Progress, silent
from merge_bot.publish.base import Published, Publisher
from merge_bot.snapshot import Frame, snapshot
from merge_bot.transports.base import Transport
from merge_bot.validate import validate
from merge_bot.validating import judge_all
from merge_bot.workers import Workers

ATTEMPTS = 20
BUDGET = 120.0  # seconds to wait in, all attempts together


@dataclass(slots=True)
class Result:
    """What a run did. `frame` is None when nothing was pending; `held` wait for their frame to open, and `left` deltas
    for the next one, because a frame takes only so many. `missing` are the active workers of whom nothing came for the
    merged frame, not even a fallback.
    """

    published: Published
    open_frame: int
    frame: Frame | None = None
    held: list[Candidate] = field(default_factory=list)
    left: int = 0
    missing: tuple[str, ...] = ()


def run_frame(
    repository: Repository,
    base: Base,
    transport: Transport,
    publisher: Publisher,
    now: datetime,
    progress: Progress = silent,
    ahead: Ahead = stay,
    find: Find | None = None,
) -> Result:
    """Merge everything that is pending at `base` into its open frame and publish it, as one commit or not at all.

    With nothing pending there is no commit. Raises a DreamcatcherError, with nothing written, if it cannot go on.
    `ahead` is given each file of the state when it is finished, so that it may travel on meanwhile; `find` says which
    archived deltas can be had from outside the tree, by default those that this repository or its remote has.
    """
    collected = collect(repository, base, transport)
    ahead.prepare(sum(one.size for one in collected.candidates))
    apart = Apart.begin(ahead, base.collections, base.rules, lambda closed: _grounds(base, closed))
    ledger, workers = Ledger(base.files, base.paths), Workers.read(base.files, base.paths)
    judged = judge_all(
        repository, collected.candidates, lambda one: unread(one, workers) or _timed(one, base), progress
    )
    arrived = [(marked(one, verdict), verdict) for one, verdict in judged]
    collected = collected._replace(candidates=[one for one, _ in arrived])
    moment = _moment(base, now)
    base.files.ahead(base.paths.ledger(one) for one in asked_frames(arrived, moment))
    admission = admit(arrived, ledger, workers, moment)
    if not admission.admitted and not admission.settled:
        return Result(Published("none"), base.meta.frame, held=_held(admission))
    missing = waiting(collected.candidates, workers, base.meta.frame, 0).missing
    office = Office(moment, base.settings, base.files, base.paths, base.rules, ledger, workers, admission)
    office.find = find or _finder(repository)
    decisions = decide(office)
    base.files.ahead(the_frame(admission.admitted, office.resolved, base.files, base.paths, base.collections))
    merged = merge(
        admission.admitted, base.files, base.paths, base.collections, base.rules, base.meta.frame, ahead,
        base.manifest.newest_rollback, office.resolved, untrusted(base.collections, base.schema_ids, base.manifest),
        apart,
    )  # fmt: skip
    prove(merged.changes, merged.growth, merged.entered, merged.applied, base.collections)
    frame = snapshot(collected, admission, merged, decisions, office, now)
    left = len({one.digest for one in admission.left})
    published = publisher.publish(frame)
    if published.operation != "contended":
        keep(arrived, collected, admission, merged, frame)
    return Result(published, base.meta.frame, frame, _held(admission), left, missing)


def run_until_settled(
    tip: Callable[[], Base],
    repository: Repository,
    transport: Transport,
    publisher: Publisher,
    now: datetime,
    progress: Progress = silent,
    ahead: Ahead = stay,
    patience: Callable[[], Patience] = lambda: Patience(BUDGET),
) -> Result:
    """Run on what `tip` reads anew each time, until a frame is not overtaken: a lost race merges again, after a wait
    that keeps rivals apart.

    Raises Contended when the branch kept moving; nothing is lost then, and running again is safe.
    """
    waiting = patience()
    for _ in waiting.attempts(ATTEMPTS):
        with _garbage_uncollected():
            result = run_frame(repository, tip(), transport, publisher, now, progress, ahead)
        if result.published.operation != "contended":
            return result
    raise Contended(letters.contended("The branch", waiting.tries + 1))


@contextmanager
def _garbage_uncollected() -> Iterator[None]:
    """A frame makes objects by the million, nearly all live to its end, and none in cycles: looking for garbage among
    them took 1.5 s of 7 (200,000 records)."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _finder(repository: Repository) -> Find:
    def find(rows: Iterable[Row]) -> Container[str]:
        from merge_bot.kept import found  # a frame that is asked for nothing of the kind needs no remote

        return found(repository, rows)

    return find


def _timed(candidate: Candidate, base: Base) -> Delta | Rejection:
    """What is found of a candidate, unless that took too long."""
    began = time.monotonic()
    verdict = validate(candidate, base.rules)
    most = base.settings.max_validation_seconds
    return slow(candidate, most) if time.monotonic() - began > most else verdict


def _grounds(base: Base, closed: Closed) -> Grounds:
    rolled_back = base.manifest.newest_rollback
    return Grounds.open(base.files, base.paths, base.collections, base.meta.frame, rolled_back, closed)


def _moment(base: Base, now: datetime) -> Moment:
    settings = base.settings
    tolerance = settings.clock_tolerance_seconds * 1_000_000
    return Moment(base.meta.frame, instant_of(now), tolerance, settings.max_frame_deltas)


def _held(admission: Admission) -> list[Candidate]:
    return [delta.candidate for delta in admission.held]
