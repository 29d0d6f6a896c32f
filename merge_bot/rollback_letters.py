"""Pure. What is said about going back to the state of an earlier frame."""

from __future__ import annotations

from collections.abc import Sequence

from merge_bot.wording import counted, listed


def nothing_to_undo(frame: int) -> str:
    return f"The state is frame {frame}'s already: there is nothing to roll back. Nothing was written."


def other_rules(frame: int, names: Sequence[str]) -> str:
    are = "lie or merge" if len(names) > 1 else "lies or merges"
    return (
        f"The state of frame {frame} cannot be used with the schemas as they are now, so nothing was written: "
        f"{listed(names)} {are} in another way since (x-merge: strategy, key, layout, path).\n"
        "Put those schemas back as they were then, commit that, and roll back again."
    )


def not_proven(frame: int, commit: str) -> str:
    return (
        f"The state in commit {commit[:12]}, in which frame {frame} landed, is not the one that its manifest proves, "
        "so nothing was written. `dreamcatcher verify` names the file that is wrong."
    )


def bytes_lost(path: str) -> str:
    return (
        f"{path}, a delta that was to be put up again, is neither in the newest commit nor in the one in which its "
        "frame landed, so nothing was written. `dreamcatcher verify` tells what else is wrong; without --requeue the "
        "frame can be rolled back all the same."
    )


def commit_message(frame: int, target: int, undone: int, restored: int, requeued: bool, digest: str) -> str:
    """Subject and trailers of a rollback's commit."""
    subject = f"rollback frame {frame}: the state of frame {target}, {counted(undone, 'delta')} undone"
    subject += " and put up again" if requeued and undone else ""
    subject += f", {restored:,} restored" if restored else ""
    return (
        f"{subject}\n\nDreamcatcher-Frame: {frame}\nDreamcatcher-Rollback: {target}\nDreamcatcher-Manifest: {digest}\n"
    )


def undone_note(target: int, frame: int, requeued: bool) -> str:
    what = (
        "It was put up again, and the next merge takes it in." if requeued else "Write it anew if it is still wanted."
    )
    return f"Frame {frame} went back to the state of frame {target}, which is older than this delta. {what}"


def restored_note(target: int, frame: int) -> str:
    return f"Frame {frame} went back to the state of frame {target}, in which this delta is merged."
