"""Pure. A rollback as its pull request's title, body and labels. What workers wrote stands in fenced blocks alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from merge_bot.proposal import LABEL, Place, Words
from merge_bot.pull_request_body import Section, fitted, made_from, proof
from merge_bot.wording import counted, printable

if TYPE_CHECKING:
    from merge_bot.snapshot import Frame


def describe_rollback(frame: Frame, place: Place) -> Words:
    """The words about a rollback; only `body` has text of workers, within GitHub's limit."""
    told = frame.manifest.rollback
    assert told is not None
    undone, restored = told["undone"], told["restored"]
    title = f"rollback frame {frame.number}: the state of frame {told['to']}, {counted(len(undone), 'delta')} undone"
    if told["requeued"]:
        later = "The undone deltas are put up again: the merge after it takes them in."
    else:
        later = "No undone delta comes back by itself, also not when somebody commits the same bytes again."
    begin = (
        f"{place.marker.line()}\n**Frame {frame.number} has the state of frame {told['to']}: "
        f"{counted(len(undone), 'delta')} undone, {len(restored):,} restored.**\n\n"
        f"{made_from(frame, place)} Nothing is taken out of history. {later} Edit nothing here, and merge it in any "
        "way; if another frame lands first, run the rollback again. Close it to say no.\n"
    )
    return Words(title, fitted(begin, _sections(undone, restored), proof(frame)), (LABEL, f"{LABEL}: rollback"))


def _sections(undone: list[Mapping[str, Any]], restored: list[Mapping[str, Any]]) -> Iterator[Section]:
    for rows, what in ((undone, "undone"), (restored, "restored")):
        lines = [f"{printable(row['source'])}, merged in frame {row['merged_in']}" for row in rows]
        yield Section(f"{counted(len(rows), 'delta')} {what}", "delta", lines)
