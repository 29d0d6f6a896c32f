"""A delta's schema asks of a change what can be asked of a change, and of a finished entity the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from merge_bot.collection import Collection
from merge_bot.delta_schema import compose, entity_schema, example, example_operations, operand
from merge_bot.json_schema import DIALECT, Schema
from merge_bot.schemas import load
from tests.world import World, written

SCHEMAS = Path(__file__).parent.parent / "schemas"
WORLD, _ = load({one.name: one.read_bytes() for one in SCHEMAS.glob("*.schema.json")})
ENVELOPE = {"frame": 405, "stream_id": "w1", "utc": "2026-03-25T03:14:22.000001Z"}


def collection(schema: dict[str, Any]) -> Collection:
    collections, problems = load({"things.schema.json": json.dumps(schema).encode()})
    assert problems == []
    return collections["things"]


def test_the_schema_is_a_json_schema_of_its_dialect() -> None:
    schema = compose(WORLD)
    assert schema["$schema"] == DIALECT
    jsonschema.Draft202012Validator.check_schema(schema)
    assert Schema(schema).fault() is None


def test_the_protocols_own_example() -> None:
    delta = {
        **ENVELOPE,
        "posts_created": [{"number": 6201, "title": "…", "channel": "philosophy", "author": "agent-aria"}],
        "comments_added": [{"post_number": 6195, "author": "agent-kai", "body": "…"}],
        "soul_updates": [{"agent_id": "agent-aria", "observation": "…"}],
        "follows_added": [{"agent_id": "agent-aria", "follows": "agent-kai"}],
        "profile_updates": [{"agent_id": "agent-aria", "bio": "rebel", "karma": 2}],
        "stats_increments": {"total_posts": 1},
        "_meta": {"status": "ok", "epoch": 3, "run": "2026-03-25/w1:7"},
    }
    assert Schema(compose(WORLD)).findings(delta) == []


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("frame", 0, True),
        ("frame", 10**15, True),
        ("frame", 10**15 + 1, False),
        ("frame", -1, False),
        ("frame", True, False),
        ("stream_id", "a" * 64, True),
        ("stream_id", "a" * 65, False),
        ("stream_id", "_a", False),
        ("stream_id", "a\n", False),
        ("utc", "2026-03-25T03:14:22Z", True),
        ("utc", "2026-03-25t03:14:22.123456789+01:00", True),
        ("utc", "2026-03-25 03:14:22z", True),
        ("utc", "2026-03-25T03:14:22", False),
        ("utc", "٢٠٢٦-03-25T03:14:22Z", False),
        ("utc", "2026-03-25T03:14:22Z\n", False),
        ("_meta", {}, True),
        ("_meta", {"status": "ok", "epoch": 0, "run": "a/b:c.d_e-f", "model": "x"}, True),
        ("_meta", {"status": "done"}, False),
        ("_meta", {"epoch": -1}, False),
        ("_meta", {"run": ""}, False),
        ("_meta", {"run": "a" * 129}, False),
        ("_meta", [], False),
        ("_control", [], True),
        ("_control", {}, False),
        ("_control", [{"op": "retry", "delta": "0" * 64, "frame": 5}], True),
        ("_control", [{"op": "retry", "delta": "0" * 64}], False),
        ("_control", [{"op": "delete", "delta": "0" * 64, "frame": 5}], False),
        ("posts", [], False),
        ("posts_created", [], True),
        ("posts_created", {}, False),
        ("posts_created", [1], False),
        ("stats_increments", {}, True),
        ("stats_increments", [], False),
        ("stats_increments", {"total_posts": -3}, True),
        ("stats_increments", {"total_posts": 1.5}, False),
        ("stats_increments", {"others": 1}, False),
        ("profile_updates", [{"agent_id": "a"}], True),
        ("profile_updates", [{"bio": "a"}], False),
        ("profile_updates", [{"agent_id": ""}], False),
        ("profile_updates", [{"agent_id": "a", "karma": -5, "tags": []}], True),
        ("profile_updates", [{"agent_id": "a", "name": ""}], False),
        ("soul_updates", [{"agent_id": "a"}], False),
        ("comments_added", [{"id": "", "post_number": 1, "author": "a", "body": "b"}], False),
    ],
)
def test_the_envelope_and_the_records(key: str, value: Any, fits: bool) -> None:
    delta = {**ENVELOPE, key: value}
    assert Schema(compose(WORLD)).is_valid(delta) is fits
    assert jsonschema.Draft202012Validator(compose(WORLD)).is_valid(delta) is fits or "\n" in str(value)


BINDING = {
    "$schema": DIALECT,
    "$id": "https://example.com/things",
    "description": "Things.",
    "type": "object",
    "x-merge": {"strategy": "last-writer-wins", "delta": ["things_set"], "key": ["id"]},
    "properties": {
        "id": {"type": "string"},
        "name": {"$ref": "#/$defs/name"},
        "points": {
            "type": "integer",
            "description": "Points.",
            "minimum": 0,
            "maximum": 9,
            "multipleOf": 3,
            "x-merge": {"strategy": "sum"},
        },
        "tags": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 2,
            "maxItems": 3,
            "uniqueItems": True,
            "contains": {"const": "a"},
            "x-merge": {"strategy": "union"},
        },
    },
    "required": ["id", "name"],
    "minProperties": 3,
    "dependentRequired": {"points": ["tags"]},
    "anyOf": [{"required": ["tags"]}, {"required": ["points"]}],
    "if": {"required": ["name"]},
    "then": {"required": ["points"]},
    "not": {"properties": {"name": {"const": "x"}}},
    "unevaluatedProperties": False,
    "additionalProperties": False,
    "$defs": {"name": {"type": "string", "maxLength": 3}},
}


def test_a_change_is_not_bound_by_what_binds_the_finished_entity() -> None:
    assert operand(collection(BINDING)) == {
        "description": "Things.",
        "type": "object",
        "properties": {
            "id": {"type": "string", "minLength": 1},
            "name": {"$ref": "#/$defs/name"},
            "points": {"type": "integer", "description": "Points."},
            "tags": {"type": "array", "items": {"type": "string"}},
            "_expect": {
                "description": "What this was computed from: the value that a field had, null for none. If one has "
                "changed, nothing of this record is set, and the receipt says refetch_and_recompute.",
                "type": "object",
                "properties": {"name": True},
                "additionalProperties": False,
            },
        },
        "required": ["id"],
        "additionalProperties": False,
        "$defs": {"name": {"type": "string", "maxLength": 3}},
    }


def test_the_finished_entity_is() -> None:
    things = Schema(entity_schema(collection(BINDING)))
    assert things.is_valid({"id": "1", "name": "abc", "points": 9, "tags": ["a", "b"]})
    for wrong in ({"points": 12}, {"points": -3}, {"tags": ["a"]}, {"tags": ["b", "c"]}, {"name": "x"}, {"more": 1}):
        assert not things.is_valid({"id": "1", "name": "abc", "points": 9, "tags": ["a", "b"], **wrong}), wrong


def test_references_into_a_schema_survive_the_composing() -> None:
    other = {**BINDING, "x-merge": {**BINDING["x-merge"], "delta": ["others_set"]}, "$defs": {"name": {"type": "null"}}}  # type: ignore[dict-item]
    files = {"things.schema.json": json.dumps(BINDING).encode(), "others.schema.json": json.dumps(other).encode()}
    collections, problems = load(files)
    assert problems == []
    schema = compose(collections)
    for validator in (Schema(schema), jsonschema.Draft202012Validator(schema)):
        assert validator.is_valid({**ENVELOPE, "things_set": [{"id": "1", "name": "abc"}]})
        assert not validator.is_valid({**ENVELOPE, "things_set": [{"id": "1", "name": "abcd"}]})
        assert validator.is_valid({**ENVELOPE, "others_set": [{"id": "1", "name": None}]})
        assert not validator.is_valid({**ENVELOPE, "others_set": [{"id": "1", "name": "abc"}]})


SUM = {"type": "object", "x-merge": {"strategy": "sum", "delta": ["n"]}}


@pytest.mark.parametrize(
    ("schema", "increments", "fits"),
    [
        ({}, {"a": 1, "b": 1.5}, True),
        ({}, {"a": "1"}, False),
        ({"additionalProperties": True}, {"a": []}, False),
        ({"additionalProperties": False}, {"a": 1}, False),
        ({"additionalProperties": {"type": "integer", "minimum": 0}}, {"a": -1}, True),
        ({"additionalProperties": {"type": "integer"}}, {"a": 1.5}, False),
        ({"properties": {"a": {"type": "integer", "minimum": 5}}, "required": ["a"], "minProperties": 1}, {}, True),
        ({"properties": {"a": {"type": "integer", "minimum": 5}}}, {"a": 1}, True),
        ({"patternProperties": {"^a": {"type": "integer", "maximum": 5}}}, {"ab": 6}, True),
        ({"patternProperties": {"^a": {"type": "integer"}}}, {"ab": 1.5}, False),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, False),
    ],
)
def test_increments_are_numbers_of_their_counters_type_and_nothing_more(
    schema: dict[str, Any], increments: Any, fits: bool
) -> None:
    assert Schema(operand(collection({**SUM, **schema}))).is_valid(increments) is fits


def test_examples_fit() -> None:
    told = {name: example(one) for name, one in WORLD.items()}
    assert told == {
        "agents": {"agent_id": "agent-aria"},
        "channels": {"slug": "philosophy"},
        "comments": {"post_number": 6201, "author": "agent-kai", "body": "A promise, to begin with."},
        "follows": {"agent_id": "agent-aria", "follows": "agent-kai"},
        "posts": {
            "number": 6201,
            "title": "On debt",
            "channel": "philosophy",
            "author": "agent-aria",
        },
        "souls": {"agent_id": "agent-aria", "observation": "Argues well, and listens."},
        "stats": {"total_agents": 1},
    }
    assert [name for name, one in told.items() if not Schema(operand(WORLD[name])).is_valid(one)] == []


def test_example_operations_merge_as_they_are() -> None:

    notes = {
        "notes": {
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "of": {"type": "string"},
                "with": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["id", "of", "with"],
            "x-merge": {
                "strategy": "append",
                "delta": ["notes"],
                "key": ["id"],
                "references": {"of": "agents", "with": "agents"},
            },
        }
    }
    world = World.of({name: dict(one.schema) for name, one in WORLD.items()} | notes)
    operations = example_operations(world.collections)
    assert sorted(operations) == sorted(one.delta_keys[0] for one in world.collections.values())
    ran = world.run(written("w1", 1, **operations))
    assert (ran.outcomes, ran.merged.parked, ran.merged.losses) == (
        {"state/stream_deltas/frame-5-w1.json": "applied"},
        [],
        [],
    )
    assert operations["notes"] == [{"id": 1, "of": "agent-aria", "with": ["agent-aria"]}]
