"""Delta branches that a clone knows, which a local merge leaves alone: what is said of them, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from merge_bot.cli.looking import OnBranches, on_branches
from merge_bot.clone import Clone
from merge_bot.paths import Paths
from merge_bot.workers import Workers
from tests.command import deliver, delta, masked, run
from tests.http_remote import HttpRemote
from tests.remote_world import merge, ops, send, server
from tests.repo import Repo

__all__ = ["server"]

WAIT = (
    "{} on delta branches, as of the last fetch ({}). They are merged where they were pushed: `dreamcatcher merge "
    "--remote NAME`."
)


@pytest.fixture
def clone(server: HttpRemote, tmp_path: Path) -> Repo:
    """A clone made when w1 had sent two deltas, the first of them merged, and w2 one."""
    send(server, ops("a"))
    merge(server)
    send(server, ops("b"), frame=406)
    send(server, ops("c"), "w2", frame=406)
    server.repo.git("clone", "--quiet", server.url, str(tmp_path / "clone"))
    return Repo(tmp_path / "clone")


def known(repo: Repo) -> OnBranches:
    with Clone.open(str(repo.path)) as clone:
        return on_branches(clone, Workers.read(clone.files, Paths(clone.settings.state)))


def test_what_no_merge_took_in_is_counted_by_worker(clone: Repo) -> None:
    found = known(clone)
    assert (found.commits, found.count) == ({"w1": 1, "w2": 1}, 2)
    first = min(int(clone.git("log", "-1", "--format=%ct", f"origin/deltas/w{one}")) for one in (1, 2))
    assert found.oldest is not None and found.oldest.timestamp() == first


def test_a_local_merge_leaves_them_and_says_so(clone: Repo) -> None:
    deliver(clone, delta("w3", 406, stats_increments={"total_posts": 1}))
    done = run("merge", "--repo", clone.path)
    assert (done.code, done.out.splitlines()[0]) == (0, "Frame 406 is merged: 1 delta, 1 operation applied.")
    assert WAIT.format("2 deltas wait", "`w1` and `w2`") in done.out
    assert WAIT.format("2 deltas wait", "`w1` and `w2`") in run("merge", "--repo", clone.path, "--json").json["remarks"]
    status = run("status", "--repo", clone.path)
    assert WAIT.format("2 deltas wait", "`w1` and `w2`") in status.out
    assert run("status", "--repo", clone.path, "--json").json["waiting"]["on_branches"] == {"w1": 1, "w2": 1}


def test_what_was_merged_since_the_last_fetch_of_its_branch_does_not_wait(server: HttpRemote, clone: Repo) -> None:
    """Only main is fetched: the branches as they are known here lie before their watermarks, which are not here."""
    send(server, ops("d"), frame=406, run="again")
    merge(server)
    clone.git("pull", "--quiet", "origin", "main")
    assert known(clone) == OnBranches()
    clone.git("fetch", "--quiet", "origin")
    assert known(clone) == OnBranches()
    clone.git("update-ref", "refs/remotes/origin/deltas/w1", "refs/remotes/origin/deltas/w1~1")
    assert known(clone) == OnBranches()


def test_branches_of_the_repository_itself_count_once_and_odd_ones_not_at_all(clone: Repo) -> None:
    clone.git("update-ref", "refs/heads/deltas/w2", "refs/remotes/origin/deltas/w2")
    clone.git("update-ref", "refs/heads/deltas/-odd", "refs/remotes/origin/deltas/w2")
    clone.git("update-ref", "refs/heads/deltas/a/b", "refs/remotes/origin/deltas/w2")
    assert known(clone).commits == {"w1": 1, "w2": 1}


def test_without_delta_branches_nothing_is_said(server: HttpRemote, tmp_path: Path) -> None:
    server.repo.git("clone", "--quiet", server.url, str(tmp_path / "clone"))
    assert masked(run("merge", "--repo", tmp_path / "clone").out) == (
        "Nothing to merge: frame 405 is open, no delta waits.\n"
    )
