"""Pure. Where records sit in a document: arrays of objects, objects by key, counters; and what is left alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from merge_bot.adoption import letters
from merge_bot.adoption.evidence import Document, Record, is_number
from merge_bot.strict_json import pointer
from merge_bot.wording import listed

ARRAY, OBJECT, COUNTERS = "array", "object", "counters"
_COUNTERS = ("stats", "statistics", "counters", "counts", "totals", "metrics", "tallies")
_FAMILY = 3  # files of one folder that look alike, from which each is taken for one entity
_DEPTH = 4
_NAMES = 8


@dataclass(slots=True)
class Container:
    """A part of a document that could be a collection, and the name that it would have."""

    name: str
    path: str
    pointer: str
    shape: str
    value: Any

    @property
    def records(self) -> list[Record]:
        """The records; of an object by key its values."""
        if self.shape == COUNTERS:
            return []
        return list(self.value.values() if self.shape == OBJECT else self.value)


@dataclass(frozen=True, slots=True)
class Left:
    """A part of the state that stays what it is, without a collection, and why."""

    path: str
    pointer: str
    why: str


def look(document: Document) -> Iterator[Container | Left]:
    """Every part of a document that could be a collection, or why it could not."""
    stem = _stem(document.path)
    for found in _look(document.path, document.value, ()):
        if isinstance(found, Container) and not found.name:
            found.name = stem
        if isinstance(found, Container):
            found.name = _plain(found.name)
        yield found


def families(documents: Iterable[Document]) -> dict[str, int]:
    """The paths of files that are one entity each, with how many of the kind lie beside them."""
    folders: dict[str, list[Document]] = {}
    for one in documents:
        if isinstance(one.value, dict):
            folders.setdefault(one.path.rpartition("/")[0], []).append(one)
    found: dict[str, int] = {}
    for ones in folders.values():
        records = [{name for name in one.value if not name.startswith("_")} for one in ones]
        counts = Counter(name for names in records for name in names)
        common = {name for name, count in counts.items() if 2 * count > len(ones)}
        alike = [
            one
            for one, names in zip(ones, records, strict=True)
            if 2 * len(names & common) > max(len(names), len(common) - 1)
        ]
        if len(alike) >= _FAMILY:
            found |= {one.path: len(alike) for one in alike}
    return found


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json")


def _look(path: str, value: Any, names: Sequence[str]) -> Iterator[Container | Left]:
    where, name = pointer(*names), names[-1] if names else ""
    if isinstance(value, list):
        others = sum(not isinstance(one, dict) for one in value)
        if not others:
            yield Container(name, path, where, ARRAY, value)
        else:
            why = letters.mixed(others, len(value)) if others < len(value) else letters.no_records(value)
            yield Left(path, where, why)
    elif not isinstance(value, dict):
        yield Left(path, where, letters.single())
    elif value and all(isinstance(one, dict) for one in value.values()) and _alike(list(value.values())):
        yield Container(name, path, where, OBJECT, value)
    elif _counts(value, name or _stem(path)) and not name.startswith("_"):
        yield Container(name, path, where, COUNTERS, value)
    elif value and all(isinstance(one, list) for one in value.values()) and len(value) > _NAMES:
        yield Left(path, where, letters.lists_by_key(len(value)))
    elif len(names) < _DEPTH:
        below = [one for one, inner in value.items() if isinstance(inner, dict | list) and not one.startswith("_")]
        for one in below:
            yield from _look(path, value[one], [*names, one])
        if rest := [one for one in value if one not in below]:
            yield Left(path, where, letters.beside(listed(rest[:_NAMES])))
    else:
        yield Left(path, where, letters.too_deep(_DEPTH))


def _alike(records: Sequence[Record]) -> bool:
    """Whether objects look like records of one kind: most share most of the fields that most have."""
    counts = Counter(name for one in records for name in one)
    common = {name for name, count in counts.items() if 2 * count > len(records)}
    near = sum(2 * len(common & one.keys()) >= len(common) for one in records)
    return len(records) > 1 and bool(common) and 10 * near >= 9 * len(records)


def _counts(value: Record, name: str) -> bool:
    """Whether an object is one of counters: more numbers than anything else, or a name that says so; nothing nested."""
    numbers = sum(map(is_number, value.values()))
    many = 2 * numbers > len(value) or (numbers > 0 and name.lower() in _COUNTERS)
    return many and not any(isinstance(one, dict | list) for one in value.values())


def _plain(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")[:60]
    return plain if plain[:1].isalpha() else f"c_{plain}".rstrip("_")
