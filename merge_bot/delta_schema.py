"""Pure. Composes the JSON Schema of a delta from the collections: what workers are prompted with, and held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merge_bot.collection import EXPECT, LAST_WRITER_WINS, SUM, UNION, Collection, Collections
from merge_bot.control_schema import CONTROL, STREAM, control_schema
from merge_bot.delta import MAX_FRAME
from merge_bot.drift import ALIASES, COERCE
from merge_bot.json_schema import DIALECT
from merge_bot.x_merge import properties_of

FALLBACK = "fallback"
STATUSES = ("ok", FALLBACK)
_TWO = "[0-9]{2}"  # not \d, which is more than ASCII's digits to some engines
ENVELOPE: Mapping[str, Any] = {
    "frame": {
        "description": "The frame that this delta belongs to: a number, as state/_meta.json names the open frame.",
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_FRAME,
    },
    "stream_id": {
        "description": "Who writes: the worker's own id, the same in each of its deltas. Letters, digits, _ and -.",
        **STREAM,
    },
    "utc": {
        "description": "When this was written, with the offset: 2026-03-25T03:14:22.000001Z. The real time to the "
        "microsecond, not a round one: of two writes to one field the later one stands.",
        "type": "string",
        "format": "date-time",
        "pattern": f"^[0-9]{{4}}-{_TWO}-{_TWO}[Tt ]{_TWO}:{_TWO}:{_TWO}([.][0-9]{{1,9}})?([Zz]|[+-]{_TWO}:{_TWO})$",
    },
    "_meta": {
        "description": "About the run, optional. Other keys are allowed and kept.",
        "type": "object",
        "properties": {
            "status": {
                "description": 'How the run went. "fallback" says: I tried and have nothing; the delta is then empty.',
                "type": "string",
                "enum": list(STATUSES),
            },
            "epoch": {
                "description": "The number of the lease under which the worker writes.",
                "type": "integer",
                "minimum": 0,
            },
            "run": {
                "description": "The run of the worker; a retry of one run uses the same name.",
                "type": "string",
                "pattern": "^[A-Za-z0-9_.:/-]{1,128}$",
            },
            "base": {
                "description": "The frame whose state this delta was computed from: one less than the open frame then. "
                "A field that was written since keeps what it has, and the receipt says refetch_and_recompute.",
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_FRAME,
            },
        },
    },
}
REQUIRED = ("frame", "stream_id", "utc")

# These bind the finished entity. A change shows only some of its fields, so it cannot be held to them.
_OF_THE_WHOLE = frozenset(
    {"allOf", "anyOf", "const", "dependentRequired", "dependentSchemas", "else", "enum", "if", "minProperties", "not"}
    | {"oneOf", "then", "unevaluatedProperties", "$dynamicRef", "$ref"}
)
_OF_THE_SET = frozenset({"contains", "maxContains", "maxItems", "minContains", "minItems", "uniqueItems"})
_NOT_CARRIED = frozenset({"$id", "$schema", "x-merge"})
_RULES = frozenset({"x-merge", ALIASES, COERCE})


def compose(collections: Collections) -> dict[str, Any]:
    """The JSON Schema 2020-12 of a delta: the envelope, and each delta key with its collection's records.

    A collection's schema stands under `$defs` with an `$id` of its own, so its references into itself keep working.
    """
    keys = {key: one for one in collections.values() for key in one.delta_keys}
    return {
        "$schema": DIALECT,
        "title": "Delta",
        "description": "What one run of one worker changed in one frame. Write only what is new or different.",
        "type": "object",
        "properties": {**ENVELOPE, CONTROL: control_schema(), **{key: _operations(one) for key, one in keys.items()}},
        "required": list(REQUIRED),
        "additionalProperties": False,
        "$defs": {name: {"$id": f"urn:dreamcatcher:{name}", **operand(one)} for name, one in collections.items()},
    }


def operand(collection: Collection) -> dict[str, Any]:
    """The schema of one operation's record; of a sum, the schema of the object of increments."""
    schema = {name: value for name, value in collection.schema.items() if name not in _NOT_CARRIED}
    if collection.strategy == SUM:
        return _without_aliases(_increments(schema), collection)
    properties = {name: _without_rule(one) for name, one in schema.get("properties", {}).items()}
    if collection.strategy == LAST_WRITER_WINS:
        schema = {name: value for name, value in schema.items() if name not in _OF_THE_WHOLE}
        schema["required"] = [part.name for part in collection.key]
        for name, rule in collection.properties.items():
            if rule.strategy == SUM:
                properties[name] = _increment(properties[name])
            elif rule.strategy == UNION:
                properties[name] = {key: one for key, one in properties[name].items() if key not in _OF_THE_SET}
    schema, properties = _with_expectation(collection, schema, properties)
    for part in (*collection.key, *collection.else_key):
        # An empty key names nothing, and would make one record of all that lack it.
        one = properties[part.name]
        if not part.hashed and one.get("type") == "string":
            properties[part.name] = {**one, "minLength": max(1, one.get("minLength", 1))}
    return _without_aliases({**schema, "properties": properties}, collection)


def _without_aliases(schema: dict[str, Any], collection: Collection) -> dict[str, Any]:
    """Refuses other names of properties where any key would do: a record that uses one is to be read by it."""
    if schema.get("additionalProperties", True) is False:
        return schema
    return {**schema, "properties": {**schema.get("properties", {}), **dict.fromkeys(collection.drift.aliases, False)}}


def _with_expectation(
    collection: Collection, schema: dict[str, Any], properties: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Adds `_expect`, which is of the operation and not of the record: keywords that count or name keys let it pass."""
    closed = schema.get("additionalProperties") is False
    if collection.strategy != LAST_WRITER_WINS:
        return schema, properties if closed else {**properties, EXPECT: False}
    if "maxProperties" in schema:
        schema = {**schema, "maxProperties": schema["maxProperties"] + 1}
    if "propertyNames" in schema:
        schema = {**schema, "propertyNames": {"anyOf": [{"const": EXPECT}, schema["propertyNames"]]}}
    fields: dict[str, bool] = {name: collection.is_overwritten(name) for name in properties}
    expectation = {
        "description": "What this was computed from: the value that a field had, null for none. If one has changed, "
        "nothing of this record is set, and the receipt says refetch_and_recompute.",
        "type": "object",
        "properties": {name: may for name, may in fields.items() if may or not closed},
        "additionalProperties": not closed,
    }
    return schema, {**properties, EXPECT: expectation}


def entity_schema(collection: Collection) -> dict[str, Any]:
    """What a finished entity must satisfy, or of a sum the object of counters: the schema itself."""
    return {name: value for name, value in collection.schema.items() if name not in _NOT_CARRIED}


def example(collection: Collection) -> Any:
    """The smallest operation that fits, for letters: each required key with a stand-in for its value."""
    schema = operand(collection)
    properties = properties_of(schema)
    if collection.strategy == SUM:
        counters = [name for name in properties if schema["properties"][name] is not False]
        return dict.fromkeys(counters[:1], 1)
    return {name: _stand_in(properties.get(name, {})) for name in schema.get("required", [])}


def example_operations(collections: Collections) -> dict[str, Any]:
    """Operations by delta key that could be merged together into an empty state: what they refer to is among them."""
    records = {name: [_record(one, 0)] for name, one in collections.items() if one.strategy != SUM}
    for name, made in list(records.items()):
        for field, target in collections[name].references.items():
            key = collections[target].key[0].name
            if field in made[0] and "examples" not in properties_of(collections[name].schema)[field]:
                first = records[target][0][key]
                made[0][field] = [first] if isinstance(made[0][field], list) else first
            for value in _listed(made[0].get(field)):
                if all(one[key] != value for one in records[target]):
                    records[target].append(_record(collections[target], len(records[target])) | {key: value})
    operations: dict[str, Any] = {collections[name].delta_keys[0]: made for name, made in records.items()}
    return operations | {one.delta_keys[0]: example(one) for one in collections.values() if one.strategy == SUM}


def _record(collection: Collection, number: int) -> dict[str, Any]:
    """A record with all that the finished one needs; `number` says which of the examples it takes."""
    properties = properties_of(operand(collection))
    key = [part.name for part in collection.else_key or collection.key]
    needed = dict.fromkeys([*key, *collection.schema.get("required", [])])
    return {name: _stand_in(properties.get(name, {}), number) for name in needed}


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _operations(collection: Collection) -> dict[str, Any]:
    reference = {"$ref": f"#/$defs/{collection.name}"}
    if collection.strategy == SUM:
        return reference
    return {"title": collection.schema.get("title", collection.name), "type": "array", "items": reference}


def _without_rule(schema: Any) -> Any:
    return {key: one for key, one in schema.items() if key not in _RULES} if isinstance(schema, dict) else schema


def _increment(schema: Any) -> dict[str, Any]:
    """A change of a number: of its type, but not bound to the bounds of the total."""
    return {key: schema[key] for key in ("title", "description", "type") if key in schema}


def _counter(schema: Any) -> Any:
    """What is read-only among the counters is none, or nobody's to change: no increment of it enters."""
    return False if isinstance(schema, dict) and schema.get("readOnly") is True else _increment(schema)


def _increments(schema: Mapping[str, Any]) -> dict[str, Any]:
    others = schema.get("additionalProperties", True)
    kept = ("title", "description", "type", "propertyNames", "maxProperties", "$defs")
    changed = {key: schema[key] for key in kept if key in schema}
    for keyword in ("properties", "patternProperties"):
        if keyword in schema:
            changed[keyword] = {name: _counter(one) for name, one in schema[keyword].items()}
    changed["additionalProperties"] = others and ({"type": "number"} if others is True else _increment(others))
    return changed


def _stand_in(schema: Mapping[str, Any], number: int = 0) -> Any:
    for given in (schema.get("enum"), schema.get("examples")):
        if given:
            return given[min(number, len(given) - 1)]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    return {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}, "null": None}.get(str(kind), "…")
