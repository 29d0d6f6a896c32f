"""All that may lie in an inbox, at once: the frame lands, each bad file has its letter, its bytes are kept."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from merge_bot.clone import Clone
from merge_bot.errors import ForeignEdit, UnreadableState
from merge_bot.findings import Outcome, Reason, Receipt
from merge_bot.frame import Result
from merge_bot.git import Repository
from merge_bot.resources import example_schemas
from tests.repo import Repo

NOW = datetime(2026, 3, 26, tzinfo=UTC)
POST = {"number": 1, "title": "t", "channel": "c", "author": "a"}


def delta(stream_id: str, **other: Any) -> dict[str, Any]:
    return {"frame": 1, "stream_id": stream_id, "utc": "2026-03-25T00:00:00Z", **other}


def text(stream_id: str, **other: Any) -> bytes:
    return json.dumps(delta(stream_id, **other)).encode()


GOOD = text(
    "good",
    profile_updates=[{"agent_id": "a", "name": "A"}],
    channels_updated=[{"slug": "c", "name": "C"}],
    posts_created=[POST],
)
BAD = {
    "truncated": (text("truncated")[:30], Reason.TRUNCATED),
    "latin": (text("latin", x="é").replace(b"\\u00e9", b"\xe9"), Reason.NOT_UTF8),
    "bom": (b"\xef\xbb\xbf" + text("bom"), Reason.BYTE_ORDER_MARK),
    "empty": (b"", Reason.EMPTY_FILE),
    "twice": (b'{"frame": 1, "frame": 2, "stream_id": "twice", "utc": "2026-03-25T00:00:00Z"}', Reason.DUPLICATE_KEY),
    "nan": (text("nan", stats_increments={"total_posts": float("nan")}), Reason.NOT_A_NUMBER),
    "infinite": (text("infinite", stats_increments={"total_posts": float("inf")}), Reason.NOT_A_NUMBER),
    "huge": (text("huge", stats_increments={"x": 1}).replace(b": 1}", b": 1e400}"), Reason.NUMBER_OUT_OF_RANGE),
    "wide": (text("wide", stats_increments={"total_posts": 2**64}), Reason.NUMBER_OUT_OF_RANGE),
    "long": (text("long").replace(b"1,", b"1.00000000000000000001,", 1), Reason.NUMBER_LOSES_DIGITS),
    "half": (text("half", posts_created=[POST | {"title": "\ud800"}]), Reason.LONE_SURROGATE),
    "deep": (b'{"a":' * 65 + b"1" + b"}" * 65, Reason.TOO_DEEP),
    "big": (text("big", posts_created=[POST | {"title": "x" * 1_100_000}]), Reason.TOO_LARGE),
    "list": (b"[1]", Reason.NOT_AN_OBJECT),
    "markers": (b"<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n", Reason.CONFLICT_MARKERS),
    "type": (text("type", posts_created=[6495]), Reason.SCHEMA_VIOLATION),
    "unknown": (text("unknown", post_created=[POST]), Reason.UNKNOWN_KEY),
    "keyless": (text("keyless", comments_added=[{"agent": "a", "discussion": 1}]), Reason.NO_KEY),
    "frame": (text("frame") .replace(b'"frame": 1', b'"frame": "1"'), Reason.BAD_FRAME),
    "missing": (b'{"frame": 1, "stream_id": "missing"}', Reason.MISSING_KEY),
    "utc": (text("utc").replace(b"2026-03-25T00:00:00Z", b"yesterday"), Reason.BAD_UTC),
    "timeless": (text("timeless").replace(b"2026-03-25T00:00:00Z", b""), Reason.BAD_UTC),
    "future": (text("future").replace(b"2026-03-25", b"2026-03-27"), Reason.CLOCK_AHEAD),
    "meta": (text("meta", _meta={"status": "perhaps"}), Reason.BAD_META),
    "id": (text("../../etc"), Reason.BAD_STREAM_ID),
    "other": (text("somebody"), Reason.NAME_DISAGREES),
    "GOOD": (text("GOOD").replace(b"00:00:00Z", b"00:00:01Z"), Reason.STREAM_ID_DIFFERS_IN_CASE),
}  # fmt: skip
ODD = {
    "notes.txt": (b"hello", Reason.NOT_JSON),
    "frame-1-good 2.json": (b'{"frame": 1}', Reason.MISSING_KEY),
    "backup/frame-1-x.json": (b"{", Reason.TRUNCATED),
    'new\nline"::error::.json': (b"{}", Reason.MISSING_KEY),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Repository.create(tmp_path / "repo").close()
    with Clone.open(str(tmp_path / "repo")) as clone:
        clone.begin(clone.plan({}, example_schemas(), NOW, 1), NOW)
    return tmp_path / "repo"


def merge(root: Path) -> Result:
    with Clone.open(str(root)) as clone:
        return clone.merge(NOW)


def receipts(result: Result) -> dict[str, Receipt]:
    assert result.frame is not None
    return {one.source.removeprefix("state/stream_deltas/"): one for one in result.frame.receipts}


def test_every_bad_file_has_its_letter_and_the_frame_lands_without_it(root: Path) -> None:
    inbox = root / "state/stream_deltas"
    files = {f"frame-1-{name}.json": row for name, row in BAD.items()} | ODD
    (inbox / "frame-1-good.json").write_bytes(GOOD)
    for name, (data, _) in files.items():
        (inbox / name).parent.mkdir(exist_ok=True)
        (inbox / name).write_bytes(data)
    (inbox / "frame-1-link.json").symlink_to("/etc/passwd")
    os.mkfifo(inbox / "frame-1-fifo.json")
    found = receipts(merge(root))
    assert found.pop("frame-1-good.json").outcome == Outcome.APPLIED
    assert found.pop("frame-1-link.json").reason == Reason.NOT_A_REGULAR_FILE
    assert {name: one.reason for name, one in found.items()} == {name: reason for name, (_, reason) in files.items()}
    for one in found.values():
        assert one.outcome == Outcome.QUARANTINED
        assert all(problem.file.startswith("state/stream_deltas/") and problem.message for problem in one.problems)
    kept = {path.read_bytes() for path in (root / "state/frames/000/000001/quarantine").iterdir()}
    assert kept == {data for data, _ in files.values()} | {b"/etc/passwd"}
    assert sorted(path.name for path in inbox.rglob("*") if not path.is_dir()) == [".gitignore", "frame-1-fifo.json"]
    assert json.loads((root / "state/posts/000/000001.jsonl").read_text()) == POST
    names = {path.name for path in (root / "state/frames/000/000001/quarantine").iterdir()}
    assert all(name.isascii() and name.isprintable() for name in names)


def test_a_slot_used_twice_keeps_the_newer_and_quarantines_the_other_loudly(root: Path) -> None:
    repo = Repo(root)
    path = "state/stream_deltas/frame-1-w.json"
    posts = [POST | {"number": number, "channel": "c", "author": "a"} for number in (1, 2)]
    repo.commit({path: text("w", posts_created=posts[:1])})
    repo.commit({path: text("w", posts_created=posts[1:]).replace(b"00:00:00Z", b"00:00:01Z")})
    result = merge(root)
    assert result.frame is not None
    assert [(one.outcome, one.reason) for one in sorted(result.frame.receipts, key=lambda one: one.utc or "")] == [
        (Outcome.QUARANTINED, Reason.SLOT_REUSED),
        (Outcome.APPLIED, None),
    ]


@pytest.mark.parametrize(
    ("path", "data", "line"),
    [
        (
            "state/stats.json",
            b'{\n<<<<<<< ours\n  "total_posts": 1\n=======\n  "total_posts": 2\n>>>>>>> theirs\n}\n',
            2,
        ),
        ("state/stats.json", b'{\n  "total_posts": 1', 2),
        ("state/stats.json", b"[]\n", 0),
        ("state/agents/a.json", b'{"agent_id": "a", ', 1),
        ("state/posts/000/000001.jsonl", b'{"number": 1}\n{"number"', 2),
        ("state/_meta.json", b"{}", 0),
    ],
)
def test_unreadable_state_stops_the_merge_with_file_and_line(root: Path, path: str, data: bytes, line: int) -> None:
    """Foreign edits are refused before anything is read, so the clock is taught to vouch for the damaged state."""
    repo = Repo(root)
    inbox = root / "state/stream_deltas"
    (inbox / "frame-1-good.json").write_bytes(GOOD[:-1] + b', "stats_increments": {"total_posts": 1}}')
    merge(root)
    repo.commit({path: data})
    changes = {"profile_updates": [{"agent_id": "a", "bio": "b"}], "stats_increments": {"total_posts": 1}}
    second = json.dumps(delta("good", posts_created=[POST], **changes) | {"frame": 2})
    (inbox / "frame-2-good.json").write_text(second)
    head, status = repo.head, repo.status
    with pytest.raises((ForeignEdit, UnreadableState), match=path.replace(".", r"\.")):
        merge(root)
    assert (repo.head, repo.status) == (head, status)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("merge_bot.collect._refuse_foreign_edits", lambda *_: None)
        with pytest.raises(UnreadableState, match=f"{path}:{line}" if line else path):
            merge(root)
    assert repo.git("diff", "--name-only", head, "HEAD") in ("", "state/stream_deltas/frame-2-good.json")


def test_state_that_is_no_regular_file_is_not_taken_for_nothing(root: Path) -> None:
    repo = Repo(root)
    (root / "state/stats.json").symlink_to("/etc/hostname")
    repo.git("add", "state/stats.json")
    repo.commit()
    with Clone.open(str(root)) as clone, pytest.raises(UnreadableState, match=r"state/stats\.json"):
        clone.files.read("state/stats.json")
