"""The state as of one frame, as people ask for it: records by collection and key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from merge_bot.collection import Collections
from merge_bot.commit_files import CommitFiles
from merge_bot.conflicts import Conflicts
from merge_bot.parked import Parked, read_parked
from merge_bot.paths import Paths
from merge_bot.records import record_of, records_of


@dataclass(frozen=True)
class State:
    """The state as of one frame, read lazily from its landing commit. `files` is everything in that commit."""

    frame: int
    files: CommitFiles
    paths: Paths
    collections: Collections

    @property
    def commit(self) -> str:
        return self.files.commit

    def records(self, collection: str) -> Iterator[tuple[str, Any]]:
        """(key, record) of everything in a collection.

        Observations under one key come one by one, and so do the members of a set; a sum is one record with the key
        "". Raises KeyError for a collection that this frame does not know, UnreadableState.
        """
        return records_of(self.files, self.collections[collection])

    def record(self, collection: str, key: str) -> Any:
        """What lies under a key: a record; a list of them in observe and union collections; None if there is nothing.

        Reads no more than the key needs. Raises as `records`.
        """
        return record_of(self.files, self.paths, self.collections[collection], key)

    @property
    def conflicts(self) -> dict[str, dict[str, dict[str, Any]]]:
        """The open conflicts by collection, key and field, as in `conflicts.json`."""
        return Conflicts.read(self.files, self.paths).entries

    @property
    def parked(self) -> list[Parked]:
        """The records that wait."""
        return read_parked(self.files, self.paths)
