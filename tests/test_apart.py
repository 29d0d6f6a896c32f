"""Entities that are merged in another process: the same frames, the same letters, and nothing left behind."""

from __future__ import annotations

import os
import signal
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from merge_bot import apart, processes
from merge_bot.apart import Apart, Unfit
from merge_bot.clone import Clone
from merge_bot.errors import ProcessEnded, UnreadableState
from merge_bot.frame import run_frame
from merge_bot.git import repository
from merge_bot.paths import Paths
from merge_bot.processes import can_fork
from merge_bot.transports.inbox import InboxTransport
from tests.command import INBOX, begun, deliver, delta
from tests.random_frames import grown
from tests.repo import Repo

NOW = datetime(2026, 3, 25, 4, tzinfo=UTC)
AGENTS = [{"agent_id": f"agent-{name}", "name": name.title(), "bio": "new"} for name in ("kai", "aria")]
WORLD = delta("w1", profile_updates=AGENTS, channels_updated=[{"slug": "ideas", "name": "Ideas"}])
POST = {"number": 1, "title": "One", "channel": "ideas", "author": "agent-kai"}


@pytest.fixture
def helped(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Every frame is much, and there are cores for it; what becomes of the other process's work."""
    assert can_fork()
    monkeypatch.setattr(repository, "_MUCH", 0)
    monkeypatch.setattr(processes, "cores", lambda: 2)
    seen: Counter[str] = Counter()
    agree, folded = Apart.agree, Apart.folded

    def agreed(self: Apart) -> None:
        try:
            agree(self)
        except Unfit:
            seen["unfit"] += 1
            raise

    def counted(self: Apart, *given: Any) -> Any:
        seen["folded"] += 1
        return folded(self, *given)

    monkeypatch.setattr(Apart, "agree", agreed)
    monkeypatch.setattr(Apart, "folded", counted)
    return seen


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_history_is_the_same_to_the_byte(tmp_path: Path, seed: int, request: pytest.FixtureRequest) -> None:
    alone = Repo(grown(tmp_path / "alone", 12, seed).path).head
    seen = request.getfixturevalue("helped")
    assert Repo(grown(tmp_path / "helped", 12, seed).path).head == alone
    assert seen["folded"] > 3
    assert seen["unfit"]


def merged(repo: Repo) -> Any:
    with Clone.open(str(repo.path)) as clone:
        return clone.merge(NOW).frame


def test_what_waits_because_of_what_is_here_does_not_enter_there(repo: Repo, helped: Counter[str]) -> None:
    deliver(begun(repo), WORLD)
    deliver(repo, delta("w2", follows_added=[{"agent_id": "agent-kai", "follows": "agent-nobody"}]))
    deliver(repo, delta("w3", follows_added=[{"agent_id": "agent-kai", "follows": "agent-aria"}]))
    deliver(repo, delta("w4", posts_created=[POST, POST | {"number": 2, "author": "agent-nobody"}]))
    frame = merged(repo)
    assert {one.stream_id: one.counts for one in frame.receipts} == {
        "w1": {"applied": 3}, "w2": {"parked": 1}, "w3": {"applied": 1}, "w4": {"applied": 1, "parked": 1},
    }  # fmt: skip
    assert helped == {"folded": 2}


def test_a_conflict_is_found_there_and_told_here(repo: Repo, helped: Counter[str]) -> None:
    deliver(begun(repo), WORLD)
    for worker, bio in (("w2", "rebel"), ("w3", "saint")):
        profile, channel = {"agent_id": "agent-aria", "bio": bio}, {"slug": "ideas", "name": bio}
        deliver(repo, delta(worker, profile_updates=[profile], channels_updated=[channel]))
    frame = merged(repo)
    places = [("agents", "agent-aria", "bio"), ("channels", "ideas", "name")]
    assert [one[:3] for one in frame.conflicts] == places
    assert len(frame.conflicts[0].entry["candidates"]) == 3
    assert helped == {"folded": 1}


def test_an_entity_that_cannot_be_read_there_stops_the_merge_as_here(
    repo: Repo, request: pytest.FixtureRequest
) -> None:
    deliver(begun(repo), WORLD)
    merged(repo)
    path = "state/agents/agent-aria.json"
    late = delta("w2", frame=406, profile_updates=[{"agent_id": "agent-aria", "bio": "rebel"}])
    before = repo.commit(
        {
            path: b'{"agent_id": "agent-aria",\n<<<<<<< ours\n',
            f"{INBOX}/frame-406-w2.json": late,
        }
    )
    said = []
    for _ in range(2):
        with Clone.open(str(repo.path)) as clone, pytest.raises(UnreadableState) as stopped:
            merge_onto(clone, clone.unchecked())
        said.append(str(stopped.value))
        request.getfixturevalue("helped")
    assert said[0] == said[1]
    assert f"{path}:2" in said[0]
    assert repo.head == before
    assert litter(repo) == []


def merge_onto(clone: Clone, base: Any) -> None:
    transport = InboxTransport(clone.repository, Paths())
    run_frame(clone.repository, base, transport, clone.publisher(), NOW, ahead=clone.repository)


def litter(repo: Repo) -> list[str]:
    build = [ref for ref in repo.refs() if ref.startswith("refs/dreamcatcher/")]
    return build + [path.name for path in (repo.path / ".git").glob("**/tmp_*")]


@pytest.mark.parametrize("when", ["find", "fold_one"])
def test_a_helper_that_is_ended_from_outside_is_told_and_leaves_nothing(
    repo: Repo, when: str, helped: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(begun(repo), WORLD)
    here = os.getpid()
    place: Any = apart.Entities if when == "find" else apart
    original = getattr(place, when)

    def ended(*given: Any) -> Any:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*given)

    with monkeypatch.context() as patched:
        patched.setattr(place, when, ended)
        with pytest.raises(ProcessEnded):
            merged(repo)
    assert litter(repo) == []
    assert not any(path.startswith("state/frames/000/000405/") for path in repo.files())
    assert merged(repo).number == 405
    assert helped["folded"]


def test_nothing_is_begun_where_there_is_one_core_or_little_to_merge(
    repo: Repo, helped: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(begun(repo), WORLD)
    monkeypatch.setattr(processes, "cores", lambda: 1)
    merged(repo)
    monkeypatch.setattr(processes, "cores", lambda: 2)
    monkeypatch.setattr(repository, "_MUCH", 1 << 22)
    deliver(repo, delta("w2", frame=406, profile_updates=[{"agent_id": "agent-aria", "bio": "rebel"}]))
    merged(repo)
    assert not helped
