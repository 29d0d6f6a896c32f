"""Pure. The quarantine as a workshop: deltas that were refused are put up again, or dropped for good.

The ledger decides, because it is part of the proven state; a frame's archive only tells where bytes lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from merge_bot import control_letters as letters
from merge_bot.admit import Moment, ledger_frame
from merge_bot.control import Decision, Office, applied, refused
from merge_bot.delta import FILE_NAME, Candidate, Request, file_name
from merge_bot.errors import UnreadableState
from merge_bot.findings import REFUSED_OUTCOMES, Outcome, Reason, Recover
from merge_bot.ledger import Line
from merge_bot.manifest import Manifest, read_manifest
from merge_bot.tree import Entry

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
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
    """Settle a quarantined delta for good: the same bytes never come in again. They stay in the archive."""
    case = _quarantined(office, request)
    if isinstance(case, Decision):
        return case
    frames = file_under(office, case, Outcome.DROPPED)
    target, reason = str(request.content["delta"]), str(request.content["reason"])
    effect = {"delta": target, "ledger": frames}
    return applied(request, Reason.DROPPED, effect, {"delta": target, "frame": case.kept_in.frame, "reason": reason})


def file_under(office: Office, case: Case, outcome: Outcome) -> list[int]:
    """Settle a case. Returns the frames whose ledger says so: also the delta's own, if that is yet to come."""
    frames = sorted({case.filed, int(case.row.get("frame", case.filed))})
    for frame in frames:
        line = replace(case.line, outcome=outcome, merged_in=office.moment.frame, fills=False, requeued=False)
        office.ledger.add(frame, line)
    return frames


def _put_up(office: Office, request: Request, case: Case) -> Decision:
    target = str(request.content["delta"])
    kept = _archived(office, case)
    if kept is None:
        why = letters.bytes_not_at_hand(target, case.kept_in.frame)
        return refused(request, Reason.BYTES_NOT_AT_HAND, Recover.RESUBMIT, why)
    office.ledger.add(case.filed, replace(case.line, requeued=True))
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
    manifest = _manifest(office, frame)
    undone = manifest.rollback["undone"] if manifest and manifest.rollback else ()
    row = next((one for one in undone if one["delta"] == target), None)
    kept_in = _manifest(office, row["merged_in"]) if row else None
    kept = next((one for one in (kept_in.deltas if kept_in else ()) if one["delta"] == target and "file" in one), None)
    if row is None or kept_in is None or kept is None:
        why = letters.not_undone(target, frame)
        return refused(request, Reason.NOT_UNDONE, Recover.ASK_OPERATOR, why)
    return _open_case(office, request, kept, row["frame"], kept_in, settled_in=frame)


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
    """The archived file, if it is in the tree still."""
    entry = office.files.entry(str(case.row.get("file")))
    return entry if entry is not None and entry.is_file else None


def _name(row: Row) -> str:
    """The name under which a delta is put up: one that nobody else uses."""
    short = str(row["delta"])[:32]
    named = FILE_NAME.match(str(row["source"]).rpartition("/")[2])
    frame, stream_id = row.get("frame"), row.get("stream_id")
    if frame is not None and stream_id is not None:
        return file_name(frame, stream_id, short)
    return file_name(int(named["frame"]), named["stream_id"], short) if named else f"{short}.json"
