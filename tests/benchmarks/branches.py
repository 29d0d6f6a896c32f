"""A frame whose deltas came by a branch a worker, from fetch to push: `python -m tests.benchmarks.branches`.

The remote is a real one, over HTTP on this machine. The floor fetches the same refs with plain git, and pushes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import contents, paper
from tests.benchmarks.generator import Shape
from tests.benchmarks.measure import Runs, as_run, watched
from tests.benchmarks.report import GOAL_HEADING, MEGABYTE, Case, Goal, Measured, ratio
from tests.benchmarks.repositories import BRANCH, Repositories, clone
from tests.benchmarks.served import NAME, served

OURS, FLOOR = "ours", "floor"
PROGRAMS = {OURS: "tests.benchmarks.ours", FLOOR: "tests.benchmarks.floor"}
SIZES = {"S": Shape(10, 20, 1), "M": Shape(100, 60, 100), "L": Shape(1000, 200, 1000), "tiny": Shape(3, 20, 1)}
STAGES = ("start", "open", "fetch", "collect", "validate", "merge", "check", "snapshot", "publish", "push")
WANTED = 2.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    options = _options(arguments)
    machine = paper.machine()
    repositories = Repositories(options.cache)
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="runs-") as scratch:
        for size in options.sizes:
            measured += measure(size, repositories, options.runs, Path(scratch))
    goals = list(_goals(measured))
    value: dict[str, Any] = {"command": options.command, "machine": machine, "goals": [goal.row() for goal in goals]}
    value["cases"] = [one.as_json() for one in measured]
    lines = [*paper.heading("A frame that came by branches", options.command, machine), *EXPLAINED, ""]
    lines += [*paper.table(list(rows(measured)), 2), "", *paper.table([GOAL_HEADING, *(one.row() for one in goals)], 2)]
    paper.keep(options.output, value, lines)
    print(f"Written: {options.output.with_suffix('.md')}")
    return 0


def measure(size: str, repositories: Repositories, runs: int, scratch: Path) -> list[Measured]:
    """Each way in turn, and so on: what else the machine does falls on both alike. Ours is read back once."""
    shape = SIZES[size]
    source = repositories.branches(shape, shape.state)
    measured = [Measured(Case(size, shape, way, shape.state), Runs()) for way in PROGRAMS]
    for number in range(runs):
        for one in measured:
            folder = Path(tempfile.mkdtemp(dir=scratch))
            clone(source, folder / NAME, bare=True)
            os.sync()
            with served(folder) as url:
                seen = watched([sys.executable, "-m", PROGRAMS[one.case.way], url])
            one.runs.runs.append(as_run(seen, folder / NAME))
            if number == 0 and one.case.way == OURS:
                one.contents = contents.of_ours(folder / NAME, BRANCH)
            shutil.rmtree(folder)
            print(f"{number + 1}. {size}, {one.case.way}: {seen.seconds:.3f} s", flush=True)
    return measured


def rows(measured: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    """A heading, then a row a case."""
    yield ("frame", "way", "branches", "seconds", "CPU", *STAGES, "memory")
    for one in measured:
        runs = one.runs
        stages = (f"{runs.stage(name):.3f}" if runs.stage(name) else "" for name in STAGES)
        cost = (f"{runs.seconds:.3f}", f"{runs.processor:.3f}")
        memory = f"{runs.together / MEGABYTE:,.0f}"
        yield (one.case.name, one.case.way, f"{one.case.shape.deltas:,}", *cost, *stages, memory)


def _goals(measured: Sequence[Measured]) -> Iterator[Goal]:
    of = {(one.case.name, one.case.way): one.runs.runs for one in measured}
    for size in dict.fromkeys(one.case.name for one in measured):
        pair = of[size, OURS], of[size, FLOOR]
        text = f"{size} by branches, from fetch to push: our time over the floor's"
        yield Goal(text, WANTED, ratio(*pair, "seconds"), False, ratio(*pair, "processor"))


EXPLAINED = (
    "Seconds are medians of wall time of a fresh process that has no clone: it fetches the branch and all delta",
    "branches of a remote over HTTP on the same machine, merges, and pushes. CPU is what the process and its git used;",
    "what the server used is not in it, but takes its share of the cores meanwhile. `fetch` is the newest commit of",
    "the branch and a commit of each delta branch. Ours leaves contents at the remote until they are read, which then",
    "counts where they are (`open`, `collect`). The floor (see [full.md](full.md)) fetches the same refs with one",
    "plain `git fetch`, which brings all of the state, and looks nothing up. Memory is in MB, of the process and all",
    "that it started.",
)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.branches", description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["S", "L"])
    parser.add_argument("--runs", type=int, default=5, help="runs of each (default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="where the measured repositories are kept between runs")
    parser.add_argument("--output", type=Path, default=paper.RESULTS / "branches", help="path without an ending")
    options = parser.parse_args(arguments)
    place = f" --cache {options.cache}" if options.cache else ""
    options.command = f"python -m tests.benchmarks.branches --sizes {' '.join(options.sizes)} --runs {options.runs}"
    options.command += place
    options.cache = options.cache or Path(tempfile.gettempdir(), f"dreamcatcher-benchmarks-{os.getuid()}")
    options.cache.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    sys.exit(main())
