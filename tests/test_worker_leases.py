"""A lease as its holder lives it: from Python and from the command line, here and on a remote; and the zombie."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merge_bot import LeaseEnded, Worker
from merge_bot.asking import Asked, ask
from merge_bot.clone import Clone
from merge_bot.errors import Contended
from merge_bot.history import History
from merge_bot.rollback import roll_back
from tests.command import INBOX, begun, run
from tests.repo import Repo
from tests.test_control import NOW, outcomes


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    """At the end of each test every frame is proven, and every one replays to the same bytes."""
    repo = begun(Repo(tmp_path / "clone"))
    yield repo
    with History(str(repo.path)) as history:
        assert history.verify().findings == []
        assert [one for one in range(405, history.newest + 1) if history.replay(one).same is not True] == []


def merge(repo: Repo) -> list[str]:
    """Merge what waits: what became of each delta."""
    return outcomes(run("merge", "--repo", repo.path, "--json").json["receipts"])


def worker(repo: Repo, name: str = "w1", **more: Any) -> Worker:
    return Worker(name, root=repo.path, run="", **more)


def add_one(repo: Repo, **more: Any) -> None:
    with worker(repo, **more) as turn:
        turn.increment("stats", total_posts=1)


def posts(repo: Repo) -> int:
    path = repo.path / "state/stats.json"
    value: int = json.loads(path.read_bytes())["total_posts"] if path.exists() else 0
    return value


def content(asked: Asked) -> Any:
    return json.loads(Path(asked.path).read_bytes())


def test_a_zombie_that_wakes_up_is_fenced_whenever_it_sends(repo: Repo) -> None:
    worker(repo).claim()
    merge(repo)
    zombie = worker(repo)
    zombie.__enter__()  # reads frame 406 and epoch 1, and then sleeps
    zombie.increment("stats", total_posts=100)
    repo.commit({".github/dreamcatcher.yml": b"lease:\n  silent-frames: 1\n"})
    worker(repo).reclaim()
    assert merge(repo) == ["w1: applied; reclaim applied reclaimed; claim applied claimed"]
    add_one(repo)
    assert merge(repo) == ["w1: applied"]
    zombie.__exit__(None, None, None)
    sent = zombie.path.read_bytes()
    assert json.loads(sent)["_meta"] == {"epoch": 1}
    assert merge(repo) == ["w1: fenced"]
    repo.write(f"{INBOX}/{zombie.path.name}", sent)
    assert merge(repo) == ["w1: duplicate"]
    add_one(repo)
    assert merge(repo) == ["w1: applied"]
    assert posts(repo) == 2
    [first] = [one for one in worker(repo).receipts() if one.outcome == "fenced"]
    assert (first.recover, first.reason) == ("claim_again", "other_epoch")


def test_from_claim_to_release(repo: Repo) -> None:
    add_one(repo)
    merge(repo)
    asked = worker(repo).claim()
    assert content(asked)["_control"] == [{"op": "claim"}]
    assert merge(repo) == ["w1: applied; claim applied claimed"]
    add_one(repo)
    assert merge(repo) == ["w1: applied"]
    assert content(worker(repo).release())["_control"] == [{"op": "release", "epoch": 1}]
    assert merge(repo) == ["w1: applied; release applied released"]
    with pytest.raises(LeaseEnded, match=r"^`w1` holds no lease: it was released, or reclaimed .* \(epoch 2 is next\)"):
        worker(repo).__enter__()
    with pytest.raises(LeaseEnded):
        worker(repo).release()
    assert not list((repo.path / INBOX).glob("*.json"))
    worker(repo).claim()
    merge(repo)
    add_one(repo)
    assert merge(repo) == ["w1: applied"]
    assert posts(repo) == 3


def test_what_a_rollback_undid_comes_back_though_its_lease_is_over(repo: Repo) -> None:
    worker(repo).claim()
    merge(repo)
    add_one(repo)
    merge(repo)
    with Clone.open(str(repo.path)) as clone:
        rolled = roll_back(clone, 405, NOW)
    [undone] = rolled.frame.manifest.rollback["undone"] if rolled.frame.manifest.rollback else ()
    worker(repo).release()
    merge(repo)
    request = {"op": "requeue", "delta": undone["delta"], "frame": 407}
    ask([request], stream_id="operator", now=NOW, root=repo.path)
    merge(repo)
    assert (merge(repo), posts(repo)) == (["w1: late"], 1)


def test_a_fallback_has_the_epoch_too(repo: Repo) -> None:
    worker(repo).claim()
    merge(repo)
    with pytest.raises(ZeroDivisionError), worker(repo):
        _ = 1 / 0
    assert merge(repo) == ["w1: fallback"]


def test_an_update_has_the_epoch_of_the_frame_that_it_read(repo: Repo) -> None:
    worker(repo).claim()
    merge(repo)

    def rename(agent: dict[str, Any]) -> dict[str, Any]:
        return {**agent, "name": "Aria"}

    with pytest.raises(Contended):
        worker(repo).update("agents", "agent-aria", rename, wait=0)
    assert merge(repo) == ["w1: applied"]


def test_shell_workers_get_the_epoch_with_the_frame(repo: Repo) -> None:
    assert run("worker", "claim", "w1", "--repo", repo.path).code == 0
    merge(repo)
    operations = b'{"stats_increments": {"total_posts": 1}}'
    assert run("write", "--worker", "w1", "--repo", repo.path, stdin=operations).code == 0
    assert merge(repo) == ["w1: applied"]
    own = b'{"stats_increments": {"total_posts": 1}, "_meta": {"epoch": 7}}'
    path = run("write", "--worker", "w1", "--repo", repo.path, "--json", stdin=own).json["path"]
    assert json.loads(Path(path).read_bytes())["_meta"] == {"epoch": 7}
    merge(repo)
    run("worker", "release", "w1", "--repo", repo.path)
    merge(repo)
    said = run("write", "--worker", "w1", "--repo", repo.path, stdin=operations)
    assert (said.code, said.err.partition(":")[0]) == (1, "`w1` holds no lease")


def test_submitted_deltas_get_it_from_the_remote(repo: Repo, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    repo.git("clone", "--quiet", "--bare", str(repo.path), str(bare))
    repo.git("remote", "add", "origin", str(bare))
    said = run("worker", "claim", "w1", "--submit", "--to", "inbox", "--repo", repo.path, "--json").json
    assert (said["asked"], said["deltas"][0]["submitted"]) == ([{"op": "claim"}], True)
    repo.git("pull", "--quiet", "origin", "main")
    assert merge(repo) == ["w1: applied; claim applied claimed"]
    repo.git("push", "--quiet", "origin", "main")
    operations = b'{"stats_increments": {"total_posts": 1}}'
    sent = run("submit", "--worker", "w1", "--to", "inbox", "--repo", repo.path, "--json", stdin=operations)
    assert (sent.code, sent.err) == (0, "")
    repo.git("pull", "--quiet", "origin", "main")
    assert json.loads((repo.path / sent.json["path"]).read_bytes())["_meta"] == {"epoch": 1}
    assert merge(repo) == ["w1: applied"]
    by_branch = Worker("w1", root=repo.path, run="", push=True, remote=str(bare))
    assert by_branch.release().submitted is not None
    run("worker", "release", "w1", "--repo", repo.path)
    merge(repo)
    repo.git("push", "--quiet", "origin", "main")
    refused = run("submit", "--worker", "w1", "--to", "inbox", "--repo", repo.path, stdin=operations)
    assert (refused.code, refused.err.partition(":")[0]) == (1, "`w1` holds no lease")


def test_worker_list(repo: Repo) -> None:
    assert run("worker", "list", "--repo", repo.path).out == "0 workers as of frame 404.\n"
    repo.commit({".github/dreamcatcher.yml": b"breaker: 1\n"})
    add_one(repo, name="w2")
    worker(repo).claim()
    repo.write(f"{INBOX}/frame-405-w3.json", b"{")
    merge(repo)
    run("worker", "claim", "w4", "--repo", repo.path)
    merge(repo)
    run("worker", "release", "w4", "--repo", repo.path)
    merge(repo)
    assert run("worker", "list", "--repo", repo.path).out == (
        "4 workers as of frame 407.\n\n"
        "Workers\n"
        "  worker  status    epoch  seen in  bad in a row  newest delta\n"
        "  w1      leased    1      405      -             405\n"
        "  w2      open      -      -        -             405\n"
        "  w3      disabled  -      -        1             -\n"
        "  w4      released  2      406      -             407\n\n"
        "w3 is disabled. Once it is mended: dreamcatcher worker enable w3 --requeue\n"
    )
    said = run("worker", "list", "--repo", repo.path, "--json").json
    assert said["open_frame"] == 408
    assert said["workers"]["w4"] == {"status": "released", "epoch": 2, "seen": 406, "bad": 0, "frame": 407}
    there = run("worker", "list", "--repo", repo.path, "--remote", repo.path, "--json")
    assert there.json == said


def test_reclaim_and_enable_from_the_command_line(repo: Repo) -> None:
    repo.commit({".github/dreamcatcher.yml": b"breaker: 2\noperators: [ann, bob]\n"})
    worker(repo).claim()
    merge(repo)
    for number in (1, 2):
        repo.write(f"{INBOX}/frame-406-w2.{number}.json", b"{" * number)
    run("worker", "reclaim", "w1", "--as", "w3", "--repo", repo.path)
    assert merge(repo) == ["None: quarantined", "None: quarantined", "w3: applied; reclaim refused not_silent"]
    add_one(repo, name="w2")
    assert merge(repo) == ["w2: quarantined"]
    run("worker", "reclaim", "w1", "--repo", repo.path)
    said = run("worker", "enable", "w2", "--requeue", "--as", "bob", "--repo", repo.path)
    assert (said.code, said.out.splitlines()[:2]) == (
        0,
        ["Asked to enable w2.", "Put up again: 1 that came while it was disabled."],
    )
    assert merge(repo) == [
        "ann: applied; reclaim applied reclaimed",
        "bob: applied; enable applied enabled; retry applied put_up_again",
    ]
    assert merge(repo) == ["w2: late"]
    assert posts(repo) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["release", "w1"], '"w1" never claimed a lease, so there is none to end.'),
        (["reclaim", "w1"], '"w1" never claimed a lease, so there is none to end.'),
        (["reclaim", "w1", "--claim"], "A lease is claimed by its own worker: --as w1 --claim."),
        (["enable", "w1", "--as", "eve"], '"eve" is no operator: the settings name operator.'),
        (["claim", "no worker"], "stream_id"),
        (["claim", "w1", "--epoch", "1"], "No such option"),
    ],
)
def test_what_cannot_be_asked_for_is_said_at_once(repo: Repo, arguments: list[str], said: str) -> None:
    done = run("worker", *arguments, "--repo", repo.path)
    assert done.code == 1
    assert said in done.err
    assert not list((repo.path / INBOX).glob("*.json"))


def test_nobody_is_an_operator(repo: Repo) -> None:
    repo.commit({".github/dreamcatcher.yml": b"operators: []\n"})
    done = run("worker", "enable", "w1", "--repo", repo.path)
    assert (done.code, done.err) == (
        1,
        "the settings name none. Only operators may ask for this (operators: [ID] in .github/dreamcatcher.yml).\n",
    )


def test_many_requests_go_in_several_deltas(repo: Repo) -> None:
    requests = [{"op": "enable", "worker": f"w{number}"} for number in range(1001)]
    asked = ask(requests, stream_id="operator", now=NOW, root=repo.path)
    assert [len(content(one)["_control"]) for one in asked] == [1000, 1]
    assert len(merge(repo)) == 2
