"""Blame where frames were rolled back, restored and put up again: an oracle that knows which frames count says who set
each field. It reads manifests and archives plainly, and takes from the history only where each frame landed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from merge_bot.history import History
from tests import past
from tests.random_frames import SHARED, grown
from tests.repo import Repo
from tests.test_blame import GENESIS, Write, expected
from tests.test_laws import SCHEMAS


def rules_of(name: str) -> dict[str, Any]:
    known = {**SCHEMAS, **SHARED}
    return known.get(name, {"x-merge": {"strategy": "append"}, "properties": {}})


def key_of(name: str, record: Any) -> str:
    if name.startswith("extra_"):
        return f'[0,"{record["id"]}"]'
    if name == "marks":
        return str(record["id"])
    return "" if name == "votes" else past.key_of(name, record)


@pytest.fixture(scope="module", params=[(25, 1), (25, 3), pytest.param((120, 4), marks=pytest.mark.slow)], ids=str)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown(tmp_path_factory.mktemp("blame") / "repo", *request.param).path


def counting(repo: Repo, newest: int) -> list[int]:
    """The frames that the newest state came from, the oldest first: what was rolled back over does not count."""
    frames, number = [], newest
    while number > 0:
        frames.append(number)
        told = past.manifest(repo, number).get("rollback")
        number = told["to"] if told else number - 1
    return frames[::-1]


def written(repo: Repo, history: History, frames: list[int]) -> Iterator[Write]:
    waits = {
        frame: {
            (one["delta"], one["index"])
            for one in past.lines(repo, history.landing(frame).commit, "state/parked.jsonl")
        }
        for frame in frames
    }
    for frame in frames:
        for row in past.manifest(repo, frame)["deltas"]:
            if row["outcome"] not in ("applied", "late"):
                continue
            value = json.loads((repo.path / row["file"]).read_bytes())
            known = {name for name in value if name not in ("frame", "stream_id", "utc", "_meta")}
            records = [
                (name, record)
                for name, content in value.items()
                if name in known
                for record in (content if isinstance(content, list) else [{k: v} for k, v in content.items()])
            ]
            instant = datetime.fromisoformat(value["utc"]).timestamp()
            for index, (name, record) in enumerate(records):
                after = [one for one in frames if one >= frame and (row["delta"], index) not in waits[one]]
                if after:
                    where = (instant, value["stream_id"], row["delta"], index, value["frame"])
                    yield Write(*where, after[0], name, record)


def test_every_field_is_the_work_of_the_delta_that_set_it(place: Path) -> None:
    repo = Repo(place)
    compared: Counter[str] = Counter()
    with History(place) as history:
        frames = counting(repo, history.newest)
        assert len(frames) < history.newest  # some were rolled back over
        writes = sorted(written(repo, history, frames))
        state = history.state(history.newest)
        for name in state.collections:
            records: dict[str, list[Any]] = {}
            for key, record in state.records(name):
                records.setdefault(key, []).append(record)
            for key, ones in records.items():
                life = history.blame(name, key)
                found = {
                    field: [GENESIS if one.origin is None else (one.frame, one.origin.digest) for one in by]
                    for field, by in life.fields.items()
                }
                wanted = expected(name, key, ones[0], None, writes, rules_of(name), key_of)
                if rules_of(name)["x-merge"]["strategy"] in ("observe", "union"):
                    wanted = {"*": sorted((frame, delta) for frame, (delta, _) in wanted["*"])}
                    found = {"*": sorted(found["*"])}
                assert found == wanted, (name, key)
                compared[name] += len(found)
    assert compared.total() > 60
