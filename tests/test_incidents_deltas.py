"""Incidents of what lay in the inbox: late, odd, doubled, overwritten, swept away."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from merge_bot import admit, collection, frame
from merge_bot.findings import Rejection
from merge_bot.ledger import Ledger
from merge_bot.transports.inbox import InboxTransport
from tests import past
from tests.command import INBOX
from tests.incidents import (
    FRAME,
    admission_by,
    commit_inbox,
    count,
    deliver,
    guard,
    incident,
    lines,
    merge,
    only_the_tip_is_read,
    outcomes,
    post,
    posts,
    world,
)  # fmt: skip
from tests.repo import Repo
from tests.world import INTEGER, TEXT, schema

__all__ = ["guard", "world"]
Patch = pytest.MonkeyPatch
FALLBACK = {"_meta": {"status": "fallback"}}


def a_merged_frame_is_closed(patch: Patch) -> None:
    def filled(self: Ledger, number: int, stream_id: str, run: str | None) -> bool:
        return any(one.stream_id == stream_id for one in self.lines(number))

    patch.setattr(Ledger, "slot_filled", filled)


@incident((8, 38, 8), (a_merged_frame_is_closed, (0, 0, 0)))
def test_05_a_frame_was_merged_from_three_fallbacks_and_the_real_delta_came_52_minutes_later(
    world: Repo, guard: None, left: tuple[int, int, int]
) -> None:
    """Its 8 posts and 38 comments never entered: the frame was over, and a delta of that worker was there."""
    for stream in ("w1", "w2", "w3"):
        deliver(world, stream, **FALLBACK)
    assert outcomes(merge(world)) == [("fallback", "nothing_to_say")] * 3
    comments = [{"post": number % 8, "author": "kai", "body": str(number)} for number in range(38)]
    path = deliver(world, "w2", FRAME, -52 * 60, **post(*range(8)), comments=comments)
    said = merge(world)
    assert [one["source"] for one in said.json["receipts"]] == [path]
    assert (len(posts(world)), len(lines(world, "state/comments")), count(world)) == left


AGENT_FOR_AUTHOR = [{"post": number % 22, "agent": "kai", "body": str(number)} for number in range(119)]
LOOSE = schema(
    "append", {"post": INTEGER, "author": TEXT, "agent": TEXT, "body": TEXT}, ["post", "body"], key=["post", "author"],
    else_key=["post", "body"],
)  # fmt: skip


def a_missing_field_is_a_key_like_any_other(patch: Patch) -> None:
    def values(record: dict[str, Any], spaces: list[tuple[int, list[str], list[int]]]) -> list[Any]:
        return [0, *(record.get(name, "") for name in spaces[0][1])]

    patch.setattr(collection, "_values_of", values)


@incident(119, (a_missing_field_is_a_key_like_any_other, 22))
def test_06_comments_said_agent_where_the_key_read_author(world: Repo, guard: None, left: int) -> None:
    """A field that was missing became one key for all: of 119 comments on 22 posts 22 were kept, the others taken for
    copies of those.
    """
    world.commit(past.rules({"comments": LOOSE}))
    deliver(world, "w1", comments=AGENT_FOR_AUTHOR)
    assert merge(world).code == 0
    assert len(lines(world, "state/comments")) == left


def test_06_without_a_second_key_a_schema_has_to_require_the_first(world: Repo) -> None:
    """What a schema lets in has a key, so the delta of that incident is refused whole, with a letter."""
    loose = {name: value for name, value in LOOSE.items() if name != "x-merge"}
    world.commit(past.rules({"comments": loose | {"x-merge": {"strategy": "append", "key": ["post", "author"]}}}))
    said = merge(world)
    assert (said.code, "A record may lack `author`, and would then have no key." in said.err) == (1, True)
    world.git("reset", "--quiet", "--hard", "HEAD^")
    deliver(world, "w1", comments=AGENT_FOR_AUTHOR)
    assert outcomes(merge(world)) == [("quarantined", "no_key")]


DRIFTED: dict[str, Any] = {
    "w1": {"posts": [6495, 6496]},
    "w2": {"stats": 22},
    "w3": {"comments": ["c-1", "c-2"]},
    "w4": {"souls": {"id": "kai", "saw": "an object"}},
}


def one_bad_delta_stops_the_frame(patch: Patch) -> None:
    whole = frame.judge_all

    def judge_all(*arguments: Any) -> Any:
        judged = list(whole(*arguments))
        for _, verdict in judged:
            if isinstance(verdict, Rejection):
                raise AttributeError("'int' object has no attribute 'get'")
        return judged

    patch.setattr(frame, "judge_all", judge_all)


@incident((0, [1]), (one_bad_delta_stops_the_frame, (3, [])))
def test_07_the_merge_crashed_on_what_language_models_wrote(world: Repo, guard: None, left: tuple[int, Any]) -> None:
    """Posts were bare integers, counts a number, comments the ids of comments, observations one object: each took the
    frame of all the others with it.
    """
    bad = {deliver(world, stream, **content) for stream, content in DRIFTED.items()}
    deliver(world, "w5", **post(1))
    said = merge(world)
    if said.code == 0:
        refused = [one for one in said.json["receipts"] if one["outcome"] == "quarantined"]
        assert {one["source"] for one in refused} == bad
        assert all(problem["remedy"] for one in refused for problem in one["problems"])
    assert (said.code, posts(world)) == left


def frame_and_time_name_a_delta(patch: Patch) -> None:
    def first_of_each(admission: admit.Admission) -> None:
        by_name = {(one.frame, one.utc): one for one in reversed(admission.admitted)}
        admission.admitted = sorted(by_name.values(), key=lambda one: one.origin)

    admission_by(first_of_each, patch)


@incident([1, 2, 3, 4], (frame_and_time_name_a_delta, [1, 4]))
def test_08_frame_and_time_were_not_unique(world: Repo, guard: None, left: list[int]) -> None:
    """7,614 deltas had 6,207 pairs of frame and time, because many workers made up times that end in `:00`; some lay in
    the future, one was empty.
    """
    for number in (1, 2, 3):
        deliver(world, f"w{number}", **post(number))
    deliver(world, "w4", seconds=1, **post(4))
    for name, utc in (("future", "2031-01-01T00:00:00Z"), ("timeless", "")):
        content = json.loads(past.made(name, FRAME, 0, **post(9))) | {"utc": utc}
        past.put(world, f"frame-{FRAME}-{name}.json", json.dumps(content).encode())
    said = outcomes(merge(world))
    assert said[-2:] == [("quarantined", "bad_utc"), ("quarantined", "clock_ahead")]
    assert posts(world) == left


@incident(list(range(58)), (only_the_tip_is_read, []))
def test_09_prepared_deltas_were_overwritten_by_empty_ones(world: Repo, guard: None, left: list[int]) -> None:
    """Five deltas with 58 articles were overwritten under their own names by a job that had found nothing to say."""
    shares = [range(at, 58, 5) for at in range(5)]
    for at, numbers in enumerate(shares):
        deliver(world, f"w{at}", seconds=60, run="night", **post(*numbers))
    commit_inbox(world, "five prepared deltas")
    for at in range(5):
        deliver(world, f"w{at}", seconds=0, run="night", posts=[])
    commit_inbox(world, "nothing to say")
    assert merge(world).code == 0
    assert posts(world) == left


@incident((1, 16, 17), (only_the_tip_is_read, (1, 0, 1)))
def test_09_one_path_had_seventeen_versions(world: Repo, guard: None, left: tuple[int, int, int]) -> None:
    """One stream id wrote 17 contents to one path. One counts, and each of the others is kept and told of."""
    for number in range(17):
        deliver(world, "w1", seconds=60 - number, **post(number))
        commit_inbox(world)
    said = Counter(outcomes(merge(world)))
    kept = [path for path in world.files() if path.startswith("state/frames/000/000005/") and "w1" in path]
    assert (len(posts(world)), said["quarantined", "slot_reused"], len(kept)) == left


def copies_count(patch: Patch) -> None:
    def again(admission: admit.Admission) -> None:
        copies = Counter(one.digest for one, receipt in admission.settled if receipt.outcome == "duplicate")
        admission.admitted = [one for one in admission.admitted for _ in range(1 + copies[one.digest])]

    admission_by(again, patch)


@incident((1, 62), (copies_count, (63, 62)))
def test_10_sixty_two_copies_matched_the_glob(world: Repo, guard: None, left: tuple[int, int]) -> None:
    """A file manager had left 62 identical copies named `… 2.json`, and every one was merged."""
    path = deliver(world, "w1", stats={"posts": 1})
    data = (world.path / path).read_bytes()
    for number in range(2, 64):
        past.put(world, f"frame-{FRAME}-w1 {number}.json", data)
    said = merge(world)
    odd = [one["source"] for one in said.json["receipts"] if one["outcome"] == "duplicate" and " " in one["source"]]
    assert (count(world), len(odd)) == left


def what_is_not_for_this_frame_is_swept_out(patch: Patch) -> None:
    whole = InboxTransport.settle

    def settle(self: InboxTransport, consumed: Any, held: Any) -> Any:
        held = list(held)
        return {**whole(self, consumed, held), **{one.path: None for one in held if one.at_tip}}

    patch.setattr(InboxTransport, "settle", settle)


@incident((["frame-20260416-x.json"], [1, 2, 3]), (what_is_not_for_this_frame_is_swept_out, ([], [1, 2, 3])))
def test_13_cleanup_deleted_deltas_by_the_number_in_their_names(world: Repo, guard: None, left: Any) -> None:
    """Whatever was some frames old was deleted, merged or not; `frame-20260416-x.json` was read as frame 20,260,416,
    and everything else was old then.
    """
    deliver(world, "w1", **post(1))
    assert merge(world).code == 0
    old = deliver(world, "w2", FRAME, **post(2))
    deliver(world, "w1", FRAME + 1, **post(3))
    ahead = deliver(world, "x", 20260416, **post(4))
    said = merge(world)
    assert [(one["source"], one["outcome"]) for one in said.json["receipts"] if one["source"] == old] == [(old, "late")]
    assert [one["source"] for one in said.json["held"]] == [ahead]
    waiting = [path.rpartition("/")[2] for path in world.files() if path.startswith(f"{INBOX}/frame-")]
    assert (waiting, posts(world)) == left


def test_13_what_leaves_the_archive_was_merged(world: Repo) -> None:
    """The only cleanup that there is takes archives of merged frames, of which the ledger knows every delta."""
    world.commit({".github/dreamcatcher.yml": b"keep-frames: 1\n"})
    for number in (1, 2, 3):
        deliver(world, "w1", number + 4, **post(number))
        deliver(world, "early", 20, run=str(number), **post(number + 10))
        assert merge(world).code == 0
    waiting = {path for path in world.files() if path.startswith(f"{INBOX}/frame-")}
    assert waiting == {f"{INBOX}/frame-20-early.{number}.json" for number in (1, 2, 3)}
    assert [path for path in world.files() if path.startswith("state/frames/000/000005/deltas")] == []
    known = lines(world, "state/_control/ledger")
    assert [one["outcome"] for one in known] == ["applied"] * 3
    assert posts(world) == [1, 2, 3]
