"""What comes by branches from a remote is merged and pushed, and comes to the same as from the inbox."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks import branches, contents, measure, ours
from tests.benchmarks.repositories import BRANCH, Repositories, clone
from tests.benchmarks.served import NAME, served
from tests.repo import Repo

TINY = branches.SIZES["tiny"]


@pytest.fixture(autouse=True)
def over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file:http")


def test_both_ways_are_measured_and_told_of(tmp_path: Path) -> None:
    cache, output = tmp_path / "cache", tmp_path / "branches"
    assert branches.main(["--sizes", "tiny", "--runs", "1", "--cache", str(cache), "--output", str(output)]) == 0
    text = output.with_suffix(".md").read_text("utf-8")
    assert "| tiny | ours | 3 |" in text
    assert "| tiny | floor | 3 |" in text
    assert "tiny by branches, from fetch to push: our time over the floor's" in text


def test_what_came_by_branches_comes_to_the_same_as_from_the_inbox(tmp_path: Path) -> None:
    repositories = Repositories(tmp_path / "cache")
    (measured, _) = branches.measure("tiny", repositories, 1, tmp_path)
    (run,) = measured.runs.runs
    assert set(run.stages) == set(branches.STAGES)
    clone(repositories.ours(TINY, TINY.state), tmp_path / "inbox", bare=True)
    ours.main(tmp_path / "inbox")
    assert measured.contents == contents.of_ours(tmp_path / "inbox", BRANCH)


def test_the_floor_pushes_what_it_fetched(tmp_path: Path) -> None:
    clone(Repositories(tmp_path / "cache").branches(TINY, TINY.state), tmp_path / NAME, bare=True)
    remote = Repo(tmp_path / NAME)
    before = remote.git("rev-parse", BRANCH)
    with served(tmp_path) as url:
        seen = measure.watched([sys.executable, "-m", "tests.benchmarks.floor", url])
    assert {"fetch", "push"} <= set(seen.said["stages"])
    assert remote.git("rev-parse", f"{BRANCH}^") == before
    (path,) = remote.git("diff", "--name-only", before, BRANCH, "--", "state/comments").splitlines()
    assert len(remote.git("show", f"{BRANCH}:{path}").splitlines()) == 3 * 11
