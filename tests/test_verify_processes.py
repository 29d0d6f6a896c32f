"""Verify in several processes: the same findings in the same order, told piece by piece, and nothing large is held."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from merge_bot.commit_files import CommitFiles
from merge_bot.errors import RepositoryError
from merge_bot.git import Repository
from merge_bot.git.objects import Objects
from merge_bot.history import History
from merge_bot.processes import can_fork, spread
from merge_bot.verify import verify
from merge_bot.verify_frame import Examiner
from tests.command import INBOX, begun, delta, run
from tests.random_frames import grown
from tests.repo import AUTHOR, Repo

FRAMES = 10


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which each of its frames, and a file of each collection, was changed by hand."""
    place = grown(tmp_path_factory.mktemp("spread") / "repo", FRAMES, 5).path
    repo = Repo(place)
    files = repo.files("main")
    changes: dict[str, bytes | None] = {path: b"[]\n" for path in files if path.endswith("/receipts.jsonl")}
    changes |= {path: b"" for path in files if path.startswith("state/posts/")}
    changes |= {path: b"x" for path in files if "/_control/keys/" in path or path.startswith("state/agents/")}
    with repo.opened() as opened:
        bad = opened.write_commit(repo.head, changes, "by hand", AUTHOR, 1774500000)
    repo.git("update-ref", "refs/heads/bad", bad)
    return place


@pytest.mark.parametrize("jobs", [2, 3, 64])
def test_however_many_processes_it_finds_the_same_in_the_same_order(place: Path, jobs: int) -> None:
    with History(place, "bad") as history:
        alone, spread_out = verify(history), verify(history, jobs=jobs)
    assert len(alone.findings) > FRAMES + 5
    assert spread_out == alone


def test_the_command_takes_a_number_of_jobs(place: Path) -> None:
    said = [run("verify", "--repo", place, "--branch", "bad", *jobs) for jobs in ((), ("--jobs", 1), ("--jobs", 3))]
    assert {one.code for one in said} == {1}
    assert len({one.out for one in said}) == 1
    assert run("verify", "--repo", place, "--jobs", 0).code != 0


@pytest.mark.parametrize("jobs", [1, 3])
def test_progress_is_told_once_for_everything_and_piece_by_piece(place: Path, jobs: int) -> None:
    told: list[Any] = []

    def progress(items: Sequence[Any], what: str) -> Iterator[Any]:
        told.append((what, len(items)))
        for one in items:
            yield one
            told.append(one)

    with History(place) as history:
        assert verify(history, None, progress, jobs).ok
    (what, count), *pieces = told
    assert what == "verify"
    assert count > FRAMES + 1  # every frame, and the files of the state
    assert pieces == list(range(count))


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_stops_it_in_another_process_stops_it_here(
    place: Path, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object) -> Iterable[Any]:
        raise RepositoryError("The object 1234 is missing.")

    monkeypatch.setattr(Examiner, "examine", damaged)
    with History(place) as history, pytest.raises(RepositoryError, match=r"^The object 1234 is missing\.$"):
        verify(history, jobs=jobs)


def test_a_process_that_is_ended_from_outside_is_no_good_end(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.getpid()
    assert can_fork(), threading.enumerate()  # else nobody would be waited for

    def ended(*_: object) -> Iterable[Any]:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)  # the other one is at it
        return []

    monkeypatch.setattr(Examiner, "examine", ended)
    with History(place) as history, pytest.raises(RepositoryError) as caught:
        verify(history, jobs=2)
    assert str(caught.value) == (
        "One of the 2 processes that verify ran in was ended from outside, most likely for want of memory, so not "
        "everything was looked at. Run again with --jobs 1."
    )


class Meeting:
    """Nobody goes on before everybody has come."""

    def __init__(self, folder: Path, others: int) -> None:
        self.paths = [folder / "came", folder / "go"]
        for path in self.paths:
            os.mkfifo(path)
        self.others, self.over = others, False

    def begin(self) -> None:
        if not self.over:
            came, go = (os.open(path, os.O_RDWR) for path in self.paths)
            for _ in range(self.others):
                os.read(came, 1)
            os.write(go, b"." * self.others)
        self.over = True

    def come(self) -> None:
        if not self.over:
            came, go = (os.open(path, os.O_RDWR) for path in self.paths)
            os.write(came, b".")
            os.read(go, 1)
        self.over = True


def test_each_process_talks_to_a_git_of_its_own(place: Path, tmp_path: Path) -> None:
    """Two processes on one pipe would take each other's answers."""
    with Repository.open(place) as repository:
        files = CommitFiles(repository, str(repository.resolve("main")))
        entries = files.folder("state")
        mine = repository._objects._process
        all_there = Meeting(tmp_path, 2)

        def here(_: int) -> Any:
            all_there.begin()
            return os.getpid(), mine.pid if mine else 0, sorted(entries)

        def there() -> Any:
            own = repository.again()
            names = sorted(CommitFiles(own, files.commit).folder("state"))

            def answer(_: int) -> Any:
                all_there.come()
                return os.getpid(), own._objects._process.pid, names

            return answer

        with spread(3, 40, here, there) as answers:
            found = list(answers)
    assert mine is not None
    assert {
        names == sorted(Repo(place).git("ls-tree", "--name-only", "main:state").split()) for *_, names in found
    } == {True}
    pairs = {(process, git) for process, git, _ in found}
    assert (os.getpid(), mine.pid) in pairs
    assert len(pairs) == len(set(next(zip(*pairs, strict=True)))) == len({git for _, git in pairs}) == 3


def test_a_delta_too_large_to_take_in_is_never_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = begun(Repo(tmp_path))
    large = b"[" + b"1," * 700_000 + b"1]"
    repo.commit({f"{INBOX}/frame-405-w1.json": large, f"{INBOX}/frame-405-w2.json": delta("w2")})
    assert run("merge", "--repo", repo.path).code == 0
    read: list[int] = []
    whole = Objects.read_many

    def noted(self: Objects, names: Iterable[str], kind: str = "blob") -> dict[str, bytes]:
        found = whole(self, names, kind)
        read.extend(map(len, found.values()))
        return found

    monkeypatch.setattr(Objects, "read_many", noted)
    with History(repo.path) as history:
        assert verify(history).ok
    assert max(read) < 100_000
    path = next(path for path in repo.files("HEAD") if "/quarantine/" in path)
    repo.commit({path: large[:-1] + b" "})
    with History(repo.path) as history:
        assert [one.path for one in verify(history).findings] == [path]
    assert max(read) < 100_000
