"""Pure. The schema of a draft: its records' shape as genson infers it, with the rules and the reasons beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from merge_bot.adoption.drafts import Draft, merged_properties
from merge_bot.adoption.evidence import is_number
from merge_bot.collection import LAST_WRITER_WINS, SUM
from merge_bot.drift import ALIASES, BARE, COERCE
from merge_bot.json_schema import DIALECT
from merge_bot.x_merge import WARN

_MANY = 40  # properties of an inner object from which it is taken for one with free keys


def inferred(records: Iterable[Any]) -> dict[str, Any]:
    """{type, properties, required} of records, by genson; inner objects are not held to required keys."""
    from genson import SchemaBuilder  # type: ignore[import-untyped]

    builder = SchemaBuilder()
    builder.add_schema({"type": "object", "properties": {}})
    for one in records:
        builder.add_object(one)
    found: dict[str, Any] = builder.to_schema()
    properties = {name: _loosened(one) for name, one in found.get("properties", {}).items()}
    return {"type": "object", "properties": properties, "required": found.get("required", [])}


def _loosened(schema: dict[str, Any]) -> dict[str, Any]:
    """Inner objects without what chance alone made a rule: keys that each of them has, long lists of keys."""
    kept = {name: one for name, one in schema.items() if name != "required"}
    if "properties" in kept:
        kept["properties"] = {name: _loosened(one) for name, one in kept["properties"].items()}
        if len(kept["properties"]) > _MANY:
            del kept["properties"]
    if isinstance(kept.get("items"), dict):
        kept["items"] = _loosened(kept["items"])
    if "anyOf" in kept:
        kept["anyOf"] = [_loosened(one) for one in kept["anyOf"]]
    return kept


def shape_of(draft: Draft) -> dict[str, Any]:
    """{type, properties, required} that all the evidence of a draft satisfies."""
    if draft.strategy == SUM:
        shape = inferred([draft.counters])
        for name, one in draft.counters.items():
            shape["properties"][name] |= {} if is_number(one) else {"readOnly": True}
        return shape | {"required": []}
    shape = inferred(draft.records)
    if draft.strategy == LAST_WRITER_WINS:
        # A delta brings some of the fields, and a new entity need not have what the old ones happen to have.
        shape["required"] = list(draft.key.fields)
    return shape


def composed(draft: Draft, shape: dict[str, Any], path: str | None) -> bytes:
    """The schema file. `path` is where the records lie; None for the place that the layout gives them."""
    rules: dict[str, Any] = {"strategy": draft.strategy, "delta": draft.delta_keys}
    if draft.key.fields:
        rules["key"] = list(draft.key.fields)
    if draft.key.other:
        rules["else_key"] = list(draft.key.other)
    if draft.references:
        rules["references"] = {
            name: {"to": target, "on_missing": WARN} for name, target in sorted(draft.references.items())
        }
    if path is not None:
        rules |= {"layout": "file", "path": path} | ({"pointer": draft.pointer} if draft.pointer else {})
        if draft.shape == "object" and draft.strategy != SUM:
            rules["shape"] = "object"
    for name, others in draft.aliases.items():
        shape["properties"][name] = {**shape["properties"][name], ALIASES: others}
    if draft.bare_as is not None:
        shape["properties"][draft.bare_as] = {**shape["properties"][draft.bare_as], COERCE: [BARE]}
    for name, strategy in merged_properties(draft, shape["properties"]).items():
        shape["properties"][name] = {**shape["properties"][name], "x-merge": {"strategy": strategy}}
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "$comment": " ".join(one.text for one in (*draft.guesses, *draft.field_guesses)),
    }
    schema |= {"title": draft.name.replace("_", " ").capitalize(), "x-merge": rules, "type": "object"}
    schema["properties"] = shape["properties"]
    if draft.key.other:
        schema["anyOf"] = [{"required": list(draft.key.fields)}, {"required": list(draft.key.other)}]
    if shape["required"]:
        schema["required"] = shape["required"]
    return f"{json.dumps(schema, ensure_ascii=False, indent=2)}\n".encode()
