"""N workers push at once, to one branch or to a branch each: `python -m tests.benchmarks.contention`.

Real git against a real remote over HTTP on this machine. On one branch a worker does what its documentation tells it:
it pushes, and if that is refused it pulls with a rebase and pushes again, five times or until it is in. On branches of
their own all push once. Nothing but git runs, so no interpreter's start is in the numbers.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from threading import Barrier
from typing import Any

from tests.benchmarks import paper
from tests.benchmarks.served import NAME, served

UNTIL_IN, RETRIES, BRANCHES = "one branch, until it is in", "one branch, five retries", "a branch a worker"
MOST = {UNTIL_IN: 1_000, RETRIES: 6, BRANCHES: 6}
"""Pushes that a worker tries at most."""

WORKERS = (1, 2, 5, 10, 20, 40, 70, 100)
SILENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_COMMITTER_NAME": "Worker",
    "GIT_COMMITTER_EMAIL": "worker@example.org",
    "GIT_AUTHOR_NAME": "Worker",
    "GIT_AUTHOR_EMAIL": "worker@example.org",
}


@dataclass(frozen=True, slots=True)
class Round:
    """What N workers came to. `seconds` until the last had ended; `lost`: deltas that the remote does not have then.

    `fetch`: seconds in which a merge then has all deltas.
    """

    pushes: int
    seconds: float
    lost: int
    fetch: float


@dataclass(slots=True)
class Measured:
    """One way with one number of workers."""

    way: str
    workers: int
    rounds: list[Round]

    def median(self, what: str) -> float:
        return float(median(getattr(one, what) for one in self.rounds))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; 1 if a delta was lost on a branch of its own."""
    options = _options(arguments)
    machine = paper.machine()
    measured = []
    with tempfile.TemporaryDirectory(prefix="contention-") as scratch:
        for way in MOST:
            for workers in options.workers:
                if way == UNTIL_IN and workers > options.most_until_in:
                    continue
                rounds = []
                for number in range(options.runs):
                    folder = Path(tempfile.mkdtemp(dir=scratch))
                    rounds.append(play(way, workers, folder))
                    shutil.rmtree(folder)
                    told = f"{number + 1}. {way}, {workers}: {rounds[-1].pushes} pushes, {rounds[-1].lost} lost"
                    print(f"{told}, {rounds[-1].seconds:.2f} s", flush=True)
                measured.append(Measured(way, workers, rounds))
    write(measured, options, machine)
    print(f"Written: {options.output.with_suffix('.md')}")
    return int(any(one.lost for some in measured if some.way == BRANCHES for one in some.rounds))


def play(way: str, workers: int, folder: Path) -> Round:
    """Let so many workers, each with a clone and a commit of its own, begin to push at the same moment."""
    with served(folder) as url:
        remote = folder / NAME
        _seed(remote)
        clones = [_clone(remote, folder / f"worker-{number:03}", url, way) for number in range(workers)]
        gate = Barrier(workers + 1)
        with ThreadPoolExecutor(workers) as pool:
            ended = [pool.submit(_work, clone, way, gate) for clone in clones]
            gate.wait()
            begin = time.perf_counter()
            pushes = sum(one.result() for one in ended)
            seconds = time.perf_counter() - begin
        begin = time.perf_counter()
        there = _all_there(folder / "merge", url, way)
        return Round(pushes, seconds, workers - there, time.perf_counter() - begin)


def _work(clone: Path, way: str, gate: Barrier) -> int:
    """Push until it is in; how many pushes that took, at most as many as the way allows."""
    target = f"HEAD:refs/heads/deltas/{clone.name}" if way == BRANCHES else "HEAD:refs/heads/main"
    gate.wait()
    for tries in range(1, MOST[way] + 1):
        if _git(clone, "push", "--quiet", "origin", target, check=False) == 0:
            return tries
        if way != BRANCHES:
            _git(clone, "pull", "--quiet", "--rebase", "origin", "main", check=False)
    return MOST[way]


def _seed(remote: Path) -> None:
    """A first commit, as there is a world before workers come."""
    stream = b"commit refs/heads/main\ncommitter World <world@example.org> 0 +0000\ndata 5\nworld\n"
    stream += b'M 100644 inline state/_meta.json\ndata 13\n{"frame": 1}\n\n'
    subprocess.run(["git", "-C", remote, "fast-import", "--quiet"], input=stream, check=True)


def _clone(remote: Path, clone: Path, url: str, way: str) -> Path:
    """A worker's clone with its delta committed: on top of what is there, or as an orphan that holds nothing else."""
    subprocess.run(["git", "clone", "--quiet", "--local", remote, clone], check=True, env=os.environ | SILENT)
    _git(clone, "remote", "set-url", "origin", url)
    path = Path("state/stream_deltas", f"frame-1-{clone.name}.json")
    if way == BRANCHES:
        _git(clone, "checkout", "--quiet", "--orphan", "deltas")
        _git(clone, "rm", "--quiet", "--force", "-r", ".")
        path = Path(path.name)
    (clone / path).parent.mkdir(parents=True, exist_ok=True)
    (clone / path).write_text(f'{{"frame": 1, "stream_id": "{clone.name}", "utc": "2026-03-25T03:14:22Z"}}\n')
    _git(clone, "add", "--all")
    _git(clone, "commit", "--quiet", "--message", f"delta of {clone.name}")
    return clone


def _all_there(folder: Path, url: str, way: str) -> int:
    """Fetch what a merge would; how many deltas came with it."""
    subprocess.run(["git", "init", "--quiet", "--bare", folder], check=True, env=os.environ | SILENT)
    _git(folder, "fetch", "--quiet", "--depth=1", url, "+refs/heads/*:refs/heads/*")
    git = ["git", "-C", str(folder)]
    if way == BRANCHES:
        listed = subprocess.run([*git, "for-each-ref", "refs/heads/deltas/"], stdout=subprocess.PIPE, check=True)
    else:
        inbox = "main:state/stream_deltas"
        listed = subprocess.run([*git, "ls-tree", "--name-only", inbox], stdout=subprocess.PIPE, check=True)
    return len(listed.stdout.splitlines())


def _git(folder: Path, *arguments: str, check: bool = True) -> int:
    command = ["git", "-C", str(folder), *arguments]
    silence = None if check else subprocess.DEVNULL
    return subprocess.run(command, check=check, env=os.environ | SILENT, stderr=silence).returncode


def rows(measured: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    """A heading, then a row for each number of workers."""
    of = {(one.way, one.workers): one for one in measured}
    columns = [(way, what) for way, some in COLUMNS.items() for what in some]
    yield ("workers", *(f"{SHORT[way]}: {TITLES[what]}" for way, what in columns))
    for workers in sorted({one.workers for one in measured}):
        yield (f"{workers}", *(_cell(of.get((way, workers)), what) for way, what in columns))


SHORT = {UNTIL_IN: "until in", RETRIES: "five retries", BRANCHES: "branches"}
TITLES = {"pushes": "pushes", "seconds": "s", "lost": "lost", "fetch": "fetch of all, s"}
COLUMNS = {
    UNTIL_IN: ("pushes", "seconds"),
    RETRIES: ("pushes", "seconds", "lost"),
    BRANCHES: ("pushes", "seconds", "lost", "fetch"),
}


def _cell(one: Measured | None, what: str) -> str:
    if one is None:
        return ""
    return f"{one.median(what):.2f}" if what in ("seconds", "fetch") else f"{one.median(what):,.0f}"


def write(measured: Sequence[Measured], options: argparse.Namespace, machine: dict[str, Any]) -> None:
    """The table, its JSON and the plot."""
    cases = [
        {"way": one.way, "workers": one.workers, "pushes": one.median("pushes"), "seconds": one.median("seconds")}
        | {"lost": one.median("lost"), "fetch": one.median("fetch"), "rounds": [asdict(some) for some in one.rounds]}
        for one in measured
    ]
    plot = options.output.with_suffix(".svg")
    lines = paper.heading("Workers that push at once", options.command, machine)
    if _draw(measured, plot):
        lines += [f"![Pushes, seconds and lost deltas by number of workers]({plot.name})", ""]
    lines += [*EXPLAINED, "", *paper.table(list(rows(measured)))]
    paper.keep(options.output, {"command": options.command, "machine": machine, "cases": cases}, lines)


EXPLAINED = (
    "Each worker has a clone and one small commit, and all begin to push at the same moment, as workers do that one",
    "event or one minute of a clock starts; every number is a median of the runs. On one branch a worker whose push",
    "is refused pulls with a rebase and pushes again: until its commit is in (*until in*), or at most five times",
    "(*five retries*), as loops in workflows do; a delta is lost when its worker has given up. On a branch of its own",
    "(*branches*) a worker pushes once; a merge then has to fetch all branches, which the last column shows. Server",
    "and workers share the cores and the network costs nothing, so seconds only compare the ways; pushes are what a",
    "hosting service counts and limits (GitHub recommends at most 6 a minute in a repository).",
)


def _draw(measured: Sequence[Measured], path: Path) -> bool:
    try:
        from tests.benchmarks.contention_plot import draw
    except ImportError:
        print("No plot: matplotlib is not installed (make bench-contention installs it).")
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(measured, path)
    return True


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.contention", description=__doc__)
    parser.add_argument("--workers", nargs="+", type=int, default=list(WORKERS), metavar="N")
    until_in = "more workers do not push to one branch until all is in (default: %(default)s)"
    parser.add_argument("--most-until-in", type=int, default=40, help=until_in)
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=paper.RESULTS / "contention", help="path without an ending")
    options = parser.parse_args(arguments)
    said = arguments if arguments is not None else sys.argv[1:]
    options.command = shlex.join(["python", "-m", "tests.benchmarks.contention", *said])
    return options


if __name__ == "__main__":
    sys.exit(main())
