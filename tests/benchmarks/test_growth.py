"""A repository that grows: every delta of every frame is in it, and what is counted is what git counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import contents, growth
from tests.benchmarks.growth import Mark, grow, place_of
from tests.benchmarks.repositories import BRANCH
from tests.repo import Repo


def test_frames_add_up(tmp_path: Path) -> None:
    folder = tmp_path / "world.git"
    first, second = grow(folder, frames=4, every=2, deltas=2, records=20)
    repo = Repo(folder)
    assert json.loads(repo.git("show", f"{BRANCH}:state/_meta.json"))["frame"] == 5
    found = contents.of_ours(folder, BRANCH)
    assert {name: found[name]["records"] for name in ("posts", "comments", "souls", "parked")} == {
        "posts": 3 * 2 * 5, "comments": 3 * 2 * 11, "souls": 3 * 2 * 3, "parked": 0,
    }  # fmt: skip
    archived = [path for path in repo.files(BRANCH) if path.startswith("state/frames/") and "/deltas/" in path]
    sizes = [int(repo.git("cat-file", "-s", f"{BRANCH}:{path}")) for path in archived]
    assert (second.frame, second.deltas, len(sizes)) == (4, sum(sizes), 7)
    assert second.files == len(repo.files(BRANCH))
    assert second.folders == len(repo.git("ls-tree", "-r", "-d", BRANCH).splitlines())
    assert second.objects == len(repo.git("cat-file", "--batch-all-objects", "--batch-check").splitlines())
    packs = [one.stat().st_size for one in (folder / "objects" / "pack").glob("*.pack")]
    assert [second.packed] == packs
    assert first.written < second.written
    assert 20 < first.reads <= second.reads
    assert second.packed < second.written
    assert {"frames", "posts", "folders of posts", "_control/keys", "commits"} <= set(second.places)


def test_what_is_written_where_is_what_lies_in_the_packs(tmp_path: Path) -> None:
    (mark,) = grow(tmp_path / "world.git", frames=2, every=2, deltas=2, records=20)
    rest = mark.written / 2 - sum(mark.places.values())
    assert 0 < rest < 200, "a pack's own head and tail, and what is in two packs"


@pytest.mark.parametrize(
    ("kind", "path", "place"),
    [
        ("commit", "", "commits"),
        ("tree", "", "folders of /"),
        ("tree", "state", "folders of state"),
        ("tree", "state/posts/000", "folders of posts"),
        ("tree", "state/_control", "folders of _control"),
        ("blob", "state/_control/keys/posts/000/000002", "_control/keys"),
        ("blob", "state/posts/000/000002.jsonl", "posts"),
        ("blob", "state/_meta.json", "_meta.json"),
    ],
)
def test_an_object_has_its_place(kind: str, path: str, place: str) -> None:
    assert place_of(kind, path) == place


def test_rows_tell_what_a_frame_added_since_the_mark_before() -> None:
    marks = [
        Mark(100, 1_000_000, 2_000_000, 1_500_000, 0, 10, 5, 20, 50, 0.01, 0.02),
        Mark(200, 3_000_000, 6_000_000, 2_500_000, 0, 20, 9, 40, 75, 0.04, 0.02),
    ]
    assert [row[:6] for row in list(growth.rows(marks))[1:]] == [
        ("100", "10.0", "20.0", "15.0", "1.50", "1.5"),
        ("200", "20.0", "40.0", "10.0", "0.50", "2.5"),
    ]
    assert growth.grown(marks) == pytest.approx({"packed": 10 / 15, "written": 2, "reads": 1.5, "CPU": 4})


def test_the_report_is_written(tmp_path: Path) -> None:
    options = ["--frames", "2", "--every", "1", "--deltas", "1", "--output", str(tmp_path / "growth")]
    assert growth.main(options) == 0
    marks = json.loads((tmp_path / "growth.json").read_text("utf-8"))["marks"]
    assert [one["frame"] for one in marks] == [1, 2]
