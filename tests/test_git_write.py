"""Writing: commits as packs, refs by compare-and-swap, and what is left behind (nothing)."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from merge_bot.errors import GitFailed, RepositoryError
from merge_bot.git import Content, Entry, Identity, process, write
from tests.repo import AUTHOR, BRANCH, Repo

MakeRepo = Callable[..., Repo]
ROOT = Path(__file__).parent.parent


def litter(repo: Repo) -> list[str]:
    """What a writer could leave behind in the git folder."""
    build = [ref for ref in repo.refs() if ref.startswith("refs/dreamcatcher/")]
    patterns = (".git/*crash*", ".git/**/tmp_*", ".git/**/*.lock")
    return build + [path.name for pattern in patterns for path in repo.path.glob(pattern)]


def test_a_commit_is_what_git_add_and_commit_would_make(repo: Repo) -> None:
    base = repo.commit({"keep/a": b"1", "gone/deep/b": b"2", "over": b"3"})
    base = repo.commit({"folder/x": b"4", "plain": b"5", "moved": b"6"})
    ids = repo.files()
    with repo.opened() as found:
        made = found.write_commit(
            base,
            {
                "new/deep/c": b"new",
                "empty": b"",
                "gone/deep/b": None,
                "never": None,
                "over": b"3 again\n",
                "folder/x": None,
                "folder": b"now a file",
                "plain": None,
                "plain/below": b"now a folder",
                "run": Content("100755", b"#!/bin/sh\n"),
                "link": Content("120000", b"over"),
                "archive/moved": Entry("100644", ids["moved"]),
                "moved": None,
                "whole": Entry("040000", repo.git("rev-parse", "HEAD:keep")),
            },
            "subject\n\nbody: ü\n",
            AUTHOR,
            1_700_000_000,
        )
        assert found.compare_and_swap("refs/heads/made", made, None)
    repo.write("new/deep/c", b"new")
    repo.write("empty", b"")
    repo.write("over", b"3 again\n")
    repo.write("archive/moved", b"6")
    repo.write("whole/a", b"1")
    repo.git("rm", "-rq", "gone", "folder", "plain", "moved")
    repo.write("folder", b"now a file")
    repo.write("plain/below", b"now a folder")
    repo.write("run", b"#!/bin/sh\n").chmod(0o755)
    (repo.path / "link").symlink_to("over")
    repo.git("add", "--all")
    repo.commit()
    assert repo.git("rev-parse", f"{made}^{{tree}}") == repo.git("rev-parse", "HEAD^{tree}")
    assert repo.git("cat-file", "commit", made).split("\n") == [
        f"tree {repo.git('rev-parse', 'HEAD^{tree}')}",
        f"parent {base}",
        "author Merge Bot <bot@example.com> 1700000000 +0000",
        "committer Merge Bot <bot@example.com> 1700000000 +0000",
        "",
        "subject",
        "",
        "body: ü",
    ]
    assert repo.git("fsck", "--strict", "--no-dangling") == ""


def test_a_commit_without_a_base_is_a_root(repo: Repo) -> None:
    with repo.opened() as found:
        made = found.write_commit(None, {"a": b"1"}, "first\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, made, None)
        assert not found.compare_and_swap(BRANCH, found.write_commit(None, {"b": b"1"}, "x\n", AUTHOR, 0), None)
    assert (repo.git("rev-list", "--parents", BRANCH), list(repo.files())) == (made, ["a"])


@pytest.mark.parametrize(
    "files", [{"a": b"1"}, {f"many/{n}": b"%d" % n for n in range(150)}, {"big": b"x" * 3_000_000}]
)
def test_a_commit_is_one_pack_and_no_loose_object(repo: Repo, files: dict[str, bytes]) -> None:
    with repo.opened() as found:
        made = found.write_commit(None, files, "x\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, made, None)
    assert repo.git("count-objects") == "0 objects, 0 kilobytes"
    assert len(list((repo.path / ".git/objects/pack").glob("*.pack"))) == 1
    assert {path: repo.git("cat-file", "blob", one).encode() for path, one in repo.files().items()} == files


def test_content_may_be_generated_and_the_later_one_wins(repo: Repo) -> None:
    def generated() -> Iterator[tuple[str, bytes | None]]:
        for number in range(300):
            yield f"in/{number % 100}", b"%d" % number * 10_000
        yield "in/7", None

    with repo.opened() as found:
        made = found.write_commit(None, generated(), "x\n", AUTHOR, 0)
        blobs = found.read_blobs(repo.files(made).values())
    assert {path: blobs[one] for path, one in repo.files(made).items()} == {
        f"in/{number % 100}": b"%d" % number * 10_000 for number in range(200, 300) if number != 207
    }


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/./b", ".git/config", "a/.GIT/hooks/x", "a\0b"])
def test_paths_that_git_cannot_hold_are_refused(repo: Repo, path: str) -> None:
    with repo.opened() as found, pytest.raises(ValueError, match="git cannot hold a file at"):
        found.write_commit(None, {"a": b"1", path: b"2"}, "x\n", AUTHOR, 0)
    assert litter(repo) == []


def test_object_ids_cannot_smuggle_commands_in(repo: Repo) -> None:
    with repo.opened() as found, pytest.raises(ValueError, match="not an object id"):
        found.write_commit(None, {"a": Entry("100644", "x\nM 100644 inline b\ndata 0")}, "x\n", AUTHOR, 0)


@pytest.mark.parametrize(
    ("who", "line"),
    [
        (Identity("A <b>\nc", "d>\ne@x"), "A  b  c <d e@x>"),
        (Identity("", ""), "<>"),
        (Identity(" Bö ", "b@x"), "Bö <b@x>"),
    ],
)
def test_names_of_authors_cannot_break_the_commit(repo: Repo, who: Identity, line: str) -> None:
    with repo.opened() as found:
        made = found.write_commit(None, {"a": b"1"}, "x\n", who, 5)
        (committer,) = [row for row in repo.git("cat-file", "commit", made).split("\n") if row.startswith("committer")]
    assert " ".join(committer.split()) == " ".join(f"committer {line} 5 +0000".split())


def test_names_that_differ_in_case_stay_two_files(repo: Repo) -> None:
    repo.git("config", "core.ignoreCase", "true")
    with repo.opened() as found:
        made = found.write_commit(None, {"a/x": b"1", "A/y": b"2", "a/X": b"3"}, "x\n", AUTHOR, 0)
        assert sorted(repo.files(made)) == ["A/y", "a/X", "a/x"]


def test_a_failed_write_gets_a_letter_and_leaves_nothing(repo: Repo) -> None:
    tip = repo.commit({"a": b"1"})
    with repo.opened() as found:
        with pytest.raises(RepositoryError, match=f"^Object {'1' * 40} is not in the repository"):
            found.write_commit(tip, {"b": b"1", "c": Entry("100644", "1" * 40)}, "x\n", AUTHOR, 0)
        with pytest.raises(RepositoryError):
            found.write_commit(tip, ((f"b/{n}", Entry("100644", "1" * 40)) for n in range(50_000)), "x\n", AUTHOR, 0)
        with pytest.raises(ZeroDivisionError):
            found.write_commit(tip, ((f"b/{n}", b"%d" % (1 // (1 - n))) for n in range(3)), "x\n", AUTHOR, 0)
        assert litter(repo) == []
        assert found.compare_and_swap(BRANCH, found.write_commit(tip, {"b": b"1"}, "x\n", AUTHOR, 0), tip)
    assert litter(repo) == []


# --- compare-and-swap


def test_compare_and_swap_wins_once(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    with repo.opened() as one, repo.opened() as two:
        first = one.write_commit(base, {"b": b"1"}, "one\n", AUTHOR, 0)
        second = two.write_commit(base, {"b": b"2"}, "two\n", AUTHOR, 0)
        assert len(litter(repo)) == 2
        assert one.compare_and_swap(BRANCH, first, base, "merge frame 1")
        assert not two.compare_and_swap(BRANCH, second, base)
        assert repo.head == first
        assert litter(repo) == []
        assert one.compare_and_swap(BRANCH, first, base)  # it is there already: what was wanted is so
    assert repo.git("reflog", "-1", "--format=%gs", "main") == "merge frame 1"


def test_a_ref_that_is_gone_or_came_to_be_is_a_lost_race(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    with repo.opened() as found:
        new = found.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0)
        assert not found.compare_and_swap("refs/heads/other", new, base)
        assert not found.compare_and_swap(BRANCH, new, None)
    assert (repo.head, litter(repo)) == (base, [])


def test_a_ref_that_cannot_be_moved_is_no_lost_race(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(process._SETTINGS, "core.filesRefLockTimeout", "0")
    base = repo.commit({"a": b"1"})
    repo.write(".git/refs/heads/main.lock", b"")
    with repo.opened() as found:
        new = found.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0)
        with pytest.raises(GitFailed, match=r"main\.lock.*File exists[\s\S]*delete that file"):
            found.compare_and_swap(BRANCH, new, base)


def test_a_rival_that_holds_the_lock_for_a_moment_is_waited_for(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    lock = repo.write(".git/refs/heads/main.lock", b"")
    with repo.opened() as found:
        new = found.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0)
        threading.Timer(0.5, lock.unlink).start()
        assert found.compare_and_swap(BRANCH, new, base)


def test_of_many_writers_at_once_each_wins_exactly_once(repo: Repo) -> None:
    repo.commit({"count": b"0"})
    program = """
import sys
from merge_bot.git import Identity, Repository
with Repository.open(sys.argv[1]) as found:
    for _ in range(5):
        while True:
            tip = found.resolve("refs/heads/main")
            count = int(found.read_blob(found.entry_at(tip, "count").id))
            new = found.write_commit(tip, {"count": b"%d" % (count + 1)}, sys.argv[2], Identity("N", "e"), 0)
            if found.compare_and_swap("refs/heads/main", new, tip):
                break
"""
    command = [sys.executable, "-c", program, os.fspath(repo.path)]
    writers = [subprocess.Popen([*command, str(number)], cwd=ROOT) for number in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert repo.git("show", "main:count") == "20"
    assert repo.git("rev-list", "--count", "main") == "21"
    assert litter(repo) == []


# --- build refs


def test_a_commit_under_construction_survives_a_pruning_gc(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    with repo.opened() as found:
        new = found.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0)
        repo.git("gc", "--quiet", "--prune=now")
        assert found.compare_and_swap(BRANCH, new, base)
    assert repo.git("fsck", "--no-dangling") == ""


@pytest.mark.parametrize("size", [1_000, 100_000, 1_000_000])
def test_what_cannot_be_made_smaller_is_stored_as_it_is(repo: Repo, size: int) -> None:
    """Key files are hashes: git reads them back several times as fast."""
    base = repo.commit({"a": b"1"})
    hashes, words = random.Random(size).randbytes(size), b"word " * (size // 5)
    with repo.opened() as found:
        new = found.write_commit(base, {"hashes": hashes, "words": words}, "x\n", AUTHOR, 0)
        assert found.compare_and_swap(BRANCH, new, base)
        assert found.read_blob(repo.files()["hashes"]) == hashes
        assert found.read_blob(repo.files()["words"]) == words
    packs = b"".join(file.read_bytes() for file in (repo.path / ".git/objects/pack").glob("*.pack"))
    assert hashes[100:900] in packs
    assert words[:500] not in packs


def test_commits_that_were_not_put_in_place_are_let_go(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    with repo.opened() as found:
        found.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0)
        found.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0)  # the same commit, under a ref of its own
        assert len(litter(repo)) == 2
    assert litter(repo) == []


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_kept(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    gone = subprocess.Popen(["true"])
    gone.wait()
    dead = [f"{write.BUILD_REFS}{name}" for name in (f"{gone.pid}-aa", f"{os.getpid()}-of-an-older-container", "odd")]
    alive = f"{write.BUILD_REFS}{os.getppid()}-bb"
    for ref in [*dead, alive]:
        repo.git("update-ref", ref, base)
    with repo.opened() as one, repo.opened() as two:
        first = one.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0)
        two.write_commit(base, {"b": b"2"}, "x\n", AUTHOR, 0)
        built = [ref for ref in repo.refs() if ref.startswith(write.BUILD_REFS)]
        assert len(built) == 3 and alive in built and not {*dead} & {*built}
        assert repo.git("rev-parse", *one._writer._building[first]) == first
    assert [ref for ref in repo.refs() if ref.startswith(write.BUILD_REFS)] == [alive]


def test_packed_leftovers_are_removed_too(repo: Repo) -> None:
    base = repo.commit({"a": b"1"})
    repo.git("update-ref", f"{write.BUILD_REFS}odd", base)
    repo.git("pack-refs", "--all")
    assert not (repo.path / ".git" / write.BUILD_REFS).exists()
    with repo.opened() as found:
        assert found.compare_and_swap(BRANCH, found.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0), base)
    assert repo.refs() == [BRANCH]


@pytest.mark.parametrize("reftable", [False, True])
def test_git_is_asked_for_leftovers_where_only_it_can_tell(
    repo: Repo, caplog: pytest.LogCaptureFixture, reftable: bool
) -> None:
    base = repo.commit({"a": b"1"})
    if reftable:
        (repo.path / ".git" / "reftable").mkdir()
    with repo.opened() as found, caplog.at_level(logging.DEBUG, "merge_bot.git"):
        found.write_commit(base, {"b": b"1"}, "x\n", AUTHOR, 0)
        assert ("for-each-ref" in caplog.text) is reftable
