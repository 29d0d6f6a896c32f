"""Pure. A frame that settled other hands' changes, in words: which files, who, when, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from merge_bot.manifest import ADOPT
from merge_bot.page import Item
from merge_bot.wording import counted, printable

if TYPE_CHECKING:
    from merge_bot.snapshot import Frame


def edits_headline(frame: Frame) -> str:
    """What a frame made of other hands' changes."""
    files = counted(len(frame.manifest.edits or ()), "file")
    done = "taken in" if frame.manifest.kind == ADOPT else "put back as it was, and what it said kept"
    return f"{files} that another hand had changed, {done}"


def edit_items(frame: Frame) -> Iterator[Item]:
    """The files that another hand had changed, with who, when, and where reverted bytes are kept."""
    for row in frame.manifest.edits or ():
        lines = [f"by {printable(row['author'])} in {row['commit'][:10]} on {row['date']}"] if row["commit"] else []
        lines += [f"kept as {printable(row['file'])}"] if "file" in row else []
        what = "added" if row["before"] is None else "removed" if row["after"] is None else "changed"
        yield Item(f"{printable(row['path'])}: {what}", lines)
