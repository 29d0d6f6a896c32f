"""Law 1, order-free, and law 2, exactly once, on worlds that have every strategy, conflicts and parked records.

The values are the same however the same deltas are ordered and grouped into runs; within one frame the bytes are. A
value is a canonical record; marks of conflicts and the place of a record in files may tell of the runs. Two exceptions
are stated: of two contents under one append key the one merged in the earlier frame stays, and a limit (64 bits, a
schema's maximum) lets in what came first. `make test ARGS="--hypothesis-profile=long tests/test_laws.py"` looks longer.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from merge_bot.canonical import document
from merge_bot.state import MemoryFiles
from tests.world import INTEGER, NUMBER, STRINGS, TEXT, World, collections_of, schema, written

Arrival = tuple[str, bytes]
MAYBE = {"type": ["string", "null"]}
SCHEMAS: dict[str, dict[str, Any]] = {
    "agents": schema(
        "last-writer-wins",
        {
            "id": TEXT,
            "name": TEXT,
            "bio": MAYBE,
            "mood": {**MAYBE, "x-merge": {"on_conflict": "hold"}},
            "friend": TEXT,
            "karma": {**NUMBER, "x-merge": {"strategy": "sum"}},
            "tags": {**STRINGS, "x-merge": {"strategy": "union"}},
        },
        ["id", "name"],
        key=["id"],
        references={"friend": "agents"},
        layout="entities",
    ),
    "rooms": schema("last-writer-wins", {"slug": TEXT, "topic": TEXT}, ["slug"], key=["slug"], layout="file"),
    "posts": schema(
        "append",
        {"n": INTEGER, "by": TEXT, "cites": {"type": "array", "items": INTEGER}},
        ["n"],
        key=["n"],
        references={"by": "agents", "cites": "posts"},
        layout="segments",
    ),
    "log": schema("append", {"id": TEXT, "t": TEXT}, ["t"], key=["id"], else_key=[{"hash": "t"}], layout="file"),
    "souls": schema(
        "observe", {"id": TEXT, "saw": TEXT}, ["id"], key=["id"], references={"id": "agents"}, layout="entities"
    ),
    "seen": schema("observe", {"saw": TEXT}, layout="segments"),
    "follows": schema(
        "union", {"who": TEXT, "whom": TEXT}, ["who"], key=["who"], references={"whom": "agents"}, layout="entities"
    ),
    "words": schema("union", {"word": TEXT}, layout="file"),
    "stats": schema("sum", {"a": NUMBER, "b": NUMBER}),
}
FIRST_RUN = 7  # no delta below is of a later frame, so none has to wait


COLLECTIONS = collections_of(SCHEMAS)
BEFORE = {
    "state/agents/kai.json": document({"id": "kai", "name": "Kai", "mood": "calm", "karma": 1}),
    "state/log.json": document([{"id": "0", "t": "old"}]),
    "state/stats.json": document({"a": 0.5}),
}


def world() -> World:
    return World(COLLECTIONS, MemoryFiles(BEFORE), FIRST_RUN)


FIVE: list[Arrival] = [
    written(
        "w1", 5, 7,
        agents=[{"id": "kai", "bio": "a", "mood": "x", "karma": 0.1, "tags": ["t", "s"]}, {"id": "zoe", "bio": "z"}],
        posts=[{"n": 1, "by": "aria", "cites": [2]}, {"n": 4}, {"n": 5, "by": "zoe"}],
        seen=[{"saw": "x"}],
        stats={"a": 0.1, "b": 1},
    ),
    written(
        "w2", 5, 7,
        agents=[{"id": "kai", "bio": "b", "mood": "y", "karma": 0.2, "tags": ["t"]}],
        posts=[{"n": 2, "by": "kai", "cites": [1]}, {"n": 4, "by": "kai"}],
        souls=[{"id": "kai", "saw": "x"}, {"id": "aria", "saw": "y"}],
        stats={"a": 0.2},
    ),
    written(
        "w3", 1, 7,
        agents=[{"id": "aria", "name": "Aria", "friend": "kai"}, {"id": "kai", "bio": "c"}],
        souls=[{"id": "kai", "saw": "x"}],
        follows=[{"who": "kai", "whom": "aria"}, {"who": "kai", "whom": "zoe"}],
        log=[{"t": "hi"}, {"id": "0", "t": "new"}],
        rooms=[{"slug": "a", "topic": "x"}],
    ),
    written(
        "w4", 9, 6, "late",
        agents=[{"id": "kai", "mood": "z", "name": "K"}, {"id": "zoe", "friend": "nobody"}],
        posts=[{"n": 3, "cites": [9]}, {"n": 4}],
        words=[{"word": "b"}, {"word": "a"}],
        log=[{"t": "hi"}],
        rooms=[{"slug": "a", "topic": "y"}, {"slug": "b"}],
    ),
    written(
        "w5", 5, 7,
        agents=[{"id": "aria", "name": "Aria", "bio": None}],
        souls=[{"id": "zoe", "saw": "q"}],
        follows=[{"who": "kai", "whom": "aria"}],
        words=[{"word": "a"}],
        stats={"b": -1, "a": 2},
    ),
]  # fmt: skip


def test_every_order_of_five_deltas_gives_the_same_bytes() -> None:
    expected = world().run(*FIVE).changes
    for order in permutations(FIVE):
        assert world().run(*order).changes == expected


def test_the_five_deltas_are_rich_enough() -> None:
    """What the permutations above cannot show is not proven by them."""
    one = world()
    ran = one.run(*FIVE)
    outcomes = {operation.outcome for receipt in ran.receipts for operation in receipt.operations}
    assert outcomes == {"conflict", "duplicate", "held", "parked", "superseded"}
    assert {name for name, count in ran.merged.applied.items() if count} == set(SCHEMAS)
    policies = {
        entry["policy"] for keys in one.conflicts.values() for fields in keys.values() for entry in fields.values()
    }
    assert policies == {"first", "hold", "latest"}
    assert {entry["reason"] for entry in one.parked} == {"dangling_reference", "incomplete_entity"}
    assert {receipt.outcome for receipt in ran.receipts} == {"applied", "late"}


# --- random deltas

NAMES = st.sampled_from(["kai", "aria", "zoe", "ghost"])
WORDS = st.sampled_from("abc")
TENTHS = st.integers(-30, 30).map(lambda number: number / 10)
SMALL = st.integers(1, 6)


def records(fields: dict[str, st.SearchStrategy[Any]], **always: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.fixed_dictionaries(always, optional=fields), max_size=3)


def a_post(number: int) -> dict[str, Any]:
    """One content a number, so that no two posts conflict: that exception is stated above."""
    return {"n": number, "by": ["kai", "aria", "ghost"][number % 3], "cites": [number % 5 + 1, (number * 7) % 4 + 1]}


CONTENT = st.fixed_dictionaries(
    {},
    optional={
        "agents": records(
            {
                "name": WORDS, "bio": WORDS | st.none(), "mood": WORDS | st.none(), "friend": NAMES, "karma": TENTHS,
                "tags": st.lists(WORDS, max_size=2),
            },
            id=NAMES,
        ),
        "rooms": records({"topic": WORDS}, slug=WORDS),
        "posts": st.lists(SMALL.map(a_post), max_size=3),
        "log": records({}, t=WORDS),
        "souls": records({"saw": WORDS}, id=NAMES),
        "seen": records({"saw": WORDS}),
        "follows": records({"whom": NAMES}, who=NAMES),
        "words": records({"word": WORDS}),
        "stats": st.dictionaries(st.sampled_from("abc"), TENTHS, max_size=2),
    },
)  # fmt: skip


@st.composite
def arrivals(draw: st.DrawFn) -> list[Arrival]:
    """Up to seven deltas of four workers and three frames, many at one instant, each in a slot of its own."""
    return [
        written(
            draw(st.sampled_from(["w1", "w2", "w3", "w4"])),
            draw(st.integers(0, 5)),
            draw(st.integers(5, 7)),
            f"r{at}",
            **content,
        )
        for at, content in enumerate(draw(st.lists(CONTENT, min_size=1, max_size=7)))
    ]


def waiting(one: World) -> list[Any]:
    return [{name: value for name, value in entry.items() if name != "since"} for entry in one.parked]


@given(st.data())
def test_any_order_and_any_runs_give_the_values_of_one_run(data: st.DataObject) -> None:
    deltas = data.draw(arrivals())
    at_once, in_runs = world(), world()
    at_once.run(*deltas)
    order = data.draw(st.permutations(deltas))
    runs = data.draw(st.lists(st.integers(0, 3), min_size=len(order), max_size=len(order)))
    for run in range(4):
        in_runs.run(*(delta for delta, its in zip(order, runs, strict=True) if its == run))
    assert in_runs.values() == at_once.values()
    assert waiting(in_runs) == waiting(at_once)


@given(st.data())
def test_any_order_gives_the_same_bytes_within_a_frame(data: st.DataObject) -> None:
    deltas = data.draw(arrivals())
    assert world().run(*data.draw(st.permutations(deltas))).changes == world().run(*deltas).changes


@given(arrivals(), st.integers(0, 6))
def test_the_same_deltas_again_change_nothing(deltas: list[Arrival], some: int) -> None:
    one = world()
    one.run(*deltas[:some])
    one.run(*deltas)
    before = dict(one.files.files)
    ran = one.run(*deltas, *((f"copy {name}", data) for name, data in deltas))
    changed = {path for path, data in one.files.files.items() if before.get(path) != data}
    assert changed == {one.paths.receipts(ran.number)}
    assert {receipt.outcome for receipt in ran.receipts} == {"duplicate"}


@given(arrivals())
def test_every_operation_has_one_fate(deltas: list[Arrival]) -> None:
    """Law 3: what was sent is counted once in its delta's receipt, and what waits is kept whole."""
    one = world()
    ran = one.run(*deltas)
    sent = {delta.digest: sum(map(len, delta.operations.values())) for delta in ran.admission.admitted}
    assert {receipt.digest: sum(receipt.counts.values()) for receipt in ran.receipts} == sent
    listed = {receipt.digest: len(receipt.operations) for receipt in ran.receipts}
    assert {
        receipt.digest: sent[receipt.digest] - receipt.counts.get("applied", 0) for receipt in ran.receipts
    } == listed
    parked = sum(receipt.counts.get("parked", 0) for receipt in ran.receipts)
    assert parked == len(one.parked)


@given(arrivals())
def test_no_state_refers_to_nothing_and_no_entity_is_incomplete(deltas: list[Arrival]) -> None:
    one = world()
    one.run(*deltas)
    values = one.values()
    agents = {agent["id"] for agent in values["agents"]}
    posts = {post["n"] for post in values["posts"]}
    assert all(agent.get("friend", "kai") in agents and "name" in agent for agent in values["agents"])
    assert all(post["by"] in agents and posts.issuperset(post["cites"]) for post in values["posts"])
    assert all(soul["id"] in agents for soul in values["souls"])
    assert all(member.get("whom", "kai") in agents for members in values["follows"] for member in members)


@given(st.lists(st.tuples(WORDS, st.integers(0, 3)), min_size=1, max_size=4), st.lists(WORDS, max_size=4))
def test_of_two_contents_under_one_key_the_one_of_the_earlier_frame_stays(
    earlier: list[tuple[str, int]], later: list[str]
) -> None:
    """The stated exception to order-free values; the conflict records every content."""
    one = world()
    one.run(*(written("w1", at, 7, f"e{n}", log=[{"id": "k", "t": text}]) for n, (text, at) in enumerate(earlier)))
    stays = one.values()["log"]
    one.run(*(written("w2", -at, 7, f"l{at}", log=[{"id": "k", "t": text}]) for at, text in enumerate(later)))
    assert one.values()["log"] == stays
    (kept,) = (record["t"] for record in stays if record["id"] == "k")
    entry = one.conflicts.get("log", {}).get('[0,"k"]', {}).get("*", {"candidates": [], "value": {"t": kept}})
    assert {kept, *(text for text, _ in earlier), *later} == {
        kept, entry["value"]["t"], *(candidate["value"]["t"] for candidate in entry["candidates"])
    }  # fmt: skip
