"""Pushing a frame: whatever the remote does, each delta ends in exactly one frame."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from merge_bot.errors import Contended, NoSuchBranch, RemoteRefused, RemoteUnreachable, RepositoryError
from merge_bot.remote_clone import RemoteClone
from merge_bot.target import TOKEN_VARIABLE, Target
from tests.command import delta, run
from tests.http_remote import TOKEN, HttpRemote, Push, protected
from tests.remote_world import (
    MAIN,
    NOW,
    agent,
    hasty,
    merge,
    ops,
    outcomes,
    processes,
    read,
    receipts,
    send,
    server,
    wrong,
)
from tests.test_patience import Clock

__all__ = ["server"]


def frames(server: HttpRemote) -> list[str]:
    """The subjects of the merge commits, oldest first."""
    subjects = server.repo.git("log", "--reverse", "--format=%s", MAIN).splitlines()
    return [one for one in subjects if one.startswith("merge frame")]


def test_one_push_under_an_exact_lease(server: HttpRemote) -> None:
    send(server, ops("a"))
    server.pushes.clear()
    base = server.tip()
    result = merge(server)
    assert server.pushes == [Push(MAIN, base, result.published.commit)]
    assert server.tip() == result.published.commit
    assert read(server, "state/agents/a.json") == {"agent_id": "a", "name": "A"}


def test_a_dry_run_pushes_nothing(server: HttpRemote) -> None:
    send(server, ops("a"))
    server.pushes.clear()
    result = merge(server, dry_run=True)
    assert (result.published.operation, result.frame.merged_deltas, server.pushes) == ("none", 1, [])


def test_a_lost_race_merges_again(server: HttpRemote) -> None:
    """Somebody commits to the base branch, and a delta arrives, between the merge's fetch and its push."""
    first = send(server, ops("a"))
    sent = []

    def be_first(_: Push) -> None:
        server.before_push = None
        sent.append(send(server, ops("b"), worker="w2", to="inbox"))
        sent.append(send(server, ops("c"), worker="w3"))

    server.before_push = be_first
    result = merge(server)
    assert result.published.operation == "pushed"
    assert wrong(server, [first.digest, *(one.digest for one in sent)]) == []
    assert frames(server) == ["merge frame 405: 3 deltas, 3 agents"]


@pytest.mark.parametrize(("budget", "tries"), [(1000, 20), (1.0, 4)])
def test_a_branch_that_moves_each_time_is_waited_for_with_jitter(server: HttpRemote, budget: float, tries: int) -> None:
    done = send(server, ops("a"))
    clock = Clock()

    def overtake(_: Push) -> None:
        git = server.repo.git
        git("update-ref", MAIN, git("commit-tree", "main^{tree}", "-p", "main", "-m", "someone else"))

    server.before_push = overtake
    with pytest.raises(Contended) as raised:
        merge(server, patience=lambda: clock.patience(budget))
    assert raised.value.exit_code == 75
    assert str(raised.value).startswith(f"The branch moved {tries} times while the merge was being made")
    assert clock.waits[:3] == [0.25, 0.5, min(1, budget - 0.75)] and len(clock.waits) == tries - 1
    server.before_push = None
    merge(server)
    assert wrong(server, [done.digest]) == []


def test_two_merges_of_the_same_deltas_end_with_one_frame(server: HttpRemote) -> None:
    done = send(server, ops("a"))
    results = []

    def be_first(_: Push) -> None:
        server.before_push = None
        results.append(merge(server, NOW + timedelta(seconds=1)))

    server.before_push = be_first
    results.append(merge(server))
    assert [one.published.operation for one in results] == ["pushed", "none"]
    assert frames(server) == ["merge frame 405: 1 delta, 1 agents"]
    assert wrong(server, [done.digest]) == []


def test_a_lost_reply_is_no_lost_frame_and_no_second_one(server: HttpRemote) -> None:
    send(server, ops("a"))
    server.lose_replies = 1
    assert merge(server).published.commit == server.tip()
    assert len(frames(server)) == 1


@pytest.mark.parametrize("others", [False, True])
def test_a_push_whose_fate_was_unknown_is_found_again(server: HttpRemote, others: bool) -> None:
    """The reply is lost, the remote cannot be read for a while, and somebody commits on top meanwhile."""
    send(server, ops("a"))

    def go_away(_: Push) -> None:
        server.after_push = None
        if others:
            send(server, ops("b"), worker="w2", to="inbox")
        server.lose_replies, server.fail_reads = 1, 3

    server.after_push = go_away
    result = merge(server)
    assert result.published.commit in server.log(MAIN)
    assert len(frames(server)) == 1


def test_passing_faults_are_tried_again(server: HttpRemote) -> None:
    send(server, ops("a"))
    server.fail_pushes = 3
    assert merge(server).published.commit == server.tip()


def test_a_failure_of_another_ref_is_none_of_ours(server: HttpRemote) -> None:
    send(server, ops("a"))
    server.says_failed_for = "refs/heads/other"
    assert merge(server).published.commit == server.tip()


def test_when_the_budget_is_spent_nothing_is_lost(server: HttpRemote) -> None:
    done = send(server, ops("a"))
    base = server.tip()
    server.fail_pushes = 1000
    with pytest.raises(Contended) as spent:
        merge(server, patience=lambda: hasty(3))
    assert spent.value.exit_code == 75
    assert "The frame was not pushed within 3 seconds. Nothing is lost: run the merge again" in str(spent.value)
    assert server.tip() == base
    server.fail_pushes = 0
    merge(server)
    assert wrong(server, [done.digest]) == []


def test_a_protected_branch_and_missing_rights_say_what_to_change(
    server: HttpRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(server, ops("a"))
    base = server.tip()
    for code, where in (("GH006", "Settings > Branches"), ("GH013", "Settings > Rules > Rulesets")):
        server.hook("pre-receive", protected(code))
        with pytest.raises(RemoteRefused, match=where):
            merge(server)
    server.hook("pre-receive", "")
    server.read_only = True
    with pytest.raises(RemoteRefused, match="Workflow permissions"):
        merge(server)
    server.token = TOKEN
    done = run("merge", "--remote", server.url, "--repo", server.path)
    assert (done.code, "does not let us read it" in done.err) == (1, True)
    server.read_only = False
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert server.tip() == base
    done = run("merge", "--remote", server.url, "--repo", server.path, "--json")
    assert (done.code, done.json["commit"]) == (0, server.tip())
    assert TOKEN not in done.out


def test_a_remote_that_is_not_there(server: HttpRemote) -> None:
    with pytest.raises(RemoteUnreachable), RemoteClone.open(Target("http://127.0.0.1:9/x.git", root=server.path)):
        pass
    with pytest.raises(RemoteRefused), RemoteClone.open(Target(server.url + "x", root=server.path)):
        pass


def test_a_renamed_branch_and_an_empty_repository(server: HttpRemote) -> None:
    with (
        pytest.raises(NoSuchBranch, match="Its default branch is main: was it renamed"),
        RemoteClone.open(Target(server.url, base="master", root=server.path)),
    ):
        pass
    server.repo.git("branch", "--move", "main", "trunk")
    with RemoteClone.open(Target(server.url, root=server.path)) as clone:
        assert clone.branch == "trunk"
    server.repo.git("update-ref", "-d", "refs/heads/trunk")
    with pytest.raises(RepositoryError, match="is empty"), RemoteClone.open(Target(server.url, root=server.path)):
        pass


def test_a_branch_deleted_during_the_merge(server: HttpRemote) -> None:
    send(server, ops("a"))
    server.repo.git("branch", "other", "main")

    def delete(_: Push) -> None:
        server.repo.git("update-ref", "-d", MAIN)

    server.before_push = delete
    with pytest.raises(NoSuchBranch, match="has no branch main"):
        merge(server)


def test_a_base_branch_force_pushed_during_the_merge(server: HttpRemote) -> None:
    """Someone takes a frame back, by force, while the next one is made: both are merged anew, and it is said."""
    one = send(server, ops("a"))
    before = server.tip()
    merge(server)
    two = send(server, ops("b"), worker="w2")
    replaced = server.tip()

    def rewind(_: Push) -> None:
        server.before_push = None
        server.repo.git("update-ref", MAIN, before)

    server.before_push = rewind
    with RemoteClone.open(Target(server.url, root=server.path)) as clone:
        assert clone.merge(NOW, patience=hasty).published.operation == "pushed"
        assert clone.remarks == [
            f"Branch main was replaced during the merge: commit {replaced[:12]} is no longer in it. The merge was made "
            f"anew on {before[:12]}. Frames that are gone with it are merged again from the delta branches; deltas "
            "that lay in the inbox alone are as that commit has them."
        ]
    assert frames(server) == ["merge frame 405: 1 delta, 1 agents"]
    merge(server)  # the second one was of the frame that was gone, so it had to wait
    assert wrong(server, [one.digest, two.digest]) == []
    assert len(frames(server)) == 2


def test_a_clone_can_name_its_remote_and_is_not_touched(server: HttpRemote, tmp_path: Path) -> None:
    from tests.command import listing
    from tests.repo import Repo

    Repo(tmp_path).git("clone", "--quiet", server.url, "clone")
    send(server, ops("a"))
    before = listing(tmp_path / "clone")
    done = run("merge", "--remote", "origin", "--repo", tmp_path / "clone")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Frame 405 is merged: 1 delta, 1 operation applied.\n")
    assert listing(tmp_path / "clone") == before


def test_a_version_that_was_overwritten_in_the_inbox_is_read_from_history(server: HttpRemote) -> None:
    for name in ("a", "b"):
        send(server, delta("w1", **agent(name), _meta={"run": "r"}), to="inbox", replace=True)
    merge(server)
    assert sorted(one["outcome"] for one in receipts(server, 405)) == ["applied", "superseded"]


# --- many at once


def check_race(server: HttpRemote, workers: int, merges: int, rounds: int) -> list[str]:
    """Workers submit for some rounds while merges are started; what was not merged exactly once, and the digests."""
    sent: list[str] = []
    for number in range(rounds):
        frame = json.loads(server.repo.git("show", f"{MAIN}:state/_meta.json"))["frame"]
        submits: list[Sequence[object]] = [
            ["submit", "--worker", f"w{worker}", "--remote", server.url, "--repo", server.path, "--frame", frame,
             "--run", f"round-{number}", "--to", "inbox" if worker % 5 == 4 else "branch", "--budget", 500, "--json"]
            for worker in range(workers)
        ]  # fmt: skip
        merging: list[Sequence[object]] = [["merge", "--remote", server.url, "--repo", server.path, "--json"]] * merges
        contents = [ops(f"a{worker}-{number}") for worker in range(workers)]
        done = processes([*submits, *merging], [*contents, *[b""] * merges])
        sent += [one["digest"] for one in done[:workers]]
    done = processes([["merge", "--remote", server.url, "--repo", server.path, "--json"]])
    return wrong(server, sent)


def check_all_is_well(server: HttpRemote, lost: list[str], deltas: int) -> None:
    assert lost == []
    assert len(outcomes(server)) == deltas
    assert {outcome for one in outcomes(server).values() for outcome in one} <= {"applied", "late"}
    names = [path for path in server.repo.files(MAIN) if path.startswith("state/agents/")]
    assert len(names) == deltas
    numbers = [int(one.split()[2].rstrip(":")) for one in frames(server)]
    assert numbers == list(range(405, 405 + len(numbers)))


def test_merges_at_once_while_workers_submit(server: HttpRemote) -> None:
    check_all_is_well(server, check_race(server, workers=5, merges=3, rounds=2), 10)


@pytest.mark.slow
def test_eight_merges_at_once_while_twenty_workers_submit(server: HttpRemote) -> None:
    check_all_is_well(server, check_race(server, workers=20, merges=8, rounds=4), 80)


def overlap(server: HttpRemote) -> tuple[list[str], Counter[str]]:
    """A merge is overtaken by a whole other one, with another delta, at the last moment; what went wrong then."""
    sent = [send(server, ops("a"))]
    landed = []

    def overtake(_: Push) -> None:
        server.before_push = None
        sent.append(send(server, ops("b"), worker="w2", to="inbox"))
        landed.append(merge(server, NOW + timedelta(seconds=1)).published.commit)

    server.before_push = overtake
    merge(server)
    merge(server)
    log = server.log(MAIN)
    missing = Counter({"frames that are gone": sum(one not in log for one in landed)})
    return wrong(server, [one.digest for one in sent]), +missing


def test_a_merge_overtaken_at_the_last_moment_takes_nothing_from_the_other(server: HttpRemote) -> None:
    assert overlap(server) == ([], Counter())


def test_a_remote_that_ignores_the_lease_fails_this_suite(server: HttpRemote) -> None:
    """The proof that the tests above could fail: a remote that overwrites loses a frame, and the oracle says so."""
    server.ignores_lease = True
    lost, gone = overlap(server)
    assert gone == Counter({"frames that are gone": 1})
    assert lost != []


def test_a_submit_under_no_lease_would_lose_its_rival_s_delta(server: HttpRemote) -> None:
    """The same for submits to an inbox."""
    rivals = []

    def be_first(_: Push) -> None:
        server.before_push = None
        rivals.append(send(server, delta("w2", **agent("b")), worker="w2", to="inbox"))

    server.ignores_lease, server.before_push = True, be_first
    send(server, ops("a"), to="inbox")
    merge(server)
    assert wrong(server, [one.digest for one in rivals]) == [one.digest for one in rivals]
    assert [one["outcome"] for one in receipts(server, 405)] == ["applied"]
