"""Measures frames of several sizes beside the plain way, and says which goals are reached.

Exit code 1 if the two ways come to different records; a goal that is not reached is no error.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import contents, paper, report
from tests.benchmarks.generator import Shape
from tests.benchmarks.measure import Runs, run
from tests.benchmarks.report import Case, Measured
from tests.benchmarks.repositories import BRANCH, ROOT, Repositories

OURS, FILES, PLAIN, ONE_LINE, FLOOR = "ours", "ours, files", "plain", "plain, one line", "floor"
PROGRAMS = {
    OURS: ["tests.benchmarks.ours"],
    FILES: ["tests.benchmarks.ours"],
    PLAIN: ["tests.benchmarks.plain"],
    ONE_LINE: ["tests.benchmarks.plain", "--one-line"],
    FLOOR: ["tests.benchmarks.floor"],
}
BARE = (OURS, FLOOR)
L, XL = Shape(1000, 200, 1000), Shape(10_000, 100, 1000)
CASES = {
    "S": [Case("S", Shape(10, 20, 1), way, 1) for way in PROGRAMS],
    "M": [Case("M", Shape(100, 60, 100), way, 100) for way in PROGRAMS],
    "L": [Case("L", L, way, 1000) for way in PROGRAMS],
    "growth": [
        Case("L", L, OURS, 1000),
        Case("L/10", Shape(100, 200, 1000), OURS, 1000),
        Case("small onto 10k", Shape(10, 20, 10), OURS, 10),
        Case("small onto 1M", Shape(10, 20, 1000), OURS, 10),
    ],
    "XL": [
        Case("L", L, OURS, 1000),
        Case("XL", XL, OURS, 1000),
        Case("XL", XL, FLOOR, 1000),
        Case("XL", XL, PLAIN, 1000, once=True),
    ],
    "small": [Case("half M", Shape(50, 60, 10), way, 10) for way in PROGRAMS],
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show, write; 1 if contents differ."""
    options = _options(arguments)
    machine = paper.machine()
    console = Console(width=None if sys.stdout.isatty() else 200)
    cases = list(dict.fromkeys(case for size in options.sizes.split(",") for case in CASES[size]))
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="runs-") as scratch:
        measured = _measure(cases, options, Path(scratch), console)
    found = differences(measured)
    _show(console, measured)
    _write(options.output, measured, options.command, machine)
    for difference in found:
        console.print(f"[red]Different records:[/] {difference}")
    return 1 if found else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--sizes", default="S,M,L,growth", help=f"which of {', '.join(CASES)} (default: %(default)s)")
    parser.add_argument("--short", action="store_true", help="S and a small M, three runs, no goals: under a minute")
    parser.add_argument("--runs", type=int, help="runs of each case (default: 5)")
    parser.add_argument("--cache", type=Path, help="where the measured repositories are kept between runs")
    parser.add_argument("--output", type=Path, help="path of the report, without its ending")
    options = parser.parse_args(arguments)
    if options.short:
        options.sizes = "S,small"
    unknown = set(options.sizes.split(",")) - set(CASES)
    if unknown:
        parser.error(f"no such size: {', '.join(sorted(unknown))}")
    options.runs = options.runs or (3 if options.short else 5)
    place = f" --cache {options.cache}" if options.cache else ""
    options.cache = options.cache or Path(tempfile.gettempdir(), f"dreamcatcher-benchmarks-{os.getuid()}")
    options.cache.mkdir(parents=True, exist_ok=True)
    options.output = options.output or paper.RESULTS / ("short" if options.short else "full")
    options.command = "python -m tests.benchmarks " + ("--short" if options.short else f"--sizes {options.sizes}")
    options.command += f" --runs {options.runs}{place}"
    return options


def source_of(case: Case, repositories: Repositories) -> Path:
    """The repository that a case merges in a clone of."""
    if case.way in (PLAIN, ONE_LINE):
        return repositories.plain(case.shape, case.known, indented=case.way == PLAIN)
    return repositories.ours(case.shape, case.known)


def _measure(cases: Sequence[Case], options: argparse.Namespace, scratch: Path, console: Console) -> list[Measured]:
    """Run each case once, then each once more, and so on: what else the machine does falls on all of them alike.

    One run before the others is looked at for its memory, and its result is read back; it is timed only where it is the
    only one.
    """
    # As pip compiles what it installs, the plain way's libraries among it: where Python is told to write no bytecode,
    # each run of ours would begin with compiling all of it.
    compileall.compile_dir(ROOT / "merge_bot", quiet=1)
    repositories = Repositories(options.cache)
    measured = [Measured(case, Runs()) for case in cases]
    sources = []
    for case in cases:
        with console.status(f"{case.name}, {case.way}: making its repository"):
            sources.append(source_of(case, repositories))
    for number in range(options.runs + 1):
        for one, source in zip(measured, sources, strict=True):
            case = one.case
            if number and case.once:
                continue
            with console.status(f"{case.name}, {case.way}: run {number} of {options.runs}"):
                work_tree = case.way not in BARE
                found, folder = run(PROGRAMS[case.way], source, scratch, work_tree=work_tree, look=not number)
                one.runs.runs.append(found)
                if number == 0 and case.way != FLOOR:
                    read = contents.of_plain if case.way in (PLAIN, ONE_LINE) else contents.of_ours
                    one.contents = read(folder, BRANCH)
                shutil.rmtree(folder)
            console.print(f"{number}. {case.name}, {case.way}: {found.seconds:.3f} s", highlight=False)
    return measured


def differences(measured: Sequence[Measured]) -> list[str]:
    """Where two ways came to different records, or two runs of ours to different trees."""
    found = []
    first: dict[str, Measured] = {}
    for one in measured:
        other = first.setdefault(one.case.name, one) if one.contents else one
        for name, content in one.contents.items():
            if content != other.contents[name]:
                found.append(
                    f"{one.case.name}, {name}: {one.case.way} {content}, {other.case.way} {other.contents[name]}"
                )
        if len({run.tree for run in one.runs.runs}) > 1:
            found.append(f"{one.case.name}, {one.case.way}: runs ended in different trees")
    return found


def _show(console: Console, measured: Sequence[Measured]) -> None:
    heading, *rows = report.rows(measured)
    table = Table(*heading)
    for column in table.columns[2:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for goal in report.goals(measured):
        text, wanted, found, processor, reached = goal.row()
        colour = "green" if goal.reached else "red"
        by_processor = f" ({processor} in CPU time)" if processor else ""
        console.print(f"[{colour}]{reached}[/]: {text}: {found}{by_processor}, wanted {wanted}", highlight=False)


def _write(output: Path, measured: Sequence[Measured], command: str, machine: Mapping[str, Any]) -> None:
    goals = [
        dict(zip(("goal", "wanted", "measured", "processor", "reached"), goal.row(), strict=True))
        for goal in report.goals(measured)
    ]
    value = {"command": command, "machine": machine, "goals": goals, "cases": [one.as_json() for one in measured]}
    paper.keep(output, value, report.markdown(measured, machine, command))


if __name__ == "__main__":
    sys.exit(main())
