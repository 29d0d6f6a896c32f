"""What a worker is told of its deltas: by the command, by the library, here and from a remote."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from merge_bot import Worker
from merge_bot.errors import RepositoryError, UnreadableState
from merge_bot.findings import Outcome, Problem, Reason, Receipt, Recover
from merge_bot.receipts import receipt_from, receipt_json
from merge_bot.receipts_report import RECOVERY
from merge_bot.receipts_report import __doc__ as described
from merge_bot.worker_receipts import Settled
from tests.command import INBOX, begun, deliver, delta, masked, run
from tests.http_remote import HttpRemote
from tests.remote_world import merge, send, server
from tests.repo import Repo
from tests.test_cli_merge import FIRST, SECOND

__all__ = ["server"]

LATE = delta(
    "w1",
    404,
    utc="2026-03-25T03:14:20Z",
    profile_updates=[{"agent_id": "agent-aria", "bio": "poet"}, {"agent_id": "agent-kai", "bio": "calm"}],
    _meta={"run": "again"},
)
TAGS = {"posts_created": [{"number": 6201, "title": "other", "channel": "philosophy", "author": "agent-aria"}]}
POST_999 = {"posts_created": [{"number": 999, "title": "t", "channel": "philosophy", "author": "agent-aria"}]}


@pytest.fixture
def world(repo: Repo) -> Repo:
    """Frame 405: w1 lost a field to w2 and has a record parked; w3 sent half a file. Frame 406: w1 came late."""
    deliver(begun(repo), FIRST, SECOND)
    repo.write(f"{INBOX}/frame-405-w3.json", SECOND[:40])
    assert run("merge", "--repo", repo.path).code == 0
    repo.write(f"{INBOX}/frame-404-w1.again.json", LATE)
    deliver(repo, delta("w4", 406, **TAGS))
    assert run("merge", "--repo", repo.path).code == 0
    return repo


def page(repo: Repo, *arguments: object) -> str:
    """What the command says, without the time of the newest frame."""
    done = run("receipts", "--repo", repo.path, *arguments)
    assert (done.code, done.err) == (0, "")
    text, _, closing = masked(done.out).rpartition("As of ")
    assert closing.partition(": ")[2] == "frame 407 is open.\n"
    return text


def test_a_worker_is_told_what_was_applied_what_lost_to_whom_and_what_waits(world: Repo) -> None:
    deliver(world, delta("w1", 407))
    world.git("add", INBOX)
    world.commit()
    assert page(world, "--worker", "w1") == (
        "2 deltas of `w1` in frames 404 to 406: 1 applied, 1 late.\n\n"
        "Frame 406\n"
        "  state/stream_deltas/frame-404-w1.again.json: late, of frame 404\n"
        "    operations: 1 applied, 1 superseded\n"
        '    agents at /profile_updates/0, bio: "poet" lost to "scholar" of `w2` (older_write)\n\n'
        "Frame 405\n"
        "  state/stream_deltas/frame-405-w1.json: applied\n"
        "    operations: 6 applied, 1 conflict, 1 parked\n"
        '    agents at /profile_updates/0, bio: "rebel" lost to "scholar" of `w2` (concurrent_write)\n'
        "    comments at /comments_added/1: parked\n"
        "      waits for posts 999\n\n"
        "1 record parked now\n"
        "  comments from w1 at /comments_added/1, since frame 405\n"
        "    waits for posts 999\n\n"
        "1 open conflict with a part of `w1`\n"
        '  agents "agent-aria", field bio\n'
        '    w1 at 2026-03-25T03:14:22.000001Z: "rebel"\n'
        '    w2 at 2026-03-25T03:14:23Z: "scholar"\n'
        '    stands: "scholar" (the latest write)\n\n'
        "Not merged yet\n"
        "  state/stream_deltas/frame-407-w1.json\n\n"
        "What to do\n"
        "  refetch_and_recompute (1): read what stands now, compute again from that, and send the result.\n"
        "  wait_for_target (1): nothing, if what it waits for is on its way; else send that too.\n\n"
    )


def test_what_stands_under_a_key_already_is_named(world: Repo) -> None:
    assert page(world, "--worker", "w4").split("\n\n")[1] == (
        "Frame 406\n"
        "  state/stream_deltas/frame-406-w4.json: applied\n"
        "    operations: 1 conflict\n"
        "    posts at /posts_created/0: conflict with the one that was there before, which stands: "
        '{"author": "agent-aria", "channel": "philosophy", "number": 6201, "title": "t"}'
    )


def test_half_a_file_is_its_worker_s_by_its_name(world: Repo) -> None:
    text = page(world, "--worker", "w3")
    assert text.startswith("1 delta of `w3` in frames 404 to 406: 1 quarantined.\n\nFrame 405\n")
    assert "The file ends in the middle of an object that begins in line 1." in text
    assert "kept as state/frames/000/000405/quarantine/<digest>.frame-405-w3.json\n" in text
    assert text.endswith("  resubmit (1): correct what the letters name, and send it in a new delta.\n\n")


def test_a_frame_tells_of_its_own_deltas_whenever_they_were_merged_and_of_all_that_it_settled(world: Repo) -> None:
    deliver(world, delta("w4", 407, **POST_999))
    assert run("merge", "--repo", world.path).code == 0
    late, own, released = (406, "frame-404-w1.again.json"), (405, "frame-405-w1.json"), (407, "parked")
    for number, told in {403: [], 404: [late], 405: [own], 406: [late], 407: [released], 408: []}.items():
        receipts = Worker("w1", root=world.path).receipts(number)
        assert [(one.merged_in, one.source.rpartition("/")[2]) for one in receipts] == told, number
    text = run("receipts", "--repo", world.path, "--worker", "w1").out
    assert "comments at /comments_added/1: was parked, and no longer waits\n" in text
    assert "1 record no longer parked, applied now\n" in text
    assert "wait_for_target" not in text


def test_the_newest_frames_are_looked_into(world: Repo) -> None:
    assert [one.merged_in for one in Worker("w1", root=world.path).receipts()] == [406, 405]
    assert run("receipts", "--repo", world.path, "--worker", "w1", "--limit", 1, "--json").json["frames"] == [406]


@pytest.mark.parametrize(
    ("arguments", "headline"),
    [
        (["--worker", "w1", "--frame", 407], "Frame 407 is not merged yet: `w1` has no receipt of it."),
        (["--worker", "w4", "--frame", 405], "`w4` has no receipt of or in frame 405."),
        (["--worker", "w2", "--limit", 1], "`w2` has no receipt in frame 406."),
        (["--worker", "W1"], "Nothing of `W1` was ever merged here. Did you mean `w1`?"),
        (["--worker", "\x1b[31m"], 'Nothing of "\\u001b[31m" was ever merged here.'),
    ],
)
def test_what_is_not_there_is_said(world: Repo, arguments: list[object], headline: str) -> None:
    assert page(world, *arguments).partition("\n")[0] == headline


def test_the_data_is_what_its_description_says(world: Repo) -> None:
    value = run("receipts", "--repo", world.path, "--worker", "w1", "--json").json
    names = [line.split()[0] for line in (described or "").splitlines() if line.startswith("    ") and line[4] != " "]
    assert list(value) == names
    assert (value["worker"], value["open_frame"], value["frames"]) == ("w1", 407, [406, 405, 404])
    assert [one["merged_in"] for one in value["receipts"]] == [406, 405]
    lines = (world.path / "state/frames/000/000405/receipts.jsonl").read_text().splitlines()
    written = next(one for one in map(json.loads, lines) if one.get("stream_id") == "w1")
    kept = [one for one in world.files() if one.startswith("state/frames/000/000405/deltas/frame-405-w1.")]
    assert value["receipts"][1] == {**written, "merged_in": 405, "kept": kept[0]}
    assert [one["waits_for"] for one in value["waiting"]] == [[{"collection": "posts", "key": 999}]]
    assert [one["field"] for one in value["conflicts"]] == ["bio"]


def test_a_receipt_comes_back_from_its_line_as_it_was() -> None:
    problem = Problem("a.json", 3, "/x", Reason.SCHEMA_VIOLATION, "wrong", "right")
    receipt = Receipt(
        "d", "a.json", Outcome.QUARANTINED, 1, "w", "u", Reason.NOT_JSON, Recover.RESUBMIT, {"applied": 1}
    )
    receipt.problems, receipt.notes = (problem,), ["note"]
    for one in (receipt, Receipt("d", "s", Outcome.FALLBACK)):
        assert receipt_from(json.loads(json.dumps(receipt_json(one)))) == one


def test_constants_that_a_newer_version_wrote_come_through_as_words() -> None:
    line = {"digest": "d", "source": "s", "outcome": "sublimated", "reason": "new_moon", "recover": "howl"}
    receipt = receipt_from(line)
    assert (receipt.outcome, receipt.reason, receipt.recover) == ("sublimated", "new_moon", "howl")


def test_every_way_to_recover_is_put_into_words() -> None:
    assert set(RECOVERY) == set(Recover) - {Recover.NONE}


def test_settled_adds_two_fields_to_a_receipt() -> None:
    assert {one.name for one in fields(Settled)} - {one.name for one in fields(Receipt)} == {"merged_in", "kept"}


def test_damaged_receipts_are_named(world: Repo) -> None:
    path = "state/frames/000/000406/receipts.jsonl"
    for damage in (b"{", b'{"digest": 1}\n', b"[]\n"):
        world.commit({path: damage})
        with pytest.raises(UnreadableState, match=path):
            Worker("w1", root=world.path).receipts()


def test_where_there_is_no_frame_there_are_no_receipts(repo: Repo) -> None:
    repo.commit({"a": b""})
    with pytest.raises(RepositoryError, match="dreamcatcher init"):
        Worker("w1", root=repo.path).receipts()


def test_receipts_stay_when_archives_are_pruned(repo: Repo) -> None:
    begun(repo).commit({".github/dreamcatcher.yml": b"keep-frames: 1\n"})
    deliver(repo, FIRST)
    assert run("merge", "--repo", repo.path).code == 0
    deliver(repo, delta("w2", 406, profile_updates=[{"agent_id": "agent-aria", "bio": "scholar"}]))
    assert run("merge", "--repo", repo.path).code == 0
    assert not [one for one in repo.files() if one.startswith("state/frames/000/000405/deltas/")]
    (one,) = Worker("w1", root=repo.path).receipts(405)
    assert (one.outcome, one.counts) == (Outcome.APPLIED, {"applied": 7, "parked": 1})


def test_a_worker_without_a_checkout_reads_them_on_the_remote(server: HttpRemote, tmp_path: Path) -> None:
    send(server, json.dumps({"posts_created": [{"number": 1, "title": "t", "channel": "x", "author": "y"}]}).encode())
    merge(server)
    (one,) = Worker("w1", root=tmp_path / "nowhere", push=True, remote=server.url).receipts()
    assert (one.outcome, one.counts, one.merged_in) == (Outcome.APPLIED, {"parked": 1}, 405)
    (parked,) = one.operations
    assert (parked.outcome, parked.recover) == (Outcome.PARKED, Recover.WAIT_FOR_TARGET)
    told = run("receipts", "--worker", "w1", "--remote", server.url, "--json").json
    assert [one["merged_in"] for one in told["receipts"]] == [405]


def test_a_delta_of_another_name_on_its_branch_is_told_to_the_branch_s_worker(
    server: HttpRemote, tmp_path: Path
) -> None:
    git = server.repo.git
    blob = git("hash-object", "-w", "--stdin", stdin=delta("w2"))
    tree = git("mktree", stdin=f"100644 blob {blob}\tframe-405-w2.json\n".encode())
    git("update-ref", "refs/heads/deltas/w1", git("commit-tree", tree, "-m", "x"))
    merge(server)
    (one,) = Worker("w1", root=tmp_path, push=True, remote=server.url).receipts()
    assert (one.outcome, one.reason) == (Outcome.QUARANTINED, Reason.STREAM_NOT_OF_BRANCH)


def test_asking_loads_git_and_importing_does_not(world: Repo) -> None:
    script = f"""
import sys
from merge_bot import Worker
w = Worker("w1", root={str(world.path)!r})
assert "merge_bot.reader" not in sys.modules and "merge_bot.git" not in sys.modules
print(*(one.outcome for one in w.receipts()))
"""
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "late applied\n"
