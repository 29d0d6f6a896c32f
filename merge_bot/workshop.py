"""Pure. The quarantine as a workshop: deltas that were refused are put up again, amended, or dropped for good.

The ledger decides, because it is part of the proven state; a frame's archive only tells where bytes lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from merge_bot import control_letters as letters
from merge_bot.admit import Moment, ledger_frame
from merge_bot.canonical import document
from merge_bot.control import Decision, Office, applied, refused
from merge_bot.delta import FILE_NAME, Candidate, Delta, Request, file_name
from merge_bot.errors import UnreadableState
from merge_bot.findings import REFUSED_OUTCOMES, Outcome, Problem, Reason, Receipt, Recover, Rejection
from merge_bot.ledger import FILLS_ITS_SLOT, Line
from merge_bot.manifest import Manifest, read_manifest
from merge_bot.tree import FILE, Entry
from merge_bot.validate import given, validate

AMENDS = "amends"
Row = Mapping[str, Any]
_MANY = 5


class Case(NamedTuple):
    """A delta that was set aside: its row in the archive of `kept_in`, its line of the ledger, under frame `filed`."""

    row: Row
    filed: int
    line: Line
    kept_in: Manifest


def retry(office: Office, request: Request) -> Decision:
    """Put a quarantined delta into the inbox once more: the next frame looks at it as at any other."""
    case = _quarantined(office, request)
    return case if isinstance(case, Decision) else _put_up(office, request, case)


def requeue(office: Office, request: Request) -> Decision:
    """Put a delta that a rollback undid into the inbox once more."""
    case = _undone(office, request)
    return case if isinstance(case, Decision) else _put_up(office, request, case)


def drop(office: Office, request: Request) -> Decision:
    """Settle a quarantined delta for good: the same bytes never come in again. They stay in the archive.

    A delta that is held for a frame to come is withdrawn so as well; then `frame` is its own.
    """
    asked = (request.content["delta"], request.content["frame"])
    held = next((one for one in office.admission.held if (one.digest, one.frame) == asked), None)
    if held is not None:
        return _withdraw(office, request, held)
    case = _quarantined(office, request)
    if isinstance(case, Decision):
        return case
    frames = file_under(office, case, Outcome.DROPPED)
    target, reason = str(request.content["delta"]), str(request.content["reason"])
    effect = {"delta": target, "ledger": frames}
    return applied(request, Reason.DROPPED, effect, {"delta": target, "frame": case.kept_in.frame, "reason": reason})


def _withdraw(office: Office, request: Request, delta: Delta) -> Decision:
    reason = str(request.content["reason"])
    office.admission.held.remove(delta)
    receipt = Receipt(
        delta.digest, delta.candidate.path, Outcome.DROPPED, delta.frame, delta.stream_id, delta.utc, Reason.DROPPED
    )
    office.admission.settled.append((delta.candidate, receipt))
    line = Line(delta.digest, Outcome.DROPPED, office.moment.frame, delta.stream_id, delta.run)
    office.ledger.add(delta.frame, line)
    effect = {"delta": delta.digest, "ledger": [delta.frame]}
    return applied(request, Reason.DROPPED, effect, {"delta": delta.digest, "frame": delta.frame, "reason": reason})


def amend(office: Office, request: Request) -> Decision:
    """Put up another delta in the place of a quarantined one, which is settled by that: at most one of them counts.

    The amended delta names its original (`_meta.amends`), and so does its line of the ledger. It has to be a delta that
    may enter, of the same worker; of which lease is not asked, because an operator answers for it.
    """
    case = _quarantined(office, request)
    if isinstance(case, Decision):
        return case
    target = str(request.content["delta"])
    verdict = validate(given("the amended delta", linked(request.content["with"], target)), office.rules)
    problems = verdict.problems if isinstance(verdict, Rejection) else _of_another(case.row, verdict)
    if isinstance(verdict, Rejection) or problems:
        told = [f"{one.pointer}: {one.message}" if one.pointer else one.message for one in problems[:_MANY]]
        why = letters.bad_amendment(target, told, len(problems) - len(told))
        return refused(request, Reason.BAD_AMENDMENT, Recover.RESUBMIT, why)
    new, filed = verdict.digest, min(verdict.frame, office.moment.frame)
    frames = file_under(office, case, Outcome.AMENDED, verdict.frame, by=new)
    line = Line(new, Outcome.AMENDED, office.moment.frame, verdict.stream_id, verdict.run, requeued=True, amends=target)
    for frame in {filed, verdict.frame}:
        office.ledger.add(frame, line)
    name = file_name(verdict.frame, verdict.stream_id, new[:32])
    office.put_up[f"{office.paths.inbox}/{name}"] = verdict.candidate.data
    effect = {"delta": target, "ledger": frames, "amended": new, "filed": sorted({filed, verdict.frame})}
    detail = {"delta": target, "frame": case.kept_in.frame, "amended": new}
    return applied(request, Reason.AMENDED, effect, detail)


def linked(content: Mapping[str, Any], original: str) -> bytes:
    """The bytes of an amended delta, which names its original."""
    meta = content.get("_meta")
    meta = {**meta, AMENDS: original} if isinstance(meta, dict) else meta or {AMENDS: original}
    return document({**content, "_meta": meta})


def file_under(office: Office, case: Case, outcome: Outcome, *more: int, by: str | None = None) -> list[int]:
    """Settle a case. Returns the frames whose ledger says so: its own, also if that is yet to come, and `more`."""
    frames = sorted({case.filed, int(case.row.get("frame", case.filed)), *more})
    for frame in frames:
        line = case.line._replace(outcome=outcome, merged_in=office.moment.frame, fills=False, requeued=False)
        office.ledger.add(frame, line._replace(amended_by=by))
    return frames


def _of_another(row: Row, delta: Delta) -> tuple[Problem, ...]:
    """What is wrong if an amended delta is not of its original's worker, as far as that is known."""
    named = FILE_NAME.match(str(row["source"]).rpartition("/")[2])
    whose = row.get("stream_id") or (named["stream_id"] if named else None)
    if whose in (None, delta.stream_id):
        return ()
    letter = letters.of_another(delta.stream_id, str(whose))
    return (Problem("", 0, "/stream_id", Reason.BAD_AMENDMENT, *letter),)


def _put_up(office: Office, request: Request, case: Case) -> Decision:
    target = str(request.content["delta"])
    kept = _archived(office, case)
    if kept is None:
        why = letters.bytes_not_at_hand(target, case.kept_in.frame, case.row.get("branch"), case.row.get("commit"))
        return refused(request, Reason.BYTES_NOT_AT_HAND, Recover.RESUBMIT, why)
    office.ledger.add(case.filed, case.line._replace(requeued=True))
    path = f"{office.paths.inbox}/{_name(case.row)}"
    office.put_up[path] = kept
    effect = {"delta": target, "ledger": [case.filed]}
    return applied(request, Reason.PUT_UP_AGAIN, effect, {"delta": target, "frame": case.kept_in.frame})


def _quarantined(office: Office, request: Request) -> Case | Decision:
    """The quarantined delta that a request names; or why nothing can be decided about it."""
    frame, target = int(request.content["frame"]), str(request.content["delta"])
    manifest = _manifest(office, frame)
    rows = [one for one in (manifest.deltas if manifest else ()) if one["delta"] == target]
    row = next((one for one in rows if one["outcome"] in REFUSED_OUTCOMES), None)
    if manifest is None or row is None:
        why = letters.not_in_quarantine(target, frame)
        return refused(request, Reason.NOT_IN_QUARANTINE, Recover.ASK_OPERATOR, why)
    filed = ledger_frame(Candidate(row["source"], "", "", 0, None, target), row.get("frame"), Moment(frame, 0, 0))
    return _open_case(office, request, row, filed, manifest)


def _undone(office: Office, request: Request) -> Case | Decision:
    """The delta that a rollback undid; or why nothing can be decided about it."""
    frame, target = int(request.content["frame"]), str(request.content["delta"])
    found = _undone_in(office, frame, target)
    if found is None:
        why = letters.not_undone(target, frame)
        return refused(request, Reason.NOT_UNDONE, Recover.ASK_OPERATOR, why)
    kept, filed, kept_in = found
    return _open_case(office, request, kept, filed, kept_in, settled_in=frame)


def _undone_in(office: Office, frame: int, target: str) -> tuple[Row, int, Manifest] | None:
    """Of a delta that the rollback `frame` undid: its row in the archive, the frame of its own, and who keeps it."""
    manifest = _manifest(office, frame)
    undone = manifest.rollback["undone"] if manifest and manifest.rollback else ()
    row = next((one for one in undone if one["delta"] == target), None)
    kept_in = _manifest(office, row["merged_in"]) if row else None
    rows = (one for one in (kept_in.deltas if kept_in else ()) if one["delta"] == target)
    kept = next((one for one in rows if one["outcome"] in FILLS_ITS_SLOT), None)
    return (kept, row["frame"], kept_in) if row and kept and kept_in else None


def _asked_back(office: Office) -> Iterator[Row]:
    """The rows of all deltas that this frame is asked to put up again, and that lie on delta branches."""
    for delta in office.admission.admitted:
        for one in delta.control:
            if one.op == "requeue":
                found = _undone_in(office, int(one.content["frame"]), str(one.content["delta"]))
                if found is not None and "file" not in found[0]:
                    yield found[0]


def _open_case(
    office: Office, request: Request, row: Row, filed: int, kept_in: Manifest, settled_in: int | None = None
) -> Case | Decision:
    """The case, if nobody has decided it since. `settled_in` is the frame that set it aside."""
    target = str(row["delta"])
    line = office.ledger.entry(filed, target)
    if office.arrived(target):
        return refused(request, Reason.ARRIVED_AGAIN, Recover.NONE, letters.arrived_again(target))
    if line is not None and line.requeued:
        return refused(request, Reason.DECIDED_BEFORE, Recover.NONE, letters.up_already(target))
    if line is None or line.merged_in != (kept_in.frame if settled_in is None else settled_in):
        since, outcome = (line.merged_in, line.outcome) if line else (kept_in.frame, "unknown")
        why = letters.decided_before(target, outcome, since)
        return refused(request, Reason.DECIDED_BEFORE, Recover.NONE, why)
    return Case(row, filed, line, kept_in)


def _manifest(office: Office, frame: int) -> Manifest | None:
    """A frame's manifest; None if there is none here that can be read."""
    try:
        return read_manifest(office.files, office.paths, frame)
    except UnreadableState:
        return None


def _archived(office: Office, case: Case) -> Entry | None:
    """The archived file, if it is in the tree still; or what lies on a delta branch, if that can be had."""
    if "file" not in case.row:
        blob = case.row.get("blob")
        return Entry(FILE, blob) if blob and office.found(case.row, lambda: _asked_back(office)) else None
    entry = office.files.entry(case.row["file"])
    return entry if entry is not None and entry.is_file else None


def _name(row: Row) -> str:
    """The name under which a delta is put up: one that nobody else uses."""
    short = str(row["delta"])[:32]
    named = FILE_NAME.match(str(row["source"]).rpartition("/")[2])
    frame, stream_id = row.get("frame"), row.get("stream_id")
    if frame is not None and stream_id is not None:
        return file_name(frame, stream_id, short)
    return file_name(int(named["frame"]), named["stream_id"], short) if named else f"{short}.json"
