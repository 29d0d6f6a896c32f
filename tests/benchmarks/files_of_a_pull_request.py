"""How many files the pull request of a frame shows, by where the frame's deltas are kept: counted, not timed.

    python -m tests.benchmarks.files_of_a_pull_request [--deltas 5 100 1000] [--output tests/benchmarks/results/files]

Each worker delivers one delta by a branch of its own, and one merge takes them all in. GitHub shows 300 files of a pull
request. A delta writes a post and counts it; in the second world it also writes an entity of its own, and layout
`entities` is a file a key, whatever the archive is. The result is a table, as Markdown and as JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from merge_bot.remote_clone import RemoteClone
from merge_bot.target import Target
from tests.command import begun, delta
from tests.repo import Repo

FRAME = 405
NOW = datetime(2026, 3, 25, 4, tzinfo=UTC)
SHOWN = 300
ARCHIVES = ("frame", "branches")
WORLDS = {"posts": "a post each", "entities": "a post and an entity each"}
RESULTS = Path(__file__).parent / "results" / "files"


def changed(deltas: int, archive: str, place: Path, world: str = "posts") -> int:
    """The files that a frame of so many deltas by delta branches changes."""
    repo = begun(Repo(place), FRAME)
    repo.commit({".github/dreamcatcher.yml": f"archive: {archive}\n".encode()})
    repo.git("fast-import", "--quiet", stdin=b"".join(_branches(deltas, world)))
    before = repo.head
    with RemoteClone.open(Target(str(place), root=place)) as remote:
        result = remote.merge(NOW, dry_run=True)
        assert result.frame is not None and result.frame.merged_deltas == deltas
        after = remote.repository.write_commit(before, result.frame.changes, "a frame", remote.author(), 0)
        return len(remote.repository.changed_paths(before, after, ""))


def _branches(deltas: int, world: str) -> Iterator[bytes]:
    """A branch a worker, as `git fast-import` reads it."""
    for number in range(deltas):
        worker = f"w{number}"
        content: dict[str, Any] = {
            "posts_created": [{"number": number + 1, "title": "t", "channel": "c", "author": "a"}],
            "stats_increments": {"total_posts": 1},
        }
        if number == 0:
            content |= {
                "channels_updated": [{"slug": "c", "name": "C"}],
                "profile_updates": [{"agent_id": "a", "name": "A"}],
            }
        if world == "entities":
            content.setdefault("profile_updates", []).append({"agent_id": f"agent-{number}", "name": worker})
        data = delta(worker, FRAME, **content)
        yield b"commit refs/heads/deltas/%s\ncommitter w <w@example.com> %d +0000\ndata 0\n" % (worker.encode(), number)
        yield b"M 100644 inline frame-%d-%s.json\ndata %d\n%s\n" % (FRAME, worker.encode(), len(data), data)


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "# Files that the pull request of a frame shows",
        "",
        f"Counted by `python -m tests.benchmarks.files_of_a_pull_request`. GitHub shows {SHOWN} files.",
        "",
        "| deltas by delta branches | each writes | `archive: frame` | `archive: branches` |",
        "|---:|---|---:|---:|",
    ]
    lines += [f"| {row['deltas']:,} | {row['writes']} | {row['frame']:,} | {row['branches']:,} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deltas", type=int, nargs="+", default=[5, 100, 1000])
    parser.add_argument("--output", type=Path, default=RESULTS, help="where to write the table, without its ending")
    options = parser.parse_args()
    rows = []
    for world, writes in WORLDS.items():
        for deltas in options.deltas:
            row: dict[str, Any] = {"deltas": deltas, "writes": writes}
            for archive in ARCHIVES:
                with tempfile.TemporaryDirectory() as place:
                    row[archive] = changed(deltas, archive, Path(place, "world"), world)
            rows.append(row)
            print(json.dumps(row), flush=True)
    options.output.with_suffix(".json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    options.output.with_suffix(".md").write_text(table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
