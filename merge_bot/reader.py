"""How a worker reads: the newest frame of a branch, here or on a remote, without a checkout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from merge_bot import letters
from merge_bot.clone import Clone
from merge_bot.collect import read_schemas, read_settings
from merge_bot.collection import Collections
from merge_bot.delta import FILE_NAME, instant_of, parse_utc
from merge_bot.errors import RepositoryError
from merge_bot.paths import Paths
from merge_bot.records import record_of, records_of
from merge_bot.settings import Settings
from merge_bot.state import Files, Meta, read_meta
from merge_bot.target import Counter, Target, reached
from merge_bot.transports.base import DELTA_BRANCHES
from merge_bot.workers import Workers


@dataclass
class Newest:
    """The newest frame that a branch has, as a reader finds it.

    `behind` counts the deltas that wait to be merged into a later one, as far as can be seen from here: in the inbox,
    and on a remote also the delta branches with something new. `is_live`: read where frames come in, so nothing newer
    is anywhere else.
    """

    files: Files
    paths: Paths
    meta: Meta
    settings: Settings
    behind: int
    is_live: bool

    @property
    def frame(self) -> int:
        """The frame that is held: the one before the open one."""
        return self.meta.frame - 1

    @property
    def as_of(self) -> str:
        """When it was merged, RFC 3339."""
        return self.meta.as_of

    def age(self, now: datetime) -> float:
        """For how many seconds there may have been something newer: since the frame was merged, or 0 where it is known
        that nothing came since.
        """
        merged = parse_utc(self.meta.as_of)
        if merged is None or (self.is_live and not self.behind):
            return 0.0
        return max(0.0, (instant_of(now) - merged) / 1_000_000)

    @cached_property
    def collections(self) -> Collections:
        """By the schemas that the branch has now. Raises SchemaError."""
        return read_schemas(self.files, self.settings)[0]

    def record(self, collection: str, key: str) -> Any:
        """What lies under a key: a record; a list of them in observe and union collections; None if there is nothing.

        Reads no more than the key needs. Raises KeyError for an unknown collection, UnreadableState.
        """
        return record_of(self.files, self.paths, self.collections[collection], key)

    def records(self, collection: str) -> Iterator[tuple[str, Any]]:
        """(key, record) of everything in a collection; of a sum one record with the key "". Raises as `record`."""
        return records_of(self.files, self.collections[collection])


@contextmanager
def newest_here(root: str | os.PathLike[str], branch: str | None = None) -> Iterator[Newest]:
    """What a clone's branch holds. Raises RepositoryError where there is no frame, UnreadableState."""
    with Clone.open(os.fspath(root), branch) as clone:
        yield _newest(clone.files, clone.settings, len(clone.waiting().changed), is_live=False)


@contextmanager
def newest_there(target: Target) -> Iterator[Newest]:
    """What the base branch of a remote holds; only what is read is fetched. Raises also RemoteUnreachable,
    RemoteRefused."""
    with reached(target) as (remote, clone):
        counter = Counter(remote, target, clone)
        files = counter.base()
        tips = remote.tips(f"{DELTA_BRANCHES}*")
        marks = Workers.read(files, counter.paths).watermarks()
        news = sum(marks.get(name.removeprefix(DELTA_BRANCHES)) != tip for name, tip in tips.items())
        yield _newest(files, read_settings(files), news, is_live=True)


def _newest(files: Files, settings: Settings, more: int, *, is_live: bool) -> Newest:
    """`more` deltas wait elsewhere than in the committed inbox."""
    paths = Paths(settings.state)
    meta = read_meta(files, paths)
    if meta is None:
        raise RepositoryError(letters.no_genesis(paths.meta))
    named = (FILE_NAME.match(name) for name, entry in files.folder(paths.inbox).items() if entry.is_file)
    waiting = sum(int(one["frame"]) <= meta.frame for one in named if one)
    return Newest(files, paths, meta, settings, waiting + more, is_live)
