"""Diff: what it names, applied to the state before, gives the state after; and nothing that is the same is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from merge_bot.diff import diff
from merge_bot.history import History
from merge_bot.paths import Paths
from merge_bot.state import MemoryFiles
from merge_bot.tree import Entry
from tests import past
from tests.past import FIRST, document, landing, values
from tests.repo import Repo
from tests.world import INTEGER, TEXT, collections_of, schema

FRAMES = 12
LAST = FIRST + FRAMES - 1
PAIRS = [
    *((frame - 1, frame) for frame in range(FIRST, LAST + 1)),
    (FIRST - 1, LAST), (LAST, FIRST - 1), (6, 11), (9, 7), (8, 8),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    return past.story(tmp_path_factory.mktemp("past"), FRAMES)


def applied(before: dict[str, dict[str, list[Any]]], changes: Iterable[Mapping[str, Any]]) -> Any:
    """The oracle: what `changes`, as `diff --json` prints them, make of the records before."""
    after = {name: {key: list(ones) for key, ones in keys.items()} for name, keys in before.items()}
    for one in changes:
        records = after[one["collection"]].setdefault(one["key"], [])
        if one["change"] == "added":
            records.append(one["record"])
        elif one["change"] == "removed":
            records.remove(one["record"])
        else:
            (record,) = records
            new = dict(record)
            for name, sides in one["fields"].items():
                assert new.pop(name, None) == sides.get("before")
                if "after" in sides:
                    new[name] = sides["after"]
            records[:] = [new]
    return {
        name: {key: sorted(ones, key=document) for key, ones in keys.items() if ones} for name, keys in after.items()
    }


def test_the_difference_of_two_frames_applied_to_the_first_gives_the_second(world: Repo) -> None:
    kinds: set[tuple[str, str]] = set()
    with History(world.path) as history:
        for before, after in PAIRS:
            found = history.diff(before, after).as_json()
            assert applied(values(world, landing(world, before)), found["changes"]) == values(
                world, landing(world, after)
            )
            kinds |= {(one["collection"], one["change"]) for one in found["changes"]}
            counted: dict[str, dict[str, int]] = {}
            for one in found["changes"]:
                of = counted.setdefault(one["collection"], {"fields": 0})
                of[one["change"]] = of.get(one["change"], 0) + 1
                of["fields"] += len(one.get("fields", ()))
            assert found["counts"] == counted
    assert {name for name, _ in kinds} == set(past.ALL)
    assert {kind for _, kind in kinds} == {"added", "removed", "changed"}


def test_conflicts_and_what_waits(world: Repo) -> None:
    import json

    def marks(frame: int) -> set[tuple[str, str, str]]:
        entries = json.loads(past.at(world, landing(world, frame), "state/conflicts.json") or b"{}")
        return {(name, key, one) for name, keys in entries.items() for key, ones in keys.items() for one in ones}

    def waiting(frame: int) -> set[tuple[str, int]]:
        return {(one["delta"], one["index"]) for one in past.lines(world, landing(world, frame), "state/parked.jsonl")}

    met = set()
    with History(world.path) as history:
        for frame in range(FIRST, LAST + 1):
            found = history.diff(frame - 1, frame)
            assert set(found.opened) == marks(frame) - marks(frame - 1)
            assert set(found.closed) == marks(frame - 1) - marks(frame)
            new, gone = (
                {(one.operation.origin.digest, one.operation.index) for one in ones}
                for ones in (found.parked, found.released)
            )
            assert (new, gone) == (waiting(frame) - waiting(frame - 1), waiting(frame - 1) - waiting(frame))
            met |= {name for name in ("opened", "closed", "parked", "released") if getattr(found, name)}
    assert met == {"opened", "closed", "parked", "released"}


class Counting(MemoryFiles):
    """Files that note what is read."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(files)
        self.touched: set[str] = set()

    def read(self, path: str) -> bytes | None:
        self.touched.add(path)
        return super().read(path)

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        wanted = list(paths)
        self.touched.update(wanted)
        return super().read_many(wanted)

    def entries(self, tree: str) -> Mapping[str, Entry]:
        self.touched.add(self._folders[tree])
        return super().entries(tree)


RULES = collections_of(
    {
        "agents": schema("last-writer-wins", {"id": TEXT, "n": INTEGER}, ["id"], key=["id"], layout="entities"),
        "posts": schema("append", {"n": INTEGER}, ["n"], key=["n"], layout="segments"),
        "stats": schema("sum", {"a": INTEGER}),
        "rooms": schema("last-writer-wins", {"id": TEXT}, ["id"], key=["id"], layout="file"),
    }
)
BEFORE = {
    **{f"state/agents/{name}.json": document({"id": name, "n": 1}) for name in ("a", "b", "c")},
    **{f"state/posts/{thousand:03d}/{thousand:03d}001.jsonl": b'{"n":%d}\n' % thousand for thousand in range(3)},
    "state/stats.json": document({"a": 1}),
    "state/rooms.json": document([{"id": "x"}]),
}


def test_only_what_differs_is_read() -> None:
    """A state of a million records must not be read for what one frame changed."""
    after = BEFORE | {
        "state/agents/b.json": document({"id": "b", "n": 2}),
        "state/posts/002/002002.jsonl": b'{"n":9}\n',
        "state/stats.json": document({"a": 5}),
    }
    old, new = Counting(BEFORE), Counting(after)
    found = diff(old, new, RULES, RULES, Paths())
    assert [(one.collection, one.key, one.kind) for one in found.changes] == [
        ("agents", "b", "changed"), ("posts", "[0,9]", "added"), ("stats", "", "changed"),
    ]  # fmt: skip
    folders = {"state/agents", "state/posts", "state/posts/002"}
    assert new.touched == folders | {"state/agents/b.json", "state/posts/002/002002.jsonl", "state/stats.json"}
    assert old.touched == new.touched


ROWS: dict[str, tuple[dict[str, bytes | None], list[dict[str, Any]]]] = {
    "nothing": ({}, []),
    "a field more, one less, one other": (
        {"state/agents/a.json": document({"id": "a", "m": None})},
        [
            {
                "collection": "agents", "key": "a", "change": "changed",
                "fields": {"m": {"after": None}, "n": {"before": 1}},
            }
        ],
    ),
    "a record gone": (
        {"state/agents/c.json": None},
        [{"collection": "agents", "key": "c", "change": "removed", "record": {"id": "c", "n": 1}}],
    ),
    "a whole collection gone": (
        {"state/stats.json": None},
        [{"collection": "stats", "key": "", "change": "removed", "record": {"a": 1}}],
    ),
    "an array that is only in another order": (
        {"state/rooms.json": document([{"id": "x"}, {"id": "y"}])},
        [{"collection": "rooms", "key": "y", "change": "added", "record": {"id": "y"}}],
    ),
    "a file that is no record": ({"state/agents/README.md": b"hello"}, []),
    "1 and true are not the same": (
        {"state/agents/a.json": document({"id": "a", "n": True})},
        [{"collection": "agents", "key": "a", "change": "changed", "fields": {"n": {"before": 1, "after": True}}}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ROWS)
def test_rows(case: str) -> None:
    changed, expected = ROWS[case]
    after = {path: data for path, data in (BEFORE | changed).items() if data is not None}
    found = diff(MemoryFiles(BEFORE), MemoryFiles(after), RULES, RULES, Paths())
    assert [one.as_json() for one in found.changes] == expected


MOVES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "to another path": lambda one: {**one, "x-merge": {**one["x-merge"], "path": "state/elsewhere.json"}},
    "into an object": lambda one: {**one, "x-merge": {**one["x-merge"], "shape": "object"}},
    "to a file an entity": lambda one: {**one, "x-merge": {**one["x-merge"], "layout": "entities"}},
}


@pytest.mark.parametrize("move", MOVES)
def test_a_collection_that_moved_is_compared_record_by_record(move: str) -> None:
    rooms = schema("last-writer-wins", {"id": TEXT, "n": INTEGER}, ["id"], key=["id"], layout="file")
    old, new = collections_of({"rooms": rooms}), collections_of({"rooms": MOVES[move](rooms)})
    places = {
        "to another path": {"state/elsewhere.json": document([{"id": "x", "n": 1}, {"id": "y"}])},
        "into an object": {"state/rooms.json": document({"x": {"n": 1}, "y": {}})},
        "to a file an entity": {
            "state/rooms/x.json": document({"id": "x", "n": 1}),
            "state/rooms/y.json": document({"id": "y"}),
        },
    }
    before = MemoryFiles({"state/rooms.json": document([{"id": "x"}, {"id": "y"}])})
    found = diff(before, MemoryFiles(places[move]), old, new, Paths())
    assert [one.as_json() for one in found.changes] == [
        {"collection": "rooms", "key": "x", "change": "changed", "fields": {"n": {"after": 1}}}
    ]


def test_collections_of_either_side_are_compared() -> None:
    """One that was not known before, or is not known any more, has its files all the same."""
    words = collections_of({"words": schema("union", {"word": TEXT}, layout="file")})
    after = MemoryFiles({"state/words.json": document([{"word": "a"}])})
    for old, new in (({}, words), (words, {}), (words, words)):
        (one,) = diff(MemoryFiles({"x": b""}), after, old, new, Paths()).changes
        assert (one.collection, one.key, one.kind, one.after) == ("words", "", "added", {"word": "a"})
