"""Pure. What changed between two states, by collection, record and field.

Law: the changes applied to the state before give the state after. What both have in common is not read: equal
subtrees and equal files are told by their git ids, and of segments only new ones are looked into. A file of layout
`file` that changed is read whole on both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection as Items
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from merge_bot.canonical import compact
from merge_bot.collection import Collection
from merge_bot.conflicts import Conflicts
from merge_bot.parked import Parked, read_parked
from merge_bot.paths import Paths
from merge_bot.records import Record, holds_many, is_file_of, records_in, records_of
from merge_bot.state import Files
from merge_bot.tree import Entry

ABSENT: Any = object()
"""The value of a field that is not there."""

_BATCH = 500
Mark = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One record that was added, removed or changed. `before` and `after` are the whole record, None where there is
    none. Observations and members of sets are only added or removed, one by one; a sum is one record, key "".
    """

    collection: str
    key: str
    kind: Literal["added", "removed", "changed"]
    before: Any
    after: Any

    @property
    def fields(self) -> dict[str, tuple[Any, Any]]:
        """Of a changed record: each field that differs, with what it was and what it is (`ABSENT`: not there)."""
        if self.kind != "changed":
            return {}
        names = sorted({*self.before, *self.after})
        both = {name: (self.before.get(name, ABSENT), self.after.get(name, ABSENT)) for name in names}
        return {name: pair for name, pair in both.items() if not _same(*pair)}

    def as_json(self) -> dict[str, Any]:
        """{collection, key, change} with `record`, or of a changed one `fields`: {name: {before, after}}."""
        value: dict[str, Any] = {"collection": self.collection, "key": self.key, "change": self.kind}
        if self.kind == "changed":
            value["fields"] = {
                name: {side: one for side, one in zip(("before", "after"), pair, strict=True) if one is not ABSENT}
                for name, pair in self.fields.items()
            }
        else:
            value["record"] = self.after if self.kind == "added" else self.before
        return value


@dataclass(slots=True)
class Diff:
    """The changes by collection and key; conflicts (collection, key, field) that opened and closed; what waits."""

    changes: list[Change]
    opened: list[Mark] = field(default_factory=list)
    closed: list[Mark] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    released: list[Parked] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, Counter[str]]:
        """By collection: how many records were added, removed, changed, and how many fields that were."""
        counts: dict[str, Counter[str]] = {}
        for change in self.changes:
            of = counts.setdefault(change.collection, Counter())
            of[change.kind] += 1
            of["fields"] += len(change.fields)
        return counts

    def only(self, collection: str) -> Diff:
        """What concerns one collection."""
        return Diff(
            [one for one in self.changes if one.collection == collection],
            [one for one in self.opened if one[0] == collection],
            [one for one in self.closed if one[0] == collection],
            [one for one in self.parked if one.operation.collection == collection],
            [one for one in self.released if one.operation.collection == collection],
        )

    def as_json(self) -> dict[str, Any]:
        """{counts, changes, conflicts: {opened, closed}, parked: {waiting, released}}."""
        return {
            "counts": {name: dict(sorted(of.items())) for name, of in self.counts.items()},
            "changes": [one.as_json() for one in self.changes],
            "conflicts": {"opened": [_mark(one) for one in self.opened], "closed": [_mark(one) for one in self.closed]},
            "parked": {
                "waiting": [one.as_json() for one in self.parked],
                "released": [one.as_json() for one in self.released],
            },
        }


def diff(
    before: Files,
    after: Files,
    old: Mapping[str, Collection],
    new: Mapping[str, Collection],
    paths: Paths,
    touched: Items[str] | None = None,
) -> Diff:
    """What changed from `before`, read by the rules `old`, to `after`, read by the rules `new`.

    `touched` are the paths that may differ; without it, the two states' git ids tell. Raises UnreadableState.
    """
    changes: list[Change] = []
    for name in sorted({*old, *new}):
        was, now = old.get(name) or new[name], new.get(name) or old[name]
        changes += _collection(before, after, was, now, touched)
    found = Diff(changes)
    if _may_differ(before, after, paths.conflicts, touched):
        marks = [_marks(files, paths) for files in (before, after)]
        found.opened = sorted(marks[1].keys() - marks[0].keys())
        found.closed = sorted(marks[0].keys() - marks[1].keys())
    if _may_differ(before, after, paths.parked, touched):
        waits = [{one.operation.rank: one for one in read_parked(files, paths)} for files in (before, after)]
        found.parked = [waits[1][rank] for rank in sorted(waits[1].keys() - waits[0].keys())]
        found.released = [waits[0][rank] for rank in sorted(waits[0].keys() - waits[1].keys())]
    return found


def _collection(
    before: Files, after: Files, was: Collection, now: Collection, touched: Items[str] | None
) -> Iterator[Change]:
    if _place(was) != _place(now):
        yield from compared(now, records_of(before, was), records_of(after, now))
    elif now.layout == "file":
        if _may_differ(before, after, now.path, touched):
            yield from compared(now, records_of(before, was), records_of(after, now))
    else:
        if touched is None:
            places = differing(before, after, now.path)
        else:
            places = iter(sorted(path for path in touched if path.startswith(f"{now.path}/")))
        files = (path for path in places if is_file_of(now, path))
        while batch := list(islice(files, _BATCH)):
            yield from compared(now, records_in(before, was, batch), records_in(after, now, batch))


def compared(rules: Collection, before: Iterable[Record], after: Iterable[Record]) -> Iterator[Change]:
    """The changes from one collection of records to another, by key."""
    old, new = _by_key(before), _by_key(after)
    for key in sorted({*old, *new}):
        was, now = old.get(key, []), new.get(key, [])
        if not holds_many(rules) and len(was) == len(now) == 1:
            if not _same(was[0], now[0]):
                yield Change(rules.name, key, "changed", was[0], now[0])
            continue
        yield from (Change(rules.name, key, "removed", one, None) for one in _without(was, now))
        yield from (Change(rules.name, key, "added", None, one) for one in _without(now, was))


def differing(before: Files, after: Files, path: str) -> Iterator[str]:
    """The paths of files at and below `path` that are not the same in both, sorted; equal folders are not entered."""
    yield from _differing(before, after, before.entry(path), after.entry(path), path)


def _differing(before: Files, after: Files, old: Entry | None, new: Entry | None, path: str) -> Iterator[str]:
    if old == new:
        return
    if any(entry is not None and not entry.is_tree for entry in (old, new)):
        yield path
    below = before.entries(old.id) if old and old.is_tree else {}
    now = after.entries(new.id) if new and new.is_tree else {}
    for name in sorted({*below, *now}):
        yield from _differing(before, after, below.get(name), now.get(name), f"{path}/{name}")


def _may_differ(before: Files, after: Files, path: str, touched: Items[str] | None) -> bool:
    return path in touched if touched is not None else before.entry(path) != after.entry(path)


def _place(rules: Collection) -> tuple[Any, ...]:
    return (rules.strategy, rules.layout, rules.path, rules.pointer, rules.shape, rules.key, rules.else_key)


def _by_key(records: Iterable[Record]) -> dict[str, list[Any]]:
    by_key: dict[str, list[Any]] = {}
    for key, record in records:
        by_key.setdefault(key, []).append(record)
    return by_key


def _without(these: list[Any], others: list[Any]) -> list[Any]:
    """`these` less `others`, each as often as it stands there."""
    left = Counter(map(compact, others))
    kept = []
    for one in these:
        content = compact(one)
        if left[content]:
            left[content] -= 1
        else:
            kept.append(one)
    return kept


def _same(one: Any, other: Any) -> bool:
    return one is other or (one is not ABSENT and other is not ABSENT and compact(one) == compact(other))


def _marks(files: Files, paths: Paths) -> dict[Mark, Any]:
    entries = Conflicts.read(files, paths).entries
    return {
        (name, key, mark): entry
        for name, keys in entries.items()
        for key, marks in keys.items()
        for mark, entry in marks.items()
    }


def _mark(mark: Mark) -> dict[str, str]:
    return dict(zip(("collection", "key", "field"), mark, strict=True))
