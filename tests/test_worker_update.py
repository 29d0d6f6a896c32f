"""`Worker.update`: read, compute, write, and compute again where another write came first. Real git, real merges."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from merge_bot import Worker
from merge_bot.clone import Clone
from merge_bot.errors import Contended, DeltaRejected, DreamcatcherError
from tests import past, remote_world
from tests.http_remote import HttpRemote
from tests.remote_world import server
from tests.repo import Repo
from tests.world import INTEGER, STRINGS, TEXT, schema

__all__ = ["server"]
SCHEMAS = {
    "agents": schema(
        "last-writer-wins",
        {
            "id": TEXT, "seen": INTEGER, "bio": TEXT, "friend": TEXT,
            "karma": {"type": "number", "x-merge": {"strategy": "sum"}},
            "tags": {**STRINGS, "x-merge": {"strategy": "union"}},
            "mood": {"type": "string", "x-merge": {"on_conflict": "hold"}},
        },
        ["id"], key=["id"], references={"friend": "agents"},
    ) | {"additionalProperties": False},
    "cells": schema("last-writer-wins", {"x": INTEGER, "y": INTEGER, "v": INTEGER}, ["x", "y"], key=["x", "y"]),
    "posts": schema("append", {"n": INTEGER}, ["n"], key=["n"]),
}  # fmt: skip
KAI = {"id": "kai", "seen": 1, "karma": 0.3, "tags": ["a"]}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return past.begin(Repo.init(tmp_path), SCHEMAS, {"state/agents/kai.json": json.dumps(KAI).encode()})


def merge(repo: Repo) -> None:
    with Clone.open(str(repo.path)) as clone:
        assert clone.merge(datetime.now(UTC)).frame is not None


def agent(repo: Repo, name: str = "kai") -> dict[str, Any]:
    value: dict[str, Any] = json.loads((repo.path / f"state/agents/{name}.json").read_text())
    return value


def other(repo: Repo, frame: int, **fields: Any) -> None:
    """Another worker's delta of this frame, older than what a worker of today writes."""
    delta = past.made("w0", frame, 0, agents=[{"id": "kai", **fields}])
    past.put(repo, f"frame-{frame}-w0.json", delta)


def while_waiting(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], None]) -> list[Any]:
    """Each time that a worker would wait, the next of these happens; then its patience is spent."""
    left = list(steps)

    class Patience:
        def __init__(self, budget: float) -> None:
            self.budget = budget

        def wait(self) -> bool:
            if left:
                left.pop(0)()
                return True
            return False

    monkeypatch.setattr("merge_bot.patience.Patience", Patience)
    return left


def one_more(entity: dict[str, Any]) -> dict[str, Any]:
    return {**entity, "seen": entity.get("seen", 0) + 1}


def only_delta(repo: Repo) -> dict[str, Any]:
    (path,) = (repo.path / past.INBOX).glob("frame-*.json")
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def test_in_a_block_the_change_goes_into_its_delta_with_what_it_was_computed_from(repo: Repo) -> None:
    with Worker("w1", root=repo.path) as w:
        assert w.update("agents", "kai", one_more) == {**KAI, "seen": 2}
        assert w.update("agents", "kai", one_more) == {**KAI, "seen": 3}
        assert w.update("agents", "aria", one_more) == {"id": "aria", "seen": 1}
        w.add("posts", n=1)
    assert only_delta(repo)["agents"] == [
        {"id": "kai", "seen": 2, "_expect": {"seen": 1}},
        {"id": "kai", "seen": 3, "_expect": {"seen": 2}},
        {"id": "aria", "seen": 1, "_expect": {"seen": None}},
    ]
    merge(repo)
    assert (agent(repo)["seen"], agent(repo, "aria")) == (3, {"id": "aria", "seen": 1})


def test_what_adds_up_is_written_as_the_difference_and_asks_nobody(repo: Repo) -> None:
    def compute(entity: dict[str, Any]) -> dict[str, Any]:
        entity["tags"].append("b")
        return {"karma": entity["karma"] + 2, "tags": entity["tags"], "bio": "x"}

    with Worker("w1", root=repo.path) as w:
        w.set("agents", "kai", karma=1, tags=["c"])
        assert w.update("agents", "kai", compute, reads=["seen"]) == {
            **KAI, "karma": 3.3, "tags": ["a", "c", "b"], "bio": "x",
        }  # fmt: skip
    assert only_delta(repo)["agents"][1] == {
        "id": "kai", "karma": 2, "tags": ["b"], "bio": "x", "_expect": {"bio": None, "seen": 1},
    }  # fmt: skip


def test_nothing_changed_is_nothing_written(repo: Repo) -> None:
    with Worker("w1", root=repo.path) as w:
        w.update("agents", "kai", lambda entity: None)
        w.update("agents", "kai", lambda entity: {**entity, "seen": 1.0})
    assert "agents" not in only_delta(repo)
    assert Worker("w2", root=repo.path).update("agents", "kai", lambda entity: None) == KAI
    assert len(list((repo.path / past.INBOX).glob("frame-*.json"))) == 1


def test_a_key_of_several_fields_is_a_dict(repo: Repo) -> None:
    with Worker("w1", root=repo.path) as w:
        w.update("cells", {"x": 1, "y": 2}, lambda cell: {**cell, "v": 9})
        with pytest.raises(DeltaRejected, match="The key of `cells` is made of `x` and `y`"):
            w.update("cells", 1, lambda cell: cell)
        with pytest.raises(DeltaRejected, match="it lacks `x` and `y`"):
            w.update("cells", {"x": 1}, lambda cell: cell)
    assert only_delta(repo)["cells"] == [{"x": 1, "y": 2, "v": 9, "_expect": {"v": None}}]


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda entity: [1], "The function returned a Python list, not a dict."),
        (lambda entity: {"id": "zoe"}, "`id` is the key, which never changes."),
        (lambda entity: {"tags": ["b"]}, "`tags` is a set that only grows, and members are missing."),
        (lambda entity: {"karma": 1e300}, "`karma` would change by a number that JSON readers cannot keep exactly."),
        (lambda entity: {"karma": "3"}, "expected a number, found the string"),
        (lambda entity: {"tags": "b"}, "expected an array, found the string"),
        (lambda entity: {"sen": 2}, "unknown key; did you mean `seen`?"),
        (lambda entity: {"bio": {1}}, "JSON has no word for a Python set."),
    ],
)
def test_what_cannot_be_written_is_said_at_once(repo: Repo, fn: Any, message: str) -> None:
    for in_block in (True, False):
        with pytest.raises(DeltaRejected) as error:
            if in_block:
                with Worker("w1", root=repo.path) as w:
                    w.update("agents", "kai", fn)
            else:
                Worker("w2", root=repo.path).update("agents", "kai", fn)
        assert message in str(error.value)
    assert not list((repo.path / past.INBOX).glob("*w2*"))


def test_of_two_that_read_1_and_write_2_one_computes_again(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    def both() -> None:
        other(repo, 5, seen=2, _expect={"seen": 1})
        merge(repo)

    left = while_waiting(monkeypatch, both, lambda: merge(repo))
    computed = Worker("w1", root=repo.path).update("agents", "kai", one_more)
    assert (computed["seen"], agent(repo)["seen"], left) == (3, 3, [])
    told = Worker("w1", root=repo.path).receipts()
    assert [[one.reason.value for one in receipt.operations] for receipt in told] == [[], ["not_as_expected"]]


def test_it_computes_again_only_so_often(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = iter(range(5, 99))

    def another() -> None:
        frame = next(frames)
        other(repo, frame, seen=100 + frame)
        merge(repo)

    left = while_waiting(monkeypatch, *[another] * 9)
    with pytest.raises(Contended, match="computed 3 times, and each time another write came first"):
        Worker("w1", root=repo.path).update("agents", "kai", one_more, attempts=3)
    assert (agent(repo)["seen"], len(left)) == (107, 6)


def test_it_waits_only_so_long_and_the_delta_counts_nevertheless(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    while_waiting(monkeypatch)
    with pytest.raises(Contended, match="no merge took it in within 7 seconds"):
        Worker("w1", root=repo.path).update("agents", "kai", one_more, wait=7)
    merge(repo)
    assert agent(repo)["seen"] == 2


@pytest.mark.parametrize(
    ("change", "others", "message"),
    [
        ({"friend": "nobody"}, {}, "merged in frame 5, but is parked"),
        ({"mood": "b"}, {"mood": "c", "_late": True}, "merged in frame 5, but is held"),
        ({"bio": "b", "karma": 1}, {"bio": "c", "_late": True}, "what it added to sums and sets counts"),
    ],
)
def test_what_computing_again_would_not_help_is_said(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, change: Any, others: dict[str, Any], message: str
) -> None:
    def meanwhile() -> None:
        if others.pop("_late", False):
            later = json.loads(past.made("w9", 5, 0, agents=[{"id": "kai", **others}]))
            later["utc"] = datetime.now(UTC).isoformat()
            past.put(repo, "frame-5-w9.json", json.dumps(later).encode())
        merge(repo)

    while_waiting(monkeypatch, meanwhile)
    with pytest.raises(DreamcatcherError, match=message):
        Worker("w1", root=repo.path).update("agents", "kai", lambda entity: change)


def test_a_delta_that_is_refused_is_not_tried_again(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil() -> None:
        (path,) = (repo.path / past.INBOX).glob("frame-*.json")
        path.rename(path.with_name("frame-9-w1.json"))
        merge(repo)

    while_waiting(monkeypatch, spoil)
    with pytest.raises(DreamcatcherError, match="its delta is quarantined"):
        Worker("w1", root=repo.path).update("agents", "kai", one_more)


def test_over_a_remote_it_reads_what_stands_there(
    server: HttpRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clone under `root` is as old as its last pull."""
    mine = tmp_path / "mine"
    Repo.init(tmp_path / "any").git("clone", "--quiet", server.url, str(mine))
    remote_world.send(server, remote_world.ops("aria", bio="a"), worker="w0")
    remote_world.merge(server)

    def longer(entity: dict[str, Any]) -> dict[str, Any]:
        return {"bio": entity["bio"] + "!"}

    def rival() -> None:
        change = {"agent_id": "aria", "bio": "b", "_expect": {"bio": "a"}}
        content = json.dumps({"profile_updates": [change], "utc": "2026-03-25T04:00:00Z"})
        remote_world.send(server, content.encode(), worker="w0")
        remote_world.merge(server, datetime.now(UTC))

    while_waiting(monkeypatch, rival, lambda: remote_world.merge(server, datetime.now(UTC)))
    worker = Worker("w1", root=mine, push=True, remote=server.url)
    assert worker.update("agents", "aria", longer)["bio"] == "b!"
    assert remote_world.read(server, "state/agents/aria.json")["bio"] == "b!"
