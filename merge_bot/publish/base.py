"""Pure. The contract of publishers: put a frame in place with one compare-and-swap, or say that the base moved."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from merge_bot.snapshot import Frame


class Published(NamedTuple):
    """What happened: `none` (nothing was to be published), `pushed`, or `contended` (the base moved: merge again); with
    pull requests also `created`, `updated` and `merged`.

    `number` and `url` are the pull request's; `remarks` are sentences that whoever ran it should read.
    """

    operation: str
    commit: str | None = None
    number: int | None = None
    url: str = ""
    remarks: tuple[str, ...] = ()


class Publisher(Protocol):
    """One way for a frame to leave."""

    def publish(self, frame: Frame) -> Published:
        """Carry the frame to its place, or nowhere."""
