"""Pure. What verify says is wrong with the chain of frames, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from merge_bot.history_letters import bring_back, fetch_branches, nor_there
from merge_bot.messages import Letter
from merge_bot.wording import counted, named, printable, shown

RESTORE = "Frames are never changed. Put the file back from the commit before the one named here, and commit that."
UNDO = "Only the merge writes here. Put the file back from the commit before the one named here, and commit that."
OURS = "Nobody's commit explains this. Please report it, with what verify says."


def clock_unreadable(why: str) -> Letter:
    return f"The clock cannot be read: {first_line(why)}", RESTORE


def clock_disagrees(frame: int) -> Letter:
    return f"The clock does not say what the manifest of frame {frame}, the newest, says.", RESTORE


def manifest_missing(frame: int) -> Letter:
    return f"Frame {frame} is missing: its manifest is not there, though the chain needs it.", RESTORE


def manifest_changed(frame: int, following: str) -> Letter:
    return f"The manifest of frame {frame} is not the one that {following} names.", RESTORE


def manifest_unreadable(why: str) -> Letter:
    return f"The manifest cannot be read: {why}", RESTORE


def no_beginning(frame: int) -> Letter:
    return f"Frame {frame} says that nothing was before it, and is no genesis.", RESTORE


def no_place_in_the_chain(frame: int) -> Letter:
    return f"There is a folder of frame {frame}, which is no frame of the chain.", "Remove it, and commit that."


def no_frame_s_file() -> Letter:
    return "No manifest names this file.", "Frames are never changed. Remove it, and commit that."


def file_missing(frame: int) -> Letter:
    return f"This file of frame {frame} is missing.", RESTORE


def no_plain_file() -> Letter:
    return "This is no plain file any more.", RESTORE


def not_in_history(frame: int) -> Letter:
    return (
        f"This delta of frame {frame} is neither in the tree nor in the history.",
        "Fetch the whole history; if it is gone there too, a backup is the last place to look.",
    )


def not_at_hand(row: Mapping[str, Any], frame: int, remote: str, why: str) -> Letter:
    branch = printable(f"deltas/{row['branch']}")
    return (
        f"The delta {row['delta'][:12]}… of frame {frame} is kept on the branch {branch} alone, in commit "
        f"{row['commit'][:12]}, and is not in this clone, {nor_there(remote, why)}.",
        f"{fetch_branches(remote)} {bring_back(branch)}",
    )


def other_blob(frame: int) -> Letter:
    return f"The blob that frame {frame}'s manifest names has not the SHA-256 that it names beside it.", OURS


def digest_differs(frame: int) -> Letter:
    return f"These are not the bytes that frame {frame}'s manifest names (SHA-256).", RESTORE


def written_differs(frame: int) -> Letter:
    return f"In the commit in which frame {frame} landed, this is not the file that its manifest names.", UNDO


def landed_differs(frame: int) -> Letter:
    return f"The commit in which frame {frame} landed changed this file too, and its manifest does not say so.", UNDO


def landed_state_differs(frame: int) -> Letter:
    return f"The state in the commit in which frame {frame} landed is not what its manifest names.", OURS


def base_differs(frame: int) -> Letter:
    return f"Before frame {frame} was merged, this was not the file that the frame before had left.", UNDO


def receipts_disagree(missing: int, unknown: int) -> Letter:
    parts = [f"{counted(missing, 'delta')} without a receipt"] if missing else []
    parts += [f"{counted(unknown, 'receipt')} without a delta"] if unknown else []
    return f"Receipts and manifest do not tell of the same deltas: {' and '.join(parts)}.", RESTORE


def merged_twice(delta: str, before: int, frame: int) -> Letter:
    return f"The delta {delta[:12]}… was merged in frame {before} and again in frame {frame}.", OURS


def ledger_lacks(delta: str, frame: int) -> Letter:
    return f"The ledger has no line for the delta {delta[:12]}… that frame {frame} consumed.", RESTORE


def ledger_disagrees(delta: str, said: Sequence[object], right: Sequence[object]) -> Letter:
    return (
        f"The ledger says that the delta {delta[:12]}… is {said[0]} as of frame {said[1]}; the frames say {right[0]} "
        f"as of frame {right[1]}.",
        RESTORE,
    )


def workers_disagree(worker: str, name: str, said: object, right: object) -> Letter:
    return (
        f"The {name} of {named(worker)} is {shown(said)} there; the frames' decisions make it {shown(right)}.",
        RESTORE,
    )


def ledger_invents(delta: str, frame: int) -> Letter:
    return (
        f"The ledger says that frame {frame} settled the delta {delta[:12]}…; that frame says nothing of it.",
        RESTORE,
    )


def foreign_edit() -> Letter:
    return "The file was changed by another hand since the newest frame; a merge would stop.", UNDO


def not_the_newest_state(frame: int) -> Letter:
    return f"The state is not what the manifest of frame {frame}, the newest, names.", OURS


def miscounted(collection: str, said: int, found: int) -> Letter:
    return (
        f"The manifest says that {printable(collection)} has {counted(said, 'record')}, but there are {found:,}.",
        OURS,
    )


def no_landing(frame: int) -> str:
    return (
        f"Frame {frame} has no commit of its own: several frames came in as one, or the history was rewritten. The "
        "files that it wrote could not be held against its manifest."
    )


def first_line(text: str) -> str:
    return " ".join(text.split())[:300]


def process_ended(jobs: int) -> str:
    return (
        f"One of the {jobs} processes that verify ran in was ended from outside, most likely for want of memory, so "
        "not everything was looked at. Run again with --jobs 1."
    )
