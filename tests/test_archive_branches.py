"""`archive: branches`: what came by a delta branch is kept there alone, and everything that reads the past finds it.

The remote is a real one over HTTP. `gone` takes objects from it for good, as a server's own gc does once no ref holds
them; a clone of `main` alone has never seen a delta branch.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from merge_bot.canonical import digest
from merge_bot.errors import UnreadableState
from merge_bot.git import shallow
from merge_bot.git.process import Git
from merge_bot.history import History
from merge_bot.kept import bring
from merge_bot.manifest_schema import manifest_schema
from merge_bot.remote_clone import RemoteClone
from merge_bot.rollback import roll_back
from merge_bot.target import Target
from merge_bot.verify import verify
from tests.command import delta, run
from tests.http_remote import HttpRemote
from tests.remote_world import MAIN, NOW, agent, merge, ops, read, receipts, send, server
from tests.repo import Repo
from tests.test_branches import commit_on

__all__ = ["server"]
FETCH = "git fetch origin '+refs/heads/deltas/*:refs/dreamcatcher/deltas/*'"
SETTINGS = b"archive: branches\n"


def settle(server: HttpRemote, text: bytes = SETTINGS) -> None:
    """Somebody commits settings."""
    seed = Repo(server.path.parent / "seed")
    seed.git("fetch", "--quiet", server.url, "main")
    seed.git("reset", "--quiet", "--hard", "FETCH_HEAD")
    seed.commit({".github/dreamcatcher.yml": text})
    seed.git("push", "--quiet", server.url, "main")


def clone(server: HttpRemote, place: Path, *options: str) -> Repo:
    """A fresh clone of main, in which no delta branch was ever seen."""
    server.repo.git("clone", "--quiet", "--single-branch", "--branch", "main", *options, server.url, str(place))
    return Repo(place)


def gone(server: HttpRemote, *workers: str) -> None:
    """Delta branches are deleted, and their objects swept away."""
    for worker in workers:
        server.repo.git("update-ref", "-d", f"refs/heads/deltas/{worker}")
    server.repo.git("gc", "--quiet", "--prune=now")


def rows(server: HttpRemote, frame: int) -> dict[str, Any]:
    """The manifest's rows of a frame, by source."""
    manifest = read(server, f"state/frames/000/{frame:06d}/manifest.json")
    return {row["source"]: row for row in manifest["deltas"]}


def frames(server: HttpRemote, count: int, first: int = 405) -> list[str]:
    """Frames of three workers each, on branches of their own, all on one agent; the deltas' digests."""
    sent = []
    for number in range(first, first + count):
        for worker in (1, 2, 3):
            said = agent("kai", bio=f"w{worker} in {number}")
            sent.append(delta(f"w{worker}", number, f"2026-03-25T03:{number - 400:02d}:{worker:02d}Z", **said))
        submit(server, *sent[-3:])
        merge(server, NOW + timedelta(minutes=number - 404))
    return [digest(one) for one in sent]


def submit(server: HttpRemote, *deltas: bytes) -> None:
    """Each arrives on its worker's branch, by plain git."""
    lines = []
    for data in deltas:
        content = json.loads(data)
        ref, name = f"refs/heads/deltas/{content['stream_id']}", f"frame-{content['frame']}-{content['stream_id']}.json"
        head = f"commit {ref}\ncommitter w <w@example.com> {content['frame']} +0000\ndata 0\n"
        head += f"from {ref}^0\ndeleteall\n" if server.tip(ref) else ""
        lines.append(f"{head}M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n")
    server.repo.git("fast-import", "--quiet", stdin=b"".join(lines))


def fetches(patch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Every fetch from here on, with what it was told beside its arguments."""
    asked: list[tuple[str, ...]] = []
    run_it = Git.run

    def noted(self: Git, *arguments: str, stdin: bytes = b"", **options: Any) -> Any:
        if "fetch" in arguments:
            asked.append((*arguments, *stdin.decode().split()))
        return run_it(self, *arguments, stdin=stdin, **options)

    patch.setattr(Git, "run", noted)
    return asked


# --- what a frame holds


def test_the_manifest_names_the_commit_and_blob_of_what_came_by_a_branch(server: HttpRemote) -> None:
    settle(server)
    send(server, ops("a"), worker="w1")
    send(server, ops("b"), worker="w2", to="inbox")
    merge(server)
    found = rows(server, 405)
    mine, inbox = found["deltas/w1/frame-405-w1.json"], found["state/stream_deltas/frame-405-w2.json"]
    assert (mine["branch"], mine["commit"]) == ("w1", server.tip("refs/heads/deltas/w1"))
    assert server.repo.git("rev-parse", f"{mine['commit']}:frame-405-w1.json") == mine["blob"]
    assert "file" not in mine and "commit" not in inbox
    archived = {path for path in server.repo.files(MAIN) if path.startswith("state/frames/000/000405/")}
    assert archived == {f"state/frames/000/000405/{name}" for name in ("manifest.json", "receipts.jsonl")} | {
        inbox["file"]
    }


def test_by_default_everything_is_kept_in_the_frame(server: HttpRemote) -> None:
    send(server, ops("a"), worker="w1")
    merge(server)
    (row,) = rows(server, 405).values()
    assert "commit" not in row and server.repo.files(MAIN)[row["file"]] == row["blob"]


def blob(server: HttpRemote, name: str) -> bytes:
    command = ["git", "cat-file", "blob", name]
    return subprocess.run(command, cwd=server.repo.path, stdout=subprocess.PIPE, check=True).stdout


def everything(server: HttpRemote) -> None:
    """Two frames in which, by branches, all befalls deltas that can: 405 and 406."""
    settle(server, SETTINGS + b"breaker: 0\n")
    known = delta("w1", **agent("kai"))
    send(server, known, worker="w1")
    send(server, ops("b"), worker="w2", to="inbox")
    merge(server)
    send(server, delta("w1", 405, **agent("late"), _meta={"run": "x"}), worker="w1")
    commit_on(server, "refs/heads/deltas/w3", {"frame-406-w3.json": b"{"})
    commit_on(server, "refs/heads/deltas/w4", {"frame-406-w2.json": delta("w2", 406, **agent("forged"))})
    commit_on(server, "refs/heads/deltas/w5", {"frame-406-w5.json": b"elsewhere"}, mode="120000")
    commit_on(server, "refs/heads/deltas/w6", {"copy.json": known})
    first = commit_on(server, "refs/heads/deltas/w7", {"frame-406-w7.json": delta("w7", 406, _meta={"run": "r"})})
    newer = delta("w7", 406, "2026-03-25T03:15:00Z", **agent("zoe"), _meta={"run": "r"})
    commit_on(server, "refs/heads/deltas/w7", {"frame-406-w7.json": newer}, first)
    fallback = delta("w8", 406, _meta={"status": "fallback"})
    commit_on(server, "refs/heads/deltas/w8", {"frame-406-w8.json": fallback})
    link = server.repo.git("mktree", stdin=f"160000 commit {first}\tframe-406-w9.json\n".encode(), check=True)
    made = server.repo.git("-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", link, "-m", "x")
    server.repo.git("update-ref", "refs/heads/deltas/w9", made)
    merge(server)


def test_nothing_is_lost_every_delta_is_found_from_its_row(server: HttpRemote) -> None:
    """Law 3, by plain git: whatever became of a delta, its row leads to its bytes."""
    everything(server)
    told = {**rows(server, 405), **rows(server, 406)}
    kept = {row["delta"] for row in told.values() if row["outcome"] != "duplicate"}
    for source, row in told.items():
        if "file" in row:
            assert "commit" not in row
            data = blob(server, f"{MAIN}:{row['file']}")
        elif "commit" in row:
            name = source.removeprefix(f"deltas/{row['branch']}/")
            assert server.repo.git("rev-parse", f"{row['commit']}:{name}") == row["blob"]
            tip = f"refs/heads/deltas/{row['branch']}"
            server.repo.git("merge-base", "--is-ancestor", row["commit"], tip)
            data = blob(server, row["blob"])
        else:
            assert row["delta"] in kept
            continue
        assert digest(data) == row["delta"], source
    where = {
        (row["outcome"], "frame" if "file" in row else "branch") for row in told.values() if row.get("branch")
    }  # fmt: skip
    assert where == {
        ("applied", "branch"), ("late", "branch"), ("superseded", "branch"), ("fallback", "branch"),
        ("duplicate", "branch"), ("quarantined", "frame"),
    }  # fmt: skip
    assert {row["outcome"] for row in told.values() if not row.get("branch")} == {"applied"}


def test_all_of_it_replays_and_verifies_from_a_fresh_clone(server: HttpRemote, tmp_path: Path) -> None:
    everything(server)
    with History(clone(server, tmp_path / "fresh").path) as history:
        assert [history.replay(frame).same for frame in (405, 406)] == [True, True]
        assert verify(history).findings == []


def test_a_fenced_delta_is_kept_in_the_frame(server: HttpRemote) -> None:
    settle(server)
    claim = delta("w1", _control=[{"op": "claim"}])
    send(server, claim, worker="w1")
    merge(server)
    commit_on(
        server, "refs/heads/deltas/w1", {"frame-406-w1.json": delta("w1", 406, **agent("kai"))},
        server.tip("refs/heads/deltas/w1"),
    )  # fmt: skip
    merge(server)
    (row,) = rows(server, 406).values()
    assert (row["outcome"], "file" in row, "commit" in row) == ("fenced", True, False)


def test_what_is_held_waits_in_the_inbox_and_is_kept_in_its_frame(server: HttpRemote) -> None:
    settle(server)
    send(server, ops("a"), worker="w1")
    early = send(server, delta("w2", 406, **agent("b")), worker="w2")
    merge(server)
    send(server, delta("w1", 406, **agent("c")), worker="w1")
    merge(server)
    row = next(one for one in rows(server, 406).values() if one["delta"] == early.digest)
    assert row["file"] in server.repo.files(MAIN) and "commit" not in row


def test_the_same_file_in_several_commits_is_named_by_the_one_that_brought_it(
    server: HttpRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(server)
    one, two = delta("w1", **agent("a"), _meta={"run": "x"}), delta("w1", **agent("b"), _meta={"run": "y"})
    x, y = "frame-405-w1.x.json", "frame-405-w1.y.json"
    made: list[str] = []
    for minute, files in enumerate([{x: one}, {x: one, y: two}, {}, {x: one}]):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-03-25T03:{minute:02d}:00Z")
        made.append(commit_on(server, "refs/heads/deltas/w1", files, *made[-1:]))
    first, second = made[:2]
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-03-25T02:00:00Z")
    earlier = commit_on(server, "refs/heads/side", {y: two})
    commit_on(server, "refs/heads/deltas/w1", {x: one, y: two}, made[-1], earlier)
    merge(server)
    named = {source.rpartition("/")[2]: row["commit"] for source, row in rows(server, 405).items()}
    assert named == {x: first, y: earlier} and second not in named.values()
    (told,) = run_receipts(server, x)
    assert told == f"{first}:{x}"


def run_receipts(server: HttpRemote, name: str) -> list[str]:
    """Where, as its worker is told, the delta of this file name is kept."""
    said = run("receipts", "--worker", "w1", "--remote", server.url, "--repo", server.path, "--json").json
    return [one["kept"] for one in said["receipts"] if one["source"].endswith(name)]


def test_a_row_with_a_commit_names_branch_and_blob_too() -> None:
    row = {"delta": "a" * 64, "outcome": "applied", "source": "x", "branch": "w1", "blob": "b" * 40, "commit": "c" * 40}
    manifest = {
        "frame": 1, "kind": "merge", "time": "t", "base": None, "state_tree": "a" * 40, "counts": {}, "files": {},
        "deltas": [row], "previous": None, "rules": 2,
    }  # fmt: skip
    assert manifest_schema().is_valid(manifest)
    for name in ("branch", "blob"):
        less = {key: value for key, value in row.items() if key != name}
        assert not manifest_schema().is_valid({**manifest, "deltas": [less]})


# --- how many files a pull request shows


@pytest.mark.parametrize("count", [5, 100])
def test_a_frame_s_files_do_not_grow_with_its_deltas(server: HttpRemote, count: int) -> None:
    from tests.benchmarks.files_of_a_pull_request import changed

    assert changed(count, "frame", server.path.parent / "frame") == count + 12
    assert changed(count, "branches", server.path.parent / "branches") == 12


# --- from a clone that has never seen a delta branch


def test_the_past_is_read_from_a_fresh_clone_by_one_fetch(
    server: HttpRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(server)
    frames(server, 4)
    for number, command in enumerate(
        [
            ("verify", "--jobs", 2),
            ("replay", "--from", 405),
            ("replay", 407),
            ("replay", "--until-field", "agents/kai/bio"),
            ("show", 408, "--collection", "agents", "--key", "kai"),
            ("diff", "--workers", 406),
        ]
    ):
        repo = clone(server, tmp_path / str(number))
        refs, config = repo.refs(), (repo.path / ".git/config").read_bytes()
        with monkeypatch.context() as patch:
            asked = fetches(patch)
            done = run(*command, "--repo", repo.path)
        assert (done.code, done.err, len(asked)) == (0, "", 1), command
        assert "w3 in 408" in done.out or number not in (3, 4)
        assert (repo.refs(), (repo.path / ".git/config").read_bytes()) == (refs, config)
        with monkeypatch.context() as patch:
            asked = fetches(patch)
            assert run(*command, "--repo", repo.path).code == 0
        assert asked == []  # what was fetched is here now


def test_a_shallow_clone_finds_them_too(server: HttpRemote, tmp_path: Path) -> None:
    settle(server)
    frames(server, 2)
    with History(clone(server, tmp_path / "shallow", "--depth", "1").path) as history:
        assert history.replay(406).same
        assert verify(history).findings == []


@pytest.mark.parametrize("depth", [[], ["--depth", "2"]])
def test_a_server_that_gives_out_no_single_objects_is_asked_for_the_branches(
    server: HttpRemote, tmp_path: Path, depth: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(server)
    frames(server, 2)
    server.repo.git("config", "uploadpack.allowAnySHA1InWant", "false")
    repo = clone(server, tmp_path / "old", *depth)
    repo.git("config", "protocol.version", "0")
    refs = repo.refs()
    asked = fetches(monkeypatch)
    with History(repo.path) as history:
        deltas = [row for frame in (405, 406) for row in history.manifest(frame).deltas]
        assert bring(history.repository, deltas).lost == frozenset()
        assert history.replay(406).same
    kinds = [any("refs/heads/deltas/*" in one for one in arguments) for arguments in asked]
    assert kinds[-2:] == [False, True] and repo.refs() == refs


def test_the_bytes_are_read_in_one_round_however_many_there_are(
    server: HttpRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git processes, counted, for a frame of two deltas and for one of twelve."""
    settle(server)
    for frame, workers in ((405, 2), (406, 12)):
        submit(server, *(delta(f"w{worker}", frame, **agent(f"a{worker}")) for worker in range(workers)))
        merge(server)
    counted = []
    for frame in (405, 406):
        repo, started = clone(server, tmp_path / str(frame)), []
        start = Git._start

        def noted(self: Git, arguments: Any, *rest: Any, begun: Any = started, **options: Any) -> Any:
            begun.append(arguments)
            return start(self, arguments, *rest, **options)  # noqa: B023

        with monkeypatch.context() as patch:
            patch.setattr(Git, "_start", noted)
            with History(repo.path) as history:
                assert history.replay(frame).same
        counted.append(len(started))
    assert counted[0] == counted[1]


def test_a_clone_that_fetched_the_branches_needs_no_remote(server: HttpRemote, tmp_path: Path) -> None:
    settle(server)
    frames(server, 2)
    repo = clone(server, tmp_path / "whole")
    repo.git("fetch", "--quiet", "origin", "+refs/heads/deltas/*:refs/dreamcatcher/deltas/*")
    repo.git("gc", "--quiet", "--prune=now")
    repo.git("remote", "remove", "origin")
    assert run("replay", "--from", 405, "--repo", repo.path).code == 0
    assert run("verify", "--repo", repo.path).code == 0


# --- what is lost


def cut_back(server: HttpRemote) -> None:
    """w1 throws its branch away and begins it anew."""
    commit_on(server, "refs/heads/deltas/w1", {"frame-409-w1.json": delta("w1", 409, **agent("new"))})
    gone(server)


@pytest.mark.parametrize("harm", [lambda server: gone(server, "w1"), cut_back], ids=["deleted", "cut back"])
def test_a_branch_that_was_lost_is_named_by_frame_delta_and_branch(
    server: HttpRemote, tmp_path: Path, harm: Any
) -> None:
    settle(server)
    frames(server, 2)
    lost = {frame: rows(server, frame)[f"deltas/w1/frame-{frame}-w1.json"] for frame in (405, 406)}
    harm(server)
    repo = clone(server, tmp_path / "fresh")
    done = run("verify", "--repo", repo.path, "--json")
    assert (done.code, done.err) == (1, "")
    assert [(one["frame"], one["path"], one["reason"], one["commit"]) for one in done.json["findings"]] == [
        (frame, f"deltas/w1/frame-{frame}-w1.json", "missing_file", None) for frame in (405, 406)
    ]
    for one in done.json["findings"]:
        row = lost[one["frame"]]
        assert one["message"] == (
            f"The delta {row['delta'][:12]}… of frame {one['frame']} is kept on the branch deltas/w1 alone, in commit "
            f"{row['commit'][:12]}, and is not in this clone, nor on origin."
        )
        assert one["remedy"] == (
            f"Fetch the delta branches: {FETCH}. If deltas/w1 was cut back or deleted, push that commit to it again, "
            "from a clone that has it."
        )
    done = run("replay", 406, "--repo", repo.path)
    row = lost[406]
    assert (done.code, done.out, done.err) == (
        1,
        "",
        f"The delta {row['delta'][:12]}… of frame 406 is kept on the branch deltas/w1 alone (archive: branches), in "
        f"commit {row['commit']}. It is not in this clone, nor on origin. Without it the frame cannot be merged once "
        "more, nor the delta be put up again; the state is proven by digest all the same. Fetch the delta branches: "
        f"{FETCH}. If deltas/w1 was cut back or deleted, push that commit to it again, from a clone that has it.\n",
    )
    assert run("export", 406, "--to", tmp_path / "state.tar", "--repo", repo.path).code == 0
    assert run("diff", 405, 406, "--repo", repo.path).code == 0


def test_what_is_lost_is_asked_for_once_and_not_for_each_frame(
    server: HttpRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(server)
    frames(server, 3)
    gone(server, "w1")
    asked = fetches(monkeypatch)
    with History(clone(server, tmp_path / "fresh").path) as history:
        assert [one.frame for one in verify(history).findings] == [405, 406, 407]
    assert len(asked) == 2  # the blobs, and then all that the branches hold


def test_what_somebody_still_has_heals_the_branch(server: HttpRemote, tmp_path: Path) -> None:
    """As the letter says."""
    settle(server)
    frames(server, 2)
    keeper = clone(server, tmp_path / "keeper")
    keeper.git("fetch", "--quiet", "origin", "+refs/heads/deltas/*:refs/dreamcatcher/deltas/*")
    commit = rows(server, 406)["deltas/w1/frame-406-w1.json"]["commit"]
    gone(server, "w1")
    repo = clone(server, tmp_path / "fresh")
    assert run("verify", "--repo", repo.path).code == 1
    keeper.git("push", "--quiet", "origin", f"{commit}:refs/heads/deltas/w1")
    assert run("verify", "--repo", repo.path).code == 0
    assert run("replay", "--from", 405, "--repo", repo.path).code == 0


def test_a_remote_that_does_not_answer_is_not_a_loss(server: HttpRemote, tmp_path: Path) -> None:
    settle(server)
    frames(server, 1)
    repo = clone(server, tmp_path / "fresh")
    repo.git("remote", "set-url", "origin", "http://127.0.0.1:1/world.git")
    done = run("verify", "--repo", repo.path, "--json")
    assert done.code == 1
    one = done.json["findings"][0]
    assert one["message"].endswith(
        "is not in this clone, and origin could not be asked (The remote http://127.0.0.1:1/world.git could not be "
        "reached, or did not answer as a git server does)."
    )
    repo.git("remote", "remove", "origin")
    done = run("replay", 405, "--repo", repo.path)
    assert done.code == 1 and "could not be asked (origin is neither a remote of this repository" in done.err


def test_other_bytes_under_the_blob_are_not_taken(server: HttpRemote, tmp_path: Path) -> None:
    """The SHA-256 of the manifest proves what a blob id alone would not; here the row names another blob."""
    settle(server)
    frames(server, 1)
    one, two = (rows(server, 405)[f"deltas/w{n}/frame-405-w{n}.json"] for n in (1, 2))
    repo = clone(server, tmp_path / "fresh")
    with History(repo.path) as history:
        manifest = history.manifest(405)
        wrong = [{**row, "blob": two["blob"]} if row["delta"] == one["delta"] else row for row in manifest.deltas]
        history._manifests[405] = manifest._replace(deltas=tuple(wrong))
        with pytest.raises(UnreadableState) as caught:
            history.replay(405)
    assert str(caught.value).startswith(
        "deltas/w1/frame-405-w1.json, a delta that frame 405 consumed, is not what it w"
    )


# --- going back


def test_a_rollback_puts_up_again_what_lies_on_branches(server: HttpRemote, tmp_path: Path) -> None:
    settle(server)
    frames(server, 2)
    repo = clone(server, tmp_path / "fresh")
    assert run("rollback", 405, "--requeue", "--repo", repo.path).code == 0
    assert run("merge", "--repo", repo.path).code == 0
    with History(repo.path) as history:
        assert history.state(408).record("agents", "kai")["bio"] == "w3 in 406"
        assert [history.replay(frame).same for frame in (407, 408)] == [True, True]
        assert verify(history).findings == []


def test_so_does_one_on_the_remote(server: HttpRemote) -> None:
    settle(server)
    frames(server, 2)
    with RemoteClone.open(Target(server.url, root=server.path)) as remote:
        rolled = roll_back(remote, 405, NOW + timedelta(hours=1), requeue=True)
    assert rolled.published.operation == "pushed"
    merge(server, NOW + timedelta(hours=2))
    assert read(server, "state/agents/kai.json")["bio"] == "w3 in 406"


def test_a_rollback_that_cannot_put_up_says_so_and_writes_nothing(server: HttpRemote, tmp_path: Path) -> None:
    settle(server)
    frames(server, 2)
    gone(server, "w2")
    repo = clone(server, tmp_path / "fresh")
    before = repo.head
    done = run("rollback", 405, "--requeue", "--repo", repo.path)
    assert (done.code, repo.head) == (1, before)
    assert "is kept on the branch deltas/w2 alone" in done.err
    assert run("rollback", 405, "--repo", repo.path).code == 0  # without that it can be done


def asked_back(server: HttpRemote, undone: Iterable[str], in_frame: int, at: int) -> None:
    requests = [{"op": "requeue", "delta": one, "frame": in_frame} for one in undone]
    submit(server, delta("operator", at, _control=requests))
    merge(server, NOW + timedelta(hours=at - 400))


def decided(server: HttpRemote, frame: int) -> list[tuple[str, str]]:
    """Outcome and reason of each request of a frame's only delta."""
    (receipt,) = receipts(server, frame)
    return [(one["outcome"], one["reason"]) for one in receipt["operations"]]


def rolled_back(server: HttpRemote) -> list[str]:
    """Frame 407 undoes 406's deltas, and the workers go on; the digests of what was undone, by worker."""
    settle(server)
    sent = frames(server, 2)
    with RemoteClone.open(Target(server.url, root=server.path)) as remote:
        roll_back(remote, 405, NOW + timedelta(hours=1))
    frames(server, 3, 408)
    return sent[3:]


def test_what_a_rollback_undid_is_put_up_again_from_its_branch(
    server: HttpRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undone = rolled_back(server)
    with monkeypatch.context() as patch:
        patch.setattr(shallow, "_FIRST", 1)  # git deepens all branches together, and would come upon them by chance
        asked = fetches(patch)
        asked_back(server, undone, 407, 411)
        blobs = {str(row["blob"]) for row in rows(server, 406).values() if row["delta"] in undone}
        assert len(blobs) == 3
        assert [blobs & set(one) for one in asked if blobs & set(one)] == [blobs]  # all three of them at once
    assert decided(server, 411) == [("applied", "put_up_again")] * 3
    merge(server, NOW + timedelta(hours=12))
    again = rows(server, 412).values()
    assert {row["delta"]: row["outcome"] for row in again} == dict.fromkeys(undone, "late")
    assert all("file" in row for row in again)  # it came by the inbox
    with History(clone(server, tmp_path / "fresh").path) as history:
        assert [history.replay(frame).same for frame in (411, 412)] == [True, True]
        assert verify(history).findings == []


def test_what_is_lost_is_refused_and_the_frame_goes_on(server: HttpRemote, tmp_path: Path) -> None:
    undone = rolled_back(server)
    lost = rows(server, 406)["deltas/w1/frame-406-w1.json"]["commit"]
    keeper = clone(server, tmp_path / "keeper")
    keeper.git("fetch", "--quiet", "origin", "refs/heads/deltas/w1")
    gone(server, "w1")
    asked_back(server, undone, 407, 411)
    assert sorted(decided(server, 411)) == [
        ("applied", "put_up_again"), ("applied", "put_up_again"), ("refused", "bytes_not_at_hand"),
    ]  # fmt: skip
    (receipt,) = receipts(server, 411)
    assert next(one["detail"]["why"] for one in receipt["operations"] if one["outcome"] == "refused") == (
        f"The bytes of delta {undone[0][:12]}…, which frame 406 merged, are kept on the branch deltas/w1 alone "
        f"(archive: branches), in commit {lost}, and could not be fetched. Push that commit to the branch again, from "
        "a clone that has it, and ask once more."
    )
    # Replayed, it is decided as it was then, also where the branch is there again.
    keeper.git("push", "--quiet", "origin", "FETCH_HEAD:refs/heads/deltas/w1")
    with History(clone(server, tmp_path / "fresh").path) as history:
        assert history.replay(411).same
    asked_back(server, undone[:1], 407, 412)
    told = {one["stream_id"]: one for one in receipts(server, 412)}["operator"]["operations"]
    assert [(one["outcome"], one["reason"]) for one in told] == [("applied", "put_up_again")]


# --- beside other settings


def test_the_setting_can_be_turned_on_and_off(server: HttpRemote, tmp_path: Path) -> None:
    for frame, text in ((405, b"\n"), (406, SETTINGS), (407, b"archive: frame\n")):
        settle(server, text)
        submit(server, delta("w1", frame, **agent("kai", bio=str(frame))))
        merge(server, NOW + timedelta(minutes=frame))
        (row,) = rows(server, frame).values()
        assert ("commit" in row) == (frame == 406)
    with History(clone(server, tmp_path / "fresh").path) as history:
        assert [history.replay(frame).same for frame in (405, 406, 407)] == [True] * 3
        assert verify(history).findings == []


def test_archives_leave_the_tree_all_the_same(server: HttpRemote, tmp_path: Path) -> None:
    settle(server, SETTINGS + b"keep-frames: 1\n")
    for frame in (405, 406, 407):
        submit(server, delta("w1", frame, **agent("kai", bio=str(frame))))
        send(server, delta("w2", frame, **agent("zoe", bio=str(frame))), worker="w2", to="inbox")
        merge(server, NOW + timedelta(minutes=frame))
    kept = {path.split("/")[3] for path in server.repo.files(MAIN) if "/deltas/" in path}
    assert kept == {"000407"}
    repo = clone(server, tmp_path / "fresh")
    with History(repo.path) as history:
        assert [history.replay(frame).same for frame in (405, 406, 407)] == [True] * 3
        assert verify(history).findings == []


def test_frames_that_came_in_as_one_commit_are_merged_again_from_the_branches(
    server: HttpRemote, tmp_path: Path
) -> None:
    settle(server)
    frames(server, 1)
    before = server.tip()
    frames(server, 3, 406)
    server.repo.git("update-ref", MAIN, squashed(server, before))
    repo = clone(server, tmp_path / "fresh")
    with History(repo.path) as history:
        assert history.landing_if_any(407) is None
        assert history.state(407).record("agents", "kai")["bio"] == "w3 in 407"
        assert [history.replay(frame).same for frame in (406, 407, 408)] == [True] * 3
        assert verify(history).findings == []


def squashed(server: HttpRemote, before: str) -> str:
    tree = f"{MAIN}^{{tree}}"
    return server.repo.git("-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", tree, "-p", before, "-m", "all")


def test_what_is_here_is_not_asked_for(server: HttpRemote) -> None:
    settle(server)
    frames(server, 1)
    with History(server.repo.path, "main") as history:
        assert bring(history.repository, history.manifest(405).deltas).lost == frozenset()
    shutil.rmtree(server.path.parent / "seed")
    assert json.loads(server.repo.git("show", f"{MAIN}:state/_meta.json"))["frame"] == 406
