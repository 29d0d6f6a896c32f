"""The merge's own files are held to their shape: damaged ones stop the merge with file and line, and none falls back to
empty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from merge_bot.canonical import document, line
from merge_bot.conflicts import Conflicts
from merge_bot.errors import UnreadableState
from merge_bot.ledger import Ledger, Line
from merge_bot.parked import read_parked
from merge_bot.paths import Paths
from merge_bot.state import MemoryFiles, Meta, Overlay, parse_lines, read_json, read_meta
from merge_bot.workers import Workers

PATHS = Paths()
ENTRY = {"frame": 5, "policy": "first", "value": 1, "candidates": []}
PARKED = {
    "collection": "posts", "delta": "d", "frame": 5, "index": 0, "pointer": "/posts/0", "reason": "dangling_reference",
    "record": {}, "since": 5, "stream_id": "w1", "utc": "2026-03-25T03:00:00Z", "waits_for": [],
}  # fmt: skip
LINE = {"delta": "d", "outcome": "applied", "merged_in": 5}
META = {"frame": 5, "as_of": "", "manifest": ""}
READERS: dict[str, Callable[[MemoryFiles], Any]] = {
    PATHS.conflicts: lambda files: Conflicts.read(files, PATHS).entries,
    PATHS.parked: lambda files: read_parked(files, PATHS),
    PATHS.workers: lambda files: Workers.read(files, PATHS).known,
    PATHS.ledger(5): lambda files: Ledger(files, PATHS).entry(5, "d"),
    PATHS.meta: lambda files: read_meta(files, PATHS),
}


def damaged(path: str, data: bytes) -> list[str]:
    with pytest.raises(UnreadableState) as error:
        READERS[path](MemoryFiles({path: data}))
    return str(error.value).splitlines()[1:3]


@pytest.mark.parametrize(("path", "empty"), [*zip(READERS, ({}, [], {}, None, None), strict=True)])
def test_a_file_that_is_not_there_holds_nothing(path: str, empty: Any) -> None:
    assert READERS[path](MemoryFiles()) == empty


@pytest.mark.parametrize("path", READERS)
def test_a_file_that_git_left_conflict_markers_in_is_not_read(path: str) -> None:
    first, said = damaged(path, b'<<<<<<< HEAD\n{}\n=======\n{"a":1}\n>>>>>>> theirs\n')
    assert first == f"  {path}:1"
    assert said.startswith(("    Git conflict markers were committed", "    Not a line of JSON: "))


SHAPES: list[tuple[str, str, list[Any]]] = [
    (
        PATHS.conflicts,
        "conflicts by collection, key and field",
        [
            None, [], {"posts": []}, {"posts": {"1": [ENTRY]}}, {"posts": {"1": {"*": []}}},
            {"posts": {"1": {"*": {"frame": 5}}}}, {"posts": {"1": {"*": ENTRY | {"frame": "5"}}}},
        ],
    ),
    (PATHS.workers, "an object of workers", [None, [], {"w1": 7}, {"w1": {"unknown": 1}}]),
    (PATHS.parked, "parked records", [{}, PARKED | {"reason": "?"}, PARKED | {"utc": 5}, PARKED | {"waits_for": None}]),
    (PATHS.ledger(5), "a ledger's lines", [{}, LINE | {"unknown": 1}]),
    (
        PATHS.meta,
        'an object with "frame", "as_of" and "manifest"',
        [[], {}, META | {"frame": 0}, META | {"frame": True}, META | {"frame": "5"}, META | {"manifest": None}],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "wanted", "value"), [(path, wanted, value) for path, wanted, values in SHAPES for value in values]
)
def test_a_file_of_another_shape_stops_the_merge(path: str, wanted: str, value: Any) -> None:
    data = line(value) if path.endswith(".jsonl") else document(value)
    assert damaged(path, data) == [f"  {path}", f"    Expected {wanted} here."]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        (PATHS.conflicts, document({"posts": {"1": {"*": ENTRY}}})),
        (PATHS.parked, line(PARKED)),
        (PATHS.workers, document({"w1": {"applied": 1}})),
        (PATHS.ledger(5), line(LINE)),
        (PATHS.meta, document(META)),
    ],
)
def test_a_sound_file_is_read(path: str, data: bytes) -> None:
    assert READERS[path](MemoryFiles({path: data}))


@pytest.mark.parametrize(
    ("data", "records"),
    [(b"", []), (b"{}\n", [{}]), (b'{"a":1}\n{"a":2}\n', [{"a": 1}, {"a": 2}])],
)
def test_lines(data: bytes, records: list[Any]) -> None:
    assert parse_lines(data, "x.jsonl") == records


@pytest.mark.parametrize(
    ("data", "number", "why"),
    [
        (b"{}", 1, "the last line is cut off"),
        (b'{}\n{"a":', 2, "the last line is cut off"),
        (b'{}\n{"a":\n{}\n', 2, ""),
        (b"{}\n\n{}\n", 2, ""),
        (b"{}\n{},{}\n", 2, ""),
        (b"{}\n[]\n", 2, "each line holds one object"),
        (b"null\n", 1, "each line holds one object"),
    ],
)
def test_lines_that_cannot_be_read_are_named(data: bytes, number: int, why: str) -> None:
    with pytest.raises(UnreadableState) as error:
        parse_lines(data, "x.jsonl")
    first, said = str(error.value).splitlines()[1:3]
    assert first == f"  x.jsonl:{number}"
    assert said.startswith(f"    Not a line of JSON: {why}"), "where it says nothing, the words are the parser's"


def test_a_file_that_holds_null_is_there() -> None:
    files = MemoryFiles({"a.json": b"null\n"})
    assert (read_json(files, "a.json", missing={}), read_json(files, "b.json", missing={})) == (None, {})


def test_a_slot_is_full_as_soon_as_a_delta_that_fills_it_is_entered() -> None:
    ledger = Ledger(MemoryFiles(), PATHS)
    full = []
    for one in (
        Line("a", "fallback", 5, "w1"),
        Line("b", "applied", 5, "w1", "r", True),
        Line("c", "late", 6, "w1", None, True),
    ):
        ledger.add(5, one)
        full.append(
            (ledger.slot_filled(5, "w1", "r"), ledger.slot_filled(5, "w1", None), ledger.slot_filled(6, "w1", None))
        )
    assert full == [(False, False, False), (True, False, False), (True, True, False)]


def test_a_clock_is_read_as_it_was_written() -> None:
    meta = Meta(5, "2026", "d")
    assert read_meta(MemoryFiles({PATHS.meta: document(meta.as_json())}), PATHS) == meta


def test_files_over_others_replace_add_and_remove() -> None:
    below = MemoryFiles({"a/x": b"x", "a/y": b"y", "a/z": b"z"})
    over = Overlay(below, {"a/x": None, "a/y": b"new", "a/w": b"w", "b": None})
    assert over.read_many(["a/w", "a/x", "a/y", "a/z", "b"]) == {"a/w": b"w", "a/y": b"new", "a/z": b"z"}
    assert sorted(over.folder("a")) == ["w", "y", "z"]
    assert over.entry("a/x") is None
    assert over.entry("a/y") == MemoryFiles({"a/y": b"new"}).entry("a/y")
    assert over.entry("a/z") == below.entry("a/z")
