"""Incidents of several machines: races, lost pushes, cancelled runs, cleanups in between, runs that did nothing.

Who races is a process of its own, which runs to its end at the very moment at which the merge looked at pushes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from merge_bot import alarms, frame
from merge_bot.git.remote import Outcome, Pushed, Remote
from merge_bot.publish.base import Published
from merge_bot.publish.commit import CommitPublisher
from merge_bot.publish.push import PushPublisher
from merge_bot.snapshot import Frame
from tests import remote_world
from tests.command import INBOX, run
from tests.http_remote import HttpRemote, Push
from tests.incidents import (
    commit_inbox,
    deliver,
    guard,
    incident,
    merge,
    only_the_tip_is_read,
    outcomes,
    post,
    posts,
    world,
)  # fmt: skip
from tests.remote_world import MAIN, processes, read, send, server
from tests.repo import Repo

__all__ = ["guard", "server", "world"]
Patch = pytest.MonkeyPatch
BASE = "refs/dreamcatcher/base"


def counts(number: int) -> bytes:
    return json.dumps({"stats_increments": {"total_posts": number}}).encode()


def total(server: HttpRemote) -> int:
    number: int = read(server, "state/stats.json")["total_posts"]
    return number


def races(server: HttpRemote, name: str) -> list[dict[str, Any]]:
    """While the next merge pushes, worker `name` counts one more and another machine merges; what that machine said."""
    said: list[dict[str, Any]] = []

    def meanwhile(push: Push) -> None:
        if push.ref == MAIN:
            server.before_push = None
            send(server, counts(1), worker=name)
            said.extend(processes([["merge", "--remote", server.url, "--json"]]))

    server.before_push = meanwhile
    return said


def files_are_put_on_top(patch: Patch) -> None:
    """What lost the race is not merged again: its files are put onto the winner's commit."""
    whole = PushPublisher.publish

    def publish(self: PushPublisher, made: Frame) -> Published:
        published = whole(self, made)
        while published.operation == "contended":
            self._remote.fetch([f"+{self._ref}:{BASE}"])
            published = whole(self, replace(made, base=self._remote.repository.resolve(BASE) or ""))
        return published

    patch.setattr(PushPublisher, "publish", publish)


@incident(2, (files_are_put_on_top, 1))
def test_03_two_jobs_wrote_back_stale_files_in_turn(server: HttpRemote, guard: None, left: int) -> None:
    """Each job that lost a race put its files on top of the winner's: for 23 rounds a log had 3,054 or 1,050 records
    and a counter said 13,297 or 528, and 19 records never came back.
    """
    send(server, counts(1), worker="mine")
    winner = races(server, "other")
    remote_world.merge(server)
    assert [one["operation"] for one in winner] == ["pushed"]
    assert total(server) == left


def the_remote_compares_nothing(patch: Patch) -> None:
    patch.setattr(HttpRemote, "ignores_lease", property(lambda self: True, lambda self, value: None), raising=False)


@incident((True, 2), (the_remote_compares_nothing, (False, 1)))
def test_11_one_frame_was_merged_twice_by_two_machines(server: HttpRemote, guard: None, left: tuple[bool, int]) -> None:
    """Both read the same clock and both wrote the next frame; the later push took the earlier frame away."""
    send(server, counts(1), worker="mine")
    winner = races(server, "other")
    remote_world.merge(server)
    assert [one["operation"] for one in winner] == ["pushed"]
    assert (winner[0]["commit"] in server.log(MAIN), total(server)) == left


def what_git_says_is_believed(patch: Patch) -> None:
    def push(self: Remote, new: str, ref: str, old: str | None) -> Pushed:
        self.repository.git.run(
            "push", f"--force-with-lease={ref}:{old or ''}", "--", self.name, f"{new}:{ref}", writes=True
        )
        return Pushed(Outcome.MINE, new)

    patch.setattr(Remote, "push", push)


@incident(("pushed", True), (what_git_says_is_believed, ("pushed", False)))
def test_12_a_push_retry_reported_success_with_its_commit_unpushed(
    server: HttpRemote, guard: None, left: tuple[str, bool]
) -> None:
    """The job was green, the remote did not have its commit, and a later `reset --hard` destroyed it. Here somebody
    sets the branch back just after git said that all went well.
    """

    def undo(push: Push) -> None:
        server.after_push = None
        server.repo.git("update-ref", push.ref, push.old)

    send(server, counts(1))
    server.after_push = undo
    published = remote_world.merge(server).published
    assert (published.operation, published.commit == server.tip()) == left


def nothing_is_loud(patch: Patch) -> None:
    patch.setattr(alarms, "_TABLE", {})


@incident((9, {"fallbacks", "silent"}), (nothing_is_loud, (0, set())))
def test_15_frame_after_frame_was_empty_and_every_run_was_green(
    world: Repo, guard: None, left: tuple[int, set[str]]
) -> None:
    """Some 1,247 frames in a row took nothing in: the workers had nothing but excuses, and no run failed."""
    world.commit({".github/dreamcatcher.yml": b"alarms: {exit-code: 9, silent-seconds: 3600, fallbacks: 5}\n"})
    for number in range(5, 10):
        deliver(world, "w1", number, _meta={"status": "fallback"})
        assert outcomes(merge(world)) == [("fallback", "nothing_to_say")]
    before = world.head
    assert merge(world).json["operation"] == "none"
    assert world.head == before, "a frame of nothing at all is none"
    said = run("status", "--repo", world.path, "--json")
    assert (said.code, {one["name"] for one in said.json["alarms"]}) == left


def a_run_merges_what_it_was_started_for(patch: Patch) -> None:
    whole = frame.collect

    def collect(*arguments: Any) -> Any:
        collected = whole(*arguments)
        newest = max(collected.candidates, key=lambda one: (one.arrived or 0, one.path))
        return collected._replace(candidates=[newest])

    patch.setattr(frame, "collect", collect)


@incident(20, (a_run_merges_what_it_was_started_for, 1))
def test_16_of_twenty_runs_in_one_concurrency_group_nineteen_were_cancelled(
    server: HttpRemote, guard: None, left: int
) -> None:
    """The platform keeps one pending run of a group and cancels the others, and cancelled is not red."""
    for number in range(20):
        send(server, counts(1), worker=f"w{number}")
    remote_world.merge(server)
    assert total(server) == left


@incident([1], (only_the_tip_is_read, []))
def test_18_a_delta_was_deleted_by_cleanup_between_being_read_and_being_merged(
    world: Repo, guard: None, left: list[int], monkeypatch: Patch
) -> None:
    """The merge listed the files, the cleanup took one away, and the merge went on without it."""
    path = deliver(world, "w1", **post(1))
    commit_inbox(world)
    whole = CommitPublisher.publish

    def publish(self: CommitPublisher, made: Frame) -> Published:
        if (world.path / path).exists():
            world.commit({path: None}, "cleanup: old deltas")
        return whole(self, made)

    monkeypatch.setattr(CommitPublisher, "publish", publish)
    assert merge(world).code == 0
    assert not [one for one in world.files() if one.startswith(f"{INBOX}/frame-")]
    assert posts(world) == left
