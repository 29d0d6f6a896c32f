"""Pure. The quarantine as pages for people."""

from __future__ import annotations

from collections.abc import Sequence

from merge_bot.page import Item, Page, some
from merge_bot.quarantine import Case
from merge_bot.report import problem_lines, quarantined_item
from merge_bot.wording import counted, printable

_LINES = 200
_WIDTH = 500


def cases_page(found: Sequence[Case], frame: int, looked: int) -> Page:
    """What waits, of the `looked` frames before the open one, `frame`."""
    wait = "waits" if len(found) == 1 else "wait"
    page = Page(f"{counted(len(found), 'delta')} of the newest {counted(looked, 'frame')} {wait} in quarantine.")
    for number in sorted({one.kept_in for one in found}, reverse=True):
        page.add(f"Frame {number}", some([_item(one) for one in found if one.kept_in == number]), "doubt")
    if found:
        page.closing.append("Look at one: dreamcatcher quarantine show DIGEST (then retry, amend or drop it).")
    return page


def case_page(case: Case, data: bytes | None) -> Page:
    """One delta: its letters and its bytes."""
    receipt = case.receipt
    page = Page(f"Delta {case.digest}: {receipt.outcome}, {receipt.reason}.", tone="doubt")
    about = {"came as": receipt.source, "worker": receipt.stream_id, "of frame": receipt.frame, "utc": receipt.utc}
    known = [Item(f"{name}: {printable(str(value))}") for name, value in about.items() if value is not None]
    page.add("What is known of it", [*known, Item(f"kept as {printable(case.file)}")])
    letters = [Item(line) for one in receipt.problems for line in problem_lines(one, receipt.source)]
    page.add("Why it was refused", some([*letters, *(Item(printable(note)) for note in receipt.notes)]), "bad")
    page.add("Its content", [Item(line) for line in _content(data)])
    short = case.digest[:12]
    page.closing = [
        f"Look at it once more: dreamcatcher quarantine retry {short}",
        f"Another in its place: dreamcatcher quarantine amend {short} FILE",
        f"Never let it in:      dreamcatcher quarantine drop {short} --reason TEXT",
    ]
    return page


def _item(case: Case) -> Item:
    item = quarantined_item(case.receipt, None)
    return Item(f"{case.digest[:12]}  {item.head}: {case.receipt.reason}", item.lines)


def _content(data: bytes | None) -> list[str]:
    if data is None:
        return ["its bytes are not in this clone"]
    lines = data.decode("utf-8", "backslashreplace").splitlines() or ["(no bytes)"]
    shown = [printable(one if len(one) <= _WIDTH else f"{one[:_WIDTH]}…") for one in lines[:_LINES]]
    more = len(lines) - len(shown)
    return [*shown, *([f"and {counted(more, 'more line')} (--raw prints all)"] if more else [])]
