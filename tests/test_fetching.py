"""A clone of our own brings of a large state what one small frame touches, in requests that can be counted.

`wants` says how many objects each fetch asked for: refs first, then what is read, all that is known of at once. A
content that git brought by itself would be a fetch more, of one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from merge_bot.delta import file_name
from merge_bot.errors import RemoteUnreachable, RepositoryError
from merge_bot.history import History
from merge_bot.remote_clone import RemoteClone
from merge_bot.target import Target
from merge_bot.verify import verify
from tests import grown
from tests.command import INBOX, delta, run
from tests.http_remote import HttpRemote, Push
from tests.remote_world import MAIN, hasty, receipts, send
from tests.repo import Repo
from tests.test_action_remote import Job, job

__all__ = ["job"]

FRAMES, MORE = 70, 140  # more than the history that is fetched at first, so that only the state differs
RECORDS, BODY = 20, 400
NOW = grown.BEGIN + timedelta(days=120)
AGENTS = [{"agent_id": f"agent-{one}", "name": "A"} for one in range(grown.AGENTS)]
BOOKS = 12  # settings aside: 7 schemas, clock, workers, the newest manifest and ledger, and the inbox's .gitignore


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    """A repository of FRAMES frames, and the same one grown to MORE."""
    made = {}
    for frames in (FRAMES, MORE):
        folder = tmp_path_factory.mktemp("grown") / "state.git"
        if made:
            shutil.copytree(made[FRAMES], folder)
        else:
            Repo.init(folder, "--bare")
            grown.begin(folder)
        grown.grow(folder, FRAMES, RECORDS, BODY)
        Repo(folder).git("repack", "-adq")
        made[frames] = folder
    return made


Serve = Callable[[int], Any]


@pytest.fixture
def serve(states: Mapping[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file:http")
    monkeypatch.chdir(tmp_path)

    @contextmanager
    def serving(frames: int = FRAMES) -> Iterator[HttpRemote]:
        place = tmp_path / f"server-{frames}-{len(list(tmp_path.iterdir()))}"
        place.mkdir()
        shutil.copytree(states[frames], place / "world.git")
        with HttpRemote(place).serving() as server:
            yield server

    return serving


def deltas(worker: int) -> bytes:
    """What one worker has to say: something about each collection, and about posts of a frame long ago."""
    author = f"agent-{worker % grown.AGENTS}"
    return json.dumps(
        {
            "posts_created": [{"number": worker, "title": "T", "channel": "general", "author": author}],
            "comments_added": [{"post_number": 2_000_000 + worker % RECORDS, "author": author, "body": f"{worker}"}],
            "soul_updates": [{"agent_id": author, "observation": "rain"}],
            "profile_updates": [{"agent_id": author, "bio": f"{worker}"}],
            "follows_added": [{"agent_id": author, "follows": "agent-0"}],
            "stats_increments": {"total_posts": 1},
        }
    ).encode()


def submit(server: HttpRemote, workers: int, **options: Any) -> None:
    for one in range(1, workers + 1):
        send(server, deltas(one), f"w{one}", **options)


def merge(server: HttpRemote, root: Path | None = None, remote: str = "") -> Any:
    """One merge, its requests counted from here on; every operation has to be applied."""
    server.requests.clear()
    server.wants.clear()
    server.sent = 0
    with RemoteClone.open(Target(remote or server.url, root=root or server.path)) as clone:
        done = clone.merge(NOW, patience=hasty)
        clone.repository.git.run("fsck", "--connectivity-only", ok=range(256))
    assert done.published.operation == "pushed"
    assert {one.outcome for one in done.frame.receipts} == {"applied"}
    assert not done.frame.parked
    return done


def keys(server: HttpRemote, done: Any) -> int:
    """How many files held the keys of all posts where this merge began."""
    return len([one for one in server.repo.files(done.frame.base) if one.startswith("state/_control/keys/posts/")])


def proven(server: HttpRemote) -> None:
    with History(str(server.repo.path), "main") as history:
        assert verify(history, history.newest).findings == []


def test_a_small_frame_takes_as_many_requests_on_a_large_state_and_as_many_bytes_but_for_keys_and_names(
    serve: Serve,
) -> None:
    found = []
    for frames in (FRAMES, MORE):
        with serve(frames) as server:
            submit(server, 3)
            done = merge(server)
            proven(server)
            found.append((list(server.requests), list(server.wants), server.sent, keys(server, done)))
    (requests, wants, sent, files), (more_requests, more_wants, more_sent, more_files) = found
    assert more_requests == requests
    # the refs; the books; the base branch's history; the clock before; the deltas; what the frame touches: three agents
    # and the clocks of their fields, the channels that posts name, and the keys of all segments
    touched = 2 * 3 + 1
    assert wants == [1 + 3, BOOKS, 1, 1, 3, touched + files]
    assert more_wants == [1 + 3, BOOKS, 1, 1, 3, touched + more_files]
    grew = (more_sent - sent) / (MORE - FRAMES)
    hashes, names = 8 * RECORDS, 400  # a frame's ids and names: in its folder, the ledger's, the segments', the keys'
    assert hashes < grew < hashes + names
    assert 10 * (hashes + names) < RECORDS * BODY


def test_proposing_a_frame_takes_no_more_requests_for_more_workers(job: Job) -> None:
    world = {"profile_updates": AGENTS, "channels_updated": [{"slug": "general", "name": "General"}]}
    job.hub.submit("w0", file_name(405, "w0"), delta("w0", **world))
    assert job.step().code == 0
    found = []
    for workers in (range(1, 3), range(3, 9)):
        for one in workers:
            content = json.loads(deltas(one)) | {"comments_added": []}
            job.hub.submit(f"w{one}", file_name(406, f"w{one}"), delta(f"w{one}", 406, **content))
        job.hub.server.wants.clear()
        assert job.step(INPUT_MODE="pull-request").code == 0
        found.append(list(job.hub.server.wants))
        assert (job.outputs["deltas-merged"], job.outputs["parked"]) == (str(workers[-1]), "0")
    assert len(found[0]) == len(found[1])
    assert found[1][0] == found[0][0] + 6


def test_requests_do_not_grow_with_the_workers(serve: Serve) -> None:
    found = []
    for workers in (2, 9):
        with serve() as server:
            submit(server, workers)
            merge(server)
            found.append(len(server.requests))
    assert found[0] == found[1]


def test_what_late_deltas_ask_the_ledger_comes_at_once(serve: Serve) -> None:
    with serve() as server:
        names = {file_name(frame, f"w{frame}"): frame for frame in (5, 15, 25, 35)}
        files = {}
        for name, frame in names.items():
            content = {"frame": frame, "stream_id": f"w{frame}", "utc": "2026-01-02T00:00:00Z"}
            files[f"{INBOX}/{name}"] = json.dumps(content | json.loads(deltas(frame))).encode()
        commit(server, files)
        server.wants.clear()
        with RemoteClone.open(Target(server.url, root=server.path)) as clone:
            done = clone.merge(NOW, patience=hasty)
        assert {one.outcome for one in done.frame.receipts} == {"late"}
        # as above, but that the deltas, of two agents, are in the inbox, and came with the books
        assert server.wants == [1, BOOKS + len(names), 1, 1, len(names), 2 * 2 + 1 + keys(server, done)]


def commit(server: HttpRemote, files: Mapping[str, bytes | None], ref: str = MAIN) -> str:
    """Somebody's commit on a branch of the server."""
    stream = [f"commit {ref}\ncommitter A <a@example.org> {int(NOW.timestamp())} +0000\ndata 0\n".encode()]
    if server.tip(ref):
        stream.append(f"from {server.tip(ref)}\n".encode())
    for path, data in files.items():
        if data is None:
            stream.append(f"D {path}\n".encode())
        else:
            stream.append(f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n")
    server.repo.git("fast-import", "--quiet", stdin=b"".join(stream))
    return server.tip(ref)


@pytest.mark.parametrize("setting", ["uploadpack.allowFilter", "uploadpackfilter.allow"])
def test_a_server_that_leaves_nothing_out_sends_everything_and_is_asked_no_more(serve: Serve, setting: str) -> None:
    with serve() as server:
        submit(server, 2)
        server.repo.git("config", setting, "false")
        merge(server)
        proven(server)
        refs = [1 + 2]
        assert server.wants == [*(refs * 2 if setting == "uploadpackfilter.allow" else refs), 1]
        assert server.sent > FRAMES * RECORDS * BODY


def test_a_server_that_gives_out_no_single_objects_is_asked_for_everything_once_more(serve: Serve) -> None:
    with serve() as server:
        submit(server, 2)
        server.old_protocol = True
        server.repo.git("config", "uploadpack.allowAnySHA1InWant", "false")
        merge(server)
        proven(server)
        # such a server is told twice what is wanted where the history is cut off
        assert server.wants == [1 + 2, 1 + 2, 1 + 2, 1, 1]
        assert server.sent > FRAMES * RECORDS * BODY


def test_after_a_lost_race_only_what_is_new_is_fetched(serve: Serve) -> None:
    with serve() as server:
        submit(server, 2)
        rival = []

        def overtake(push: Push) -> None:
            server.before_push = None
            rival.append(commit(server, {"README.md": b"somebody's\n"}))

        server.before_push = overtake
        done = merge(server)
        assert done.frame.base == rival[0]
        proven(server)
        # only the commit that was in the way is new
        assert server.wants == [1 + 2, BOOKS, 1, 1, 2, 2 * 2 + 1 + keys(server, done), 1]


def test_a_branch_is_deepened_without_contents_and_all_its_deltas_come_at_once(serve: Serve) -> None:
    many = 20  # more commits than the first step of a deepening brings
    with serve() as server:
        frame = FRAMES + 2
        for number in range(many):
            content: dict[str, Any] = {"soul_updates": [{"agent_id": "agent-1", "observation": f"{number}"}]}
            content |= {"frame": frame, "stream_id": "w1", "utc": f"2026-01-20T00:00:{number:02}Z"}
            content["_meta"] = {"run": f"r{number}"}
            files: dict[str, bytes | None] = {file_name(frame, "w1", f"r{number}"): json.dumps(content).encode()}
            files |= {file_name(frame, "w1", f"r{number - 1}"): None} if number else {}
            commit(server, files, "refs/heads/deltas/w1")
        merge(server)
        proven(server)
        assert many in server.wants
        assert [one for one in server.wants if one > 1] == [2, BOOKS, many]


def test_versions_that_were_overwritten_in_the_inbox_come_at_once(serve: Serve) -> None:
    with serve() as server:
        for number in range(5):
            commit(server, {f"{INBOX}/{file_name(FRAMES + 2, f'w{one}')}": version(one, number) for one in range(3)})
        merge_any(server)
        assert len(receipts(server, FRAMES + 2)) == 15
        # the newest ones came with the books; the others are known once the history is
        assert server.wants[:5] == [1, BOOKS + 3, 1, 1, 4 * 3]


def version(worker: int, number: int) -> bytes:
    content = {"frame": FRAMES + 2, "stream_id": f"w{worker}", "utc": f"2026-01-20T00:00:0{number}Z"}
    return json.dumps(content | {"soul_updates": [{"agent_id": "agent-1", "observation": f"{number}"}]}).encode()


def merge_any(server: HttpRemote) -> None:
    server.requests.clear()
    server.wants.clear()
    with RemoteClone.open(Target(server.url, root=server.path)) as clone:
        assert clone.merge(NOW, patience=hasty).published.operation == "pushed"


def test_a_partial_clone_of_the_user_s_makes_git_bring_nothing_by_itself(serve: Serve, tmp_path: Path) -> None:
    with serve() as server:
        mine = tmp_path / "mine"
        Repo(tmp_path).git("clone", "--quiet", "--filter=blob:none", "--no-checkout", server.url, str(mine))
        submit(server, 2)
        done = merge(server, mine, "origin")
        assert server.wants == [1 + 2, BOOKS, 1, 1, 2, 2 * 2 + 1 + keys(server, done)]


def test_a_commit_in_the_place_of_a_delta_is_no_content_to_ask_for(serve: Serve) -> None:
    with serve() as server:
        submit(server, 1)
        link = f"160000,{'1' * 40},{file_name(FRAMES + 2, 'w1', 'odd')}"
        odd = server.repo
        odd.git("read-tree", "refs/heads/deltas/w1")
        odd.git("update-index", "--add", "--cacheinfo", link)
        tip = odd.git(
            "-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", "-m", "odd", "-p", "refs/heads/deltas/w1",
            odd.git("write-tree"),
        )  # fmt: skip
        odd.git("update-ref", "refs/heads/deltas/w1", tip)
        merge_any(server)
        assert max(server.wants) < FRAMES + 10
        assert 1 + 1 not in server.wants[1:]  # everything once more


def test_a_remote_that_is_gone_when_contents_are_wanted_is_a_remote_that_cannot_be_reached(serve: Serve) -> None:
    with serve() as server, RemoteClone.open(Target(server.url, root=server.path)) as clone:
        tip = clone.fetch()
        entry = clone.repository.entry_at(tip, "state/posts/000/000009.jsonl")
        assert entry is not None
        server.fail_fetches = 1
        with pytest.raises(RemoteUnreachable):
            clone.repository.read_blob(entry.id)
        assert clone.repository.read_blob(entry.id).count(b"\n") == RECORDS


def test_what_nobody_has_is_missing(serve: Serve) -> None:
    with serve() as server, RemoteClone.open(Target(server.url, root=server.path)) as clone:
        clone.fetch()
        with pytest.raises(RepositoryError, match="1111111"):
            clone.repository.read_blob("1" * 40)


def test_a_rollback_puts_up_again_what_it_never_read(serve: Serve, tmp_path: Path) -> None:
    with serve() as server:
        submit(server, 2)
        merge(server)
        done = run("rollback", FRAMES + 1, "--requeue", "--remote", server.url, "--repo", tmp_path)
        assert done.code == 0, done.err
        assert len([one for one in server.repo.files(MAIN) if one.startswith(f"{INBOX}/frame-")]) == 2
        proven(server)


def test_a_rollback_brings_the_chain_at_once(serve: Serve, tmp_path: Path) -> None:
    found = []
    for back in (10, 40):  # either way key files come back that were put together since
        with serve() as server:
            server.requests.clear()
            done = run("rollback", FRAMES + 1 - back, "--remote", server.url, "--repo", tmp_path)
            assert done.code == 0, done.err
            found.append(len(server.requests))
            proven(server)
    assert found[0] == found[1]


def test_edits_by_other_hands_come_at_once(serve: Serve, tmp_path: Path) -> None:
    found = []
    for many in (2, 9):
        with serve() as server:
            names = {f"state/agents/agent-{number}.json": number for number in range(many)}
            agent = {name: {"agent_id": f"agent-{number}", "bio": "?", "name": "?"} for name, number in names.items()}
            settings = {".github/dreamcatcher.yml": b"foreign-edits: revert\n"}
            commit(server, settings | {name: json.dumps(one).encode() for name, one in agent.items()})
            server.requests.clear()
            done = run("merge", "--remote", server.url, "--repo", tmp_path)
            assert done.code == 0, done.err
            found.append(len(server.requests))
            proven(server)
    assert found[0] == found[1]
