"""A run as the doors start it: first what other hands changed is settled, then everything that waits is merged, in as
many frames as that takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from merge_bot.collect import Base
from merge_bot.frame import Result
from merge_bot.git import Repository
from merge_bot.manifest import ADOPT
from merge_bot.publish.base import Publisher
from merge_bot.settings import Settings

REFUSE, AUTO = "refuse", "auto"


class Place(Protocol):
    """A branch on which frames are made: a `Clone`, or a `RemoteClone`."""

    repository: Repository
    settings_path: str

    @property
    def settings(self) -> Settings:
        """Those of the branch's newest commit."""

    @property
    def read_from(self) -> str:
        """The ref of the repository that the branch is read from."""

    def unchecked(self, *, anew: bool = False) -> Base:
        """The branch's newest commit, whoever wrote its state; `anew`: it may have moved since the last look."""

    def publisher(self, *, dry_run: bool = False) -> Publisher:
        """Its usual way out."""


def run(
    place: Place,
    merge: Callable[[], Result],
    *,
    publisher: Publisher | None = None,
    proposing: bool = False,
    dry_run: bool = False,
    wait: Callable[[], object] = lambda: None,
) -> list[Result]:
    """The frames of one run, the newest last; the last of them says what waits still.

    `merge` makes one frame of what is pending, after `wait` has let the workers deliver. Where frames are proposed as
    pull requests (`proposing`), and in a dry run, one is all there is. Raises whatever stops a merge.
    """
    one_is_all = proposing or dry_run
    done: list[Result] = []
    way = way_of(place.settings, proposing=proposing)
    if way != REFUSE:
        from merge_bot.foreign import settle_edits

        way_out = publisher or place.publisher(dry_run=dry_run)
        done = settle_edits(place, way_out, datetime.now(UTC), way, once=one_is_all)
        if done and one_is_all:
            return done
    wait()
    while True:
        done.append(merge())
        if one_is_all or not done[-1].left:
            return done


def way_of(settings: Settings, *, proposing: bool) -> str:
    """What to do with other hands' changes: `refuse`, `adopt` or `revert`."""
    way = settings.foreign_edits
    return way if way != AUTO else ADOPT if proposing else REFUSE
