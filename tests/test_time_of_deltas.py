"""Early, late, never: what becomes of a delta by the time at which it comes, through the whole program."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from merge_bot.delta import format_utc
from merge_bot.history import History
from tests.command import INBOX, begun, deliver, delta, run
from tests.repo import Repo

FALLBACK = {"status": "fallback", "error": "RuntimeError"}
ONE_POST = {"stats_increments": {"total_posts": 1}}


@pytest.fixture
def world(repo: Repo) -> Repo:
    return begun(repo)


def merged(repo: Repo) -> dict[str, Any]:
    """What one merge did; verify and replay agree with it."""
    done = run("merge", "--repo", repo.path, "--json")
    assert done.code == 0, done.err
    value: dict[str, Any] = done.json
    assert run("verify", "--repo", repo.path).code == 0
    with History(repo.path) as history:
        assert history.replay(history.newest).differs == []
    return value


def fates(value: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """Each delta's outcome and reason by its file's name."""
    return {one["source"].rpartition("/")[2]: (one["outcome"], one.get("reason")) for one in value["receipts"]}


def posts(repo: Repo) -> int:
    total: int = json.loads((repo.path / "state/stats.json").read_text())["total_posts"]
    return total


@pytest.mark.parametrize("run_name", [None, "run-1"])
@pytest.mark.parametrize("frames_later", [0, 1, 4])
def test_the_real_delta_counts_after_its_fallback_however_late(
    world: Repo, frames_later: int, run_name: str | None
) -> None:
    """A frame is merged from fallbacks; the real delta lands long afterwards, and enters."""
    meta = {"run": run_name} if run_name else {}
    name = f"frame-405-w1{f'.{run_name}' if run_name else ''}.json"
    world.write(f"{INBOX}/{name}", delta("w1", _meta={**FALLBACK, **meta}))
    world.git("add", INBOX)
    world.commit()
    if frames_later:
        assert fates(merged(world)) == {name: ("fallback", "nothing_to_say")}
        for frame in range(406, 405 + frames_later):
            deliver(world, delta("w2", frame, **ONE_POST))
            merged(world)
    before = posts(world) if frames_later > 1 else 0
    world.write(
        f"{INBOX}/{name}", delta("w1", utc="2026-03-25T04:06:00Z", **ONE_POST, **({"_meta": meta} if meta else {}))
    )
    found = merged(world)
    outcomes = {(one["outcome"], one.get("reason")) for one in found["receipts"]}
    real = ("late", "late_frame") if frames_later else ("applied", None)
    assert outcomes == ({real} if frames_later else {real, ("fallback", "nothing_to_say")})
    assert posts(world) == before + 1
    world.write(f"{INBOX}/frame-405-w1.copy.json", delta("w1", _meta={**FALLBACK, **meta}, utc="2026-03-25T05:00:00Z"))
    merged(world)
    assert posts(world) == before + 1, "a fallback that comes after the real delta takes nothing back"


def test_a_delta_of_a_frame_that_is_not_open_yet_waits_and_then_enters_on_time(world: Repo) -> None:
    deliver(world, delta("w1", **ONE_POST), delta("w2", 407, **ONE_POST))
    first = merged(world)
    assert [one["frame"] for one in first["held"]] == [407]
    assert posts(world) == 1
    deliver(world, delta("w1", 406, **ONE_POST))
    assert [one["frame"] for one in merged(world)["held"]] == [407]
    assert fates(merged(world)) == {"frame-407-w2.json": ("applied", None)}
    assert posts(world) == 3


@pytest.mark.parametrize(("seconds", "fate"), [(200, ("applied", None)), (4000, ("quarantined", "clock_ahead"))])
def test_a_clock_may_be_ahead_as_far_as_the_settings_say(
    world: Repo, seconds: int, fate: tuple[str, str | None]
) -> None:
    utc = format_utc(datetime.now(UTC) + timedelta(seconds=seconds))
    deliver(world, delta("w1", utc=utc, **ONE_POST))
    assert fates(merged(world)) == {"frame-405-w1.json": fate}


def test_a_clock_that_is_behind_harms_nobody(world: Repo) -> None:
    deliver(world, delta("w1", utc="1999-12-31T23:59:59Z", **ONE_POST))
    assert fates(merged(world)) == {"frame-405-w1.json": ("applied", None)}


def test_a_worker_that_crashed_without_a_fallback_is_missing(world: Repo) -> None:
    """One that says that it has nothing is not; nor is one that has not been heard of for long."""
    deliver(world, *(delta(name, **ONE_POST) for name in ("w1", "w2", "w3")))
    assert merged(world)["missing"] == []
    deliver(world, delta("w1", 406, **ONE_POST), delta("w2", 406, _meta=FALLBACK))
    done = merged(world)
    assert done["missing"] == ["w3"]
    deliver(world, delta("w1", 407, **ONE_POST))
    text = run("merge", "--repo", world.path).out
    assert "Missing: of these workers nothing came, not even a fallback\n  w2\n  w3\n" in text
    for frame in (408, 409):
        deliver(world, delta("w1", frame, **ONE_POST))
        last = merged(world)
    assert last["missing"] == []
