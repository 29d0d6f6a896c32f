"""last-writer-wins, as rows (see `rows`): per field the greatest write, conflicts recorded or held."""

from __future__ import annotations

from typing import Any

import pytest

from merge_bot.errors import UnreadableState
from tests.rows import Row, check, conflicts_of, d, rows, state_of
from tests.world import INTEGER, STRINGS, TEXT, World, collections_of, schema

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
        [[d("w1", 1, bio("a")), d("w2", 3, bio("b"))], [d("w3", 0, bio("c"))]],
        {"kai": {"bio": "b"}},
        losses=["w1 /things/0: conflict, concurrent_write", "w3 /things/0: conflict, concurrent_write"],
        conflicts={"kai": {"bio": (5, "latest", "b", [("w3", "c"), ("w1", "a"), ("w2", "b")])}},
    ),
    Row(
        "a late value that agrees leaves the conflict open",
        AGENTS,
        [[d("w1", 1, bio("a")), d("w2", 2, bio("b"))], [d("w3", 3, bio("b"))]],
        {"kai": {"bio": "b"}},
        losses=["w1 /things/0: conflict, concurrent_write"],
        conflicts={"kai": {"bio": (5, "latest", "b", [("w1", "a"), ("w2", "b"), ("w3", "b")])}},
    ),
    Row(
        "an open conflict says what stands now, also where the winner thought better of it",
        AGENTS,
        [[d("w1", 1, bio("a")), d("w2", 2, bio("b"))], [d("w2", 3, bio("a"), run="2")]],
        {"kai": {"bio": "a"}},
        losses=["w1 /things/0: conflict, concurrent_write"],
        conflicts={"kai": {"bio": (5, "latest", "a", [("w1", "a"), ("w2", "b"), ("w2", "a")])}},
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
        "what the later frame agrees on stands, whatever its clocks say",
        HELD,
        [[d("w1", 9, bio("a"))], [d("w2", 1, bio("b"), frame=6)]],
        {"kai": {"bio": "b"}},
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


def test_rules_that_turn_from_latest_to_hold_still_know_whose_value_stands() -> None:
    world = World.of({"things": AGENTS})
    world.run(d("w1", 1, bio("a")))
    changed(world, HELD)
    world.run(d("w2", 2, bio("b")))
    assert state_of(world) == {"kai": {"bio": "a"}}
    assert conflicts_of(world) == {"kai": {"bio": (5, "hold", "a", [("w1", "a"), ("w2", "b")])}}


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
