"""How long a fresh clone takes to know what is in the state: key files of a million and of ten million records.

    python -m tests.benchmarks.keys [--records 1 10] [--cache FOLDER] [--output PATH]

A state of so many million records is laid down as merges of 200, or of 200,000 records each would have left it (and
once with a key file a frame, as before key files were put together), under a manifest that proves it. Then a frame of
200, and one of 200,000 records in a thousand deltas, is merged onto it, each in a fresh process in a fresh clone. Half
of its records answer older ones, one in a hundred repeats one.

`keys`: seconds of CPU to read the key files and to tell what of the frame is known. `fold`: seconds from the start of
the process to the first record folded, with imports, reading and validating the deltas; `CPU`: what the process and its
git computed until then. `merge`: seconds to the end. Memory is the peak of the process in MB, until the fold; `files`
are the key files, and their MB.
`history`: a thousand frames of 200, written one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from merge_bot.canonical import digest, document, key_hashes
from merge_bot.clone import Clone
from merge_bot.collect import Base
from merge_bot.collection import Collection
from merge_bot.commit_files import CommitFiles
from merge_bot.git import Identity
from merge_bot.git.pack import Pack
from merge_bot.layouts.key_files import KeyFiles
from merge_bot.manifest import Manifest
from merge_bot.paths import numbered
from merge_bot.snapshot import state_tree_after
from merge_bot.state import MemoryFiles, Meta
from merge_bot.tree import FILE, Entry
from tests.benchmarks.generator import BEGIN, FRAME_BEGIN
from tests.benchmarks.measure import watched
from tests.benchmarks.moment import NOW
from tests.benchmarks.repositories import BRANCH, INBOX, clone, commit
from tests.benchmarks.stopwatch import peak

RESULTS = Path(__file__).parent / "results"
SCHEMA = {
    "type": "object",
    "properties": {"number": {"type": "integer"}, "title": {"type": "string"}, "answers": {"type": "integer"}},
    "required": ["number", "title"],
    "x-merge": {
        "strategy": "append", "layout": "segments", "key": ["number"], "delta": ["posts_created"],
        "references": {"answers": "posts"},
    },
}  # fmt: skip
SMALL, LARGE = 200, 200_000
AUTHOR = Identity("Benchmark", "benchmark@example.org")


# --- a state, as merges would have left it


def frames(records: int, each: int) -> Iterator[tuple[int, range]]:
    """The number of each frame, and its records' numbers."""
    for frame, first in enumerate(range(0, records, each), start=1):
        yield frame, range(first, min(first + each, records))


def hashes(numbers: range) -> array[int]:
    return key_hashes(b"[0,%d]" % one for one in numbers)


def lay_down(folder: Path, records: int, each: int, compact: bool) -> None:
    """A bare repository with a state of so many records, `each` a frame, and the manifest that proves it."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch", BRANCH, folder], check=True)
    with Clone.open(str(folder)) as one:
        one.begin(one.plan({}, {"posts.schema.json": document(SCHEMA)}, BEGIN, 1), BEGIN)
        base = one.base()
        changes = dict(contents(folder, base.collections["posts"], base, records, each, compact))
        tree, _ = state_tree_after(base, changes)
        last = len(range(0, records, each))
        manifest = Manifest(
            last, "merge", "2026-01-02T00:00:00Z", base.commit, tree, {"posts": records}, settings=base.settings_id,
            schemas=base.schema_ids, previous=base.meta.manifest,
        )  # fmt: skip
        proof = manifest.as_bytes()
        meta = Meta(last + 1, manifest.time, digest(proof))
        books = {base.paths.manifest(last): proof, base.paths.meta: document(meta.as_json())}
        made = one.repository.write_commit(base.commit, {**changes, **books}, "state", AUTHOR, 1_767_312_000)
        assert one.repository.compare_and_swap(one.ref, made, base.commit)
    subprocess.run(["git", "-C", folder, "pack-refs", "--all"], check=True)


def contents(
    folder: Path, rules: Collection, base: Base, records: int, each: int, compact: bool
) -> Iterator[tuple[str, Entry]]:
    pack = Pack(os.fsencode(folder / "objects"), "sha1")
    keys = KeyFiles(rules, MemoryFiles(), base.paths)
    for frame, numbers in frames(records, each):
        lines = b"".join(b'{"number":%d,"title":"Post %d"}\n' % (one, one) for one in numbers)
        yield f"{rules.path}/{numbered(frame)}.jsonl", Entry(FILE, pack.add("blob", lines))
        keys.add(numbered(frame), hashes(numbers))
        if compact:
            keys.compact()
    for change in keys.changes():
        assert change.data is not None
        yield change.path, Entry(FILE, pack.add("blob", change.data))
    pack.finish()


def deltas(records: int, each: int, size: int) -> Iterator[tuple[str, bytes]]:
    """The next frame's, of 200 records each, or where that would be few deltas, ten of them."""
    frame, a_delta = len(range(0, records, each)) + 1, min(200, size // 10)
    for number in range(size // a_delta):
        posts = []
        for place in range(a_delta):
            new = 1_000_000_000 + number * a_delta + place
            old = new * 2_654_435_761 % records
            post = {"number": old if place % 100 == 7 else new, "title": f"Post {old if place % 100 == 7 else new}"}
            posts.append(post | ({"answers": old} if place % 2 else {}))
        utc = f"{FRAME_BEGIN:%Y-%m-%dT%H:%M}:00.{number:06d}Z"
        delta = {"frame": frame, "stream_id": f"worker-{number:04}", "utc": utc, "posts_created": posts}
        yield f"frame-{frame}-worker-{number:04}.json", json.dumps(delta).encode()


# --- one merge, in a process of its own


def merged(folder: Path, began: float) -> dict[str, Any]:
    from merge_bot.layouts.segments import SegmentsStore
    from merge_bot.strategies import append

    found: dict[str, Any] = {"keys": 0.0}

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any) -> Any:
            begin = processor()
            answer = function(*arguments)
            found["keys"] += processor() - begin
            return answer

        return wrapper

    def ready(*arguments: Any) -> Any:
        marks = known(*arguments)
        if "fold" not in found:
            found.update(fold=time.time() - began, cpu=processor(), memory=peak())
        return marks

    known = append._taken_marks
    append._taken_marks = ready
    SegmentsStore.present = timed(SegmentsStore.present)  # type: ignore[method-assign]
    with Clone.open(str(folder)) as one:
        result = one.merge(NOW)
        assert result.frame is not None
    return found | {"merge": time.time() - began, "applied": result.frame.applied["posts"]}


def processor() -> float:
    """Seconds that this process and its git computed: children that ended, and those that still run."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            ticks += sum(map(int, Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return time.process_time() + used.ru_utime + used.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


def measured(source: Path, scratch: Path, runs: int) -> dict[str, Any]:
    """The run that computed least: what else the machine does disturbs it least."""
    every = []
    for _ in range(runs):
        folder = Path(tempfile.mkdtemp(dir=scratch))
        clone(source, folder, bare=True)
        seen = watched([sys.executable, "-m", "tests.benchmarks.keys", "--merge", str(folder), str(time.time())])
        every.append(seen.said)
        shutil.rmtree(folder)
    best = min(every, key=lambda one: one["cpu"])
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in best.items()}


# --- what a thousand frames leave in the history


def history(folder: Path, count: int = 1000) -> dict[str, Any]:
    """What the key files of frames of 200 cost: written, and left in the pack by `git gc`, in bytes a hash."""
    lay_down(folder, SMALL, SMALL, compact=True)
    written = 0
    with Clone.open(str(folder)) as one:
        rules, paths, tip = one.base().collections["posts"], one.base().paths, str(one.tip)
        for frame, numbers in frames(SMALL * (count + 1), SMALL):
            if frame == 1:
                continue
            keys = KeyFiles(rules, CommitFiles(one.repository, tip), paths)
            keys.add(numbered(frame), hashes(numbers))
            keys.compact()
            changes = {change.path: change.data for change in keys.changes()}
            written += sum(len(data or b"") for data in changes.values())
            segment = {f"{rules.path}/{numbered(frame)}.jsonl": b"".join(b'{"number":%d}\n' % one for one in numbers)}
            tip = one.repository.write_commit(tip, {**changes, **segment}, "frame", AUTHOR, 1_767_400_000 + frame)
        assert one.repository.compare_and_swap(one.ref, tip, str(one.tip))
    subprocess.run(["git", "-C", folder, "gc", "--quiet", "--prune=now"], check=True)
    after, total = of_keys(folder), SMALL * count
    return {"frames": count, "written": written / total, "packed": after / total}


def of_keys(folder: Path) -> int:
    """The bytes on disk of every key file that was ever committed."""
    git = ["git", "-C", str(folder)]
    objects = subprocess.run([*git, "rev-list", "--objects", BRANCH], stdout=subprocess.PIPE, check=True).stdout
    names = [row.split(b" ", 1)[0] for row in objects.splitlines() if row.endswith(b".keys")]
    check = [*git, "cat-file", "--batch-check=%(objectsize:disk)"]
    sizes = subprocess.run(check, input=b"\n".join(names), stdout=subprocess.PIPE, check=True).stdout
    return sum(map(int, sizes.split()))


# --- all of it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[1, 10], metavar="MILLIONS")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="where the repositories are kept between runs")
    parser.add_argument("--output", type=Path, default=RESULTS / "keys", help="path of the report, without its ending")
    parser.add_argument("--merge", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.merge:
        print(json.dumps(merged(Path(options.merge[0]), float(options.merge[1]))))
        return
    with tempfile.TemporaryDirectory(dir=options.cache) as scratch:
        rows = list(everything(options, Path(scratch)))
        growth = history(Path(scratch, "history"))
    written = {"rows": rows, "history": growth, "load": round(os.getloadavg()[0], 1)}
    options.output.with_suffix(".json").write_text(json.dumps(written, indent=2) + "\n")
    options.output.with_suffix(".md").write_text(report(written, options.runs))


def everything(options: argparse.Namespace, scratch: Path) -> Iterator[dict[str, Any]]:
    for millions in options.records:
        for each, compact in ((SMALL, True), (LARGE, True), (SMALL, False)):
            state = (options.cache or scratch) / f"{millions}-of-{each}-{'runs' if compact else 'singles'}"
            if not state.exists():
                half = scratch / state.name
                lay_down(half, millions * 1_000_000, each, compact)
                half.rename(state)
            files = subprocess.run(
                ["git", "-C", state, "ls-tree", "-rl", BRANCH, "state/_control/keys/"], stdout=subprocess.PIPE
            ).stdout.splitlines()
            for size in (SMALL, LARGE):
                with tempfile.TemporaryDirectory(dir=scratch) as place:
                    source = Path(place, "source")
                    clone(state, source, bare=True)
                    commit(source, INBOX, deltas(millions * 1_000_000, each, size))
                    row = {"records": millions * 1_000_000, "frames of": each, "runs": compact, "frame": size}
                    row |= {"files": len(files), "bytes": sum(int(one.split()[3]) for one in files)}
                    row |= measured(source, Path(place), options.runs)
                    print(json.dumps(row), flush=True)
                    yield row


def report(found: dict[str, Any], runs: int) -> str:
    growth = found["history"]
    lines = [
        "# Key files, measured\n",
        f"Written by `python -m tests.benchmarks.keys` ({os.cpu_count()} cores, Python {sys.version.split()[0]}, best "
        f"of {runs} runs; {found['load']} programs ran at a time, so read the seconds of CPU).\n",
        (__doc__ or "").partition("\n\n")[2].partition("\n\n")[2],
        "| onto | merged as | key files | files | MB | frame | keys | fold | CPU | memory | merge |",
        "|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in found["rows"]:
        kind = "runs" if one["runs"] else "one a frame"
        lines.append(
            f"| {one['records']:,} | {one['frames of']:,} | {kind} | {one['files']:,} | {one['bytes'] / 1e6:.0f} | "
            f"{one['frame']:,} | {one['keys']:.2f} | {one['fold']:.2f} | {one['cpu']:.2f} | "
            f"{one['memory'] / 1e6:.0f} | {one['merge']:.2f} |"
        )
    written, packed = f"{growth['written']:.1f}", f"{growth['packed']:.1f}"
    lines.append(
        f"\n{growth['frames']:,} frames of {SMALL}: {written} bytes of key files are written for a record (8 are its "
        f"hash), and {packed} are left in the whole history after `git gc`.\n"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
