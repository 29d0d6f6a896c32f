"""One step of one peer, in a process of its own: `python -m tests.benchmarks.peers.process STEP PEER FOLDER [SHAPE]`.

`merge` tells its stages and memory as JSON on stdout; `read` tells the verdict.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.benchmarks.peers.catalog import BY_NAME
from tests.benchmarks.stopwatch import Stopwatch


def main(step: str, name: str, folder: Path, shape: str = "") -> None:
    """Do the step; `shape` is deltas,records,thousands, for the steps that need the work."""
    if step == "merge":
        watch = Stopwatch()
        with watch("imports"):
            peer = BY_NAME[name].load()
        with watch("merge"):
            peer.merge(folder)
        print(json.dumps(watch.report()))
        return
    from tests.benchmarks.generator import Shape
    from tests.benchmarks.peers.judge import Verdict, judge
    from tests.benchmarks.peers.work import work

    what = work(Shape(*map(int, shape.split(","))))
    peer = BY_NAME[name].load()
    if step == "prepare":
        peer.prepare(folder, what)
        return
    try:
        verdict = judge(what.expected(), peer.read(folder))
    except ValueError as problem:
        verdict = Verdict(unreadable=str(problem))
    print(json.dumps(verdict.as_json()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
