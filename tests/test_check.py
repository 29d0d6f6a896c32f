"""What may not enter yet is parked, with what it waits for; what was merged is held against the laws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from merge_bot.check import prove
from merge_bot.collection import Collections
from merge_bot.errors import GuardError
from merge_bot.layouts.base import Change
from tests.world import INTEGER, NUMBER, STRINGS, TEXT, Ran, World, collections_of, schema, written

SCHEMAS: dict[str, dict[str, Any]] = {
    "agents": schema(
        "last-writer-wins",
        {
            "id": TEXT,
            "name": TEXT,
            "bio": TEXT,
            "friend": TEXT,
            "karma": {**INTEGER, "maximum": 100, "x-merge": {"strategy": "sum"}},
            "tags": {**STRINGS, "maxItems": 3, "x-merge": {"strategy": "union"}},
        },
        ["id", "name"],
        key=["id"],
        references={"friend": "agents"},
        layout="entities",
    ),
    "posts": schema(
        "append",
        {
            "n": INTEGER,
            "by": TEXT,
            "cites": {"type": "array", "items": INTEGER},
            "text": TEXT,
            "note": {"type": ["string", "null"]},
        },
        ["n"],
        key=["n"],
        references={"by": "agents", "cites": "posts"},
        layout="file",
    ),
    "stats": schema("sum", {"likes": {**INTEGER, "maximum": 10}, "total": NUMBER}),
}


def fresh() -> World:
    return World.of(SCHEMAS)


def waits(world: World) -> list[tuple[str, str, list[Any]]]:
    """(worker and place, reason, what it waits for) of each parked record: a key, or [field]."""
    return [
        (
            f"{one['stream_id']} {one['pointer']}",
            one["reason"],
            [
                [need["field"]] if "field" in need else f"{need['collection']} {need['key']}"
                for need in one["waits_for"]
            ],
        )
        for one in world.parked
    ]


def numbers(world: World) -> list[int]:
    return sorted(one["n"] for one in world.value("state/posts.json") or [])


def agent(world: World, name: str) -> Any:
    return world.value(f"state/agents/{name}.json")


# --- references


@pytest.mark.parametrize(
    "posts",
    [
        [{"n": 1, "cites": [1]}],
        [{"n": 1, "cites": [2]}, {"n": 2, "cites": [1]}],
        [{"n": 1, "cites": [2]}, {"n": 2, "cites": [3]}, {"n": 3, "cites": [1, 2]}],
        [{"n": 1}, {"n": 1}, {"n": 2, "cites": [1]}],
    ],
    ids=["to itself", "a cycle of two", "a cycle of three", "to a record that is there twice"],
)
def test_references_within_a_frame_resolve_in_any_direction(posts: list[dict[str, Any]]) -> None:
    world = fresh()
    world.run(written("w1", 9, posts=posts[:1]), written("w2", 1, posts=posts[1:]))
    assert waits(world) == []
    assert numbers(world) == sorted({one["n"] for one in posts})


def test_a_cycle_with_one_dangling_member_waits_as_a_whole() -> None:
    world = fresh()
    world.run(written("w1", 1, posts=[{"n": 1, "cites": [2]}, {"n": 2, "cites": [1, 9]}, {"n": 3}]))
    assert waits(world) == [
        ("w1 /posts/0", "dangling_reference", ["posts 2"]),
        ("w1 /posts/1", "dangling_reference", ["posts 1", "posts 9"]),
    ]
    assert numbers(world) == [3]


def test_a_reference_into_the_state_resolves_and_one_to_nothing_waits() -> None:
    world = fresh()
    world.run(written("w1", 1, posts=[{"n": 1}]))
    ran = world.run(written("w1", 2, frame=6, posts=[{"n": 2, "cites": [1]}, {"n": 3, "cites": [4]}]))
    assert (numbers(world), waits(world)) == ([1, 2], [("w1 /posts/1", "dangling_reference", ["posts 4"])])
    (receipt,) = ran.receipts
    assert receipt.counts == {"applied": 1, "parked": 1}
    (one,) = receipt.operations
    assert (one.outcome, one.reason, one.recover) == ("parked", "dangling_reference", "wait_for_target")
    assert one.detail == {"waits_for": [{"collection": "posts", "key": 4}]}


def test_of_several_references_only_the_missing_ones_are_waited_for_each_once() -> None:
    world = fresh()
    world.run(written("w1", 1, posts=[{"n": 1}, {"n": 2, "by": "nobody", "cites": [1, 8, 7, 8]}]))
    assert waits(world) == [("w1 /posts/1", "dangling_reference", ["agents nobody", "posts 7", "posts 8"])]


def test_an_empty_reference_refers_to_nothing_that_is_there() -> None:
    schemas = SCHEMAS | {"agents": schema("last-writer-wins", {"id": TEXT}, ["id"], key=["id"], layout="file")}
    world = World.of(schemas, {"state/agents.json": [{"id": "kai"}]})
    world.run(written("w1", 1, posts=[{"n": 1, "by": ""}, {"n": 2, "by": "kai"}]))
    assert (numbers(world), waits(world)) == ([2], [("w1 /posts/0", "dangling_reference", ["agents "])])


def test_null_refers_to_nothing_and_waits_for_nothing() -> None:
    posts = schema(
        "append",
        {"n": INTEGER, "by": {"type": ["string", "null"]}, "cites": {"type": "array"}},
        ["n"],
        key=["n"],
        layout="file",
    )
    world = World.of({"posts": posts})
    # The loader asks for closer types, but a schema may allow null beside them one day.
    refers = replace(world.collections["posts"], references={"by": "posts", "cites": "posts"})
    world.collections = Collections({"posts": refers})
    world.run(written("w1", 1, posts=[{"n": 1, "by": None, "cites": [None]}]))
    assert (numbers(world), waits(world)) == ([1], [])


@pytest.mark.parametrize("ends", [True, False])
def test_a_chain_of_twenty_thousand_resolves_or_waits_as_a_whole(ends: bool) -> None:
    world = fresh()
    count, deltas = 20_000, []
    for at in range(0, count, 5_000):
        posts = [{"n": n, "cites": [n + 1]} for n in range(at, at + 5_000)]
        deltas.append(written(f"w{at}", -at, posts=posts))
    if ends:
        deltas.append(written("end", 0, posts=[{"n": count}]))
    world.run(*deltas)
    assert len(numbers(world)) == (count + 1 if ends else 0)
    assert len(world.parked) == (0 if ends else count)


def test_a_refused_record_still_provides_its_key_and_a_parked_one_does_not() -> None:
    world = fresh()
    world.run(
        written("w1", 1, posts=[{"n": 1, "text": "a"}]),
        written("w2", 2, posts=[{"n": 1, "text": "b"}, {"n": 2, "cites": [1]}]),
        written("w3", 3, posts=[{"n": 3, "by": "nobody"}, {"n": 4, "cites": [3]}]),
    )
    assert numbers(world) == [1, 2]
    assert [one[0] for one in waits(world)] == ["w3 /posts/0", "w3 /posts/1"]


# --- entities


def test_an_incomplete_entity_waits_and_all_that_refers_to_it() -> None:
    world = fresh()
    world.run(
        written("w1", 1, agents=[{"id": "kai", "bio": "b"}, {"id": "zoe", "name": "Zoe", "friend": "kai"}]),
        written("w2", 2, posts=[{"n": 1, "by": "kai"}, {"n": 2, "by": "zoe"}, {"n": 3}]),
    )
    assert (agent(world, "kai"), agent(world, "zoe"), numbers(world)) == (None, None, [3])
    assert waits(world) == [
        ("w1 /agents/0", "incomplete_entity", [["name"]]),
        ("w1 /agents/1", "dangling_reference", ["agents kai"]),
        ("w2 /posts/0", "dangling_reference", ["agents kai"]),
        ("w2 /posts/1", "dangling_reference", ["agents zoe"]),
    ]


def test_several_operations_complete_an_entity_together() -> None:
    world = fresh()
    world.run(
        written("w1", 1, agents=[{"id": "kai", "bio": "b"}]), written("w2", 2, agents=[{"id": "kai", "name": "Kai"}])
    )
    assert (agent(world, "kai"), waits(world)) == ({"bio": "b", "id": "kai", "name": "Kai"}, [])


def test_what_waited_is_released_with_its_rank_and_its_receipt_when_what_it_needs_arrives() -> None:
    world = fresh()
    world.run(written("w1", 1, agents=[{"id": "kai", "bio": "old", "karma": 2}], posts=[{"n": 1, "by": "kai"}]))
    ran = world.run(written("w2", 2, frame=6, agents=[{"id": "kai", "name": "Kai", "bio": "new"}]))
    assert agent(world, "kai") == {"bio": "new", "id": "kai", "karma": 2, "name": "Kai"}
    assert (numbers(world), waits(world)) == ([1], [])
    released = {one.stream_id: one for one in ran.receipts}["w1"]
    assert (released.source, released.reason, released.frame) == ("parked", "was_parked", 5)
    assert released.counts == {"applied": 1, "superseded": 1}
    assert [(one.pointer, one.reason) for one in released.operations] == [("/agents/0", "older_write")]


def test_what_waited_keeps_its_rank_among_new_records() -> None:
    world = fresh()
    world.run(written("w1", 1, posts=[{"n": 1, "by": "kai"}, {"n": 2, "by": "kai", "text": "first"}]))
    world.run(
        written("w2", 2, frame=6, agents=[{"id": "kai", "name": "Kai"}], posts=[{"n": 3}, {"n": 2, "text": "second"}])
    )
    assert world.value("state/posts.json") == [{"by": "kai", "n": 1}, {"by": "kai", "n": 2, "text": "first"}, {"n": 3}]


def test_a_record_waits_since_it_came_and_says_what_is_still_missing() -> None:
    world = fresh()
    world.run(written("w1", 1, posts=[{"n": 1, "cites": [2, 3]}]))
    first = world.parked
    ran = world.run(written("w2", 2, posts=[{"n": 2}]))
    assert [(one["since"], [need["key"] for need in one["waits_for"]]) for one in first + world.parked] == [
        (5, [2, 3]),
        (5, [3]),
    ]
    assert [one.operations for one in ran.receipts] == [[]], "it is not reported as parked once more"
    before = world.files.read(world.paths.parked)
    ran = world.run(written("w3", 3, posts=[{"n": 9}]))
    assert world.paths.parked not in ran.changes and world.files.read(world.paths.parked) == before
    world.run(written("w4", 4, posts=[{"n": 3}]))
    assert (numbers(world), world.files.read(world.paths.parked)) == ([1, 2, 3, 9], b"")


def without(*names: str, **changed: Any) -> Mapping[str, Any]:
    return {name: one for name, one in (SCHEMAS | changed).items() if name not in names}


def parked_post() -> World:
    world = fresh()
    world.run(written("w1", 1, posts=[{"n": 1, "text": "t", "note": None, "cites": [2]}]))
    return world


def test_a_parked_record_whose_collection_is_gone_waits_for_it_to_come_back() -> None:
    world = parked_post()
    before = world.parked
    world.collections = collections_of(without("posts"))
    ran = world.run(written("w2", 2, stats={"likes": 1}))
    assert (world.parked, ran.merged.released) == (before, [])
    world.collections = collections_of(SCHEMAS)
    world.run(written("w3", 3, posts=[{"n": 2}]))
    assert (numbers(world), world.parked) == ([1, 2], [])


@pytest.mark.parametrize(
    "changed",
    [
        schema("append", {"n": INTEGER}, ["n"], key=["n"], layout="file") | {"additionalProperties": False},
        schema("append", {"n": TEXT}, ["n"], key=["n"], layout="file"),
        schema("append", {"n": INTEGER, "id": TEXT}, ["id"], key=["id"], layout="file"),
        schema(
            "append",
            {"id": TEXT, "note": {"type": ["string", "null"]}},
            ["note"],
            key=["id"],
            else_key=[{"hash": "note"}],
            layout="file",
        ),
    ],
    ids=["a field is not known any more", "a field has another type", "it lacks the new key", "its new key is null"],
)
def test_a_parked_record_that_does_not_fit_a_changed_schema_stays_parked(changed: dict[str, Any]) -> None:
    world = parked_post()
    before = world.parked
    world.collections = collections_of(without(posts=changed))
    ran = world.run(written("w2", 2, stats={"likes": 1}))
    assert (world.parked, ran.merged.released, numbers(world)) == (before, [], [])


def test_an_entity_that_cannot_hold_all_takes_what_ranks_first_and_the_rest_of_the_world_goes_on() -> None:
    world = fresh()
    world.run(written("w0", 0, agents=[{"id": "kai", "name": "Kai"}]))
    world.run(
        written("w1", 1, agents=[{"id": "kai", "tags": ["a", "b"]}]),
        written("w2", 2, agents=[{"id": "kai", "tags": ["c", "d"], "bio": "x"}]),
        written("w3", 3, agents=[{"id": "kai", "tags": ["b", "e"], "bio": "y"}]),
        written("w4", 4, agents=[{"id": "kai", "karma": 60}, {"id": "kai", "karma": 60}, {"id": "kai", "karma": 40}]),
    )
    assert agent(world, "kai") == {"bio": "y", "id": "kai", "karma": 100, "name": "Kai", "tags": ["a", "b", "e"]}
    assert waits(world) == [
        ("w2 /agents/0", "incomplete_entity", [["tags"]]),
        ("w4 /agents/1", "incomplete_entity", [["karma"]]),
    ]
    world.run(written("w5", 5, frame=6, agents=[{"id": "kai", "bio": "z", "tags": ["a"], "karma": -60}]))
    assert agent(world, "kai") == {"bio": "z", "id": "kai", "karma": 100, "name": "Kai", "tags": ["a", "b", "e"]}
    assert [one[0] for one in waits(world)] == ["w2 /agents/0"], "where there is room again, it is taken"


def test_a_sum_of_a_property_that_no_number_can_say_waits_alone() -> None:
    agents = schema(
        "last-writer-wins",
        {"id": TEXT, "bio": TEXT, "karma": {**NUMBER, "x-merge": {"strategy": "sum"}}},
        ["id"],
        key=["id"],
        layout="entities",
    )
    world = World.of({"agents": agents})
    world.run(
        written("w1", 1, agents=[{"id": "kai", "karma": 0.1}]),
        written("w2", 2, agents=[{"id": "kai", "karma": 1e-30}]),
        written("w3", 3, agents=[{"id": "kai", "karma": 1, "bio": "x"}]),
    )
    assert agent(world, "kai") == {"bio": "x", "id": "kai", "karma": 1.1}
    assert waits(world) == [("w2 /agents/0", "sum_out_of_range", [["karma"]])]


# --- sums


def likes(world: World) -> Any:
    return world.value("state/stats.json")


def test_increments_wait_that_a_counter_cannot_take_and_the_others_do_not() -> None:
    world = fresh()
    world.run(
        written("w1", 1, stats={"likes": 6, "total": 1}),
        written("w2", 2, stats={"likes": 6, "total": 1}),
        written("w3", 3, stats={"likes": 4}),
    )
    assert likes(world) == {"likes": 10, "total": 2}
    assert waits(world) == [("w2 /stats/likes", "sum_out_of_range", [["likes"]])]
    world.run(written("w4", 4, stats={"likes": -6}))
    assert (likes(world), waits(world)) == ({"likes": 10, "total": 2}, [])


def test_increments_that_fit_together_enter_together() -> None:
    world = fresh()
    world.run(written("w1", 1, stats={"likes": 11}), written("w2", 2, stats={"likes": -5}))
    assert (likes(world), waits(world)) == ({"likes": 6}, [])


@pytest.mark.parametrize(
    ("now", "more", "after"),
    [
        (2**64 - 2, 1, 2**64 - 1),
        (2**64 - 2, 2, None),
        (-(2**63) + 1, -1, -(2**63)),
        (-(2**63) + 1, -2, None),
        (0.1, 1e-20, None),
        (1e15, 0.3, None),
        (1e300, 1, None),
        (0.1, 0.2, 0.3),
    ],
)
def test_totals_that_json_readers_would_round_wait(now: float, more: float, after: float | None) -> None:
    world = World.of({"stats": schema("sum", {"total": NUMBER})}, {"state/stats.json": {"total": now}})
    world.run(written("w1", 1, stats={"total": more, "other": 1}))
    assert likes(world) == {"other": 1, "total": now if after is None else after}
    assert [one[2] for one in waits(world)] == ([] if after is not None else [[["total"]]])


def test_the_letter_of_a_sum_out_of_range() -> None:
    world = World.of({"stats": schema("sum", {"total": NUMBER})}, {"state/stats.json": {"total": 2**64 - 1}})
    ran = world.run(written("w1", 1, stats={"total": 1}))
    assert parked_details(ran) == [
        {"field": "total", "problem": "the total would be a number that JSON readers cannot keep exactly"}
    ]


def parked_details(ran: Ran) -> list[dict[str, Any]]:
    return [need for receipt in ran.receipts for one in receipt.operations for need in one.detail["waits_for"]]


# --- the proof afterwards


@pytest.mark.parametrize(
    ("changes", "growth", "entered", "applied", "said"),
    [
        ([("posts.json", 3, 3)], {"posts": 0, "agents": 0, "stats": 0}, {}, {}, None),
        ([("posts.json", 3, 5)], {"posts": 2}, {"posts": 4}, {"posts": 2}, None),
        ([("posts.json", 0, 0)], {"agents": 1, "stats": 2}, {"agents": 1, "stats": 2}, {"agents": 0}, None),
        ([("a.json", 0, 9), ("posts.json", 3, 2)], {}, {}, {}, "posts.json would go from 3 records to 2."),
        ([], {"posts": 1}, {"posts": 2}, {"posts": 2}, "posts would grow by 1 records, but 2 operations were applied"),
        ([], {"posts": 3}, {"posts": 2}, {"posts": 2}, "posts would grow by 3 records, but 2 operations were applied"),
        (
            [],
            {"agents": 3},
            {"agents": 2},
            {"agents": 2},
            "agents would grow by 3 records, but 2 operations were applied",
        ),
        (
            [],
            {"stats": -1},
            {"stats": 2},
            {"stats": 2},
            "stats would grow by -1 records, but 2 operations were applied",
        ),
    ],
)
def test_a_merge_that_breaks_a_law_is_not_written(
    changes: list[tuple[str, int, int]], growth: Any, entered: Any, applied: Any, said: str | None
) -> None:
    made = [Change(path, b"", before, after) for path, before, after in changes]
    if said is None:
        prove(made, growth, entered, applied, collections_of(SCHEMAS))
        return
    with pytest.raises(GuardError) as error:
        prove(made, growth, entered, applied, collections_of(SCHEMAS))
    assert said in str(error.value)
