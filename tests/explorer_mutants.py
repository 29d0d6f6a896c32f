"""The model's mutants, made in the code: each switches one guard off, and names the scenario in which that is seen."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from merge_bot import admit, collect, foreign, frame, gate, leases, snapshot
from merge_bot.commit_files import CommitFiles
from merge_bot.delta import Delta
from merge_bot.findings import Outcome, Reason
from merge_bot.git import Repository
from merge_bot.ledger import Ledger
from merge_bot.publish.base import Published
from merge_bot.publish.commit import CommitPublisher
from merge_bot.state import parse_json
from merge_bot.transports.branches import REFS, BranchesTransport
from merge_bot.transports.inbox import InboxTransport
from merge_bot.workers import ENDED, HELD, Workers
from tests.explorer import PATHS, Explorer, Suspended
from tests.repo import AUTHOR, BRANCH

Patch = pytest.MonkeyPatch
Mutate = Callable[[Patch, Explorer], None]


def no_ledger(patch: Patch, explorer: Explorer) -> None:
    patch.setattr(Ledger, "entry", lambda self, number, digest: None)
    patch.setattr(Ledger, "slot_filled", lambda self, number, stream_id, run: False)


def copies_counted(patch: Patch, explorer: Explorer) -> None:
    whole = admit.admit

    def counted(arrived: Any, *rest: Any) -> admit.Admission:
        arrived = list(arrived)
        copies = Counter(candidate.digest for candidate, _ in arrived)
        admission = whole(arrived, *rest)
        admission.admitted = [one for one in admission.admitted for _ in range(copies[one.digest])]
        return admission

    patch.setattr(frame, "admit", counted)


def slot_refilled(patch: Patch, explorer: Explorer) -> None:
    patch.setattr(Ledger, "slot_filled", lambda self, number, stream_id, run: False)


def tip_only(patch: Patch, explorer: Explorer) -> None:
    whole = InboxTransport.receive
    patch.setattr(InboxTransport, "receive", lambda self, span: [one for one in whole(self, span) if one.at_tip])


def held_dropped(patch: Patch, explorer: Explorer) -> None:
    patch.setattr(BranchesTransport, "settle", lambda self, consumed, held: {})


def inbox_swept(patch: Patch, explorer: Explorer) -> None:
    whole = InboxTransport.settle

    def swept(self: InboxTransport, consumed: Iterable[Any], held: Iterable[Any]) -> Mapping[str, Any]:
        held = list(held)
        return {**whole(self, consumed, held), **{one.path: None for one in held if one.at_tip}}

    patch.setattr(InboxTransport, "settle", swept)


def marked_at_push(patch: Patch, explorer: Explorer) -> None:
    def marks(self: BranchesTransport) -> dict[str, str]:
        return {name.removeprefix(REFS): one for name, one in explorer.repository.refs(REFS).items()}

    patch.setattr(BranchesTransport, "marks", marks)


def loser_applied(patch: Patch, explorer: Explorer) -> None:
    whole = admit._fill_slots

    def filled(deltas: Any, ledger: Ledger, admission: admit.Admission) -> None:
        whole(deltas, ledger, admission)
        for _, receipt in admission.settled:
            if receipt.outcome == Outcome.SUPERSEDED:
                receipt.outcome, receipt.reason = Outcome.APPLIED, None

    patch.setattr(admit, "_fill_slots", filled)


def two_commits(patch: Patch, explorer: Explorer) -> None:
    def publish(self: CommitPublisher, made: snapshot.Frame) -> Published:
        state = {path: one for path, one in made.changes.items() if path.startswith(("state/notes", "state/agents"))}
        commit = explorer.repository.write_commit(made.base, state, "the state", AUTHOR, 1)
        explorer.repository.compare_and_swap(BRANCH, commit, made.base)
        raise Suspended

    patch.setattr(CommitPublisher, "publish", publish)


def lease_by_clock(patch: Patch, explorer: Explorer) -> None:
    def clock(repository: Repository, commit: str) -> Any:
        return parse_json(CommitFiles(repository, commit).read(PATHS.meta) or b"", PATHS.meta)["frame"]

    _swap(patch, lambda repository, at, old: at if clock(repository, at) == clock(repository, old) else old)


def no_lease(patch: Patch, explorer: Explorer) -> None:
    _swap(patch, lambda repository, at, old: at)


def _swap(patch: Patch, expected: Callable[[Repository, str, str], str]) -> None:
    whole = Repository.compare_and_swap

    def swap(self: Repository, ref: str, new: str, old: str | None, message: str = "") -> bool:
        at = self.resolve(ref)
        if ref == BRANCH and at is not None and old is not None:
            old = expected(self, at, old)
        return whole(self, ref, new, old)

    patch.setattr(Repository, "compare_and_swap", swap)


def clock_stuck(patch: Patch, explorer: Explorer) -> None:
    whole = snapshot.Meta
    patch.setattr(snapshot, "Meta", lambda number, as_of, manifest: whole(number - 1, as_of, manifest))


def race_replayed(patch: Patch, explorer: Explorer) -> None:
    def replayed(tip: Any, repository: Repository, transport: Any, publisher: Any, now: Any) -> frame.Result:
        result = frame.run_frame(repository, tip(), transport, publisher, now)
        while result.published.operation == "contended" and result.frame is not None:
            result.frame.base = repository.resolve(BRANCH) or ""
            result.published = publisher.publish(result.frame)
        return result

    patch.setattr(frame, "run_until_settled", replayed)


def failure_is_done(patch: Patch, explorer: Explorer) -> None:
    whole = CommitPublisher.publish

    def publish(self: CommitPublisher, made: snapshot.Frame) -> Published:
        whole(self, made)
        return Published("pushed")

    patch.setattr(CommitPublisher, "publish", publish)


def edit_unnoticed(patch: Patch, explorer: Explorer) -> None:
    patch.setattr(collect, "_refuse_foreign_edits", lambda *arguments: None)


def undone_unkept(patch: Patch, explorer: Explorer) -> None:
    whole = foreign._told

    def told(*arguments: Any) -> Any:
        row, receipt = whole(*arguments)
        row.pop("file", None)
        return row, receipt

    patch.setattr(foreign, "_told", told)


def no_fence(patch: Patch, explorer: Explorer) -> None:
    patch.setattr(gate, "fenced", lambda delta, workers, known: None)


def missing_accepted(patch: Patch, explorer: Explorer) -> None:
    _fence(patch, lambda whole, delta, workers, known: delta.epoch and whole(delta, workers, known))


def fenced_let_in(patch: Patch, explorer: Explorer) -> None:
    whole = Ledger.entry

    def entry(self: Ledger, number: int, digest: str) -> Any:
        line = whole(self, number, digest)
        return line._replace(outcome=Outcome.QUARANTINED) if line and line.outcome == Outcome.FENCED else line

    patch.setattr(Ledger, "entry", entry)
    _fence(patch, lambda fenced, delta, workers, known: None if known else fenced(delta, workers, known))


def release_keeps_epoch(patch: Patch, explorer: Explorer) -> None:
    whole = leases._end

    def end(request: Any, reason: Reason, name: str, worker: Any) -> Any:
        decision = whole(request, reason, name, worker)
        worker.epoch -= reason == Reason.RELEASED
        return decision

    patch.setattr(leases, "_end", end)


def epochs_kept(patch: Patch, explorer: Explorer) -> None:
    def fenced(whole: Any, delta: Delta, workers: Workers, known: Any) -> Any:
        if explorer.running is None:
            return whole(delta, workers, known)
        return whole(delta, Workers.read(CommitFiles(explorer.repository, explorer.running.first), PATHS), known)

    _fence(patch, fenced)


def judged_after(patch: Patch, explorer: Explorer) -> None:
    whole = admit.admit

    def judged(arrived: Any, ledger: Ledger, workers: Workers, moment: Any) -> admit.Admission:
        arrived = list(arrived)
        for _, delta in arrived:
            ends = isinstance(delta, Delta) and [one for one in delta.control if one.op == "release"]
            if ends and workers.of(delta.stream_id).lease == HELD:
                later[delta.stream_id] = delta.digest
        return whole(arrived, ledger, workers, moment)

    def fenced(whole: Any, delta: Delta, workers: Workers, known: Any) -> Any:
        if later.get(delta.stream_id, delta.digest) != delta.digest:
            workers = copy.deepcopy(workers)
            workers.of(delta.stream_id).lease = ENDED
        return whole(delta, workers, known)

    later: dict[str, str] = {}
    patch.setattr(frame, "admit", judged)
    _fence(patch, fenced)


def reclaim_unnamed(patch: Patch, explorer: Explorer) -> None:
    whole = leases._stale

    def stale(request: Any, name: str, epoch: int, worker: Any) -> Any:
        if request.op == "reclaim" and worker.lease == HELD:
            return None
        return whole(request, name, epoch, worker)

    patch.setattr(leases, "_stale", stale)


def _fence(patch: Patch, fenced: Callable[[Any, Delta, Workers, Any], Any]) -> None:
    whole = gate.fenced
    patch.setattr(gate, "fenced", lambda delta, workers, known: fenced(whole, delta, workers, known) or None)


MUTANTS: dict[str, tuple[Mutate, str]] = {
    one.__name__: (one, scenario)
    for one, scenario in (
        (no_ledger, "the same bytes again"),
        (copies_counted, "the same bytes twice"),
        (slot_refilled, "two contents for one slot"),
        (tip_only, "two contents for one slot"),
        (held_dropped, "ahead of the open frame"),
        (inbox_swept, "ahead in the inbox"),
        (marked_at_push, "a delta branch"),
        (loser_applied, "two contents for one slot"),
        (two_commits, "the same bytes again"),
        (lease_by_clock, "a person's edit"),
        (no_lease, "the same bytes again"),
        (clock_stuck, "the same bytes again"),
        (race_replayed, "a person's edit"),
        (failure_is_done, "two contents for one slot"),
        (edit_unnoticed, "a person's edit"),
        (undone_unkept, "a person's edit, undone"),
        (no_fence, "a zombie"),
        (missing_accepted, "a zombie that knows of no epoch"),
        (fenced_let_in, "a zombie that comes again"),
        (release_keeps_epoch, "a zombie and an heir"),
        (epochs_kept, "a zombie"),
        (judged_after, "a zombie"),
        (reclaim_unnamed, "a late reclaim"),
    )
}
"""Each mutant of the model by its name, and in which scenario it is caught."""
