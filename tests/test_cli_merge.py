"""`dreamcatcher merge`, whole: what it says, what it leaves in the repository, how it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from merge_bot.report import __doc__ as described
from tests.command import INBOX, begun, deliver, delta, listing, masked, run
from tests.repo import Repo

ARIA = {"agent_id": "agent-aria", "name": "Aria", "bio": "rebel", "karma": 2}
FIRST = delta(
    "w1",
    profile_updates=[ARIA, {"agent_id": "agent-kai", "name": "Kai"}],
    channels_updated=[{"slug": "philosophy", "name": "Philosophy"}],
    posts_created=[{"number": 6201, "title": "t", "channel": "philosophy", "author": "agent-aria"}],
    comments_added=[
        {"post_number": 6201, "author": "agent-kai", "body": "hi"},
        {"post_number": 999, "author": "agent-kai", "body": "lost"},
    ],
    soul_updates=[{"agent_id": "agent-aria", "observation": "argues well"}],
    stats_increments={"total_posts": 1},
)
SECOND = delta("w2", utc="2026-03-25T03:14:23Z", profile_updates=[{"agent_id": "agent-aria", "bio": "scholar"}])


@pytest.fixture
def world(repo: Repo) -> Repo:
    """A repository with frame 405 open and four deltas in its inbox: two disagree, one is half a file."""
    begun(repo)
    deliver(repo, FIRST, SECOND, delta("w4", frame=407))
    repo.write(f"{INBOX}/frame-405-w3.json", SECOND[:40])
    return repo


WHOLE = """\
2 deltas, 7 operations applied, 1 quarantined, 1 conflict, 1 parked.

By collection
  collection  applied  conflict  parked
  agents            2         1       0
  channels          1         0       0
  comments          1         0       1
  posts             1         0       0
  souls             1         0       0
  stats             1         0       0

1 conflict
  agents "agent-aria", field bio
    w1 at 2026-03-25T03:14:22.000001Z: "rebel"
    w2 at 2026-03-25T03:14:23Z: "scholar"
    stands: "scholar" (the latest write)

1 record parked, waiting for what each needs
  comments from w1 at /comments_added/1, since frame 405
    waits for posts 999

1 delta quarantined, bytes kept
  state/stream_deltas/frame-405-w3.json
    line 1, /utc: The file ends in the middle of an object that begins in line 1.
      Write the whole file again; write under a temporary name and rename it, so that no half file is ever seen.
    kept as state/frames/000/000405/quarantine/<digest>.frame-405-w3.json

1 delta held for a later frame
  state/stream_deltas/frame-407-w4.json
    waits until frame 407 opens

"""


def test_a_merge_tells_everything_that_became_of_the_deltas(world: Repo) -> None:
    done = run("merge", "--repo", world.path)
    assert (done.code, done.err) == (0, "")
    assert masked(done.out) == (
        f"Frame 405 is merged: {WHOLE}Commit <commit>; look at it: git show --stat <short>\nFrame 406 is open.\n"
    )
    assert world.head in done.out
    assert world.status == []


def test_a_dry_run_says_the_same_and_writes_nothing(world: Repo) -> None:
    before = listing(world.path)
    done = run("merge", "--repo", world.path, "--dry-run")
    assert (done.code, done.err) == (0, "")
    begin = "Dry run, nothing was written. Frame 405 would be merged: "
    assert masked(done.out) == f"{begin}{WHOLE}To merge it: dreamcatcher merge\n"
    assert listing(world.path) == before


def test_with_nothing_pending_it_says_so_and_ends_well(repo: Repo) -> None:
    begun(repo, 406)
    head = repo.head
    done = run("merge", "--repo", repo.path)
    assert (done.code, done.out) == (0, "Nothing to merge: frame 406 is open, no delta waits.\n")
    assert repo.head == head


def test_what_waits_for_a_later_frame_is_not_nothing(repo: Repo) -> None:
    deliver(begun(repo), delta("w1", frame=500))
    done = run("merge", "--repo", repo.path)
    assert done.out == (
        "Nothing to merge: frame 405 is open, 1 delta for a later frame waits.\n\n"
        "1 delta held for a later frame\n"
        "  state/stream_deltas/frame-500-w1.json\n"
        "    waits until frame 500 opens\n"
    )


def test_late_deltas_fallbacks_copies_and_notes_are_named(repo: Repo) -> None:
    begun(repo)
    post = {"number": 1, "title": "t", "channel": "c", "author": "agent-aria"}
    grown = {"channels_updated": [{"slug": "c", "name": "C"}], "profile_updates": [ARIA]}
    deliver(repo, delta("w1", posts_created=[post], **grown))
    run("merge", "--repo", repo.path)
    late = delta("w2", posts_created=[post], stats_increments={"total_posts": 1})
    deliver(repo, late, delta("w3", frame=406, _meta={"status": "fallback"}))
    repo.write(f"{INBOX}/frame-405-w2 2.json", late)
    done = run("merge", "--repo", repo.path)
    assert masked(done.out) == (
        "Frame 406 is merged: 1 delta, 1 operation applied, 1 fallback.\n\n"
        "By collection\n"
        "  collection  applied  duplicate\n"
        "  posts             0          1\n"
        "  stats             1          0\n\n"
        "1 delta late, merged now\n"
        "  state/stream_deltas/frame-405-w2.json: of frame 405\n\n"
        "1 fallback: these workers tried and had nothing\n"
        "  state/stream_deltas/frame-406-w3.json\n\n"
        "1 delta arrived before, not counted again\n"
        "  state/stream_deltas/frame-405-w2 2.json\n"
        "    the same bytes as state/stream_deltas/frame-405-w2.json\n\n"
        "Notes\n"
        "  state/stream_deltas/frame-405-w2.json\n"
        "    1 record(s) were not added, but the increments to stats were: "
        "these counters may now say more than there is\n\n"
        "Missing: of these workers nothing came, not even a fallback\n"
        "  w1\n\n"
        "Commit <commit>; look at it: git show --stat <short>\n"
        "Frame 407 is open.\n"
    )


def test_parked_records_that_found_what_they_waited_for_are_told(world: Repo) -> None:
    run("merge", "--repo", world.path)
    deliver(world, delta("w5", frame=406, posts_created=[{"number": 999, "title": "t", "channel": "philosophy"}]))
    text = run("merge", "--repo", world.path).out
    assert "1 record parked, waiting for what each needs, 1 of them since an earlier frame\n" in text, text
    deliver(
        world,
        delta(
            "w5",
            frame=407,
            posts_created=[{"number": 999, "title": "t", "channel": "philosophy", "author": "agent-kai"}],
        ),
    )
    text = run("merge", "--repo", world.path).out
    assert "No longer parked\n  1 record of w1\n" in text, text


def test_the_data_is_what_its_description_says(world: Repo) -> None:
    done = run("merge", "--repo", world.path, "--json")
    value = done.json
    names = [line.split()[0] for line in (described or "").splitlines() if line.startswith("    ")]
    assert list(value) == names
    assert value["receipts"] == [
        json.loads(line) for line in world.git("show", "HEAD:state/frames/000/000405/receipts.jsonl").splitlines()
    ]
    assert value["parked"] == [json.loads(line) for line in world.git("show", "HEAD:state/parked.jsonl").splitlines()]
    (conflict,) = value["conflicts"]
    assert [one["value"] for one in conflict["candidates"]] == ["rebel", "scholar"]
    kept = {"receipts", "parked", "conflicts", "manifest"}
    assert {name: one for name, one in value.items() if name not in kept} == {
        "dry_run": False,
        "operation": "pushed",
        "frame": 405,
        "open_frame": 406,
        "commit": world.head,
        "deltas": {"applied": 2, "quarantined": 1},
        "operations": {
            "agents": {"applied": 2, "conflict": 1},
            "channels": {"applied": 1},
            "comments": {"applied": 1, "parked": 1},
            "posts": {"applied": 1},
            "souls": {"applied": 1},
            "stats": {"applied": 1},
        },
        "held": [{"source": f"{INBOX}/frame-407-w4.json", "frame": 407}],
        "left": 0,
        "missing": [],
        "remarks": [],
        "edits": [],
        "earlier": [],
    }


def test_a_dry_run_s_data_names_no_commit_and_leaves_the_frame_open(world: Repo) -> None:
    value = run("merge", "--repo", world.path, "--json", "--dry-run").json
    shown = {name: value[name] for name in ("dry_run", "operation", "frame", "open_frame", "commit")}
    assert shown == {"dry_run": True, "operation": "none", "frame": 405, "open_frame": 405, "commit": None}


def test_rules_that_nobody_committed_and_odd_things_in_the_inbox_are_named(repo: Repo) -> None:
    begun(repo)
    repo.write("schemas/agents.schema.json", b"{}")
    repo.write("schemas/notes.txt", b"not a schema")
    repo.write(".github/dreamcatcher.yml", b"grace-seconds: 5\n")
    os.mkfifo(repo.path / INBOX / "pipe.json")
    done = run("merge", "--repo", repo.path)
    assert done.out == (
        "Nothing to merge: frame 405 is open, no delta waits.\n\n"
        "Also\n"
        '  ".github/dreamcatcher.yml" and "schemas/agents.schema.json" differ in the work tree from what is '
        "committed. A merge reads the committed rules alone: commit yours, and the next one uses them.\n"
        "  state/stream_deltas/pipe.json is a FIFO, not a delta file, so it was not taken.\n"
    )


def test_another_branch_merges_only_what_is_committed_there(repo: Repo) -> None:
    begun(repo)
    repo.git("branch", "other")
    deliver(repo, SECOND)
    done = run("merge", "--repo", repo.path, "--branch", "other")
    assert (done.code, done.out) == (
        0,
        "Nothing to merge: frame 405 is open, no delta waits.\n\n"
        "Also\n  Branch other is not checked out here, so only committed deltas count; "
        "what lies uncommitted in the work tree is left alone.\n",
    )


def test_a_branch_that_another_work_tree_has_is_refused(repo: Repo, tmp_path: Path) -> None:
    begun(repo)
    repo.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "second"))
    head = repo.git("rev-parse", "other")
    done = run("merge", "--repo", repo.path, "--branch", "other")
    assert (done.code, done.out, masked(done.err, tmp_path / "second")) == (
        1,
        "",
        "Branch other is checked out in another work tree, <repo>, whose files would not follow. "
        "Run this there: --repo <repo>\n",
    )
    assert repo.git("rev-parse", "other") == head


HOSTILE = "\x1b[31m[bold]\u202e:smile:\r\n::error::x"


def test_what_workers_wrote_is_shown_as_text_short_and_visible(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(repo)
    long = "x" * 4000
    deliver(
        repo,
        delta("w1", profile_updates=[{"agent_id": HOSTILE, "name": HOSTILE, "bio": long}]),
        delta("w2", profile_updates=[{"agent_id": HOSTILE, "name": "n", "bio": HOSTILE}]),
        delta("w3", comments_added=[{"post_number": 1, "author": HOSTILE, "body": HOSTILE}], **{HOSTILE: 1}),
    )
    repo.write(f"{INBOX}/{HOSTILE.replace('/', '')}.json", b"{}")
    for force in ("", "1"):
        monkeypatch.setenv("FORCE_COLOR", force)
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "4000")
        text = run("merge", "--repo", repo.path, "--dry-run").out
        text = text.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
        assert [one for one in text if not one.isprintable() and one != "\n"] == []
        assert [line for line in text.splitlines() if line.lstrip().startswith("::")] == []
        assert r"\u001b[31m[bold]\u202e:smile:\r\n::error::x" in text
        assert max(map(len, text.splitlines())) < 1000
        assert "(4,002 characters)" in text


def test_many_of_a_kind_are_counted_beyond_twenty(repo: Repo) -> None:
    begun(repo)
    for number in range(30):
        repo.write(f"{INBOX}/frame-405-w{number}.json", b"{" * number)
    text = run("merge", "--repo", repo.path).out
    assert text.count("kept as") == 20
    assert "  and 10 more\n" in text
    assert "30 deltas quarantined, bytes kept\n" in text


def test_a_terminal_gets_the_same_words(world: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    plain = run("merge", "--repo", world.path, "--dry-run").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    rich = run("merge", "--repo", world.path, "--dry-run").out
    assert rich != plain
    for code in ("\x1b[1m", "\x1b[2m", "\x1b[0m"):
        rich = rich.replace(code, "")
    assert [line.rstrip() for line in rich.splitlines()] == plain.splitlines()


@pytest.mark.parametrize(
    ("damage", "letter"),
    [
        (
            {"state/stats.json": b'{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> x\n}\n'},
            "The state was changed by another hand",
        ),
        ({"state/_meta.json": b'{"frame": 1'}, "The state cannot be read, so nothing was merged"),
        ({"schemas/agents.schema.json": b"[]"}, "The schemas cannot be used"),
        ({".github/dreamcatcher.yml": b"grace: 1"}, ".github/dreamcatcher.yml"),
        ({"state/_meta.json": None}, "Run `dreamcatcher init` first."),
    ],
)
def test_what_stops_a_merge_is_a_letter_and_exit_code_1(repo: Repo, damage: Any, letter: str) -> None:
    begun(repo)
    repo.commit(damage)
    deliver(repo, SECOND)
    before = listing(repo.path)
    done = run("merge", "--repo", repo.path)
    assert (done.code, done.out, letter in done.err) == (1, "", True), done.err
    assert listing(repo.path) == before


def test_no_repository_no_branch_no_frame(repo: Repo, tmp_path: Path) -> None:
    assert run("merge", "--repo", tmp_path / "nowhere").code == 1
    assert "dreamcatcher init" in run("merge", "--repo", repo.path).err
    begun(repo)
    assert "no-such has no commit yet" in run("merge", "--repo", repo.path, "--branch", "no-such").err
    repo.git("checkout", "--quiet", "--detach")
    assert "No branch is checked out here" in run("merge", "--repo", repo.path).err
