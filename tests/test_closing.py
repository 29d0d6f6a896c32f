"""When a frame closes: rows of who was active, what has arrived, and how long is still to be waited."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from merge_bot.cli.waiting import PAUSE, wait_for_workers
from merge_bot.closing import Waiting, waiting
from merge_bot.delta import Candidate
from merge_bot.manifest import Manifest
from merge_bot.settings import Settings
from merge_bot.workers import Worker, Workers
from tests.command import INBOX, begun, deliver, delta, run
from tests.repo import Repo

OPENED = 1000


def arrived(name: str, when: int | None = 1010, worker: str | None = None) -> Candidate:
    return Candidate(f"in/{name}", "b", "100644", 1, b"", "d", worker=worker, arrived=when)


def known(**frames: int) -> Workers:
    return Workers({name: Worker(applied=1, frame=frame, utc="x") for name, frame in frames.items()})


ROWS: list[tuple[str, list[Candidate], Workers, Waiting]] = [
    ("nothing is there", [], known(w1=404), Waiting(None, ("w1",))),
    ("nobody is known", [arrived("frame-405-w1.json")], known(), Waiting(1010, ())),
    ("one of two", [arrived("frame-405-w1.json")], known(w1=404, w2=404), Waiting(1010, ("w2",))),
    ("both", [arrived("frame-405-w1.json"), arrived("frame-405-w2.json")], known(w1=404, w2=404), Waiting(1010, ())),
    ("three frames ago is active, four is not", [arrived("x.json")], known(w1=402, w2=401), Waiting(1010, ("w1",))),
    ("only fallbacks are no activity", [arrived("x.json")], Workers({"w1": Worker(fallbacks=1)}), Waiting(1010, ())),
    ("a late delta is not this frame's", [arrived("frame-404-w1.json")], known(w1=404), Waiting(1010, ("w1",))),
    ("a later frame's is held", [arrived("frame-406-w1.json")], known(w1=404), Waiting(None, ("w1",))),
    ("of a run", [arrived("frame-405-w1.run-7.json")], known(w1=404), Waiting(1010, ())),
    ("a branch is its worker's", [arrived("frame-405-w2.json", worker="w1")], known(w2=404), Waiting(1010, ("w2",))),
    ("the first counts", [arrived("a.json", 1020), arrived("b.json", 1015)], known(), Waiting(1015, ())),
    ("unknown arrival: since the frame opened", [arrived("a.json", None)], known(), Waiting(OPENED, ())),
    ("put back when the frame opened", [arrived("a.json", 7)], known(), Waiting(OPENED, ())),
]


@pytest.mark.parametrize(("candidates", "workers", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_waits(candidates: list[Candidate], workers: Workers, expected: Waiting) -> None:
    assert waiting(candidates, workers, 405, OPENED) == expected


@pytest.mark.parametrize(
    ("found", "grace", "began", "now", "left"),
    [
        (Waiting(1010, ("w2",)), 30, 1012, 1012, 28),
        (Waiting(1010, ("w2",)), 30, 1012, 1040, 0),
        (Waiting(1010, ("w2",)), 30, 9000, 9000, 0),
        (Waiting(1010, ("w2",)), 0, 1012, 1012, 0),
        (Waiting(1010, ()), 30, 1012, 1012, 0),
        (Waiting(None, ("w2",)), 30, 1012, 1012, 0),
        (Waiting(5000, ("w2",)), 30, 1012, 1012, 30),  # a clock that is ahead
        (Waiting(5000, ("w2",)), 30, 1012, 1042, 0),
    ],
)
def test_how_long_is_still_to_be_waited(found: Waiting, grace: int, began: int, now: int, left: int) -> None:
    assert found.seconds_left(grace, began, now) == left


@pytest.mark.parametrize(
    ("found", "now", "age"),
    [(Waiting(None, ()), 50.0, 0), (Waiting(10, ()), 50.9, 40), (Waiting(90, ()), 50.0, 0)],
)
def test_how_old_the_oldest_is(found: Waiting, now: float, age: int) -> None:
    assert found.oldest_seconds(now) == age


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def looks(*arrivals: list[Candidate], grace: int = 30) -> Any:
    """What each look finds, the last one again and again: w1 and w2 are active, frame 405 is open."""
    manifest = Manifest(404, "merge", "1970-01-01T00:16:40Z", None, "0" * 40, {})
    workers = known(w1=404, w2=404).as_bytes()
    base = SimpleNamespace(
        manifest=manifest, meta=SimpleNamespace(frame=405), settings=Settings(grace_seconds=grace),
        files=SimpleNamespace(read=lambda _: workers), paths=SimpleNamespace(workers="state/workers.json"),
    )  # fmt: skip
    left = list(arrivals)
    return lambda: SimpleNamespace(base=base, candidates=left.pop(0) if len(left) > 1 else left[0])


ONE, BOTH = [arrived("frame-405-w1.json")], [arrived("frame-405-w1.json"), arrived("frame-405-w2.json", 1019)]


@pytest.mark.parametrize(
    ("look", "grace", "slept"),
    [
        (looks([]), None, []),
        (looks(BOTH), None, []),
        (looks(ONE, ONE, BOTH), None, [PAUSE, PAUSE]),
        (looks(ONE), None, [5, 5, 5, 5, 5, 3]),
        (looks(ONE, grace=12), None, [5, 5]),
        (looks(ONE), 6, [4]),
        (looks(ONE), 0, []),
    ],
    ids=["nothing", "all", "one comes", "one never comes", "settings", "input", "at once"],
)
def test_a_run_looks_again_until_the_frame_closes(
    look: Any, grace: int | None, slept: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(1012)
    wait_for_workers(look, grace, clock=lambda: clock.now, sleep=clock.sleep)
    assert clock.slept == slept
    said = capsys.readouterr().err
    assert said.count("\n") == bool(slept)
    assert not slept or said.endswith("more: `w2` may still deliver.\n")


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize(
    ("options", "waits"),
    [([], []), (["--grace", 7], [(7, 1)]), (["--grace", 7, "--dry-run"], []), (["--grace", 0], [])],
)
def test_a_merge_by_hand_waits_only_when_it_is_told_to(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, where: str, options: list[object], waits: list[tuple[int, int]]
) -> None:
    """What it would look at while it waits is what is pending, uncommitted deltas of a work tree too."""
    deliver(begun(repo), delta("w1", stats_increments={"total_posts": 1}))
    if where == "there":
        repo.git("add", "--force", INBOX)
        repo.commit()
        repo.git("config", "receive.denyCurrentBranch", "ignore")
    seen = []
    monkeypatch.setattr(
        "merge_bot.cli.merge.wait_for_workers", lambda look, grace: seen.append((grace, len(look().candidates)))
    )
    place = ["--repo", repo.path] if where == "here" else ["--remote", repo.path, "--repo", repo.path.parent]
    done = run("merge", *options, *place)
    assert (done.code, "merged: 1 delta" in done.out, seen) == (0, True, waits), done.err
