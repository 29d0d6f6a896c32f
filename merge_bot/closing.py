"""Pure. When a frame closes: as soon as every active worker has delivered, or a grace after the first delta.

A merge takes everything that is pending, so closing early loses nothing: who comes later is in the next frame. Waiting
a little only spares frames with one delta each when many workers deliver within seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from merge_bot.delta import FILE_NAME, Candidate
from merge_bot.workers import DISABLED, ENDED, Workers

ACTIVE_FRAMES = 3
"""A worker is active if something of it was merged in one of so many frames before the open one.

Not if it is disabled, or its lease ended."""


class Waiting(NamedTuple):
    """What waits for the open frame. `first` is when the first pending delta was committed, in seconds since 1970; None
    if nothing is pending. `missing` are the active workers that have not delivered for this frame.
    """

    first: int | None
    missing: tuple[str, ...]

    def seconds_left(self, grace: int, began: float, now: float) -> float:
        """How long the frame should stay open still; 0 if it closes. `began` is when this run looked first.

        Clocks of workers may be ahead, but what was there when the run began was committed before that.
        """
        if self.first is None or not self.missing:
            return 0.0
        return max(0.0, min(self.first, began) + grace - now)

    def oldest_seconds(self, now: float) -> int:
        """How long the first pending delta has been waiting; 0 if nothing is pending."""
        return 0 if self.first is None else max(0, int(now) - self.first)


def waiting(candidates: Iterable[Candidate], workers: Workers, frame: int, opened: int) -> Waiting:
    """What waits for `frame`, which is open since `opened` (seconds since 1970).

    Deltas of later frames do not count: they are held. One whose arrival is not known, or was before the frame opened,
    has been waiting since then.
    """
    active = {
        name
        for name, one in workers.known.items()
        if frame - ACTIVE_FRAMES <= one.frame and one.utc and one.lease != ENDED and one.status != DISABLED
    }
    first: int | None = None
    for one in candidates:
        named = FILE_NAME.match(one.path.rpartition("/")[2])
        if named and int(named["frame"]) > frame:
            continue
        since = max(opened, one.arrived or opened)
        first = since if first is None else min(first, since)
        if named and int(named["frame"]) == frame:
            active.discard(one.worker or named["stream_id"])
    return Waiting(first, tuple(sorted(active)))
