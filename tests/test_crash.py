"""A merge that is killed at any moment leaves the old frame or the new one; the next run completes it."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from merge_bot.clone import Clone
from merge_bot.git import Repository
from merge_bot.resources import example_schemas
from tests.crashes import die_at_every_step

NOW = datetime(2026, 3, 26, tzinfo=UTC)
EDIT = "a note that nobody committed\n"
HISTORY = [
    "merge frame 1: 2 deltas, 2 agents, 1 channels, 1 posts, 1 souls, 2 stats",
    "deltas: 3 files",
    "dreamcatcher init: frame 0, the genesis",
]
DELTAS = {
    "frame-1-w1.json": {
        "profile_updates": [{"agent_id": "a", "name": "A", "karma": 1}],
        "channels_updated": [{"slug": "c", "name": "C"}],
        "posts_created": [{"number": 1, "title": "t", "channel": "c", "author": "a"}],
        "comments_added": [{"post_number": 9, "author": "a", "body": "waits"}],
        "stats_increments": {"total_posts": 1},
    },
    "frame-1-w2.json": {
        "profile_updates": [{"agent_id": "a", "bio": "b", "karma": 2}],
        "soul_updates": [{"agent_id": "a", "observation": "o"}],
        "stats_increments": {"total_posts": 2},
    },
}


def begin(root: Path) -> None:
    """A repository at frame 1 with three new deltas (one broken) and an edit elsewhere, nothing committed of them."""
    Repository.create(root).close()
    with Clone.open(str(root)) as clone:
        schemas = example_schemas()
        clone.begin(clone.plan({"notes.txt": b"notes\n"}, schemas, NOW, 1), NOW)
    for number, (name, operations) in enumerate(DELTAS.items(), start=1):
        delta = {"frame": 1, "stream_id": f"w{number}", "utc": f"2026-03-25T00:00:0{number}Z", **operations}
        (root / "state/stream_deltas" / name).write_text(json.dumps(delta))
    (root / "state/stream_deltas/frame-1-w3.json").write_text('{"frame": 1,')
    (root / "notes.txt").write_text(EDIT)


def merge(root: Path) -> None:
    with Clone.open(str(root)) as clone:
        clone.merge(NOW)


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


def kept(root: Path) -> dict[str, bytes]:
    """Every file below state/ as it lies in the work tree."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.glob("state/**/*") if path.is_file()}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A repository before the merge, and the same after it."""
    folder = tmp_path_factory.mktemp("crash")
    begin(folder / "before")
    shutil.copytree(folder / "before", folder / "after", symlinks=True)
    merge(folder / "after")
    return folder / "before", folder / "after"


def check_killed_merges(before: Path, after: Path, work: Path, stride: int) -> int:
    """Kill a merge at every `stride`-th step and hold what is left against the laws; how many kills there were."""
    before_clock, wanted = kept(before)["state/_meta.json"], kept(after)

    def prepare() -> None:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(before, work, symlinks=True)

    kills = 0
    for step in die_at_every_step(prepare, lambda: merge(work), stride):
        kills += 1
        clock = git(work, "show", "HEAD:state/_meta.json").encode()
        assert clock in (before_clock, wanted["state/_meta.json"]), step
        merge(work)
        assert kept(work) == wanted, step
        assert git(work, "status", "--porcelain") == " M notes.txt\n", step
        assert (work / "notes.txt").read_text() == EDIT, step
        assert git(work, "log", "--format=%s").splitlines() == HISTORY, step
        # A git process outlives its killed parent for a moment and may leave the ref that it was building on; the
        # next commit takes it away.
        refs = git(work, "for-each-ref", "--format=%(refname)").splitlines()
        assert [ref for ref in refs if not ref.startswith("refs/dreamcatcher/build/")] == ["refs/heads/main"], step
    return kills


def test_a_merge_killed_at_any_seventh_step(places: tuple[Path, Path], tmp_path: Path) -> None:
    assert check_killed_merges(*places, tmp_path / "work", stride=7) > 20


@pytest.mark.slow
def test_a_merge_killed_at_every_step(places: tuple[Path, Path], tmp_path: Path) -> None:
    assert check_killed_merges(*places, tmp_path / "work", stride=1) > 150
