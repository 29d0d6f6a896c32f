"""Leases and epochs, as rows: what each frame brings; what became of the last one's deltas, and the lease after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from merge_bot.settings import Lease, Settings
from merge_bot.workers import Worker
from tests.world import TEXT, Ran, World, schema, written

Arrival = tuple[str, bytes]
SETTINGS = Settings(lease=Lease(silent_frames=3, silent_seconds=10_000))
CLAIM = {"op": "claim"}


def d(stream: str, seconds: float, *texts: str, epoch: int | None = None, frame: int = 5) -> Arrival:
    """A delta with an observation for each text, under this epoch."""
    meta: dict[str, Any] = {} if epoch is None else {"_meta": {"epoch": epoch}}
    return written(stream, seconds, frame, f"{seconds}", souls=[{"saw": text} for text in texts], **meta)


def asks(stream: str, seconds: float, *requests: dict[str, Any], epoch: int | None = None, **content: Any) -> Arrival:
    meta: dict[str, Any] = {} if epoch is None else {"_meta": {"epoch": epoch}}
    return written(stream, seconds, 5, f"{seconds}", _control=list(requests), **meta, **content)


def fallback(stream: str, seconds: float, epoch: int | None = None) -> Arrival:
    meta = {"status": "fallback"} | ({} if epoch is None else {"epoch": epoch})
    return written(stream, seconds, 5, f"{seconds}", _meta=meta)


def release(epoch: int) -> dict[str, Any]:
    return {"op": "release", "epoch": epoch}


def reclaim(epoch: int, worker: str = "w1") -> dict[str, Any]:
    return {"op": "reclaim", "worker": worker, "epoch": epoch}


CLAIMED = [asks("w1", 1, CLAIM)]
OTHERS = [d("w2", 1000 + second, f"other {second}") for second in range(9)]


@dataclass(frozen=True)
class Row:
    """`became` is each delta of the last frame by worker and second; `lease` w1's epoch and whether it is held."""

    name: str
    frames: list[list[Arrival]]
    became: dict[str, str]
    lease: tuple[int, str]
    souls: str = ""


ROWS = [
    # before the first claim
    Row("no epoch, and none is asked for", [[d("w1", 1, "a")]], {"w1.1": "applied"}, (0, ""), "a"),
    Row("an epoch that nobody asked for", [[d("w1", 1, "a", epoch=7)]], {"w1.1": "applied"}, (0, ""), "a"),
    # the first claim
    Row("the first lease has epoch 1", [CLAIMED], {"w1.1": "applied; claim applied claimed"}, (1, "held")),
    Row(
        "a claim takes effect after its frame: its own frame's deltas are judged as before",
        [[*CLAIMED, d("w1", 2, "a"), d("w1", 3, "b", epoch=1)]],
        {"w1.1": "applied; claim applied claimed", "w1.2": "applied", "w1.3": "applied"},
        (1, "held"),
        "ab",
    ),
    Row("the right epoch", [CLAIMED, [d("w1", 2, "a", epoch=1)]], {"w1.2": "applied"}, (1, "held"), "a"),
    Row("no epoch any more", [CLAIMED, [d("w1", 2, "a")]], {"w1.2": "fenced no_epoch claim_again"}, (1, "held")),
    Row(
        "an epoch that is not yet",
        [CLAIMED, [d("w1", 2, "a", epoch=2)]],
        {"w1.2": "fenced other_epoch claim_again"},
        (1, "held"),
    ),
    Row(
        "a fallback is fenced as well",
        [CLAIMED, [fallback("w1", 2), fallback("w1", 3, epoch=1)]],
        {"w1.2": "fenced no_epoch claim_again", "w1.3": "fallback nothing_to_say"},
        (1, "held"),
    ),
    Row("others need no epoch", [CLAIMED, [d("w2", 2, "a")]], {"w2.2": "applied"}, (1, "held"), "a"),
    Row(
        "a lease that is held is not given away",
        [CLAIMED, [asks("w1", 2, CLAIM)]],
        {"w1.2": "applied; claim refused lease_held"},
        (1, "held"),
    ),
    Row(
        "of two claims in a frame the first by rank is granted",
        [[asks("w1", 3, CLAIM), asks("w1", 2, CLAIM)]],
        {"w1.2": "applied; claim applied claimed", "w1.3": "applied; claim refused lease_held"},
        (1, "held"),
    ),
    Row(
        "work beside a claim is judged by its epoch",
        [CLAIMED, [asks("w1", 2, CLAIM, souls=[{"saw": "a"}])]],
        {"w1.2": "fenced no_epoch claim_again"},
        (1, "held"),
    ),
    # release
    Row(
        "a release moves the epoch",
        [CLAIMED, [asks("w1", 2, release(1))]],
        {"w1.2": "applied; release applied released"},
        (2, "ended"),
    ),
    Row(
        "a release takes effect after its frame",
        [CLAIMED, [asks("w1", 2, release(1)), d("w1", 3, "a", epoch=1)]],
        {"w1.2": "applied; release applied released", "w1.3": "applied"},
        (2, "ended"),
        "a",
    ),
    Row(
        "nobody holds the lease, so there is no epoch that is right",
        [CLAIMED, [asks("w1", 2, release(1))], [d("w1", n, "a", epoch=n) for n in (1, 2)]],
        {"w1.1": "fenced other_epoch claim_again", "w1.2": "fenced other_epoch claim_again"},
        (2, "ended"),
    ),
    Row(
        "claimed once more",
        [CLAIMED, [asks("w1", 2, release(1))], [asks("w1", 3, CLAIM)], [d("w1", 6 + n, "a", epoch=n) for n in (1, 2)]],
        {"w1.7": "fenced other_epoch claim_again", "w1.8": "applied"},
        (2, "held"),
        "a",
    ),
    Row(
        "a release that comes twice ends one lease",
        [CLAIMED, [asks("w1", 2, release(1), CLAIM)], [asks("w1", 3, release(1))]],
        {"w1.3": "applied; release fenced other_epoch"},
        (2, "held"),
    ),
    Row(
        "a release of nothing",
        [[asks("w1", 2, release(1))]],
        {"w1.2": "applied; release fenced other_epoch"},
        (0, ""),
    ),
    # reclaim
    Row(
        "not while it is heard of",
        [CLAIMED, OTHERS[:1], [asks("w2", 2, reclaim(1))]],
        {"w2.2": "applied; reclaim refused not_silent"},
        (1, "held"),
    ),
    Row(
        "after three frames of silence",
        [CLAIMED, OTHERS[:1], OTHERS[1:2], [asks("w2", 2, reclaim(1))]],
        {"w2.2": "applied; reclaim applied reclaimed"},
        (2, "ended"),
    ),
    Row(
        "a delta of its epoch is a sign of life, also in the reclaim's frame",
        [CLAIMED, OTHERS[:1], OTHERS[1:2], [asks("w2", 2, reclaim(1)), d("w1", 3, "a", epoch=1)]],
        {"w2.2": "applied; reclaim refused not_silent", "w1.3": "applied"},
        (1, "held"),
        "a",
    ),
    Row(
        "so is a fallback",
        [CLAIMED, OTHERS[:1], [fallback("w1", 3, epoch=1)], [asks("w2", 2, reclaim(1))]],
        {"w2.2": "applied; reclaim refused not_silent"},
        (1, "held"),
    ),
    Row(
        "one that is fenced is none",
        [CLAIMED, OTHERS[:1], [d("w1", 3, "a")], [asks("w2", 2, reclaim(1)), d("w1", 4, "a", epoch=0)]],
        {"w2.2": "applied; reclaim applied reclaimed", "w1.4": "fenced other_epoch claim_again"},
        (2, "ended"),
    ),
    Row(
        "nor is somebody who asks for the lease under the same name",
        [CLAIMED, OTHERS[:1], OTHERS[1:2], [asks("w1", 2, reclaim(1), CLAIM)]],
        {"w1.2": "applied; reclaim applied reclaimed; claim applied claimed"},
        (2, "held"),
    ),
    Row(
        "also if it names the epoch",
        [CLAIMED, OTHERS[:1], OTHERS[1:2], [asks("w1", 2, reclaim(1), epoch=1)]],
        {"w1.2": "applied; reclaim applied reclaimed"},
        (2, "ended"),
    ),
    Row(
        "of two that reclaim one epoch, one does",
        [CLAIMED, OTHERS[:1], OTHERS[1:2], [asks("w2", 2, reclaim(1)), asks("w3", 3, reclaim(1))]],
        {"w2.2": "applied; reclaim applied reclaimed", "w3.3": "applied; reclaim fenced other_epoch"},
        (2, "ended"),
    ),
    Row(
        "a stale reclaim ends nothing, however silent the lease is",
        [CLAIMED, [asks("w1", 2, release(1), CLAIM)], *([one] for one in OTHERS[:4]), [asks("w2", 2, reclaim(1))]],
        {"w2.2": "applied; reclaim fenced other_epoch"},
        (2, "held"),
    ),
    Row(
        "an operator need not wait",
        [CLAIMED, [asks("operator", 2, reclaim(1))]],
        {"operator.2": "applied; reclaim applied reclaimed"},
        (2, "ended"),
    ),
    Row(
        "nobody reclaims what was never claimed",
        [[asks("operator", 2, reclaim(1))]],
        {"operator.2": "applied; reclaim fenced other_epoch"},
        (0, ""),
    ),
    # the same bytes again
    Row(
        "what was fenced once is fenced when it comes again, also where its epoch came since",
        [CLAIMED, [d("w1", 2, "a", epoch=2)], [asks("w1", 3, release(1), CLAIM)], [d("w1", 2, "a", epoch=2)]],
        {"w1.2": "duplicate already_merged claim_again"},
        (2, "held"),
    ),
    Row(
        "nothing else changed",
        [CLAIMED, [d("w1", 2, "a")], [d("w1", 2, "a")]],
        {"w1.2": "duplicate already_merged claim_again"},
        (1, "held"),
    ),
    Row(
        "what was merged stays merged when the lease is over",
        [CLAIMED, [d("w1", 2, "a", epoch=1)], [asks("w1", 3, release(1))], [d("w1", 2, "a", epoch=1)]],
        {"w1.2": "duplicate already_merged none"},
        (2, "ended"),
        "a",
    ),
]


def became(ran: Ran) -> dict[str, str]:
    told = {}
    for one in ran.receipts:
        name = one.source.rpartition("/")[2].removesuffix(".json").split("-")[2]
        words = [one.outcome.value]
        words += [str(one.reason)] if one.reason else []
        words += [one.recover.value] if one.outcome in ("fenced", "duplicate") else []
        requests = "".join(f"; {asked.detail['op']} {asked.outcome} {asked.reason}" for asked in one.operations)
        told[name] = " ".join(words).replace("late late_frame", "applied") + requests
    return told


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_rows(row: Row) -> None:
    world = World.of({"souls": schema("observe", {"saw": TEXT}, ["saw"], layout="segments")})
    world.settings = SETTINGS
    for arrivals in row.frames:
        ran = world.run(*arrivals)
        world.now += timedelta(seconds=60)
    lease = world.value(world.paths.workers).get("w1", {})
    assert became(ran) == row.became
    assert (lease.get("epoch", 0), lease.get("lease", "")) == row.lease
    souls = [one["saw"] for one in world.values()["souls"] if not one["saw"].startswith("other")]
    assert "".join(sorted(souls)) == row.souls


def test_seconds_of_silence_count_as_well() -> None:
    world = World.of({"souls": schema("observe", {"saw": TEXT}, ["saw"], layout="segments")})
    world.settings = SETTINGS
    world.run(*CLAIMED)
    world.now += timedelta(seconds=9_999)
    assert became(world.run(asks("w2", 2, reclaim(1))))["w2.2"] == "applied; reclaim refused not_silent"
    world.now += timedelta(seconds=1)
    assert became(world.run(asks("w2", 3, reclaim(1))))["w2.3"] == "applied; reclaim applied reclaimed"


def test_workers_json_tells_of_the_lease() -> None:
    world = World.of({"souls": schema("observe", {"saw": TEXT}, ["saw"], layout="segments")})
    ran = world.run(*CLAIMED)
    line = world.value(world.paths.workers)["w1"]
    assert {name: line[name] for name in ("epoch", "lease", "holder", "seen", "seen_at")} == {
        "epoch": 1,
        "lease": "held",
        "holder": ran.receipts[0].digest,
        "seen": 5,
        "seen_at": "2026-03-25T04:00:00.000000Z",
    }
    assert Worker(**line).is_sound
