"""Pure. What is said about decisions: why a request was refused, what the settings should say, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from merge_bot.wording import listed, named, quoted


def setting_stream_id(text: str) -> str:
    return f"{quoted(text)} is not a worker's id: 1 to 64 letters, digits, _ and -, the first a letter or digit."


def not_an_operator(op: str, stream_id: str, operators: Sequence[str]) -> str:
    known = f"operators are {listed(operators)}" if operators else "nobody is one"
    return (
        f"{named(op)} is for operators, and {named(stream_id)} is none: {known}. The settings name them "
        "(operators: [NAME] in .github/dreamcatcher.yml); send it as one of those."
    )


def not_in_quarantine(digest: str, frame: int) -> str:
    return (
        f"Frame {frame} quarantined no delta {digest[:12]}…. `dreamcatcher quarantine list` shows what waits there, "
        "with its digest and frame."
    )


def not_undone(digest: str, frame: int) -> str:
    return (
        f"Frame {frame} is no rollback that undid delta {digest[:12]}…. `dreamcatcher show {frame}` tells what it did."
    )


def decided_before(digest: str, outcome: str, frame: int) -> str:
    return f"Delta {digest[:12]}… is no longer waiting there: it was settled in frame {frame} ({outcome})."


def up_already(digest: str) -> str:
    return f"Delta {digest[:12]}… was put up again already, and waits in the inbox."


def outlives_rollback(op: str) -> str:
    return f"A rollback undoes no {named(op)}: it was decided when the delta came first, and still holds."


def arrived_again(digest: str) -> str:
    return f"Delta {digest[:12]}… came once more and is settled in this very frame; its receipt says how."


def bytes_not_at_hand(digest: str, frame: int) -> str:
    return (
        f"The bytes of delta {digest[:12]}… are no longer in frame {frame}'s folder (keep-frames), only in history. "
        "`dreamcatcher quarantine show` reads them there; submit them once more, and they are looked at again."
    )
