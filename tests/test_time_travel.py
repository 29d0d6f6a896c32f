"""A repository of random frames holds together: verify passes, every frame replays, differences add up."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from merge_bot.canonical import document
from merge_bot.history import History
from merge_bot.rollback import apart
from merge_bot.verify import verify
from tests.random_frames import Story, grown
from tests.test_diff import applied

SHORT = 25
LONG = 300


@pytest.fixture(
    scope="module",
    params=[pytest.param((SHORT, 1), id="25 frames"), pytest.param((LONG, 2), id="300 frames", marks=pytest.mark.slow)],
)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Story:
    return grown(tmp_path_factory.mktemp("random") / "repo", *request.param)


def test_the_random_repository_has_all_that_can_befall_a_frame(story: Story) -> None:
    with History(story.path) as history:
        outcomes = {str(row["outcome"]) for manifest in history.frames() for row in manifest.deltas}
        assert outcomes >= {"applied", "late", "duplicate", "quarantined", "fallback", "superseded"}
        assert len(story.rollbacks) > 1
        assert len({tuple(sorted(manifest.schemas.items())) for manifest in history.frames()}) > 1
        newest = history.state(history.newest)
        assert newest.conflicts
        assert newest.parked
        assert {rules.strategy for rules in newest.collections.values()} == {
            "append", "last-writer-wins", "observe", "sum", "union",
        }  # fmt: skip


def test_verify_passes(story: Story) -> None:
    with History(story.path) as history:
        found = verify(history)
        assert (found.findings, found.notes, found.frames) == ([], [], len(story.frames) + 1)
        middle = history.newest // 2
        assert verify(history, middle).frames == history.newest - middle + 1


def test_every_frame_replays_to_the_same_bytes(story: Story) -> None:
    with History(story.path) as history:
        replayed = {frame: history.replay(frame) for frame in story.frames}
    assert {frame: one.differs for frame, one in replayed.items() if one.same is not True} == {}


def records(history: History, frame: int) -> dict[str, dict[str, list[Any]]]:
    found: dict[str, dict[str, list[Any]]] = {}
    state = history.state(frame)
    for name in state.collections:
        keys = found.setdefault(name, {})
        for key, record in state.records(name):
            keys.setdefault(key, []).append(record)
    return {name: {key: sorted(ones, key=document) for key, ones in keys.items()} for name, keys in found.items()}


def test_a_difference_applied_to_one_frame_gives_the_other(story: Story) -> None:
    chance = Random(7)
    with History(story.path) as history:
        frames = range(history.newest + 1)
        pairs = [(one, one + 1) for one in frames[:-1]] + [
            (chance.choice(frames), chance.choice(frames)) for _ in frames
        ]
        for before, after in pairs:
            old, new = records(history, before), records(history, after)
            for name in old.keys() | new.keys():
                old.setdefault(name, {})
                new.setdefault(name, {})
            changes = history.diff(before, after).as_json()["changes"]
            assert applied(old, changes) == new, (before, after)


def test_a_rollback_has_the_values_of_the_frame_it_went_back_to(story: Story) -> None:
    with History(story.path) as history:
        for frame in story.rollbacks:
            rollback = history.manifest(frame).rollback
            assert rollback is not None
            then, now = records(history, rollback["to"]), records(history, frame)
            assert {name: now[name] for name in then} == then
            assert [one for name, one in now.items() if name not in then and one] == []
            assert apart(history, frame, rollback["to"]) == ([frame], [])


def test_no_delta_is_in_the_state_twice(story: Story) -> None:
    """The frames that the newest state came from, told by the manifests alone, merged no delta twice."""
    with History(story.path) as history:
        frames, number = [], history.newest
        while number > history.oldest:
            manifest = history.manifest(number)
            frames.append(manifest)
            number = manifest.rollback["to"] if manifest.rollback else number - 1
        merged = [
            row["delta"] for manifest in frames for row in manifest.deltas if row["outcome"] in ("applied", "late")
        ]
    assert len(merged) == len(set(merged))


def test_the_same_seed_makes_the_same_commits(tmp_path: Path) -> None:
    tips = []
    for name in ("one", "two"):
        with History(grown(tmp_path / name, 4, 9).path) as history:
            tips.append(history.tip)
    assert tips[0] == tips[1]
