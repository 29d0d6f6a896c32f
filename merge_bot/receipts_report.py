"""Pure. A worker's receipts as a page for people, and as data for programs.

The data (`receipts --json`) is stable; keys are added, never changed:

    worker      whose receipts these are
    open_frame  the frame that is open, as far as this copy knows
    as_of       when the newest frame was merged
    frames      the frames that were looked into, the newest first
    receipts    as in receipts.jsonl, each with merged_in (the frame that settled it) and kept (where its bytes are)
    waiting     the worker's records that wait now, as in parked.jsonl
    conflicts   the open ones that it has a part in, as in `merge --json`
    pending     its files in the inbox, not merged yet
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from merge_bot.canonical import spelled
from merge_bot.control_schema import CONTROL
from merge_bot.decisions_report import decision_line
from merge_bot.findings import OperationReceipt, Outcome, Reason, Recover
from merge_bot.page import MANY, Item, Page, some, value_text
from merge_bot.report import conflict_data, conflict_item, parked_items, problem_lines, waits_for
from merge_bot.wording import counted, named, printable
from merge_bot.worker_receipts import Settled, Told

RECOVERY = {
    Recover.RESUBMIT: "correct what the letters name, and send it in a new delta",
    Recover.REFETCH_AND_RECOMPUTE: "read what stands now, compute again from that, and send the result",
    Recover.CLAIM_AGAIN: "the lease ended: claim again, and send the work under the new epoch",
    Recover.FIX_SCHEMA: "the schema or the settings have to change first; then send it again",
    Recover.WAIT_FOR_TARGET: "nothing, if what it waits for is on its way; else send that too",
    Recover.ASK_OPERATOR: "a person decides between the values; nothing that is sent settles it",
}


def receipts_data(told: Told) -> dict[str, Any]:
    """What a worker is told, as the data that the head of this file describes."""
    return {
        "worker": told.worker,
        "open_frame": told.open_frame,
        "as_of": told.as_of,
        "frames": told.looked,
        "receipts": [one.as_json() for one in told.receipts],
        "waiting": [one.as_json() for one in told.waiting],
        "conflicts": [conflict_data(one) for one in told.conflicts],
        "pending": [spelled(path) for path in told.pending],
    }


def receipts_page(told: Told, frame: int | None = None) -> Page:
    """What a worker is told, the newest frame first; `frame` is the one that was asked about."""
    outcomes = Counter(one.outcome.value for one in told.receipts if one.source != "parked")
    page = Page(_headline(told, frame, outcomes))
    if any(outcomes[one] for one in (Outcome.QUARANTINED, Outcome.FENCED, Outcome.UNDONE)):
        page.tone = "doubt"
    for number in told.looked:
        ones = [one for one in told.receipts if one.merged_in == number]
        page.add(f"Frame {number}", some([_item(told, one) for one in ones]))
    page.add(f"{counted(len(told.waiting), 'record')} parked now", some(parked_items(told.waiting)), "doubt")
    page.add(_title(told), some([conflict_item(one) for one in told.conflicts]), "doubt")
    page.add("Not merged yet", some([Item(printable(path)) for path in told.pending]))
    page.add("What to do", [Item(line) for line in _todo(told)], "doubt")
    page.closing.append(f"As of {told.as_of}: frame {told.open_frame} is open.")
    return page


def _headline(told: Told, frame: int | None, outcomes: Counter[str]) -> str:
    who = named(told.worker)
    if not told.receipts:
        if not told.is_known:
            guess = f" Did you mean {named(told.near)}?" if told.near else ""
            return f"Nothing of {who} was ever merged here.{guess}"
        if frame is not None and frame >= told.open_frame:
            return f"Frame {frame} is not merged yet: {who} has no receipt of it."
        return f"{who} has no receipt {_where(told, frame)}."
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()))
    return f"{counted(outcomes.total(), 'delta')} of {who} {_where(told, frame)}{': ' if counts else ''}{counts}."


def _where(told: Told, frame: int | None) -> str:
    if frame is not None:
        return f"of or in frame {frame}"
    first, last = min(told.looked, default=0), max(told.looked, default=0)
    return f"in frame {last}" if first == last else f"in frames {first} to {last}"


def _title(told: Told) -> str:
    return f"{counted(len(told.conflicts), 'open conflict')} with a part of {named(told.worker)}"


def _item(told: Told, receipt: Settled) -> Item:
    if receipt.source == "parked":
        what = f"{counted(sum(receipt.counts.values()), 'record')} no longer parked, applied now"
        return Item(f"of delta {receipt.digest[:12]} of frame {receipt.frame}: {what}")
    lines = []
    if receipt.counts and (receipt.operations or receipt.outcome in (Outcome.APPLIED, Outcome.LATE)):
        lines.append("operations: " + ", ".join(f"{count:,} {word}" for word, count in sorted(receipt.counts.items())))
    for one in receipt.operations[:MANY]:
        lines += _operation(told, receipt, one)
    if len(receipt.operations) > MANY:
        lines.append(f"and {len(receipt.operations) - MANY:,} more (--json prints all of them)")
    for problem in receipt.problems[:MANY]:
        lines += problem_lines(problem, receipt.source)
    lines += [printable(note) for note in receipt.notes]
    if receipt.kept and receipt.outcome in (Outcome.QUARANTINED, Outcome.FENCED):
        lines.append(f"kept as {printable(receipt.kept)}")
    late = f", of frame {receipt.frame}" if receipt.outcome == Outcome.LATE else ""
    return Item(f"{printable(receipt.source)}: {receipt.outcome}{late}", lines)


def _operation(told: Told, receipt: Settled, operation: OperationReceipt) -> Iterator[str]:
    """One operation that was not simply applied: what became of it, to whom it lost, what it waits for."""
    where = f"{operation.collection} at {printable(operation.pointer)}"
    detail = operation.detail
    if operation.collection == CONTROL:
        yield decision_line(operation)
    elif operation.outcome == Outcome.PARKED:
        parked = told.still_waits(receipt, operation)
        if parked is None:
            yield f"{where}: was parked, and no longer waits"
        else:
            yield f"{where}: parked"
            yield from (f"  {line}" for line in waits_for(parked))
    elif isinstance(detail.get("fields"), dict):
        for name, one in detail["fields"].items():
            yield f"{where}, {printable(name)}: {_lost(operation, one, told.winner(receipt, operation, name))}"
    elif operation.reason == Reason.DERIVED_COUNTER:
        yield f"{where}: not added, the merge counts {named(str(detail.get('counts')))} itself"
    elif operation.reason == Reason.SAME_RECORD:
        yield f"{where}: {operation.outcome}, the same is there already"
    elif "kept" in detail:
        by = detail.get("kept_from")
        whose = f"that of {named(by)}" if by else "the one that was there before"
        yield f"{where}: {operation.outcome} with {whose}, which stands: {value_text(detail['kept'])}"
    else:
        more = f" {value_text(detail)}" if detail else ""
        yield f"{where}: {operation.outcome}, {operation.reason}{more}"


def _lost(operation: OperationReceipt, one: Any, winner: str | None) -> str:
    """What became of one field of an operation."""
    if not isinstance(one, dict):
        return f"{operation.outcome} {value_text(one)}"
    wrote, stands = value_text(one.get("wrote")), value_text(one.get("stands"))
    if one.get("reason") == Reason.DERIVED_COUNTER:
        return f"{wrote} is ignored, the merge counts {named(str(one.get('counts')))} itself"
    if one.get("reason") == Reason.HELD_FOR_RESOLUTION:
        return f"{wrote} is held, {stands} stands until somebody decides"
    by = f" of {named(winner)}" if winner else ""
    if "expected" in one:
        computed = f"{wrote} was computed" if "wrote" in one else "it was computed"
        return f"{computed} from {value_text(one['expected'])}, but {stands}{by} stands"
    return f"{wrote} lost to {stands}{by} ({printable(str(one.get('reason')))})"


def _todo(told: Told) -> Iterator[str]:
    """Each way to recover that is called for now, with how many deltas and operations call for it."""
    due: Counter[str] = Counter()
    for receipt in told.receipts:
        due[receipt.recover] += 1
        for one in receipt.operations:
            if one.outcome != Outcome.PARKED or told.still_waits(receipt, one):
                due[one.recover] += 1
    for recover, count in sorted(due.items()):
        if recover in RECOVERY:
            yield f"{recover} ({count:,}): {RECOVERY[Recover(recover)]}."
