"""Gives the same frames to other tools, and writes a table and a plot of what they cost and what went wrong.

A peer that is not installed is told of as not run. Exit code 1 if ours got anything wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tests.benchmarks.generator import Shape
from tests.benchmarks.measure import watched
from tests.benchmarks.peers import report
from tests.benchmarks.peers.catalog import BY_NAME, ENTRIES, Entry
from tests.benchmarks.peers.judge import Verdict
from tests.benchmarks.peers.report import Cost, Measured
from tests.benchmarks.repositories import ROOT

OURS = ENTRIES[0].name
SIZES = {"small": Shape(10, 20, 1), "middle": Shape(25, 60, 10), "large": Shape(100, 60, 100), "tiny": Shape(3, 20, 1)}
RESULTS = Path(__file__).parents[1] / "results" / "peers"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write; 1 if ours is wrong."""
    options = _options(arguments)
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
        for size in options.sizes:
            measured += measure(size, [BY_NAME[name] for name in options.peers], options.runs, Path(scratch))
            write(measured, options)
    print(f"Written: {options.output.with_suffix('.md')}")
    return int(any(one.entry.name == OURS and not (one.verdict and one.verdict.right) for one in measured))


def write(measured: Sequence[Measured], options: argparse.Namespace) -> None:
    """The table, its JSON and the plot of what was measured so far: an interrupted run keeps its finished sizes."""
    git = subprocess.run(["git", "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()[2]
    machine: dict[str, Any] = {"cores": os.cpu_count(), "load before": options.load}
    machine |= {"Python": platform.python_version(), "git": git}
    machine |= {name: version(name) for entry in ENTRIES for name in entry.needs if _missing(entry) is None}
    shapes = {size: SIZES[size] for size in dict.fromkeys(one.size for one in measured)}
    command = f"python -m tests.benchmarks.peers --sizes {' '.join(shapes)} --runs {options.runs}"
    options.output.parent.mkdir(parents=True, exist_ok=True)
    value: dict[str, Any] = {"command": command, "machine": machine}
    value["sizes"] = {name: report.shape_as_json(shape) for name, shape in shapes.items()}
    value["peers"] = [one.as_json() for one in measured]
    options.output.with_suffix(".json").write_text(json.dumps(value, indent=2) + "\n", "utf-8")
    plot = options.output.with_suffix(".svg")
    text = report.markdown(measured, shapes, machine, command, plot.name if _draw(measured, plot) else None)
    options.output.with_suffix(".md").write_text(text, "utf-8")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["small", "middle"])
    parser.add_argument("--peers", nargs="+", choices=list(BY_NAME), default=list(BY_NAME), metavar="PEER")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="path of the report, without its ending")
    options = parser.parse_args(arguments)
    options.load = round(os.getloadavg()[0], 1)
    return options


def measure(size: str, entries: Sequence[Entry], runs: int, scratch: Path) -> list[Measured]:
    """Prepare each once, then run each in turn, and so on: what else the machine does falls on all of them alike."""
    shape = SIZES[size]
    measured = [Measured(size, entry, missing=_missing(entry)) for entry in entries]
    for number, one in enumerate(measured):
        if not one.missing:
            one.missing = _step("prepare", one.entry, _new(scratch / f"{size}-{number}"), shape)[0]
    for run in range(runs):
        for number, one in enumerate(measured):
            if one.missing:
                continue
            folder = scratch / "run"
            shutil.copytree(scratch / f"{size}-{number}", folder, symlinks=True)
            os.sync()
            command = [sys.executable, "-m", "tests.benchmarks.peers.process", "merge", one.entry.name, str(folder)]
            try:
                seen = watched(command)
            except subprocess.CalledProcessError as problem:
                one.missing = f"its merge ended with {problem.returncode}"
            else:
                one.costs.append(Cost(seen.seconds, seen.processor, seen.together, seen.said["stages"]["merge"]))
                if run == 0:
                    problem_text, said = _step("read", one.entry, folder, shape)
                    one.missing = problem_text
                    one.verdict = Verdict(**json.loads(said)) if said else None
            shutil.rmtree(folder)
            print(f"{run + 1}. {size}, {one.entry.name}: {one.missing or f'{seen.seconds:.3f} s'}", flush=True)
    for number in range(len(measured)):
        shutil.rmtree(scratch / f"{size}-{number}", ignore_errors=True)
    return measured


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


def _step(step: str, entry: Entry, folder: Path, shape: Shape) -> tuple[str | None, str]:
    """What went wrong, if anything, and what was said."""
    command = [sys.executable, "-m", "tests.benchmarks.peers.process", step, entry.name, str(folder)]
    size = f"{shape.deltas},{shape.records},{shape.state}"
    done = subprocess.run([*command, size], cwd=ROOT, capture_output=True, text=True)
    if not done.returncode:
        return None, done.stdout
    last = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
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
