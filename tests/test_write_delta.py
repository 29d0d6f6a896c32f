"""One delta at a time: what is written is what was checked, and what is refused is not written."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from merge_bot import DeltaRejected, SlotTaken, write_delta
from merge_bot.delta import Delta
from merge_bot.errors import SchemaError, SettingsError
from merge_bot.findings import Reason
from merge_bot.messages import listing
from merge_bot.validate import given, validate
from tests.work_tree import POST, inbox, refused, rules, work_tree

UTC_TEXT = "2026-03-25T03:14:22.000001Z"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return work_tree(tmp_path / "world", monkeypatch)


def test_a_delta_is_written_as_people_write_it(root: Path) -> None:
    place = write_delta(
        405,
        {"posts_created": [POST], "stats_increments": {"total_posts": 1}},
        stream_id="stream-3",
        root=root,
        utc=UTC_TEXT,
        run="night/7",
        epoch=3,
        status="ok",
    )
    assert place.parent == root / "state" / "stream_deltas"
    assert (
        place.read_text(encoding="utf-8")
        == """\
{
  "frame": 405,
  "stream_id": "stream-3",
  "utc": "2026-03-25T03:14:22.000001Z",
  "posts_created": [
    {
      "number": 6201,
      "title": "On sleep",
      "channel": "philosophy",
      "author": "agent-aria"
    }
  ],
  "stats_increments": {
    "total_posts": 1
  },
  "_meta": {
    "status": "ok",
    "epoch": 3,
    "run": "night/7"
  }
}
"""
    )
    assert isinstance(validate(given(place.name, place.read_bytes()), rules()), Delta)


def test_text_of_all_the_world_stays_as_it_is(root: Path) -> None:
    place = write_delta(
        405, {"posts_created": [{**POST, "title": "Schlaf 睡眠 💤 \u2028 \x00"}]}, stream_id="w", root=root
    )
    assert json.loads(place.read_bytes())["posts_created"][0]["title"] == "Schlaf 睡眠 💤 \u2028 \x00"
    assert "睡眠 💤".encode() in place.read_bytes()


def test_the_time_is_now_to_the_microsecond(root: Path) -> None:
    before = datetime.now(UTC)
    utc = json.loads(write_delta(405, {}, stream_id="w1", root=root).read_bytes())["utc"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", utc)
    assert before <= datetime.fromisoformat(utc) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("utc", "written"),
    [
        (UTC_TEXT, UTC_TEXT),
        ("2026-03-25T04:14:22+01:00", "2026-03-25T04:14:22+01:00"),
        (datetime(2026, 3, 25, 4, 14, 22, 1, timezone(timedelta(hours=1))), UTC_TEXT),
        (datetime(2026, 3, 25, 3, 14, 22, tzinfo=UTC), "2026-03-25T03:14:22.000000Z"),
    ],
)
def test_a_time_can_be_given(root: Path, utc: Any, written: str) -> None:
    place = write_delta(405, {}, stream_id="w1", root=root, utc=utc)
    assert json.loads(place.read_bytes())["utc"] == written


@pytest.mark.parametrize(
    ("changed", "letter"),
    [
        (
            {"utc": datetime(2026, 3, 25)},
            """\
  frame-405-w1.json at /utc
    The datetime has no time zone, so it names no instant.
    Write datetime.now(UTC), or leave `utc` out.""",
        ),
        (
            {"deltas": [POST]},
            """\
  frame-405-w1.json
    The operations are a Python list, not a dict.
    Write a dict of lists by delta key: {"posts_created": [{…}]}.""",
        ),
        (
            {"deltas": {"frame": 406, "_meta": {}}},
            """\
  frame-405-w1.json at /frame
    `frame` is no collection's key: the library writes it itself.
    Leave it out of the operations.
  frame-405-w1.json at /_meta
    `_meta` is no collection's key: the library writes it itself.
    Leave it out of the operations.""",
        ),
    ],
)
def test_what_is_no_call_is_told(root: Path, changed: dict[str, Any], letter: str) -> None:
    call: dict[str, Any] = {"frame": 405, "deltas": {}, "stream_id": "w1", "root": root} | changed
    expected = f"The delta cannot be merged as it is, so it was not written:\n{letter}"
    assert refused(write_delta, **call) == expected
    assert inbox(root) == {}


UNKNOWN, NO_KEY, VIOLATION = Reason.UNKNOWN_KEY, Reason.NO_KEY, Reason.SCHEMA_VIOLATION


@pytest.mark.parametrize(
    ("changed", "problems"),
    [
        (
            {"stream_id": "stream 3", "frame": "405", "utc": "", "run": "a b", "epoch": -1, "status": "done"},
            [
                ("/frame", Reason.BAD_FRAME),
                ("/stream_id", Reason.BAD_STREAM_ID),
                ("/utc", Reason.BAD_UTC),
                ("/_meta/status", Reason.BAD_META),
                ("/_meta/epoch", Reason.BAD_META),
                ("/_meta/run", Reason.BAD_META),
            ],
        ),
        ({"stream_id": "../../etc/passwd"}, [("/stream_id", Reason.BAD_STREAM_ID)]),
        ({"stream_id": "w" * 65}, [("/stream_id", Reason.BAD_STREAM_ID)]),
        ({"stream_id": "w1\n"}, [("/stream_id", Reason.BAD_STREAM_ID)]),
        ({"stream_id": ""}, [("/stream_id", Reason.BAD_STREAM_ID)]),
        ({"stream_id": None}, [("/stream_id", Reason.BAD_STREAM_ID)]),
        ({"frame": True}, [("/frame", Reason.BAD_FRAME)]),
        ({"frame": -1}, [("/frame", Reason.BAD_FRAME)]),
        ({"frame": 405.0}, [("/frame", Reason.BAD_FRAME)]),
        ({"frame": 10**16}, [("/frame", Reason.BAD_FRAME)]),
        ({"utc": 5}, [("/utc", Reason.BAD_UTC)]),
        ({"utc": "2026-03-25T03:14:22"}, [("/utc", Reason.BAD_UTC)]),
        ({"run": 5}, [("/_meta/run", Reason.BAD_META)]),
        ({"run": "x" * 129}, [("/_meta/run", Reason.BAD_META)]),
        ({"epoch": True}, [("/_meta/epoch", Reason.BAD_META)]),
        ({"deltas": {"posts": [POST]}}, [("/posts", UNKNOWN)]),
        ({"deltas": {"posts_created": POST}}, [("/posts_created", VIOLATION)]),
        (
            {"deltas": {"posts_created": [6201, POST], "stats_increments": 22}},
            [("/posts_created/0", VIOLATION), ("/stats_increments", VIOLATION)],
        ),
        (
            {"deltas": {"posts_created": [{"titel": {1}, "channel": "c", "author": "a"}], "posts": []}, "epoch": "1"},
            [
                ("/posts_created/0/titel", Reason.NOT_JSON),
                ("/posts_created/0", VIOLATION),
                ("/posts", UNKNOWN),
                ("/_meta/epoch", Reason.BAD_META),
            ],
        ),
        ({"status": "fallback", "deltas": {"posts_created": [POST]}}, [("/_meta/status", Reason.BAD_META)]),
    ],
)
def test_everything_the_bot_would_refuse_is_told_at_once(
    root: Path, changed: dict[str, Any], problems: list[tuple[str, Reason]]
) -> None:
    call: dict[str, Any] = {"frame": 405, "deltas": {}, "stream_id": "w1", "root": root} | changed
    with pytest.raises(DeltaRejected) as caught:
        write_delta(**call)
    assert [(one.pointer, one.reason) for one in caught.value.problems] == problems
    assert [one.line for one in caught.value.problems] == [0] * len(problems)
    told = f"The delta cannot be merged as it is, so it was not written:\n{listing(caught.value.problems)}"
    assert str(caught.value) == told
    assert inbox(root) == {}


def test_a_delta_that_is_too_large_is_not_written(root: Path) -> None:
    body = "x" * 60_000
    posts = [{**POST, "number": number, "body": body} for number in range(1, 20)]
    assert "at most 1,048,576 are read" in refused(
        write_delta, 405, {"posts_created": posts}, stream_id="w1", root=root
    )
    assert inbox(root) == {}


def test_without_schemas_the_json_and_the_envelope_are_checked(tmp_path: Path) -> None:
    place = write_delta(405, {"anything": [1]}, stream_id="w1", root=tmp_path, utc=UTC_TEXT)
    assert json.loads(place.read_bytes())["anything"] == [1]
    assert "stream_id: null is not" in refused(write_delta, 405, {"anything": [1]}, stream_id=None, root=tmp_path)
    assert "JSON has no NaN" in refused(write_delta, 405, {"anything": [float("nan")]}, stream_id="w2", root=tmp_path)
    assert list(inbox(tmp_path)) == ["frame-405-w1.json"]


def test_without_check_the_schemas_are_left_out(root: Path) -> None:
    write_delta(405, {"anything": [1]}, stream_id="w1", root=root, check=False)
    assert "utc" in refused(write_delta, 405, {"anything": [1]}, stream_id="w2", root=root, check=False, utc="")
    assert list(inbox(root)) == ["frame-405-w1.json"]


def test_the_settings_of_the_work_tree_hold(root: Path) -> None:
    (root / ".github").mkdir()
    (root / ".github" / "dreamcatcher.yml").write_text("state: deep/world\nmax-delta-bytes: 2000\nschemas: rules\n")
    (root / "schemas").rename(root / "rules")
    place = write_delta(405, {"posts_created": [POST]}, stream_id="w1", root=root)
    assert place == root / "deep" / "world" / "stream_deltas" / "frame-405-w1.json"
    deltas = {"posts_created": [{**POST, "body": "x" * 2000}]}
    assert "at most 2,000 are read" in refused(write_delta, 405, deltas, stream_id="w2", root=root)
    assert "did you mean `posts_created`?" in refused(write_delta, 405, {"posts": []}, stream_id="w2", root=root)


def test_changed_rules_hold_from_the_next_delta_on(root: Path) -> None:
    write_delta(405, {"posts_created": [POST]}, stream_id="w1", root=root)
    (root / "schemas" / "posts.schema.json").unlink()
    (root / "schemas" / "channels.schema.json").write_text("{}")
    with pytest.raises(SchemaError):
        write_delta(405, {"posts_created": [POST]}, stream_id="w2", root=root)
    (root / ".github").mkdir()
    (root / ".github" / "dreamcatcher.yml").write_text("stat: x\n")
    with pytest.raises(SettingsError):
        write_delta(405, {"posts_created": [POST]}, stream_id="w2", root=root)


def test_a_slot_is_filled_once_unless_told_otherwise(root: Path) -> None:
    def write(number: int, **more: Any) -> Path:
        deltas = {"posts_created": [{**POST, "number": number}]}
        return write_delta(405, deltas, stream_id="w1", root=root, utc=UTC_TEXT, **more)

    place = write(1)
    assert write(1) == place
    with pytest.raises(SlotTaken):
        write(2)
    assert json.loads(place.read_bytes())["posts_created"][0]["number"] == 1
    assert write(2, run="second") != place
    assert write(3, replace=True) == place
    assert json.loads(place.read_bytes())["posts_created"][0]["number"] == 3
    assert len(inbox(root)) == 2
