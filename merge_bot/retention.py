"""Pure. Retention: which archives leave the tree. They stay in git's history, where replay, show and verify find them.

Manifests and receipts are never pruned: the chain stays whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from merge_bot.paths import Paths
from merge_bot.state import Files

if TYPE_CHECKING:
    from merge_bot.tree import Entry

ARCHIVES = ("deltas", "quarantine")


def kept_from(keep: int, frame: int, before: int | None) -> int | None:
    """The first frame whose archives stay in the tree once `frame` is merged; None if all do.

    `keep` frames stay, the newest included; 0 is all of them. What left before (`before`) does not come back.
    """
    first = max(before or 0, frame - keep + 1 if keep else 0)
    return first or None


def leaving(files: Files, paths: Paths, before: int | None, first: int | None) -> Iterator[tuple[str, Entry | None]]:
    """(path, None) of each archived file of the frames from `before` on that are older than `first`."""
    for frame in range(before, first or before) if before else _older(files, paths, first or 0):
        for folder in ARCHIVES:
            place = f"{paths.frame(frame)}/{folder}"
            for name in files.folder(place):
                yield f"{place}/{name}", None


def _older(files: Files, paths: Paths, first: int) -> Iterator[int]:
    """The frames before `first` that have a folder."""
    for thousand in files.folder(paths.frames) if first else ():
        for name in files.folder(f"{paths.frames}/{thousand}"):
            if name.isdecimal() and int(name) < first:
                yield int(name)
