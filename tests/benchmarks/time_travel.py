"""What going back costs: verify, replay and diff of one frame, against the size of the frame and of the state.

    python -m tests.benchmarks.time_travel [--states 10 100] [--records 1000 10000]

The frame alone is to be linear in what it wrote and flat in the state. `state` is what verify adds once, whatever the
number of frames: it reads the whole live state, to prove counts and key files.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from merge_bot.clone import Clone
from merge_bot.commit_files import CommitFiles
from merge_bot.history import History
from merge_bot.verify import verify
from merge_bot.verify_frame import Examiner
from tests.benchmarks.generator import NOW, Shape
from tests.benchmarks.repositories import Repositories, clone

WORKERS = 100


def timed(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def measured(repositories: Repositories, shape: Shape, scratch: Path) -> dict[str, Any]:
    """Seconds of each question about the newest frame, which is the pending one of `shape`."""
    folder = scratch / "clone"
    clone(repositories.ours(shape, shape.state), folder, bare=True)
    with Clone.open(str(folder)) as one:
        one.merge(NOW)
    seconds = {}
    with History(str(folder)) as history:
        newest = history.newest
        manifest, before, landing = history.manifest(newest), history.manifest(newest - 1), history.landing(newest)
        files = CommitFiles(history.repository, history.tip)
        examiner = Examiner(history.repository, files, history.paths)
        assert examiner.examine(manifest, landing.commit, before) == []  # warm: the same for all
        seconds["verify frame"] = timed(lambda: examiner.examine(manifest, landing.commit, before))
        seconds["replay"] = timed(lambda: history.replay(newest))
        seconds["diff"] = timed(lambda: history.diff(newest - 1, newest))
        seconds["verify state"] = timed(lambda: verify(history, newest)) - seconds["verify frame"]
    shutil.rmtree(folder)
    return {"state": shape.state * 1000, "records": shape.deltas * shape.records, **seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, nargs="+", default=[10, 100], metavar="THOUSANDS")
    parser.add_argument("--records", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir(), f"dreamcatcher-benchmarks-{os.getuid()}")
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for state in options.states:
            for records in options.records:
                shape = Shape(WORKERS, records // WORKERS, state)
                print(json.dumps(measured(Repositories(options.cache), shape, Path(scratch))), flush=True)


if __name__ == "__main__":
    main()
