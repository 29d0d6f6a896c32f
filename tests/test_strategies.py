"""Strategies as rows: a named case, the state before, deltas in; the state after, what was lost and the marks out.

A frame is a list of deltas, several are merged one after the other (the first opens as 5). Losses read
"worker place: outcome, reason"; a conflict is (frame, policy, value, [(worker, its value), …]).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from merge_bot.errors import UnreadableState
from tests.world import INTEGER, NUMBER, STRINGS, TEXT, Ran, World, collections_of, schema, written

Delta = tuple[str, bytes]


def d(stream: str, seconds: float, *records: Any, frame: int = 5, run: str | None = None) -> Delta:
    """A delta with operations on `things`; of a sum, one object of increments."""
    operations: Any = list(records)
    if len(records) == 1 and "+" in records[0]:
        operations = records[0]["+"]
    return written(stream, seconds, frame, run, things=operations)


def plus(**increments: float) -> dict[str, Any]:
    return {"+": increments}


@dataclass(frozen=True)
class Row:
    name: str
    rules: dict[str, Any]
    frames: list[list[Delta]]
    after: Any
    before: Any = None
    losses: list[str] = field(default_factory=list)
    conflicts: dict[str, Any] = field(default_factory=dict)


def losses_of(ran: Ran) -> list[str]:
    return sorted(
        f"{receipt.stream_id} {one.pointer}: {one.outcome}, {one.reason}"
        for receipt in ran.receipts
        for one in receipt.operations
    )


def conflicts_of(world: World) -> dict[str, Any]:
    return {
        key: {
            name: (
                entry["frame"],
                entry["policy"],
                entry["value"],
                [(one["stream_id"], one["value"]) for one in entry["candidates"]],
            )
            for name, entry in fields.items()
        }
        for key, fields in world.conflicts.get("things", {}).items()
    }


def state_of(world: World) -> Any:
    """The value of the file, or of a folder the records by file."""
    path = world.collections["things"].path
    if path in world.files.files:
        return world.value(path)
    return {
        name.removeprefix(f"{path}/"): [line.decode() for line in data.splitlines()]
        for name, data in world.files.files.items()
        if name.startswith(f"{path}/")
    } or None


def run(row: Row) -> tuple[World, list[str]]:
    path = collections_of({"things": row.rules})["things"].path
    world = World.of({"things": row.rules}, {} if row.before is None else {path: row.before})
    losses = [loss for deltas in row.frames for loss in losses_of(world.run(*deltas))]
    return world, losses


def check(row: Row) -> None:
    world, losses = run(row)
    assert state_of(world) == row.after
    assert losses == row.losses
    assert conflicts_of(world) == row.conflicts


def rows(*ones: Row) -> Any:
    assert len({one.name for one in ones}) == len(ones)
    return pytest.mark.parametrize("row", ones, ids=lambda row: row.name)


# --- append

POSTS = schema(
    "append",
    {"id": TEXT, "by": TEXT, "text": TEXT},
    ["by", "text"],
    key=["id"],
    else_key=["by", {"hash": "text"}],
    layout="file",
)
NUMBERED = schema("append", {"n": INTEGER, "text": TEXT}, ["n"], key=["n"], layout="file")
A, B, C = ({"n": 1, "text": text} for text in "abc")


@rows(
    Row(
        "other keys are all added, in the order of rank",
        NUMBERED,
        [[d("w1", 9, {"n": 3}, {"n": 2}), d("w2", 1, {"n": 4})]],
        [{"n": 4}, {"n": 3}, {"n": 2}],
    ),
    Row("after what is there", NUMBERED, [[d("w1", 1, {"n": 1})]], [{"n": 9}, {"n": 1}], before=[{"n": 9}]),
    Row(
        "zero is a key as any other",
        NUMBERED,
        [[d("w1", 1, {"n": 0}), d("w2", 2, {"n": 0})]],
        [{"n": 0}],
        losses=["w2 /things/0: duplicate, same_record"],
    ),
    Row(
        "the same content in one frame is a duplicate",
        NUMBERED,
        [[d("w1", 1, A), d("w2", 2, A)]],
        [A],
        losses=["w2 /things/0: duplicate, same_record"],
    ),
    Row(
        "the same content in other order of keys is a duplicate",
        NUMBERED,
        [[d("w1", 1, {"text": "a", "n": 1})]],
        [A],
        before=[A],
        losses=["w1 /things/0: duplicate, same_record"],
    ),
    Row(
        "other content in one frame is a conflict, the first by rank kept",
        NUMBERED,
        [[d("w1", 2, A), d("w2", 1, B)]],
        [B],
        losses=["w1 /things/0: conflict, same_key_other_content"],
        conflicts={"[0,1]": {"*": (5, "first", B, [("w2", B), ("w1", A)])}},
    ),
    Row(
        "other content than the state's is a conflict, the state's kept",
        NUMBERED,
        [[d("w1", 1, B)]],
        [A],
        before=[A],
        losses=["w1 /things/0: conflict, same_key_other_content"],
        conflicts={"[0,1]": {"*": (5, "first", A, [("w1", B)])}},
    ),
    Row(
        "of three contents all are recorded",
        NUMBERED,
        [[d("w1", 1, A), d("w2", 2, B), d("w3", 3, C)]],
        [A],
        losses=[
            "w2 /things/0: conflict, same_key_other_content",
            "w3 /things/0: conflict, same_key_other_content",
        ],
        conflicts={"[0,1]": {"*": (5, "first", A, [("w1", A), ("w2", B), ("w3", C)])}},
    ),
    Row(
        "a later frame's content joins the open conflict",
        NUMBERED,
        [[d("w1", 1, A), d("w2", 2, B)], [d("w3", 3, C, frame=6)]],
        [A],
        losses=[
            "w2 /things/0: conflict, same_key_other_content",
            "w3 /things/0: conflict, same_key_other_content",
        ],
        conflicts={"[0,1]": {"*": (5, "first", A, [("w1", A), ("w2", B), ("w3", C)])}},
    ),
    Row(
        "what an earlier frame merged stays, also against an earlier clock",
        NUMBERED,
        [[d("w1", 9, A)], [d("w2", 1, B)]],
        [A],
        losses=["w2 /things/0: conflict, same_key_other_content"],
        conflicts={"[0,1]": {"*": (5, "first", A, [("w2", B)])}},
    ),
    Row(
        "in one delta the first of two contents stays",
        NUMBERED,
        [[d("w1", 1, A, B)]],
        [A],
        losses=["w1 /things/1: conflict, same_key_other_content"],
        conflicts={"[0,1]": {"*": (5, "first", A, [("w1", A), ("w1", B)])}},
    ),
    Row(
        "at one instant the lesser stream_id is first",
        NUMBERED,
        [[d("w2", 1, B), d("w1", 1, A)]],
        [A],
        losses=["w2 /things/0: conflict, same_key_other_content"],
        conflicts={"[0,1]": {"*": (5, "first", A, [("w1", A), ("w2", B)])}},
    ),
    Row(
        "a key and an else_key are never the same, whatever they say",
        schema("append", {"id": TEXT, "by": TEXT}, ["by"], key=["id"], else_key=["by"], layout="file"),
        [[d("w1", 1, {"id": "kai", "by": "aria"}, {"by": "kai"})]],
        [{"by": "aria", "id": "kai"}, {"by": "kai"}],
    ),
    Row(
        "under an else_key other text is another record, the same text a duplicate",
        POSTS,
        [
            [
                d("w1", 1, {"by": "kai", "text": "hi"}, {"by": "kai", "text": "ho"}),
                d("w2", 2, {"by": "kai", "text": "hi"}),
            ]
        ],
        [{"by": "kai", "text": "hi"}, {"by": "kai", "text": "ho"}],
        losses=["w2 /things/0: duplicate, same_record"],
    ),
    Row(
        "an id keeps apart what the else_key would take for one",
        POSTS,
        [[d("w1", 1, {"id": "1", "by": "kai", "text": "hi"}, {"id": "2", "by": "kai", "text": "hi"})]],
        [{"by": "kai", "id": "1", "text": "hi"}, {"by": "kai", "id": "2", "text": "hi"}],
    ),
)
def test_append(row: Row) -> None:
    check(row)


# --- observe

SOULS = schema("observe", {"id": TEXT, "saw": TEXT}, ["id"], key=["id"], layout="entities")
SEGMENTED = schema("observe", {"saw": TEXT}, layout="segments")


@rows(
    Row(
        "the same words from two workers are two observations, in the order of rank",
        SOULS,
        [[d("w1", 2, {"id": "kai", "saw": "x"}), d("w2", 1, {"id": "kai", "saw": "x"}, {"id": "aria", "saw": "y"})]],
        {
            "aria.jsonl": ['{"id":"aria","saw":"y"}'],
            "kai.jsonl": ['{"id":"kai","saw":"x"}', '{"id":"kai","saw":"x"}'],
        },
    ),
    Row(
        "a later frame adds at the end, also with an earlier clock",
        SOULS,
        [[d("w1", 9, {"id": "kai", "saw": "x"})], [d("w2", 1, {"id": "kai", "saw": "y"})]],
        {"kai.jsonl": ['{"id":"kai","saw":"x"}', '{"id":"kai","saw":"y"}']},
    ),
    Row(
        "without a key all of a frame lie in its segment",
        SEGMENTED,
        [[d("w1", 1, {"saw": "x"}, {"saw": "x"})], [d("w1", 2, {"saw": "y"}, frame=6)]],
        {"000/000005.jsonl": ['{"saw":"x"}', '{"saw":"x"}'], "000/000006.jsonl": ['{"saw":"y"}']},
    ),
    Row(
        "a delta that arrives again adds nothing",
        SOULS,
        [[d("w1", 1, {"id": "kai", "saw": "x"})], [d("w1", 1, {"id": "kai", "saw": "x"})]],
        {"kai.jsonl": ['{"id":"kai","saw":"x"}']},
    ),
)
def test_observe(row: Row) -> None:
    check(row)


# --- sum

STATS = schema("sum", {"a": NUMBER, "b": NUMBER})


@rows(
    Row("from nothing", STATS, [[d("w1", 1, plus(a=1))]], {"a": 1}),
    Row("integers", STATS, [[d("w1", 1, plus(a=2, b=1)), d("w2", 1, plus(a=3))]], {"a": 15, "b": 1}, before={"a": 10}),
    Row("exact decimals", STATS, [[d("w1", 1, plus(a=0.1)), d("w2", 1, plus(a=0.2))]], {"a": 0.3}),
    Row("exact decimals over frames", STATS, [[d("w1", 1, plus(a=0.1))], [d("w2", 1, plus(a=0.2))]], {"a": 0.3}),
    Row("integers and decimals", STATS, [[d("w1", 1, plus(a=1)), d("w2", 1, plus(a=0.5))]], {"a": 1.5}),
    Row("an integral result is an integer", STATS, [[d("w1", 1, plus(a=0.5)), d("w2", 1, plus(a=1.5))]], {"a": 2}),
    Row("below zero", STATS, [[d("w1", 1, plus(a=-3))]], {"a": -2}, before={"a": 1}),
    Row("to zero", STATS, [[d("w1", 1, plus(a=-0.1))]], {"a": 0}, before={"a": 0.1}),
    Row("beyond what a double counts", STATS, [[d("w1", 1, plus(a=1))]], {"a": 2**53 + 1}, before={"a": 2**53}),
    Row("null is nothing yet", STATS, [[d("w1", 1, plus(a=1))]], {"a": 1}, before={"a": None}),
    Row("nothing is nothing", STATS, [[d("w1", 1, plus(a=0))]], {"a": 0}),
    Row(
        "other keys of the file stay, and are not the increments' fault",
        {**STATS, "additionalProperties": False},
        [[d("w1", 1, plus(a=1))]],
        {"a": 1, "as_of": "yesterday"},
        before={"as_of": "yesterday"},
    ),
)
def test_sum(row: Row) -> None:
    check(row)


@pytest.mark.parametrize("now", ["7", True, [], {}])
def test_a_counter_that_is_no_number_stops_the_merge(now: Any) -> None:
    world = World.of(
        {"things": STATS | {"x-merge": {**STATS["x-merge"], "pointer": "/all"}}},
        {"state/things.json": {"all": {"a/b": now}}},
    )
    with pytest.raises(UnreadableState) as error:
        world.run(d("w1", 1, {"+": {"a/b": 1}}))
    assert str(error.value).splitlines()[1:3] == ["  state/things.json at /all/a~1b", "    Expected a number here."]


# --- union

TAGS = schema("union", {"who": TEXT, "tag": TEXT}, layout="file")
FOLLOWS = schema("union", {"who": TEXT, "whom": TEXT}, ["who"], key=["who"], layout="entities")


@rows(
    Row(
        "each member once, in the order of canonical bytes",
        TAGS,
        [[d("w1", 1, {"tag": "b"}, {"tag": "a"}), d("w2", 2, {"tag": "a"}, {"tag": "c"})]],
        [{"tag": "a"}, {"tag": "b"}, {"tag": "c"}],
        losses=["w2 /things/0: duplicate, same_record"],
    ),
    Row(
        "what the set has is not added",
        TAGS,
        [[d("w1", 1, {"tag": "a", "who": "x"})]],
        [{"tag": "a", "who": "x"}],
        before=[{"who": "x", "tag": "a"}],
        losses=["w1 /things/0: duplicate, same_record"],
    ),
    Row(
        "members that another hand wrote twice stay",
        TAGS,
        [[d("w1", 1, {"tag": "a"}, {"tag": "b"})]],
        [{"tag": "a"}, {"tag": "a"}, {"tag": "a"}, {"tag": "b"}],
        before=[{"tag": "a"}, {"tag": "a"}, {"tag": "a"}],
        losses=["w1 /things/0: duplicate, same_record"],
    ),
    Row(
        "a set a key",
        FOLLOWS,
        [[d("w1", 1, {"who": "kai", "whom": "b"}), d("w2", 2, {"who": "kai", "whom": "a"}, {"who": "aria"})]],
        {
            "aria.json": ["[", "  {", '    "who": "aria"', "  }", "]"],
            "kai.json": [
                "[",
                "  {",
                '    "who": "kai",',
                '    "whom": "a"',
                "  },",
                "  {",
                '    "who": "kai",',
                '    "whom": "b"',
                "  }",
                "]",
            ],
        },
    ),
)
def test_union(row: Row) -> None:
    check(row)


# --- last-writer-wins

SUMMED = {**INTEGER, "x-merge": {"strategy": "sum"}}
UNITED = {**STRINGS, "x-merge": {"strategy": "union"}}
MAYBE = {"type": ["string", "null"]}
PROFILE = {"id": TEXT, "bio": MAYBE, "name": TEXT, "karma": SUMMED, "tags": UNITED}
AGENTS = schema("last-writer-wins", PROFILE, ["id"], key=["id"], layout="file", shape="object")
LISTED = schema("last-writer-wins", PROFILE, ["id"], key=["id"], layout="file")


def bio(value: str | None, **more: Any) -> dict[str, Any]:
    return {"id": "kai", "bio": value, **more}


@rows(
    Row("an entity that is not there is created", AGENTS, [[d("w1", 1, bio("a"))]], {"kai": {"bio": "a"}}),
    Row("the key alone creates it as well", AGENTS, [[d("w1", 1, {"id": "kai"})]], {"kai": {}}),
    Row(
        "other fields and other entities coexist",
        AGENTS,
        [[d("w1", 1, bio("a")), d("w2", 2, {"id": "kai", "name": "Kai"}, {"id": "aria", "bio": "b"})]],
        {"aria": {"bio": "b"}, "kai": {"bio": "a", "mood": 1, "name": "Kai"}, "zoe": {"bio": "z"}},
        before={"kai": {"bio": "o", "mood": 1}, "zoe": {"bio": "z"}},
    ),
    Row(
        "entities in an array are found by their key, and stay where they are",
        LISTED,
        [[d("w1", 1, bio("a"), {"id": "new"})]],
        [{"id": "zoe"}, {"bio": "a", "id": "kai"}, {"id": "new"}],
        before=[{"id": "zoe"}, {"id": "kai"}],
    ),
    Row(
        "two workers in one frame: the later one stands, both are recorded",
        AGENTS,
        [[d("w1", 2, bio("a")), d("w2", 1, bio("b"))]],
        {"kai": {"bio": "a"}},
        losses=["w2 /things/0: conflict, concurrent_write"],
        conflicts={"kai": {"bio": (5, "latest", "a", [("w2", "b"), ("w1", "a")])}},
    ),
    Row("equal values are no conflict", AGENTS, [[d("w1", 1, bio("a")), d("w2", 2, bio("a"))]], {"kai": {"bio": "a"}}),
    Row(
        "of three workers the two that agree are recorded as well",
        AGENTS,
        [[d("w1", 1, bio("a")), d("w2", 2, bio("b")), d("w3", 3, bio("a"))]],
        {"kai": {"bio": "a"}},
        losses=["w2 /things/0: conflict, concurrent_write"],
        conflicts={"kai": {"bio": (5, "latest", "a", [("w1", "a"), ("w2", "b"), ("w3", "a")])}},
    ),
    Row(
        "a worker does not contradict itself",
        AGENTS,
        [[d("w1", 1, bio("a"), run="1"), d("w1", 2, bio("b"), run="2")]],
        {"kai": {"bio": "b"}},
        losses=["w1 /things/0: superseded, older_write"],
    ),
    Row(
        "of two operations of one delta the second stands",
        AGENTS,
        [[d("w1", 1, bio("a"), bio("b"))]],
        {"kai": {"bio": "b"}},
        losses=["w1 /things/0: superseded, older_write"],
    ),
    Row(
        "at one instant the greater stream_id stands",
        AGENTS,
        [[d("w2", 1, bio("b")), d("w1", 1, bio("a"))]],
        {"kai": {"bio": "b"}},
        losses=["w1 /things/0: conflict, concurrent_write"],
        conflicts={"kai": {"bio": (5, "latest", "b", [("w1", "a"), ("w2", "b")])}},
    ),
    Row(
        "another frame's value is no conflict",
        AGENTS,
        [[d("w1", 1, bio("a"))], [d("w2", 2, bio("b"), frame=6)]],
        {"kai": {"bio": "b"}},
    ),
    Row(
        "nor where both are merged at once",
        AGENTS,
        [[], [d("w1", 1, bio("a")), d("w2", 2, bio("b"), frame=6)]],
        {"kai": {"bio": "b"}},
        losses=["w1 /things/0: superseded, older_write"],
    ),
    Row(
        "a late delta loses by its clock",
        AGENTS,
        [[], [d("w2", 2, bio("b"), frame=6)], [d("w1", 1, bio("a"))]],
        {"kai": {"bio": "b"}},
        losses=["w1 /things/0: superseded, older_write"],
    ),
    Row(
        "a late delta wins by its clock",
        AGENTS,
        [[], [d("w2", 2, bio("b"), frame=6)], [d("w1", 3, bio("a"))]],
        {"kai": {"bio": "a"}},
    ),
    Row(
        "a late delta of the frame whose value stands conflicts with it, and loses",
        AGENTS,
        [[d("w1", 2, bio("a"))], [d("w2", 1, bio("b"))]],
        {"kai": {"bio": "a"}},
        losses=["w2 /things/0: conflict, concurrent_write"],
        conflicts={"kai": {"bio": (5, "latest", "a", [("w2", "b"), ("w1", "a")])}},
    ),
    Row(
        "a late delta of the frame whose value stands conflicts with it, and wins",
        AGENTS,
        [[d("w1", 1, bio("a"))], [d("w2", 2, bio("b"))]],
        {"kai": {"bio": "b"}},
        conflicts={"kai": {"bio": (5, "latest", "b", [("w1", "a"), ("w2", "b")])}},
    ),
    Row(
        "further late values join the conflict",
        AGENTS,
        [[d("w1", 1, bio("a")), d("w2", 3, bio("b"))], [d("w3", 2, bio("c"))]],
        {"kai": {"bio": "b"}},
        losses=["w1 /things/0: conflict, concurrent_write", "w3 /things/0: conflict, concurrent_write"],
        conflicts={"kai": {"bio": (5, "latest", "b", [("w1", "a"), ("w3", "c"), ("w2", "b")])}},
    ),
    Row(
        "a late value that agrees leaves the conflict open",
        AGENTS,
        [[d("w1", 1, bio("a")), d("w2", 2, bio("b"))], [d("w3", 3, bio("b"))]],
        {"kai": {"bio": "b"}},
        losses=["w1 /things/0: conflict, concurrent_write"],
        conflicts={"kai": {"bio": (5, "latest", "b", [("w1", "a"), ("w2", "b")])}},
    ),
    Row(
        "a later frame's write closes the conflict",
        AGENTS,
        [[d("w1", 1, bio("a")), d("w2", 2, bio("b"))], [d("w1", 3, bio("c"), frame=6)]],
        {"kai": {"bio": "c"}},
        losses=["w1 /things/0: conflict, concurrent_write"],
    ),
    Row(
        "a write to another field closes nothing",
        AGENTS,
        [[d("w1", 1, bio("a")), d("w2", 2, bio("b"))], [d("w1", 3, {"id": "kai", "name": "Kai"}, frame=6)]],
        {"kai": {"bio": "b", "name": "Kai"}},
        losses=["w1 /things/0: conflict, concurrent_write"],
        conflicts={"kai": {"bio": (5, "latest", "b", [("w1", "a"), ("w2", "b")])}},
    ),
    Row(
        "an older frame's late write closes nothing either",
        AGENTS,
        [[], [d("w1", 2, bio("a"), frame=6), d("w2", 3, bio("b"), frame=6)], [d("w1", 1, bio("c"))]],
        {"kai": {"bio": "b"}},
        losses=["w1 /things/0: conflict, concurrent_write", "w1 /things/0: superseded, older_write"],
        conflicts={"kai": {"bio": (6, "latest", "b", [("w1", "a"), ("w2", "b")])}},
    ),
    Row(
        "null is a value",
        AGENTS,
        [[d("w1", 1, bio("a")), d("w2", 2, bio(None))]],
        {"kai": {"bio": None}},
        losses=["w1 /things/0: conflict, concurrent_write"],
        conflicts={"kai": {"bio": (5, "latest", None, [("w1", "a"), ("w2", None)])}},
    ),
    Row(
        "what stood there without a clock is older than any write",
        AGENTS,
        [[d("w1", -9e8, bio("a"))]],
        {"kai": {"bio": "a"}},
        before={"kai": {"bio": "o"}},
    ),
    Row(
        "a property of its own strategy adds: sum",
        AGENTS,
        [
            [d("w1", 1, bio("a", karma=2)), d("w2", 2, {"id": "kai", "karma": 3})],
            [d("w3", 1, {"id": "kai", "karma": -1})],
        ],
        {"kai": {"bio": "a", "karma": 14}},
        before={"kai": {"karma": 10}},
    ),
    Row(
        "a property of its own strategy adds: union",
        AGENTS,
        [[d("w1", 1, {"id": "kai", "tags": ["b", "b", "a"]}), d("w2", 2, {"id": "kai", "tags": ["c", "a"]})]],
        {"kai": {"tags": ["a", "b", "c", "o"]}},
        before={"kai": {"tags": ["o"]}},
    ),
    Row(
        "null is nothing yet, for what adds",
        AGENTS,
        [[d("w1", 1, {"id": "kai", "karma": 1, "tags": ["a"]})]],
        {"kai": {"karma": 1, "tags": ["a"]}},
        before={"kai": {"karma": None, "tags": None}},
    ),
)
def test_last_writer_wins(row: Row) -> None:
    check(row)


def test_at_one_instant_of_one_stream_the_greater_digest_stands() -> None:
    world = World.of({"things": AGENTS})
    deltas = [d("w1", 1, bio("a"), run="1"), d("w1", 1, bio("b"), run="2")]
    ran = world.run(*deltas)
    winner = max(ran.admission.admitted, key=lambda delta: delta.digest)
    assert state_of(world) == {"kai": {"bio": winner.operations["things"][0].record["bio"]}}


def test_a_loss_names_only_the_fields_that_were_not_applied() -> None:
    world = World.of({"things": AGENTS})
    ran = world.run(d("w1", 1, bio("a", name="Kai", karma=1)), d("w2", 2, bio("b")))
    (receipt,) = (one for one in ran.receipts if one.stream_id == "w1")
    assert receipt.counts == {"conflict": 1}
    assert receipt.operations[0].detail == {
        "fields": {"bio": {"wrote": "a", "stands": "b", "reason": "concurrent_write"}}
    }
    assert state_of(world) == {"kai": {"bio": "b", "karma": 1, "name": "Kai"}}


@pytest.mark.parametrize(
    ("field_name", "now", "wanted"),
    [
        ("karma", "7", "a number"),
        ("karma", True, "a number"),
        ("tags", {"a": 1}, "an array"),
        ("tags", "a", "an array"),
    ],
)
def test_a_property_that_cannot_be_added_to_stops_the_merge(field_name: str, now: Any, wanted: str) -> None:
    world = World.of({"things": AGENTS}, {"state/things.json": {"kai": {field_name: now}}})
    with pytest.raises(UnreadableState) as error:
        world.run(d("w1", 1, {"id": "kai", "karma": 1, "tags": ["a"]}))
    assert str(error.value).splitlines()[1:3] == [
        f"  state/things.json at /kai/{field_name}",
        f"    Expected {wanted} here.",
    ]


# --- last-writer-wins, on_conflict hold

HELD = schema("last-writer-wins", PROFILE, ["id"], key=["id"], layout="file", shape="object", on_conflict="hold")


@rows(
    Row(
        "one writer is no conflict", HELD, [[d("w1", 1, bio("a"))]], {"kai": {"bio": "a"}}, before={"kai": {"bio": "o"}}
    ),
    Row("equal values are no conflict", HELD, [[d("w1", 1, bio("a")), d("w2", 2, bio("a"))]], {"kai": {"bio": "a"}}),
    Row(
        "the value stays the base's, and all candidates wait",
        HELD,
        [[d("w1", 1, bio("a")), d("w2", 2, bio("b"))]],
        {"kai": {"bio": "o"}},
        before={"kai": {"bio": "o"}},
        losses=["w1 /things/0: held, held_for_resolution", "w2 /things/0: held, held_for_resolution"],
        conflicts={"kai": {"bio": (5, "hold", "o", [("w1", "a"), ("w2", "b")])}},
    ),
    Row(
        "without a base the field stays away, other fields come",
        HELD,
        [[d("w1", 1, bio("a", name="Kai")), d("w2", 2, bio("b"))]],
        {"kai": {"name": "Kai"}},
        losses=["w1 /things/0: held, held_for_resolution", "w2 /things/0: held, held_for_resolution"],
        conflicts={"kai": {"bio": (5, "hold", None, [("w1", "a"), ("w2", "b")])}},
    ),
    Row(
        "a base of null is not the same as none",
        HELD,
        [[d("w1", 1, bio("a")), d("w2", 2, bio("b"))]],
        {"kai": {"bio": None}},
        before={"kai": {"bio": None}},
        losses=["w1 /things/0: held, held_for_resolution", "w2 /things/0: held, held_for_resolution"],
        conflicts={"kai": {"bio": (5, "hold", None, [("w1", "a"), ("w2", "b")])}},
    ),
    Row(
        "a late candidate takes back what was applied",
        HELD,
        [[d("w1", 1, bio("a"))], [d("w2", 2, bio("b"))]],
        {"kai": {"bio": "o"}},
        before={"kai": {"bio": "o"}},
        losses=["w2 /things/0: held, held_for_resolution"],
        conflicts={"kai": {"bio": (5, "hold", "o", [("w1", "a"), ("w2", "b")])}},
    ),
    Row(
        "a late candidate takes back what was applied where nothing stood before",
        HELD,
        [[d("w1", 1, bio("a"))], [d("w2", 2, bio("b"))]],
        {"kai": {}},
        losses=["w2 /things/0: held, held_for_resolution"],
        conflicts={"kai": {"bio": (5, "hold", None, [("w1", "a"), ("w2", "b")])}},
    ),
    Row(
        "later frames join the candidates, also where they agree with one",
        HELD,
        [
            [d("w1", 1, bio("a")), d("w2", 2, bio("b"))],
            [d("w3", 3, bio("b"), frame=6)],
            [d("w1", 4, bio("b"), frame=7)],
        ],
        {"kai": {"bio": "o"}},
        before={"kai": {"bio": "o"}},
        losses=[
            "w1 /things/0: held, held_for_resolution",
            "w2 /things/0: held, held_for_resolution",
            "w3 /things/0: held, held_for_resolution",
            "w1 /things/0: held, held_for_resolution",
        ],
        conflicts={"kai": {"bio": (5, "hold", "o", [("w1", "a"), ("w2", "b"), ("w3", "b"), ("w1", "b")])}},
    ),
    Row(
        "the base is what the frames before agreed on",
        HELD,
        [[d("w1", 1, bio("a"))], [d("w1", 2, bio("b"), frame=6), d("w2", 3, bio("c"), frame=6)]],
        {"kai": {"bio": "a"}},
        before={"kai": {"bio": "o"}},
        losses=["w1 /things/0: held, held_for_resolution", "w2 /things/0: held, held_for_resolution"],
        conflicts={"kai": {"bio": (6, "hold", "a", [("w1", "b"), ("w2", "c")])}},
    ),
    Row(
        "a late candidate in the frame that gave the base moves the hold back",
        HELD,
        [
            [d("w1", 1, bio("a"))],
            [d("w1", 2, bio("b"), frame=6), d("w2", 3, bio("c"), frame=6)],
            [d("w3", 1, bio("e"))],
        ],
        {"kai": {"bio": "o"}},
        before={"kai": {"bio": "o"}},
        losses=[
            "w1 /things/0: held, held_for_resolution",
            "w2 /things/0: held, held_for_resolution",
            "w3 /things/0: held, held_for_resolution",
        ],
        conflicts={"kai": {"bio": (5, "hold", "o", [("w1", "a"), ("w3", "e"), ("w1", "b"), ("w2", "c")])}},
    ),
    Row(
        "a worker that takes its word back has still disagreed",
        HELD,
        [[d("w1", 1, bio("a"), run="1"), d("w2", 2, bio("b"))], [d("w1", 3, bio("b"), run="2")]],
        {"kai": {"bio": "o"}},
        before={"kai": {"bio": "o"}},
        losses=[
            "w1 /things/0: held, held_for_resolution",
            "w2 /things/0: held, held_for_resolution",
            "w1 /things/0: held, held_for_resolution",
        ],
        conflicts={"kai": {"bio": (5, "hold", "o", [("w1", "a"), ("w2", "b"), ("w1", "b")])}},
    ),
    Row(
        "a worker does not contradict itself",
        HELD,
        [[d("w1", 1, bio("a"), bio("b"))]],
        {"kai": {"bio": "b"}},
        losses=["w1 /things/0: superseded, older_write"],
    ),
    Row(
        "an older frame's late value loses to what stands",
        HELD,
        [[], [d("w1", 2, bio("a"), frame=6)], [d("w2", 1, bio("b"))]],
        {"kai": {"bio": "a"}},
        losses=["w2 /things/0: superseded, older_write"],
    ),
)
def test_hold(row: Row) -> None:
    check(row)


def changed(world: World, rules: dict[str, Any]) -> None:
    world.collections = collections_of({"things": rules})


def test_rules_that_turn_from_latest_to_hold_take_what_stands_for_the_base() -> None:
    world = World.of({"things": AGENTS})
    world.run(d("w1", 1, bio("a")))
    changed(world, HELD)
    world.run(d("w1", 2, bio("b"), frame=6), d("w2", 3, bio("c"), frame=6))
    assert state_of(world) == {"kai": {"bio": "a"}}
    assert conflicts_of(world) == {"kai": {"bio": (6, "hold", "a", [("w1", "b"), ("w2", "c")])}}


def test_rules_that_turn_from_hold_to_latest_let_every_candidate_compete() -> None:
    world = World.of({"things": HELD}, {"state/things.json": {"kai": {"bio": "o"}}})
    world.run(d("w1", 1, bio("a")), d("w2", 9, bio("b")))
    changed(world, AGENTS)
    world.run(d("w1", 2, bio("c"), run="late"))
    assert state_of(world) == {"kai": {"bio": "b"}}
    assert conflicts_of(world) == {"kai": {"bio": (5, "latest", "b", [("w1", "a"), ("w1", "c"), ("w2", "b")])}}
    world.run(d("w3", 10, bio("e"), frame=7))
    assert state_of(world) == {"kai": {"bio": "e"}}
    assert conflicts_of(world) == {}


def test_a_clock_without_its_value_does_not_stand_in_the_way() -> None:
    """A rollback takes the state back, the clocks stay."""
    world = World.of({"things": AGENTS})
    world.run(d("w1", 9, bio("a")))
    world.files.files["state/things.json"] = b"{}\n"
    world.run(d("w2", 1, bio("b")))
    assert state_of(world) == {"kai": {"bio": "b"}}
