"""The pull-request publisher against an emulator of GitHub that others wrote: what our own fake believes of GitHub is
held against somebody else's reading of it.

What the emulator cannot do, and what is therefore shown by `tests/fake_github.py` alone:

- git over HTTP: commits travel by the API of git data (`ByGitData`), so leases and lost races are not GitHub's here
- a pull request does not follow its branch: its head stays what it was when it was opened, so one is merged here only
  by the run that opened it
- conflicts, checks, locks, and a second pull request of one branch, which it lets pass
- a merge that is refused: 422 where GitHub answers 405 and 409
- GraphQL: auto-merge that waits for checks, and `commit-mode: api`
- rulesets, `repository_dispatch`, the setting that lets actions open pull requests, and tokens without rights
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from merge_bot.clone import Clone
from merge_bot.collect import open_base
from merge_bot.frame import Result, run_until_settled
from merge_bot.github_api import GitHub
from merge_bot.paths import Paths
from merge_bot.proposal import Marker
from merge_bot.publish.auto_merge import AutoMerge, Method
from merge_bot.publish.base import Published
from merge_bot.publish.pull_request import PullRequestPublisher
from merge_bot.pull_request_body import describe
from merge_bot.resources import example_schemas
from merge_bot.transports.inbox import InboxTransport
from tests.emulator.server import ByGitData, Emulator
from tests.fake_github import SLUG, TOKEN
from tests.repo import AUTHOR, Repo
from tests.world import MORNING

pytestmark = pytest.mark.emulator

MAIN, HEAD = "refs/heads/main", "refs/heads/dreamcatcher/main"
AGENT = {"profile_updates": [{"agent_id": "a", "name": "A"}]}
MORE = {"stats_increments": {"total_posts": 1}}


@dataclass
class Hub:
    """The emulator's repository, and a person's clone of it, which is the bot's as well."""

    emulator: Emulator
    repo: Repo
    remote: ByGitData
    hours: int = 0

    def deliver(self, worker: str, operations: dict[str, Any], frame: int = 1) -> None:
        """A delta arrives in the inbox of main."""
        delta = {"frame": frame, "stream_id": worker, "utc": "2026-03-25T00:00:00Z", **operations}
        old = self.remote.tip(MAIN)
        new = self.repo.commit({f"state/stream_deltas/frame-{frame}-{worker}.json": json.dumps(delta).encode()})
        assert self.remote.push(new, MAIN, old).tip == new

    def run(self, auto_merge: Method | None = None, labels: tuple[str, ...] = ()) -> Result:
        """One run of the bot, as a door does it."""
        self.hours += 1
        with self.repo.opened() as repository:
            github = GitHub(SLUG, TOKEN, self.emulator.url, pace=0)
            publisher = PullRequestPublisher(
                repository, self.remote, github, "main", AUTHOR, partial(describe, labels=labels),
                auto_merge=AutoMerge(github, auto_merge, lambda _: None) if auto_merge else None,
                web_url=self.emulator.url,
            )  # fmt: skip
            base = partial(open_base, repository, str(self.remote.tip(MAIN)))
            transport = InboxTransport(repository, Paths("state"))
            result = run_until_settled(base, repository, transport, publisher, MORNING + timedelta(hours=self.hours))
            if result.frame is None:
                result.published = publisher.withdraw()
            return result

    def published(self, **options: Any) -> Published:
        return self.run(**options).published

    def pull(self, number: int = 1) -> Any:
        return self.emulator.ask("GET", f"pulls/{number}")


@pytest.fixture
def hub(tmp_path: Path, make_repo: Callable[..., Repo]) -> Iterator[Hub]:
    repo = make_repo("person")
    with Clone.open(str(repo.path)) as clone:
        clone.begin(clone.plan({"notes.txt": b"notes\n"}, example_schemas(), MORNING, 1), MORNING)
    with Emulator(tmp_path) as emulator:
        remote = ByGitData(emulator, repo)
        assert remote.push(repo.head, MAIN, remote.tip(MAIN)).tip == repo.head
        yield Hub(emulator, repo, remote)


def test_a_frame_is_proposed_once_and_what_comes_later_joins_it(hub: Hub) -> None:
    hub.deliver("w1", AGENT)
    made = hub.published(labels=("bots",))
    assert (made.operation, made.number, made.url) == ("created", 1, f"{hub.emulator.url}/{SLUG}/pull/1")
    pull = hub.pull()
    assert (pull["title"], pull["head"]["sha"]) == ("merge frame 1: 1 delta, 1 operation", made.commit)
    assert sorted(one["name"] for one in pull["labels"]) == ["bots", "dreamcatcher"]
    again = hub.published(labels=("bots",))
    assert (again.operation, again.commit, again.number) == ("none", made.commit, 1)
    hub.deliver("w2", MORE)
    joined = hub.published(labels=("bots",))
    assert (joined.operation, joined.number, joined.commit) == ("updated", 1, hub.remote.tip(HEAD))
    pull = hub.pull()
    assert pull["title"] == "merge frame 1: 2 deltas, 2 operations"
    marker = Marker.read(pull["body"])
    assert marker is not None and (marker.commit, marker.frame) == (joined.commit, 1)


def test_one_from_which_nothing_is_left_is_closed_and_vetoes_nothing(hub: Hub) -> None:
    empty = hub.repo.head
    hub.deliver("w1", AGENT)
    assert hub.published().operation == "created"
    delivered = hub.repo.head
    hub.remote.push(empty, MAIN, delivered)
    done = hub.published()
    assert (done.operation, done.remarks) == ("updated", ("Pull request #1 was closed: nothing is left to merge.",))
    assert hub.pull()["state"] == "closed"
    hub.remote.push(delivered, MAIN, empty)
    assert hub.published().number == 2


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_merged_frame_is_known_by_the_next_run(hub: Hub, method: Method) -> None:
    hub.deliver("w1", AGENT)
    done = hub.published(auto_merge=method)
    assert (done.operation, done.commit) == ("merged", hub.remote.tip(MAIN))
    assert (hub.pull()["merged"], hub.pull()["state"]) == (True, "closed")
    commit = hub.remote.fetch(MAIN)
    assert len(hub.repo.git("log", "-1", "--format=%P", commit).split()) == (2 if method == "merge" else 1)
    assert "Dreamcatcher-Manifest: " in hub.repo.git("log", "-1", "--format=%B", commit)
    second = hub.run()
    assert (second.frame, second.open_frame, second.published.operation) == (None, 2, "none")


def test_closing_it_unmerged_is_a_no_until_other_deltas_come(hub: Hub) -> None:
    hub.deliver("w1", AGENT)
    hub.published()
    hub.emulator.ask("PATCH", "pulls/1", {"state": "closed"})
    done = hub.published()
    assert (done.operation, done.number) == ("none", 1)
    assert "That is taken as a no" in done.remarks[0]
    hub.deliver("w2", MORE)
    assert (hub.published().operation, hub.pull(2)["state"]) == ("created", "open")


def test_one_that_a_person_pushed_to_is_left_alone(hub: Hub) -> None:
    hub.deliver("w1", AGENT)
    commit = hub.published().commit
    assert commit is not None
    theirs = hub.repo.git("commit-tree", f"{commit}^{{tree}}", "-p", commit, "-m", "by hand")
    hub.remote.push(theirs, HEAD, commit)
    hub.deliver("w2", MORE)
    assert "was changed by hand" in hub.published().remarks[0]
    assert hub.remote.tip(HEAD) == theirs
