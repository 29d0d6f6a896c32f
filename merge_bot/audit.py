"""Pure. The audit: every record of the state held against its schema, its key, its place and its references.

The merge reads only what a frame touches; the audit reads everything, and changes nothing. It goes on after each
problem, so that all of them are found at once. What the merge writes down about itself is for `audit_books`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from merge_bot import audit_letters as letters
from merge_bot.audit_files import Read
from merge_bot.audit_places import Audit, Place, Places
from merge_bot.canonical import compact
from merge_bot.collection import APPEND, LAST_WRITER_WINS, SUM, UNION, Collection, Collections
from merge_bot.findings import Reason
from merge_bot.paths import Paths
from merge_bot.progress import Progress, silent
from merge_bot.state import Files
from merge_bot.strict_json import pointer
from merge_bot.validate import Rules

_BATCH = 256  # files that are held at once


def audit(files: Files, paths: Paths, collections: Collections, rules: Rules, progress: Progress = silent) -> Audit:
    """Read the whole state in `files`. Never raises for what stands in it."""
    work = _Auditor(files, paths, collections, rules)
    for collection in collections.values():
        work.found.records[collection.name] = 0
        good = work.files_of(collection)
        batches = [good[at : at + _BATCH] for at in range(0, len(good), _BATCH)]
        for batch in progress(batches, f"check {collection.name}"):
            work.read(collection, batch)
    work.references()
    return work.found


class _Auditor(Places):
    """Reads collection by collection, and remembers keys and what refers to what."""

    def __init__(self, files: Files, paths: Paths, collections: Collections, rules: Rules) -> None:
        super().__init__(files, paths)
        self._collections, self._rules = collections, rules
        self._keys: dict[str, dict[str, Place]] = {name: {} for name in collections}
        self._wanted: dict[str, dict[str, tuple[Place, Any]]] = {name: {} for name in collections}
        self._mentions: Counter[tuple[str, str]] = Counter()
        self._unread: set[str] = set()

    def records(self, rules: Collection, records: Sequence[Any], path: str) -> None:
        for line, one in enumerate(records, start=1):
            if one is not None:
                self._record(rules, one, Place(path, line, ""))

    def members(self, rules: Collection, members: Sequence[Any], path: str, below: str) -> None:
        """Of a set each one is there once."""
        first: dict[bytes, int] = {}
        for position, one in enumerate(members):
            place = Place(path, 0, below + pointer(position))
            self._record(rules, one, place)
            if rules.strategy == UNION and first.setdefault(compact(one), position) != position:
                self._problem(place, Reason.DUPLICATE_RECORD, letters.member_twice(first[compact(one)]))

    def whole(self, rules: Collection, value: Any, place: Place) -> None:
        if rules.strategy == SUM:
            self._fits(rules, value, place)
        elif rules.layout == "entities":
            self._record(rules, value, place)
        else:
            for key, one in value.items():
                below = place.pointer + pointer(key)
                self._record(rules, _with_key(rules, key, one), Place(place.path, 0, below))

    def _record(self, rules: Collection, record: Any, place: Place) -> None:
        if not isinstance(record, dict):
            self._problem(place, Reason.SCHEMA_VIOLATION, letters.wrong_shape("an object", record))
            return
        self._fits(rules, record, place)
        if rules.strategy in (APPEND, LAST_WRITER_WINS):
            key = rules.key_of(record)
            if key is None:
                self._problem(place, Reason.NO_KEY, letters.no_key(rules.name))
            elif (first := self._keys[rules.name].setdefault(key, place)) is not place:
                where = (
                    f"{first.path}:{first.line}"
                    if first.line
                    else f"{first.path}{first.pointer and ' at '}{first.pointer}"
                )
                self._problem(place, Reason.DUPLICATE_RECORD, letters.key_twice(key, where))
        for name, target in rules.holding.items():
            value = record.get(name)
            for one in () if value is None else value if isinstance(value, list) else (value,):
                wanted = self._collections[target].key_for(one)
                self._mentions[target, wanted] += 1
                self._wanted[target].setdefault(
                    wanted, (Place(place.path, place.line, place.pointer + pointer(name)), one)
                )

    def _fits(self, rules: Collection, value: Any, place: Place) -> None:
        for name, problem in self._rules.entity_problems(rules, value):
            below = place.pointer + pointer(name) if name in value else place.pointer
            message = f"{name}: {problem}" if name and name in value else problem
            self._problem(Place(place.path, place.line, below), Reason.SCHEMA_VIOLATION, letters.misfit(message))

    def references(self) -> None:
        """Once all is read: what refers to nothing, a problem for each thing that is missing."""
        for target, wanted in self._wanted.items():
            if target in self._unread:
                continue  # what seems to be missing may stand in what could not be read
            for key in wanted.keys() - self._keys[target].keys():
                place, value = wanted[key]
                letter = letters.dangling(target, value, self._mentions[target, key])
                self._problem(place, Reason.DANGLING_REFERENCE, letter)

    def _taken(self, rules: Collection, read: Read) -> Any:
        if read.problems:
            self._unread.add(rules.name)
        return super()._taken(rules, read)


def _with_key(rules: Collection, key: str, value: Any) -> Any:
    """A record of an object, with the key field that it need not repeat."""
    if not isinstance(value, dict):
        return value
    missing = [part.name for part in rules.key if part.name not in value]
    kinds: Iterable[Any] = (rules.schema["properties"][name].get("type") for name in missing)
    return {**{name: _typed(key, kind) for name, kind in zip(missing, kinds, strict=True)}, **value}


def _typed(key: str, kind: Any) -> Any:
    return int(key) if kind == "integer" and key.lstrip("-").isdecimal() else key
