"""Loud silence: what is wrong though every run is green is said in `status`, in the step, and by an exit code."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from merge_bot.alarms import _TABLE, WINDOW, Seen, is_odd, raised, seen
from merge_bot.clone import Clone
from merge_bot.manifest import read_manifest
from merge_bot.paths import Paths
from merge_bot.settings import Alarms
from tests.command import INBOX, begun, deliver, delta, run
from tests.repo import Repo
from tests.test_action_remote import Job, job
from tests.test_cli_merge import FIRST

__all__ = ["job"]

NOW = 1_000_000_000
DAY = 86_400
WELL: dict[str, Any] = {"merged": NOW}
LOOK = "Look whether the workflow runs, and how it ends (`dreamcatcher doctor`)."
ROWS: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("all is well", {}, []),
    ("pending, not long", {"oldest": NOW - 7200}, []),
    (
        "pending too long",
        {"oldest": NOW - 7201},
        [("pending", "The oldest pending delta was committed 2 hours ago; at most 2 hours are expected.")],
    ),
    ("silent, not long", {"merged": NOW - 7 * DAY}, []),
    (
        "silent too long",
        {"merged": NOW - 7 * DAY - 1},
        [("silent", "Nothing was merged for 7 days: every run is green, and nothing happens.")],
    ),
    (
        "silent for longer than was looked",
        {"merged": None},
        [("silent", f"Nothing was merged in the newest {WINDOW} frames: every run is green, and nothing happens.")],
    ),
    ("two fallbacks", {"fallbacks": {"w1": 2}}, []),
    (
        "fallbacks only",
        {"fallbacks": {"w2": 5, "w1": 3, "w3": 1}},
        [("fallbacks", "`w1` and `w2` send nothing but fallbacks, up to 5 in a row.")],
    ),
    ("parked, not long", {"parked": Counter({5: 2}), "since": {5: NOW - 7 * DAY}}, []),
    (
        "parked too long",
        {"parked": Counter({5: 2, 9: 1}), "since": {5: NOW - 8 * DAY, 9: NOW}},
        [("parked", "2 parked records wait for what never comes, the first since frame 5, 8 days ago.")],
    ),
    (
        "odd files",
        {"odd": ["in/a\x1b.txt", "in/b"]},
        [("odd-files", "in/a\\u001b.txt, in/b lie in the inbox, and nobody understands what they are.")],
    ),
]


@pytest.mark.parametrize(("what", "wrong", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_each_alarm_has_its_threshold(what: str, wrong: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    found = raised(Seen(NOW, **{**WELL, **wrong}), Alarms())
    assert [(one.name, one.message) for one in found] == expected
    assert all(one.remedy.endswith(".") for one in found)


def test_zero_is_never() -> None:
    off = Alarms(pending_seconds=0, silent_seconds=0, fallbacks=0, parked_seconds=0, odd_files=False)
    everything = Seen(NOW, 0, None, {"w": 99}, Counter({1: 1}), {1: 0}, ["odd"])
    assert len(raised(everything, Alarms())) == len(_TABLE)
    assert raised(everything, off) == []


def test_every_setting_but_the_exit_code_has_its_row() -> None:
    names = [name.replace("_", "-") for name in Alarms._fields]
    assert names == [*_TABLE, "exit-code"]
    assert "now" in {one.name for one in fields(Seen)}


def test_what_is_seen_is_what_the_frames_say(repo: Repo) -> None:
    """w1 once worked and sends fallbacks since; w2 never did; w3 works again."""
    deliver(begun(repo), FIRST)
    assert run("merge", "--repo", repo.path).code == 0
    for frame in (406, 407, 408):
        for worker in ("w1", "w2", "w3"):
            deliver(repo, delta(worker, frame, _meta={"status": "fallback"}))
        if frame == 408:
            deliver(repo, delta("w3", 408, stats_increments={"total_posts": 1}, _meta={"run": "r"}))
            (repo.path / INBOX / "frame-408-w3.json").rename(repo.path / INBOX / "frame-408-w3.r.json")
        assert run("merge", "--repo", repo.path).code == 0
    with Clone.open(str(repo.path)) as clone:
        paths, meta = Paths(), json.loads((repo.path / "state/_meta.json").read_text())
        manifest = read_manifest(clone.files, paths, 408, meta["manifest"])
        found = seen(clone.files, paths, manifest, NOW, None, ["x"])
    assert found.fallbacks == {"w1": 3, "w2": 3}
    assert found.parked == Counter({405: 1})
    parked = datetime.fromtimestamp(found.since[405], UTC)
    assert abs((datetime.now(UTC) - parked).total_seconds()) < 3600
    assert found.merged is not None and found.merged >= found.since[405]


def test_names_that_nobody_understands() -> None:
    assert [one for one in ("in/frame-1-w.json", "in/frame-1-w 2.json", "in/notes.txt", "in/x/y") if is_odd(one)] == [
        "in/frame-1-w 2.json",
        "in/notes.txt",
        "in/x/y",
    ]


def test_status_says_it_and_ends_with_what_the_settings_say(repo: Repo) -> None:
    begun(repo).commit({f"{INBOX}/frame-405-w1.json": delta("w1"), f"{INBOX}/notes.txt": b"?"})
    done = run("status", "--repo", repo.path)
    assert done.code == 0
    days = done.out.partition("The oldest pending delta was committed ")[2].partition(" ago")[0]
    assert done.out.partition("\n\n")[2].startswith(
        "Alarms\n"
        f"  The oldest pending delta was committed {days} ago; at most 2 hours are expected.\n"
        f"    {LOOK}\n"
        f"  {INBOX}/notes.txt lies in the inbox, and nobody understands what it is.\n"
        "    A delta is a plain file named frame-N-WORKER.json. Rename it, or take it away.\n\n"
    )
    repo.commit({".github/dreamcatcher.yml": b"alarms: {exit-code: 4}\n"})
    done = run("status", "--repo", repo.path, "--json")
    assert (done.code, [one["name"] for one in done.json["alarms"]]) == (4, ["pending", "odd-files"])
    repo.commit(
        {f"{INBOX}/notes.txt": None, ".github/dreamcatcher.yml": b"alarms: {pending-seconds: 0, exit-code: 4}\n"}
    )
    done = run("status", "--repo", repo.path, "--json")
    assert (done.code, done.json["alarms"]) == (0, [])


def test_the_step_annotates_sums_up_and_ends_with_what_the_settings_say(job: Job) -> None:
    job.hub.commit({".github/dreamcatcher.yml": b"alarms: {fallbacks: 2, exit-code: 9}\n"})
    fallback = {"_meta": {"status": "fallback"}}
    job.hub.submit("w1", "frame-405-w1.json", delta("w1", 405, **fallback))
    assert job.step().code == 0
    job.hub.submit("w1", "frame-406-w1.json", delta("w1", 406, **fallback))
    job.hub.deliver(**{"odd name": delta("w2", 405)})
    done = job.step()
    assert done.code == 9
    letter = "`w1` sends nothing but fallbacks, up to 2 in a row."
    assert f"::warning title=Alarm%3A fallbacks::{letter}%0A" in done.out
    assert "Alarm%3A odd-files" not in done.out
    assert "title=Delta quarantined::The file's name is not that of a delta." in done.out
    assert "Alarms" in job.summary and "nothing but fallbacks, up to 2 in a row" in job.summary
    job.hub.submit("w1", "frame-407-w1.json", delta("w1", 407, stats_increments={"total_posts": 1}))
    assert job.step().code == 0, "a delta that says something ends it"
