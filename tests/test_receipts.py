"""Receipts: one a delta, counts by outcome, and each operation that was not simply applied."""

from __future__ import annotations

import json
from typing import Any

from merge_bot.receipts import receipts_bytes
from tests.world import INTEGER, TEXT, Ran, World, schema, written

SCHEMAS: dict[str, dict[str, Any]] = {
    "posts": schema(
        "append",
        {"n": INTEGER, "t": TEXT, "after": INTEGER},
        ["n"],
        key=["n"],
        references={"after": "posts"},
        layout="file",
    ),
    "agents": schema("last-writer-wins", {"id": TEXT, "bio": TEXT}, ["id"], key=["id"], layout="file"),
    "follows": schema("union", {"who": TEXT}, ["who"], layout="file"),
    "stats": schema("sum", {"posts": INTEGER, "likes": INTEGER}),
}


def fresh() -> World:
    return World.of(SCHEMAS)


def receipt(ran: Ran, stream: str) -> dict[str, Any]:
    """A worker's receipt as it stands in the file."""
    (one,) = (
        one for one in map(json.loads, receipts_bytes(ran.receipts).splitlines()) if one.get("stream_id") == stream
    )
    return dict(one)


def test_a_delta_that_was_simply_applied_is_one_short_line() -> None:
    ran = fresh().run(written("w1", 1, posts=[{"n": 1}, {"n": 2}], stats={"posts": 2, "likes": 1}))
    (delta,) = ran.admission.admitted
    assert receipt(ran, "w1") == {
        "counts": {"applied": 4},
        "digest": delta.digest,
        "frame": 5,
        "outcome": "applied",
        "recover": "none",
        "source": "state/stream_deltas/frame-5-w1.json",
        "stream_id": "w1",
        "utc": "2026-03-25T03:00:01.000000Z",
    }


def test_each_operation_is_known_by_its_delta_and_its_place_in_it() -> None:
    ran = fresh().run(written("w1", 1, posts=[{"n": 1}, {"n": 1}, {"n": 1}]), written("w2", 2, posts=[{"n": 1}]))
    assert receipt(ran, "w1")["counts"] == {"applied": 1, "duplicate": 2}
    assert [one["pointer"] for one in receipt(ran, "w1")["operations"]] == ["/posts/1", "/posts/2"]
    assert receipt(ran, "w2")["counts"] == {"duplicate": 1}


def test_a_conflict_tells_both_values_and_what_to_do() -> None:
    ran = fresh().run(
        written("w1", 1, posts=[{"n": 1, "t": "a"}], agents=[{"id": "kai", "bio": "x"}]),
        written("w2", 2, posts=[{"n": 1, "t": "b"}], agents=[{"id": "kai", "bio": "y"}]),
    )
    assert receipt(ran, "w2")["operations"] == [
        {
            "collection": "posts",
            "detail": {"key": "[0,1]", "kept": {"n": 1, "t": "a"}, "kept_from": "w1", "refused": {"n": 1, "t": "b"}},
            "outcome": "conflict",
            "pointer": "/posts/0",
            "reason": "same_key_other_content",
            "recover": "refetch_and_recompute",
        }
    ]
    assert receipt(ran, "w1")["operations"] == [
        {
            "collection": "agents",
            "detail": {"fields": {"bio": {"reason": "concurrent_write", "stands": "y", "wrote": "x"}}},
            "outcome": "conflict",
            "pointer": "/agents/0",
            "reason": "concurrent_write",
            "recover": "refetch_and_recompute",
        }
    ]


def test_increments_beside_refused_records_are_called_in_doubt() -> None:
    note = "2 record(s) were not added, but the increments to stats were: these counters may now say more than there is"
    world = fresh()
    world.run(written("w1", 1, posts=[{"n": 1, "t": "a"}], follows=[{"who": "kai"}]))
    ran = world.run(
        written("w1", 2, 6, posts=[{"n": 1, "t": "a"}, {"n": 1, "t": "b"}, {"n": 2}], stats={"posts": 3}),
        written("w2", 2, 6, posts=[{"n": 1, "t": "a"}]),
        written("w3", 2, 6, follows=[{"who": "kai"}], stats={"likes": 1}),
        written("w4", 2, 6, posts=[{"n": 9, "after": 8}], stats={"posts": 1}),
    )
    assert [receipt(ran, stream).get("notes") for stream in ("w1", "w2", "w3", "w4")] == [[note], None, None, None]


def test_what_is_released_and_then_not_simply_applied_is_counted_once() -> None:
    world = fresh()
    world.run(written("w1", 1, posts=[{"n": 1, "t": "a", "after": 2}, {"n": 3, "after": 2}, {"n": 4, "after": 5}]))
    world.run(written("w2", 2, 6, posts=[{"n": 1, "t": "b"}]))
    ran = world.run(written("w3", 3, 7, posts=[{"n": 2}]))
    one = receipt(ran, "w1")
    assert (one["source"], one["reason"], one["counts"]) == ("parked", "was_parked", {"applied": 1, "conflict": 1})
    assert [(entry["pointer"], entry["reason"]) for entry in one["operations"]] == [
        ("/posts/0", "same_key_other_content")
    ]
    assert [entry["pointer"] for entry in world.parked] == ["/posts/2"]


def test_receipts_stand_in_the_order_of_digests() -> None:
    ran = fresh().run(*(written(f"w{at}", at, posts=[{"n": at}]) for at in range(9)), ("odd", b"{"))
    digests = [one.digest for one in ran.receipts]
    assert digests == sorted(digests)
    assert len(digests) == 10


def test_a_quarantined_deltas_receipt_holds_its_letters() -> None:
    ran = fresh().run(("frame-5-w1.json", b'{"frame": 5, "stream_id": "w1", "utc": "yesterday"}'))
    (one,) = map(json.loads, receipts_bytes(ran.receipts).splitlines())
    assert (one["outcome"], one["reason"], one["recover"]) == ("quarantined", "bad_utc", "resubmit")
    assert [(problem["pointer"], problem["line"]) for problem in one["problems"]] == [("/utc", 1)]
    assert "counts" not in one and "operations" not in one
