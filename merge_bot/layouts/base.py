"""Pure. The contract of layouts: where a collection's records lie in files, and how a frame changes them.

A `Store` is one collection opened for one frame. It reads lazily, only what it is asked for, and collects the
frame's changes; `flush` gives them as whole files. A frame asks first and changes then: what it asks is about the
state before it. Values that a store hands out are never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Collection as Items
from dataclasses import dataclass, field
from typing import Any, Protocol

from merge_bot.batch import Batch
from merge_bot.collection import Collection, Mark
from merge_bot.paths import Paths
from merge_bot.state import Content, Files

WHOLE = ""
"""The key of a collection that is one value: a sum's object of counters, a union's array in one file."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file after the frame (None: it is gone), with its number of records before and after."""

    path: str
    data: bytes | None
    before: int
    after: int

    def handed_to(self, ahead: Ahead) -> Finished:
        """The change after its bytes went on."""
        data = None if self.data is None else ahead(self.data)
        return Finished(self.path, data, self.before, self.after)


@dataclass(frozen=True, slots=True)
class Finished:
    """A change whose bytes may lie elsewhere by now."""

    path: str
    data: Content | None
    before: int
    after: int


Ahead = Callable[[bytes], Content]
"""Takes the bytes of a finished file; what it gives stands for them from then on."""


def stay(data: bytes) -> Content:
    """The do-nothing way: nothing travels ahead."""
    return data


class Store(Protocol):
    """One collection's records, as its layout keeps them."""

    def present(self, marks: Items[Mark]) -> set[Mark]:
        """Those of `marks` (see `Collection.mark`) under whose keys there is a record."""

    def records(self, keys: Items[str]) -> dict[str, Any]:
        """The records under `keys`, compared in full; absent ones are missing from the answer."""

    def put(self, key: str, value: Any) -> None:
        """Set the value under `key`."""

    def append(self, batches: Sequence[Batch]) -> None:
        """Add records after what is there, in the order given."""

    def flush(self) -> Iterable[Change]:
        """The files that changed."""

    def growth(self) -> int:
        """How many records this frame adds; asked after `flush`."""


@dataclass(slots=True)
class Opening:
    """What a layout needs to open a collection. `shared` holds documents that several collections keep parts of."""

    collection: Collection
    files: Files
    paths: Paths
    frame: int
    shared: dict[str, Any] = field(default_factory=dict)


class Layout(Protocol):
    """One way to lay a collection out in files."""

    def __call__(self, opening: Opening) -> Store: ...
