"""Pure. Publishing to nowhere: the frame is looked at and forgotten."""

from __future__ import annotations

from merge_bot.publish.base import Published
from merge_bot.snapshot import Frame


class DryRun:
    """The do-nothing way."""

    def publish(self, frame: Frame) -> Published:
        return Published("none")
