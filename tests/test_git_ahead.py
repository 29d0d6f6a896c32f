"""Contents that go to git ahead of their commit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from merge_bot.errors import GitFailed
from merge_bot.git import process
from merge_bot.tree import object_id
from tests.repo import AUTHOR, BRANCH, Repo

LARGE = b"line\n" * 1_000_000


def litter(repo: Repo) -> list[str]:
    build = [ref for ref in repo.refs() if ref.startswith("refs/dreamcatcher/")]
    return build + [path.name for pattern in ("*crash*", "**/tmp_*") for path in (repo.path / ".git").glob(pattern)]


def test_a_commit_is_the_same_with_and_without(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    files = {"b": LARGE, "c/ü \n": b"", "d": b"blob\ndata 3\n"}
    with repo.opened() as found:
        plain = found.write_commit(base, files, "x\n", AUTHOR, 0)
        for path, data in files.items():
            found.write_ahead(path, data)
        assert found.write_commit(base, files, "x\n", AUTHOR, 0) == plain
        assert found.compare_and_swap(BRANCH, plain, base)
        assert [found.read_blob(object_id("blob", data)) for data in files.values()] == list(files.values())
    assert litter(repo) == []


def test_what_changed_its_mind_or_was_not_sent_is_written_as_it_is_said_last(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    with repo.opened() as found:
        found.write_ahead("a", b"sent, then otherwise")
        found.write_ahead("b", b"sent, then not wanted")
        found.write_ahead("c", b"sent twice, first")
        found.write_ahead("c", b"sent twice, last")
        made = found.write_commit(base, {"a": b"2", "c": b"sent twice, first", "d": b"4"}, "x\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, made, base)
        again = found.write_commit(made, {"a": b"sent, then otherwise"}, "y\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, again, made)
    held = {path: repo.git("cat-file", "blob", blob) for path, blob in repo.files().items()}
    assert held == {"a": "sent, then otherwise", "c": "sent twice, first", "d": "4"}


def test_nothing_is_left_behind_where_no_commit_follows(repo: Repo) -> None:
    repo.commit({"a": b"1"})
    with repo.opened() as found:
        found.write_ahead("b", LARGE)
    assert litter(repo) == []
    assert list(repo.files()) == ["a"]


@pytest.mark.parametrize("size", [1, len(LARGE)])
def test_a_git_that_dies_meanwhile_is_told_when_the_commit_is_made(
    repo: Repo, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = repo.commit({"a": b"1"})
    started: list[process.Running] = []
    start: Callable[..., process.Running] = process.Git.start

    def watched(self: process.Git, *arguments: str, writes: bool = False) -> process.Running:
        started.append(start(self, *arguments, writes=writes))
        return started[-1]

    with repo.opened() as found:
        monkeypatch.setattr(process.Git, "start", watched)
        found.write_ahead("b", b"1")
        os.kill(started[0].pid, signal.SIGKILL)
        data = LARGE[:size]
        found.write_ahead("c", data)
        with pytest.raises(GitFailed):
            found.write_commit(base, {"b": b"1", "c": data}, "x\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, found.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0), base)
    assert sorted(repo.files()) == ["a", "b"]
