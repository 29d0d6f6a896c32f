"""What one small frame fetches from a large state: bytes, counted at the server, requests, and seconds.

    python -m tests.benchmarks.fetching                                  2 GB, a frame of 100 records
    python -m tests.benchmarks.fetching --frames 500 --records 500       another state

Each state is merged over HTTP by `dreamcatcher merge --remote`, once from a server that leaves out what it is told to,
and once from one that cannot, and so sends everything: what a shallow clone is without a filter. `tree bytes` and
`key bytes` are the parts that grow with the state all the same. Everything lies in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from tests import grown
from tests.benchmarks.repositories import ROOT
from tests.http_remote import HttpRemote
from tests.repo import Repo

RESULTS = Path(__file__).parent / "results"
WORKERS = 10
COLUMNS = ("megabytes", "requests", "seconds")


def deltas(records: int) -> dict[str, bytes]:
    """By worker, what is submitted: posts and comments on old ones, souls, profiles and a counter."""
    found = {}
    for worker in range(WORKERS):
        author = f"agent-{worker}"
        share = range(worker, records, WORKERS)
        content: dict[str, Any] = {
            "posts_created": [
                {"number": one + 1, "title": "T", "channel": "general", "author": author, "body": "b" * 500}
                for one in share[::3]
            ],
            "comments_added": [
                {"post_number": 2_000_000 + one, "author": author, "body": "c" * 200} for one in share[1::3]
            ],
            "soul_updates": [{"agent_id": author, "observation": "o" * 200} for _ in share[2::3]],
            "profile_updates": [{"agent_id": author, "bio": "b"}],
            "stats_increments": {"total_posts": len(share[::3])},
        }
        found[f"w{worker}"] = json.dumps(content).encode()
    return found


def submit(server: HttpRemote, records: int) -> None:
    for worker, data in deltas(records).items():
        command = [sys.executable, "-m", "merge_bot", "submit", "-", "--worker", worker, "--remote", server.url]
        subprocess.run(command, input=data, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def merged(server: HttpRemote) -> dict[str, float]:
    """One merge of the server: what it took. The branch is afterwards where it was."""
    tip, server.sent = server.tip(), 0
    server.requests.clear()
    began = perf_counter()
    command = [sys.executable, "-m", "merge_bot", "merge", "--remote", server.url, "--repo", "/", "--json"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    seconds = perf_counter() - began
    told = json.loads(done.stdout)
    assert told["operation"] == "pushed", told
    server.repo.git("update-ref", "refs/heads/main", tip)
    return {
        "megabytes": round(server.sent / 1e6, 3), "requests": len(server.requests), "seconds": round(seconds, 2),
    }  # fmt: skip


def measured(folder: Path, frames: int, records: int, body: int, frame: int) -> dict[str, Any]:
    """Both servers, one state."""
    place = folder / "world.git"
    Repo.init(place, "--bare")
    grown.begin(place)
    grown.grow(place, frames, records, body)
    # What is large and random is not worth a search for what it resembles; trees are.
    Repo(place).git("-c", "core.bigFileThreshold=32k", "-c", "pack.threads=1", "repack", "-adbq")
    with HttpRemote(folder).serving() as server:
        submit(server, frame)
        found: dict[str, Any] = {"frames": frames, "posts": frames * records, "frame": frame}
        found["state megabytes"] = round(sum(one.stat().st_size for one in place.rglob("*.pack")) / 1e6)
        found["key megabytes"] = round(frames * records * 8 / 1e6, 3)
        found["tree megabytes"] = round(_tree_bytes(server.repo) / 1e6, 3)
        found["filtered"] = merged(server)
        server.repo.git("config", "uploadpack.allowFilter", "false")
        found["whole"] = merged(server)
    return found


def _tree_bytes(repo: Repo) -> int:
    """What the trees of the newest commit take in a pack."""
    ids = repo.git("rev-list", "--objects", "--filter=blob:none", "--no-object-names", "-1", "main").encode()
    sizes = repo.git("cat-file", "--batch-check=%(objectsize:disk)", stdin=ids + b"\n")
    return sum(map(int, sizes.split()))


def table(rows: list[dict[str, Any]]) -> str:
    """The results as a page."""
    lines = [
        "# What one small frame fetches", "",
        "`python -m tests.benchmarks.fetching`: a frame of a few records onto a large state, by `dreamcatcher merge",
        "--remote` over HTTP on one machine. *Whole* is a server that cannot leave contents out.", "",
        "| state | posts | frames | records in the frame | | fetched | requests | time |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        for kind in ("whole", "filtered"):
            state = f"{row['state megabytes']:,} MB | {row['posts']:,} | {row['frames']:,} | {row['frame']}"
            one = row[kind]
            lines.append(
                f"| {state} | {kind} | {one['megabytes']:,.1f} MB | {one['requests']} | {one['seconds']:.1f} s |"
            )
        keys, trees = row["key megabytes"], row["tree megabytes"]
        lines.append(f"| | | | | of that | keys {keys:,.1f} MB, trees {trees:,.1f} MB | | |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[100, 1300], help="how many the state has")
    parser.add_argument("--records", type=int, default=900, help="posts in each of them")
    parser.add_argument("--body", type=int, default=1000, help="characters of each post")
    parser.add_argument("--frame", type=int, default=100, help="records of the frame that is merged")
    parser.add_argument("--output", type=Path, default=RESULTS / "fetching", help="where .json and .md go")
    options = parser.parse_args()
    os.environ["GIT_ALLOW_PROTOCOL"] = "file:http"
    rows = []
    for frames in options.frames:
        with tempfile.TemporaryDirectory() as scratch:
            rows.append(measured(Path(scratch), frames, options.records, options.body, options.frame))
        print(json.dumps(rows[-1]), flush=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    options.output.with_suffix(".md").write_text(table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
