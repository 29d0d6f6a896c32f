"""What looking at one frame costs, counted: it grows with the frame, and not with the state that the frame is part of.

One thing may grow with the state: the hashes of the keys that append collections already have, 8 bytes a record, which
a merge reads to tell what is new. A frame merged once more reads them too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from merge_bot.clone import Clone
from merge_bot.commit_files import CommitFiles
from merge_bot.git.objects import Objects
from merge_bot.history import History
from merge_bot.verify_frame import Examiner
from tests.past import FIRST, NOON, begin, made, put
from tests.repo import Repo
from tests.world import INTEGER, TEXT, schema

AGENTS = 20
SMALL, LARGE = 300, 3000
SCHEMAS = {
    "agents": schema("last-writer-wins", {"id": TEXT, "bio": TEXT}, ["id"], key=["id"], layout="entities"),
    "posts": schema(
        "append", {"n": INTEGER, "by": TEXT, "text": TEXT}, ["n", "by"], key=["n"], layout="segments",
        references={"by": "agents"},
    ),
    "seen": schema("observe", {"saw": TEXT}, layout="segments"),
    "stats": schema("sum", {"a": INTEGER}, layout="file"),
}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What was read of git's objects."""

    objects: int
    bytes: int


def world(path: Path, state: int, frame: int) -> Repo:
    """A repository with `state` posts and observations in five frames, and a sixth of `frame` of each."""
    repo = begin(Repo.init(path), SCHEMAS, {})
    numbers = iter(range(10**9, 10**9 + state + frame))
    for number in range(FIRST, FIRST + 6):
        count = frame if number == FIRST + 5 else state // 5
        posts = [{"n": next(numbers), "by": f"agent-{one % AGENTS:02d}", "text": "x" * 60} for one in range(count)]
        agents = [{"id": f"agent-{one:02d}", "bio": f"in {number}"} for one in range(AGENTS)]
        seen = [{"saw": f"{one:04d}"} for one in range(count)]
        put(
            repo, f"frame-{number}-w1.json",
            made("w1", number, 1, agents=agents, posts=posts, seen=seen, stats={"a": 1}),
        )  # fmt: skip
        with Clone.open(str(repo.path)) as clone:
            done = clone.merge(NOON + timedelta(minutes=number))
        assert done.frame is not None and done.frame.merged_deltas == 1
    return repo


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Repo]:
    place = tmp_path_factory.mktemp("costs")
    return {
        "small": world(place / "small", SMALL, 30),
        "large": world(place / "large", LARGE, 30),
        "large frame": world(place / "large-frame", SMALL, 300),
    }


def examine(history: History) -> None:
    newest = history.newest
    files = CommitFiles(history.repository, history.tip)
    landing = history.landing(newest).commit
    assert Examiner(history.repository, files, history.paths).examine(
        history.manifest(newest), landing, history.manifest(newest - 1)
    ) == []  # fmt: skip


def replay(history: History) -> None:
    assert history.replay(history.newest).same


def diff(history: History) -> None:
    assert history.diff(history.newest - 1, history.newest).changes


def cost(repo: Repo, work: Callable[[History], None], patch: pytest.MonkeyPatch) -> Cost:
    read: list[int] = []
    ask = Objects._ask

    def counted(self: Objects, verb: str, names: Sequence[str], take: Any) -> list[Any]:
        answers = ask(self, verb, names, take)
        read.extend(one[0].size for one in answers if one is not None and verb == "contents")
        return answers

    with patch.context() as patched, History(repo.path) as history:
        patched.setattr(Objects, "_ask", counted)
        work(history)
    return Cost(len(read), sum(read))


@pytest.mark.parametrize(("work", "keys"), [(examine, 0), (diff, 0), (replay, 8)])
def test_a_frame_costs_the_same_on_a_state_ten_times_as_large(
    worlds: dict[str, Repo], work: Callable[[History], None], keys: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (cost(worlds[name], work, monkeypatch) for name in ("small", "large"))
    assert large.objects == small.objects
    digits = 100  # counts and numbers of more digits, in manifests and the clock
    assert abs(large.bytes - small.bytes - keys * (LARGE - SMALL)) <= digits


@pytest.mark.parametrize("work", [examine, diff, replay])
def test_a_frame_ten_times_as_large_costs_at_most_ten_times_as_much(
    worlds: dict[str, Repo], work: Callable[[History], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (cost(worlds[name], work, monkeypatch) for name in ("small", "large frame"))
    assert large.objects == small.objects
    assert small.bytes < large.bytes < 10 * small.bytes


def test_deltas_of_a_frame_are_read_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One question to git and one answer, however many deltas: each trip costs more than most deltas do."""
    trips: dict[int, int] = {}
    for count in (3, 30):
        repo = begin(Repo.init(tmp_path / str(count)), SCHEMAS, {})
        for one in range(count):
            put(repo, f"frame-{FIRST}-w{one}.json", made(f"w{one}", FIRST, 1, seen=[{"saw": "x"}]))
        with Clone.open(str(repo.path)) as clone:
            clone.merge(NOON + timedelta(minutes=FIRST))
        with History(repo.path) as history, monkeypatch.context() as patched:
            talk = Objects._talk
            asked: list[str] = []

            def noted(self: Objects, verb: str, *rest: Any, talk: Any = talk, asked: list[str] = asked) -> Any:
                asked.append(verb)
                return talk(self, verb, *rest)

            patched.setattr(Objects, "_talk", noted)
            assert history.replay(FIRST).same
            trips[count] = len(asked)
    assert trips[30] <= trips[3]  # and none where they lie in packs
