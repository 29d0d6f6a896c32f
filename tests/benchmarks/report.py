"""What was measured, as tables; and which goals it reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from tests.benchmarks.generator import Shape
from tests.benchmarks.measure import Run, Runs
from tests.benchmarks.paper import heading, table

STAGES = ("start", "open", "collect", "validate", "merge", "check", "snapshot", "write", "publish")
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """A frame onto a state, in one way. `known`: how much of the state, in thousand records, the frame refers to.

    `once`: it is too slow to be run more than once.
    """

    name: str
    shape: Shape
    way: str
    known: int
    once: bool = False

    @property
    def records(self) -> int:
        return self.shape.deltas * self.shape.records


@dataclass(slots=True)
class Measured:
    """A case with its runs and what the merge came to."""

    case: Case
    runs: Runs
    contents: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        runs = self.runs
        return {
            "case": asdict(self.case),
            "seconds": round(runs.seconds, 4),
            "processor": round(runs.processor, 4),
            "records_per_second": round(self.case.records / runs.seconds),
            "stages": {name: round(runs.stage(name), 4) for name in STAGES if runs.stage(name)},
            "memory": {"process": runs.process, "children": runs.children, "together": runs.together},
            "runs": [asdict(run) for run in runs.runs],
            "contents": dict(self.contents),
        }


@dataclass(frozen=True, slots=True)
class Goal:
    """What the project wants, and what was measured; both are ratios, `at_least` or at most.

    `processor` is the same ratio in processor time, for machines that others use meanwhile.
    """

    text: str
    wanted: float
    found: float
    at_least: bool
    processor: float | None = None

    @property
    def reached(self) -> bool:
        return self.found >= self.wanted if self.at_least else self.found <= self.wanted

    def row(self) -> tuple[str, ...]:
        wanted = f"{'at least' if self.at_least else 'at most'} {self.wanted:g}"
        processor = "" if self.processor is None else f"{self.processor:.2f}"
        return self.text, wanted, f"{self.found:.2f}", processor, "reached" if self.reached else "not reached"


GOAL_HEADING = ("goal", "wanted", "measured", "in CPU time", "")


def ratio(above: Sequence[Run], below: Sequence[Run], what: str) -> float:
    """The median of the ratios of runs that followed each other. What is run once is held against the first run."""
    return float(median(getattr(one, what) / getattr(two, what) for one, two in zip(above, below, strict=False)))


def goals(measured: Sequence[Measured]) -> list[Goal]:
    """Every goal whose cases were measured. Ratios are medians of the ratios of runs that followed each other."""
    of = {(one.case.name, one.case.way): one.runs.timed for one in measured}
    seen = {(one.case.name, one.case.way): one.runs.looked_at for one in measured}
    found: list[Goal] = []

    def compare(text: str, wanted: float, above: tuple[str, str], below: tuple[str, str], at_least: bool) -> None:
        if above in of and below in of:
            seconds, processor = (ratio(of[above], of[below], what) for what in ("seconds", "processor"))
            found.append(Goal(text, wanted, seconds, at_least, processor))

    ours, plain, one_line = ("L", "ours"), ("L", "plain"), ("L", "plain, one line")
    compare("L: the plain way's time over ours", 10, plain, ours, True)
    compare("L: the time of the plain way without indentation over ours", 10, one_line, ours, True)
    for text, other in (("plain way's", plain), ("plain way's without indentation", one_line)):
        if ours in of and other in of:
            found.append(
                Goal(f"L: our peak memory over the {text}", 0.25, ratio(seen[ours], seen[other], "together"), False)
            )
    compare("L: our time over the floor's", 2.5, ours, ("L", "floor"), False)
    compare("S: our time over the plain way's", 1, ("S", "ours"), ("S", "plain"), False)
    compare("ten times the deltas (100 to 1,000, onto a million): the time", 11, ours, ("L/10", "ours"), False)
    small = ("small onto 1M", "ours"), ("small onto 10k", "ours")
    compare("the same small frame onto a state 100 times larger: the time", 1.5, *small, False)
    extra_large = ("XL", "ours")
    compare("XL: our time over the floor's", 2.5, extra_large, ("XL", "floor"), False)
    compare("XL: the plain way's time over ours", 10, ("XL", "plain"), extra_large, True)
    if extra_large in of and ours in of:
        compare("five times the records (L to XL): the time", 5.5, extra_large, ours, False)
        more = ratio(seen[extra_large], seen[ours], "together")
        found.append(Goal("five times the records (L to XL): our peak memory", 5, more, False))
    return found


def rows(measured: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    """A heading, then a row a case."""
    yield ("frame", "way", "seconds", "CPU", "records/s", *STAGES, "memory", "process", "git")
    for one in measured:
        runs = one.runs
        stages = (f"{runs.stage(name):.3f}" if runs.stage(name) else "" for name in STAGES)
        memory = (f"{value / MEGABYTE:,.0f}" for value in (runs.together, runs.process, runs.children))
        speed = f"{one.case.records / runs.seconds:,.0f}"
        yield (one.case.name, one.case.way, f"{runs.seconds:.3f}", f"{runs.processor:.3f}", speed, *stages, *memory)


def markdown(measured: Sequence[Measured], machine: Mapping[str, Any], command: str) -> list[str]:
    """The report that is kept in the repository."""
    lines = [*heading("A frame, measured", command, machine), *_cases(measured), ""]
    lines += [*table(list(rows(measured)), 2), "", *EXPLAINED, ""]
    if reached := goals(measured):
        lines += ["## Goals", "", *table([GOAL_HEADING, *(goal.row() for goal in reached)], 2), ""]
    return lines


EXPLAINED = (
    "Seconds are medians of wall time, from the start of a fresh process to its end, in a fresh clone without any",
    "cache; CPU is what that process and its git processes used of all cores. `start` is the interpreter and its",
    "imports, `check` the references (with their look-ups in the state) and the proof; the plain way's `merge`",
    "includes reading its state, its `write` is the state's files. Memory is in MB: the greatest sum seen of the",
    "process and all that it started (proportional set sizes, so that what they share counts once), then the peak of",
    "the process alone and the largest share of one that it started; it is looked at in a run of its own, because to",
    "count the pages of large processes holds them up. All ways came to the same records; ours also keep receipts,",
    "conflicts, an archive and a ledger, the plain ones keep none. *ours* merges in a bare clone, *ours, files* in",
    "one with a work tree that follows, the plain ways need their work tree. *plain* indents and sorts its files, as",
    "people keep state in git; *plain, one line* does neither. *floor* is no merge: it reads the deltas, parses,",
    "validates and hashes them, and writes their records into new files and a commit, by the quickest means at hand.",
    "It looks nothing up, so it comes to other records; it shows what all the rest costs.",
)


def _cases(measured: Sequence[Measured]) -> Iterator[str]:
    for name, shape in {one.case.name: one.case.shape for one in measured}.items():
        state = f"{shape.state:,},000"
        yield f"- **{name}**: {shape.deltas:,} deltas of {shape.records} records onto a state of {state}"
