"""Conditional writes, as rows (see `rows`): of several computed from one value one enters, the others are told."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from merge_bot.clone import Clone
from merge_bot.delta import Delta
from merge_bot.findings import Reason
from merge_bot.history import History
from merge_bot.rollback import roll_back
from merge_bot.strategies import conditions
from merge_bot.strategies.clocks import known
from merge_bot.strategies.conditions import alike
from merge_bot.validate import given, validate
from tests import past
from tests.repo import Repo
from tests.rows import Row, check, d, losses_of, rows, state_of
from tests.world import INTEGER, STRINGS, TEXT, World, collections_of, rules_of, schema, written

MAYBE = {"type": ["string", "null"]}
PROFILE = {
    "id": TEXT,
    "bio": MAYBE,
    "name": TEXT,
    "n": {"type": "number"},
    "karma": {**INTEGER, "x-merge": {"strategy": "sum"}},
    "tags": {**STRINGS, "x-merge": {"strategy": "union"}},
    "friend": TEXT,
    "mood": {**MAYBE, "x-merge": {"on_conflict": "hold"}},
}
AGENTS = schema(
    "last-writer-wins", PROFILE, ["id"], key=["id"], layout="file", shape="object", references={"friend": "things"}
)
ONE = {"kai": {"bio": "1"}}
LOST = "conflict, not_as_expected"
SINCE = "conflict, written_since"


def bio(value: str | None, expect: Any, **more: Any) -> dict[str, Any]:
    return {"id": "kai", "bio": value, "_expect": {"bio": expect}, **more}


def mood(value: str) -> dict[str, Any]:
    return {"id": "kai", "mood": value, "_expect": {"mood": "o"}}


def based(stream: str, seconds: float, base: int, *records: Any, frame: int = 5, run: str | None = None) -> Any:
    return written(stream, seconds, frame, run, things=list(records), _meta={"base": base})


KAI = {"id": "kai"}


@rows(
    Row("what was expected is there", AGENTS, [[d("w1", 1, bio("2", "1"))]], {"kai": {"bio": "2"}}, ONE),
    Row(
        "something else is there",
        AGENTS,
        [[d("w1", 1, bio("2", "0", name="Kai"))]],
        ONE,
        ONE,
        [f"w1 /things/0: {LOST}"],
    ),
    Row(
        "two workers read 1, and both write 2: the first enters, the other is told",
        AGENTS,
        [[d("w1", 2, bio("2", "1")), d("w2", 1, bio("two", "1"))]],
        {"kai": {"bio": "two"}},
        ONE,
        [f"w1 /things/0: {LOST}"],
    ),
    Row(
        "also where both write the same: each counted it once",
        AGENTS,
        [[d("w1", 1, bio("2", "1")), d("w2", 2, bio("2", "1"))]],
        {"kai": {"bio": "2"}},
        ONE,
        [f"w2 /things/0: {LOST}"],
    ),
    Row(
        "an unconditional write before it makes it fail",
        AGENTS,
        [[d("w1", 1, {"id": "kai", "bio": "x"}), d("w2", 2, bio("2", "1"))]],
        {"kai": {"bio": "x"}},
        ONE,
        [f"w2 /things/0: {LOST}"],
    ),
    Row(
        "an unconditional write after it wins, as over any write",
        AGENTS,
        [[d("w1", 1, bio("2", "1")), d("w2", 2, {"id": "kai", "bio": "x"})]],
        {"kai": {"bio": "x"}},
        ONE,
        ["w1 /things/0: conflict, concurrent_write"],
        {"kai": {"bio": (5, "latest", "x", [("w1", "2"), ("w2", "x")])}},
    ),
    Row(
        "one that is older than what stands anyway disturbs nobody",
        AGENTS,
        [
            [d("w1", 5, {"id": "kai", "bio": "1"})],
            [d("w2", 1, {"id": "kai", "bio": "old"}), d("w3", 9, bio("2", "1"), frame=6)],
        ],
        {"kai": {"bio": "2"}},
        losses=["w2 /things/0: superseded, older_write"],
    ),
    Row(
        "a writer whose watch is behind wins nevertheless: it read what it overwrites",
        AGENTS,
        [[d("w1", 60, {"id": "kai", "bio": "1"})], [d("w2", 1, bio("2", "1"), frame=6)]],
        {"kai": {"bio": "2"}},
    ),
    Row(
        "and what it wrote stands against later deltas, as if its watch had been right",
        AGENTS,
        [
            [d("w1", 60, {"id": "kai", "bio": "1"})],
            [d("w2", 1, bio("2", "1"), frame=6)],
            [d("w3", 30, {"id": "kai", "bio": "x"}, frame=6), d("w4", 2, bio("3", "2"), frame=7)],
        ],
        {"kai": {"bio": "3"}},
        losses=["w3 /things/0: superseded, older_write"],
    ),
    Row(
        "a worker may build on its own write",
        AGENTS,
        [[d("w1", 1, bio("2", "1"), bio("3", "2"))]],
        {"kai": {"bio": "3"}},
        ONE,
        ["w1 /things/0: superseded, older_write"],
    ),
    Row(
        "a field that is expected need not be written",
        AGENTS,
        [[d("w1", 1, {"id": "kai", "name": "Kai", "_expect": {"bio": "1"}}), d("w2", 2, bio("2", "1"))]],
        {"kai": {"bio": "2", "name": "Kai"}},
        ONE,
    ),
    Row(
        "of several that are expected one is enough to refuse all, also what adds",
        AGENTS,
        [[d("w1", 1, {**KAI, "bio": "2", "karma": 3, "tags": ["a"], "_expect": {"bio": "1", "name": "K"}})]],
        ONE,
        ONE,
        [f"w1 /things/0: {LOST}"],
    ),
    Row("null expects nothing there", AGENTS, [[d("w1", 1, bio("1", None))]], ONE),
    Row("or a null", AGENTS, [[d("w1", 1, bio("1", None))]], ONE, {"kai": {"bio": None}}),
    Row("nothing is no value", AGENTS, [[d("w1", 1, bio("1", ""))]], None, losses=[f"w1 /things/0: {LOST}"]),
    Row(
        "a refused one makes no entity, of several that would the first does",
        AGENTS,
        [[d("w1", 1, bio("1", "x")), d("w2", 2, bio("2", None)), d("w3", 3, bio("3", None))]],
        {"kai": {"bio": "2"}},
        losses=[f"w1 /things/0: {LOST}", f"w3 /things/0: {LOST}"],
    ),
    Row(
        "what refers to an entity that was refused waits; what refers to one that entered does not",
        AGENTS,
        [[d("w1", 1, {"id": "aria", "bio": "a", "_expect": {"bio": "x"}}), d("w2", 2, {**KAI, "friend": "aria"})]],
        None,
        losses=[f"w1 /things/0: {LOST}", "w2 /things/0: parked, dangling_reference"],
    ),
    Row(
        "one that would be the first to make it counts as there",
        AGENTS,
        [[d("w1", 1, {"id": "aria", "bio": "a", "_expect": {"bio": None}}), d("w2", 2, {**KAI, "friend": "aria"})]],
        {"aria": {"bio": "a"}, "kai": {"friend": "aria"}},
    ),
    Row(
        "a number is its value, not its spelling",
        AGENTS,
        [[d("w1", 1, {**KAI, "n": 2, "_expect": {"n": 1}})]],
        {"kai": {"n": 2}},
        {"kai": {"n": 1.0}},
    ),
    Row(
        "a condition waits with its parked operation",
        AGENTS,
        [
            [d("w1", 1, bio("2", "1", friend="aria")), d("w2", 2, {"id": "kai", "bio": "x"})],
            [d("w3", 3, {"id": "aria"}, frame=6)],
        ],
        {"aria": {}, "kai": {"bio": "x"}},
        ONE,
        ["w1 /things/0: parked, dangling_reference", f"w1 /things/0: {LOST}"],
    ),
    Row(
        "under hold two that computed from one value are no conflict: one enters",
        AGENTS,
        [[d("w1", 1, mood("a")), d("w2", 2, mood("b"))]],
        {"kai": {"mood": "a"}},
        {"kai": {"mood": "o"}},
        [f"w2 /things/0: {LOST}"],
    ),
    Row(
        "a field that is held keeps its value, and a conditional write joins the candidates",
        AGENTS,
        [
            [d("w1", 1, {**KAI, "mood": "a"}), d("w2", 2, {**KAI, "mood": "b"})],
            [d("w3", 3, {**KAI, "mood": "c", "_expect": {"mood": "o"}}, frame=6)],
        ],
        {"kai": {"mood": "o"}},
        {"kai": {"mood": "o"}},
        [f"w{one} /things/0: held, held_for_resolution" for one in (1, 2, 3)],
        {"kai": {"mood": (5, "hold", "o", [("w1", "a"), ("w2", "b"), ("w3", "c")])}},
    ),
    Row(
        "under hold an older frame's write cannot have read what stands",
        AGENTS,
        [[], [d("w1", 1, {**KAI, "mood": "a"}, frame=6)], [d("w2", 2, {**KAI, "mood": "b", "_expect": {"mood": "a"}})]],
        {"kai": {"mood": "a"}},
        losses=[f"w2 /things/0: {LOST}"],
    ),
)  # fmt: skip
def test_an_expectation(row: Row) -> None:
    check(row)


@rows(
    Row(
        "nothing was written since",
        AGENTS,
        [[d("w1", 1, {**KAI, "bio": "1"})], [based("w2", 2, 5, {**KAI, "bio": "2"}, frame=6)]],
        {"kai": {"bio": "2"}},
    ),
    Row(
        "a field was written since: that operation is refused, others are not",
        AGENTS,
        [
            [d("w1", 1, {**KAI, "bio": "1"})],
            [based("w2", 2, 4, {**KAI, "bio": "2"}, {**KAI, "name": "Kai"}, {"id": "aria", "bio": "a"})],
        ],
        {"aria": {"bio": "a"}, "kai": {"bio": "1", "name": "Kai"}},
        losses=[f"w2 /things/0: {SINCE}"],
    ),
    Row(
        "also where the value is the same again",
        AGENTS,
        [[d("w1", 1, {**KAI, "bio": "1"})], [based("w2", 2, 4, {**KAI, "bio": "2"})]],
        ONE,
        ONE,
        [f"w2 /things/0: {SINCE}"],
    ),
    Row(
        "it counts when a write was merged, not of which frame it is",
        AGENTS,
        [[], [d("w1", 1, {**KAI, "bio": "1"}, frame=5)], [based("w2", 2, 5, {**KAI, "bio": "2"}, frame=7)]],
        {"kai": {"bio": "1"}},
        losses=[f"w2 /things/0: {SINCE}"],
    ),
    Row(
        "two of one base: the first enters",
        AGENTS,
        [[based("w1", 2, 4, {**KAI, "bio": "a"}), based("w2", 1, 4, {**KAI, "bio": "b"})]],
        {"kai": {"bio": "b"}},
        ONE,
        [f"w1 /things/0: {SINCE}"],
    ),
    Row(
        "a delta's own writes are known to it",
        AGENTS,
        [[based("w1", 2, 4, {**KAI, "bio": "a"}, {**KAI, "bio": "b"})]],
        {"kai": {"bio": "b"}},
        losses=["w1 /things/0: superseded, older_write"],
    ),
    Row(
        "what adds is not asked",
        AGENTS,
        [
            [d("w1", 1, {**KAI, "karma": 1, "tags": ["a"]})],
            [based("w2", 2, 3, {**KAI, "karma": 2, "tags": ["b"]})],
        ],
        {"kai": {"karma": 3, "tags": ["a", "b"]}},
    ),
    Row(
        "a writer whose watch is behind wins nevertheless",
        AGENTS,
        [[d("w1", 60, {**KAI, "bio": "1"})], [based("w2", 1, 5, {**KAI, "bio": "2"}, frame=6)]],
        {"kai": {"bio": "2"}},
    ),
    Row(
        "both conditions have to hold",
        AGENTS,
        [[based("w1", 1, 4, bio("2", "0")), based("w2", 2, 4, bio("2", "1"))]],
        {"kai": {"bio": "2"}},
        ONE,
        [f"w1 /things/0: {LOST}"],
    ),
)
def test_a_base(row: Row) -> None:
    check(row)


def test_the_loser_is_told_what_won_and_what_to_do() -> None:
    world = World.of({"things": AGENTS}, {"state/things.json": ONE})
    ran = world.run(d("w1", 1, bio("2", "1")), d("w2", 2, bio("two", "1", karma=4), run="r"))
    (receipt,) = (one for one in ran.receipts if one.stream_id == "w2")
    assert receipt.counts == {"conflict": 1}
    (operation,) = receipt.operations
    assert (operation.outcome, operation.reason, operation.recover) == (
        "conflict", "not_as_expected", "refetch_and_recompute",
    )  # fmt: skip
    assert operation.detail == {
        "fields": {
            "bio": {"stands": "2", "by": "w1", "wrote": "two", "expected": "1", "reason": "not_as_expected"},
            "karma": {"stands": None, "wrote": 4, "reason": "not_as_expected"},
        }
    }
    assert world.conflicts == {}


def test_any_order_of_arrival_gives_the_same_bytes() -> None:
    deltas = [
        d("w1", 3, bio("a", "1")),
        d("w2", 1, {"id": "kai", "name": "K", "_expect": {"bio": "1"}}),
        based("w3", 2, 4, bio("c", "1")),
        d("w4", 4, {"id": "kai", "bio": "d"}),
        d("w5", 5, bio("e", "d")),
    ]
    before = {"state/things.json": ONE}
    expected = World.of({"things": AGENTS}, before).run(*deltas).changes
    for order in permutations(deltas):
        assert World.of({"things": AGENTS}, before).run(*order).changes == expected


@pytest.mark.parametrize("name", ["bio", "mood"])
def test_thousands_of_conditions_on_one_field_look_at_its_clock_once(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quadratic work here would let one delta stop the merge for minutes."""
    looks: list[Any] = []

    def counted(*field: Any) -> Any:
        looks.append(field)
        return known(*field)

    monkeypatch.setattr(conditions, "known", counted)
    count = 4_000
    chain = [{"id": "kai", name: str(at + 1), "_expect": {name: str(at)}} for at in range(count)]
    world = World.of({"things": AGENTS}, {"state/things.json": {"kai": {name: "0"}}})
    world.run(d("w1", 1, *chain), d("w2", 2, *({**one, name: "x"} for one in chain)))
    assert state_of(world) == {"kai": {name: str(count)}}
    assert len(looks) == 1  # to prove the entity; what came of it is written


def test_a_conditional_write_that_entered_keeps_its_condition_out_of_the_record() -> None:
    name, data = d("w1", 1, {"id": "kai", "bio": "x", "_expect": {}}, bio("2", "1"))
    rules = rules_of(World.of({"things": AGENTS}).collections)
    delta = validate(given(name, data), rules)
    assert isinstance(delta, Delta)
    assert [(one.record, one.condition) for one in delta.operations["things"]] == [
        ({"id": "kai", "bio": "x"}, None),
        ({"id": "kai", "bio": "2"}, ({"bio": "1"}, None)),
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True), (1, True, False), (0, False, False), (None, False, False), ("1", 1, False),
        ([1, {"a": [2.0]}], [1.0, {"a": [2]}], True), ([True], [1], False), ({"a": 1}, {"a": 1, "b": None}, False),
        ([1], [1, 1], False), ({}, [], False), (2**63, float(2**63), True),
    ],
)  # fmt: skip
def test_values_are_alike(one: Any, other: Any, same: bool) -> None:
    assert alike(one, other) is same
    assert alike(other, one) is same


NOTES = schema("append", {"id": TEXT}, ["id"], key=["id"])
OPEN = schema("last-writer-wins", {"id": TEXT, "n": {**INTEGER, "x-merge": {"strategy": "sum"}}}, ["id"], key=["id"])


@pytest.mark.parametrize(
    ("rules", "record", "message", "remedy"),
    [
        (
            AGENTS, {**KAI, "_expect": {"karma": 1}},
            "things[0]._expect.karma: `karma` merges by sum, whatever it was before, so it cannot be expected.",
            "Leave it out of `_expect`.",
        ),
        (
            AGENTS | {"additionalProperties": False}, {**KAI, "_expect": {"tags": []}},
            "things[0]._expect.tags: `tags` merges by union, whatever it was before, so it cannot be expected.",
            "Leave it out of `_expect`.",
        ),
        (
            AGENTS, {**KAI, "_expect": {"id": "kai"}},
            "things[0]._expect.id: `id` is the key, which never changes.", "Leave it out of `_expect`.",
        ),
        (
            AGENTS | {"additionalProperties": False}, {**KAI, "_expect": {"bios": "x"}},
            "things[0]._expect.bios: unknown key; did you mean `bio`?", "",
        ),
        (
            AGENTS, {**KAI, "_expect": "1"},
            'things[0]._expect: expected an object, found the string "1".', "",
        ),
        (
            NOTES, {**KAI, "_expect": {"id": None}},
            "things[0]._expect: `things` merges by append, which overwrites nothing: there is nothing to expect.",
            "Leave `_expect` out; it is for fields of which the last writer wins.",
        ),
        (
            NOTES | {"additionalProperties": False}, {**KAI, "_expect": {}},
            "things[0]._expect: `things` merges by append, which overwrites nothing: there is nothing to expect.",
            "Leave `_expect` out; it is for fields of which the last writer wins.",
        ),
    ],
)  # fmt: skip
def test_an_expectation_that_means_nothing_is_refused(rules: Any, record: Any, message: str, remedy: str) -> None:
    world = World.of({"things": rules})
    ((_, verdict),) = world.arrived([d("w1", 1, record)])
    assert not isinstance(verdict, Delta)
    assert [(one.message, one.remedy) for one in verdict.problems] == [(message, remedy)]


@pytest.mark.parametrize("keyword", [{"maxProperties": 2}, {"propertyNames": {"pattern": "^[a-z]+$"}}])
def test_keywords_that_count_or_name_the_keys_of_a_record_let_a_condition_pass(keyword: dict[str, Any]) -> None:
    world = World.of({"things": AGENTS | keyword}, {"state/things.json": ONE})
    assert losses_of(world.run(d("w1", 1, bio("2", "1")))) == []
    assert state_of(world) == {"kai": {"bio": "2"}}


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (5, "_meta.base: a delta of frame 5 cannot have been computed from frame 5, which was not merged then."),
        (4.0, "_meta.base: expected an integer, found the number 4.0."),
        (-1, "_meta.base: expected at least 0, found the integer -1."),
        ("4", '_meta.base: expected an integer, found the string "4".'),
    ],
)
def test_a_base_that_cannot_be_is_refused(base: Any, message: str) -> None:
    world = World.of({"things": AGENTS})
    ((_, verdict),) = world.arrived([based("w1", 1, base, KAI)])
    assert not isinstance(verdict, Delta)
    assert [(one.message, one.reason) for one in verdict.problems] == [(message, Reason.BAD_META)]


def test_a_field_cannot_be_called_like_a_condition() -> None:
    from merge_bot.canonical import document
    from merge_bot.schemas import load

    one = schema("append", {"id": TEXT, "_expect": TEXT}, ["id"], key=["id"], delta=["things"])
    _, (problem,) = load({"schemas/things.schema.json": document(one)})
    assert problem.pointer == "/properties/_expect"
    assert problem.message == "`_expect` is no field: an operation says there what it was computed from."


def test_a_condition_that_cannot_be_held_any_more_does_not_hold() -> None:
    """The field became a sum while the operation was parked."""
    world = World.of({"things": AGENTS}, {"state/things.json": {"kai": {"n": 1}}})
    world.run(d("w1", 1, {"id": "kai", "n": 2, "friend": "aria", "_expect": {"n": 1}}))
    summed = {**PROFILE, "n": {"type": "number", "x-merge": {"strategy": "sum"}}}
    later = World(collections_of({"things": AGENTS | {"properties": summed}}), world.files, 6)
    assert losses_of(later.run(d("w2", 2, {"id": "aria"}, frame=6))) == [f"w1 /things/0: {LOST}"]


def test_in_history_a_refused_operation_set_nothing(tmp_path: Path) -> None:
    repo = past.begin(Repo.init(tmp_path))
    kai = {"id": "kai", "bio": "a", "karma": 1}
    refused = {"id": "kai", "bio": "b", "karma": 5, "tags": ["t"], "_expect": {"bio": "x"}}
    past.put(repo, "frame-5-w1.json", past.made("w1", 5, 9, agents=[kai]))
    past.put(repo, "frame-5-w2.json", past.made("w2", 5, 1, agents=[refused, {"id": "ghost", "_expect": {"bio": "x"}}]))
    past.merge(repo, 5)
    past.put(repo, "frame-6-w2.json", past.made("w2", 6, 1, agents=[{**refused, "_expect": {"bio": "a"}}]))
    past.put(repo, "frame-5-w3.json", past.made("w3", 5, 2, agents=[{"id": "kai", "bio": "c"}], _meta={"base": 4}))
    past.merge(repo, 6)
    with History(str(repo.path)) as history:
        assert [history.replay(frame).same for frame in (5, 6)] == [True, True]
        assert list(history.state(6).record("agents", "kai")) == ["bio", "id", "karma", "mood", "name", "tags"]
        assert history.state(6).record("agents", "ghost") is None
        life = history.blame("agents", "kai")
        told = [
            (one.frame, one.field, one.wrote, one.origin and one.origin.stream_id) for one in life.events if one.origin
        ]
        assert told == [
            (5, "bio", "a", "w1"),
            (5, "karma", 1, "w1"),
            (6, "bio", "b", "w2"),
            (6, "karma", 5, "w2"),
            (6, "tags", ["t"], "w2"),
        ]
        outcomes = {one.worker: dict(one.operations["agents"]) for one in history.workers(5).workers}
        assert outcomes == {"w1": {"applied": 1}, "w2": {"conflict": 2}}


def test_a_base_from_before_a_rollback_knows_nothing_of_what_that_brought_back(tmp_path: Path) -> None:
    repo = past.begin(Repo.init(tmp_path))
    past.put(repo, "frame-5-w1.json", past.made("w1", 5, 1, agents=[{"id": "kai", "bio": "a"}]))
    past.merge(repo, 5)
    past.put(repo, "frame-6-w1.json", past.made("w1", 6, 1, agents=[{"id": "kai", "bio": "b"}]))
    past.merge(repo, 6)
    with Clone.open(str(repo.path)) as clone:
        roll_back(clone, 5, past.NOON)
    for number, base, stands in ((8, 6, "a"), (9, 7, "c")):
        change = {"id": "kai", "bio": "c"}
        name, data = f"frame-{number}-w2.json", past.made("w2", number, 1, agents=[change], _meta={"base": base})
        past.put(repo, name, data)
        past.merge(repo, number)
        with History(str(repo.path)) as history:
            assert history.state(number).record("agents", "kai")["bio"] == stands
            assert history.replay(number).same
