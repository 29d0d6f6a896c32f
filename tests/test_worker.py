"""A worker's block becomes one delta; entering it is where a wrong place or envelope is told."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from merge_bot import DeltaRejected, SlotTaken, Worker
from merge_bot.delta import Delta
from merge_bot.errors import RepositoryError, SchemaError, UnreadableState
from merge_bot.validate import given, validate
from tests.work_tree import POST, inbox, refused, rules, work_tree

POST_COMMENT = {"post_number": 6201, "author": "agent-kai", "body": "Indeed."}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return work_tree(tmp_path / "world", monkeypatch)


def test_a_block_becomes_one_delta_that_the_bot_takes(root: Path) -> None:
    before = datetime.now(UTC)
    with Worker("stream-3", root=root, run="night-7", epoch=3) as w:
        assert w.frame == 405
        w.add("posts", number=6201, title="On sleep", channel="philosophy", author="agent-aria")
        w.add("posts_created", {"number": 6202, "title": "On waking"}, channel="philosophy", author="agent-kai")
        w.add("comments", POST_COMMENT)
        w.observe("souls", agent_id="agent-aria", observation="She sleeps.")
        w.observe("souls", agent_id="agent-aria", observation="She sleeps.")
        w.union("follows", agent_id="agent-aria", follows="agent-kai")
        w.set("agents", "agent-aria", bio="rebel", karma=2, tags=["new"])
        w.set("agents", agent_id="agent-kai", bio="calm")
        w.set("channels", {"slug": "philosophy", "name": "Philosophy"})
        w.increment("stats", total_posts=1)
        w.increment("stats_increments", {"total_posts": 1, "total_comments": 1})
        assert inbox(root) == {}
    assert w.path == root / "state" / "stream_deltas" / "frame-405-stream-3.night-7.json"
    written = json.loads(w.path.read_bytes())
    assert before <= datetime.fromisoformat(written.pop("utc")) <= datetime.now(UTC)
    assert json.dumps(written, indent=1) == json.dumps(
        {
            "frame": 405,
            "stream_id": "stream-3",
            "posts_created": [POST, {**POST, "number": 6202, "title": "On waking", "author": "agent-kai"}],
            "comments_added": [POST_COMMENT],
            "soul_updates": [{"agent_id": "agent-aria", "observation": "She sleeps."}] * 2,
            "follows_added": [{"agent_id": "agent-aria", "follows": "agent-kai"}],
            "profile_updates": [
                {"agent_id": "agent-aria", "bio": "rebel", "karma": 2, "tags": ["new"]},
                {"agent_id": "agent-kai", "bio": "calm"},
            ],
            "channels_updated": [{"slug": "philosophy", "name": "Philosophy"}],
            "stats_increments": {"total_posts": 2, "total_comments": 1},
            "_meta": {"run": "night-7", "epoch": 3},
        },
        indent=1,
    )
    delta = validate(given(w.path.name, w.path.read_bytes()), rules())
    assert isinstance(delta, Delta) and delta.slot == (405, "stream-3", "night-7")


def test_a_block_that_collects_nothing_says_alive(root: Path) -> None:
    with Worker("w1", root=root) as w:
        pass
    assert list(json.loads(w.path.read_bytes())) == ["frame", "stream_id", "utc"]


def test_a_frame_can_be_given_and_then_no_clock_is_needed(root: Path) -> None:
    (root / "state" / "_meta.json").unlink()
    with Worker("w1", root=root, frame=7) as w:
        assert w.frame == 7
    assert list(inbox(root)) == ["frame-7-w1.json"]


def test_what_is_changed_after_the_call_is_not_in_the_delta(root: Path) -> None:
    tags = ["new"]
    change: dict[str, Any] = {"agent_id": "agent-aria", "tags": tags}
    with Worker("w1", root=root) as w:
        w.set("agents", change)
        change["bio"] = 5
        tags.append("newer")
    assert json.loads(w.path.read_bytes())["profile_updates"] == [{"agent_id": "agent-aria", "tags": ["new"]}]


@pytest.mark.parametrize(
    ("prepare", "error", "letter"),
    [
        (
            lambda root: (root / "state/_meta.json").unlink(),
            RepositoryError,
            "There is no {root}/state/_meta.json, so no frame is open. If this is not the root of the repository, "
            "give it (root=…); if it is, run `dreamcatcher init` there.",
        ),
        (
            lambda root: (root / "state/_meta.json").write_text("<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> x\n"),
            UnreadableState,
            """\
The state cannot be read, so nothing was merged and nothing was written.
  state/_meta.json:1
    Git conflict markers were committed: 3 in all, the first is <<<<<<<.
    Choose between the two sides, or take the file from a commit before the conflict; remove every marker line.
The file was damaged by something other than the merge. Restore it from the last good commit
(git log -- FILE, then git checkout COMMIT -- FILE), commit that, and merge again. The pending deltas wait.""",
        ),
        (
            lambda root: [path.unlink() for path in (root / "schemas").iterdir()],
            SchemaError,
            "There is no schema in the folder {root}/schemas, so there is no collection to write to. Add "
            "<collection>.schema.json there (`dreamcatcher init` brings examples).",
        ),
        (
            lambda root: root.rename(root.with_name("moved")),
            RepositoryError,
            "There is no folder {root}. Give the root of the repository: root=…",
        ),
    ],
)
def test_a_place_that_is_no_world_is_refused_on_entering(
    root: Path, prepare: Callable[[Path], Any], error: type[Exception], letter: str
) -> None:
    prepare(root)
    with pytest.raises(error) as caught:
        Worker("w1", root=root).__enter__()
    assert str(caught.value) == letter.format(root=root)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(
    "wrong", [{"stream_id": "w 1"}, {"frame": -1}, {"frame": "405"}, {"epoch": "1"}, {"run": "a b"}, {"run": 5}]
)
def test_a_wrong_envelope_is_refused_on_entering(root: Path, wrong: dict[str, Any]) -> None:
    call: dict[str, Any] = {"stream_id": "w1"} | wrong
    with pytest.raises(DeltaRejected), Worker(**call, root=root):
        pytest.fail("entered")
    assert inbox(root) == {}


def test_a_second_turn_of_the_same_run_is_refused_before_its_work_begins(root: Path) -> None:
    with Worker("w1", root=root) as w:
        w.add("posts", POST)
    with pytest.raises(SlotTaken, match="run of its own"), Worker("w1", root=root):
        pytest.fail("entered")
    with Worker("w1", root=root, run="two") as w:
        w.add("posts", {**POST, "number": 6202})
    with Worker("w1", root=root, replace=True) as w:
        w.add("posts", {**POST, "number": 6203})
    numbers = {name: one["posts_created"][0]["number"] for name, one in inbox(root).items()}
    assert numbers == {"frame-405-w1.json": 6203, "frame-405-w1.two.json": 6202}


GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "17", "GITHUB_JOB": "dream", "GITHUB_RUN_ATTEMPT": "2"}


@pytest.mark.parametrize(
    ("environment", "asked", "run"),
    [
        ({}, None, None),
        ({"GITHUB_RUN_ID": "17"}, None, None),
        (GITHUB, None, "github-17-dream"),
        (GITHUB | {"GITHUB_RUN_ATTEMPT": "3"}, None, "github-17-dream"),
        (GITHUB | {"DREAMCATCHER_RUN": "night:7"}, None, "night:7"),
        ({"DREAMCATCHER_RUN": ""}, None, None),
        (GITHUB, "mine", "mine"),
        (GITHUB, "", None),
    ],
)
def test_the_orchestrator_names_the_run_unless_the_worker_does(
    root: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], asked: str | None, run: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with Worker("w1", root=root, run=asked) as w:
        assert w.run == run
    assert json.loads(w.path.read_bytes()).get("_meta", {}).get("run") == run


def test_a_worker_works_inside_of_its_block_alone(root: Path) -> None:
    w = Worker("w1", root=root)
    outside = "The worker is not at work: use it inside of its block, `with Worker(…) as w:`."
    assert refused(lambda: w.frame) == refused(w.add, "posts", POST) == refused(w.increment, "stats") == outside
    with w:
        assert refused(w.__enter__) == "The worker is at work already. Make a second one: Worker(…)."
        w.add("posts", POST)
    assert refused(w.add, "posts", POST) == outside
    with pytest.raises(SlotTaken), w:
        pytest.fail("entered")
    assert len(inbox(root)) == 1
