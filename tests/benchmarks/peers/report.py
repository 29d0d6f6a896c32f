"""Pure. What was measured of the peers, as a table in markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from tests.benchmarks import paper
from tests.benchmarks.generator import Shape
from tests.benchmarks.peers.catalog import BY_NAME, Entry
from tests.benchmarks.peers.judge import Verdict

BESIDE = "plain Python"
"""The peer that ratios are to."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One run: wall seconds and CPU seconds of the whole process, memory in bytes, wall seconds without imports."""

    seconds: float
    processor: float
    memory: int
    merge: float


@dataclass(slots=True)
class Measured:
    """One peer at one size. `missing` says why it was not run."""

    size: str
    entry: Entry
    costs: list[Cost] = field(default_factory=list)
    verdict: Verdict | None = None
    missing: str | None = None

    def median(self, what: str) -> float:
        return float(median(getattr(cost, what) for cost in self.costs))

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"size": self.size, "peer": self.entry.name}
        if self.missing:
            return found | {"not run": self.missing}
        found |= {what: round(self.median(what), 4) for what in ("seconds", "processor", "merge")}
        found |= {"memory": round(self.median("memory")), "runs": [asdict(cost) for cost in self.costs]}
        return found | {"wrong": self.verdict.as_json() if self.verdict else None}

    @classmethod
    def of_json(cls, size: str, value: Mapping[str, Any]) -> Measured:
        costs = [Cost(**one) for one in value.get("runs", ())]
        verdict = Verdict(**value["wrong"]) if value.get("wrong") else None
        return cls(size, BY_NAME[value["peer"]], costs, verdict, value.get("not run"))


@dataclass(frozen=True, slots=True)
class Size:
    """All peers at one size: how and on what machine they were measured."""

    name: str
    shape: Shape
    command: str
    machine: Mapping[str, Any]
    measured: Sequence[Measured]

    def as_json(self) -> dict[str, Any]:
        shape = {"deltas": self.shape.deltas, "records a delta": self.shape.records}
        return {
            "name": self.name,
            "shape": shape | {"records before": self.shape.state * 1000},
            "command": self.command,
            "machine": dict(self.machine),
            "peers": [one.as_json() for one in self.measured],
        }

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Size:
        """What `as_json` gave, so that sizes can be measured at different times."""
        shape = value["shape"]
        measured = [Measured.of_json(value["name"], one) for one in value["peers"]]
        size = Shape(shape["deltas"], shape["records a delta"], shape["records before"] // 1000)
        return cls(value["name"], size, value["command"], value["machine"], measured)


def ratio(one: Measured, beside: Measured | None, what: str) -> str:
    """The median of the ratios of runs that followed each other; empty where there is nothing to compare with."""
    if beside is None or beside.missing:
        return ""
    pairs = zip(one.costs, beside.costs, strict=False)  # who is slow was run once
    return f"{median(getattr(mine, what) / getattr(other, what) for mine, other in pairs):.2f}"


def rows(measured: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    """A heading, then a row a peer, of one size."""
    yield ("peer", "seconds", "CPU", "× plain", "× plain, CPU", "without imports", "MB", "lost or wrong")
    beside = next((one for one in measured if one.entry.name == BESIDE), None)
    for one in measured:
        if one.missing:
            yield (one.entry.name, *[""] * 6, f"not run: {_cell(one.missing)}")
            continue
        wrong = "; ".join(one.verdict.words()) if one.verdict else ""
        yield (
            one.entry.name, f"{one.median('seconds'):.3f}", f"{one.median('processor'):.3f}",
            ratio(one, beside, "seconds"), ratio(one, beside, "processor"), f"{one.median('merge'):.3f}",
            f"{one.median('memory') / 1e6:,.0f}", _cell(wrong) or "nothing",
        )  # fmt: skip


def markdown(sizes: Sequence[Size], plot: str | None) -> list[str]:
    """The report that is kept in the repository."""
    lines = ["# The same frame, given to others", "", *EXPLAINED, ""]
    if plot:
        lines += [f"![Seconds and memory of each peer, in bars]({plot})", ""]
    for size in sizes:
        shape = size.shape
        what = f"{shape.deltas:,} deltas of {shape.records} records onto {shape.state:,},000 records"
        of = ", ".join(f"{name} {value}" for name, value in size.machine.items())
        lines += [f"## {size.name}: {what}", "", f"Written by `{size.command}` ({of}).", ""]
        lines += [*paper.table(list(rows(size.measured)), 8), ""]
    lines += ["## What the numbers do not say", ""]
    told = {one.entry.name: one.entry for size in sizes for one in size.measured}.values()
    heading = ("peer", "modelled as", "its time leaves out", "it has no words for")
    lines += paper.table([heading, *((one.name, one.modelled, one.free, one.mute) for one in told)], len(heading))
    return lines


EXPLAINED = (
    "Every peer gets the same state and the same deltas, each tenth of them delivered twice, as a retried upload does.",
    "About one comment in five hundred answers a post that nobody wrote, and one profile update in twenty is of",
    "another worker's agent. A process of its own does the merge in a fresh copy; seconds are wall time from its start",
    "to its end, CPU is what it and its children used of all cores, both medians of the runs; a ratio is the median of",
    "the ratios to plain Python in the same round, and where the machine had other work meanwhile (see the load) the",
    "one in CPU time is the one to trust. Memory is the peak of the process, or of it and its children where that was",
    "more. What was lost or wrong is counted by comparing the merged state, record by record, with the expected one:",
    "each delta once, each record that refers to something, of each field the latest value.",
)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
