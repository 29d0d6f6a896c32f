"""Pure. Bounds of one delta that no schema states: how many operations it holds, how long it may be looked at.

How long that took is measured where the frame is made; a delta that took too long comes marked as such, so that it is
refused again by whoever merges it once more.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from merge_bot import messages
from merge_bot.delta import FILE_NAME, Candidate
from merge_bot.findings import Problem, Reason, Rejection

MAX_OPERATIONS = 100_000
MAX_SECONDS = 60


def too_many(candidate: Candidate, document: Mapping[str, Any], keys: Container[str], most: int) -> Rejection | None:
    """Refuses a delta with more than `most` operations under these keys; None if it has not."""
    held = (one for key, one in document.items() if key in keys)
    count = sum(len(one) for one in held if isinstance(one, list | dict))
    if count <= most:
        return None
    letter = messages.too_many_operations(count, most)
    return Rejection((Problem(candidate.path, 0, "", Reason.TOO_MANY_OPERATIONS, *letter),))


def too_slow(candidate: Candidate, seconds: int) -> Rejection | None:
    """Refuses a delta that is marked as one that was looked at for more than these seconds."""
    return slow(candidate, seconds) if candidate.refused == Reason.VALIDATION_TOO_SLOW else None


def slow(candidate: Candidate, seconds: int) -> Rejection:
    """Refuses a delta that was looked at for more than these seconds; its name alone says whose it is."""
    named = FILE_NAME.match(candidate.path.rpartition("/")[2])
    frame, name = (int(named["frame"]), named["stream_id"]) if named else (None, None)
    problem = Problem(candidate.path, 0, "", Reason.VALIDATION_TOO_SLOW, *messages.too_slow(seconds))
    return Rejection((problem,), frame=frame, stream_id=candidate.worker or name)


def marked(candidate: Candidate, verdict: object) -> Candidate:
    """The candidate, marked if it was refused for the time that it took: the archive says so to a replay."""
    if isinstance(verdict, Rejection) and verdict.problems[0].reason == Reason.VALIDATION_TOO_SLOW:
        return candidate._replace(refused=Reason.VALIDATION_TOO_SLOW)
    return candidate
