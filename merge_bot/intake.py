"""Pure. Taking in what another hand changed: held to the rules as a delta would be, then entered into the books.

Nothing may be removed, every touched record has to fit its schema and refer to what is there. A touched field gets a
clock of its own, the time of the edit, so that an older delta that comes late does not undo it in silence; an open
conflict about it is settled. The key files of touched segments are written anew, as are those that were removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from merge_bot import foreign_letters as letters
from merge_bot.canonical import digest, document, spelled
from merge_bot.collect import Base
from merge_bot.collection import APPEND, LAST_WRITER_WINS, OBSERVE, SEGMENTS, SUM, UNION, Collection
from merge_bot.conflicts import Conflicts
from merge_bot.delta import format_utc
from merge_bot.diff import ABSENT, Change
from merge_bot.edits import Edit, Edits, records_changed
from merge_bot.errors import UnreadableState
from merge_bot.grounds import clock_rules
from merge_bot.layouts.base import Opening, Store
from merge_bot.layouts.catalog import open_store
from merge_bot.layouts.entities import EntitiesStore
from merge_bot.layouts.key_files import SEGMENT, KeyFiles, hashes_of
from merge_bot.paths import numbered
from merge_bot.state import Files, Overlay, parse_lines

NOBODY = "(somebody)"


@dataclass(slots=True)
class Adoption:
    """`problems` say why it cannot be; else `marks` are the books' files and `growth` the new records by collection."""

    problems: list[str] = field(default_factory=list)
    marks: dict[str, bytes | None] = field(default_factory=dict)
    growth: Counter[str] = field(default_factory=Counter)


def adopt(base: Base, edits: Edits, now: datetime) -> Adoption:
    """What taking `edits` in makes of the books of `base`, where they stand. Nothing is written."""
    work = _Adopter(base, edits, now)
    try:
        work.run()
    except UnreadableState as error:
        work.done.problems += letters.unreadable(str(error))
    return work.done


class _Adopter:
    def __init__(self, base: Base, edits: Edits, now: datetime) -> None:
        self.done = Adoption()
        self._base, self._edits, self._now = base, edits, now
        self._by_path = {one.path: one for one in edits.files}
        self._stores: dict[tuple[str, Files], Store] = {}

    def run(self) -> None:
        self.done.problems += [problem for edit in self._edits.files if (problem := self._place(edit))]
        if self.done.problems:
            return
        keys = dict(self._key_files())
        after = Overlay(self._base.files, keys)
        changes = records_changed(self._edits, self._base.files, self._base.collections, self._base.paths)
        self.done.problems += [problem for change in changes for problem in self._record(change)]
        self.done.problems += [*self._twice(changes), *self._names(changes, after), *self._references(changes, after)]
        if self.done.problems:
            return
        for change in changes:
            self.done.growth[change.collection] += _growth(change, self._rules(change))
        self.done.marks |= keys
        self.done.marks |= self._clocks([one for one in changes if self._rules(one).strategy == LAST_WRITER_WINS])

    def _rules(self, change: Change) -> Collection:
        return self._base.collections[change.collection]

    # --- may it be?

    def _place(self, edit: Edit) -> str | None:
        paths, path = self._base.paths, edit.path
        own = (f"{paths.control}/", f"{paths.frames}/", paths.conflicts, paths.parked)
        if path.startswith(own):
            is_made_up = path.startswith(paths.keys("")) and edit.after is None  # a key file is, where it is missing
            return None if is_made_up else letters.books(path)
        if edit.after is not None and not edit.after.is_file:
            return letters.no_plain_file(path)
        owner = self._owner(path)
        if owner is None:
            return None
        if edit.after is None:
            return letters.file_removed(path)
        return None if _may_lie_at(owner, path, self._base.meta.frame) else letters.misplaced(path, owner.name)

    def _owner(self, path: str) -> Collection | None:
        ones = self._base.collections.values()
        return next((one for one in ones if path == one.path or path.startswith(f"{one.path}/")), None)

    def _record(self, change: Change) -> Iterator[str]:
        """What is wrong with one touched record in itself."""
        name, key, rules = change.collection, change.key, self._rules(change)
        if change.kind == "removed":
            yield letters.record_removed(name, key)
            return
        for at, (_, now) in change.fields.items():
            if now is ABSENT:
                yield letters.field_removed(name, key, at)
        if not isinstance(change.after, dict):
            yield letters.misfit(name, key, "it is no object")
            return
        if rules.strategy in (APPEND, LAST_WRITER_WINS) and rules.key_of(change.after) is None:
            yield letters.no_key(name)
        for at, problem in self._base.rules.entity_problems(rules, change.after):
            yield letters.misfit(name, key, f"{at}: {problem}" if at else problem)

    def _twice(self, changes: list[Change]) -> Iterator[str]:
        """Records that came under a key that is taken."""
        assert self._edits.before is not None
        for name, rules in self._base.collections.items():
            added = Counter(one.key for one in changes if one.collection == name and one.kind == "added")
            if rules.strategy not in (APPEND, LAST_WRITER_WINS) or not added:
                continue
            taken = self._store(rules, self._edits.before).records(set(added))
            yield from (letters.twice(name, key) for key, count in sorted(added.items()) if count > 1 or key in taken)

    def _names(self, changes: list[Change], after: Files) -> Iterator[str]:
        """Entities in files that are not named for them: nobody would find them there."""
        for name, rules in self._base.collections.items():
            if rules.layout != "entities":
                continue
            store = self._store(rules, after)
            assert isinstance(store, EntitiesStore)
            keys = sorted({one.key for one in changes if one.collection == name})
            where = {store.path_of(key) for key in keys}
            for path in sorted(self._by_path):
                if path.startswith(f"{rules.path}/") and path not in where:
                    yield letters.misplaced(path, name)

    def _references(self, changes: list[Change], after: Files) -> Iterator[str]:
        for change in changes:
            for at, target in self._rules(change).references.items():
                record = change.after if isinstance(change.after, dict) else {}
                if change.kind == "changed" and at not in change.fields:
                    continue
                value = record.get(at)
                rules = self._base.collections[target]
                for one in () if value is None else value if isinstance(value, list) else (value,):
                    key = rules.key_for(one)
                    if not self._store(rules, after).records({key}):
                        yield letters.dangling(change.collection, change.key, target, one)

    def _store(self, rules: Collection, files: Files) -> Store:
        """A collection in these files, read once: every reference asks."""
        if (rules.name, files) not in self._stores:
            opening = Opening(rules, files, self._base.paths, self._base.meta.frame)
            self._stores[rules.name, files] = open_store(opening)
        return self._stores[rules.name, files]

    # --- the books

    def _key_files(self) -> Iterator[tuple[str, bytes | None]]:
        """What becomes of the key files where segments were touched or key files removed: made up from the records."""
        base = self._base
        for rules in base.collections.values():
            touched = [path for path in sorted(self._by_path) if path.startswith(f"{rules.path}/")]
            removed = any(path.startswith(f"{base.paths.keys(rules.name)}/") for path in self._by_path)
            if rules.layout != SEGMENTS or not rules.keeps_records or not (touched or removed):
                continue
            keys = KeyFiles(rules, base.files, base.paths)
            for path in touched:
                hashes = hashes_of(rules, parse_lines(base.files.read(path) or b"", path))
                keys.put(path.removeprefix(f"{rules.path}/").removesuffix(SEGMENT), hashes)
            keys.compact()
            yield from ((one.path, one.whole) for one in keys.changes())

    def _clocks(self, changes: list[Change]) -> dict[str, bytes | None]:
        """Clocks of the touched fields, and the open conflicts less those about them."""
        base, marks = self._base, dict[str, bytes | None]()
        conflicts = Conflicts.read(base.files, base.paths)
        shared: dict[str, Any] = {}
        for name in sorted({one.collection for one in changes}):
            rules = base.collections[name]
            ones = [one for one in changes if one.collection == name]
            clocks = open_store(
                Opening(clock_rules(rules, base.paths), base.files, base.paths, base.meta.frame, shared)
            )
            known = clocks.records({one.key for one in ones})
            for change in ones:
                touched = {at: self._clock(rules, change.key) for at in _fields(change, rules)}
                if touched:
                    clocks.put(change.key, {**known.get(change.key, {}), **touched})
                for at in touched:
                    conflicts.close(name, change.key, at)
            marks |= {change.path: change.whole for change in clocks.flush()}
        if conflicts.touched:
            marks[base.paths.conflicts] = document(conflicts.entries)
        return marks

    def _clock(self, rules: Collection, key: str) -> dict[str, Any]:
        """The write of an edit: by whom its file was changed, when it was committed, but never in the future."""
        store = self._store(rules, self._base.files)
        path = (store.path_of(key) if isinstance(store, EntitiesStore) else None) or rules.path
        edit = self._by_path[path]
        when = min(datetime.fromtimestamp(edit.committed, UTC), self._now) if edit.committed else self._now
        content = digest(self._base.files.read(path) or b"")
        by = spelled(edit.author) or NOBODY
        return {"at": format_utc(when), "by": by, "delta": content, "frame": self._base.meta.frame, "index": 0}


def _fields(change: Change, rules: Collection) -> list[str]:
    """The fields of an entity that the edit wrote and that keep their last write."""
    names = change.fields if change.kind == "changed" else change.after
    keys = {part.name for part in rules.key}
    return [one for one in sorted(names) if one not in keys and rules.rule(one).strategy not in (SUM, UNION)]


def _growth(change: Change, rules: Collection) -> int:
    """By how many records a collection grew: a sum counts its counters."""
    if rules.strategy == SUM:
        return len(change.after) - len(change.before or {})
    return 1 if change.kind == "added" else 0


def _may_lie_at(rules: Collection, path: str, open_frame: int) -> bool:
    """Whether a file of the collection may have this name at all."""
    if rules.layout == "file":
        return path == rules.path
    rest = path.removeprefix(f"{rules.path}/")
    if rules.layout == "entities":
        return rest.endswith(".jsonl" if rules.strategy == OBSERVE else ".json")
    number = rest.rpartition("/")[2].removesuffix(".jsonl")
    return number.isdecimal() and rest == f"{numbered(int(number))}.jsonl" and int(number) < open_frame
