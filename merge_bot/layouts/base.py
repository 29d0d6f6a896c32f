"""Pure. The contract of layouts: where a collection's records lie in files, and how a frame changes them.

A `Store` is one collection opened for one frame. It reads lazily, only what it is asked for, and collects the
frame's changes; `flush` gives them as whole files. A frame asks first and changes then: what it asks is about the
state before it. Values that a store hands out are never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Collection as Items
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from merge_bot.batch import Batch
from merge_bot.canonical import Pieces
from merge_bot.collection import Collection, Mark
from merge_bot.paths import Paths
from merge_bot.state import Content, Files

WHOLE = ""
"""The key of a collection that is one value: a sum's object of counters, a union's array in one file."""


class Change(NamedTuple):
    """One file after the frame (None: it is gone), with its number of records before and after."""

    path: str
    data: bytes | Pieces | None
    before: int
    after: int

    @property
    def whole(self) -> bytes | None:
        """The file's bytes."""
        return None if self.data is None else bytes(self.data)

    def handed_to(self, ahead: Sends) -> Finished:
        """The change after its bytes went on."""
        data = None if self.data is None else ahead.send(self.data)
        return Finished(self.path, data, self.before, self.after)


class Finished(NamedTuple):
    """A change whose bytes may lie elsewhere by now."""

    path: str
    data: Content | None
    before: int
    after: int


class Sends(Protocol):
    """Whoever takes finished files."""

    def send(self, data: bytes | Pieces) -> Content:
        """Take the bytes of a finished file; what is given stands for them from then on."""


class Ahead(Sends, Protocol):
    """How finished files leave for the commit that will hold them."""

    def prepare(self, size: int) -> None:
        """So many bytes of deltas are going to be merged: it is worth a process that helps, or it is not."""

    def beside(self, work: Callable[[There], None]) -> Wire | None:
        """Begin `work` in another process, which has all that is read so far; None where this one works alone."""


class Wire(Protocol):
    """One end of the wire between two processes: what is said is pickled, and heard in the same order."""

    def say(self, value: Any) -> None:
        """Tell the other one."""

    def hear(self) -> Any:
        """What the other one says next. Raises what it raised instead, and ProcessEnded if it is gone."""


class There(Wire, Sends, Protocol):
    """The end in the process that helps. What its `send` gives can be said."""


class _Stay:
    """The do-nothing way: nothing travels ahead."""

    def prepare(self, size: int) -> None:
        pass

    def beside(self, work: Callable[[There], None]) -> Wire | None:
        return None

    def send(self, data: bytes | Pieces) -> Content:
        return bytes(data)


stay: Ahead = _Stay()


class Store(Protocol):
    """One collection's records, as its layout keeps them."""

    def present(self, marks: Items[Mark]) -> set[Mark]:
        """Those of `marks` (see `Collection.mark`) under whose keys there is a record."""

    def expect(self, marks: Items[Mark]) -> None:
        """What is under these marks is asked for soon: a layout may begin to read, or look them up with others."""

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
