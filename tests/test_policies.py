"""Conflict policies, as rows (see `rows`), in any order and any runs, and every way to misspell one."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest

from merge_bot.canonical import document
from merge_bot.collection import Policy
from merge_bot.errors import SettingsError
from merge_bot.policy import with_policies
from merge_bot.schemas import load
from merge_bot.settings import Settings
from tests.rows import Row, check, d, rows
from tests.world import INTEGER, STRINGS, TEXT, World, collections_of, schema, written

ANY = {"type": ["string", "number", "boolean", "null", "array"]}
PREFER = {"prefer-worker": ["w2", "w1"]}
LOST = "conflict, concurrent_write"
OLDER = "superseded, older_write"


def by(policy: Any) -> dict[str, Any]:
    fields = {"id": TEXT, "v": ANY}
    return schema("last-writer-wins", fields, ["id"], key=["id"], layout="file", shape="object", on_conflict=policy)


def v(value: Any) -> dict[str, Any]:
    return {"id": "k", "v": value}


def marks(policy: str, value: Any, *said: tuple[str, Any], frame: int = 5) -> dict[str, Any]:
    return {"k": {"v": (frame, policy, value, list(said))}}


@rows(
    Row(
        "first: the first by rank stands",
        by("first"),
        [[d("w1", 2, v("a")), d("w2", 1, v("b"))]],
        {"k": {"v": "b"}},
        losses=[f"w1 /things/0: {LOST}"],
        conflicts=marks("first", "b", ("w2", "b"), ("w1", "a")),
    ),
    Row(
        "first: a later frame's write stands all the same, and closes the conflict",
        by("first"),
        [[d("w1", 2, v("a")), d("w2", 1, v("b"))], [d("w3", 9, v("c"), frame=6)]],
        {"k": {"v": "c"}},
        losses=[f"w1 /things/0: {LOST}"],
    ),
    Row(
        "first: a late write that came earlier takes the place of what stood, and one of an older frame does not",
        by("first"),
        [[], [d("w1", 5, v("a"), frame=6)], [d("w2", 1, v("b"), frame=6), d("w3", 0, v("c"))]],
        {"k": {"v": "b"}},
        losses=[f"w3 /things/0: {OLDER}"],
        conflicts=marks("first", "b", ("w2", "b"), ("w1", "a"), frame=6),
    ),
    Row(
        "first: a worker's last word counts, with its place",
        by("first"),
        [[d("w1", 1, v("a"), run="1"), d("w2", 2, v("b")), d("w1", 3, v("c"), run="2")]],
        {"k": {"v": "b"}},
        losses=[f"w1 /things/0: {LOST}", f"w1 /things/0: {OLDER}"],
        conflicts=marks("first", "b", ("w2", "b"), ("w1", "c")),
    ),
    Row(
        "first: one worker alone may correct itself",
        by("first"),
        [[d("w1", 1, v("a"), v("b"))]],
        {"k": {"v": "b"}},
        losses=[f"w1 /things/0: {OLDER}"],
    ),
    Row(
        "max: the greatest of the frame, whoever came last; what stood before does not compete",
        by("max"),
        [[d("w1", 1, v(7)), d("w2", 2, v(3)), d("w3", 3, v(None))]],
        {"k": {"v": 7}},
        {"k": {"v": 99}},
        [f"w2 /things/0: {LOST}", f"w3 /things/0: {LOST}"],
        marks("max", 7, ("w1", 7), ("w2", 3), ("w3", None)),
    ),
    Row(
        "max: numbers by value, text above numbers, the rest above text",
        by("max"),
        [[d("w1", 1, v(10)), d("w2", 2, v(9.5))], [d("w3", 3, v("1"))], [d("w4", 4, v([0]))]],
        {"k": {"v": [0]}},
        losses=[f"w2 /things/0: {LOST}"],
        conflicts=marks("max", [0], ("w1", 10), ("w2", 9.5), ("w3", "1"), ("w4", [0])),
    ),
    Row(
        "max: of equal ones the later is the writer",
        by("max"),
        [[d("w1", 1, v(1)), d("w2", 2, v(1.0))]],
        {"k": {"v": 1.0}},
        losses=[f"w1 /things/0: {LOST}"],
        conflicts=marks("max", 1.0, ("w1", 1), ("w2", 1.0)),
    ),
    Row(
        "min: the least, but null is none",
        by("min"),
        [[d("w1", 1, v(7)), d("w2", 2, v(3)), d("w3", 3, v(None))]],
        {"k": {"v": 3}},
        losses=[f"w1 /things/0: {LOST}", f"w3 /things/0: {LOST}"],
        conflicts=marks("min", 3, ("w1", 7), ("w2", 3), ("w3", None)),
    ),
    Row(
        "min: of equal ones the later is the writer",
        by("min"),
        [[d("w1", 1, v(1)), d("w2", 2, v(1.0))]],
        {"k": {"v": 1.0}},
        losses=[f"w1 /things/0: {LOST}"],
        conflicts=marks("min", 1.0, ("w1", 1), ("w2", 1.0)),
    ),
    Row(
        "min: where all say null, that stands",
        by("min"),
        [[d("w1", 1, v(None)), d("w2", 2, v(None))]],
        {"k": {"v": None}},
    ),
    Row(
        "prefer-worker: the one named first, whenever it wrote",
        by(PREFER),
        [[d("w1", 9, v("a")), d("w2", 1, v("b")), d("w3", 10, v("c"))]],
        {"k": {"v": "b"}},
        losses=[f"w1 /things/0: {LOST}", f"w3 /things/0: {LOST}"],
        conflicts=marks("prefer-worker", "b", ("w2", "b"), ("w1", "a"), ("w3", "c")),
    ),
    Row(
        "prefer-worker: among others the latest",
        by(PREFER),
        [[d("w4", 9, v("a")), d("w3", 10, v("c"))], [d("w5", 1, v("x"))]],
        {"k": {"v": "c"}},
        losses=[f"w4 /things/0: {LOST}", f"w5 /things/0: {LOST}"],
        conflicts=marks("prefer-worker", "c", ("w5", "x"), ("w4", "a"), ("w3", "c")),
    ),
    Row(
        "prefer-worker: late, but of the same frame, the preferred one takes its place",
        by(PREFER),
        [[d("w3", 9, v("a"))], [d("w2", 1, v("b"))]],
        {"k": {"v": "b"}},
        conflicts=marks("prefer-worker", "b", ("w2", "b"), ("w3", "a")),
    ),
    Row(
        "a condition holds against what was written before it, by whatever policy",
        by("max"),
        [[d("w1", 1, {**v(5), "_expect": {"v": 1}}), d("w2", 2, {**v(9), "_expect": {"v": 1}})]],
        {"k": {"v": 5}},
        {"k": {"v": 1}},
        ["w2 /things/0: conflict, not_as_expected"],
    ),
    Row(
        "where frames decide, an older frame's write cannot have read what stands",
        by("first"),
        [[], [d("w1", 1, v(1), frame=6)], [d("w2", 9, {**v(2), "_expect": {"v": 1}})]],
        {"k": {"v": 1}},
        losses=["w2 /things/0: conflict, not_as_expected"],
    ),
)
def test_a_policy(row: Row) -> None:
    check(row)


WRITES = [
    written("w1", 3, 5, "1", things=[v("b")]),
    written("w1", 6, 6, "2", things=[v(4)]),
    written("w2", 1, 6, "1", things=[v(9), v(2)]),
    written("w3", 8, 6, "1", things=[v(None)]),
    written("w2", 7, 6, "2", things=[v(3)]),
]


@pytest.mark.parametrize("policy", ["latest", "first", "hold", "max", "min", PREFER], ids=str)
def test_in_any_order_and_in_any_runs_the_value_is_the_same(policy: Any) -> None:
    """All orders of two workers' corrections, a null and an older frame, each merged at once, and in any two runs."""
    collections = collections_of({"things": by(policy)})
    values = set()
    for order in permutations(WRITES):
        for cut in range(len(order)):
            world = World(collections, frame=7)
            world.run(*order[:cut])
            world.run(*order[cut:])
            values.add(document(world.value("state/things.json")))
    for runs in product(range(3), repeat=len(WRITES)):
        world = World(collections, frame=7)
        for run in range(3):
            world.run(*(one for one, its in zip(WRITES, runs, strict=True) if its == run))
        values.add(document(world.value("state/things.json")))
    assert len(values) == 1


def test_the_orders_above_tell_the_policies_apart() -> None:
    found = {}
    for policy in ("latest", "first", "hold", "max", "min", PREFER):
        world = World(collections_of({"things": by(policy)}), frame=7)
        world.run(*WRITES)
        found[str(policy)] = world.value("state/things.json")["k"]["v"]
    assert found == {"latest": None, "first": 4, "hold": "b", "max": 4, "min": 3, str(PREFER): 3}


def test_a_policy_may_change_while_a_field_has_a_clock_of_another() -> None:
    clocks = []
    for policy in ("latest", "first", "hold", "max"):
        world = World(collections_of({"things": by(policy)}), frame=5)
        world.run(d("w1", 1, v(1)), d("w2", 2, v(2)))
        clocks.append(world.files)
    for files in clocks:
        for policy in ("latest", "first", "hold", "min", PREFER):
            world = World(collections_of({"things": by(policy)}), type(files)(dict(files.files)), 6)
            world.run(d("w3", 9, v(7), frame=6))
            assert world.value("state/things.json") == {"k": {"v": 7}} or policy == "hold"


# --- how it is said


def settings(text: str) -> Settings:
    return Settings.load(text.encode())


SCHEMAS = {
    "agents": schema(
        "last-writer-wins",
        {
            "id": TEXT, "bio": TEXT, "n": INTEGER, "on": {"type": "boolean"},
            "karma": {**INTEGER, "x-merge": {"strategy": "sum"}},
            "tags": {**STRINGS, "x-merge": {"strategy": "union"}},
            "mood": {**TEXT, "x-merge": {"on_conflict": "hold"}},
        },
        ["id"], key=["id"], on_conflict="first",
    ) | {"additionalProperties": False},
    "posts": schema("append", {"n": INTEGER}, ["n"], key=["n"]),
}  # fmt: skip


def policies(text: str) -> dict[str, Policy]:
    collections = with_policies(collections_of(SCHEMAS), settings(text).conflicts)
    return {name: collections["agents"].rule(name).on_conflict for name in ("bio", "n", "mood")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("first", "first", "hold")),
        ("conflicts: {agents: max}", ("max", "max", "max")),
        ("conflicts: {agents: {bio: hold}}", ("hold", "first", "hold")),
        ("conflicts: {agents: {mood: latest, '*': min}}", ("min", "min", "latest")),
        ("conflicts: {agents: {prefer-worker: [w2, w1]}}", ("prefer-worker",) * 3),
        ("conflicts: {agents: {n: {prefer-worker: [w2]}}}", ("first", "prefer-worker", "hold")),
    ],
)
def test_the_settings_go_before_the_schema(text: str, expected: tuple[str, ...]) -> None:
    assert tuple(one.name for one in policies(text).values()) == expected


def test_sums_and_sets_stay_what_they_are() -> None:
    agents = with_policies(collections_of(SCHEMAS), settings("conflicts: {agents: hold}").conflicts)["agents"]
    assert [agents.rule(name).strategy for name in ("karma", "tags", "bio")] == ["sum", "union", "last-writer-wins"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "conflicts:\n  agents: lastest",
            'line 2: "lastest" is not a policy; did you mean `latest`? '
            'Write "latest", "first", "hold", "max", "min", or {"prefer-worker": ["w1", "w2"]}.',
        ),
        ("conflicts: {agents: {bio: 3}}", "Expected a policy, found the integer 3."),
        ("conflicts: {agents: {prefer-worker: w1}}", "takes the names of workers, the preferred one first"),
        ("conflicts: {agents: {prefer-worker: []}}", "takes the names of workers, the preferred one first"),
        ("conflicts: {agents: {prefer-worker: ['a b']}}", 'the string "a b" is not a worker\'s id.'),
        ("conflicts: {agents: {prefer-worker: [w1, w1]}}", "`w1` stands twice in one list."),
        ("conflicts: {agent: first}", "conflicts: there is no collection `agent`; did you mean `agents`?"),
        ("conflicts: {posts: first}", "conflicts: `posts` merges by append, whose conflicts no policy settles."),
        ("conflicts: {agents: {bios: max}}", "conflicts: `agents` has no field `bios`; did you mean `bio`?"),
        ("conflicts: {agents: {karma: max}}", "`karma` of `agents` is never in conflict: it is the key, or adds up."),
        ("conflicts: {agents: {id: max}}", "`id` of `agents` is never in conflict: it is the key, or adds up."),
        ("conflicts: {agents: {on: max}}", "`on` holds neither numbers nor text, so none of its values is the max."),
    ],
)
def test_every_mistake_in_the_settings_is_said(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        with_policies(collections_of(SCHEMAS), settings(text).conflicts)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"on_conflict": {"prefer-worker": ["w1"]}}, None),
        ({"on_conflict": "max"}, "`on` holds neither numbers nor text, so none of its values is the max."),
        ({"on_conflict": {"prefer": ["w1"]}}, "Expected a policy, found an object"),
        ({"on_conflict": "prefer-worker"}, '"prefer-worker" is not a policy'),
    ],
)
def test_every_mistake_in_a_schema_is_said(rule: dict[str, Any], message: str | None) -> None:
    one = schema("last-writer-wins", {"id": TEXT, "on": {"type": "boolean", "x-merge": rule}}, ["id"], key=["id"])
    one["x-merge"]["delta"] = ["things"]
    _, problems = load({"schemas/things.schema.json": document(one)})
    assert [message in found.message for found in problems] == ([] if message is None else [True])
