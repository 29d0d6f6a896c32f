"""A run of the action: what it saw before it merged, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merge_bot.cli.waiting import wait_for_workers

if TYPE_CHECKING:
    from merge_bot.alarms import Alarm
    from merge_bot.collect import Collected
    from merge_bot.frame import Result


@dataclass
class Ran:
    """A run that came to its end: what it saw before it merged, and what came of it."""

    results: list[Result]
    look: Look
    remarks: list[str]
    alarms: list[Alarm]

    @property
    def result(self) -> Result:
        """The newest frame's, where there is one."""
        return next((one for one in reversed(self.results) if one.frame), self.results[-1])

    @property
    def earlier(self) -> list[Result]:
        return self.results[: self.results.index(self.result)]

    @property
    def state_digest(self) -> str:
        """Of the state that was there before, where nothing was merged."""
        return self.look.collected.base.manifest.state_tree if self.look.collected else ""


class Look:
    """Lets the workers deliver, and keeps what was seen: `oldest` is how long the first delta waits, in seconds."""

    def __init__(self, collect: Callable[[], Collected], grace: int | None) -> None:
        self._collect, self._grace = collect, grace
        self.collected: Collected | None = None
        self.oldest = 0

    def __call__(self) -> None:
        self.collected, found = wait_for_workers(self._collect, self._grace)
        self.oldest = found.oldest_seconds(time.time())

    def alarms(self, results: list[Result]) -> list[Alarm]:
        """What had been so for too long when the run looked, and still is after its frames."""
        from merge_bot.alarms import after, is_odd, raised, seen

        if self.collected is None:
            return []
        base, now = self.collected.base, int(time.time())
        # What a frame took in was quarantined for its name, and is told of as that.
        left = [] if any(one.frame for one in results) else self.collected.candidates
        odd = [one.path for one in left if one.worker is None and is_odd(one.path)]
        found = seen(base.files, base.paths, base.manifest, now, now - self.oldest if self.oldest else None, odd)
        for one in results:
            if one.frame is not None and one.frame.manifest.edits is None:
                after(found, one.frame.manifest, one.frame.parked)
        return raised(found, base.settings.alarms)
