"""Pure. What would let a refused delta enter: aliases and forms that its schemas lack, and the delta so read.

Slow, and only for what `validate` has refused. Nothing is proposed that does not lead to a delta that enters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from merge_bot.collection import EXPECT, SUM, Collection, Drift
from merge_bot.delta import FILE_NAME, Candidate, Delta, file_name
from merge_bot.drift import BARE, TYPES_OF, coerced, read_by
from merge_bot.explain import meant_keys
from merge_bot.guess import nearest
from merge_bot.json_style import style_of
from merge_bot.strict_json import parse
from merge_bot.validate import Rules, given, validate
from merge_bot.x_merge import properties_of

_MAX_BYTES = 8_000_000


@dataclass(slots=True)
class Repair:
    """The delta as it would enter, and what the schemas would have to say to read it so: {property: […]} by schema."""

    path: str
    data: bytes
    aliases: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    forms: dict[str, dict[str, list[str]]] = field(default_factory=dict)


def repaired(candidate: Candidate, rules: Rules) -> Repair | None:
    """How a refused delta would enter; None if other names and forms do not help. `path` is where it could lie."""
    if candidate.data is None or candidate.size > _MAX_BYTES:
        return None
    parsed = parse(candidate.data, candidate.path)
    if not isinstance(parsed.value, dict):
        return None
    made = Repair(beside(candidate.path), b"")
    document = {}
    for key, value in parsed.value.items():
        collection = rules.collections.by_delta_key.get(key)
        document[key] = _Reader(collection, rules, made).read(value) if collection else value
    if not (made.aliases or made.forms):
        return None
    made.data = style_of(candidate.data, parsed.value).written(document)
    return made if isinstance(validate(given(made.path, made.data), rules), Delta) else None


def beside(path: str) -> str:
    """The path of a repaired delta: beside the refused one, under a name that a delta can have."""
    folder, slash, name = path.rpartition("/")
    match = FILE_NAME.match(name)
    if match is None:
        return f"{folder}{slash}{name.removesuffix('.json')}.fixed.json"
    suffix = f"{match['suffix'][:70]}-fixed" if match["suffix"] else "fixed"
    return f"{folder}{slash}{file_name(int(match['frame']), match['stream_id'], suffix)}"


class _Reader:
    """Reads the records of one collection, and learns what it takes."""

    def __init__(self, collection: Collection, rules: Rules, made: Repair) -> None:
        self._collection, self._rules, self._made = collection, rules, made
        self._properties = properties_of(collection.schema)
        self._known: dict[tuple[frozenset[str], frozenset[str]], dict[str, str]] = {}
        self._drift = Drift(dict(collection.drift.aliases), dict(collection.drift.forms))

    def read(self, value: Any) -> Any:
        """The value under the delta's key, with each record that does not fit read so that it does, if that can be."""
        if self._collection.strategy == SUM:
            return self._record(value) if isinstance(value, dict) else value
        return [self._record(one) for one in value] if isinstance(value, list) else value

    def _record(self, record: Any) -> Any:
        name = self._collection.name
        if self._rules.fits(name, record):
            return record
        for drift in (self._drift, self._wider(record)):
            after, _ = read_by(record, drift)
            if self._rules.fits(name, after):
                self._learn(drift)
                return after
        return record

    def _wider(self, record: Any) -> Drift:
        """What is known already, and what this record could want beside it."""
        forms = dict(self._drift.forms)
        if not isinstance(record, dict):
            if self._drift.bare is None and (name := self._bare(record)):
                forms[name] = (BARE, *forms.get(name, ()))
            return self._with_forms(Drift(self._drift.aliases, forms), record)
        after, _ = read_by(record, self._drift)
        missing = frozenset(
            str(one.expected)
            for one in self._rules.operand(self._collection.name).findings(after)
            if one.keyword == "required" and not one.path
        )
        unknown = frozenset(one for one in after if one not in self._properties and one != EXPECT)
        if (missing, unknown) not in self._known:
            self._known[missing, unknown] = meant_keys(
                self._collection, after, sorted(unknown), sorted(missing), nearest
            )
        closed = self._collection.schema.get("additionalProperties") is False
        new = {other: name for other, name in self._known[missing, unknown].items() if closed or name in missing}
        new = {other: name for other, name in new.items() if self._drift.aliases.get(other, name) == name}
        return self._with_forms(Drift({**self._drift.aliases, **new}, forms), record)

    def _bare(self, value: Any) -> str | None:
        """The property that a bare value would be: the key, or the only one that a record must have."""
        key = [part.name for part in self._collection.key]
        required = self._collection.schema.get("required", [])
        ways = [one for one in (key, required) if len(one) == 1]
        kind = {str: "string", int: "integer"}.get(type(value))
        return next((one[0] for one in ways if self._properties.get(one[0], {}).get("type") == kind), None)

    def _with_forms(self, drift: Drift, record: Any) -> Drift:
        """The forms as well that would change a value whose type is not its property's."""
        after, _ = read_by(record, drift)
        forms = dict(drift.forms)
        for name in after if isinstance(after, dict) else ():
            kind = self._properties.get(name, {}).get("type")
            for form, types in TYPES_OF.items():
                if form != BARE and kind in types and coerced(after[name], form) is not after[name]:
                    forms[name] = (*forms.get(name, ()), form)
        return Drift(drift.aliases, forms)

    def _learn(self, drift: Drift) -> None:
        name = self._collection.schema_path or self._collection.name
        for other, one in drift.aliases.items():
            if other not in self._drift.aliases:
                self._made.aliases.setdefault(name, {}).setdefault(one, []).append(other)
        for one, forms in drift.forms.items():
            new = [form for form in forms if form not in self._drift.forms.get(one, ())]
            if new:
                self._made.forms.setdefault(name, {}).setdefault(one, []).extend(new)
        self._drift = drift


def proposals(made: Repair) -> list[tuple[str, str, str, Sequence[str]]]:
    """(schema, property, keyword, values) of everything that the schemas would have to say."""
    found: list[tuple[str, str, str, Sequence[str]]] = []
    by_keyword: Mapping[str, dict[str, dict[str, list[str]]]] = {"x-aliases": made.aliases, "x-coerce": made.forms}
    for keyword, by_schema in by_keyword.items():
        found += [(path, name, keyword, ones) for path, names in by_schema.items() for name, ones in names.items()]
    return sorted(found, key=lambda one: (one[0], one[1], one[2]))
