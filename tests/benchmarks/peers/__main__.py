"""Gives the same frames to other tools, and writes a table and a plot of what they cost and what went wrong.

A peer that is not installed is told of as not run. Exit code 1 if ours got anything wrong.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from os import sync
from pathlib import Path
from typing import Any

from tests.benchmarks import paper
from tests.benchmarks.generator import Shape
from tests.benchmarks.measure import finished, watched
from tests.benchmarks.peers import report
from tests.benchmarks.peers.catalog import BY_NAME, ENTRIES, Entry
from tests.benchmarks.peers.judge import Verdict
from tests.benchmarks.peers.report import Cost, Measured, Size
from tests.benchmarks.repositories import ROOT

OURS = ENTRIES[0].name
SIZES = {
    "small": Shape(10, 20, 1),
    "middle": Shape(25, 60, 10),
    "large": Shape(100, 60, 100),
    "L": Shape(1000, 200, 1000),
    "tiny": Shape(3, 20, 1),
}


@dataclass(frozen=True)
class Bounds:
    """How often a peer is run, and what it may take: a step so many seconds, a merge so many to be run again."""

    runs: int = 3
    most: float = 1800.0
    slow: float = 60.0

    @property
    def told(self) -> str:
        """As options of the command."""
        return f"--runs {self.runs} --most-minutes {self.most / 60:g}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write; 1 if ours is wrong."""
    options = _options(arguments)
    sizes = _kept(options.output) if options.add else []
    sizes = [size for size in sizes if size.name not in options.sizes]
    machine = _machine()
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="peers-", dir=options.scratch) as scratch:
        for name in options.sizes:
            entries = [BY_NAME[peer] for peer in options.peers]
            some = measure(name, entries, options.bounds, Path(scratch))
            command = f"python -m tests.benchmarks.peers --sizes {name} {options.bounds.told}"
            sizes.append(Size(name, SIZES[name], command, machine, some))
            measured += some
            write(sizes, options.output)
    print(f"Written: {options.output.with_suffix('.md')}")
    return int(any(one.entry.name == OURS and not (one.verdict and one.verdict.right) for one in measured))


def write(sizes: Sequence[Size], output: Path) -> None:
    """The table, its JSON and the plot of what was measured so far: an interrupted run keeps its finished sizes."""
    order = list(SIZES)
    sizes = sorted(sizes, key=lambda size: order.index(size.name))
    output.parent.mkdir(parents=True, exist_ok=True)
    plot = output.with_suffix(".svg")
    text = report.markdown(sizes, plot.name if _draw([one for size in sizes for one in size.measured], plot) else None)
    paper.keep(output, {"sizes": [size.as_json() for size in sizes]}, text)


def _kept(output: Path) -> list[Size]:
    """The sizes of a report that was written before."""
    file = output.with_suffix(".json")
    found = json.loads(file.read_text("utf-8"))["sizes"] if file.exists() else []
    return [Size.of_json(one) for one in found]


def _machine() -> Mapping[str, Any]:
    versions = {name: version(name) for entry in ENTRIES for name in entry.needs if _missing(entry) is None}
    return paper.machine() | versions


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["small", "middle"])
    parser.add_argument("--add", action="store_true", help="keep the other sizes that the report has already")
    parser.add_argument("--peers", nargs="+", choices=list(BY_NAME), default=list(BY_NAME), metavar="PEER")
    parser.add_argument("--runs", type=int, default=Bounds.runs, help="runs of each (default: %(default)s)")
    minutes = "leave out a peer whose preparation or merge takes longer (default: %(default)g)"
    parser.add_argument("--most-minutes", type=float, default=Bounds.most / 60, help=minutes, metavar="MINUTES")
    parser.add_argument("--scratch", type=Path, help="folder for the peers' files (default: the system's)")
    parser.add_argument("--output", type=Path, default=paper.RESULTS / "peers", help="path without its ending")
    options = parser.parse_args(arguments)
    options.bounds = Bounds(options.runs, options.most_minutes * 60)
    return options


def measure(size: str, entries: Sequence[Entry], bounds: Bounds, scratch: Path) -> list[Measured]:
    """Prepare each once, then run each in turn, and so on: what else the machine does falls on all of them alike."""
    shape = SIZES[size]
    measured = [Measured(size, entry, missing=_missing(entry) or entry.too_much(shape)) for entry in entries]
    for number, one in enumerate(measured):
        if not one.missing:
            print(f"{size}, {one.entry.name}: preparing", flush=True)
            one.missing = _step("prepare", one.entry, _new(scratch / f"{size}-{number}"), shape, bounds)[0]
    for run in range(bounds.runs):
        for number, one in enumerate(measured):
            if one.missing or (run and one.costs[0].seconds > bounds.slow):
                continue
            folder = scratch / "run"
            shutil.copytree(scratch / f"{size}-{number}", folder, symlinks=True)
            sync()
            _run(one, folder, shape, bounds)
            shutil.rmtree(folder)
            told = one.missing or f"{one.costs[-1].seconds:.3f} s"
            print(f"{run + 1}. {size}, {one.entry.name}: {told}", flush=True)
    for number in range(len(measured)):
        shutil.rmtree(scratch / f"{size}-{number}", ignore_errors=True)
    return measured


def _run(one: Measured, folder: Path, shape: Shape, bounds: Bounds) -> None:
    """One merge; the first is judged."""
    command = [sys.executable, "-m", "tests.benchmarks.peers.process", "merge", one.entry.name, str(folder)]
    try:
        seen = watched(command, bounds.most)
    except subprocess.TimeoutExpired:
        one.missing = f"its merge took more than {bounds.most / 60:g} minutes"
    except subprocess.CalledProcessError as problem:
        one.missing = f"its merge ended with {problem.returncode}"
    else:
        one.costs.append(Cost(seen.seconds, seen.processor, seen.together, seen.said["stages"]["merge"]))
        if len(one.costs) == 1:
            one.missing, said = _step("read", one.entry, folder, shape, bounds)
            one.verdict = Verdict(**json.loads(said)) if said else None


def _missing(entry: Entry) -> str | None:
    for name in entry.needs:
        try:
            version(name)
        except PackageNotFoundError:
            return f"{name} is not installed (make bench-peers installs it)"
    return None


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _step(step: str, entry: Entry, folder: Path, shape: Shape, bounds: Bounds) -> tuple[str | None, str]:
    """What went wrong, if anything, and what was said."""
    command = [sys.executable, "-m", "tests.benchmarks.peers.process", step, entry.name, str(folder)]
    size = f"{shape.deltas},{shape.records},{shape.state}"
    pipe = subprocess.PIPE
    process = subprocess.Popen([*command, size], cwd=ROOT, stdout=pipe, stderr=pipe, start_new_session=True)
    try:
        return None, finished(process, bounds.most).decode()
    except subprocess.TimeoutExpired:
        return f"{step} took more than {bounds.most / 60:g} minutes", ""
    except subprocess.CalledProcessError as problem:
        last = problem.stderr.decode().strip().rpartition("\n")[2] or f"exit code {problem.returncode}"
        return f"{step} failed: {last}", ""


def _draw(measured: Sequence[Measured], path: Path) -> bool:
    try:
        from tests.benchmarks.peers.plot import draw
    except ImportError:
        print("No plot: matplotlib is not installed (make bench-peers installs it).")
        return False
    draw(measured, path)
    return True


if __name__ == "__main__":
    sys.exit(main())
