"""Pure. Decisions in words: what each request of a delta asked for, and what the merge said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from merge_bot.control_schema import CONTROL
from merge_bot.findings import OperationReceipt, Outcome, Receipt
from merge_bot.page import Item
from merge_bot.wording import counted, printable

MANY_DECISIONS = 20


def decision_lines(receipt: Receipt) -> Iterator[str]:
    """What a delta asked the merge to decide, and what was decided; a line each."""
    for one in receipt.operations[:MANY_DECISIONS]:
        if one.collection == CONTROL:
            yield decision_line(one)
    if len(receipt.operations) > MANY_DECISIONS and receipt.operations[-1].collection == CONTROL:
        yield f"and more: {counted(len(receipt.operations) - MANY_DECISIONS, 'operation')}"


def disabled_items(control: Iterable[Mapping[str, Any]] | None) -> list[Item]:
    """The workers that the breaker stopped in a frame, by its manifest's `control`."""
    names = [str(one["worker"]) for one in control or () if one["op"] == "disable"]
    return [disabled_item(name) for name in names]


def disabled_item(name: str) -> Item:
    """A worker that the breaker stopped, and what to do."""
    how = f"once it is mended: dreamcatcher worker enable {printable(name)} --requeue"
    return Item(f"{printable(name)}: what it sends waits in quarantine, unread", [how])


def decision_line(operation: OperationReceipt) -> str:
    """One decision in words: "claim of w1: claimed, epoch 3"."""
    detail = operation.detail
    about = detail.get("worker") or (f"delta {str(detail['delta'])[:12]}" if "delta" in detail else "")
    what = f"{detail['op']} of {about}" if about else str(detail["op"])
    if operation.outcome != Outcome.APPLIED:
        return printable(f"{what}: {operation.outcome}, {operation.reason}. {detail.get('why', '')}".rstrip())
    epoch = f", epoch {detail['epoch']}" if "epoch" in detail else ""
    why = f": {detail['reason']}" if "reason" in detail else ""
    return printable(f"{what}: {operation.reason}{epoch}{why}")
