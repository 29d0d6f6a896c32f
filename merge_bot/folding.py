"""Pure. Folding: what may enter meets the state, collection by collection, and files come out.

Collections know nothing of each other here, but that a derived counter has to know what was added to another one. So
those that take long are folded apart, beside the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from merge_bot.collection import FILE, SEGMENTS, Collection, Collections
from merge_bot.conflicts import Conflicts
from merge_bot.counting import Tally, derived, in_order
from merge_bot.layouts.base import Ahead, Finished, Send
from merge_bot.pending import Pending
from merge_bot.state import Content
from merge_bot.strategies.base import Ground, Loss
from merge_bot.strategies.catalog import strategy

_MUCH = 1 << 22  # bytes of new records that are worth a process: what it found has to come back


class Folded(NamedTuple):
    """What came of one collection: what was not simply applied, its files and clocks, its growth, its conflicts."""

    losses: list[Loss]
    changes: list[Finished]
    marks: dict[str, Content | None]
    growth: int
    conflicts: Conflicts

    def sent(self, send: Send) -> Folded:
        """The same after its files went further."""
        return self._replace(changes=[one.sent(send) for one in self.changes])


def fold_all(
    kept: Pending, grounds: Mapping[str, Ground], collections: Collections, tally: Tally, ahead: Ahead
) -> dict[str, Folded]:
    """Fold each collection for which there is something, in the order in which counters can be kept."""
    operations: Mapping[str, Sequence[Any]] = {**kept.operations, **kept.batches}
    names = in_order(collections)
    heavy = [name for name in names if collections[name].layout == SEGMENTS and kept.weight(name) > _MUCH]

    def fold(name: str, send: Send) -> Folded:
        return _folded(collections[name], operations[name], grounds[name], send)

    later = {name: ahead.apart(partial(fold, name)) for name in heavy}
    counting = [name for name in names if any(derived(collections[name]))]
    found: dict[str, Folded] = {}
    for name in names:
        if kept.size(name) and name not in heavy and name not in counting:
            found[name] = fold(name, ahead.send)
    found |= {name: folded().sent(ahead.send) for name, folded in later.items()}
    for name, one in found.items():
        tally.enter(name, operations[name], one.losses, one.growth)
    for name in counting:
        grounds[name].counts = tally.of(name)
        if kept.size(name) or grounds[name].counts:
            found[name] = fold(name, ahead.send)
            tally.enter(name, operations[name], found[name].losses, found[name].growth)
    for name, one in found.items():
        if collections[name].layout == FILE:  # it may be shared: it is whole when all are folded
            found[name] = _flushed(one, grounds[name], ahead.send)
    return {name: found[name] for name in names if name in found}


def _folded(rules: Collection, operations: Sequence[Any], ground: Ground, send: Send) -> Folded:
    losses = strategy(rules.strategy).fold(rules, operations, ground)
    folded = Folded(losses, [], {}, ground.store.growth(), ground.conflicts)
    return folded if rules.layout == FILE else _flushed(folded, ground, send)


def _flushed(folded: Folded, ground: Ground, send: Send) -> Folded:
    changes = [change.handed_to(send) for change in ground.store.flush()]
    clocks = {one.path: one.handed_to(send).data for one in ground.clocks.flush()} if ground.clocks else {}
    return folded._replace(changes=changes, marks=clocks, growth=ground.store.growth())
