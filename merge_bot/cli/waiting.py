"""Waiting until a frame closes: the one place that sleeps for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from merge_bot.cli import letters
from merge_bot.cli.output import say

if TYPE_CHECKING:
    from merge_bot.closing import Waiting
    from merge_bot.collect import Collected

PAUSE = 5.0  # seconds between two looks at what has arrived


def wait_for_workers(
    look: Callable[[], Collected],
    grace: int | None,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Collected, Waiting]:
    """Look until the frame closes. Returns the last look. `grace` in seconds; None takes it from the settings."""
    from merge_bot.closing import waiting
    from merge_bot.delta import parse_utc
    from merge_bot.workers import Workers

    began, told = clock(), False
    while True:
        collected = look()
        base = collected.base
        opened = (parse_utc(base.manifest.time) or 0) // 1_000_000
        found = waiting(collected.candidates, Workers.read(base.files, base.paths), base.meta.frame, opened)
        left = found.seconds_left(base.settings.grace_seconds if grace is None else grace, began, clock())
        if left <= 0:
            return collected, found
        if not told:
            say(letters.waits_for_workers(base.meta.frame, found.missing, int(left)))
            told = True
        sleep(min(left, PAUSE))
