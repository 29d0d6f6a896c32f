"""Retention: archives of old frames leave the tree and nothing else does; from history everything still works."""

from __future__ import annotations

from pathlib import Path

import pytest

from merge_bot.history import History
from merge_bot.retention import kept_from
from merge_bot.verify import verify
from tests.command import run
from tests.random_frames import Story, grown
from tests.repo import Repo

KEEP = 4
FRAMES = 12


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return grown(tmp_path_factory.mktemp("kept") / "repo", FRAMES, 3, settings=f"keep-frames: {KEEP}\n")


@pytest.mark.parametrize(
    ("keep", "frame", "before", "first"),
    [
        (0, 9, None, None),
        (4, 2, None, None),
        (4, 4, None, 1),
        (4, 9, None, 6),
        (0, 9, 6, 6),
        (8, 9, 6, 6),
        (1, 9, 6, 9),
    ],
)
def test_which_frames_keep_their_archives(keep: int, frame: int, before: int | None, first: int | None) -> None:
    assert kept_from(keep, frame, before) == first


def archives(repo: Repo) -> set[int]:
    """The frames that have an archive at the tip."""
    return {int(path.split("/")[3]) for path in repo.files() if "/deltas/" in path or "/quarantine/" in path}


def test_archives_of_old_frames_leave_the_tree(story: Story) -> None:
    repo = Repo(story.path)
    merges = [frame for frame, what in story.frames.items() if what == "merge"]
    first = max(merges) - KEEP + 1
    assert archives(repo) == {frame for frame in merges if frame >= first}
    assert repo.status == []
    manifests = [path for path in repo.files() if path.endswith("manifest.json")]
    assert len(manifests) == FRAMES + 1


def test_everything_is_still_there_in_history(story: Story) -> None:
    with History(story.path) as history:
        assert verify(history).findings == []
        assert [history.replay(frame).same for frame in story.frames] == [True] * FRAMES
        assert history.state(1).commit == history.landing(1).commit


def test_the_setting_can_be_turned_on_and_off_again(tmp_path: Path) -> None:
    repo = Repo(grown(tmp_path / "repo", 5, 8).path)
    with History(repo.path) as history:
        assert verify(history).ok
    before = archives(repo)
    repo.commit({".github/dreamcatcher.yml": b"keep-frames: 2\n", "state/stream_deltas/frame-6-w1.json": _delta(6)})
    assert run("merge", "--repo", repo.path).code == 0
    assert archives(repo) == {one for one in before if one >= 5} | {6}
    repo.commit({".github/dreamcatcher.yml": b"keep-frames: 0\n", "state/stream_deltas/frame-7-w1.json": _delta(7)})
    assert run("merge", "--repo", repo.path).code == 0
    assert archives(repo) == {one for one in before if one >= 5} | {6, 7}
    with History(repo.path) as history:
        assert verify(history).findings == []


def _delta(frame: int) -> bytes:
    return b'{"frame": %d, "stream_id": "w1", "utc": "2026-03-25T03:00:00Z", "seen": [{"saw": "x"}]}' % frame


def test_an_archive_that_somebody_else_removed_is_found(story: Story) -> None:
    repo = Repo(story.path)
    gone = next(path for path in sorted(repo.files(), reverse=True) if "/deltas/" in path)
    repo.git("branch", "kept", "main")
    try:
        commit = repo.commit({gone: None})
        with History(story.path) as history:
            assert [(one.path, one.commit) for one in verify(history).findings] == [(gone, commit)]
    finally:
        repo.git("reset", "--quiet", "--hard", "kept")


def test_a_delta_that_is_gone_from_history_too_is_found(story: Story, tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "copy")
    repo.git("fetch", "--quiet", str(story.path), "main:main", "--update-head-ok")
    repo.git("reset", "--quiet", "--hard", "main")
    with History(repo.path) as history:
        row = next(row for row in history.manifest(1).deltas if "file" in row)
    repo.git("repack", "-a", "-d", "--quiet")
    (pack,) = (repo.path / ".git/objects/pack").glob("*.pack")
    data = pack.read_bytes()
    for path in (repo.path / ".git/objects/pack").iterdir():
        path.unlink()
    repo.git("unpack-objects", "-q", stdin=data)
    (repo.path / ".git/objects" / row["blob"][:2] / row["blob"][2:]).unlink()
    with History(repo.path) as history:
        assert [(one.frame, one.path) for one in verify(history).findings] == [(1, row["file"])]
