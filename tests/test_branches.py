"""Delta branches: everything that was ever appended is merged once, and a branch is its worker's alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from merge_bot.canonical import digest
from merge_bot.errors import UnreadableState
from merge_bot.paths import Paths
from merge_bot.remote_clone import RemoteClone
from merge_bot.state import MemoryFiles
from merge_bot.target import Target
from merge_bot.transports import branches
from merge_bot.transports.branches import BranchesTransport
from merge_bot.transports.memory import MemoryTransport
from merge_bot.transports.several import Several
from merge_bot.workers import Workers
from tests.command import delta
from tests.http_remote import HttpRemote
from tests.remote_world import MAIN, agent, merge, ops, outcomes, read, receipts, send, server, wrong

__all__ = ["server"]
W1 = "refs/heads/deltas/w1"


def commit_on(server: HttpRemote, ref: str, files: dict[str, bytes], *parents: str, mode: str = "100644") -> str:
    """A commit with exactly these files, put on a ref of the remote by somebody with plain git."""
    index = {"GIT_INDEX_FILE": str(server.path / "index")}
    (server.path / "index").unlink(missing_ok=True)
    for path, data in files.items():
        blob = server.repo.git("hash-object", "-w", "--stdin", stdin=data)
        _git(server, index, "update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")
    tree = _git(server, index, "write-tree")
    options = [word for one in parents for word in ("-p", one)]
    new = _git(server, index, "-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", tree, *options, "-m", "x")
    server.repo.git("update-ref", ref, new)
    return new


def _git(server: HttpRemote, environment: dict[str, str], *arguments: str) -> str:
    import os
    import subprocess

    done = subprocess.run(
        ["git", *arguments], cwd=server.repo.path, env={**os.environ, **environment}, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def told(server: HttpRemote, frame: int) -> dict[str, tuple[str, str | None]]:
    """Source → (outcome, reason) of a frame's receipts."""
    return {one["source"]: (one["outcome"], one.get("reason")) for one in receipts(server, frame)}


def workers(server: HttpRemote) -> Any:
    return read(server, "state/_control/workers.json")


def test_the_inbox_and_all_branches_are_one_frame(server: HttpRemote) -> None:
    for number in range(1, 4):
        send(server, ops(f"a{number}"), worker=f"w{number}")
    send(server, ops("a4"), worker="w4", to="inbox")
    result = merge(server)
    assert (result.published.operation, result.frame.merged_deltas) == ("pushed", 4)
    assert told(server, 405) == {
        "deltas/w1/frame-405-w1.json": ("applied", None),
        "deltas/w2/frame-405-w2.json": ("applied", None),
        "deltas/w3/frame-405-w3.json": ("applied", None),
        "state/stream_deltas/frame-405-w4.json": ("applied", None),
    }
    assert [one["watermark"] for one in (workers(server)[f"w{n}"] for n in (1, 2, 3))] == [
        server.tip(f"refs/heads/deltas/w{n}") for n in (1, 2, 3)
    ]
    assert "watermark" not in workers(server)["w4"]
    marks = read(server, "state/frames/000/000405/manifest.json")["marks"]
    assert marks == {f"w{n}": server.tip(f"refs/heads/deltas/w{n}") for n in (1, 2, 3)}
    assert merge(server).published.operation == "none"
    assert server.log(MAIN)[0] == result.published.commit


def test_every_delta_since_the_watermark_is_read_in_a_shallow_clone(
    server: HttpRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More commits than the first fetch brings, and than the first deepening brings."""
    monkeypatch.setattr(branches, "_FIRST", 2)
    send(server, ops("a"))
    merge(server)
    sent = [send(server, delta("w1", 406, **agent(f"b{n}"), _meta={"run": f"r{n}"})) for n in range(9)]
    sent += [send(server, delta("w2", 406, **agent("c"), _meta={"run": f"r{n}"}), worker="w2") for n in range(4)]
    merge(server)
    assert wrong(server, [one.digest for one in sent]) == []
    assert len(receipts(server, 406)) == 13


def test_a_version_that_was_overwritten_on_the_branch_counts_too(server: HttpRemote) -> None:
    """Workers with plain git may keep one file and change it, or keep all files; both are read whole."""
    one, two = delta("w1", **agent("a"), _meta={"run": "x"}), delta("w1", **agent("b"), _meta={"run": "y"})
    first = commit_on(server, W1, {"frame-405-w1.json": one})
    second = commit_on(server, W1, {"frame-405-w1.json": two}, first)
    three = delta("w1", **agent("c"), _meta={"run": "z"})
    commit_on(server, W1, {"frame-405-w1.json": two, "sub/frame-405-w1.z.json": three}, second)
    merge(server)
    assert wrong(server, map(digest, (one, two, three))) == []
    assert len(receipts(server, 405)) == 3


def test_a_side_branch_that_was_merged_is_read(server: HttpRemote) -> None:
    data = [delta("w1", **agent(f"a{n}"), _meta={"run": f"r{n}"}) for n in range(4)]
    root = commit_on(server, W1, {"frame-405-w1.r0.json": data[0]})
    left = commit_on(server, W1, {"frame-405-w1.r1.json": data[1]}, root)
    right = commit_on(server, W1, {"frame-405-w1.r2.json": data[2]}, root)
    commit_on(server, W1, {"frame-405-w1.r3.json": data[3]}, left, right)
    merge(server)
    assert wrong(server, map(digest, data)) == []


def test_a_stream_that_is_not_the_branch_s_harms_nobody(server: HttpRemote) -> None:
    forged = delta("w2", **agent("forged"))
    own = send(server, ops("a"), worker="w2")
    commit_on(server, W1, {"frame-405-w2.json": forged})
    merge(server)
    assert told(server, 405) == {
        "deltas/w1/frame-405-w2.json": ("quarantined", "stream_not_of_branch"),
        "deltas/w2/frame-405-w2.json": ("applied", None),
    }
    assert wrong(server, [own.digest]) == []
    assert (workers(server)["w1"]["quarantined"], workers(server)["w2"]["quarantined"]) == (1, 0)
    (problem,) = next(one for one in receipts(server, 405) if one["outcome"] == "quarantined")["problems"]
    assert problem["message"] == "The delta says that it is of `w2`, but it came by the branch of `w1`."


@pytest.mark.parametrize("together", [True, False])
def test_stolen_bytes_do_not_keep_their_worker_out(server: HttpRemote, together: bool) -> None:
    """Another branch carries a copy of w2's delta, in the same frame or in the one before."""
    data = delta("w2", **agent("a"))
    commit_on(server, W1, {"frame-405-w2.json": data})
    if not together:
        merge(server)
    send(server, data, worker="w2")
    merge(server)
    assert wrong(server, [digest(data)]) == []
    assert workers(server)["w2"]["applied"] + workers(server)["w2"]["late"] == 1


def test_what_is_broken_on_a_branch_is_told_to_its_worker(server: HttpRemote) -> None:
    commit_on(server, W1, {"frame-405-w1.json": b"{", "notes.txt": b"hello", ".gitattributes": b"* -text\n"})
    merge(server)
    assert told(server, 405) == {
        "deltas/w1/frame-405-w1.json": ("quarantined", "truncated"),
        "deltas/w1/notes.txt": ("quarantined", "not_json"),
    }
    assert workers(server)["w1"]["quarantined"] == 2


def test_a_link_on_a_branch_is_not_followed(server: HttpRemote) -> None:
    commit_on(server, W1, {"frame-405-w1.json": b"/etc/passwd"}, mode="120000")
    merge(server)
    assert told(server, 405) == {"deltas/w1/frame-405-w1.json": ("quarantined", "not_a_regular_file")}


def test_a_delta_of_a_later_frame_waits_in_the_inbox_when_the_watermark_passes_it(server: HttpRemote) -> None:
    later = send(server, delta("w1", 407, **agent("later")))
    assert merge(server).published.operation == "none"
    assert [one.path for one in merge(server).held] == ["deltas/w1/frame-407-w1.json"]
    for frame in (405, 406, 407):
        send(server, ops(f"a{frame}"), worker="w2")
        merge(server)
        names = [path for path in server.repo.files(MAIN) if "stream_deltas/frame" in path]
        waits = [f"state/stream_deltas/frame-407-w1.{later.digest[:32]}.json"]
        assert names == (waits if frame < 407 else [])
    assert wrong(server, [later.digest]) == []
    assert workers(server)["w1"]["applied"] == 1


# --- branches that do not only grow


def test_a_replaced_branch_quarantines_what_came_with_it(server: HttpRemote) -> None:
    send(server, ops("a"))
    merge(server)
    fresh = delta("w1", 406, **agent("b"))
    commit_on(server, W1, {"frame-406-w1.json": fresh})
    other = send(server, ops("c"), worker="w2")
    merge(server)
    assert told(server, 406) == {
        "deltas/w1/frame-406-w1.json": ("quarantined", "branch_rewound"),
        "deltas/w2/frame-406-w2.json": ("applied", None),
    }
    (problem,) = next(one for one in receipts(server, 406) if one["outcome"] == "quarantined")["problems"]
    assert problem["message"] == (
        "The branch deltas/w1 was rewound or replaced: what was merged from it before is no longer in it. So nothing "
        "that came with that may enter."
    )
    assert workers(server)["w1"]["watermark"] == server.tip(W1)
    assert wrong(server, [other.digest]) == []
    # From here on it counts again, those bytes too.
    send(server, ops("d"))
    send(server, fresh)
    merge(server)
    assert list(told(server, 407).values()) == [("applied", None), ("late", "late_frame")]


@pytest.mark.parametrize("remembers", [True, False])
def test_a_rewound_branch_that_grew_again(server: HttpRemote, remembers: bool) -> None:
    """What was merged before is no news, or a duplicate where the remote forgot it; what is new there stays out."""
    first = send(server, delta("w1", **agent("a"), _meta={"run": "1"}))
    send(server, delta("w1", **agent("b"), _meta={"run": "2"}))
    merge(server)
    commit_on(server, W1, {"frame-406-w1.json": delta("w1", 406, **agent("c"))}, first.commit)
    server.repo.git("config", "uploadpack.allowAnySHA1InWant", str(remembers).lower())
    if not remembers:
        server.repo.git("-c", "gc.reflogExpire=now", "gc", "--quiet", "--prune=now")
    merge(server)
    known = {} if remembers else {"deltas/w1/frame-405-w1.1.json": ("duplicate", "already_merged")}
    assert told(server, 406) == known | {"deltas/w1/frame-406-w1.json": ("quarantined", "branch_rewound")}


def test_a_branch_cut_back_with_nothing_new_is_no_frame(server: HttpRemote) -> None:
    first = send(server, delta("w1", **agent("a"), _meta={"run": "1"}))
    send(server, delta("w1", **agent("b"), _meta={"run": "2"}))
    merge(server)
    server.repo.git("update-ref", W1, first.commit)
    (said,) = remarks(server)
    assert said.startswith("The branch deltas/w1 was rewound or replaced")
    assert read(server, "state/_meta.json")["frame"] == 406
    send(server, ops("c"), worker="w2")
    merge(server)
    assert workers(server)["w1"]["watermark"] == first.commit
    assert remarks(server) == []


def test_a_deleted_branch_is_no_trouble(server: HttpRemote) -> None:
    send(server, ops("a"))
    merge(server)
    mark = workers(server)["w1"]["watermark"]
    server.repo.git("update-ref", "-d", W1)
    send(server, ops("b"), worker="w2")
    merge(server)
    assert workers(server)["w1"]["watermark"] == mark


def test_a_branch_that_points_to_another_s_commits_hides_nothing(server: HttpRemote) -> None:
    own = send(server, ops("a"))
    server.repo.git("update-ref", "refs/heads/deltas/w2", own.commit)
    merge(server)
    assert told(server, 405) == {
        "deltas/w1/frame-405-w1.json": ("applied", None),
        "deltas/w2/frame-405-w1.json": ("duplicate", "same_bytes"),
    }
    # w2's branch runs ahead on w1's line; what w1 appends is still read as w1's.
    more = send(server, ops("b"))
    server.repo.git("update-ref", "refs/heads/deltas/w2", more.commit)
    server.repo.git("update-ref", W1, own.commit)
    merge(server)
    server.repo.git("update-ref", W1, more.commit)
    merge(server)
    assert wrong(server, [own.digest, more.digest]) == []


# --- branches that are none


def remarks(server: HttpRemote) -> list[str]:
    with RemoteClone.open(Target(server.url, root=server.path)) as clone:
        clone.merge(_now())
        return clone.remarks


def _now() -> Any:
    from tests.remote_world import NOW

    return NOW


def test_branches_that_no_worker_can_have_are_named(server: HttpRemote) -> None:
    send(server, ops("a"))
    for name in ("team/w1", "w.1", "x" * 65):
        commit_on(server, f"refs/heads/deltas/{name}", {"frame-405-w1.json": b"{}"})
    said = remarks(server)
    assert [one.split(" was left alone")[0] for one in said] == [
        "The branch deltas/team/w1",
        "The branch deltas/w.1",
        f"The branch deltas/{'x' * 65}",
    ]
    assert list(told(server, 405)) == ["deltas/w1/frame-405-w1.json"]


def test_another_branch_pushed_there_by_mistake_is_left_alone(
    server: HttpRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branches, "MAX_FILES", 5)
    server.repo.git("update-ref", W1, server.tip())
    send(server, ops("a"), worker="w2")
    (said,) = remarks(server)
    assert said.startswith("The branch deltas/w1 was left alone: it brings more than 10,000 new commits or 5 files")
    assert list(told(server, 405)) == ["deltas/w2/frame-405-w2.json"]
    assert "w1" not in workers(server)


def check_many_branches(server: HttpRemote, count: int) -> int:
    """Many branches at once; how many requests one merge made."""
    data = {f"w{number}": delta(f"w{number}", **agent(f"a{number}")) for number in range(count)}
    stream = b"".join(
        b"commit refs/heads/deltas/%s\ncommitter x <x@x> 1700000000 +0000\ndata 1\nx\n"
        b"M 100644 inline frame-405-%s.json\ndata %d\n%s\n" % (name.encode(), name.encode(), len(one), one)
        for name, one in data.items()
    )
    server.repo.git("fast-import", "--quiet", stdin=stream)
    server.requests.clear()
    result = merge(server)
    assert result.frame.merged_deltas == count
    assert wrong(server, map(digest, data.values())) == []
    assert merge(server).published.operation == "none"
    return len(server.requests)


def test_fifty_branches_come_in_one_fetch(server: HttpRemote) -> None:
    few = check_many_branches(server, 50)
    assert few < 40


@pytest.mark.slow
def test_a_thousand_branches_come_in_one_fetch(server: HttpRemote) -> None:
    assert check_many_branches(server, 1000) < 40


# --- the parts


def test_marks_of_workers_and_what_is_no_mark() -> None:
    known = Workers()
    known.mark({"w1": "a" * 40})
    paths = Paths()
    files = MemoryFiles({paths.workers: known.as_bytes()})
    assert Workers.read(files, paths).watermarks() == {"w1": "a" * 40}
    assert Workers.read(files, paths).delivered() == []
    for bad in (b'"--all"', b"5", b'"abc"'):
        damaged = MemoryFiles({paths.workers: known.as_bytes().replace(b'"' + b"a" * 40 + b'"', bad)})
        with pytest.raises(UnreadableState):
            Workers.read(damaged, paths)


def test_several_transports_settle_each_their_own() -> None:
    one, two = MemoryTransport([("a", b"1")]), MemoryTransport([("b", b"2")])
    both = Several({"memory": one, "other": two})
    both.send("c", b"3")
    from merge_bot.transports.base import Span

    candidates = both.receive(Span(None, "x"))
    assert [candidate.path for candidate in candidates] == ["a", "c", "b"]
    both.settle(candidates[:1], [])
    assert [candidate.path for candidate in both.receive(Span(None, "x"))] == ["c", "b"]
    assert both.marks() == {}


def test_a_branch_transport_takes_nothing_in(server: HttpRemote, tmp_path: Path) -> None:
    with server.repo.opened() as repository, pytest.raises(TypeError):
        BranchesTransport(repository, Paths()).send("x", b"")


def test_the_oracle_sees_what_is_lost_and_what_is_merged_twice(server: HttpRemote) -> None:
    done = send(server, ops("a"))
    assert wrong(server, [done.digest]) == [done.digest]
    merge(server)
    assert wrong(server, [done.digest]) == []
    assert outcomes(server)[done.digest] == {"applied": 1}
