"""Runs a merge in a fresh process on a fresh clone, and watches it from outside: wall time and memory."""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any

from tests.benchmarks.repositories import BRANCH, ROOT, clone

INTERVAL = 0.02
"""Seconds between two looks at a process and its children. To count the pages of a large one holds it up, and needs a
core meanwhile: a run that is looked at is not timed, if there are others."""


@dataclass(slots=True)
class Run:
    """One merge. `seconds` from the start of the process to its end, `processor` what it and git computed meanwhile.

    Memory is in bytes, and 0 where nobody looked.
    `process` is the peak of the merging process as the kernel kept it, `children` the largest share seen of a process
    that it started, `together` the greatest sum of shares that was seen of all of them at one time.
    """

    seconds: float
    processor: float
    stages: dict[str, float]
    process: int
    children: int
    together: int
    tree: str


@dataclass(slots=True)
class Runs:
    """Several runs of the same merge: some looked at, which tell of memory, the others timed."""

    runs: list[Run] = field(default_factory=list)

    @property
    def timed(self) -> list[Run]:
        """Those that nobody held up; all, if there is no such run."""
        return [run for run in self.runs if not run.together] or self.runs

    @property
    def looked_at(self) -> list[Run]:
        return [run for run in self.runs if run.together]

    @property
    def seconds(self) -> float:
        return median(run.seconds for run in self.timed)

    @property
    def processor(self) -> float:
        return median(run.processor for run in self.timed)

    @property
    def together(self) -> float:
        return median(run.together for run in self.looked_at)

    @property
    def process(self) -> float:
        return median(run.process for run in self.runs)

    @property
    def children(self) -> float:
        return median(run.children for run in self.looked_at)

    def stage(self, name: str) -> float:
        return median(run.stages.get(name, 0.0) for run in self.timed)


def run(
    program: Sequence[str], source: Path, scratch: Path, *, work_tree: bool, look: bool = True, sync: bool = True
) -> tuple[Run, Path]:
    """Clone `source` and merge there with `program`, a module and its options.

    `look` at its memory; `sync`: first wait until the clone is on the disk. Returns the clone as well; it is for the
    caller to remove.
    """
    folder = Path(tempfile.mkdtemp(dir=scratch))
    clone(source, folder, bare=not work_tree)
    if sync:
        os.sync()
    module, *options = program
    try:
        seen = watched([sys.executable, "-m", module, str(folder), *options], look=look)
    except subprocess.CalledProcessError as problem:
        shutil.rmtree(folder)
        raise SystemExit(f"{shlex.join(problem.cmd)} on {source.name} ended with {problem.returncode}") from None
    return as_run(seen, folder), folder


def as_run(seen: Seen, repository: Path) -> Run:
    """What was seen of a merge that ended in a repository's branch. `start` is what no stage accounts for."""
    stages = dict(seen.said["stages"])
    stages["start"] = seen.seconds - sum(stages.values()) + stages.pop("imports", 0.0)
    command = ["git", "-C", repository, "rev-parse", f"{BRANCH}^{{tree}}"]
    tree = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    return Run(seen.seconds, seen.processor, stages, seen.said["memory"], seen.children, seen.together, tree)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a process from outside, as in `Run`, and the JSON object that it `said` on stdout."""

    seconds: float
    processor: float
    children: int
    together: int
    said: dict[str, Any]


def watched(command: Sequence[str], most: float | None = None, *, look: bool = True) -> Seen:
    """Run a Python program of this project from start to end, and `look` at the memory that it takes.

    Raises CalledProcessError where it fails, TimeoutExpired where it takes more than `most` seconds.
    """
    before, begin = _processor_time(), time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
    watcher = _Watcher(process.pid) if look else None
    try:
        out = finished(process, most)
        seconds, processor = time.perf_counter() - begin, _processor_time() - before
    finally:
        if watcher:
            watcher.stop()
    said = json.loads(out)
    if not watcher:
        return Seen(seconds, processor, 0, 0, said)
    together = max(watcher.together, said["memory"])  # between two looks it may have been more
    return Seen(seconds, processor, watcher.children, together, said)


def finished(process: subprocess.Popen[bytes], most: float | None) -> bytes:
    """What a process says on stdout until its end; it leads a session of its own, which ends with it.

    Raises CalledProcessError where it fails, TimeoutExpired where it takes more than `most` seconds.
    """
    try:
        out, err = process.communicate(timeout=most)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, out, err)
    return out


def _processor_time() -> float:
    """Seconds of all cores that processes started here used, once they have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Watcher:
    """Looks at a process and its children, again and again.

    A child's `ru_maxrss` would not do: the kernel carries the parent's peak over into a child that it starts.
    """

    def __init__(self, process: int) -> None:
        self.together = self.children = 0
        self._process = process
        self._done = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL):
            children = list(_below(self._process))
            shares = [_share(child) for child in children]
            self.together = max(self.together, _share(self._process) + sum(shares))
            self.children = max([self.children, *shares])


def _share(process: int) -> int:
    """A process's proportional set size in bytes (proc(5), smaps_rollup); 0 if it is gone or cannot be seen.

    What several processes share, as a fork and its parent do, is divided among them, so that a sum counts it once.
    """
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def _below(process: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from _below(child)
