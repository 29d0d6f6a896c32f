"""`dreamcatcher status`: whether a person can see at once that something waits, and why."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from merge_bot.cli.status import __doc__ as described
from merge_bot.wording import age
from tests.command import INBOX, begun, deliver, delta, listing, masked, run
from tests.repo import Repo
from tests.test_cli_merge import FIRST, SECOND


def without_the_window(text: str) -> str:
    """What status says, less the line that counts seconds (see test_reader)."""
    return re.sub(r"^Readers hold frame .*\n", "", text, count=1, flags=re.MULTILINE)


@pytest.fixture
def world(repo: Repo) -> Repo:
    """A repository whose frame 405 left a conflict and a parked record."""
    deliver(begun(repo), FIRST, SECOND)
    repo.write(f"{INBOX}/frame-405-w3.json", b"{")
    assert run("merge", "--repo", repo.path).code == 0
    return repo


def test_everything_that_waits_or_stands_open_is_shown(world: Repo) -> None:
    worker = f"{INBOX}/frame-406-w1.json"
    world.commit({worker: delta("w1", 406), f"{INBOX}/frame-900-w2.json": delta("w2", 900)})
    world.commit({worker: delta("w1", 406, profile_updates=[{"agent_id": "agent-kai", "name": "Kai"}])})
    world.write(f"{INBOX}/notes.txt", b"?")
    os.mkfifo(world.path / INBOX / "pipe")
    before = listing(world.path)
    done = run("status", "--repo", world.path)
    assert (done.code, done.err) == (0, "")
    text = without_the_window(masked(done.out, world.path))
    as_of = text.partition("Frame 405 landed ")[2].partition(" ")[0]
    days = text.partition("The oldest was committed 2026-03-25T03:01:00Z, ")[2].partition(" ago")[0]
    assert text == (
        "Frame 406 is open on main: 3 deltas wait.\n\n"
        "Alarms\n"
        f"  The oldest pending delta was committed {days} ago; at most 2 hours are expected.\n"
        "    Look whether the workflow runs, and how it ends (`dreamcatcher doctor`).\n"
        "  state/stream_deltas/notes.txt, state/stream_deltas/pipe lie in the inbox, and nobody understands what they "
        "are.\n"
        "    A delta is a plain file named frame-N-WORKER.json. Rename it, or take it away.\n\n"
        "Waiting\n"
        "  worker             committed  not committed  of these for a later frame\n"
        "  (no delta's name)          0              1                           0\n"
        "  w1                         1              0                           0\n"
        "  w2                         1              0                           1\n"
        "  1 older version that a newer file took the place of; the merge reads them from history.\n"
        f"  The oldest was committed 2026-03-25T03:01:00Z, {days} ago. "
        "That is long: does the workflow run, and does it end well?\n\n"
        "Also\n"
        "  state/stream_deltas/pipe is a FIFO, not a delta file, so it was not taken.\n\n"
        "1 open conflict\n"
        '  agents "agent-aria", field bio\n'
        '    w1 at 2026-03-25T03:14:22.000001Z: "rebel"\n'
        '    w2 at 2026-03-25T03:14:23Z: "scholar"\n'
        '    stands: "scholar" (the latest write)\n\n'
        "1 record parked, the first since frame 405\n"
        "  comments from w1 at /comments_added/1, since frame 405\n"
        "    waits for posts 999\n\n"
        "Records\n"
        "  collection  records\n"
        "  agents            2\n"
        "  channels          1\n"
        "  comments          1\n"
        "  follows           0\n"
        "  posts             1\n"
        "  souls             1\n"
        "  stats             1\n\n"
        "Workers, with the newest delta that was merged of each\n"
        "  worker  frame  utc                   applied  late  quarantined  fallbacks\n"
        "  w1      405    2026-03-25T03:14:22Z        1     0            0          0\n"
        "  w2      405    2026-03-25T03:14:23Z        1     0            0          0\n"
        "  w3      -      -                           0     0            1          0\n\n"
        f"Frame 405 landed {as_of} in commit <commit>.\n"
        "To merge what waits: dreamcatcher merge\n"
    )
    assert days.endswith(" days")
    assert listing(world.path) == before


def test_an_empty_inbox_is_a_short_story(repo: Repo) -> None:
    begun(repo)
    text = without_the_window(masked(run("status", "--repo", repo.path).out))
    as_of = text.partition("The genesis landed ")[2].partition(" ")[0]
    names = ("agents", "channels", "comments", "follows", "posts", "souls", "stats")
    assert text == (
        "Frame 405 is open on main: no delta waits.\n\n"
        "Records\n"
        "  collection  records\n" + "".join(f"  {name:<10}        0\n" for name in names) + "\n"
        f"The genesis landed {as_of} in commit <commit>.\n"
    )


def test_the_data_is_what_its_description_says(world: Repo) -> None:
    world.commit({f"{INBOX}/frame-900-w2.json": delta("w2", 900), f"{INBOX}/frame-406-w3.json": delta("w3", 406)})
    deliver(world, delta("w1", 406))
    value = run("status", "--repo", world.path, "--json").json
    names = [line.split()[0] for line in (described or "").splitlines() if line.startswith("    ") and line[4] != " "]
    assert list(value) == names
    assert value["waiting"] == {
        "committed": [f"{INBOX}/frame-406-w3.json", f"{INBOX}/frame-900-w2.json"],
        "uncommitted": [f"{INBOX}/frame-406-w1.json"],
        "overwritten": 0,
        "by_worker": {"w1": 1, "w2": 1, "w3": 1},
        "held": [f"{INBOX}/frame-900-w2.json"],
        "on_branches": {},
        "oldest": "2026-03-25T03:01:00Z",
    }
    merged = world.git("log", "-1", "--format=%H", "--grep=^merge frame 405")
    assert (value["open_frame"], value["newest_commit"], value["stops"]) == (406, merged, None)
    assert value["records"]["agents"] == 2
    assert value["workers"]["w1"]["applied"] == 1


def test_what_waits_for_its_frame_is_not_called_old(repo: Repo) -> None:
    begun(repo).commit({f"{INBOX}/frame-900-w2.json": delta("w2", 900)})
    assert run("status", "--repo", repo.path, "--json").json["waiting"]["oldest"] is None
    text = run("status", "--repo", repo.path).out
    assert "oldest" not in text and "To merge what waits" not in text


def test_what_a_merge_has_consumed_is_not_called_overwritten(world: Repo) -> None:
    assert run("status", "--repo", world.path, "--json").json["waiting"]["overwritten"] == 0


def test_a_shallow_clone_is_looked_at_as_far_as_it_goes(world: Repo, tmp_path: Path) -> None:
    world.commit({f"{INBOX}/frame-406-w1.json": delta("w1", 406)})
    world.git("clone", "--quiet", "--depth=1", f"file://{world.path}", str(tmp_path / "clone"))
    done = run("status", "--repo", tmp_path / "clone")
    assert (done.code, done.out.splitlines()[0]) == (0, "Frame 406 is open on main: 1 delta waits.")


def test_without_a_frame_it_says_how_to_begin(repo: Repo) -> None:
    letter = "No frame is open on main: there is no Dream Catcher here yet. Run `dreamcatcher init`.\n"
    for _ in range(2):
        done = run("status", "--repo", repo.path)
        assert (done.code, done.out, done.err) == (0, letter, "")
        assert run("status", "--repo", repo.path, "--json").json == {"initialised": False, "branch": "main"}
        repo.commit({"a": b"a"})


def test_what_would_stop_a_merge_is_the_first_thing_to_be_seen(world: Repo) -> None:
    world.commit({"state/stats.json": b"{}\n"})
    done = run("status", "--repo", world.path)
    assert done.code == 1
    assert masked(done.out).startswith(
        "Frame 406 is open on main: no delta waits.\n\n"
        "A merge would stop here\n"
        "  The state was changed by another hand, so nothing was merged and nothing was written.\n"
        "    state/stats.json: changed, by Tester <tester@example.com> in "
    )


def test_damaged_state_is_a_letter(world: Repo) -> None:
    for path in ("state/_meta.json", "state/parked.jsonl", "state/conflicts.json", "state/_control/workers.json"):
        world.commit({path: b"{"})
        done = run("status", "--repo", world.path)
        assert (done.code, done.out) == (1, ""), path
        assert f"  {path}:1" in done.err, done.err
        world.git("reset", "--quiet", "--hard", "HEAD~1")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (172_799, "47 hours"),
        (172_800, "2 days"),
    ],
)
def test_ages_are_said_as_people_say_them(seconds: int, words: str) -> None:
    assert age(seconds) == words
