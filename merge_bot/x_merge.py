"""Pure. `x-merge`: how a collection's schema says how the collection merges, and every mistake in saying it.

At the top of a schema it makes the collection; on a top-level property of a last-writer-wins entity it gives that
property its own strategy. What concerns several collections is checked in `schemas`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from merge_bot import drift, rule_messages, safe_path, sections
from merge_bot.collection import (
    APPEND,
    BY_LATEST,
    ENTITIES,
    EXPECT,
    FILE,
    LAST_WRITER_WINS,
    LATEST,
    OBSERVE,
    SUM,
    UNION,
    Collection,
    KeyField,
    Policy,
    PropertyRule,
    Section,
)
from merge_bot.guess import nearest
from merge_bot.json_schema import Schema
from merge_bot.messages import Letter
from merge_bot.paths import Paths
from merge_bot.policy import policy_fault, read_policy
from merge_bot.strategies.catalog import LAYOUTS_OF

WARN = "warn"
SECTIONS = "sections"
PROPERTY_STRATEGIES = (SUM, UNION, LAST_WRITER_WINS)
KEY_TYPES = ("string", "integer")
_NUMBERS = ("integer", "number")
_SHAPES_OF = {SUM: ("object",), LAST_WRITER_WINS: ("array", "object")}

_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_REFERENCE = {
    "type": "object",
    "properties": {"to": _NAME, "on_missing": {"type": "string", "enum": ["hold", WARN]}},
    "required": ["to"],
    "additionalProperties": False,
}
_SECTION = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,79}$"},
        "owner": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"},
    },
    "required": ["name"],
    "additionalProperties": False,
}
_ON_CONFLICT = {"type": ["string", "object"]}
_HASHED = {"type": "object", "properties": {"hash": _NAME}, "required": ["hash"], "additionalProperties": False}
X_MERGE = Schema(
    {
        "type": "object",
        "properties": {
            "strategy": {"type": "string"},
            "delta": {
                "type": "array",
                "items": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$"},
                "minItems": 1,
                "uniqueItems": True,
            },
            "key": {"type": "array", "items": _NAME, "minItems": 1},
            "else_key": {"type": "array", "items": {"anyOf": [_NAME, _HASHED]}, "minItems": 1},
            "references": {"type": "object", "additionalProperties": {"anyOf": [_NAME, _REFERENCE]}},
            "layout": {"type": "string"},
            "path": {"type": "string"},
            "pointer": {"type": "string", "pattern": "^(/([^~/]|~[01])+)*$"},
            "shape": {"type": "string", "enum": ["array", "object"]},
            "on_conflict": _ON_CONFLICT,
            "sections": {"type": "array", "items": _SECTION, "minItems": 1},
        },
        "required": ["strategy", "delta"],
        "additionalProperties": False,
    }
)
PROPERTY_X_MERGE = Schema(
    {
        "type": "object",
        "properties": {"strategy": {"type": "string"}, "on_conflict": _ON_CONFLICT, "counts": _NAME, "by": _NAME},
        "minProperties": 1,
        "additionalProperties": False,
        "dependentRequired": {"by": ["counts"]},
    }
)


class Mistake(NamedTuple):
    """Something wrong at one place of one schema."""

    place: tuple[str | int, ...]
    letter: Letter


def read(name: str, path: str, schema: Mapping[str, Any], state: str) -> tuple[Collection | None, list[Mistake]]:
    """The collection that a valid JSON Schema describes, and what is wrong with its rules; None if all is unclear."""
    if "x-merge" not in schema:
        return None, [Mistake((), rule_messages.no_x_merge())]
    rules = schema["x-merge"]
    mistakes = list(_misshapen(rules, ("x-merge",), X_MERGE))
    if mistakes:
        return None, mistakes
    strategy = rules["strategy"]
    if strategy not in LAYOUTS_OF:
        letter = rule_messages.unknown_strategy(strategy, nearest(strategy, LAYOUTS_OF), LAYOUTS_OF)
        return None, [Mistake(("x-merge", "strategy"), letter)]
    of_sections = strategy == SECTIONS
    if mistakes := list(_sections(rules)):
        return None, mistakes
    layout = rules.get("layout", LAYOUTS_OF[strategy][0])
    default = f"{state}/{name}.json" if layout == FILE else f"{state}/{name}"
    key = _fields(rules.get("key", []))
    if of_sections:
        strategy, default, key = LAST_WRITER_WINS, f"{state}/{name}{sections.ENDING}", (KeyField(sections.NAME),)
    references = rules.get("references", {})
    collection = Collection(
        name=name,
        strategy=strategy,
        delta_keys=tuple(rules["delta"]),
        layout=layout,
        path=rules.get("path", default),
        schema=schema,
        key=key,
        else_key=_fields(rules.get("else_key", [])),
        references={name: one if isinstance(one, str) else one["to"] for name, one in references.items()},
        lenient=frozenset(
            name for name, one in references.items() if isinstance(one, dict) and one.get("on_missing") == WARN
        ),
        pointer=rules.get("pointer", ""),
        shape="object" if strategy == SUM or of_sections else rules.get("shape", "array"),
        on_conflict=_policy(rules, BY_LATEST),
        properties=_property_rules(schema, _policy(rules, BY_LATEST)),
        schema_path=path,
        sections=tuple(Section(one["name"], one.get("owner")) for one in rules.get("sections", ())),
        drift=drift.drift_of(schema),
    )
    if of_sections:
        mistakes = [Mistake(*one) for one in sections.mistakes(schema, rules, collection.path)]
        if mistakes:
            return collection, mistakes + list(_path(collection, state))
    mistakes += [Mistake(*one) for one in drift.mistakes(schema, strategy)]
    mistakes += _layout(collection, rules)
    mistakes += _keys(collection)
    mistakes += _path(collection, state)
    mistakes += _properties(collection)
    return collection, mistakes


def _sections(rules: Mapping[str, Any]) -> Iterator[Mistake]:
    """What a document of sections has, and nothing else has."""
    if rules["strategy"] != SECTIONS:
        if "sections" in rules:
            yield Mistake(("x-merge", "sections"), rule_messages.only_for("sections", f"strategy {SECTIONS}"))
        return
    if "sections" not in rules:
        yield Mistake(("x-merge",), rule_messages.needs_sections())
    if rules.get("layout", FILE) != FILE:
        letter = rule_messages.unknown_layout(rules["layout"], SECTIONS, LAYOUTS_OF[SECTIONS])
        yield Mistake(("x-merge", "layout"), letter)
    for one in ("key", "else_key", "references", "pointer", "shape"):
        if one in rules:
            yield Mistake(("x-merge", one), rule_messages.takes_no(SECTIONS, one))


def properties_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema's top-level properties; those written as true or false count as objects that ask for nothing."""
    return {name: one if isinstance(one, dict) else {} for name, one in schema.get("properties", {}).items()}


def _misshapen(rules: Any, place: tuple[str | int, ...], shape: Schema) -> Iterator[Mistake]:
    for finding in shape.findings(rules):
        too_much = finding.keyword == "additionalProperties" and len(finding.path) == 1
        near = nearest(str(finding.path[-1]), finding.expected) if too_much else None
        yield Mistake((*place, *finding.path), rule_messages.broken_x_merge(finding, near))


def _fields(key: list[Any]) -> tuple[KeyField, ...]:
    return tuple(KeyField(one["hash"], hashed=True) if isinstance(one, dict) else KeyField(one) for one in key)


def _policy(rules: Mapping[str, Any], default: Policy) -> Policy:
    return read_policy(rules["on_conflict"])[0] if "on_conflict" in rules else default


def _property_rules(schema: Mapping[str, Any], on_conflict: Policy) -> dict[str, PropertyRule]:
    found = {name: one["x-merge"] for name, one in properties_of(schema).items() if "x-merge" in one}
    return {
        name: PropertyRule(
            one.get("strategy", SUM if "counts" in one else LAST_WRITER_WINS),
            _policy(one, on_conflict),
            one.get("counts"),
            one.get("by"),
        )
        for name, one in found.items()
        if PROPERTY_X_MERGE.is_valid(one)
    }


def _layout(collection: Collection, rules: Mapping[str, Any]) -> Iterator[Mistake]:
    strategy, layout = collection.strategy, collection.layout
    if layout not in LAYOUTS_OF[strategy]:
        yield Mistake(("x-merge", "layout"), rule_messages.unknown_layout(layout, strategy, LAYOUTS_OF[strategy]))
    elif layout != FILE:
        for key in ("pointer", "shape"):
            if key in rules:
                yield Mistake(("x-merge", key), rule_messages.only_for(key, "layout file"))
    elif "shape" in rules:
        shapes = _SHAPES_OF.get(strategy, ("array",))
        if rules["shape"] not in shapes:
            yield Mistake(("x-merge", "shape"), rule_messages.unknown_shape(rules["shape"], strategy, shapes))
        elif rules["shape"] == "object" and len(collection.key) > 1:
            yield Mistake(("x-merge", "shape"), rule_messages.object_needs_one_key())
    if "on_conflict" in rules and strategy != LAST_WRITER_WINS:
        yield Mistake(("x-merge", "on_conflict"), rule_messages.only_for("on_conflict", LAST_WRITER_WINS))
    elif letter := read_policy(rules.get("on_conflict", LATEST))[1]:
        yield Mistake(("x-merge", "on_conflict"), letter)


def _keys(collection: Collection) -> Iterator[Mistake]:
    strategy, layout = collection.strategy, collection.layout
    needed = strategy in (APPEND, LAST_WRITER_WINS) or (strategy in (OBSERVE, UNION) and layout == ENTITIES)
    if needed and not collection.key:
        yield Mistake(("x-merge",), rule_messages.needs_key(strategy, layout))
    if strategy == SUM:
        taken = {"key": collection.key, "references": collection.references}
        yield from (Mistake(("x-merge", one), rule_messages.takes_no(strategy, one)) for one in taken if taken[one])
        return
    if strategy != APPEND and collection.else_key:
        yield Mistake(("x-merge", "else_key"), rule_messages.only_for("else_key", APPEND))
        return
    properties = properties_of(collection.schema)
    sound = True
    for what, fields in (("key", collection.key), ("else_key", collection.else_key)):
        for position, field in enumerate(fields):
            letter = None
            if field.name not in properties:
                letter = rule_messages.no_such_property(field.name, nearest(field.name, properties))
            elif not field.hashed and properties[field.name].get("type") not in KEY_TYPES:
                letter = rule_messages.key_type(field.name)
            elif field.name in {one.name for one in fields[:position]}:
                letter = rule_messages.key_twice(field.name)
            if letter:
                sound = False
                yield Mistake(("x-merge", what, position), letter)
    fallback = "else_key" if collection.else_key else "key"
    required = collection.schema.get("required", [])
    missing = [one.name for one in collection.else_key or collection.key if one.name not in required]
    if sound and missing and not _either_key(collection):
        yield Mistake(("x-merge", fallback), rule_messages.key_not_required(missing, fallback))


def _either_key(collection: Collection) -> bool:
    """Whether the schema's `anyOf` asks for one of the keys, each way of it: records of two generations."""
    keys = [{part.name for part in one} for one in (collection.key, collection.else_key) if one]
    ways = [one.get("required", []) if isinstance(one, dict) else [] for one in collection.schema.get("anyOf", [])]
    return bool(ways) and all(any(key <= set(way) for key in keys) for way in ways)


def _path(collection: Collection, state: str) -> Iterator[Mistake]:
    place, path = ("x-merge", "path"), collection.path
    if why := safe_path.fault(path):
        yield Mistake(place, rule_messages.unsafe_path(path, why))
        return
    paths = Paths(state)
    for taken in (paths.inbox, paths.frames, paths.control):
        if safe_path.inside(path, taken):
            yield Mistake(place, rule_messages.path_in_use(path, "the merge"))
            return
    own = (paths.meta, paths.attributes, paths.conflicts, paths.parked)
    if path.lower() in {one.lower() for one in own} or safe_path.inside(state, path):
        yield Mistake(place, rule_messages.path_in_use(path, "the merge"))


def _properties(collection: Collection) -> Iterator[Mistake]:
    schema = collection.schema
    for name, one in properties_of(schema).items():
        place = ("properties", name, "x-merge")
        if name == EXPECT:
            yield Mistake(("properties", name), rule_messages.reserved_property(name))
        if collection.strategy == SUM and one.get("type") not in _NUMBERS and one.get("readOnly") is not True:
            yield Mistake(("properties", name), rule_messages.must_be_numbers(name, may_stand_aside=True))
        if "x-merge" not in one:
            continue
        if isinstance(one["x-merge"], dict) and "counts" in one["x-merge"] and collection.strategy == SUM:
            broken = list(_misshapen(one["x-merge"], place, PROPERTY_X_MERGE))
            yield from broken or _counter(name, one, collection, place)
            continue
        if collection.strategy != LAST_WRITER_WINS:
            yield Mistake(place, rule_messages.only_for("x-merge", f"properties of a {LAST_WRITER_WINS} collection"))
            continue
        if name in {part.name for part in collection.key}:
            yield Mistake(place, rule_messages.key_cannot_merge(name))
            continue
        broken = list(_misshapen(one["x-merge"], place, PROPERTY_X_MERGE))
        check = _counter(name, one, collection, place) if "counts" in one["x-merge"] else None
        yield from broken or check or _property(name, one, collection.rule(name), place)
    if collection.strategy == SUM:
        others: list[tuple[tuple[str, ...], Any]] = []
        if not isinstance(schema.get("additionalProperties", True), bool):
            others.append((("additionalProperties",), schema["additionalProperties"]))
        others += [(("patternProperties", one), below) for one, below in schema.get("patternProperties", {}).items()]
        for where, one in others:
            if not isinstance(one, dict) or one.get("type") not in _NUMBERS:
                yield Mistake(where, rule_messages.must_be_numbers(where[-1]))


def _counter(
    name: str, schema: Mapping[str, Any], collection: Collection, place: tuple[str | int, ...]
) -> Iterator[Mistake]:
    """What is wrong with a derived counter, as far as its own schema tells."""
    rules, of_sum = schema["x-merge"], collection.strategy == SUM
    for key in ("strategy", "on_conflict"):
        if key in rules:
            yield Mistake((*place, key), rule_messages.counted_not(key))
    if of_sum and "by" in rules:
        yield Mistake((*place, "by"), rule_messages.only_for("by", f"properties of a {LAST_WRITER_WINS} collection"))
    elif not of_sum and "by" not in rules:
        yield Mistake(place, rule_messages.counts_by_what())
    if schema.get("type") != "integer":
        yield Mistake(("properties", name), rule_messages.must_be_whole(name))
    if name in collection.schema.get("required", []):
        yield Mistake(("required",), rule_messages.counter_required(name))


def _property(
    name: str, schema: Mapping[str, Any], rule: PropertyRule, place: tuple[str | int, ...]
) -> Iterator[Mistake]:
    if rule.strategy not in PROPERTY_STRATEGIES:
        yield Mistake((*place, "strategy"), rule_messages.property_strategy(rule.strategy, PROPERTY_STRATEGIES))
    elif "on_conflict" in schema["x-merge"] and rule.strategy != LAST_WRITER_WINS:
        yield Mistake((*place, "on_conflict"), rule_messages.only_for("on_conflict", LAST_WRITER_WINS))
    elif letter := policy_fault(schema["x-merge"].get("on_conflict", LATEST), name, schema):
        yield Mistake((*place, "on_conflict"), letter)
    elif rule.strategy == SUM and schema.get("type") not in _NUMBERS:
        yield Mistake(place, rule_messages.must_be_numbers(name))
    elif rule.strategy == UNION and schema.get("type") != "array":
        yield Mistake(place, rule_messages.must_be_array(name))
