"""Pure. Which deltas enter this frame: duplicates, slots, frames that are not open yet, clocks that run ahead.

A delta that stays out gets its receipt here. What is admitted may depend on the frame; what the admitted ones make
of the state does not depend on their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from merge_bot import gate, letters
from merge_bot.delta import FILE_NAME, Candidate, Delta
from merge_bot.findings import REFUSED_OUTCOMES, Outcome, Problem, Reason, Receipt, Recover, Rejection
from merge_bot.ledger import Ledger
from merge_bot.validate import check_name
from merge_bot.workers import Workers


class Moment(NamedTuple):
    """When the merge looks: the open frame, its clock in microseconds, and how far ahead a clock may run.

    At `most` so many deltas enter one frame (0: all of them).
    """

    frame: int
    now: int
    tolerance: int
    most: int = 0


@dataclass(slots=True)
class Admission:
    """`admitted` in the order of their rank; `settled` has a receipt for each other delta; `held` wait outside.
    `left` are more than one frame takes: they come with the next.

    `alive` are the holders of leases of whom there is a delta.
    """

    admitted: list[Delta] = field(default_factory=list)
    settled: list[tuple[Candidate, Receipt]] = field(default_factory=list)
    held: list[Delta] = field(default_factory=list)
    alive: set[str] = field(default_factory=set)
    left: list[Candidate] = field(default_factory=list)


def ledger_frame(candidate: Candidate, frame: int | None, moment: Moment) -> int:
    """Under which frame a delta stands in the ledger: its own; what it is named for; or the open one."""
    if frame is None and (named := FILE_NAME.match(candidate.path.rpartition("/")[2])):
        frame = int(named["frame"])
    return moment.frame if frame is None else min(frame, moment.frame)


def asked_frames(arrived: Iterable[tuple[Candidate, Delta | Rejection]], moment: Moment) -> set[int]:
    """The frames whose part of the ledger `admit` looks into."""
    own = {verdict.frame for _, verdict in arrived if verdict.frame is not None}
    return own | {ledger_frame(candidate, verdict.frame, moment) for candidate, verdict in arrived}


def admit(
    arrived: Iterable[tuple[Candidate, Delta | Rejection]], ledger: Ledger, workers: Workers, moment: Moment
) -> Admission:
    """Sort what arrived into admitted, settled and held.

    Bytes that were refused before are looked at again, because their name, the clock or a schema may be right by now;
    not those of an ended lease.
    """
    admission = Admission()
    deltas: list[Delta] = []
    for candidate, verdict in _one_of_each(arrived, admission):
        known = ledger.entry(ledger_frame(candidate, verdict.frame, moment), candidate.digest)
        if verdict.frame is not None and verdict.frame > moment.frame:
            known = known or ledger.entry(verdict.frame, candidate.digest)  # dropped or amended before its frame came
        if known and known.outcome != Outcome.QUARANTINED and not known.requeued:
            receipt = _receipt(candidate, verdict, Outcome.DUPLICATE, Reason.ALREADY_MERGED)
            receipt.notes.append(letters.already_settled(known.outcome, known.merged_in))
            receipt.recover = Recover.CLAIM_AGAIN if known.outcome == Outcome.FENCED else Recover.NONE
            admission.settled.append((candidate, receipt))
        elif gate.is_disabled(verdict.stream_id, workers):
            problem = gate.waits(candidate.path, str(verdict.stream_id), workers)
            _refuse(admission, candidate, verdict, (problem,), Recover.ASK_OPERATOR)
        elif isinstance(verdict, Rejection):
            _refuse(admission, candidate, verdict, verdict.problems, verdict.recover)
        elif misnamed := check_name(candidate.path, verdict):
            _refuse(admission, candidate, verdict, (misnamed,))
        elif verdict.frame > moment.frame:
            admission.held.append(verdict)
        elif verdict.instant > moment.now + moment.tolerance:
            ahead = (verdict.instant - moment.now) / 1_000_000
            _refuse(admission, candidate, verdict, (letters.clock_ahead(candidate.path, verdict.utc, ahead),))
        elif outdated := gate.fenced(verdict, workers, known):
            _refuse(admission, candidate, verdict, (outdated,), Recover.CLAIM_AGAIN, Outcome.FENCED)
        else:
            deltas.append(verdict)
    deltas = _not_too_many(deltas, moment.most, admission)
    admission.alive = {delta.stream_id for delta in deltas if gate.holds_lease(delta, workers)}
    deltas = _one_spelling(deltas, set(workers.delivered()), admission)
    _fill_slots(deltas, ledger, admission)
    _refused_before(ledger, admission, moment)
    admission.admitted.sort(key=lambda delta: delta.origin)
    return admission


def _one_of_each(
    arrived: Iterable[tuple[Candidate, Delta | Rejection]], admission: Admission
) -> Iterable[tuple[Candidate, Delta | Rejection]]:
    """One candidate a digest, the one with the fitting name first; copies under other names are duplicates."""
    by_digest: dict[str, list[tuple[Candidate, Delta | Rejection]]] = {}
    for one in arrived:
        by_digest.setdefault(one[0].digest, []).append(one)
    for digest in sorted(by_digest):
        copies = sorted(by_digest[digest], key=lambda one: (_odd_name(*one), not one[0].at_tip, one[0].path))
        yield copies[0]
        others = {one.path: (one, verdict) for one, verdict in copies if one.path != copies[0][0].path}
        for candidate, verdict in others.values():
            receipt = _receipt(candidate, verdict, Outcome.DUPLICATE, Reason.SAME_BYTES)
            receipt.notes.append(letters.copy_of(copies[0][0].path))
            admission.settled.append((candidate, receipt))


def _not_too_many(deltas: list[Delta], most: int, admission: Admission) -> list[Delta]:
    """As many as one frame takes, those of the smallest rank first, so that none waits for ever; all versions of a slot
    and all copies of a delta stay together. Nothing else may have been decided about these deltas yet: a replay sees
    only those that entered.
    """
    if not most or len(deltas) <= most:
        return deltas
    slots: dict[tuple[int, str, str | None], list[Delta]] = {}
    for delta in sorted(deltas, key=lambda one: one.origin):
        slots.setdefault(delta.slot, []).append(delta)
    taken: set[str] = set()
    for versions in slots.values():
        if taken and len(taken) + len(versions) > most:
            break
        taken.update(one.digest for one in versions)
    left = {one.digest: one.candidate for one in deltas if one.digest not in taken}
    admission.left = list(left.values())
    copies = [candidate for candidate, _ in admission.settled if candidate.digest in left]
    admission.settled = [one for one in admission.settled if one[0].digest not in left]
    # A copy whose name is no delta's lies where it lies, or says nothing that the delta itself does not.
    admission.left += [one for one in copies if FILE_NAME.match(one.path.rpartition("/")[2])]
    return [one for one in deltas if one.digest in taken]


def _odd_name(candidate: Candidate, verdict: Delta | Rejection) -> bool:
    return isinstance(verdict, Rejection) or check_name(candidate.path, verdict) is not None


def _one_spelling(deltas: Sequence[Delta], known: set[str], admission: Admission) -> list[Delta]:
    """Refuse ids that differ only in case from a known worker's, or from one that wrote earlier in this frame."""
    spelling = {name.lower(): name for name in sorted(known)}
    for delta in sorted(deltas, key=lambda one: one.origin):
        spelling.setdefault(delta.stream_id.lower(), delta.stream_id)
    kept = []
    for delta in deltas:
        right = spelling[delta.stream_id.lower()]
        if right == delta.stream_id or delta.stream_id in known:
            kept.append(delta)
        else:
            problem = letters.differs_in_case(delta.candidate.path, delta.stream_id, right)
            _refuse(admission, delta.candidate, delta, (problem,))
    return kept


def _fill_slots(deltas: Sequence[Delta], ledger: Ledger, admission: Admission) -> None:
    """One delta a slot: of several versions the greatest (utc, digest) that is not empty counts."""
    slots: dict[tuple[int, str, str | None], list[Delta]] = {}
    for delta in deltas:
        if delta.is_fallback:
            receipt = _receipt(delta.candidate, delta, Outcome.FALLBACK, Reason.NOTHING_TO_SAY)
            admission.settled.append((delta.candidate, receipt))
        else:
            slots.setdefault(delta.slot, []).append(delta)
    for slot, versions in slots.items():
        versions.sort(key=lambda one: (not one.is_empty, one.instant, one.digest))
        chosen = versions.pop()
        filled = not chosen.is_empty and ledger.slot_filled(*slot)
        if filled:
            _refuse_slot(admission, chosen, Reason.SLOT_ALREADY_MERGED)
        else:
            admission.admitted.append(chosen)
        for other in versions:
            if filled and not other.is_empty:
                _refuse_slot(admission, other, Reason.SLOT_ALREADY_MERGED)
            elif other.run is not None or other.is_empty:
                receipt = _receipt(other.candidate, other, Outcome.SUPERSEDED, Reason.NEWER_VERSION)
                receipt.notes.append(letters.superseded_by(chosen.digest))
                admission.settled.append((other.candidate, receipt))
            else:
                _refuse_slot(admission, other, Reason.SLOT_REUSED)


def _refuse_slot(admission: Admission, delta: Delta, reason: Reason) -> None:
    problem = letters.slot_taken(delta.candidate.path, delta.frame, delta.stream_id, delta.run, reason)
    _refuse(admission, delta.candidate, delta, (problem,))


def _refuse(
    admission: Admission,
    candidate: Candidate,
    verdict: Delta | Rejection,
    problems: tuple[Problem, ...],
    recover: Recover = Recover.RESUBMIT,
    outcome: Outcome = Outcome.QUARANTINED,
) -> None:
    receipt = _receipt(candidate, verdict, outcome, problems[0].reason)
    receipt.problems, receipt.recover = problems, recover
    admission.settled.append((candidate, receipt))


def _refused_before(ledger: Ledger, admission: Admission, moment: Moment) -> None:
    """Bytes that are refused once more are in quarantine already: one copy of them is enough."""
    for candidate, receipt in admission.settled:
        known = ledger.entry(ledger_frame(candidate, receipt.frame, moment), candidate.digest)
        if known and not known.requeued and receipt.outcome in REFUSED_OUTCOMES:
            receipt.outcome, receipt.reason = Outcome.DUPLICATE, Reason.ALREADY_MERGED
            receipt.notes.append(letters.already_settled(known.outcome, known.merged_in))


def _receipt(candidate: Candidate, verdict: Delta | Rejection, outcome: Outcome, reason: Reason) -> Receipt:
    return Receipt(
        digest=candidate.digest,
        source=candidate.path,
        outcome=outcome,
        reason=reason,
        frame=verdict.frame,
        stream_id=verdict.stream_id,
        utc=verdict.utc,
    )
