"""Drift: other names and other forms that a schema says how to read, each reading noted, and nothing read that fits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from merge_bot.canonical import document
from merge_bot.delta_schema import compose
from merge_bot.drift import TYPES_OF, coerced
from merge_bot.findings import Reason
from merge_bot.schemas import load
from tests.world import STRINGS, TEXT, World, schema, written

NUMBER = {"type": "integer", "x-aliases": ["discussion", "post"], "x-coerce": ["bare", "digits", "whole"]}
AUTHOR = {"type": "string", "x-aliases": ["agent"], "x-coerce": ["text"]}
TAGS = {**STRINGS, "x-coerce": ["list"]}


def posts(required: tuple[str, ...] = ("number",), **rules: Any) -> dict[str, Any]:
    properties = {"number": NUMBER, "author": AUTHOR, "tags": TAGS}
    return schema("append", properties, required, key=["number"], layout="file", **rules)


def notes_of(world: World, *records: Any) -> list[str]:
    ran = world.run(written("w1", 1, posts=list(records)))
    assert ran.receipts[0].outcome == "applied"
    return ran.receipts[0].notes


ROWS: list[tuple[str, Any, Any, list[str]]] = [
    ("as it should be", {"number": 1, "author": "kai"}, {"number": 1, "author": "kai"}, []),
    (
        "another name",
        {"discussion": 1, "agent": "kai"},
        {"number": 1, "author": "kai"},
        [
            "/posts/0: `discussion` was read as `number`, by x-aliases",
            "/posts/0: `agent` was read as `author`, by x-aliases",
        ],
    ),
    ("bare", 1, {"number": 1}, ['/posts/0: the integer 1 was read as `number`, by x-coerce "bare"']),
    (
        "bare digits",
        "17",
        {"number": 17},
        [
            '/posts/0: the string "17" was read as `number`, by x-coerce "bare"',
            '/posts/0: the string "17" was read as `number`, by x-coerce "digits"',
        ],
    ),
    (
        "a whole number, which the schema alone would take",
        {"number": 1.0},
        {"number": 1},
        ['/posts/0: the number 1.0 was read as `number`, by x-coerce "whole"'],
    ),
    (
        "by another name in another form",
        {"post": "-3", "agent": 5, "tags": "a"},
        {"number": -3, "author": "5", "tags": ["a"]},
        [
            "/posts/0: `post` was read as `number`, by x-aliases",
            "/posts/0: `agent` was read as `author`, by x-aliases",
            '/posts/0: the string "-3" was read as `number`, by x-coerce "digits"',
            '/posts/0: the integer 5 was read as `author`, by x-coerce "text"',
            '/posts/0: the string "a" was read as `tags`, by x-coerce "list"',
        ],
    ),
]


@pytest.mark.parametrize(("said", "read", "notes"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_readings(said: Any, read: Any, notes: list[str]) -> None:
    world = World.of({"posts": posts()})
    assert sorted(notes_of(world, said)) == sorted(notes)
    assert world.value("state/posts.json") == [read]


def test_what_fits_is_never_read_otherwise_whatever_stands_beside_it() -> None:
    fits = {"number": 5, "author": "17", "tags": ["b"], "other": {"agent": 1}}
    world = World.of({"posts": posts()})
    assert notes_of(world, fits, 6) == ['/posts/1: the integer 6 was read as `number`, by x-coerce "bare"']
    assert world.value("state/posts.json") == [fits, {"number": 6}]


def test_a_form_leaves_alone_what_its_schema_takes() -> None:
    score = {"type": "integer", "x-coerce": ["whole", "bare"]}
    one = schema("append", {"number": {"type": "integer"}, "score": score}, ["number"], key=["number"], layout="file")
    world = World.of({"posts": one | {"required": ["number", "score"]}})
    ran = world.run(written("w1", 1, posts=[{"number": 1, "score": 2.0}, {"number": 2, "score": "3"}]))
    assert ran.receipts[0].outcome == "quarantined"
    one["properties"]["score"]["x-coerce"] = ["whole", "digits"]
    world = World.of({"posts": one})
    world.run(written("w1", 1, posts=[{"number": 1, "score": 2.0}, {"number": 2, "score": "3"}]))
    assert [type(one["score"]) for one in world.value("state/posts.json")] == [float, int]


def test_readings_that_are_alike_are_told_once() -> None:
    world = World.of({"posts": posts()})
    assert notes_of(world, 1, 2, {"discussion": 3}, 4) == [
        '/posts/0: the integer 1 was read as `number` (and 2 more records like it), by x-coerce "bare"',
        "/posts/2: `discussion` was read as `number`, by x-aliases",
    ]


@pytest.mark.parametrize(
    ("record", "pointer", "reason"),
    [
        ({"number": 1, "discussion": 2}, "/posts/0/discussion", Reason.ALIAS_CLASH),
        ({"number": 1, "discussion": 1}, "/posts/0/discussion", Reason.ALIAS_CLASH),
        ({"discussion": 1, "post": 2}, "/posts/0", Reason.NO_KEY),
        ({"number": "017"}, "/posts/0/number", Reason.SCHEMA_VIOLATION),
        ({"number": "1" * 19}, "/posts/0/number", Reason.SCHEMA_VIOLATION),
        ({"number": 1.5}, "/posts/0/number", Reason.SCHEMA_VIOLATION),
        ({"number": True}, "/posts/0/number", Reason.SCHEMA_VIOLATION),
        (True, "/posts/0", Reason.SCHEMA_VIOLATION),
        (None, "/posts/0", Reason.SCHEMA_VIOLATION),
        ([1], "/posts/0", Reason.SCHEMA_VIOLATION),
        ({"number": 1, "author": None}, "/posts/0/author", Reason.SCHEMA_VIOLATION),
    ],
)
def test_what_no_reading_makes_fit_is_refused(record: Any, pointer: str, reason: Reason) -> None:
    world = World.of({"posts": posts()})
    ran = world.run(written("w1", 1, posts=[record]))
    assert ran.receipts[0].outcome == "quarantined"
    assert (pointer, reason) in [(one.pointer, one.reason) for one in ran.receipts[0].problems]


def test_what_can_be_read_is_no_problem_where_something_else_is() -> None:
    world = World.of({"posts": posts(("number", "tags"))})
    ran = world.run(written("w1", 1, posts=[{"discussion": "4", "agent": "kai"}]))
    assert [(one.pointer, one.message) for one in ran.receipts[0].problems] == [
        ("/posts/0", "posts[0]: `tags` is missing.")
    ]


def test_other_names_in_a_closed_schema_and_of_counters() -> None:
    closed = posts() | {"additionalProperties": False}
    stats = schema("sum", {"total_posts": {"type": "integer", "x-aliases": ["posts"], "x-coerce": ["digits"]}})
    world = World.of({"posts": closed, "stats": stats}, {"state/stats.json": {"total_posts": 1}})
    ran = world.run(written("w1", 1, posts=[{"discussion": 4}], stats={"posts": "2"}))
    assert ran.receipts[0].outcome == "applied"
    assert (world.value("state/posts.json"), world.value("state/stats.json")) == ([{"number": 4}], {"total_posts": 3})
    assert "/stats: `posts` was read as `total_posts`, by x-aliases" in ran.receipts[0].notes


def test_an_entity_is_found_by_the_other_name_of_its_key() -> None:
    agents = schema(
        "last-writer-wins",
        {"id": {"type": "string", "x-aliases": ["agent_id"]}, "bio": {"type": "string", "x-aliases": ["about"]}},
        ["id"], key=["id"], layout="file",
    )  # fmt: skip
    world = World.of({"agents": agents}, {"state/agents.json": [{"id": "kai", "bio": "x"}]})
    world.run(written("w1", 1, agents=[{"agent_id": "kai", "about": "y"}]))
    assert world.value("state/agents.json") == [{"id": "kai", "bio": "y"}]


def test_the_schema_that_writers_are_given_names_neither() -> None:
    said = json.dumps(compose(World.of({"posts": posts()}).collections))
    assert "x-aliases" not in said and "x-coerce" not in said


A = {"strategy": "append", "delta": ["notes"], "key": ["id"]}
BARE = {"x-coerce": ["bare"], **TEXT}


@pytest.mark.parametrize(
    ("properties", "pointer", "said"),
    [
        ({"a": {"x-aliases": "b"}}, "/properties/a/x-aliases", "must be an array of strings"),
        ({"a": {"x-aliases": []}}, "/properties/a/x-aliases", "must be an array of strings"),
        ({"a": {"x-aliases": ["b", "b"]}}, "/properties/a/x-aliases", "must be an array of strings"),
        ({"a": {"x-aliases": ["id"]}}, "/properties/a/x-aliases/0", "`id` is a property of its own"),
        ({"a": {"x-aliases": ["a"]}}, "/properties/a/x-aliases/0", "`a` is a property of its own"),
        ({"a": {"x-aliases": ["c"]}, "b": {"x-aliases": ["c"]}}, "/properties/b/x-aliases/0", "already another name"),
        ({"a": {"x-coerce": ["number"], **TEXT}}, "/properties/a/x-coerce/0", "is not a form"),
        ({"a": {"x-coerce": ["digits"], **TEXT}}, "/properties/a/x-coerce/0", "is for properties of type `integer`"),
        ({"a": BARE, "b": BARE}, "/properties/b/x-coerce/0", "read as `a`"),
        ({"a": {"properties": {"b": {"x-aliases": ["c"]}}}}, "/properties/a/properties/b/x-aliases", "means something"),
    ],
)  # fmt: skip
def test_mistakes_are_found_when_schemas_load(properties: dict[str, Any], pointer: str, said: str) -> None:
    one = {"type": "object", "properties": {"id": TEXT, **properties}, "required": ["id"], "x-merge": A}
    _, problems = load({"schemas/notes.schema.json": document(one)})
    assert [one.pointer for one in problems] == [pointer]
    assert said in problems[0].message


def test_a_bare_value_names_no_counter() -> None:
    one = schema("sum", {"a": {"type": "integer", "x-coerce": ["bare"]}}, delta=["stats"])
    _, problems = load({"schemas/stats.schema.json": document(one)})
    assert [one.pointer for one in problems] == ["/properties/a/x-coerce/0"]


VALUES = [None, True, "x", "1", "01", 1, 1.0, 1.5, 2.0**60, ["x"], {"a": 1}]
TAKEN = {"digits": {3: 1}, "whole": {6: 1}, "text": {5: "1"}}


@pytest.mark.parametrize("form", TYPES_OF)
@pytest.mark.parametrize("at", range(len(VALUES)))
def test_a_form_takes_its_own_kind_of_value_and_leaves_all_others(form: str, at: int) -> None:
    value = VALUES[at]
    wanted = TAKEN.get(form, {}).get(at, value)
    if form == "list" and value is not None and not isinstance(value, list):
        wanted = [value]
    result = coerced(value, form)
    assert (type(result), result) == (type(wanted), wanted)
