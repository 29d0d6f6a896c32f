"""Pure. Folding: what may enter meets the state, collection by collection, and files come out.

Collections know nothing of each other here, but that a derived counter has to know what was added to another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from merge_bot.check import Gone
from merge_bot.collection import FILE, SEGMENTS, Collection, Collections
from merge_bot.counting import Tally, derived, in_order
from merge_bot.layouts.base import Ahead, Finished, Sends
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


class Elsewhere(Protocol):
    """The collections (`names`) that are folded elsewhere; see `apart.Apart`."""

    names: frozenset[str]

    def go_on(self, gone: Gone) -> None:
        """Called with the operations that have to wait."""

    def agree(self) -> None:
        """Called before anything leaves for the commit."""

    def folded(self, name: str, ground: Ground) -> Folded:
        """What came of one."""


class _Nowhere:
    """Everything is folded here."""

    names: frozenset[str] = frozenset()

    def go_on(self, gone: Gone) -> None:
        pass

    def agree(self) -> None:
        pass

    def folded(self, name: str, ground: Ground) -> Folded:
        raise KeyError(name)


nowhere = _Nowhere()


def fold_all(
    kept: Pending,
    grounds: dict[str, Ground],
    collections: Collections,
    tally: Tally,
    ahead: Ahead,
    elsewhere: Elsewhere = nowhere,
) -> dict[str, Folded]:
    """Fold each collection for which there is something, in the order in which counters can be kept.

    The grounds are used up: what a finished collection held is let go.
    """
    names = in_order(collections)
    found: dict[str, Folded] = {}

    def enter(name: str, folded: Folded) -> None:
        found[name] = folded
        tally.enter(name, kept.of(name), folded.losses, folded.growth)

    def fold(name: str) -> None:
        rules = collections[name]
        ground = grounds[name] if rules.layout == FILE else grounds.pop(name)
        ground.counts = tally.of(name)
        if kept.size(name) or ground.counts:
            enter(name, fold_one(rules, kept.of(name), ground, ahead))

    large = [name for name in names if collections[name].layout == SEGMENTS and kept.size(name)]
    for name in large:
        enter(name, _folded(collections[name], kept.of(name), grounds[name]))
    elsewhere.agree()
    rest = [name for name in names if name not in large and name not in elsewhere.names]
    counting = [name for name in rest if any(derived(collections[name]))]
    for name in rest:
        if name not in counting:
            fold(name)
    for name in large:  # while what is small is being written
        found[name] = _flushed(found[name], grounds.pop(name), ahead)
    for name in sorted(elsewhere.names):
        enter(name, elsewhere.folded(name, grounds.pop(name)))
    for name in counting:
        fold(name)
    for name, one in found.items():
        if collections[name].layout == FILE:  # it may be shared: it is whole when all are folded
            found[name] = _flushed(one, grounds[name], ahead)
    return {name: found[name] for name in names if name in found}


def fold_one(rules: Collection, operations: Sequence[Any], ground: Ground, ahead: Sends) -> Folded:
    """Fold one collection. Its files leave, unless others may share them."""
    folded = _folded(rules, operations, ground)
    return folded if rules.layout == FILE else _flushed(folded, ground, ahead)


def _folded(rules: Collection, operations: Sequence[Any], ground: Ground) -> Folded:
    losses = strategy(rules.strategy).fold(rules, operations, ground)
    return Folded(len(ground.counts), losses, [], {}, ground.store.growth())


def _flushed(folded: Folded, ground: Ground, ahead: Sends) -> Folded:
    changes = [change.handed_to(ahead) for change in ground.store.flush()]
    clocks = {one.path: one.handed_to(ahead).data for one in ground.clocks.flush()} if ground.clocks else {}
    return folded._replace(changes=changes, marks=clocks, growth=ground.store.growth())
