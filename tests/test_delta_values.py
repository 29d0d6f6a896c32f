"""Python values in a delta: what JSON carries exactly goes in, all else is told."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import pytest

from merge_bot import DeltaRejected, write_delta
from merge_bot.findings import Reason
from tests.work_tree import POST, inbox, refused, work_tree


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return work_tree(tmp_path / "world", monkeypatch)


class Mood(StrEnum):
    CALM = "calm"


class Size(IntEnum):
    BIG = 9


def test_python_s_spellings_of_json_are_taken_as_what_they_are(root: Path) -> None:
    (root / "schemas" / "notes.schema.json").write_text(
        json.dumps({"type": "object", "x-merge": {"strategy": "observe", "delta": ["notes"], "layout": "segments"}})
    )
    record = {Mood.CALM: (1, (2.5, None)), "size": Size.BIG, "least": -(2**63), "greatest": 2**64 - 1, "yes": True}
    place = write_delta(405, {"notes": (record,)}, stream_id="w1", root=root)
    assert json.loads(place.read_bytes())["notes"] == [
        {"calm": [1, [2.5, None]], "size": 9, "least": -(2**63), "greatest": 2**64 - 1, "yes": True}
    ]


def test_a_value_may_be_as_deep_as_the_bot_reads(root: Path) -> None:
    (root / "schemas" / "notes.schema.json").write_text(
        json.dumps({"type": "object", "x-merge": {"strategy": "observe", "delta": ["notes"], "layout": "segments"}})
    )
    deep: Any = []
    for _ in range(60):  # with the document, the array and the record around it: 64
        deep = [deep]
    write_delta(405, {"notes": [{"deep": deep}]}, stream_id="w1", root=root)
    with pytest.raises(DeltaRejected) as caught:
        write_delta(405, {"notes": [{"deep": [deep]}]}, stream_id="w2", root=root)
    problems = [(one.pointer, one.reason) for one in caught.value.problems]
    assert problems == [("/notes/0/deep" + "/0" * 61, Reason.TOO_DEEP)]


ITSELF: list[Any] = []
ITSELF.append(ITSELF)
WHOLE_CHARACTER = "Write the whole character; a text that is cut in the middle of one ends like this."
TEXTS = "Write text, numbers, True, False, None, lists and dicts."


@pytest.mark.parametrize(
    ("value", "said", "remedy"),
    [
        ({1, 2}, "JSON has no word for a Python set.", "Write a list: sorted(value)."),
        (datetime(2026, 1, 1), "JSON has no word for a Python datetime.", "Write text: value.isoformat()."),
        (
            Decimal("0.1"),
            "JSON has no word for a Python Decimal.",
            "Write an integer or a float, or text if every digit matters.",
        ),
        (b"text", "JSON has no word for a Python bytes.", "Write text: value.decode()."),
        (1j, "JSON has no word for a Python complex.", TEXTS),
        (object(), "JSON has no word for a Python object.", TEXTS),
        ({1: 2}, "A key is a Python int, but JSON's keys are text.", "Write str(key)."),
        ({None: 2}, "A key is a Python NoneType, but JSON's keys are text.", "Write str(key)."),
        (2**64, "The integer does not fit 64 bits.", "If every digit matters, write it as text: str(value)."),
        ("half \ud83d", "The text holds \\ud83d, one half of a surrogate pair.", WHOLE_CHARACTER),
        ({"\ud83d": 1}, "A key holds \\ud83d, one half of a surrogate pair.", WHOLE_CHARACTER),
        pytest.param(
            10**5000,
            "The integer does not fit 64 bits.",
            "If every digit matters, write it as text: str(value).",
            id="more digits than Python spells",
        ),
    ],
)
def test_what_json_cannot_carry_exactly_is_no_part_of_a_delta(root: Path, value: Any, said: str, remedy: str) -> None:
    letter = refused(write_delta, 405, {"posts_created": [{**POST, "body": value}]}, stream_id="w1", root=root)
    where = "/posts_created/0/body"
    expected = (
        "The delta cannot be merged as it is, so it was not written:\n"
        f"  frame-405-w1.json at {where}\n    {said}\n    {remedy}"
    )
    assert letter == expected
    assert inbox(root) == {}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "JSON has no NaN."),
        (float("-inf"), "JSON has no -Infinity."),
        (ITSELF, "Lists and dicts are nested more than 64 deep here, or one holds itself."),
    ],
)
def test_values_that_json_readers_refuse_are_told_as_the_bot_tells_them(root: Path, value: Any, said: str) -> None:
    letter = refused(write_delta, 405, {"posts_created": [{**POST, "body": value}]}, stream_id="w1", root=root)
    assert f"    {said}\n" in letter
    assert inbox(root) == {}
