"""Pure. Drift: what writers call otherwise, or write in another form, and a schema says how to read.

`x-aliases` of a property are further names of it, `x-coerce` the forms below that its value may come in. Law: a record
that satisfies its schema is read as it is; only one that does not is read again, and then each change is noted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from merge_bot import drift_letters
from merge_bot.collection import SUM, Collection, Collections, Drift
from merge_bot.json_schema import Schema
from merge_bot.messages import Letter
from merge_bot.strict_json import pointer

ALIASES, COERCE = "x-aliases", "x-coerce"
BARE, DIGITS, WHOLE, TEXT, LIST = "bare", "digits", "whole", "text", "list"
TYPES_OF: Mapping[str, tuple[str, ...]] = {
    BARE: ("string", "integer"),
    DIGITS: ("integer",),
    WHOLE: ("integer",),
    TEXT: ("string",),
    LIST: ("array",),
}
"""Every form with the types of property that it is for."""

_DIGITS = re.compile(r"-?(0|[1-9][0-9]{0,17})\Z", re.ASCII)
_EXACT = 2**53
_NAMES = Schema(
    {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string", "minLength": 1, "maxLength": 200}}
)
Place = tuple[str | int, ...]


class Change(NamedTuple):
    """One thing that was read otherwise: where, which property, how (an alias or a form), and what stood there."""

    key: str
    position: int | None
    name: str
    alias: str | None
    form: str | None
    said: Any

    @property
    def pointer(self) -> str:
        """The record's place in the delta."""
        return pointer(self.key) if self.position is None else pointer(self.key, self.position)


def drift_of(schema: Mapping[str, Any]) -> Drift:
    """What a schema without mistakes says of other names and forms."""
    aliases: dict[str, str] = {}
    forms: dict[str, tuple[str, ...]] = {}
    for name, one in schema.get("properties", {}).items():
        if isinstance(one, dict):
            aliases |= {str(other): name for other in _listed(one.get(ALIASES))}
            if taken := [str(form) for form in _listed(one.get(COERCE)) if form in TYPES_OF]:
                forms[name] = tuple(taken)
    return Drift(aliases, forms)


def _listed(value: Any) -> list[Any]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def mistakes(schema: Mapping[str, Any], strategy: str) -> Iterator[tuple[Place, Letter]]:
    """What is wrong with the aliases and forms of a schema's properties."""
    properties = {name: one for name, one in schema.get("properties", {}).items() if isinstance(one, dict)}
    meant: dict[str, str] = {}
    bare = ""
    for name, one in properties.items():
        for keyword in (ALIASES, COERCE):
            if keyword in one and not _NAMES.is_valid(one[keyword]):
                yield ("properties", name, keyword), drift_letters.not_a_list_of_names(keyword)
        for position, other in enumerate(_listed(one.get(ALIASES))):
            place = ("properties", name, ALIASES, position)
            if other in schema["properties"]:
                yield place, drift_letters.alias_is_property(other)
            elif meant.setdefault(other, name) != name:
                yield place, drift_letters.alias_twice(other, meant[other])
        for position, form in enumerate(_listed(one.get(COERCE))):
            place = ("properties", name, COERCE, position)
            if form not in TYPES_OF:
                yield place, drift_letters.unknown_form(form, TYPES_OF)
            elif one.get("type") not in TYPES_OF[form]:
                yield place, drift_letters.form_of_type(form, TYPES_OF[form])
            elif form == BARE and (bare or strategy == SUM):
                yield place, drift_letters.bare_twice(bare) if bare else drift_letters.no_bare_sum()
            bare = name if form == BARE else bare


def mend(
    document: Mapping[str, Any], collections: Collections, fits: Callable[[str, Any], bool]
) -> tuple[Mapping[str, Any], list[Change]]:
    """A delta's object with each record that does not fit its schema read by its aliases and forms; what that changed.

    `fits` tells whether a record of a collection needs no such reading.
    """
    changes: list[Change] = []

    def read(record: Any, key: str, position: int | None, rules: Collection) -> Any:
        if fits(rules.name, record):
            return record
        after, made = read_by(record, rules.drift, key, position)
        changes.extend(made)
        return after

    mended: dict[str, Any] = {}
    for key, value in document.items():
        rules = collections.by_delta_key.get(key)
        mended[key] = value
        if rules is None or not rules.drift:
            continue
        if rules.strategy == SUM and isinstance(value, dict):
            mended[key] = read(value, key, None, rules)
        elif rules.strategy != SUM and isinstance(value, list):
            mended[key] = [read(one, key, position, rules) for position, one in enumerate(value)]
    return mended, changes


def read_by(record: Any, drift: Drift, key: str = "", position: int | None = None) -> tuple[Any, list[Change]]:
    """A record by other names and forms, and what that changes; `key` and `position` are its place in the delta."""
    made: list[Change] = []
    if not isinstance(record, dict):
        if drift.bare is None or not isinstance(record, str | int) or isinstance(record, bool):
            return record, []
        made.append(Change(key, position, drift.bare, None, BARE, record))
        record = {drift.bare: record}
    after, renamed = _renamed(record, drift)
    made += [Change(key, position, name, alias, None, None) for alias, name in renamed.items()]
    for name, forms in drift.forms.items():
        for form in forms if name in after else ():
            value = coerced(after[name], form)
            if value is not after[name]:
                made.append(Change(key, position, name, None, form, after[name]))
                after[name] = value
    return after, made


def _renamed(record: Mapping[str, Any], drift: Drift) -> tuple[dict[str, Any], dict[str, str]]:
    """The record with its aliases renamed in place. Where two names say one thing, none is preferred: they stay."""
    said: dict[str, list[str]] = {}
    for name in record:
        said.setdefault(drift.aliases.get(name, name), []).append(name)
    renamed = {names[0]: name for name, names in said.items() if len(names) == 1 and names[0] != name}
    return {renamed.get(name, name): value for name, value in record.items()}, renamed


def coerced(value: Any, form: str) -> Any:
    """`value` read in a form; the very same object where the form is not its own."""
    if form == DIGITS and isinstance(value, str) and _DIGITS.match(value):
        return int(value)
    if form == WHOLE and isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    if form == TEXT and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if form == LIST and value is not None and not isinstance(value, list):
        return [value]
    return value


def notes(changes: list[Change]) -> list[str]:
    """The changes as notes of a receipt: those that are alike told once."""
    alike: dict[tuple[str, str, str | None, str | None], list[Change]] = {}
    for one in changes:
        alike.setdefault((one.key, one.name, one.alias, one.form), []).append(one)
    return [
        drift_letters.read_otherwise(
            ones[0].pointer, ones[0].name, ones[0].alias, ones[0].form, ones[0].said, len(ones)
        )
        for ones in alike.values()
    ]
