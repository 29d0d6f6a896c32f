"""The benchmarks measure what they say: the same input each time, and two ways that come to the same records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from merge_bot import canonical
from merge_bot.audit_places import Places
from merge_bot.clone import Clone
from tests.benchmarks import __main__ as runner
from tests.benchmarks import contents, generator, keys, measure, report
from tests.benchmarks.generator import Shape
from tests.benchmarks.measure import Run, Runs
from tests.benchmarks.report import Case, Measured
from tests.benchmarks.repositories import BRANCH, INBOX, ROOT, Repositories, commit
from tests.repo import Repo

SMALL = Shape(10, 20, 1)
COLLECTION = {
    "posts_created": "posts",
    "comments_added": "comments",
    "soul_updates": "souls",
    "profile_updates": "agents",
    "follows_added": "follows",
    "stats_increments": "stats",
}
SPELL = """
from hashlib import sha256
from tests.benchmarks.generator import Shape, frame_deltas, state_deltas, steady_frames
deltas = [delta for _, frame in state_deltas(2) for delta in frame] + list(frame_deltas(Shape(12, 60, 2), 3))
deltas += [delta for _, frame in steady_frames(2, 20, 3) for delta in frame]
print(sha256(repr(deltas).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Repositories:
    return Repositories(tmp_path_factory.mktemp("cache"))


def merged(repositories: Repositories, way: str, scratch: Path) -> tuple[Run, contents.Contents]:
    source = runner.source_of(Case("S", SMALL, way, 1), repositories)
    work_tree = way not in runner.BARE
    run, folder = measure.run(runner.PROGRAMS[way], source, scratch, work_tree=work_tree, sync=False)
    read = contents.of_plain if way in (runner.PLAIN, runner.ONE_LINE) else contents.of_ours
    return run, read(folder, BRANCH)


def test_the_generator_says_the_same_in_every_process() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", SPELL], env={**os.environ, "PYTHONHASHSEED": seed}, cwd=ROOT, stdout=subprocess.PIPE
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert said != {b""}


def test_a_smaller_state_is_the_beginning_of_a_larger_one() -> None:
    def digests(thousands: int) -> Iterator[str]:
        for _, deltas in generator.state_deltas(thousands):
            yield from (sha256(data).hexdigest() for _, data in deltas)

    small, large = list(digests(3)), list(digests(12))
    assert (len(small), len(large)) == (4, 13)
    assert large[: len(small)] == small


def test_a_frame_has_what_makes_merging_hard() -> None:
    deltas = [json.loads(data) for _, data in generator.frame_deltas(Shape(100, 60, 10), 2)]
    comments = [comment for delta in deltas for comment in delta["comments_added"]]
    posts = {post["number"] for delta in deltas for post in delta["posts_created"]}
    assert {sum(len(delta[kind]) for kind in generator.MIX) for delta in deltas} == {60}
    assert any(comment["post_number"] in posts for comment in comments)
    assert any(0 < comment["post_number"] <= 2500 for comment in comments)
    assert any(comment["post_number"] >= 2_000_000_000 for comment in comments)
    assert len({json.dumps(comment) for comment in comments}) < len(comments)


def test_all_ways_come_to_the_same_records(repositories: Repositories, tmp_path: Path) -> None:
    merging = [way for way in runner.PROGRAMS if way != runner.FLOOR]
    found = {way: merged(repositories, way, tmp_path)[1] for way in merging}
    assert found[runner.OURS]["comments"]["records"] > 550
    assert found[runner.OURS]["parked"]["records"] >= 0
    assert [way for way in found if found[way] != found[runner.OURS]] == []


def test_the_floor_writes_every_record_as_it_came_and_nothing_else(repositories: Repositories, tmp_path: Path) -> None:
    source = runner.source_of(Case("S", SMALL, runner.FLOOR, 1), repositories)
    run, folder = measure.run(runner.PROGRAMS[runner.FLOOR], source, tmp_path, work_tree=False, sync=False)
    repo = Repo(folder)
    written = {
        path.split("/")[1]: sorted(repo.git("show", f"{BRANCH}:{path}").splitlines())
        for path in repo.git("diff", "--name-only", "--diff-filter=d", f"{BRANCH}^", BRANCH).splitlines()
    }
    came: dict[str, list[str]] = {}
    for _, data in generator.frame_deltas(SMALL, repositories.open_frame(SMALL)):
        for name, some in json.loads(data).items():
            if some and isinstance(some, list | dict):
                lines = came.setdefault(COLLECTION[name], [])
                lines += [canonical.line(one).decode()[:-1] for one in (some if isinstance(some, list) else [some])]
    assert written == {name: sorted(lines) for name, lines in came.items()}
    assert repo.git("ls-tree", BRANCH, "state/stream_deltas") == ""
    assert set(run.stages) == {"start", "open", "collect", "validate", "merge", "publish"}


def test_a_run_tells_its_stages_and_memory(repositories: Repositories, tmp_path: Path) -> None:
    run, _ = merged(repositories, runner.OURS, tmp_path)
    assert set(run.stages) == {"start", "open", "collect", "validate", "merge", "check", "snapshot", "publish"}
    assert abs(sum(run.stages.values()) - run.seconds) < 1e-6
    assert run.together >= run.process > 10_000_000


def test_runs_that_were_looked_at_tell_of_memory_and_the_others_of_time() -> None:
    looked_at, timed = Run(9, 9, {"a": 9}, 5, 2, 7, "t"), Run(1, 2, {"a": 3}, 5, 0, 0, "t")
    runs = Runs([looked_at, timed])
    assert (runs.seconds, runs.processor, runs.stage("a"), runs.together, runs.children) == (1, 2, 3, 7, 2)
    assert (Runs([looked_at]).seconds, Runs([looked_at]).stage("a")) == (9, 9)


def case(name: str, way: str, seconds: float, memory: int = 1, records: int = 1, tree: str = "t") -> Measured:
    run = Run(seconds, seconds, {}, memory, 0, memory, tree)
    return Measured(Case(name, SMALL, way, 1), Runs([run]), {"posts": {"records": records, "digest": "d"}})


def test_what_differs_is_named() -> None:
    measured = [case("S", "ours", 1), case("S", "plain", 1, records=2), case("M", "ours", 1, records=3)]
    measured[0].runs.runs += case("S", "ours", 1, tree="other").runs.runs
    assert runner.differences(measured) == [
        "S, ours: runs ended in different trees",
        "S, posts: plain {'records': 2, 'digest': 'd'}, ours {'records': 1, 'digest': 'd'}",
    ]
    assert runner.differences([case("S", "ours", 1), case("S", "plain", 1)]) == []


def test_what_did_not_merge_is_compared_with_nothing() -> None:
    floor = case("S", "floor", 1)
    floor.contents = {}
    assert runner.differences([floor, case("S", "ours", 1), case("S", "plain", 1)]) == []


def test_goals_are_told_as_measured() -> None:
    measured = [case("L", "ours", 2, memory=30), case("L", "plain", 19, memory=100), case("L/10", "ours", 0.25)]
    assert [goal.row()[1:] for goal in report.goals(measured)] == [
        ("at least 10", "9.50", "9.50", "not reached"),
        ("at most 0.25", "0.30", "", "not reached"),
        ("at most 11", "8.00", "8.00", "reached"),
    ]
    measured = [case("L", "ours", 2), case("L", "floor", 0.5), case("S", "ours", 1), case("S", "plain", 1.25)]
    assert [goal.row()[1:3] for goal in report.goals(measured)] == [("at most 2.5", "4.00"), ("at most 1", "0.80")]


def test_what_is_run_once_is_held_against_the_first_run() -> None:
    ours, plain = case("XL", "ours", 2), case("XL", "plain", 30)
    ours.runs.runs += case("XL", "ours", 1).runs.runs
    assert [goal.row()[1:3] for goal in report.goals([ours, plain])] == [("at least 10", "15.00")]


def test_five_times_the_records_may_take_five_times_the_memory() -> None:
    measured = [case("L", "ours", 3, memory=100), case("XL", "ours", 12, memory=400)]
    assert [goal.row()[1:3] for goal in report.goals(measured)] == [("at most 5.5", "4.00"), ("at most 5", "4.00")]


@pytest.mark.parametrize("compact", [True, False])
def test_key_files_are_measured_on_a_state_as_merges_leave_it(tmp_path: Path, compact: bool) -> None:
    source = tmp_path / "source"
    keys.lay_down(source, 6_500, 200, compact)
    with Clone.open(str(source)) as one:
        base = one.base()
        places = Places(base.files, base.paths)
        places.read(base.collections["posts"], places.files_of(base.collections["posts"]))
    assert (places.found.problems, places.found.records) == ([], {"posts": 6_500})
    commit(source, INBOX, keys.deltas(6_500, 200, 400))
    said = keys.measured(source, tmp_path, 1)
    assert said["applied"] == 400 - 10  # of ten deltas of forty, each repeats one
    assert 0 <= said["keys"] <= said["cpu"]


def test_what_frames_leave_in_the_history_is_counted(tmp_path: Path) -> None:
    said = keys.history(tmp_path / "history", 20)
    assert said["frames"] == 20
    assert 14 < said["written"] < 18  # twice eight bytes for sixteen of the twenty, once for four, and a table
    assert 8 < said["packed"] <= said["written"] + 1
