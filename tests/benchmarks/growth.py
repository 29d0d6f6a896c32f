"""How a repository grows over many small frames, and whether a frame gets slower: `python -m tests.benchmarks.growth`.

Each frame's deltas are committed into the inbox, as workers' pushes leave them, and merged in a bare clone.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median

from tests.benchmarks import paper
from tests.benchmarks.generator import steady_frames, steady_time
from tests.benchmarks.repositories import BRANCH, INBOX, arrive, begun

TIDY_EVERY = 50
"""Frames between two runs of `git gc`, as a repository tidies itself up at fifty packs (gc.autoPackLimit)."""

WINDOW = 10
"""How many frames, the newest before a mark, tell what a frame writes where and how long it takes."""

KILOBYTE = 1000


@dataclass(slots=True)
class Mark:
    """The repository after so many frames. Bytes but for `processor` and `seconds`, which are medians of a merge.

    `deltas`: of all delta files; `written`: of all packs as they were written; `packed`: of what `git gc` made of
    them; `indexes`: of the indexes beside. `reads`: objects whose content the newest merge read. `places`: what a
    frame writes now, by kind and place, in bytes.
    """

    frame: int
    deltas: int
    written: int
    packed: int
    indexes: int
    files: int
    folders: int
    objects: int
    reads: int
    processor: float
    seconds: float
    places: dict[str, float] = field(default_factory=dict)


NOTHING = Mark(0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0)


def grow(folder: Path, frames: int, every: int, deltas: int, records: int) -> Iterator[Mark]:
    """A new repository that takes in frame after frame; what it is like after each `every` of them."""
    begun(folder).repository.close()
    came, written, known = 0, 0, _packs(folder)
    costs: list[tuple[float, float]] = []
    for frame, some in steady_frames(deltas, records, frames - 1):
        arrive(folder, INBOX, some, steady_time(frame))
        came += sum(len(data) for _, data in some)
        cost, reads = _merge(folder, steady_time(frame))
        costs = [*costs, cost][-WINDOW:]
        packs = _packs(folder)
        written += _sum({name: size for name, size in packs.items() if name not in known}, ".pack")
        places = _places(folder, min(WINDOW, frame)) if frame % every == 0 else {}
        if frame % every == 0 or frame % TIDY_EVERY == 0:
            _git(folder, "gc", "--quiet", "--prune=now")
            packs = _packs(folder)
        known = packs
        if frame % every == 0:
            packed, indexes = (
                sum(size for name, size in packs.items() if name.endswith(end)) for end in (".pack", ".idx")
            )
            processor, seconds = (median(column) for column in zip(*costs, strict=True))
            counted = _counted(folder)
            yield Mark(frame, came, written, packed, indexes, *counted, reads, processor, seconds, places)


def _merge(folder: Path, now: datetime) -> tuple[tuple[float, float], int]:
    """One merge: what it cost in processor time and in seconds, and how many objects' contents it read."""
    from merge_bot.clone import Clone
    from merge_bot.git.objects import Objects

    read_many, reads = Objects.read_many, 0

    def counting(self: Objects, names: Iterable[str], kind: str = "blob") -> dict[str, bytes]:
        nonlocal reads
        found = read_many(self, names, kind)
        reads += len(found)
        return found

    used, begin = _processor(), time.perf_counter()
    Objects.read_many = counting  # type: ignore[method-assign]
    try:
        with Clone.open(str(folder)) as clone:
            clone.merge(now)
    finally:
        Objects.read_many = read_many  # type: ignore[method-assign]
    return (_processor() - used, time.perf_counter() - begin), reads


def _packs(folder: Path) -> dict[str, int]:
    return {one.name: one.stat().st_size for one in (folder / "objects" / "pack").iterdir()}


def _sum(packs: Mapping[str, int], ending: str) -> int:
    return sum(size for name, size in packs.items() if name.endswith(ending))


def _processor() -> float:
    """Seconds of all cores that this process and its git processes used."""
    used = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _counted(folder: Path) -> tuple[int, int, int]:
    """Files and folders of the newest commit, and all objects."""
    kinds = Counter(line.split()[1] for line in _git(folder, "ls-tree", "-r", "-t", BRANCH).splitlines())
    told = dict(line.split(": ") for line in _git(folder, "count-objects", "-v").splitlines())
    return kinds["blob"], kinds["tree"], int(told["count"]) + int(told["in-pack"])


def _places(folder: Path, frames: int) -> dict[str, float]:
    """What the last frames wrote, in bytes a frame as they lie in the packs, by kind and place."""
    commits = 2 * frames  # a frame is the commit of its deltas and the merge's
    listed = _git(folder, "rev-list", "--objects", BRANCH, f"^{BRANCH}~{commits}")
    form = "--batch-check=%(objecttype) %(objectsize:disk) %(rest)"
    found: Counter[str] = Counter()
    for line in _git(folder, "cat-file", form, stdin=listed).splitlines():
        kind, size, path = line.split(" ", 2)
        found[place_of(kind, path)] += int(size)
    return {place: round(size / frames) for place, size in found.most_common()}


def place_of(kind: str, path: str) -> str:
    """Where an object belongs in the table: a part of the state, or the folders of one."""
    if kind == "commit":
        return "commits"
    top, _, rest = path.partition("/")
    parts = rest.split("/") if top == "state" and rest else [top or "/"]
    part = "/".join(parts[:2]) if parts[0] == "_control" else parts[0]
    return f"folders of {part}" if kind == "tree" else part


def _git(folder: Path, *arguments: str, stdin: str = "") -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, check=True, text=True).stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    options = _options(arguments)
    machine = paper.machine()
    marks = []
    with tempfile.TemporaryDirectory(prefix="growth-", dir=options.scratch) as scratch:
        folder = Path(scratch, "world.git")
        for mark in grow(folder, options.frames, options.every, options.deltas, options.records):
            marks.append(mark)
            print(f"{mark.frame}: {mark.packed:,} bytes, {mark.processor:.3f} s", flush=True)
    command = f"python -m tests.benchmarks.growth --frames {options.frames} --every {options.every}"
    command += f" --deltas {options.deltas} --records {options.records}"
    lines = [*paper.heading(f"A repository over {options.frames:,} frames", command, machine), *EXPLAINED, ""]
    lines += [f"Each frame: {options.deltas} deltas of {options.records} records.", ""]
    told = ", ".join(f"{what} {times:.2f}" for what, times in grown(marks).items())
    what = f"At frame {marks[-1].frame:,} a frame costs, in times of what it did at frame {marks[0].frame:,}: {told}."
    lines += [*paper.table(list(rows(marks))), "", what, "", "## What a frame writes", "", *EXPLAINED_PLACES, ""]
    lines += paper.table(list(place_rows(marks)))
    paper.keep(options.output, {"command": command, "machine": machine, "marks": [asdict(one) for one in marks]}, lines)
    print(f"Written: {options.output.with_suffix('.md')}")
    return 0


def rows(marks: Sequence[Mark]) -> Iterator[tuple[str, ...]]:
    """A heading, then a row a mark. What a frame has is that of the frames since the mark before."""
    yield (
        "frames", "deltas, kB a frame", "written, kB a frame", "packed, kB a frame", "packed over deltas",
        "packed in all, MB", "files", "folders", "objects", "reads", "CPU a frame, s", "seconds",
    )  # fmt: skip
    for one, (came, written, packed) in zip(marks, _a_frame(marks), strict=True):
        yield (
            f"{one.frame:,}", f"{came:.1f}", f"{written:.1f}", f"{packed:.1f}", f"{packed / came:.2f}",
            f"{one.packed / KILOBYTE**2:.1f}", f"{one.files:,}", f"{one.folders:,}", f"{one.objects:,}",
            f"{one.reads:,}", f"{one.processor:.3f}", f"{one.seconds:.3f}",
        )  # fmt: skip


def _a_frame(marks: Sequence[Mark]) -> Iterator[tuple[float, ...]]:
    """Kilobytes a frame since the mark before: of deltas, as written, packed."""
    before = NOTHING
    for one in marks:
        frames = (one.frame - before.frame) * KILOBYTE
        whats = ("deltas", "written", "packed")
        yield tuple((getattr(one, what) - getattr(before, what)) / frames for what in whats)
        before = one


def grown(marks: Sequence[Mark]) -> dict[str, float]:
    """How many times as much a frame costs at the last mark as at the first."""
    first, last = marks[0], marks[-1]
    added = list(_a_frame(marks))
    return {
        "packed": added[-1][2] / added[0][2],
        "written": added[-1][1] / added[0][1],
        "reads": last.reads / first.reads,
        "CPU": last.processor / first.processor,
    }


def place_rows(marks: Sequence[Mark]) -> Iterator[tuple[str, ...]]:
    """What a frame writes where, the largest first: at the first mark, the middle one and the last."""
    shown = list({one.frame: one for one in (marks[0], marks[len(marks) // 2], marks[-1])}.values())
    yield ("place", *(f"frame {one.frame:,}, kB" for one in shown))
    for place in marks[-1].places:
        yield (place, *(f"{one.places.get(place, 0) / KILOBYTE:.1f}" for one in shown))
    yield ("together", *(f"{sum(one.places.values()) / KILOBYTE:.1f}" for one in shown))


EXPLAINED = (
    "*written* is what lies in the packs as the workers' pushes and the merges wrote them, *packed* what `git gc`",
    "made of them (as a hosting service does, and git itself at fifty packs; here every fifty frames): what a frame",
    "added since the mark before. *packed over deltas* holds that against the bytes of the delta files, which are",
    "kept whole in the archive; beside them there are the state's own files, receipts, ledger, keys and manifests.",
    "Files and folders are those of the newest commit. *reads* are the objects that the newest merge read from git.",
    "CPU and seconds are those of the merge alone, without the start of an interpreter: medians of the ten frames",
    "before the mark.",
)
EXPLAINED_PLACES = (
    "As written, before `git gc`: the mean of the ten frames before a mark, by part of the state. A folder is written",
    "anew whenever something in it changes, with a line for each file in it; folders hold at most a thousand frames.",
    "So they grow up to there and begin again; `git gc` keeps only what differs.",
)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth", description=__doc__)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--every", type=int, default=100, help="frames between two marks (default: %(default)s)")
    parser.add_argument("--deltas", type=int, default=5, help="deltas a frame (default: %(default)s)")
    parser.add_argument("--records", type=int, default=20, help="records a delta (default: %(default)s)")
    parser.add_argument("--scratch", type=Path, help="folder for the repository (default: the system's)")
    parser.add_argument("--output", type=Path, default=paper.RESULTS / "growth", help="path without an ending")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
