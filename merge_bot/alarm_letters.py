"""Pure. What alarms say: what has been so for too long, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merge_bot.messages import Letter
from merge_bot.wording import MANY, age, counted, listed, printable


def pending(seconds: int, limit: int) -> Letter:
    return (
        f"The oldest pending delta was committed {age(seconds)} ago; at most {age(limit)} are expected.",
        "Look whether the workflow runs, and how it ends (`dreamcatcher doctor`).",
    )


def silent(seconds: int | None, frames: int) -> Letter:
    """`seconds` is None where none of the newest `frames` took a delta in."""
    since = f"for {age(seconds)}" if seconds is not None else f"in the newest {frames} frames"
    return (
        f"Nothing was merged {since}: every run is green, and nothing happens.",
        "Look whether the workers run, and where they write their deltas.",
    )


def fallbacks(counts: Mapping[str, int]) -> Letter:
    who = listed(counts)
    most = max(counts.values())
    return (
        f"{who} {'sends' if len(counts) == 1 else 'send'} nothing but fallbacks, up to {most:,} in a row.",
        "Look into the workers' logs: `_meta.error` of a fallback names what ended the run.",
    )


def parked(count: int, frame: int, seconds: int) -> Letter:
    wait = "waits" if count == 1 else "wait"
    since = f"the first since frame {frame}, {age(seconds)} ago"
    return (
        f"{counted(count, 'parked record')} {wait} for what never comes, {since}.",
        "`dreamcatcher status` names what each waits for: send that, or have its worker send the record anew.",
    )


def odd_files(paths: Sequence[str]) -> Letter:
    shown = ", ".join(printable(path) for path in paths[:MANY])
    more = f" and {len(paths) - MANY:,} more" if len(paths) > MANY else ""
    lies = "lies" if len(paths) == 1 else "lie"
    return (
        f"{shown}{more} {lies} in the inbox, and nobody understands what {'it is' if len(paths) == 1 else 'they are'}.",
        "A delta is a plain file named frame-N-WORKER.json. Rename it, or take it away.",
    )
