"""The demos: real processes, and exit code 1 as soon as one of their claims does not come true."""

from __future__ import annotations

from pathlib import Path

import pytest

from merge_bot import gate
from merge_bot.cli import demo_lost_update, demo_zombie
from merge_bot.strategies import conditions
from tests.command import Said, masked, run

LOST_UPDATE = """
10 seats are left. Two shops, each a machine with a clone of its own, sell 3 and 2.
  5 have to be left.  (<repo>)

The plain way: read the file, compute, commit, push; whoever is not first fetches, and pushes again
  shop-1     reads: 10 left
  shop-2     reads: 10 left
  shop-1     sells 3, writes: 7 left
  shop-2     sells 2, writes: 8 left; was not first, so fetches, puts its file on top, pushes again

Dream Catcher: each write says what it was computed from (Worker.update)
  shop-1     reads: 10 left
  shop-2     reads: 10 left
  shop-1     sells 3, writes: 7 left, if there are 10 still
  shop-2     sells 2, writes: 8 left, if there are 10 still
  merge      frame 1: shop-1: applied
  merge      frame 1: shop-2: its write is refused (not_as_expected, so refetch_and_recompute)
  shop-1     knows that its sale counts
  shop-2     reads: 7 left
  shop-2     sells 2, writes: 5 left, if there are 7 still
  merge      frame 2: shop-2: applied
  shop-2     knows that its sale counts

What is left
  the plain way    8: wrong: 5 were sold, and 2 are gone
  Dream Catcher    5: right

The plain way lost a sale; ours did not.

Look around: cd <repo>
"""
ZOMBIE = """
Version 41 is live. machine-1 decides for 42, and freezes. machine-2 takes over, and makes it 43.
  Then machine-1 wakes up, and goes on where it was.  (<repo>)

The plain way: a lock in a file, looked at before the work
  machine-1  takes the lock (before: None)
  machine-1  holds the lock, sees 41 live, decides for 42
  ...        machine-1 freezes (SIGSTOP); nothing is heard of it any more
  machine-2  takes the lock (before: machine-1)
  machine-2  holds the lock, sees 41 live, decides for 43
  machine-2  writes: 43 is live
  ...        machine-1 wakes up (SIGCONT), and knows nothing of all this
  machine-1  writes: 42 is live; was not first, so fetches, puts its file on top, pushes again

Dream Catcher: a lease with an epoch, which each write carries (Worker.claim, Worker.reclaim)
  machine-1  asks for the lease
  merge      frame 1: deployer: applied (claimed)
  machine-1  holds the lease, sees 41 live, decides for 42
  ...        machine-1 freezes (SIGSTOP); nothing is heard of it any more
  machine-2  ends the silent lease, and asks for one of its own
  merge      frame 2: deployer: applied (reclaimed, claimed)
  machine-2  holds the lease, sees 41 live, decides for 43
  machine-2  sends: 43 is live
  merge      frame 3: deployer: applied
  machine-2  is told: applied
  ...        machine-1 wakes up (SIGCONT), and knows nothing of all this
  machine-1  sends: 42 is live
  merge      frame 4: deployer: fenced (other_epoch, so claim_again)
  machine-1  is told: fenced, claim_again

What is live
  the plain way    42: wrong: 43 was overwritten by what machine-1 had decided before
  Dream Catcher    43: right

The plain way let the zombie in; ours did not.

Look around: cd <repo>
"""


def demo(story: str, tmp_path: Path) -> Said:
    return run("demo", story, "--keep", tmp_path / "stage")


@pytest.mark.parametrize(("story", "text"), [("lost-update", LOST_UPDATE), ("zombie", ZOMBIE)])
def test_the_plain_way_loses_and_ours_does_not(story: str, text: str, tmp_path: Path) -> None:
    said = demo(story, tmp_path)
    assert (said.code, said.err) == (0, "")
    assert masked(said.out, tmp_path / "stage") == text


def test_without_conditions_the_update_is_lost_and_the_demo_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "_faults", lambda *_: {})
    said = demo("lost-update", tmp_path)
    assert (said.code, "  Dream Catcher    8: wrong: 5 were sold, and 2 are gone\n" in said.out) == (1, True)
    assert "\nThat is NOT as it should have come out.\n" in said.out


def test_without_the_fence_the_zombie_writes_and_the_demo_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "fenced", lambda *_: None)
    said = demo("zombie", tmp_path)
    assert (said.code, "  Dream Catcher    42: wrong: 43 was overwritten" in said.out) == (1, True)
    assert "\nThat is NOT as it should have come out.\n" in said.out


@pytest.mark.parametrize(
    ("story", "module", "right"), [("lost-update", demo_lost_update, 5), ("zombie", demo_zombie, 43)]
)
def test_a_plain_way_that_lost_nothing_shows_nothing(
    story: str, module: object, right: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for way in ("_plain", "_ours"):
        monkeypatch.setattr(module, way, lambda root: right)
    said = demo(story, tmp_path)
    assert (said.code, "That is NOT as it should have come out." in said.out) == (1, True)


def test_a_machine_that_ends_too_early_ends_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_lost_update, "SEATS", "elsewhere.json")
    said = demo("lost-update", tmp_path)
    assert said.code == 1
    assert said.err == (
        "The process that plays shop-1 has ended in the middle of its part. "
        "What it said of that stands above; with --keep FOLDER the repositories stay, to be looked at.\n"
    )


def test_the_protocols_own_example(tmp_path: Path) -> None:
    said = run("demo", "--keep", tmp_path / "stage")
    assert (said.code, "\nEvery number is right: nothing lost, nothing counted twice.\n" in said.out) == (0, True)
    again = run("demo", "--keep", tmp_path / "stage")
    assert (again.code, "is not empty; the demo wants a folder of its own." in again.err) == (1, True)
