"""Pure. A collection: a named part of the state with one JSON Schema and one merge strategy.

The rules stand in the schema's `x-merge`. This file is the noun; `schemas` reads and checks the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from sys import intern
from typing import Any, NamedTuple

from merge_bot.canonical import compact, compact_all, key_hash, key_hashes

SUM, UNION, APPEND, OBSERVE, LAST_WRITER_WINS = "sum", "union", "append", "observe", "last-writer-wins"
LATEST, FIRST, HOLD, MAX, MIN, PREFER_WORKER = "latest", "first", "hold", "max", "min", "prefer-worker"
EXPECT = "_expect"
"""The key under which an operation says what it was computed from; no field has this name."""
FILE, ENTITIES, SEGMENTS = "file", "entities", "segments"

Mark = int | str
"""What a key is known by where records are looked up: its hash in segments, elsewhere the key itself."""
Marks = Sequence[Mark]


class KeyField(NamedTuple):
    """One field of a key; `hashed` ones enter by the SHA-256 of their canonical bytes."""

    name: str
    hashed: bool = False


class Policy(NamedTuple):
    """Who wins a conflict; `workers` are those of `prefer-worker`, the preferred one first."""

    name: str = LATEST
    workers: tuple[str, ...] = ()


BY_LATEST = Policy()


class PropertyRule(NamedTuple):
    """How one property merges: its own strategy, or who wins a conflict (of last-writer-wins entities), or which
    collection's records it counts: all (in a sum), or those whose field `by` names the entity."""

    strategy: str = LAST_WRITER_WINS
    on_conflict: Policy = BY_LATEST
    counts: str | None = None
    by: str | None = None


class Section(NamedTuple):
    """A declared section of a document; without an owner everybody may write it."""

    name: str
    owner: str | None = None


class Drift(NamedTuple):
    """Other names of properties (`aliases`: other name → property), and by property the forms its value may come in.

    It is falsy where a schema says neither.
    """

    aliases: Mapping[str, str] = {}
    forms: Mapping[str, tuple[str, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self.aliases or self.forms)

    @property
    def bare(self) -> str | None:
        """The property that a record is which is written as a bare value."""
        return next((name for name, forms in self.forms.items() if "bare" in forms), None)


@dataclass(frozen=True)
class Collection:
    """One collection's rules. `path` is a repository path: the file of layout `file`, else a folder.

    `pointer` (RFC 6901) is where the records sit inside a file; `shape` is how: "array", or "object" by key, in
    which case the key field itself is not repeated inside the record. `references` maps a field to a collection;
    where what a field in `lenient` names is missing, nothing waits: the record enters, and its receipt notes it. A
    collection with `sections` is a Markdown file (`sections.parsed`) whose entities are those.
    """

    name: str
    strategy: str
    delta_keys: tuple[str, ...]
    layout: str
    path: str
    schema: Mapping[str, Any]
    key: tuple[KeyField, ...] = ()
    else_key: tuple[KeyField, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    lenient: frozenset[str] = frozenset()
    pointer: str = ""
    shape: str = "array"
    on_conflict: Policy = BY_LATEST
    properties: Mapping[str, PropertyRule] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    drift: Drift = Drift()  # noqa: RUF009  # a constant
    schema_path: str = ""

    @property
    def keeps_records(self) -> bool:
        """Append keys carry a key space, because `else_key` is one of its own."""
        return self.strategy == APPEND

    @property
    def enters_whole(self) -> bool:
        """Records are added as they are, or not at all; no strategy changes them."""
        return self.strategy in (APPEND, OBSERVE)

    def key_of(self, record: Mapping[str, Any]) -> str | None:
        """The record's key as text, None if it lacks a key field.

        A record of an append collection: `[0,…]` by `key`, `[1,…]` by `else_key`. Elsewhere a single string or
        integer field is its own text, several are a JSON array.
        """
        if self._spelled and isinstance(text := record.get(self._spelled), str):  # as most are
            return text
        values = _values_of(record, self._spaces)
        return None if values is None else self._key_text(values)

    def key_for(self, value: Any) -> str:
        """The key text of the record that a reference with this value means (single-field keys only)."""
        return self._key_text([0, value])

    def mark(self, key: str) -> Mark:
        """What a key of this collection is known by."""
        return key_hash(key) if self.layout == SEGMENTS else key

    def marks_of(self, records: Sequence[Mapping[str, Any]]) -> Marks:
        """What the records' keys are known by; empty where nobody asks for keys: observations in segments have none."""
        if self.layout != SEGMENTS:
            return [intern(self.key_of(one) or "") for one in records]
        if self.strategy == OBSERVE:
            return ()
        return key_hashes(self._keys_of(records))

    def marks_for(self, values: Sequence[Any]) -> Marks:
        """What the records are known by that references with these values mean."""
        if self.layout == SEGMENTS:
            return key_hashes(compact_all([[0, value] for value in values]))
        if self.strategy == APPEND:
            return [self.key_for(value) for value in values]
        return [value if type(value) is str else self.key_for(value) for value in values]  # as most are

    def _keys_of(self, records: Sequence[Mapping[str, Any]]) -> list[bytes]:
        """The records' keys as bytes, empty for those without one. Most have the first key, and that of one field."""
        is_one = len(self.key) == 1 and not self.key[0].hashed
        name: Any = self.key[0].name if is_one else None
        rest = self._spaces[is_one:]
        return [
            compact([0, value]) if (value := record.get(name)) is not None else _bytes_of(record, rest)
            for record in records
        ]

    @cached_property
    def _spaces(self) -> list[_Space]:
        """Each key space that there is: its number, its fields, and which of them, counted from one, are hashed."""
        return [
            (space, [part.name for part in fields], [at for at, part in enumerate(fields, start=1) if part.hashed])
            for space, fields in enumerate((self.key, self.else_key))
            if fields
        ]

    @cached_property
    def _spelled(self) -> str | None:
        """The field whose text is the key; None if a key is more than that."""
        is_one = len(self.key) == 1 and not self.key[0].hashed
        return self.key[0].name if is_one and self.strategy != APPEND else None

    def _key_text(self, values: list[Any]) -> str:
        if self.strategy == APPEND:
            return compact(values).decode()
        if len(values) == 2:
            return values[1] if isinstance(values[1], str) else compact(values[1]).decode()
        return compact(values[1:]).decode()

    @property
    def holding(self) -> Mapping[str, str]:
        """The references whose records wait until what they name is there."""
        return {name: one for name, one in self.references.items() if name not in self.lenient}

    def counts(self, name: str) -> str | None:
        """The collection whose records property `name` counts; None if it is no derived counter."""
        rule = self.properties.get(name)
        return rule.counts if rule else None

    def is_overwritten(self, name: str) -> bool:
        """Whether a later write of this field takes the place of the one before: not of keys, nor of what adds up."""
        of_key = any(part.name == name for part in self.key)
        return self.strategy == LAST_WRITER_WINS and not of_key and self.rule(name).strategy not in (SUM, UNION)

    def rule(self, name: str) -> PropertyRule:
        """How property `name` of a last-writer-wins entity merges."""
        return self.properties.get(name) or PropertyRule(on_conflict=self.on_conflict)


_Space = tuple[int, list[str], list[int]]


def _values_of(record: Mapping[str, Any], spaces: Sequence[_Space]) -> list[Any] | None:
    """The number of the first of these key spaces that the record has all fields of, and their values."""
    get = record.get
    for space, names, hashed in spaces:
        values = [space, *map(get, names)]
        if None not in values:
            for at in hashed:
                values[at] = sha256(compact(values[at])).hexdigest()
            return values
    return None


def _bytes_of(record: Mapping[str, Any], spaces: Sequence[_Space]) -> bytes:
    values = _values_of(record, spaces)
    return b"" if values is None else compact(values)


class Collections(Mapping[str, Collection]):
    """Every collection by name, and by the delta key that feeds it."""

    def __init__(self, collections: Mapping[str, Collection]) -> None:
        self._by_name = dict(sorted(collections.items()))
        self.by_delta_key = {key: one for one in self._by_name.values() for key in one.delta_keys}

    def __getitem__(self, name: str) -> Collection:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)
