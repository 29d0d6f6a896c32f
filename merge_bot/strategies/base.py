"""Pure. The contract of merge strategies.

A strategy folds operations, already ranked by (instant, stream_id, digest, index), into one collection's store. It
says only what was *not* simply applied; everything else was.
"""

from __future__ import annotations

from collections.abc import Collection as Items
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from merge_bot.collection import Collection, Mark
from merge_bot.conflicts import Conflicts
from merge_bot.delta import Operation
from merge_bot.findings import Outcome, Reason, Recover
from merge_bot.layouts.base import Store


class Loss(NamedTuple):
    """An operation that was not simply applied, and why."""

    operation: Operation
    outcome: Outcome
    reason: Reason
    recover: Recover = Recover.NONE
    detail: Mapping[str, Any] = {}


class Counts(NamedTuple):
    """What a frame adds to a derived counter by key (of a sum one key, `WHOLE`); `anew`: what it has to say."""

    values: Mapping[str, int]
    anew: bool = False

    def after(self, key: str, old: int | float) -> int | float:
        """What the counter says afterwards."""
        added = self.values.get(key, 0)
        return added if self.anew else old + added


@dataclass(slots=True)
class Ground:
    """What a strategy works on: the collection's records, its clocks (last-writer-wins only), the open conflicts, the
    number of the frame, that of the newest rollback before it, by property the derived counters that change, and where
    the clocks lie. `folded` holds what came of entities before, each with the operations that it came of."""

    store: Store
    clocks: Store | None
    conflicts: Conflicts
    frame: int
    rolled_back: int | None = None
    counts: Mapping[str, Counts] = field(default_factory=dict)
    clocks_at: str = ""
    folded: dict[str, tuple[Sequence[Operation], Any]] = field(default_factory=dict)

    def expect(self, marks: Items[Mark]) -> None:
        """The frame will ask for what is under these marks."""
        self.store.expect(marks)
        if self.clocks:
            self.clocks.expect(marks)


class Strategy(Protocol):
    """One way to merge."""

    def fold(self, rules: Collection, operations: Sequence[Any], ground: Ground) -> list[Loss]:
        """Bring `operations` into the ground's store: batches where records enter whole, else single operations."""
