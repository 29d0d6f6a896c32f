"""Batches: columns that behave as the operations they stand for, and what records refer to."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from merge_bot.batch import Batch, Run
from merge_bot.canonical import key_hash
from merge_bot.delta import Operation, Origin
from merge_bot.references import References
from tests.world import INTEGER, TEXT, World, collections_of, schema, written

ORIGIN = Origin(1, "w1", "d" * 64, 5, "2026-01-01T00:00:00Z")
FIELDS = {"id": TEXT, "to": INTEGER, "all": {"type": "array", "items": INTEGER}}
COLLECTIONS = collections_of(
    {
        "notes": schema("append", FIELDS, ["id"], key=["id"], references={"to": "posts", "all": "posts"}),
        "posts": schema("append", {"n": INTEGER}, ["n"], key=["n"]),
    }
)
RECORDS: list[dict[str, Any]] = [{"to": 1, "id": "a"}, {"id": "b", "all": [2, 1]}, {"id": "c"}]


def batch() -> Batch:
    runs = [Run(2, 4, "/notes"), Run(1, 9, "/more", 3)]
    return Batch.of(COLLECTIONS["notes"], COLLECTIONS, ORIGIN, runs, RECORDS)


def operations(*rows: int) -> list[Operation]:
    places = [(4, "/notes/0"), (5, "/notes/1"), (9, "/more/3")]
    return [Operation(ORIGIN, places[row][0], "notes", places[row][1], RECORDS[row]) for row in rows]


def post(number: int) -> int:
    return key_hash(f"[0,{number}]")


def test_a_batch_is_the_operations_of_its_records() -> None:
    one = batch()
    assert list(one) == operations(0, 1, 2) == [one[0], one[1], one[-1]] == one[:]
    assert (one.line(1), one.first, len(one)) == (b'{"all":[2,1],"id":"b"}', 4, 3)
    assert list(one.marks) == [key_hash(f'[0,"{name}"]') for name in "abc"]


def test_what_records_refer_to_is_known_by_row() -> None:
    to, everyone = batch().references["to"], batch().references["all"]
    assert (to.target, list(to.marks), list(to.rows)) == ("posts", [post(1)], [0])
    assert (list(everyone.marks), list(everyone.rows)) == ([post(2), post(1)], [1, 1])


def test_a_part_of_a_batch_keeps_places_keys_and_references_together() -> None:
    part = batch().without({4})
    assert list(part) == operations(1, 2)
    assert list(part.marks) == [key_hash('[0,"b"]'), key_hash('[0,"c"]')]
    assert part.references["all"] == References("posts", [post(2), post(1)], [0, 0])
    assert (list(part.references["to"].marks), list(part.references["to"].rows)) == ([], [])
    assert list(part.only([1])) == operations(2)
    assert batch().without({77}).lines == batch().lines


def test_a_part_of_a_batch_has_its_own_lines_and_knows_how_large_they_are() -> None:
    one = batch()
    lines = one.lines.splitlines(keepends=True)
    parts = [
        one.without({4}),
        one.only([2, 0]),
        one.without({5}).only([1]),
        one.less({1: (len(lines[0]), len(lines[1]))}),
    ]
    for part, rows in zip(parts, ([1, 2], [2, 0], [2], [0, 2]), strict=True):
        assert part.each_line() == [lines[row][:-1] for row in rows]
        assert part.lines == b"".join(lines[row] for row in rows)
        assert part.size == len(part.lines)
        assert [part.line(place) for place in range(len(part))] == part.each_line()
        assert list(part) == operations(*rows)
    assert not parts[-1].references
    assert one.size == len(one.lines)


@pytest.mark.parametrize("out", [[0], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2], []])
def test_whatever_is_out_the_rest_is_cut_from_the_lines(out: list[int]) -> None:
    for one in (batch(), batch().without({4})):
        lines = [line + b"\n" for line in one.each_line()]
        places = {row: (sum(map(len, lines[:row])), len(lines[row])) for row in out if row < len(lines)}
        rest = [line for row, line in enumerate(lines) if row not in out]
        part = one.less(places)
        assert (part.lines, part.size, len(part)) == (b"".join(rest), sum(map(len, rest)), len(rest))
        assert [line + b"\n" for line in part.each_line()] == rest


def test_a_batch_travels_between_processes() -> None:
    there = pickle.loads(pickle.dumps(batch()))
    assert (list(there), there.references, list(there.marks)) == (
        list(batch()),
        batch().references,
        list(batch().marks),
    )


def test_a_long_chain_falls_when_its_root_does() -> None:
    """Each refers to the one before and the first to nothing; another delta's record of the same key holds the rest."""
    rules = schema("append", {"n": INTEGER, "to": INTEGER}, ["n"], key=["n"], references={"to": "things"})
    world = World.of({"things": rules})
    chain = [{"n": number, "to": number - 1} for number in range(1, 400)]
    ran = world.run(written("w1", 1, 5, None, things=chain))
    assert [one.outcome for receipt in ran.receipts for one in receipt.operations] == ["parked"] * 399
    world.run(written("w2", 2, 6, None, things=[{"n": 200}]))
    assert [one["record"]["n"] for one in world.parked] == list(range(1, 201)), "what refers to 200 is released"


def test_the_records_of_a_key_that_two_deltas_bring_hold_until_both_fall() -> None:
    rules = schema("append", {"n": INTEGER, "to": INTEGER}, ["n"], key=["n"], references={"to": "things"})
    world = World.of({"things": rules})
    ran = world.run(
        written("w1", 1, 5, None, things=[{"n": 1, "to": 404}, {"n": 2, "to": 1}]),
        written("w2", 2, 5, None, things=[{"n": 1}]),
    )
    parked = [(receipt.stream_id, one.pointer) for receipt in ran.receipts for one in receipt.operations]
    assert parked == [("w1", "/things/0")]
