"""Shallow clones: deepened until nothing that matters is cut off."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from merge_bot.errors import DreamcatcherError, RemoteRefused, RemoteUnreachable, RepositoryError
from tests.repo import BRANCH, Repo, versions


@pytest.fixture
def origin(repo: Repo) -> Repo:
    """200 commits; since the tenth, a side branch with two versions of one file was merged near the end."""
    for number in range(10):
        repo.commit({"in/a": b"%d" % number})
    repo.git("branch", "side")
    stream = ""
    for number in range(10, 200):
        stream += f"commit {BRANCH}\ncommitter N <e> {number} +0000\ndata 0\n"
        stream += f"from {BRANCH}^0\n" if number == 10 else ""
        stream += f"M 100644 inline in/a\ndata 3\n{number:03d}\n"
    repo.git("fast-import", "--quiet", stdin=stream.encode())
    repo.git("reset", "--quiet", "--hard")
    repo.git("checkout", "--quiet", "side")
    repo.commit({"in/side": b"first"})
    repo.commit({"in/side": b"second"})
    repo.git("checkout", "--quiet", "main")
    repo.git("merge", "--quiet", "-m", "merge", "side")
    repo.commit({"in/a": b"last"})
    return repo


def clone(origin: Repo, path: Path, *options: str) -> Repo:
    subprocess.run(["git", "clone", "--quiet", *options, f"file://{origin.path}", str(path)], check=True)
    return Repo(path)


def test_a_shallow_clone_is_deepened_until_nothing_is_missing(origin: Repo, tmp_path: Path) -> None:
    shallow = clone(origin, tmp_path / "shallow", "--depth=1")
    base = origin.git("rev-parse", "HEAD~100")
    origin.commit({"in/a": b"meanwhile"})
    tracked = shallow.git("for-each-ref")
    with shallow.opened() as found, origin.opened() as whole:
        assert found.is_shallow and not found.has_commit(base)
        found.deepen_until(base, ref="main")
        assert found.has_commit(base)
        assert versions(found, base, "HEAD") == versions(whole, base, "HEAD~1")
        assert ("in/side", b"first") in versions(found, base, "HEAD")
    assert shallow.git("for-each-ref") == tracked


def test_having_the_commit_is_not_enough_when_a_side_branch_is_cut_off(origin: Repo, tmp_path: Path) -> None:
    base = origin.git("rev-parse", "HEAD~3")
    shallow = clone(origin, tmp_path / "shallow", "--depth=4")
    origin.git("tag", "base", base)
    shallow.git("fetch", "--quiet", "--depth=3", "origin", "main")
    shallow.git("fetch", "--quiet", "--depth=1", "origin", "tag", "base")
    with shallow.opened() as found:
        assert found.has_commit(base)
        assert ("in/side", b"first") not in versions(found, base, "HEAD")
        found.deepen_until(base)
        assert ("in/side", b"first") in versions(found, base, "HEAD")


def test_deepening_a_full_clone_does_nothing(origin: Repo, tmp_path: Path) -> None:
    full = clone(origin, tmp_path / "full")
    full.git("remote", "remove", "origin")
    with full.opened() as found:
        found.deepen_until(origin.git("rev-parse", "HEAD~100"))
        found.deepen_until(None)
        with pytest.raises(RepositoryError) as caught:
            found.deepen_until("1" * 40)
    assert str(caught.value) == (
        f"The history is needed back to commit {'1' * 40}, to read every delta since, but this clone does not reach "
        "there and origin has no more. Fetch it (git fetch --unshallow), or start from a full clone "
        "(fetch-depth: 0 in actions/checkout)."
    )


def test_a_remote_that_has_no_more_is_no_endless_loop(origin: Repo, tmp_path: Path) -> None:
    shallow = clone(origin, tmp_path / "shallow", "--depth=2")
    again = clone(shallow, tmp_path / "again", "--depth=1")
    with again.opened() as found, pytest.raises(RepositoryError, match="origin has no more"):
        found.deepen_until(origin.git("rev-parse", "HEAD~100"))


def test_the_whole_history_can_be_asked_for(origin: Repo, tmp_path: Path) -> None:
    shallow = clone(origin, tmp_path / "shallow", "--depth=1")
    with shallow.opened() as found, origin.opened() as whole:
        found.deepen_until(None)
        assert versions(found, None, "HEAD") == versions(whole, None, "HEAD")


@pytest.mark.parametrize(
    ("url", "error"),
    [("http://user:pass@127.0.0.1:9/world.git", RemoteUnreachable), ("file:///there/is/none", RemoteRefused)],
)
def test_a_remote_that_is_away_just_then_is_one_to_try_again(
    origin: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, error: type[DreamcatcherError]
) -> None:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file:http")
    shallow = clone(origin, tmp_path / "shallow", "--depth=1")
    shallow.git("remote", "set-url", "origin", url)
    with shallow.opened() as found, pytest.raises(error) as caught:
        found.deepen_until(None, ref="main")
    assert url.replace("user:pass", "***") in str(caught.value)
