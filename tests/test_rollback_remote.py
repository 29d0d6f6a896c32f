"""A rollback on a remote: pushed over HTTP under an exact lease, or proposed to a GitHub that merges for real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from merge_bot.actions import NO_TOKEN
from merge_bot.history import History
from merge_bot.remote_clone import RemoteClone
from merge_bot.target import Target, credentials_from
from merge_bot.verify import verify
from tests.command import INBOX, Said, delta, masked, run
from tests.fake_github import SLUG, TOKEN
from tests.hub import Hub, hub

HEAD = "refs/heads/dreamcatcher/main.rollback"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Two frames on main of the remote: 405 makes Kai, 406 renames them and adds Zoe."""
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file:http")
    monkeypatch.setenv("DREAMCATCHER_TOKEN", TOKEN)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    with hub(tmp_path) as made:
        monkeypatch.setenv("GITHUB_API_URL", made.github.url)
        made.deliver(w1=delta("w1", profile_updates=[{"agent_id": "kai", "name": "Kai"}]))
        merge(made)
        made.commit(
            {
                f"{INBOX}/frame-406-w2.json": delta("w2", 406, profile_updates=[{"agent_id": "kai", "name": "K."}]),
                f"{INBOX}/frame-406-w3.json": delta("w3", 406, profile_updates=[{"agent_id": "zoe", "name": "Zoe"}]),
            }
        )
        merge(made)
        yield made


def merge(world: Hub) -> None:
    target = Target(
        world.server.url, root=world.server.path, credentials=credentials_from({"DREAMCATCHER_TOKEN": TOKEN})
    )
    with RemoteClone.open(target) as clone:
        assert clone.merge(datetime.now(UTC)).published.operation == "pushed"


def roll_back(world: Hub, frame: int, *options: object) -> Said:
    nowhere = world.person.path.parent
    return run("rollback", frame, "--remote", world.server.url, "--repo", nowhere, *options)


def propose(world: Hub, frame: int, *options: object) -> Said:
    return roll_back(world, frame, "--mode", "pull-request", "--github", SLUG, *options)


def agents(world: Hub) -> dict[str, str]:
    with History(world.server.repo.path, "main") as history:
        assert verify(history).findings == []
        return {key: one["name"] for key, one in history.state(history.newest).records("agents")}


def test_a_rollback_is_pushed_to_the_remote(world: Hub) -> None:
    tip = world.server.tip()
    dry = roll_back(world, 405, "--dry-run")
    assert dry.out.startswith("Dry run, nothing was written. Frame 407 would have the state of frame 405: 2 deltas und")
    assert world.server.tip() == tip
    done = roll_back(world, 405, "--json")
    assert (done.code, done.json["operation"], done.json["pull_request"]) == (0, "pushed", None)
    assert done.json["commit"] == world.server.tip()
    assert agents(world) == {"kai": "Kai"}


def test_in_pull_request_mode_it_is_a_pull_request(world: Hub) -> None:
    tip = world.server.tip()
    done = propose(world, 405)
    url = f"{world.github.url}/{SLUG}/pull/1"
    assert (done.code, masked(done.out.partition("\n\n")[0])) == (
        0, "Proposed as pull request #1. Once that is merged, frame 407 has the state of frame 405: 2 deltas undone.",
    )  # fmt: skip
    assert done.out.endswith(f"Pull request: {url}\n")
    assert world.server.tip() == tip
    pull = world.github.pulls[1]
    assert (pull.title, pull.base, sorted(pull.labels)) == (
        "rollback frame 407: the state of frame 405, 2 deltas undone", "main",
        ["dreamcatcher", "dreamcatcher: rollback"],
    )  # fmt: skip
    commit = world.server.tip(HEAD)
    assert masked(pull.body.split("\n", 1)[1]) == (
        "**Frame 407 has the state of frame 405: 2 deltas undone, 0 restored.**\n\n"
        "Made from commit <short> of `main`. Nothing is taken out of history. No undone delta comes back by itself, "
        "also not when somebody commits the same bytes again. Edit nothing here, and merge it in any way; if another "
        "frame lands first, run the rollback again. Close it to say no.\n"
        "\n#### 2 deltas undone\n\n"
        "```text\nstate/stream_deltas/frame-406-w3.json, merged in frame 406\n"
        "state/stream_deltas/frame-406-w2.json, merged in frame 406\n```\n"
        "\n#### To verify\n\n```text\nmanifest    <sha256>\nstate tree  <commit>\n```\n\n"
        "After merging: `dreamcatcher check`\n"
    )
    assert json.loads(world.server.repo.git("show", f"{commit}:state/_meta.json"))["frame"] == 408


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_however_it_is_merged_the_state_is_the_older_frame_s(world: Hub, method: str) -> None:
    assert propose(world, 405).code == 0
    world.github.merge(1, method)
    assert agents(world) == {"kai": "Kai"}
    merged = world.server.tip()
    said = "The state is frame 405's already: there is nothing to roll back. Nothing was written.\n"
    assert propose(world, 405).err == said
    assert world.server.tip() == merged


def test_asked_for_again_it_is_the_same_pull_request_and_another_target_changes_it(world: Hub) -> None:
    first = propose(world, 405, "--json").json
    again = propose(world, 405, "--json").json
    assert (first["operation"], again["operation"]) == ("created", "none")
    assert again["pull_request"] == first["pull_request"]
    assert propose(world, 404, "--json").json["operation"] == "updated"
    assert world.github.pulls[1].title == "rollback frame 407: the state of frame 404, 3 deltas undone"
    assert propose(world, 404, "--requeue", "--json").json["operation"] == "updated"
    assert "put up again" in world.github.pulls[1].body
    world.github.merge(1, "squash")
    assert agents(world) == {}
    merge(world)
    assert agents(world) == {"kai": "K.", "zoe": "Zoe"}


def test_one_that_was_closed_does_not_forbid_the_next(world: Hub) -> None:
    propose(world, 405)
    world.github.pulls[1].state = "closed"
    assert propose(world, 405, "--json").json["pull_request"]["number"] == 2


def test_one_that_a_person_touched_is_left_alone(world: Hub) -> None:
    propose(world, 405)
    git = world.server.repo.git
    tree = git("rev-parse", f"{HEAD}^{{tree}}")
    git("update-ref", HEAD, git("commit-tree", tree, "-p", HEAD, "-m", "mine"))
    done = propose(world, 404)
    assert done.out.startswith("Pull request #1 was left alone. Frame 407 would have the state of frame 404")
    assert "Pull request #1 was changed by hand" in done.out


def test_a_frame_s_pull_request_stays_what_it_is(world: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that proposes frames makes its branch anew each time: a rollback must not stand there."""
    propose(world, 405)
    assert world.github.pulls[1].head != "dreamcatcher/main"


def test_what_is_missing_for_a_pull_request_is_said(world: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    here = run("rollback", 405, "--repo", world.person.path, "--mode", "pull-request", "--github", SLUG)
    nameless = roll_back(world, 405, "--mode", "pull-request")
    monkeypatch.delenv("DREAMCATCHER_TOKEN")
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    for said in (here, nameless, propose(world, 405)):
        assert said.code != 0
        assert said.err.endswith(f"--mode pull-request needs --remote, --github OWNER/NAME, and {NO_TOKEN}.\n")
