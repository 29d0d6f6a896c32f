"""The calls in a worker's block: each is checked at once, where the traceback points at the culprit."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from merge_bot import DeltaRejected, Worker, worker
from merge_bot.findings import Reason
from merge_bot.strategies.sum import total
from tests.work_tree import POST, work_tree

UNKNOWN, NO_KEY, VIOLATION = Reason.UNKNOWN_KEY, Reason.NO_KEY, Reason.SCHEMA_VIOLATION


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return work_tree(tmp_path / "world", monkeypatch)


def hot(folder: Path) -> Path:
    """The world with a collection of decimal counters, and one of entities with a key of two fields."""
    number, text = {"type": "number"}, {"type": "string"}
    heat: dict[str, Any] = {
        "type": "object",
        "properties": {"degrees": number, "seconds": number},
        "additionalProperties": False,
    }
    heat["x-merge"] = {"strategy": "sum", "delta": ["heat"], "layout": "file"}
    ties: dict[str, Any] = {
        "type": "object",
        "properties": {"one": text, "other": text, "how": text},
        "required": ["one", "other"],
    }
    ties["x-merge"] = {"strategy": "last-writer-wins", "delta": ["ties"], "key": ["one", "other"]}
    (folder / "schemas" / "heat.schema.json").write_text(json.dumps(heat))
    (folder / "schemas" / "ties.schema.json").write_text(json.dumps(ties))
    return folder


def test_increments_of_one_counter_add_up_exactly(root: Path) -> None:
    with Worker("w1", root=hot(root)) as w:
        for one in (0.1, 0.2, 0.3, -0.5):
            w.increment("heat", degrees=one)
        w.increment("heat", seconds=2**63)
        w.increment("heat", seconds=-1)
        w.increment("stats")
    written = json.loads(w.path.read_bytes())
    assert written["heat"] == {"degrees": 0.1, "seconds": 2**63 - 1}
    assert written["stats_increments"] == {}


def many(w: Worker) -> None:
    for _ in range(20):
        w.increment("stats", total_posts=1)


def test_increments_from_many_threads_are_all_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def total_slowly(old: float, increments: list[float]) -> float | None:
        for _ in range(2000):  # long enough for another thread to come in between
            pass
        return total(old, increments)

    monkeypatch.setattr(worker, "total", total_slowly)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with Worker("w1", root=root) as w:
            threads = [threading.Thread(target=many, args=(w,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert json.loads(w.path.read_bytes())["stats_increments"] == {"total_posts": 160}


ALL = "`agents`, `channels`, `comments`, `follows`, `heat`, `posts`, `souls`, `stats` and `ties`"


@pytest.mark.parametrize(
    ("call", "letter"),
    [
        (
            lambda w: w.add("post", number=1),
            """\
w.add("post", …)
  w.add("post", …)
    There is no collection "post"; did you mean `posts`?
    The collections are {ALL}.""",
        ),
        (
            lambda w: w.add("profile_update", number=1),
            """\
w.add("profile_update", …)
  w.add("profile_update", …)
    There is no collection "profile_update"; did you mean `agents`?
    The collections are {ALL}.""",
        ),
        (
            lambda w: w.add(None, number=1),
            """\
w.add(…, …)
  w.add(…, …)
    A collection is named by text, not by a Python NoneType.
    The collections are {ALL}.""",
        ),
        (
            lambda w: w.add("stats", total_posts=1),
            """\
w.add("stats", …)
  w.add("stats", …)
    `stats` merges by sum.
    Use w.increment("stats", …).""",
        ),
        (
            lambda w: w.increment("posts_created", number=1),
            """\
w.increment("posts_created", …)
  w.increment("posts_created", …)
    `posts` merges by append.
    Use w.add("posts", …).""",
        ),
        (
            lambda w: w.set("souls", "agent-aria", observation="x"),
            """\
w.set("souls", …)
  w.set("souls", …)
    `souls` merges by observe.
    Use w.observe("souls", …).""",
        ),
        (
            lambda w: w.observe("agents", agent_id="agent-aria"),
            """\
w.observe("agents", …)
  w.observe("agents", …)
    `agents` merges by last-writer-wins.
    Use w.set("agents", …).""",
        ),
        (
            lambda w: w.set("follows", agent_id="agent-aria"),
            """\
w.set("follows", …)
  w.set("follows", …)
    `follows` merges by union.
    Use w.union("follows", …).""",
        ),
        (
            lambda w: w.add("posts", {"number": 1, "title": "x"}, title="y"),
            """\
w.add("posts", …)
  w.add("posts", …)
    `title` came twice in one call.
    Give each field once.""",
        ),
        (
            lambda w: w.add("comments", {"body": {1}}, author="a", post_number=6201),
            """\
w.add("comments", …)
  w.add("comments", …) at /body
    JSON has no word for a Python set.
    Write a list: sorted(value).""",
        ),
        (
            lambda w: w.add("comments", post_number=6201, author="a", body=float("inf")),
            """\
w.add("comments", …)
  w.add("comments", …) at /body
    JSON has no Infinity.
    Write a number or null, or leave the entry out.""",
        ),
        (
            lambda w: w.set("agents", "agent-aria", agent_id="agent-kai"),
            """\
w.set("agents", …)
  w.set("agents", …)
    `agent_id` came twice in one call.
    Give each field once.""",
        ),
        (
            lambda w: w.set("ties", "agent-aria", how="close"),
            """\
w.set("ties", …)
  w.set("ties", …)
    The key of `ties` is made of `one` and `other`.
    Give each of them by its name.""",
        ),
        (
            lambda w: [w.increment("heat", seconds=1, degrees=2**63) for _ in range(2)],
            """\
w.increment("heat", …)
  w.increment("heat", …) at /degrees
    The increments to `degrees` add up to a number that JSON readers cannot keep exactly.
    Give smaller increments, or integers.""",
        ),
    ],
)
def test_a_call_that_makes_no_sense_is_told(root: Path, call: Callable[[Worker], None], letter: str) -> None:
    with Worker("w1", root=hot(root)) as w:
        with pytest.raises(DeltaRejected) as caught:
            call(w)
        head, _, rest = letter.format(ALL=ALL).partition("\n")
        expected = f"{head} cannot be merged as it is, so it was not taken into the delta:\n{rest}"
        assert str(caught.value) == expected
    written = json.loads(w.path.read_bytes())
    written.pop("heat", None)
    assert list(written) == ["frame", "stream_id", "utc"]


@pytest.mark.parametrize(
    ("call", "problems"),
    [
        (
            lambda w: w.add("posts", number="6201", titel="x", channel="c", author="a"),
            [
                ("", VIOLATION, "`title` is missing."),
                ("/number", VIOLATION, 'number: expected an integer, found the string "6201".'),
                ("/titel", UNKNOWN, "titel: unknown key; did you mean `title`?"),
            ],
        ),
        (lambda w: w.add("posts", 6201), [("", VIOLATION, "expected an object, found the integer 6201.")]),
        (lambda w: w.add("posts", 6201, body="x"), [("", VIOLATION, "expected an object, found the integer 6201.")]),
        (
            lambda w: w.set("agents", 7, karma="many"),
            [
                ("/agent_id", VIOLATION, "agent_id: expected a string, found the integer 7."),
                ("/karma", VIOLATION, 'karma: expected an integer, found the string "many".'),
            ],
        ),
        (lambda w: w.set("agents", bio="x"), [("", NO_KEY, "the record has no key: it lacks `agent_id`.")]),
        (
            lambda w: w.increment("stats", total_posts="1"),
            [("/total_posts", VIOLATION, 'total_posts: expected an integer, found the string "1".')],
        ),
        (
            lambda w: w.increment("stats", 5),
            [("", VIOLATION, "expected an object of increments, found the integer 5.")],
        ),
    ],
)
def test_a_call_that_could_not_be_merged_fails_at_the_call_and_is_placed_inside_of_it(
    root: Path, call: Callable[[Worker], None], problems: list[tuple[str, Reason, str]]
) -> None:
    with Worker("w1", root=root) as w:
        w.add("posts", POST)
        with pytest.raises(DeltaRejected) as caught:
            call(w)
    assert [(one.pointer, one.reason, one.message) for one in caught.value.problems] == problems
    assert list(json.loads(w.path.read_bytes())) == ["frame", "stream_id", "utc", "posts_created"]


def test_the_record_that_would_be_too_much_is_refused_and_what_was_taken_is_written(root: Path) -> None:
    with Worker("w1", root=root) as w:
        with pytest.raises(DeltaRejected) as caught:
            for number in range(1, 100):
                w.add("posts", {**POST, "number": number, "body": "x" * 60_000})
        assert re.fullmatch(
            r"""w\.add\("posts", …\) cannot be merged as it is, so it was not taken into the delta:
  w\.add\("posts", …\)
    With it the delta would have about 1,0[0-9]{2},[0-9]{3} bytes; at most 1,048,576 are read\.
    End the block here, and go on in a second one with a `run` of its own\.""",
            str(caught.value),
        )
    written = w.path.read_bytes()
    assert len(json.loads(written)["posts_created"]) == number - 1 == 17


def test_the_size_is_told_right_for_many_small_records(root: Path) -> None:
    (root / ".github").mkdir()
    (root / ".github" / "dreamcatcher.yml").write_text("max-delta-bytes: 20000\n")
    with Worker("w1", root=root) as w, pytest.raises(DeltaRejected, match="at most 20,000"):
        for number in range(1000):
            w.union("follows", agent_id="a", follows=str(number))
    assert 19_000 < len(w.path.read_bytes()) <= 20_000
