"""Every mistake in a schema has its own sentence, its place and its line; good ones have none."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from merge_bot.collection import KeyField, PropertyRule
from merge_bot.messages import listing
from merge_bot.schemas import load

SCHEMAS = Path(__file__).parent.parent / "schemas"
ID = {"type": "string"}
INTEGER = {"type": "integer"}
A: dict[str, Any] = {"strategy": "append", "delta": ["notes_added"], "key": ["id"]}
L: dict[str, Any] = {"strategy": "last-writer-wins", "delta": ["notes_set"], "key": ["id"]}


def record(x_merge: Any, properties: Any = None, required: Any = ("id",), **more: Any) -> dict[str, Any]:
    properties = {"id": ID, "text": {"type": "string"}} if properties is None else properties
    return {"type": "object", "x-merge": x_merge, "properties": properties, "required": list(required), **more}


def one(schema: Any) -> dict[str, Any]:
    return {"notes": schema}


def told(schemas: dict[str, Any]) -> str:
    files = {f"{name}.schema.json": json.dumps(one, indent=1).encode() for name, one in schemas.items()}
    return dedent(listing(load(files)[1])).replace(".schema.json:", ":")


MISTAKES = [
    (
        "no x-merge",
        one({"type": "object"}),
        """
        notes:1
          The schema does not say how its collection merges.
          Add "x-merge": {"strategy": "append", "delta": ["NAME_added"], "key": ["id"]}, or another strategy.
        """,
    ),
    (
        "x-merge no object",
        one(record("append")),
        """
        notes:3 at /x-merge
          x-merge: expected an object, found the string "append".
        """,
    ),
    (
        "no strategy",
        one(record({"delta": ["notes_added"]})),
        """
        notes:3 at /x-merge
          x-merge: `strategy` is missing.
        """,
    ),
    (
        "unknown strategy",
        one(record({**A, "strategy": "apend"})),
        """
        notes:4 at /x-merge/strategy
          "apend" is not a strategy; did you mean `append`?
          The strategies are `append`, `observe`, `sum`, `union`, `last-writer-wins` and `sections`.
        """,
    ),
    (
        "far strategy",
        one(record({**A, "strategy": "crdt"})),
        """
        notes:4 at /x-merge/strategy
          "crdt" is not a strategy.
          The strategies are `append`, `observe`, `sum`, `union`, `last-writer-wins` and `sections`.
        """,
    ),
    (
        "unknown x-merge key",
        one(record({**A, "keys": ["id"]})),
        """
        notes:11 at /x-merge/keys
          `keys` is not a key of x-merge; did you mean `key`?
        """,
    ),
    (
        "far x-merge key",
        one(record({**A, "zzz": 1})),
        """
        notes:11 at /x-merge/zzz
          `zzz` is not a key of x-merge.
          Its keys are strategy, delta, key, else_key, references, layout, path, pointer, shape, on_conflict, sections.
        """,
    ),
    (
        "delta key wrong",
        one(record({**A, "delta": ["a b", "a b"]})),
        """
        notes:5 at /x-merge/delta
          x-merge: expected every item once, but some stand there twice.
        notes:6 at /x-merge/delta/0
          x-merge: expected text that matches "^[A-Za-z][A-Za-z0-9_-]{0,63}$", found the string "a b".
        notes:7 at /x-merge/delta/1
          x-merge: expected text that matches "^[A-Za-z][A-Za-z0-9_-]{0,63}$", found the string "a b".
        """,
    ),
    (
        "delta empty",
        one(record({**A, "delta": []})),
        """
        notes:5 at /x-merge/delta
          x-merge: expected at least 1 item, found an empty array.
        """,
    ),
    (
        "no layout",
        one(record({**A, "layout": "entities"})),
        """
        notes:11 at /x-merge/layout
          "entities" is not a layout of append.
          Write `segments` or `file`, or leave it out.
        """,
    ),
    (
        "unknown layout",
        one(record({**L, "layout": "table"})),
        """
        notes:11 at /x-merge/layout
          "table" is not a layout of last-writer-wins.
          Write `entities` or `file`, or leave it out.
        """,
    ),
    (
        "no key",
        one(record({"strategy": "append", "delta": ["a"]})),
        """
        notes:3 at /x-merge
          Strategy append in layout segments needs a key.
          Name the property that tells records apart: "key": ["id"].
        """,
    ),
    (
        "lww no key",
        one(record({"strategy": "last-writer-wins", "delta": ["a"]})),
        """
        notes:3 at /x-merge
          Strategy last-writer-wins in layout entities needs a key.
          Name the property that tells records apart: "key": ["id"].
        """,
    ),
    (
        "union entities no key",
        one(record({"strategy": "union", "delta": ["a"], "layout": "entities"})),
        """
        notes:3 at /x-merge
          Strategy union in layout entities needs a key.
          Name the property that tells records apart: "key": ["id"].
        """,
    ),
    (
        "sum with key",
        one(
            {
                "type": "object",
                "x-merge": {"strategy": "sum", "delta": ["a"], "key": ["n"]},
                "properties": {"n": INTEGER},
            }
        ),
        """
        notes:8 at /x-merge/key
          Strategy sum takes no key.
          Leave it out.
        """,
    ),
    (
        "sum with references",
        one(
            {
                "type": "object",
                "x-merge": {"strategy": "sum", "delta": ["a"], "references": {"n": "a"}},
                "properties": {"n": INTEGER},
            }
        ),
        """
        notes:8 at /x-merge/references
          Strategy sum takes no references.
          Leave it out.
        notes:9 at /x-merge/references/n
          There is no collection `a` to refer to.
        """,
    ),
    (
        "key no property",
        one(record({**A, "key": ["idd"]})),
        """
        notes:9 at /x-merge/key/0
          `idd` is not one of the schema's top-level properties; did you mean `id`?
        """,
    ),
    (
        "key of two types",
        one(record(A, {"id": {"type": ["string", "null"]}})),
        """
        notes:9 at /x-merge/key/0
          A key is made of strings and integers, but `id` may be something else.
          Give the property "type": "string" or "type": "integer", one type and no other.
        """,
    ),
    (
        "key number",
        one(record(A, {"id": {"type": "number"}})),
        """
        notes:9 at /x-merge/key/0
          A key is made of strings and integers, but `id` may be something else.
          Give the property "type": "string" or "type": "integer", one type and no other.
        """,
    ),
    (
        "key by reference",
        one(record(A, {"id": {"$ref": "#/$defs/i"}}, **{"$defs": {"i": ID}})),
        """
        notes:9 at /x-merge/key/0
          A key is made of strings and integers, but `id` may be something else.
          Give the property "type": "string" or "type": "integer", one type and no other.
        """,
    ),
    (
        "key twice",
        one(record({**A, "key": ["id", "id"]})),
        """
        notes:10 at /x-merge/key/1
          `id` stands twice in one key.
          Keep one.
        """,
    ),
    (
        "key optional",
        one(record(A, required=())),
        """
        notes:8 at /x-merge/key
          A record may lack `id`, and would then have no key.
          Add `id` to "required".
        """,
    ),
    (
        "else key optional",
        one(record({**A, "else_key": ["id", {"hash": "text"}], "key": ["text"]}, required=["id"])),
        """
        notes:11 at /x-merge/else_key
          A record may lack `text`, and would then have no else_key.
          Add `text` to "required".
        """,
    ),
    (
        "else key elsewhere",
        one(record({**L, "else_key": ["text"]})),
        """
        notes:11 at /x-merge/else_key
          `else_key` means something only for append.
          Leave it out.
        """,
    ),
    (
        "else key bad",
        one(record({**A, "else_key": [{"hsh": "text"}]})),
        """
        notes:12 at /x-merge/else_key/0
          x-merge: fits none of the alternatives: `hash` is missing.
        """,
    ),
    (
        "shape elsewhere",
        one(record({**A, "shape": "object"})),
        """
        notes:11 at /x-merge/shape
          `shape` means something only for layout file.
          Leave it out.
        """,
    ),
    (
        "shape append",
        one(record({**A, "layout": "file", "shape": "object"})),
        """
        notes:12 at /x-merge/shape
          "object" is not a shape of append.
          Write `array`, or leave it out.
        """,
    ),
    (
        "shape two keys",
        one(record({**L, "layout": "file", "shape": "object", "key": ["id", "text"]}, required=["id", "text"])),
        """
        notes:13 at /x-merge/shape
          "shape": "object" keeps entities by their key, so the key must be one property.
          Write one property into "key", or "shape": "array".
        """,
    ),
    (
        "pointer elsewhere",
        one(record({**L, "pointer": "/x"})),
        """
        notes:11 at /x-merge/pointer
          `pointer` means something only for layout file.
          Leave it out.
        """,
    ),
    (
        "pointer bad",
        one(record({**L, "layout": "file", "pointer": "x"})),
        """
        notes:12 at /x-merge/pointer
          x-merge: expected text that matches "^(/([^~/]|~[01])+)*$", found the string "x".
        """,
    ),
    (
        "on_conflict elsewhere",
        one(record({**A, "on_conflict": "hold"})),
        """
        notes:11 at /x-merge/on_conflict
          `on_conflict` means something only for last-writer-wins.
          Leave it out.
        """,
    ),
    (
        "on_conflict bad",
        one(record({**L, "on_conflict": "last"})),
        """
        notes:11 at /x-merge/on_conflict
          "last" is not a policy; did you mean `latest`?
          Write "latest", "first", "hold", "max", "min", or {"prefer-worker": ["w1", "w2"]}.
        """,
    ),
    (
        "path up",
        one(record({**A, "path": "../x"})),
        """
        notes:11 at /x-merge/path
          The path "../x" cannot be used: no part of it may be . or .., end with a dot, or have a blank at an end.
        """,
    ),
    (
        "path absolute",
        one(record({**A, "path": "/x"})),
        """
        notes:11 at /x-merge/path
          The path "/x" cannot be used: it must be relative, without a slash at an end or two in a row.
        """,
    ),
    (
        "path git",
        one(record({**A, "path": "a/.GIT/x"})),
        """
        notes:11 at /x-merge/path
          The path "a/.GIT/x" cannot be used: no part of it may be .git.
        """,
    ),
    (
        "path empty part",
        one(record({**A, "path": "a//x"})),
        """
        notes:11 at /x-merge/path
          The path "a//x" cannot be used: it must be relative, without a slash at an end or two in a row.
        """,
    ),
    (
        "path control",
        one(record({**A, "path": "a\nb"})),
        r"""
        notes:11 at /x-merge/path
          The path "a\nb" cannot be used: none of \ : * ? " < > | and nothing beyond plain ASCII may stand in it.
        """,
    ),
    (
        "path inbox",
        one(record({**A, "path": "state/Stream_Deltas/x"})),
        """
        notes:11 at /x-merge/path
          The path "state/Stream_Deltas/x" belongs to the merge.
          Choose another path.
        """,
    ),
    (
        "path meta",
        one(record({**A, "path": "state/_meta.json"})),
        """
        notes:11 at /x-merge/path
          The path "state/_meta.json" belongs to the merge.
          Choose another path.
        """,
    ),
    (
        "path state itself",
        one(record({**A, "path": "state"})),
        """
        notes:11 at /x-merge/path
          The path "state" belongs to the merge.
          Choose another path.
        """,
    ),
    (
        "property in append",
        one(record(A, {"id": ID, "n": {"type": "integer", "x-merge": {"strategy": "sum"}}})),
        """
        notes:18 at /properties/n/x-merge
          `x-merge` means something only for properties of a last-writer-wins collection.
          Leave it out.
        """,
    ),
    (
        "property strategy",
        one(record(L, {"id": ID, "n": {"type": "integer", "x-merge": {"strategy": "append"}}})),
        """
        notes:19 at /properties/n/x-merge/strategy
          "append" is not a strategy of a property.
          Write `sum`, `union` or `last-writer-wins`.
        """,
    ),
    (
        "property sum of text",
        one(record(L, {"id": ID, "n": {"type": "string", "x-merge": {"strategy": "sum"}}})),
        """
        notes:18 at /properties/n/x-merge
          `n` is summed, so it must be a number.
          Write "type": "integer" or "type": "number".
        """,
    ),
    (
        "property union of text",
        one(record(L, {"id": ID, "n": {"type": "string", "x-merge": {"strategy": "union"}}})),
        """
        notes:18 at /properties/n/x-merge
          `n` is a set that grows, so it must be an array.
          Write "type": "array".
        """,
    ),
    (
        "property sum on conflict",
        one(record(L, {"id": ID, "n": {"type": "integer", "x-merge": {"strategy": "sum", "on_conflict": "hold"}}})),
        """
        notes:20 at /properties/n/x-merge/on_conflict
          `on_conflict` means something only for last-writer-wins.
          Leave it out.
        """,
    ),
    (
        "property empty",
        one(record(L, {"id": ID, "n": {"type": "integer", "x-merge": {}}})),
        """
        notes:18 at /properties/n/x-merge
          x-merge: expected at least 1 key, found 0.
        """,
    ),
    (
        "property unknown",
        one(record(L, {"id": ID, "n": {"type": "integer", "x-merge": {"stratgy": "sum"}}})),
        """
        notes:19 at /properties/n/x-merge/stratgy
          `stratgy` is not a key of x-merge; did you mean `strategy`?
        """,
    ),
    (
        "property key",
        one(record(L, {"id": {"type": "integer", "x-merge": {"strategy": "sum"}}})),
        """
        notes:15 at /properties/id/x-merge
          `id` is the key, which never changes.
          Take its x-merge out.
        """,
    ),
    (
        "deep x-merge",
        one(record(L, {"id": ID, "n": {"type": "object", "properties": {"m": {"x-merge": {"strategy": "sum"}}}}})),
        """
        notes:20 at /properties/n/properties/m/x-merge
          x-merge is read at the top of a schema and on its top-level properties, nowhere deeper.
          Take it out, or make the value a top-level property.
        """,
    ),
    (
        "sum of text",
        one(
            {
                "type": "object",
                "x-merge": {"strategy": "sum", "delta": ["a"]},
                "properties": {"n": {"type": "string"}},
                "additionalProperties": {"type": "string"},
                "patternProperties": {"^x": True},
            }
        ),
        """
        notes:10 at /properties/n
          `n` is summed, so it must be a number.
          Write "type": "integer" or "type": "number". If it is no counter, "readOnly": true leaves it alone.
        notes:14 at /additionalProperties
          `additionalProperties` is summed, so it must be a number.
          Write "type": "integer" or "type": "number".
        notes:18 at /patternProperties/^x
          "^x" is summed, so it must be a number.
          Write "type": "integer" or "type": "number".
        """,
    ),
    (
        "meta",
        one(record(A, {"id": {"type": "strin"}, "b": {"minLength": -1}, "c": {"pattern": 3}})),
        """
        notes:14 at /properties/id/type
          Not valid JSON Schema: "strin" is not a type; did you mean `string`?
          The types are array, boolean, integer, null, number, object, string.
        notes:17 at /properties/b/minLength
          Not valid JSON Schema: expected at least 0, found the integer -1.
        notes:20 at /properties/c/pattern
          Not valid JSON Schema: expected a string, found the integer 3.
        """,
    ),
    (
        "record no object",
        one({"x-merge": A}),
        """
        notes:1
          A schema describes one record, and a record is an object.
          Write "type": "object" at the top.
        """,
    ),
    (
        "record array",
        one({"type": "array", "x-merge": A}),
        """
        notes:2 at /type
          A schema describes one record, and a record is an object.
          Write "type": "object" at the top.
        """,
    ),
    (
        "no schema",
        one([1]),
        """
        notes:1
          Expected a JSON Schema, which is an object, found an array of 1.
        """,
    ),
    (
        "draft 7",
        one({"$schema": "http://json-schema.org/draft-07/schema#"}),
        """
        notes:2 at /$schema
          Only JSON Schema 2020-12 is read, found the string "http://json-schema.org/draft-07/schema#".
          Write "$schema": "https://json-schema.org/draft/2020-12/schema", or leave it out.
        """,
    ),
    (
        "remote dialect",
        one({"$schema": "https://example.com/x"}),
        """
        notes:2 at /$schema
          Only JSON Schema 2020-12 is read, found the string "https://example.com/x".
          Write "$schema": "https://json-schema.org/draft/2020-12/schema", or leave it out.
        """,
    ),
    (
        "nested id",
        one(record(A, {"id": {"type": "string", "$id": "x"}})),
        """
        notes:15 at /properties/id/$id
          An $id inside a schema would change what its references mean.
          Leave it out.
        """,
    ),
    (
        "remote ref",
        one(
            record(
                A,
                {"id": ID, "b": {"$ref": "https://example.com/x.json"}, "c": {"items": {"$ref": "file:///etc/passwd"}}},
            )
        ),
        """
        notes:17 at /properties/b/$ref
          A schema may refer to itself only, found the string "https://example.com/x.json"; nothing is fetched.
          Copy what is meant into "$defs", and refer to it as "#/$defs/NAME".
        notes:21 at /properties/c/items/$ref
          A schema may refer to itself only, found the string "file:///etc/passwd"; nothing is fetched.
          Copy what is meant into "$defs", and refer to it as "#/$defs/NAME".
        """,
    ),
    (
        "dangling ref",
        one(record(A, {"id": ID, "b": {"$ref": "#/$defs/nope"}, "c": {"$ref": "#nope"}})),
        """
        notes:17 at /properties/b/$ref
          "#/$defs/nope" refers to nothing in this schema.
        notes:20 at /properties/c/$ref
          "#nope" refers to nothing in this schema.
        """,
    ),
    (
        "pattern",
        one(
            record(
                A,
                {
                    "id": {"type": "string", "pattern": "^(?=a)"},
                    "b": {"patternProperties": {"(": {}}},
                    "c": {"pattern": "(a)\\1"},
                },
            )
        ),
        r"""
        notes:15 at /properties/id/pattern
          "^(?=a)" is not a regular expression that can be used.
          They run in bounded time, without lookaround, backreferences or huge repetitions; else as in JavaScript.
        notes:19 at /properties/b/patternProperties/(
          "(" is not a regular expression that can be used.
          They run in bounded time, without lookaround, backreferences or huge repetitions; else as in JavaScript.
        notes:23 at /properties/c/pattern
          "(a)\\1" is not a regular expression that can be used.
          They run in bounded time, without lookaround, backreferences or huge repetitions; else as in JavaScript.
        """,
    ),
    (
        "name",
        {"Notes": record(A)},
        """
        Notes:1
          "Notes.schema.json" does not name a collection.
          Call it NAME.schema.json, where NAME has lowercase letters, digits and _, and begins with a letter.
        """,
    ),
    (
        "name reserved",
        {"frames": record(A)},
        """
        frames:1
          `frames` is a name that the merge uses itself.
          Give the collection another name.
        frames:3 at /x-merge/path
          The path "state/frames" belongs to the merge.
          Choose another path.
        """,
    ),
    (
        "same delta key",
        {"a": record(A), "b": record(A)},
        """
        b:6 at /x-merge/delta/0
          The delta key `notes_added` belongs to the collection `a`.
          Choose another: each key of a delta feeds one collection.
        """,
    ),
    (
        "envelope key",
        one(record({**A, "delta": ["frame", "x"]})),
        """
        notes:6 at /x-merge/delta/0
          The delta key `frame` belongs to the envelope.
          Choose another: each key of a delta feeds one collection.
        """,
    ),
    (
        "same file",
        {
            "a": record({**A, "layout": "file", "path": "state/x.json"}),
            "b": record({**A, "delta": ["b"], "layout": "file", "path": "state/x.json"}),
        },
        """
        b:3 at /x-merge/pointer
          The collection `a` keeps its records at the same place of "state/x.json", or around it.
          Two collections can share a file if their "pointer"s name different places, such as "/posts" and "/comments".
        """,
    ),
    (
        "nested pointers",
        {
            "a": record({**A, "layout": "file", "path": "state/x.json", "pointer": "/p"}),
            "b": record({**A, "delta": ["b"], "layout": "file", "path": "state/x.json", "pointer": "/p/q"}),
        },
        """
        b:13 at /x-merge/pointer
          The collection `a` keeps its records at the same place of "state/x.json", or around it.
          Two collections can share a file if their "pointer"s name different places, such as "/posts" and "/comments".
        """,
    ),
    (
        "file in folder",
        {
            "a": record({**A, "path": "state/x"}),
            "b": record({**A, "delta": ["b"], "layout": "file", "path": "state/X/y.json"}),
        },
        """
        b:12 at /x-merge/path
          The path "state/X/y.json" overlaps with "state/x" of the collection `a`.
          Give each collection a file or a folder of its own.
        """,
    ),
    (
        "case",
        {
            "a": record({**A, "layout": "file", "path": "state/x.json"}),
            "b": record({**A, "delta": ["b"], "layout": "file", "path": "state/X.json", "pointer": "/p"}),
        },
        """
        b:12 at /x-merge/path
          The path "state/X.json" overlaps with "state/x.json" of the collection `a`.
          Give each collection a file or a folder of its own.
        """,
    ),
    (
        "reference to nothing",
        {
            "notes": record({**A, "references": {"by": "persons"}}, {"id": ID, "by": ID}),
            "person": record({**L, "delta": ["b"]}),
        },
        """
        notes:12 at /x-merge/references/by
          There is no collection `persons` to refer to; did you mean `person`?
        """,
    ),
    (
        "reference of nothing",
        {
            "notes": record({**A, "references": {"bye": "person"}}, {"id": ID, "by": ID}),
            "person": record({**L, "delta": ["b"]}),
        },
        """
        notes:12 at /x-merge/references/bye
          `bye` is not one of the schema's top-level properties; did you mean `by`?
        """,
    ),
    (
        "reference type",
        {
            "notes": record(
                {**A, "references": {"by": "person", "to": "person"}},
                {"id": ID, "by": INTEGER, "to": {"type": "array", "items": {}}},
            ),
            "person": record({**L, "delta": ["b"]}),
        },
        """
        notes:12 at /x-merge/references/by
          `by` may be an integer, but the key `id` of `person` is a string.
          Give both the same type.
        notes:13 at /x-merge/references/to
          `to` has no type, but the key `id` of `person` is a string.
          Give both the same type.
        """,
    ),
    (
        "not referable",
        {
            "notes": record({**A, "references": {"by": "person", "to": "log"}}, {"id": ID, "by": ID, "to": ID}),
            "person": record({**L, "delta": ["b"], "key": ["id", "text"]}, required=["id", "text"]),
            "log": record({"strategy": "observe", "delta": ["l"]}),
        },
        """
        notes:12 at /x-merge/references/by
          `person` cannot be referred to.
          A reference names one record: the collection must be append or last-writer-wins, with a key of one property.
        notes:13 at /x-merge/references/to
          `log` cannot be referred to.
          A reference names one record: the collection must be append or last-writer-wins, with a key of one property.
        """,
    ),
]


@pytest.mark.parametrize(("schemas", "problems"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_mistakes(schemas: dict[str, Any], problems: str) -> None:
    assert told(schemas) == dedent(problems).strip()


def test_mistakes_of_all_files_are_told_at_once() -> None:
    files = {
        "schemas/a.schema.json": b'{"type": "object",\n"x-merge": {"strategy": "apend", "delta": ["a"]}}',
        "schemas/b.schema.json": b'{"type": "object",\n',
        "schemas/c.schema.json": b'{"type": "objekt"}',
    }
    assert [(one.file, one.line, one.reason) for one in load(files)[1]] == [
        ("schemas/a.schema.json", 2, "bad_schema"),
        ("schemas/b.schema.json", 1, "truncated"),
        ("schemas/c.schema.json", 1, "bad_schema"),
    ]


def test_a_reference_to_a_broken_schema_is_not_a_second_mistake() -> None:
    notes = record({**A, "references": {"by": "person"}}, {"id": ID, "by": ID})
    broken = {"type": "object"}
    assert told({"notes": notes, "person": broken}) == told({"person": broken})


def test_two_files_of_one_name() -> None:
    data = json.dumps(record(A)).encode()
    _, problems = load({"schemas/notes.schema.json": data, "schemas/old/notes.schema.json": data})
    assert [one.message for one in problems] == ["There is a second schema of `notes`: schemas/notes.schema.json."]


GOOD = [
    ("x-merge as a property's name", one(record(A, {"id": ID, "x-merge": INTEGER, "$ref": ID, "pattern": ID}))),
    ("x-merge in an example", one(record(A, {"id": ID, "a": {"examples": [{"x-merge": 1, "$ref": "http://x"}]}}))),
    ("references into itself", one(record(A, {"id": ID, "a": {"$ref": "#/$defs/a~1b"}}, **{"$defs": {"a/b": ID}}))),
    ("an anchor", one(record(A, {"id": ID, "a": {"$ref": "#it"}}, **{"$defs": {"a": {"$anchor": "it"}}}))),
    ("recursion", one(record(A, {"id": ID, "a": {"$ref": "#"}}))),
    ("its own id", one(record(A, **{"$id": "https://example.com/notes"}))),
    ("a boolean schema", one(record(A, {"id": ID, "a": True, "b": False}))),
    ("null in a hashed field", one(record({**A, "key": ["k"], "else_key": [{"hash": "id"}]}, {"id": {}, "k": ID}))),
    (
        "two parts of a file",
        {
            "a": record({**A, "layout": "file", "path": "x.json", "pointer": "/a"}),
            "b": record({**A, "delta": ["b"], "layout": "file", "path": "x.json", "pointer": "/ab"}),
        },
    ),
    (
        "references to an append collection and to itself",
        {
            "a": record({**A, "references": {"text": "a"}}),
            "b": record({**L, "references": {"all": "a"}}, {"id": ID, "all": {"type": "array", "items": ID}}),
        },
    ),
]


@pytest.mark.parametrize("schemas", [row[1] for row in GOOD], ids=[row[0] for row in GOOD])
def test_no_mistake(schemas: dict[str, Any]) -> None:
    assert told(schemas) == ""


def test_the_example_world() -> None:
    files = {f"schemas/{one.name}": one.read_bytes() for one in SCHEMAS.glob("*.schema.json")}
    collections, problems = load(files)
    assert problems == []
    assert {name: (one.strategy, one.layout, one.path, one.delta_keys) for name, one in collections.items()} == {
        "agents": ("last-writer-wins", "entities", "state/agents", ("profile_updates",)),
        "channels": ("last-writer-wins", "file", "state/channels.json", ("channels_updated",)),
        "comments": ("append", "segments", "state/comments", ("comments_added",)),
        "follows": ("union", "entities", "state/follows", ("follows_added",)),
        "posts": ("append", "segments", "state/posts", ("posts_created",)),
        "souls": ("observe", "entities", "state/souls", ("soul_updates",)),
        "stats": ("sum", "file", "state/stats.json", ("stats_increments",)),
    }
    assert collections["agents"].properties == {"karma": PropertyRule("sum"), "tags": PropertyRule("union")}
    assert collections["channels"].shape == collections["stats"].shape == "object"
    assert collections["comments"].else_key == (
        KeyField("post_number"),
        KeyField("author"),
        KeyField("body", hashed=True),
    )
    assert collections["follows"].references == {"agent_id": "agents", "follows": "agents"}
    assert collections["posts"].schema_path == "schemas/posts.schema.json"


def test_the_state_folder_and_a_path_of_its_own() -> None:
    files = {"notes.schema.json": json.dumps(record(A)).encode()}
    assert load(files, state="data/world")[0]["notes"].path == "data/world/notes"
    files = {"notes.schema.json": json.dumps(record({**A, "layout": "file", "path": "docs/notes.json"})).encode()}
    assert load(files, state="data/world")[0]["notes"].path == "docs/notes.json"
