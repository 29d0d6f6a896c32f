"""append, observe, sum and union, as rows (see `rows`)."""

from __future__ import annotations

from typing import Any

import pytest

from merge_bot.errors import UnreadableState
from tests.rows import Row, check, d, plus, rows
from tests.world import INTEGER, NUMBER, TEXT, World, schema

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
        "in one file, after what was there",
        schema("observe", {"saw": TEXT}, layout="file"),
        [[d("w1", 1, {"saw": "x"}, {"saw": "x"})], [d("w1", 2, {"saw": "a"}, frame=6)]],
        [{"saw": "z"}, {"saw": "x"}, {"saw": "x"}, {"saw": "a"}],
        before=[{"saw": "z"}],
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
