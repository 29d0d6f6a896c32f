"""submit: a delta reaches the remote once, from anywhere, and nothing of the caller's is touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from merge_bot import Worker
from merge_bot.canonical import digest
from merge_bot.errors import (
    Contended,
    DeltaRejected,
    DreamcatcherError,
    NoSuchBranch,
    RemoteRefused,
    RemoteUnreachable,
    RepositoryError,
    SlotTaken,
)
from merge_bot.git.remote import Credentials
from merge_bot.submit import submit
from merge_bot.target import TOKEN_VARIABLE, Target
from tests.command import delta, listing, run
from tests.http_remote import TOKEN, HttpRemote, Push, protected
from tests.remote_world import MAIN, NOW, agent, hasty, merge, ops, processes, read, send, server
from tests.repo import Repo

__all__ = ["server"]
W1 = "refs/heads/deltas/w1"
NAME = "frame-405-w1.json"
WHOLE = delta("w1", **agent("a"))


def content(server: HttpRemote, path: str = NAME, ref: str = W1) -> bytes:
    return server.repo.git("show", f"{ref}:{path}").encode()


def test_a_whole_delta_arrives_byte_for_byte_as_an_orphan_with_one_push(server: HttpRemote) -> None:
    done = send(server, WHOLE)
    assert content(server) == WHOLE
    assert server.repo.files(W1) == {NAME: server.repo.git("hash-object", "--stdin", stdin=WHOLE)}
    assert server.log(W1) == [done.commit]
    assert server.pushes == [Push(W1, "0" * 40, done.commit)]
    assert (done.pushes, done.repeated, done.rules, done.digest) == (1, False, "base branch", digest(WHOLE))


def test_each_commit_holds_its_one_new_delta_on_the_one_before(server: HttpRemote) -> None:
    first = send(server, delta("w1", **agent("a"), _meta={"run": "one"}))
    second = send(server, delta("w1", **agent("b"), _meta={"run": "two"}))
    assert server.log(W1) == [second.commit, first.commit]
    assert list(server.repo.files(W1)) == ["frame-405-w1.two.json"]
    assert [push.old for push in server.pushes] == ["0" * 40, first.commit]


def test_operations_get_their_envelope_from_the_remote_s_base(server: HttpRemote) -> None:
    send(server, ops("a"), run="night-1")
    assert read(server, "frame-405-w1.night-1.json", W1) == {
        "frame": 405,
        "stream_id": "w1",
        "utc": "2026-03-25T04:00:00.000000Z",
        **agent("a"),
        "_meta": {"run": "night-1"},
    }


def test_the_same_bytes_again_make_no_second_commit(server: HttpRemote) -> None:
    first, again = send(server, WHOLE), send(server, WHOLE)
    assert (again.commit, again.repeated, again.pushes) == (first.commit, True, 0)
    assert len(server.pushes) == 1


def test_a_lost_reply_makes_no_second_commit(server: HttpRemote) -> None:
    server.lose_replies = 1
    done = send(server, WHOLE)
    assert (done.pushes, server.log(W1)) == (1, [done.commit])


@pytest.mark.parametrize("others", [0, 2])
def test_a_push_whose_fate_was_unknown_is_found_again(server: HttpRemote, others: int) -> None:
    """The reply is lost, the remote goes away, and meanwhile the worker's other runs push on top of it."""

    def go_away(_: Push) -> None:
        server.after_push = None
        for number in range(others):
            send(server, delta("w1", **agent(f"b{number}"), _meta={"run": f"r{number}"}))
        server.lose_replies, server.fail_reads = 1, 3

    server.after_push = go_away
    done = send(server, WHOLE)
    assert (done.pushes, len(server.log(W1))) == (1, others + 1)
    assert server.log(W1)[-1] == done.commit


def test_another_run_that_was_first_stays_behind_ours(server: HttpRemote) -> None:
    def be_first(_: Push) -> None:
        server.before_push = None
        send(server, delta("w1", **agent("b"), _meta={"run": "other"}))

    server.before_push = be_first
    done = send(server, WHOLE)
    assert (done.pushes, len(server.log(W1))) == (2, 2)
    assert server.log(W1)[0] == done.commit


def test_passing_faults_are_tried_again(server: HttpRemote) -> None:
    server.fail_pushes = 3
    assert send(server, WHOLE).pushes == 4


# --- from where


def clone_of(server: HttpRemote, place: Path, *options: str) -> Repo:
    repo = Repo(place)
    place.parent.mkdir(exist_ok=True)
    Repo(place.parent).git("clone", "--quiet", *options, server.url, str(place))
    return repo


PLACES: dict[str, Callable[[HttpRemote, Path], Repo]] = {
    "full": lambda server, path: clone_of(server, path / "clone"),
    "bare": lambda server, path: clone_of(server, path / "clone", "--bare"),
    "shallow": lambda server, path: clone_of(server, path / "clone", "--depth=1"),
    "blobless": lambda server, path: clone_of(server, path / "clone", "--filter=blob:none"),
    "linked": lambda server, path: _linked(clone_of(server, path / "clone"), path / "linked"),
}


def _linked(repo: Repo, place: Path) -> Repo:
    repo.git("worktree", "add", "--quiet", "-b", "side", str(place))
    return Repo(place)


@pytest.mark.parametrize("kind", PLACES)
def test_nothing_of_the_caller_s_clone_is_touched(server: HttpRemote, tmp_path: Path, kind: str) -> None:
    repo = PLACES[kind](server, tmp_path)
    if kind != "bare":
        repo.write("state/x", b"not committed")
        repo.write("staged", b"staged")
        repo.git("add", "staged")
    before = listing(tmp_path / "clone") | listing(repo.path)
    done = run("submit", "--worker", "w1", "--repo", repo.path, "--json", stdin=WHOLE)
    assert (done.code, done.err) == (0, "")
    assert done.json["rules"] == ("base branch" if kind == "bare" else "work tree")
    assert content(server) == WHOLE
    assert listing(tmp_path / "clone") | listing(repo.path) == before


def test_a_clone_lends_its_way_to_the_remote(server: HttpRemote, tmp_path: Path) -> None:
    """Credentials that a checkout action stored, and a relative address."""
    from base64 import b64encode

    repo = clone_of(server, tmp_path / "clone")
    header = b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    repo.git("config", f"http.{server.url}.extraheader", f"AUTHORIZATION: basic {header}")
    server.token = TOKEN
    submit(WHOLE, Target(root=repo.path), NOW, worker="w1")
    repo.git("remote", "add", "near", "../server/world.git")
    assert submit(WHOLE, Target("near", root=repo.path), NOW, worker="w1").repeated


def test_a_token_from_the_environment_shows_nowhere(
    server: HttpRemote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server.token = TOKEN
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    server.hook("pre-receive", f"echo 'your token is {TOKEN}'; exit 1")
    caplog.set_level("DEBUG")
    done = run("submit", "--worker", "w1", "--remote", server.url, stdin=WHOLE)
    assert done.code == 1
    assert "$ git push" in caplog.text and "your token is ***" in done.err
    assert TOKEN not in caplog.text + done.err + done.out


def test_no_clone_and_no_address(server: HttpRemote, tmp_path: Path) -> None:
    done = run("submit", "--worker", "w1", "--repo", tmp_path, stdin=WHOLE)
    assert done.code == 1
    assert "is not in a git repository" in done.err


# --- what may leave


def test_what_may_not_enter_does_not_leave(server: HttpRemote) -> None:
    with pytest.raises(DeltaRejected) as refused:
        send(server, b'{"profile_updates": [{"agent_id": 5}], "postz": []}')
    assert [problem.pointer for problem in refused.value.problems] == ["/profile_updates/0/agent_id", "/postz"]
    assert server.pushes == []


REFUSED: list[tuple[str, bytes, dict[str, Any], str]] = [
    ("another worker's", delta("w2"), {}, "stream_not_of_branch"),
    ("another frame's", WHOLE, {"frame": 406}, "bad_frame"),
    ("another run's", WHOLE, {"run": "x"}, "bad_meta"),
    ("no JSON", b"{", {}, "truncated"),
    ("no object", b"[]", {}, "not_an_object"),
    ("no frame", delta("w1").replace(b"405", b"-1"), {}, "bad_frame"),
]


@pytest.mark.parametrize(("data", "options", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_delta_that_is_not_what_was_said(
    server: HttpRemote, data: bytes, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(DeltaRejected) as refused:
        send(server, data, **options)
    assert [problem.reason for problem in refused.value.problems] == [reason]
    assert server.pushes == []


def test_a_name_that_no_worker_can_have(server: HttpRemote) -> None:
    with pytest.raises(RepositoryError, match="cannot be a worker's name"):
        send(server, WHOLE, worker="../main")


def test_where_there_are_no_schemas_the_envelope_is_checked_alone(server: HttpRemote) -> None:
    server.repo.git("update-ref", "refs/heads/bare", server.repo.git("commit-tree", "-m", "x", _empty_tree(server)))
    assert send(server, WHOLE, base="bare").rules == "none"
    with pytest.raises(DeltaRejected):
        send(server, delta("w1", utc="yesterday"), base="bare")
    with pytest.raises(RepositoryError, match="Which frame is open is not known"):
        send(server, ops("a"), base="bare")


def _empty_tree(server: HttpRemote) -> str:
    return server.repo.git("mktree")


# --- bad days


def test_a_branch_that_was_renamed_and_an_empty_repository(server: HttpRemote) -> None:
    with pytest.raises(NoSuchBranch, match="Its default branch is main: was it renamed"):
        send(server, ops("a"), base="master")
    server.repo.git("update-ref", "-d", MAIN)
    for to in ("branch", "inbox"):
        with pytest.raises(RepositoryError, match="is empty"):
            send(server, WHOLE, to=to)
    assert server.pushes == []


def test_refused_by_a_rule(server: HttpRemote, tmp_path: Path) -> None:
    server.hook("pre-receive", protected("GH013", "deltas/w1"))
    with pytest.raises(RemoteRefused) as refused:
        send(server, WHOLE)
    assert "exclude `deltas/**`" in str(refused.value)
    assert "Settings > Rules > Rulesets" in str(refused.value)
    assert len(server.pushes) == 1
    _check_kept(str(refused.value), tmp_path)


def test_no_right_to_push(server: HttpRemote, tmp_path: Path) -> None:
    server.token = TOKEN
    with pytest.raises(RemoteRefused, match="does not let us read it"):
        send(server, WHOLE)
    server.read_only = True
    with pytest.raises(RemoteRefused, match="does not let us write to it") as refused:
        send(server, WHOLE, credentials=Credentials(TOKEN))
    _check_kept(str(refused.value), tmp_path)


GAVE_UP: list[tuple[str, str, type[DreamcatcherError]]] = [
    ("pushes fail", "fail_pushes", Contended),
    ("the remote is gone", "fail_reads", RemoteUnreachable),
]


@pytest.mark.parametrize(("counter", "error"), [row[1:] for row in GAVE_UP], ids=[row[0] for row in GAVE_UP])
def test_when_the_budget_is_spent_the_delta_is_kept(
    server: HttpRemote, tmp_path: Path, counter: str, error: type[DreamcatcherError]
) -> None:
    if counter == "fail_reads":
        server.after_push = lambda _: setattr(server, "fail_reads", 1000)
        server.lose_replies = 1000
    else:
        server.fail_pushes = 1000
    with pytest.raises(error) as spent:
        send(server, WHOLE, patience=hasty(3))
    assert spent.value.exit_code == 75
    assert "in 3 seconds this was given up. Nothing is lost: run it again." in str(spent.value)
    kept = _check_kept(str(spent.value), tmp_path)
    server.fail_pushes = server.fail_reads = server.lose_replies = 0
    server.after_push = None
    done = run("submit", "--worker", "w1", "--remote", server.url, "--repo", tmp_path, kept)
    assert done.code == 0
    assert len(server.log(W1)) == 1
    assert kept.exists()  # it is the caller's file now


def test_operations_that_met_no_remote_are_kept_as_they_are_and_enter_later(server: HttpRemote, tmp_path: Path) -> None:
    server.fail_reads = 2
    assert send(server, ops("a")).frame == 405
    server.fail_reads = 1000
    with pytest.raises(RemoteUnreachable) as gone:
        send(server, ops("b"), "w2", patience=hasty(3))
    assert (gone.value.exit_code, server.fail_reads) == (75, 997)
    kept = tmp_path / f"unsent-w2.{digest(ops('b'))[:12]}.json"
    assert str(gone.value).endswith(f"\nThe delta is kept at {kept}: submit that file.")
    server.fail_reads = 0
    merge(server)
    done = run("submit", "--worker", "w2", "--remote", server.url, "--repo", tmp_path, "--json", kept)
    assert (done.code, done.json["frame"]) == (0, 406)


def _check_kept(letter: str, folder: Path) -> Path:
    kept = folder / f"frame-405-w1.{digest(WHOLE)[:12]}.json"
    assert letter.endswith(f"\nThe delta is kept at {kept}: submit that file.")
    assert kept.read_bytes() == WHOLE
    return kept


def test_what_lies_in_a_file_already_is_not_written_twice(server: HttpRemote, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(WHOLE)
    server.hook("pre-receive", "exit 1")
    done = run("submit", "--worker", "w1", "--remote", server.url, "--repo", tmp_path, file)
    assert done.code == 1
    assert done.err.endswith(f"The delta is kept at {file}: submit that file.\n")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine.json"]


def test_an_arrived_delta_leaves_nothing_behind(server: HttpRemote, tmp_path: Path) -> None:
    repo = clone_of(server, tmp_path / "clone")
    submit(ops("a"), Target(root=repo.path), NOW, worker="w1")
    assert list((repo.path / ".git/dreamcatcher/unsent").iterdir()) == []
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_the_bell_rings_once_and_its_failure_harms_nothing(server: HttpRemote) -> None:
    rung = []
    done = send(server, WHOLE, ring=rung.append)
    assert rung == [done]

    def broken(_: object) -> None:
        raise OSError("no bell")

    assert send(server, ops("b"), ring=broken).notes == [
        "The delta arrived, but the merge could not be called (OSError); it comes with the next one."
    ]


# --- the inbox way


def test_the_inbox_gets_one_file_more_and_nothing_else(server: HttpRemote) -> None:
    before, base = server.repo.files(MAIN), server.tip()
    done = send(server, WHOLE, to="inbox")
    path = f"state/stream_deltas/{NAME}"
    assert server.repo.files(MAIN) == before | {path: server.repo.git("hash-object", "--stdin", stdin=WHOLE)}
    assert server.log(MAIN)[:2] == [done.commit, base]
    assert (done.path, done.ref, done.pushes) == (path, MAIN, 1)
    assert send(server, WHOLE, to="inbox").repeated


def test_the_inbox_is_rebuilt_on_whatever_is_there(server: HttpRemote) -> None:
    rivals = iter(range(3))

    def be_first(push: Push) -> None:
        server.before_push = None
        number = next(rivals, None)
        if number is not None:
            send(server, delta(f"r{number}", **agent("r")), worker=f"r{number}", to="inbox")
            server.before_push = be_first

    server.before_push = be_first
    done = send(server, WHOLE, to="inbox")
    assert done.pushes > 1
    names = [path.rpartition("/")[2] for path in server.repo.files(MAIN) if "stream_deltas/frame" in path]
    assert names == ["frame-405-r0.json", "frame-405-r1.json", "frame-405-r2.json", NAME]


def test_a_slot_of_the_inbox_is_not_taken_twice(server: HttpRemote) -> None:
    send(server, WHOLE, to="inbox")
    with pytest.raises(SlotTaken, match="holds another delta of this worker"):
        send(server, ops("b"), to="inbox")
    assert send(server, ops("b"), to="inbox", replace=True).pushes == 1


def test_a_protected_base_branch_is_named(server: HttpRemote) -> None:
    server.hook("pre-receive", protected("GH006"))
    with pytest.raises(RemoteRefused, match="Settings > Branches"):
        send(server, WHOLE, to="inbox")


# --- Worker


def test_a_worker_submits_on_leaving(server: HttpRemote, tmp_path: Path) -> None:
    repo = clone_of(server, tmp_path / "clone")
    with Worker("w1", root=repo.path, push=True) as w:
        w.set("agents", "a", name="A")
    assert w.submitted is not None and w.submitted.rules == "work tree"
    assert read(server, NAME, W1)["profile_updates"] == [{"agent_id": "a", "name": "A"}]
    assert repo.status == []
    with pytest.raises(ZeroDivisionError), Worker("w2", root=repo.path, push=True):
        raise ZeroDivisionError
    assert read(server, "frame-405-w2.json", "refs/heads/deltas/w2")["_meta"]["status"] == "fallback"
    server.read_only = True
    with pytest.raises(RemoteRefused, match="The delta is kept at"), Worker("w3", root=repo.path, push=True) as w:
        w.set("agents", "b", name="B")
    (kept,) = (repo.path / ".git/dreamcatcher/unsent").iterdir()
    assert json.loads(kept.read_bytes())["profile_updates"] == [{"agent_id": "b", "name": "B"}]


# --- many at once


def check_many(server: HttpRemote, tmp_path: Path, count: int, to: str) -> list[dict[str, Any]]:
    """Processes, each with its own clone, submit at once; every delta must be there."""
    clones = [clone_of(server, tmp_path / f"clone{number}", "--depth=1") for number in range(count)]
    server.pushes.clear()
    commands = [
        ["submit", "--worker", f"w{number}", "--repo", clone.path, "--to", to, "--budget", 500, "--json"]
        for number, clone in enumerate(clones)
    ]
    return processes(commands, [ops(f"a{number}") for number in range(count)])


def check_branches(server: HttpRemote, tmp_path: Path, count: int) -> None:
    done = check_many(server, tmp_path, count, "branch")
    assert len(server.pushes) == count
    refs = {f"refs/heads/deltas/w{number}" for number in range(count)}
    assert {push.ref for push in server.pushes} == refs == set(server.repo.refs()) - {MAIN}
    assert [one["pushes"] for one in done] == [1] * count
    assert all(list(server.repo.files(one["ref"])) == [one["path"]] for one in done)


def check_inbox(server: HttpRemote, tmp_path: Path, count: int) -> int:
    done = check_many(server, tmp_path, count, "inbox")
    assert {path for path in server.repo.files(MAIN) if "stream_deltas/frame" in path} == {one["path"] for one in done}
    assert len(server.log(MAIN)) == count + 1
    attempts = sum(one["pushes"] for one in done)
    assert attempts >= len(server.pushes) >= count  # git itself gives up a push when it sees that the ref moved
    return attempts


def test_six_workers_at_once_need_six_pushes(server: HttpRemote, tmp_path: Path) -> None:
    check_branches(server, tmp_path, 6)


def test_four_at_once_into_the_inbox_lose_nothing(server: HttpRemote, tmp_path: Path) -> None:
    check_inbox(server, tmp_path, 4)


@pytest.mark.slow
def test_a_hundred_workers_at_once_need_a_hundred_pushes(server: HttpRemote, tmp_path: Path) -> None:
    check_branches(server, tmp_path, 100)


@pytest.mark.slow
def test_twenty_at_once_into_the_inbox_lose_nothing(server: HttpRemote, tmp_path: Path) -> None:
    pushes = check_inbox(server, tmp_path, 20)
    print(f"20 deltas into one inbox: {pushes} pushes")
