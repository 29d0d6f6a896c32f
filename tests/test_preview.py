"""Preview: what the next merge would do, with more deltas or fewer; nothing is kept, or a branch apart."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from merge_bot.history import History
from tests.command import begun, deliver, delta, listing, masked, run
from tests.repo import Repo

NOW = datetime(2026, 3, 25, 4, 0, 0, tzinfo=UTC)
ARIA = {"agent_id": "agent-aria", "name": "Aria", "bio": "rebel"}
OTHER = delta("w2", utc="2026-03-25T03:14:23Z", profile_updates=[{"agent_id": "agent-aria", "bio": "scholar"}])


@pytest.fixture
def world(repo: Repo) -> Repo:
    """Frame 405 is open; w1's delta waits, w3's was committed, w4's is half a file."""
    begun(repo)
    deliver(repo, delta("w3", stats_increments={"total_posts": 1}))
    repo.git("add", "state")
    repo.commit()
    deliver(repo, delta("w1", profile_updates=[ARIA]))
    repo.write("state/stream_deltas/frame-405-w4.json", OTHER[:30])
    return repo


CONFLICT = """\
Dry run, nothing was written. Frame 405 would be merged: 3 deltas, 2 operations applied, 1 quarantined, 1 conflict.

By collection
  collection  applied  conflict
  agents            1         1
  stats             1         0

1 conflict
  agents "agent-aria", field bio
    w1 at 2026-03-25T03:14:22.000001Z: "rebel"
    w2 at 2026-03-25T03:14:23Z: "scholar"
    stands: "scholar" (the latest write)

1 delta quarantined, bytes kept
  state/stream_deltas/frame-405-w4.json
    line 1, /stream_id: The file ends in the middle of a string that begins in line 1.
      Write the whole file again; write under a temporary name and rename it, so that no half file is ever seen.
    kept as state/frames/000/000405/quarantine/<digest>.frame-405-w4.json

agents
  added "agent-aria"
    {"agent_id": "agent-aria", "bio": "scholar", "name": "Aria"}

stats
  added
    {"total_posts": 1}

Nothing was kept.
"""


def test_with_a_delta_more_it_says_what_would_happen_and_keeps_nothing(world: Repo, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_bytes(OTHER)
    before = listing(world.path)
    done = run("preview", "--with", tmp_path / "mine.json", "--repo", world.path)
    assert (done.code, done.err) == (0, "")
    assert masked(done.out) == CONFLICT
    assert listing(world.path) == before


def test_the_same_as_data(world: Repo, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_bytes(OTHER)
    data = run("preview", "--with", tmp_path / "mine.json", "--repo", world.path, "--json").json
    assert (data["dry_run"], data["operation"], data["frame"], data["branch"]) == (True, "none", 405, None)
    assert data["deltas"] == {"applied": 3, "quarantined": 1}
    assert data["diff"]["counts"] == {"agents": {"added": 1, "fields": 0}, "stats": {"added": 1, "fields": 0}}
    assert data["diff"]["conflicts"]["opened"] == [{"collection": "agents", "key": "agent-aria", "field": "bio"}]


LEFT_OUT = [
    (["w1"], {"applied": 1, "quarantined": 1}, {"stats"}),
    (["w3"], {"applied": 1, "quarantined": 1}, {"agents"}),
    (["w1", "w3"], {"quarantined": 1}, set()),
    (["w4"], {"applied": 2}, {"agents", "stats"}),  # of half a file only the name says whose it is
    ([], {"applied": 2, "quarantined": 1}, {"agents", "stats"}),
]


@pytest.mark.parametrize(("without", "deltas", "collections"), LEFT_OUT)
def test_without_a_worker(world: Repo, without: list[str], deltas: dict[str, int], collections: set[str]) -> None:
    options = [one for worker in without for one in ("--without", worker)]
    data = run("preview", *options, "--repo", world.path, "--json").json
    assert (data["deltas"], set(data["diff"]["counts"])) == (deltas, collections)


def test_without_anybody_nothing_is_to_be_merged(world: Repo) -> None:
    options = [one for worker in ("w1", "w3", "w4") for one in ("--without", worker)]
    done = run("preview", *options, "--branch", "what-if", "--repo", world.path)
    assert (done.code, done.out) == (0, "Nothing to merge: frame 405 is open, no delta waits.\n")
    assert "refs/heads/what-if" not in world.refs()


def test_a_worker_who_delivered_nothing_cannot_be_left_out(world: Repo) -> None:
    done = run("preview", "--without", "w9", "--repo", world.path)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "There is nothing to leave out: no delta of `w9` waits. There are deltas of `w1`, `w3` and `w4`.\n"
    )


def test_a_branch_keeps_it_and_the_clone_stays_as_it_is(world: Repo) -> None:
    head, status = world.head, world.status
    done = run("preview", "--branch", "what-if", "--repo", world.path)
    assert done.code == 0
    assert done.out.startswith("Frame 405 would be merged: 2 deltas")
    assert done.out.endswith(
        "Kept as branch what-if; look at it: git diff HEAD...what-if\nThrow it away: git branch -D what-if\n"
    )
    assert (world.head, world.status) == (head, status)
    assert world.git("rev-parse", "what-if^") == head
    with History(world.path, "what-if") as history:
        assert history.newest == 405
        assert history.replay(405).same
    world.git("branch", "-D", "what-if")
    assert run("merge", "--repo", world.path).code == 0


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("main", "There is a branch main already, and a preview overwrites nothing. Give another name, or, if it is an "
                 "older preview's, throw it away first.\n"),
        ("a..b", 'The branch "a..b" could not be made, so nothing was kept. Is it a name that git takes?\n'),
    ],
)  # fmt: skip
def test_a_branch_that_cannot_be(world: Repo, name: str, letter: str) -> None:
    before = world.refs()
    done = run("preview", "--branch", name, "--repo", world.path)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(letter)
    assert world.refs() == before


def test_a_further_version_of_a_slot_stands_beside_the_one_that_waits(world: Repo, tmp_path: Path) -> None:
    """It takes no other file's place: both arrive, and the rules for slots decide."""
    (tmp_path / "frame-405-w1.json").write_bytes(delta("w1", utc="2026-03-25T03:14:59Z", profile_updates=[ARIA]))
    data = run("preview", "--with", tmp_path / "frame-405-w1.json", "--repo", world.path, "--json").json
    assert data["deltas"] == {"applied": 2, "quarantined": 2}
    (tmp_path / "odd.txt").write_bytes(b"{")
    data = run("preview", "--with", tmp_path / "odd.txt", "--repo", world.path, "--json").json
    assert "state/stream_deltas/odd.txt" in [one["source"] for one in data["receipts"]]


def test_in_python(world: Repo) -> None:
    with History(world.path) as history:
        found = history.preview(NOW, [OTHER], without=["w3"])
    assert found.result.frame is not None and found.result.frame.number == 405
    assert [(one.collection, one.key) for one in found.diff.changes] == [("agents", "agent-aria")]
