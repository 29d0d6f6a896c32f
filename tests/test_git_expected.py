"""Files that are read beside other work: the same contents, in one process, and no more than may be held."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest

from merge_bot import commit_files
from merge_bot.commit_files import CommitFiles
from merge_bot.errors import RepositoryError
from merge_bot.git import process
from merge_bot.git.objects import Objects
from tests.repo import Repo

PATHS = [f"state/souls/{number:03}.jsonl" for number in range(300)]
FILES = {path: f"{path}\n".encode() * 3 for path in PATHS}


@pytest.fixture
def read_one_after_another(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of what is read while somebody waits."""
    asked: list[str] = []
    read_many = Objects.read_many

    def counted(self: Objects, names: Iterable[str], kind: str = "blob") -> dict[str, bytes]:
        wanted = list(names)
        asked.extend(wanted if kind == "blob" else ())
        return read_many(self, wanted, kind)

    monkeypatch.setattr(Objects, "read_many", counted)
    return asked


def test_what_is_expected_is_read_by_a_process_of_its_own_and_given_once(
    repo: Repo, read_one_after_another: list[str]
) -> None:
    commit = repo.commit(FILES)
    with repo.opened() as found:
        files = CommitFiles(found, commit)
        files.expect([*PATHS, "state/souls/none.jsonl"])
        assert files.read_many(PATHS[:200]) | files.read_many(PATHS[200:]) == FILES
        assert read_one_after_another == []
        assert files.read_many(PATHS[:2]) == {path: FILES[path] for path in PATHS[:2]}
        assert len(read_one_after_another) == 2


def test_in_whatever_order_they_are_taken_each_is_read_once(repo: Repo, read_one_after_another: list[str]) -> None:
    commit = repo.commit(FILES)
    with repo.opened() as found:
        files = CommitFiles(found, commit)
        files.expect(PATHS)
        (expected,) = found._expected
        for some in (PATHS[100:101], PATHS[250:], PATHS[:100], PATHS[101:250]):
            assert files.read_many(some) == {path: FILES[path] for path in some}
        assert not expected._passed
    assert read_one_after_another == []


def test_what_git_need_not_read_is_not_expected(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repo.commit(FILES)
    repo.git("repack", "-adq", "--depth=0")
    with repo.opened() as found:
        files = CommitFiles(found, commit)
        files.expect(PATHS)
        assert not found._expected
        assert files.read_many(PATHS) == FILES


def test_few_files_are_not_worth_a_process(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repo.commit(FILES)
    with repo.opened() as found:
        files = CommitFiles(found, commit)
        monkeypatch.setattr(process.Git, "into_file", None)
        files.expect(PATHS[: commit_files._MANY - 1])
        assert files.read_many(PATHS) == FILES
        with pytest.raises(TypeError):
            files.expect(PATHS)


def test_no_more_is_held_than_there_is_room_for(
    repo: Repo, read_one_after_another: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repo.commit(FILES)
    size = len(FILES[PATHS[0]])
    monkeypatch.setattr(commit_files, "_MOST", 250 * size + 1)
    with repo.opened() as found:
        files = CommitFiles(found, commit)
        files.expect(PATHS)
        assert files.read_many(PATHS) == FILES
    assert len(read_one_after_another) == 50


def test_what_the_process_did_not_read_is_asked_for_and_told_of(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repo.commit(FILES)
    gone = repo.files()[PATHS[7]]
    into_file = process.Git.into_file

    def unread(git: process.Git, questions: Any, *rest: Any) -> Any:
        with open(os.devnull, "rb") as nothing:
            return into_file(git, nothing, *rest)

    monkeypatch.setattr(process.Git, "into_file", unread)
    with repo.opened() as found:
        files = CommitFiles(found, commit)
        files.expect(PATHS)
        (repo.path / ".git/objects" / gone[:2] / gone[2:]).unlink()
        with pytest.raises(RepositoryError, match=gone):
            files.read_many(PATHS)


def test_nothing_goes_on_after_the_repository_is_closed(repo: Repo) -> None:
    commit = repo.commit(FILES)
    with repo.opened() as found:
        files = CommitFiles(found, commit)
        files.expect(PATHS)
        (expected,) = found._expected
    assert expected._process.returncode is not None
    assert expected._answers.closed
