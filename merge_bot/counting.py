"""Pure. Derived counters: a property that says how many records a collection has, kept by the merge alone.

Counters that workers add up drift, because an item that turns out a duplicate was counted all the same. A derived one
grows by what a frame really added, so it costs the frame and not the state. It is counted anew, by reading everything
once, where what stands cannot be trusted: in the first frame after a schema that has a say in it changed, and after a
frame that was no merge (the genesis, a rollback, a change by another hand).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from merge_bot.batch import Batch
from merge_bot.collection import SUM, Collection, Collections
from merge_bot.layouts.base import WHOLE
from merge_bot.manifest import MERGE, Manifest
from merge_bot.records import records_of
from merge_bot.state import Files
from merge_bot.strategies.base import Counts, Loss

COUNT = "count"
"""How a counter's change is named where each change has its author: nobody's."""


class Derived(NamedTuple):
    """Property `name` of `holder` counts the records of `counts`: all, or those whose field `by` names the entity."""

    holder: str
    name: str
    counts: str
    by: str | None


def derived(rules: Collection) -> Iterator[Derived]:
    """The derived counters of a collection."""
    for name, rule in rules.properties.items():
        if rule.counts is not None:
            yield Derived(rules.name, name, rule.counts, rule.by)


def untrusted(collections: Collections, schemas: Mapping[str, str], newest: Manifest) -> frozenset[str]:
    """The collections whose derived counters have to be counted anew in the frame after `newest`.

    `schemas` are the blob ids of the schema files as they are now, by path.
    """

    def changed(name: str) -> bool:
        path = collections[name].schema_path
        return schemas.get(path) != newest.schemas.get(path)

    counters = [one for rules in collections.values() for one in derived(rules)]
    moved = newest.kind != MERGE
    return frozenset(one.holder for one in counters if moved or changed(one.holder) or changed(one.counts))


def true_counts(files: Files, collections: Collections, counter: Derived) -> Counter[str]:
    """What a counter has to say, by entity (of a sum one, `WHOLE`), found by reading every record that it counts."""
    records = records_of(files, collections[counter.counts])
    if counter.by is None:
        return Counter({WHOLE: sum(1 for _ in records)})
    found: Counter[str] = Counter()
    for _, record in records:
        found.update(named(collections, counter, record))
    return found


def misstated(
    files: Files, collections: Collections, counter: Derived, true: Mapping[str, int]
) -> Iterator[tuple[str, Any, int]]:
    """(key, what stands, what is true) wherever a counter says something else; one that is not there says 0."""
    for key, record in records_of(files, collections[counter.holder]):
        stands = record.get(counter.name) if isinstance(record, dict) else None  # an older array may hold anything
        if (stands or 0) != true.get(key, 0):
            yield key, stands, true.get(key, 0)


def in_order(collections: Collections) -> list[str]:
    """The collections in an order in which everything is merged before it is counted."""

    def turn(name: str) -> int:
        rules = collections[name]
        return 0 if not any(derived(rules)) else 2 if rules.strategy == SUM else 1

    return sorted(collections, key=turn)


class Tally:
    """What a frame adds to each derived counter; `anew` names the collections whose counters are counted anew."""

    def __init__(self, collections: Collections, files: Files, anew: Container[str]) -> None:
        self._collections, self._files, self._anew = collections, files, anew
        self._counters: dict[str, list[Derived]] = {}
        for rules in collections.values():
            for one in derived(rules):
                self._counters.setdefault(one.counts, []).append(one)
        self._added: dict[Derived, Counter[str]] = {}

    def enter(self, name: str, batches: Sequence[Any], losses: Sequence[Loss], growth: int) -> None:
        """The collection `name` took in `batches`, without what is among the `losses`, and grew by `growth`."""
        for counter in self._counters.get(name, ()):
            if counter.by is None:
                self._added[counter] = Counter({WHOLE: growth})
                continue
            lost = {(one.operation.origin.digest, one.operation.index) for one in losses}
            added = self._added.setdefault(counter, Counter())
            for batch in batches:
                assert isinstance(batch, Batch)
                for one in batch:
                    if (one.origin.digest, one.index) not in lost:
                        added.update(named(self._collections, counter, one.record))

    def of(self, name: str) -> dict[str, Counts]:
        """What the derived counters of collection `name` become, by property: those that change."""
        found = {}
        for counter in derived(self._collections[name]):
            added = self._added.get(counter, Counter())
            if name in self._anew:
                true = true_counts(self._files, self._collections, counter)
                true.update(added)
                wrong = {key: one for key, _, one in misstated(self._files, self._collections, counter, true)}
                # An entity of this very frame is not among those that stand.
                values = {key: true[key] for key in added} | wrong
                if counter.by is None:
                    values = {WHOLE: true[WHOLE]}
                found[counter.name] = Counts(values, anew=True)
            elif values := {key: one for key, one in added.items() if one}:
                found[counter.name] = Counts(values)
        return found


def named(collections: Collections, counter: Derived, record: Any) -> list[str]:
    """The entity that a record is counted for, if it names one."""
    value = record.get(counter.by or "") if isinstance(record, dict) else None
    return [] if value is None else [collections[counter.holder].key_for(value)]
