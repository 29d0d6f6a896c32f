"""What going back costs: verify, replay and diff of one frame, against the size of the frame and of the state.

    python -m tests.benchmarks.time_travel [--states 10 100 1000] [--records 1000 10000]

Each question is asked in a process of its own, which says of itself how long it took (`wall`), what it and git
computed (`cpu`; the machine may be shared), both in seconds, and how much memory it needed at most beyond what it had
when it was asked (`memory`, in megabytes). The frame alone is to be linear in what it wrote and flat in the state, but
for what `tests/test_time_travel_costs.py` counts. `verify all` reads everything there is: linear in that.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from merge_bot.clone import Clone
from merge_bot.commit_files import CommitFiles
from merge_bot.history import History
from merge_bot.processes import cores
from merge_bot.verify import verify
from merge_bot.verify_frame import Examiner
from tests.benchmarks.generator import Shape
from tests.benchmarks.moment import NOW
from tests.benchmarks.repositories import ROOT, Repositories, clone
from tests.benchmarks.stopwatch import peak

WORKERS = 100


def verify_frame(history: History) -> None:
    newest = history.newest
    manifest, before = history.manifest(newest), history.manifest(newest - 1)
    examiner = Examiner(history.repository, CommitFiles(history.repository, history.tip), history.paths)
    assert examiner.examine(manifest, history.landing(newest).commit, before) == []


def replay(history: History) -> None:
    assert history.replay(history.newest).same


def diff(history: History) -> None:
    assert history.diff(history.newest - 1, history.newest).changes


def verify_all(history: History) -> None:
    assert verify(history, jobs=cores()).ok


QUESTIONS: dict[str, Callable[[History], None]] = {
    "verify frame": verify_frame,
    "replay": replay,
    "diff": diff,
    "verify all": verify_all,
}


def asked(question: str, repository: Path) -> dict[str, float]:
    """What one question costs; to be called in a process that has done nothing else."""
    with History(str(repository)) as history:
        had, used, began = peak(), processor(resource.RUSAGE_SELF), perf_counter()
        QUESTIONS[question](history)
        wall, mine = perf_counter() - began, processor(resource.RUSAGE_SELF) - used
    cpu = mine + processor(resource.RUSAGE_CHILDREN)
    return {"wall": round(wall, 3), "cpu": round(cpu, 3), "memory": round((peak() - had) / 1e6, 1)}


def processor(whose: int) -> float:
    found = resource.getrusage(whose)
    return found.ru_utime + found.ru_stime


def measured(repositories: Repositories, shape: Shape, scratch: Path) -> dict[str, Any]:
    """Every question about the newest frame, which is the pending one of `shape`."""
    folder = scratch / f"{shape.state}-{shape.records}"
    clone(repositories.ours(shape, shape.state), folder, bare=True)
    with Clone.open(str(folder)) as one:
        one.merge(NOW)
    found: dict[str, Any] = {"state": shape.state * 1000, "records": shape.deltas * shape.records}
    for question in QUESTIONS:
        command = [sys.executable, "-m", "tests.benchmarks.time_travel", "--ask", question, str(folder)]
        found[question] = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, nargs="+", default=[10, 100, 1000], metavar="THOUSANDS")
    parser.add_argument("--records", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--ask", nargs=2, metavar=("QUESTION", "REPOSITORY"), help=argparse.SUPPRESS)
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir(), f"dreamcatcher-benchmarks-{os.getuid()}")
    )
    options = parser.parse_args()
    if options.ask:
        print(json.dumps(asked(options.ask[0], Path(options.ask[1]))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        for state in options.states:
            for records in options.records:
                shape = Shape(WORKERS, records // WORKERS, state)
                print(json.dumps(measured(Repositories(options.cache), shape, Path(scratch))), flush=True)


if __name__ == "__main__":
    main()
