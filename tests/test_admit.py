"""Which deltas enter a frame, as rows: what was merged before, what arrives; what became of each."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from merge_bot.findings import Reason
from tests.world import MORNING, TEXT, Ran, World, schema, utc, written

Arrival = tuple[str, bytes]


def d(stream: str, seconds: float, *texts: str, frame: int = 5, run: str | None = None, name: str = "") -> Arrival:
    """A delta with an observation for each text; `name` is what its file is called instead of the right name."""
    right, data = written(stream, seconds, frame, run, souls=[{"saw": text} for text in texts])
    return name or right, data


def fallback(stream: str, seconds: float, frame: int = 5) -> Arrival:
    return written(stream, seconds, frame, _meta={"status": "fallback"})


def raw(name: str, data: bytes) -> Arrival:
    return name, data


@dataclass(frozen=True)
class Row:
    """`frames` are merged one after the other; `became` says what became of each arrival of the last one, by its file
    name: outcome, reason. `souls` is what the state then holds."""

    name: str
    frames: list[list[Arrival]]
    became: dict[str, str]
    souls: list[str]
    held: list[str] = field(default_factory=list)


def fresh() -> World:
    return World.of({"souls": schema("observe", {"saw": TEXT}, ["saw"], layout="segments")})


def became(ran: Ran) -> dict[str, str]:
    return {one.source.rpartition("/")[2]: ", ".join(filter(None, (one.outcome, one.reason))) for one in ran.receipts}


def souls(world: World) -> list[str]:
    return sorted(one["saw"] for one in world.values()["souls"])


A, B = d("w1", 1, "a"), d("w2", 2, "b")
ROWS = [
    Row("two workers", [[A, B]], {"frame-5-w1.json": "applied", "frame-5-w2.json": "applied"}, ["a", "b"]),
    Row("nothing", [[]], {}, []),
    # the same bytes
    Row(
        "a copy under an odd name is a duplicate of the one with the right name",
        [[("frame-5-w1 2.json", A[1]), A, ("A.json", A[1])]],
        {"frame-5-w1.json": "applied", "frame-5-w1 2.json": "duplicate, same_bytes", "A.json": "duplicate, same_bytes"},
        ["a"],
    ),
    Row(
        "a copy under another worker's name as well",
        [[("frame-5-w0.json", A[1]), A]],
        {"frame-5-w1.json": "applied", "frame-5-w0.json": "duplicate, same_bytes"},
        ["a"],
    ),
    Row(
        "a copy under a second name that fits",
        [[A, ("frame-5-w1.copy.json", A[1])]],
        {"frame-5-w1.copy.json": "applied", "frame-5-w1.json": "duplicate, same_bytes"},
        ["a"],
    ),
    Row("one file that is listed twice is one arrival", [[A, A]], {"frame-5-w1.json": "applied"}, ["a"]),
    Row(
        "what was merged before is a duplicate, under any name",
        [[A], [A, ("odd", A[1])]],
        {"frame-5-w1.json": "duplicate, already_merged", "odd": "duplicate, same_bytes"},
        ["a"],
    ),
    Row(
        "unreadable bytes twice are one quarantine",
        [[raw("frame-5-w1.json", b"{"), raw("frame-5-w2.json", b"{")]],
        {"frame-5-w1.json": "quarantined, truncated", "frame-5-w2.json": "duplicate, same_bytes"},
        [],
    ),
    # names
    Row(
        "a name that says another worker",
        [[("frame-5-w9.json", A[1])]],
        {"frame-5-w9.json": "quarantined, name_disagrees"},
        [],
    ),
    Row(
        "a name that says another frame",
        [[("frame-4-w1.json", A[1])]],
        {"frame-4-w1.json": "quarantined, name_disagrees"},
        [],
    ),
    Row("a name that says nothing", [[("w1.json", A[1])]], {"w1.json": "quarantined, not_a_delta_file"}, []),
    Row(
        "the same bytes under their right name afterwards are welcome",
        [[("w1.json", A[1])], [A]],
        {"frame-5-w1.json": "late, late_frame"},
        ["a"],
    ),
    Row(
        "and counted once from then on",
        [[("w1.json", A[1])], [A], [A]],
        {"frame-5-w1.json": "duplicate, already_merged"},
        ["a"],
    ),
    Row(
        "refused bytes that are refused again need no second quarantine",
        [[("w1.json", A[1])], [("w2.json", A[1])]],
        {"w2.json": "duplicate, already_merged"},
        [],
    ),
    # fallbacks and empty ones
    Row("a fallback", [[fallback("w1", 1)]], {"frame-5-w1.json": "fallback, nothing_to_say"}, []),
    Row(
        "a fallback fills no slot: the real delta of the same frame enters",
        [[fallback("w1", 1)], [d("w1", 2, "a")]],
        {"frame-5-w1.json": "late, late_frame"},
        ["a"],
    ),
    Row(
        "a fallback takes no slot away from a real delta beside it",
        [[("frame-5-w1.x.json", fallback("w1", 9)[1]), d("w1", 2, "a")]],
        {"frame-5-w1.json": "applied", "frame-5-w1.x.json": "fallback, nothing_to_say"},
        ["a"],
    ),
    Row("an empty delta alone is applied", [[d("w1", 1)]], {"frame-5-w1.json": "applied"}, []),
    Row(
        "an empty delta fills no slot",
        [[d("w1", 1)], [d("w1", 2, "a")]],
        {"frame-5-w1.json": "late, late_frame"},
        ["a"],
    ),
    Row(
        "a newer empty version does not replace one with content",
        [[d("w1", 1, "a"), d("w1", 2, name="frame-5-w1.x.json")]],
        {"frame-5-w1.json": "applied", "frame-5-w1.x.json": "superseded, newer_version"},
        ["a"],
    ),
    # several versions of a slot
    Row(
        "without a run the newest counts and the others are loud",
        [[d("w1", 1, "a"), d("w1", 3, "c", name="frame-5-w1.c.json"), d("w1", 2, "b", name="frame-5-w1.b.json")]],
        {
            "frame-5-w1.json": "quarantined, slot_reused",
            "frame-5-w1.b.json": "quarantined, slot_reused",
            "frame-5-w1.c.json": "applied",
        },
        ["c"],
    ),
    Row(
        "of one run the newest counts and supersedes the others",
        [[d("w1", 2, "b", run="r"), d("w1", 1, "a", run="r", name="frame-5-w1.old.json")]],
        {"frame-5-w1.r.json": "applied", "frame-5-w1.old.json": "superseded, newer_version"},
        ["b"],
    ),
    Row(
        "two runs are two slots",
        [[d("w1", 1, "a", run="r"), d("w1", 2, "b", run="s")]],
        {"frame-5-w1.r.json": "applied", "frame-5-w1.s.json": "applied"},
        ["a", "b"],
    ),
    Row(
        "a slot that was merged is full",
        [[A], [d("w1", 2, "other")]],
        {"frame-5-w1.json": "quarantined, slot_already_merged"},
        ["a"],
    ),
    Row(
        "a full slot takes no version, with a run or without",
        [
            [d("w1", 1, "a", run="r"), d("w2", 1, "b")],
            [
                d("w1", 2, "x", run="r"),
                d("w1", 3, "y", run="r", name="frame-5-w1.y.json"),
                d("w2", 2, "x"),
                d("w2", 3, "y", name="frame-5-w2.y.json"),
                d("w2", 4, name="frame-5-w2.empty.json"),
            ],
        ],
        {
            "frame-5-w1.r.json": "quarantined, slot_already_merged",
            "frame-5-w1.y.json": "quarantined, slot_already_merged",
            "frame-5-w2.json": "quarantined, slot_already_merged",
            "frame-5-w2.y.json": "quarantined, slot_already_merged",
            "frame-5-w2.empty.json": "superseded, newer_version",
        },
        ["a", "b"],
    ),
    Row(
        "an empty version of a full slot harms nobody",
        [[A], [d("w1", 2)]],
        {"frame-5-w1.json": "late, late_frame"},
        ["a"],
    ),
    Row(
        "another run of a frame that was merged is another slot",
        [[d("w1", 1, "a", run="r"), d("w2", 1, "b")], [d("w1", 2, "c", run="s"), d("w2", 2, "d", run="r")]],
        {"frame-5-w1.s.json": "late, late_frame", "frame-5-w2.r.json": "late, late_frame"},
        ["a", "b", "c", "d"],
    ),
    Row(
        "the next frame is another slot",
        [[A], [d("w1", 2, "b", frame=6)]],
        {"frame-6-w1.json": "applied"},
        ["a", "b"],
    ),
    # frames and clocks
    Row("an older frame is late", [[], [A]], {"frame-5-w1.json": "late, late_frame"}, ["a"]),
    Row("frame 0 is late as well", [[d("w1", 1, "a", frame=0)]], {"frame-0-w1.json": "late, late_frame"}, ["a"]),
    Row("a future frame waits outside", [[d("w1", 1, "a", frame=6)]], {}, [], held=["frame-6-w1.json"]),
    Row(
        "a future frame enters when it is open",
        [[d("w1", 1, "a", frame=6)], [d("w1", 1, "a", frame=6)]],
        {"frame-6-w1.json": "applied"},
        ["a"],
    ),
    Row(
        "a copy of one that waits leaves",
        [[d("w1", 1, "a", frame=20_260_416), ("odd", d("w1", 1, "a", frame=20_260_416)[1])]],
        {"odd": "duplicate, same_bytes"},
        [],
        held=["frame-20260416-w1.json"],
    ),
    Row("a clock within the tolerance", [[d("w1", 3900, "a")]], {"frame-5-w1.json": "applied"}, ["a"]),
    Row(
        "a clock beyond it",
        [[d("w1", 3900.000001, "a")]],
        {"frame-5-w1.json": "quarantined, clock_ahead"},
        [],
    ),
    # spelling
    Row(
        "an id in another case than a known worker's",
        [[A], [d("W1", 2, "b", frame=6)]],
        {"frame-6-W1.json": "quarantined, stream_id_differs_in_case"},
        ["a"],
    ),
    Row(
        "of two new ids that differ in case the first by rank is right",
        [[d("Wb", 2, "b"), d("wB", 1, "a")]],
        {"frame-5-Wb.json": "quarantined, stream_id_differs_in_case", "frame-5-wB.json": "applied"},
        ["a"],
    ),
    Row(
        "a refused spelling is refused in every frame",
        [[A], [d("W1", 2, "b", frame=6)], [d("W1", 3, "c", frame=7)]],
        {"frame-7-W1.json": "quarantined, stream_id_differs_in_case"},
        ["a"],
    ),
    Row(
        "a refused delta teaches no spelling",
        [[d("W1", 9999, "x")], [d("w1", 2, "b", frame=6)]],
        {"frame-6-w1.json": "applied"},
        ["b"],
    ),
    Row(
        "a worker known by fallbacks alone is known",
        [[fallback("w1", 1)], [d("W1", 2, "b", frame=6)]],
        {"frame-6-W1.json": "quarantined, stream_id_differs_in_case"},
        [],
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_admission(row: Row) -> None:
    world = fresh()
    for arrivals in row.frames:
        ran = world.run(*arrivals)
    assert became(ran) == row.became
    assert souls(world) == row.souls
    assert [one.candidate.path.rpartition("/")[2] for one in ran.admission.held] == row.held


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_admission_does_not_depend_on_the_order_of_arrival(row: Row) -> None:
    changes = []
    for reverse in (False, True):
        world = fresh()
        for arrivals in row.frames:
            ran = world.run(*(arrivals[::-1] if reverse else arrivals))
        changes.append(ran.changes)
    assert changes[0] == changes[1]


def test_the_newest_of_versions_at_one_instant_is_the_one_with_the_greatest_digest() -> None:
    world = fresh()
    ran = world.run(*(d("w1", 1, text, run="r", name=f"frame-5-w1.{text}.json") for text in "abc"))
    (chosen,) = ran.admission.admitted
    assert chosen.digest == max(one.digest for one in ran.receipts)


def ledger(world: World, frame: int) -> list[dict[str, object]]:
    data = world.files.read(world.paths.ledger(frame)) or b""
    return [json.loads(line) for line in data.splitlines()]


@pytest.mark.parametrize(
    ("arrival", "frame", "found_again"),
    [
        (raw("frame-3-w1.json", b"{"), 3, True),
        (raw("frame-3-w1.json", b'{"frame": 4}'), 4, True),
        (d("w1", 1, "a", frame=2), 2, True),
        (d("w1", 9999, "a", frame=2), 2, True),
        # These name no frame that was open yet. If they are sent again they are refused again, which harms nobody.
        (raw("frame-900-w1.json", b"{"), 5, False),
        (raw("frame-999999999999999999-w1.json", b"{"), 5, False),
        (raw("odd", b"{"), 5, False),
        (raw("odd", b'{"frame": "4"}'), 5, False),
    ],
)
def test_a_delta_stands_in_the_ledger_of_its_own_frame_as_far_as_that_can_be_read(
    arrival: Arrival, frame: int, found_again: bool
) -> None:
    world = fresh()
    world.run(arrival)
    (line,) = ledger(world, frame)
    assert (line["merged_in"], sum(path.startswith("state/_control/ledger/") for path in world.files.files)) == (5, 1)
    assert (became(world.run(arrival)) == {arrival[0]: "duplicate, already_merged"}) == found_again


def test_what_a_clock_had_ahead_is_welcome_when_its_time_has_come() -> None:
    world = fresh()
    ahead = d("w1", 5000, "a")
    assert became(world.run(ahead)) == {"frame-5-w1.json": "quarantined, clock_ahead"}
    assert became(world.run(ahead)) == {"frame-5-w1.json": "duplicate, already_merged"}
    world.now += timedelta(hours=1)
    assert became(world.run(ahead)) == {"frame-5-w1.json": "late, late_frame"}
    (line,) = ledger(world, 5)
    assert (line["outcome"], line["merged_in"], line["fills"]) == ("late", 7, True)


def test_letters_of_admission_tell_what_where_why_and_what_to_do() -> None:
    world = fresh()
    world.run(A)
    ran = world.run(d("W1", 2, "b", frame=6), d("w1", 2, "c"), d("w3", 9000, "d", frame=6))
    letters = {one.source.rpartition("/")[2]: one.problems[0] for one in ran.receipts}
    assert {name: (one.file, one.pointer, one.message, one.remedy) for name, one in letters.items()} == {
        "frame-6-W1.json": (
            "state/stream_deltas/frame-6-W1.json",
            "/stream_id",
            "The stream_id `W1` differs only in case from `w1`, which wrote before.",
            "Write it as `w1`, or give this worker a name of its own.",
        ),
        "frame-5-w1.json": (
            "state/stream_deltas/frame-5-w1.json",
            "",
            "A delta of `w1` in frame 5 was already merged; a second one could count things twice.",
            "If this is other work, send it in the open frame under a run of its own (_meta.run); "
            "if it is a retry, give both the same _meta.run, and the newer one counts.",
        ),
        "frame-6-w3.json": (
            "state/stream_deltas/frame-6-w3.json",
            "/utc",
            f"The delta's utc {utc(9000)} lies 5,400 seconds in the future of the merge's clock.",
            "Set the worker's clock (or take utc from it, not from a model), and write the delta again.",
        ),
    }
    assert {one.reason for one in letters.values()} == {
        Reason.CLOCK_AHEAD,
        Reason.SLOT_ALREADY_MERGED,
        Reason.STREAM_ID_DIFFERS_IN_CASE,
    }


def test_notes_of_duplicates_and_superseded_versions_say_of_what() -> None:
    world = fresh()
    ran = world.run(A, ("odd\n", A[1]), d("w2", 1, "x", run="r", name="frame-5-w2.x.json"), d("w2", 2, "y", run="r"))
    (chosen,) = (one for one in ran.admission.admitted if one.stream_id == "w2")
    assert {one.source.rpartition("/")[2]: one.notes for one in ran.receipts if one.notes} == {
        "odd\n": ["the same bytes as state/stream_deltas/frame-5-w1.json"],
        "frame-5-w2.x.json": [f"delta {chosen.digest} of the same slot counts"],
    }
    again = world.run(A)
    assert again.receipts[0].notes == ["these bytes were settled in frame 5: applied"]


def test_workers_are_tallied_by_what_became_of_their_deltas() -> None:
    world = fresh()
    world.run(A, fallback("w2", 1), d("w3", 9999, "x"), raw("frame-5-w4.json", b"{"))
    world.run(A, d("w2", 3, "late"), d("w3", 3, "c", frame=6))
    tallies = {
        name: {key: value for key, value in one.items() if value}
        for name, one in world.value(world.paths.workers).items()
    }
    assert tallies == {
        "w1": {"applied": 1, "frame": 5, "utc": utc(1)},
        "w2": {"fallbacks": 1, "late": 1, "frame": 5, "utc": utc(3)},
        "w3": {"applied": 1, "quarantined": 1, "frame": 6, "utc": utc(3)},
    }
    assert utc(0) == MORNING.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
