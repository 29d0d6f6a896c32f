"""Contents that are written ahead of their commit, and packs as git reads them."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Callable
from random import Random
from threading import Event, Thread

import pytest

from merge_bot import processes
from merge_bot.canonical import Pieces, digest
from merge_bot.errors import GitFailed, ProcessEnded, RepositoryError
from merge_bot.git import Entry, Repository, writing
from merge_bot.git.pack import TEMPORARY
from merge_bot.layouts.base import There
from merge_bot.processes import Fork
from merge_bot.tree import object_id
from tests.repo import AUTHOR, BRANCH, Repo

MakeRepo = Callable[..., Repo]
LARGE = b"line\n" * 1_000_000
NOISE = Random(1).randbytes(3_000_000)


def litter(repo: Repo) -> list[str]:
    build = [ref for ref in repo.refs() if ref.startswith("refs/dreamcatcher/")]
    return build + [path.name for path in (repo.path / ".git").glob("**/tmp_*")]


def test_a_commit_is_the_same_with_and_without(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    files = {"b": LARGE, "c/ü \n": b"", "d": b"small", "e": NOISE}
    with repo.opened() as found:
        plain = found.write_commit(base, files, "x\n", AUTHOR, 0)
        sent = {path: found.send(data) for path, data in files.items()}
        entries = {path: one.entry for path, one in sent.items()}
        assert entries == {path: Entry("100644", object_id("blob", data)) for path, data in files.items()}
        assert found.write_commit(base, entries, "x\n", AUTHOR, 0) == plain
        assert found.compare_and_swap(BRANCH, plain, base)
        assert [found.read_blob(one.id) for one in entries.values()] == list(files.values())
    assert litter(repo) == []


def test_what_was_sent_and_is_not_wanted_is_in_no_tree(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    with repo.opened() as found:
        found.send(b"not wanted")
        wanted = found.send(LARGE)
        made = found.write_commit(base, {"b": wanted.entry, "c": b"said now"}, "x\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, made, base)
        again = found.write_commit(made, {"d": wanted.entry}, "y\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, again, made)
    assert sorted(repo.files()) == ["a", "b", "c", "d"]
    assert repo.files()["d"] == object_id("blob", LARGE)


def test_nothing_is_left_behind_where_no_commit_follows(repo: Repo) -> None:
    repo.commit({"a": b"1"})
    with repo.opened() as found:
        found.send(LARGE)
    assert litter(repo) == []
    assert list(repo.files()) == ["a"]


@pytest.mark.parametrize("early", [True, False])
def test_a_full_disk_is_told_and_leaves_nothing(repo: Repo, early: bool) -> None:
    base = repo.commit({"a": b"1"})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with repo.opened() as found:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
        try:
            with pytest.raises(GitFailed, match=r"objects/pack: File too large\. Nothing was changed; make room"):
                new = found.send(NOISE).entry if early else NOISE
                found.write_commit(base, {"b": new}, "x\n", AUTHOR, 0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert litter(repo) == []
    with repo.opened() as found:
        assert found.compare_and_swap(BRANCH, found.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0), base)


def writer_of(found: Repository) -> Fork:
    """The process that writes ahead now."""
    ahead = found._writer._ahead
    assert ahead is not None and ahead._process is not None
    return ahead._process._fork


def test_a_writer_that_is_ended_from_outside_is_told_and_leaves_nothing(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    with repo.opened() as found:
        sent = found.send(NOISE)
        os.kill(writer_of(found)._process, signal.SIGKILL)
        with pytest.raises(
            ProcessEnded, match=r"was ended from outside, .*\. Nothing was changed; run the command again\."
        ):
            found.write_commit(base, {"b": sent.entry}, "x\n", AUTHOR, 0)
    assert litter(repo) == []


@pytest.mark.usefixtures("cores")
def test_whoever_listens_to_one_that_is_gone_is_told_each_time(repo: Repo) -> None:
    repo.commit({"a": b"1"})
    with repo.opened() as found:
        found.prepare(5_000_000)
        line = found.beside(lambda line: os.kill(os.getpid(), signal.SIGKILL))
        assert line
        line.say(())
        for _ in range(2):
            with pytest.raises(ProcessEnded):
                line.hear()


def test_much_waits_until_the_writer_has_room(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_MOST", 10_000)
    base = repo.commit({"a": b"1"})
    files = {f"f{number}": NOISE[number : number + 200_000] for number in range(40)}
    with repo.opened() as found:
        sent = {path: found.send(data) for path, data in files.items()}
        assert writer_of(found)
        made = found.write_commit(base, {path: one.entry for path, one in sent.items()}, "x\n", AUTHOR, 0)
        assert {path: one.sha256 for path, one in sent.items()} == {path: digest(data) for path, data in files.items()}
        assert found.compare_and_swap(BRANCH, made, base)
    assert {
        path: repo.git("cat-file", "-s", blob) for path, blob in repo.files().items() if path != "a"
    } == dict.fromkeys(files, "200000")
    repo.git("fsck", "--strict")


@pytest.mark.parametrize("many", [False, True])
def test_little_is_written_here_and_so_is_everything_where_nothing_can_be_forked(
    repo: Repo, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden() -> None:
        raise AssertionError("a process")

    monkeypatch.setattr(os, "fork", forbidden)
    ended = Event()
    other = Thread(target=ended.wait)
    if many:
        other.start()
    try:
        with repo.opened() as found:
            data = NOISE if many else NOISE[:1000]
            assert found.send(data).entry.id == object_id("blob", data)
    finally:
        ended.set()
    if not many:
        with repo.opened() as found, pytest.raises(AssertionError):
            found.send(NOISE)


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 2)


@pytest.mark.usefixtures("cores")
def test_work_that_nobody_asks_for_is_no_hindrance(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    with repo.opened() as found:
        found.prepare(5_000_000)
        assert found.beside(lambda line: line.say(line.hear()))
        begun = writer_of(found)
        assert found.beside(lambda line: None) is None
        assert writer_of(found) is begun
        sent = found.send(b"3")
        made = found.write_commit(base, {"b": b"2", "c": sent.entry}, "x\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, made, base)
    assert sorted(repo.files()) == ["a", "b", "c"]
    assert litter(repo) == []


def test_nothing_works_beside_where_little_is_to_be_done_or_one_core_is_there(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 1)
    repo.commit({"a": b"1"})
    with repo.opened() as found:
        assert found.beside(lambda line: None) is None
        assert found._writer._ahead is None
        found.prepare(5_000_000)
        assert found.beside(lambda line: None) is None
        assert writer_of(found)


@pytest.mark.usefixtures("cores")
def test_both_ends_may_talk_at_once_however_much_they_say(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})

    def work(line: There) -> None:
        line.say(NOISE * 3)
        line.say((line.hear(), line.send(b"from there"), found.read_blob(repo.files()["a"])))

    with repo.opened() as found:
        found.prepare(5_000_000)
        line = found.beside(work)
        assert line
        line.say({"value": NOISE * 2})
        sent = {f"f{number}": found.send(NOISE[number:]) for number in range(15)}
        assert line.hear() == NOISE * 3
        value, there, read = line.hear()
        assert (value, read) == ({"value": NOISE * 2}, b"1")
        assert there.sha256 == digest(b"from there")
        entries = {path: one.entry for path, one in sent.items()}
        made = found.write_commit(base, {**entries, "there": there.entry}, "x\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, made, base)
    assert repo.git("show", "HEAD:there") == "from there"
    repo.git("fsck", "--strict")


@pytest.mark.usefixtures("cores")
def test_what_goes_wrong_there_is_raised_here_and_writing_goes_on(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})

    def work(line: There) -> None:
        raise RepositoryError(f"about {line.hear()}")

    with repo.opened() as found:
        found.prepare(5_000_000)
        line = found.beside(work)
        assert line
        line.say(("this",))
        with pytest.raises(RepositoryError, match="about") as raised:
            line.hear()
        assert "In process" in raised.value.__notes__[0]
        made = found.write_commit(base, {"b": found.send(b"2").entry}, "x\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, made, base)
    assert sorted(repo.files()) == ["a", "b"]


@pytest.mark.parametrize("process", [False, True])
@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_large_content_is_the_same_in_pieces(make_repo: MakeRepo, object_format: str, process: bool) -> None:
    repo = make_repo("repo", f"--object-format={object_format}")
    base = repo.commit({"a": b"1"})
    parts = [NOISE[:700_000], b"", b"line\n" * 300_000, b"end"]
    whole = b"".join(parts)
    with repo.opened() as found:
        if process:
            found.send(NOISE)
        sent = found.send(Pieces(len(whole), lambda: iter(parts)))
        assert (sent.entry.id, sent.sha256) == (object_id("blob", whole, object_format), digest(whole))
        made = found.write_commit(base, {"b": sent.entry}, "x\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, made, base)
        assert found.read_blob(sent.entry.id) == whole
    repo.git("fsck", "--strict")


def test_who_waits_for_the_end_of_a_pipe_does_not_wait_for_the_writer(repo: Repo) -> None:
    repo.commit({"a": b"1"})
    with repo.opened() as found:
        found.read_blob(repo.files()["a"])
        git = found._objects._process
        assert git is not None
        found.send(LARGE)
        assert writer_of(found)
        git.stdin.close()
        assert git._process.wait(60) == 0  # it ends at the end of its input, which nobody else holds open


@pytest.mark.parametrize(("object_format", "far"), [("sha1", 1 << 31), ("sha1", 100_000), ("sha256", 100_000)])
def test_git_verifies_what_we_write(
    make_repo: MakeRepo, object_format: str, far: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes around each step of an object's head, one object twice, and places that the index keeps elsewhere."""
    monkeypatch.setattr("merge_bot.git.pack._FAR", far)
    repo = make_repo("repo", f"--object-format={object_format}")
    files = {f"f{size}": NOISE[:size] for size in (0, 1, 15, 16, 17, 2047, 2048, 2049, 262_143, 262_144, 300_000)}
    with repo.opened() as found:
        made = found.write_commit(None, files | {"again": NOISE[:16], "deep/er/e": b""}, "x\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, made, None)
        assert found.read_blobs(repo.files().values()) == {
            object_id("blob", data, object_format): data for data in files.values()
        }
    (index,) = (repo.path / ".git/objects/pack").glob("*.idx")
    repo.git("verify-pack", str(index))
    assert repo.git("fsck", "--strict", "--full", "--no-dangling") == ""


def test_a_pack_that_somebody_removed_is_not_taken_for_written(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    packs = repo.path / ".git/objects/pack"
    with repo.opened() as found:
        found.send(b"small")
        (unfinished,) = packs.glob("tmp_*")
        unfinished.unlink()
        with pytest.raises(GitFailed, match=r"objects/pack: No such file or directory\."):
            found.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0)
    assert list(packs.iterdir()) == []


def test_unfinished_packs_of_the_dead_are_removed_and_those_of_the_living_kept(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    gone = subprocess.Popen(["true"])
    gone.wait()
    packs = repo.path / ".git/objects/pack"
    dead, alive, other = (
        packs / f"{TEMPORARY.decode()}{gone.pid}-aa",
        packs / f"{TEMPORARY.decode()}{os.getppid()}-bb",
        packs / "tmp_pack_of_git",
    )
    for path in (dead, alive, other):
        path.write_bytes(b"PACK")
    with repo.opened() as found:
        found.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0)
    assert (dead.exists(), alive.exists(), other.exists()) == (False, True, True)
