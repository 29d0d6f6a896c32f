"""Pure. Folding: what may enter meets the state, collection by collection, and files come out.

Collections know nothing of each other here, but that a derived counter has to know what was added to another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from merge_bot.collection import FILE, SEGMENTS, Collection, Collections
from merge_bot.counting import Tally, in_order
from merge_bot.layouts.base import Ahead, Finished
from merge_bot.pending import Pending
from merge_bot.state import Content
from merge_bot.strategies.base import Ground, Loss
from merge_bot.strategies.catalog import strategy


class Folded(NamedTuple):
    """What came of one collection: how many derived counters changed, what was not simply applied, its files and
    clocks, its growth."""

    counters: int
    losses: list[Loss]
    changes: list[Finished]
    marks: dict[str, Content | None]
    growth: int


def fold_all(
    kept: Pending, grounds: dict[str, Ground], collections: Collections, tally: Tally, ahead: Ahead
) -> dict[str, Folded]:
    """Fold each collection for which there is something, in the order in which counters can be kept.

    The grounds are used up: what a finished collection held is let go.
    """
    operations: Mapping[str, Sequence[Any]] = {**kept.operations, **kept.batches}
    names = in_order(collections)
    found: dict[str, Folded] = {}
    for name in sorted(names, key=lambda one: collections[one].layout != SEGMENTS):  # what takes longest to write first
        ground = grounds[name]
        ground.counts = tally.of(name)
        if kept.size(name) or ground.counts:
            found[name] = _folded(collections[name], operations[name], ground, ahead)
            tally.enter(name, operations[name], found[name].losses, found[name].growth)
        if collections[name].layout != FILE:
            del ground, grounds[name]
    for name, one in found.items():
        if collections[name].layout == FILE:  # it may be shared: it is whole when all are folded
            found[name] = _flushed(one, grounds[name], ahead)
    return {name: found[name] for name in names if name in found}


def _folded(rules: Collection, operations: Sequence[Any], ground: Ground, ahead: Ahead) -> Folded:
    losses = strategy(rules.strategy).fold(rules, operations, ground)
    folded = Folded(len(ground.counts), losses, [], {}, ground.store.growth())
    return folded if rules.layout == FILE else _flushed(folded, ground, ahead)


def _flushed(folded: Folded, ground: Ground, ahead: Ahead) -> Folded:
    changes = [change.handed_to(ahead) for change in ground.store.flush()]
    clocks = {one.path: one.handed_to(ahead).data for one in ground.clocks.flush()} if ground.clocks else {}
    return folded._replace(changes=changes, marks=clocks, growth=ground.store.growth())
