"""Pure. What tells records apart: a key by which the state's and the deltas' records have one each, if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

from merge_bot.adoption.evidence import Record, is_word, singular
from merge_bot.delta import parse_utc

_NAMES = ("id", "pk", "key", "uuid", "guid", "number", "slug")
_ENDINGS = ("_id", "_key", "_number", "_slug", "Id", "Key", "Number")
_OTHERS = ("name", "handle", "email", "url", "sha", "hash", "path", "login", "username")
_MANY = 30  # records below which fields may be unique together by chance
_FEW = 3  # records below which nothing says that doubles are not wanted
_COMPOUND = 8  # fields that are tried together, at most three at a time


class Key(NamedTuple):
    """`fields` make the key, `other` is the one of older records that have none of `fields`. Empty: there is none."""

    fields: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


def rank(field: str, name: str) -> int | None:
    """How much a field of collection `name` sounds like a key, the smallest most; None if not at all."""
    own = (f"{singular(name)}_id", f"{singular(name)}Id", f"{singular(name)}_number", singular(name))
    known = (*_NAMES, *own)
    if field in known:
        return known.index(field)
    if field.endswith(_ENDINGS):
        return len(known)
    return len(known) + 1 + _OTHERS.index(field) if field in _OTHERS else None


def choose(name: str, state: Sequence[Record], deltas: Sequence[Record]) -> Key:
    """The key of an array's records."""
    in_state = [one for one in _sounding(name, state) if _unique(state, one)]
    in_deltas = _sounding(name, deltas)
    if not deltas and in_state:
        return Key((in_state[0],))
    both = [one for one in in_state if one in in_deltas and _kind(state, one) == _kind(deltas, one)]
    if both:
        return Key((both[0],))
    new = [one for one in in_deltas if _unique(deltas, one) and _fits_state(one, state)]
    if new and (in_state or not state):
        return Key((new[0],), tuple(in_state[:1]))
    return Key(_compound([*state, *deltas]))


def _sounding(name: str, records: Sequence[Record]) -> list[str]:
    """Fields that all the records have, and that sound like keys, the best first."""
    common = _common(records)
    ranked = [(place, one) for one in common if (place := rank(one, name)) is not None]
    return [one for _, one in sorted(ranked)]


def _common(records: Sequence[Record]) -> list[str]:
    """Fields that hold a key's kind of value in every record, always of one type."""
    names = [one for one in records[0] if all(is_word(record.get(one)) for record in records)] if records else []
    return [one for one in names if _kind(records, one) is not None]


def _kind(records: Sequence[Record], field: str) -> type | None:
    kinds = {type(one[field]) for one in records}
    return kinds.pop() if len(kinds) == 1 else None


def _fits_state(field: str, state: Sequence[Record]) -> bool:
    """Whether what few older records have under the field could be keys too."""
    there = [one for one in state if field in one]
    return all(is_word(one[field]) for one in there) and _unique(there, field)


def _unique(records: Sequence[Record], *fields: str) -> bool:
    return len({tuple(one[field] for field in fields) for one in records}) == len(records)


def _compound(records: Sequence[Record]) -> tuple[str, ...]:
    """Two or three fields with a time among them that are unique together. Without a time chance would be enough."""
    common = [one for one in _common(records) if max(len(str(record[one])) for record in records) <= 64]
    times = [one for one in common if all(_is_time(record[one]) for record in records)]
    for size in (2, 3):
        for fields in combinations(common[:_COMPOUND], size):
            if len(records) >= _MANY and set(fields) & set(times) and _unique(records, *fields):
                return fields
    return ()


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and parse_utc(value) is not None


def is_set(records: Sequence[Record]) -> bool:
    """Whether keyless records look like members of a set: short, of one form, each there once, without a time."""
    forms = {tuple(sorted(one)) for one in records}
    if len(records) < _FEW or len(forms) != 1 or not 1 <= len(min(forms)) <= 3:
        return False
    whole = [tuple(one[field] for field in sorted(one)) for one in records]
    words = all(is_word(value) and not _is_time(value) and len(str(value)) <= 200 for one in whole for value in one)
    return words and len(set(whole)) == len(whole)


def key_of_object(name: str, value: dict[str, Record], deltas: Sequence[Record]) -> tuple[str, bool]:
    """The name of the field that the keys of an object stand for, and whether its values are integers.

    A field that repeats the key; else one of the deltas that names keys; else a name made from the collection's.
    """
    repeated = [
        one for one in next(iter(value.values())) if all(str(record.get(one)) == key for key, record in value.items())
    ]
    for one in sorted(repeated, key=lambda field: (rank(field, name) is None, rank(field, name) or 0)):
        if (kind := _kind(list(value.values()), one)) in (str, int):
            return one, kind is int
    named = [one for one in _common(deltas) if 2 * sum(str(record[one]) in value for record in deltas) >= len(deltas)]
    named = [one for one in named if all(one not in record for record in value.values())]
    if named:
        best = min(
            named, key=lambda one: (rank(one, name) is None, -sum(str(record[one]) in value for record in deltas))
        )
        return best, _kind(deltas, best) is int
    made = (f"{singular(name)}_id", f"{singular(name)}_key", "id", "key", "adopted_key")
    taken = {field for record in value.values() for field in record}
    return next(one for one in made if one not in taken or one == made[-1]), False
