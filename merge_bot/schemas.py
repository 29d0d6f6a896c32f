"""Pure. Reads `<collection>.schema.json` files: every mistake in them at once, each with file, pointer and line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any
from urllib.parse import unquote

from merge_bot import drift_letters, rule_messages, safe_path
from merge_bot.collection import APPEND, FILE, LAST_WRITER_WINS, SUM, Collection, Collections
from merge_bot.drift import ALIASES, COERCE
from merge_bot.findings import Problem, Reason
from merge_bot.guess import nearest
from merge_bot.json_schema import DIALECT, Finding, Schema, is_pattern
from merge_bot.messages import Letter
from merge_bot.strict_json import locate, parse, pointer
from merge_bot.x_merge import KEY_TYPES, Mistake, properties_of, read

ENDING = ".schema.json"
ENVELOPE = ("frame", "stream_id", "utc", "_meta", "_control")
RESERVED = ("stream_deltas", "frames", "conflicts", "parked", "_meta", "_control")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_META = Schema({"$ref": DIALECT})
_ONE = ("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then")
_UNEVALUATED = ("unevaluatedItems", "unevaluatedProperties")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
Place = tuple[str | int, ...]


def load(files: Mapping[str, bytes], *, state: str = "state") -> tuple[Collections, list[Problem]]:
    """The collections that `files` (path → bytes of every schema file) describe, and every problem, sorted.

    Collections with problems may be missing or half right: with any problem, use none of them.
    """
    collections: dict[str, Collection] = {}
    mistakes: dict[str, list[Mistake]] = {}
    problems: list[Problem] = []
    for path, data in sorted(files.items()):
        name = path.rpartition("/")[2].removesuffix(ENDING)
        found = mistakes[path] = list(_name(name, path, collections))
        parsed = parse(data, path)
        if parsed.problems:
            problems += parsed.problems
            continue
        wrong = list(_document(parsed.value))
        found += wrong
        if not wrong:
            collection, wrong = read(name, path, parsed.value, state)
            found += wrong
            if collection:
                collections.setdefault(name, collection)
    names = {path.rpartition("/")[2].removesuffix(ENDING) for path in files}
    for path, mistake in _between(collections, names):
        mistakes[path].append(mistake)
    for path, ones in mistakes.items():
        problems += _problems(path, files[path], ones)
    return Collections(collections), sorted(problems)


def _problems(path: str, data: bytes, mistakes: list[Mistake]) -> list[Problem]:
    found = [(pointer(*one.place), one.letter) for one in mistakes]
    lines = locate(data, {where for where, _ in found}) if found else {}
    return [Problem(path, lines[where], where, Reason.BAD_SCHEMA, *letter) for where, letter in found]


def _name(name: str, path: str, known: Mapping[str, Collection]) -> Iterator[Mistake]:
    if name in RESERVED:
        yield Mistake((), rule_messages.reserved_collection(name))
    elif not path.endswith(ENDING) or not _NAME.match(name):
        yield Mistake((), rule_messages.not_a_schema_file(path))
    elif name in known:
        yield Mistake((), rule_messages.two_schemas(name, known[name].schema_path))


def _document(schema: Any) -> Iterator[Mistake]:
    """What is wrong with one file as a JSON Schema of a record, its `x-merge` apart."""
    if not isinstance(schema, dict):
        yield Mistake((), rule_messages.schema_is_no_object(schema))
        return
    if schema.get("$schema", DIALECT) not in (DIALECT, f"{DIALECT}#"):
        yield Mistake(("$schema",), rule_messages.other_dialect(schema["$schema"], DIALECT))
        return
    why = Schema(schema).fault()  # nothing else is asked of a schema that can be used
    findings = _META.findings(schema) if why else []
    for finding in findings:
        yield Mistake(finding.path, rule_messages.not_a_json_schema(finding, _near_type(finding)))
    if findings:
        return
    wrong = list(_inside(schema))
    yield from wrong
    if schema.get("type") != "object":
        yield Mistake(("type",) if "type" in schema else (), rule_messages.record_is_no_object())
    if not wrong and why:
        yield Mistake((), rule_messages.unusable_schema(why))


def _near_type(finding: Finding) -> str | None:
    of_type = finding.path[-1:] == ("type",) and isinstance(finding.found, str)
    return nearest(finding.found, rule_messages.TYPES) if of_type else None


def _inside(schema: Mapping[str, Any]) -> Iterator[Mistake]:
    """What may not stand in a schema, wherever in it."""
    below = list(_subschemas(schema, ()))
    anchors = {one[key] for _, one in below for key in ("$anchor", "$dynamicAnchor") if key in one}
    for place, one in below:
        if place and "$id" in one:
            yield Mistake((*place, "$id"), rule_messages.nested_id())
        if place and one.get("$schema", DIALECT) != DIALECT:
            yield Mistake((*place, "$schema"), rule_messages.other_dialect(one["$schema"], DIALECT))
        if "x-merge" in one and place and not (len(place) == 2 and place[0] == "properties"):
            yield Mistake((*place, "x-merge"), rule_messages.x_merge_elsewhere())
        for keyword in (ALIASES, COERCE):
            if keyword in one and not (len(place) == 2 and place[0] == "properties"):
                yield Mistake((*place, keyword), drift_letters.elsewhere(keyword))
        for keyword in ("$ref", "$dynamicRef"):
            if keyword in one:
                yield from _reference(schema, one[keyword], anchors, (*place, keyword))
        patterns = [((*place, "pattern"), one["pattern"])] if "pattern" in one else []
        patterns += [((*place, "patternProperties", text), text) for text in one.get("patternProperties", {})]
        for where, text in patterns:
            if not is_pattern(text):
                yield Mistake(where, rule_messages.unusable_pattern(text))


def _subschemas(schema: Any, place: Place) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """A schema and all inside it. By keyword, so that a property called `$ref` or an example is not taken for one."""
    if not isinstance(schema, dict):
        return
    yield place, schema
    for keyword, value in schema.items():
        if keyword in _ONE or keyword in _UNEVALUATED:
            yield from _subschemas(value, (*place, keyword))
        elif keyword in _LISTS:
            for position, one in enumerate(value):
                yield from _subschemas(one, (*place, keyword, position))
        elif keyword in _NAMED and isinstance(value, dict):
            for name, one in value.items():
                yield from _subschemas(one, (*place, keyword, name))


def _reference(schema: Any, reference: str, anchors: set[str], place: Place) -> Iterator[Mistake]:
    if not reference.startswith("#"):
        yield Mistake(place, rule_messages.remote_reference(reference))
        return
    fragment = unquote(reference[1:])
    if fragment.startswith("/"):
        at = schema
        for part in fragment[1:].split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            if isinstance(at, dict) and part in at:
                at = at[part]
            elif isinstance(at, list) and part.isascii() and part.isdigit() and int(part) < len(at):
                at = at[int(part)]
            else:
                yield Mistake(place, rule_messages.dangling_schema_reference(reference))
                return
    elif fragment and fragment not in anchors:
        yield Mistake(place, rule_messages.dangling_schema_reference(reference))


def _between(collections: Mapping[str, Collection], names: set[str]) -> Iterator[tuple[str, Mistake]]:
    """What collections do to each other, as (path of the schema to change, mistake)."""
    feeds: dict[str, str] = {}
    for collection in collections.values():
        for position, key in enumerate(collection.delta_keys):
            by = "the envelope" if key in ENVELOPE else rule_messages.collection(feeds[key]) if key in feeds else None
            if by:
                mistake = Mistake(("x-merge", "delta", position), rule_messages.delta_key_taken(key, by))
                yield collection.schema_path, mistake
            feeds.setdefault(key, collection.name)
        for name, target in collection.references.items():
            if target in names - set(collections):
                continue  # its own schema is at fault
            if letter := _broken_reference(collection, name, target, collections):
                yield collection.schema_path, Mistake(("x-merge", "references", name), letter)
        for name, rule in collection.properties.items():
            if rule.counts is None or rule.counts in names - set(collections):
                continue
            if letter := _broken_counter(collection, rule.counts, rule.by, collections):
                yield collection.schema_path, Mistake(("properties", name, "x-merge", "counts"), letter)
    for one, other in combinations(collections.values(), 2):
        if not (safe_path.inside(one.path, other.path) or safe_path.inside(other.path, one.path)):
            continue
        if one.path != other.path or one.layout != FILE or other.layout != FILE:
            letter = rule_messages.paths_overlap(other.path, one.path, one.name)
            yield other.schema_path, Mistake(("x-merge", "path"), letter)
        elif f"{one.pointer}/".startswith(f"{other.pointer}/") or f"{other.pointer}/".startswith(f"{one.pointer}/"):
            yield other.schema_path, Mistake(("x-merge", "pointer"), rule_messages.pointers_overlap(one.path, one.name))


def _broken_counter(
    holder: Collection, target: str, by: str | None, collections: Mapping[str, Collection]
) -> Letter | None:
    if target not in collections:
        return rule_messages.cannot_count(target, nearest(target, collections))
    counted = collections[target]
    if by is None or holder.strategy == SUM:
        return rule_messages.not_countable(target, SUM) if counted.strategy == SUM else None
    refers = counted.holding.get(by) == holder.name and properties_of(counted.schema)[by].get("type") in KEY_TYPES
    return None if refers and counted.enters_whole else rule_messages.not_countable_by(target, by, holder.name)


def _broken_reference(
    collection: Collection, name: str, target: str, collections: Mapping[str, Collection]
) -> Letter | None:
    properties = properties_of(collection.schema)
    if name not in properties:
        return rule_messages.no_such_property(name, nearest(name, properties))
    if target not in collections:
        return rule_messages.unknown_target(target, nearest(target, collections))
    to = collections[target]
    if to.strategy not in (APPEND, LAST_WRITER_WINS) or len(to.key) != 1:
        return rule_messages.not_referable(target)
    key = to.key[0].name
    wanted = properties_of(to.schema).get(key, {}).get("type")
    found = properties[name]
    if found.get("type") == "array":
        items = found.get("items", {})
        found = items if isinstance(items, dict) else {}
    if wanted in KEY_TYPES and found.get("type") != wanted:
        return rule_messages.reference_type(name, found.get("type"), target, key, wanted)
    return None
