"""A work tree as a worker sees it: the example's schemas, and frame 405 open."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from merge_bot.errors import DreamcatcherError
from merge_bot.resources import example_schemas
from merge_bot.schemas import load
from merge_bot.validate import Rules

POST = {"number": 6201, "title": "On sleep", "channel": "philosophy", "author": "agent-aria"}
INBOX = "state/stream_deltas"
NAME = "frame-405-w1.json"
ORCHESTRATORS = ("DREAMCATCHER_RUN", "GITHUB_ACTIONS")


def work_tree(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Make a work tree in `folder`, and let no orchestrator around the tests name their runs."""
    for name in ORCHESTRATORS:
        patch.delenv(name, raising=False)
    (folder / "schemas").mkdir(parents=True)
    for name, data in example_schemas().items():
        (folder / "schemas" / name).write_bytes(data)
    (folder / "state").mkdir()
    meta = {"frame": 405, "as_of": "2026-03-25T03:00:00.000000Z", "manifest": "0" * 64}
    (folder / "state" / "_meta.json").write_text(json.dumps(meta))
    return folder


def delta(**content: Any) -> bytes:
    """The bytes of a delta that belongs into the slot of `NAME`."""
    envelope = {"frame": 405, "stream_id": "w1", "utc": "2026-03-25T03:14:22.000001Z"}
    return json.dumps({**envelope, **content}, indent=2).encode() + b"\n"


def files(root: Path) -> dict[str, bytes]:
    """The bytes of every file in the inbox, temporary ones too, by name."""
    return {path.name: path.read_bytes() for path in sorted((root / INBOX).iterdir())}


def rules() -> Rules:
    collections, problems = load(example_schemas())
    assert not problems
    return Rules(collections)


def inbox(root: Path) -> dict[str, Any]:
    """What every file in the inbox says, by name."""
    return {name: json.loads(data) for name, data in files(root).items()} if (root / INBOX).is_dir() else {}


def refused(act: Callable[..., Any], *given: Any, **named: Any) -> str:
    """The letter of what `act` refuses."""
    with pytest.raises(DreamcatcherError) as caught:
        act(*given, **named)
    return str(caught.value)
