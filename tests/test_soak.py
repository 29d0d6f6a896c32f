"""The soak in its short form (`make soak` is the long one); and its oracle, which has to see what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import INBOX, delta
from tests.repo import Repo
from tests.soak import soak, world
from tests.soak_oracle import accuse

Change = Callable[[dict[str, bytes]], dict[str, bytes | None]]


def test_workers_merges_and_the_remote_die_and_every_operation_is_accounted_for(tmp_path: Path) -> None:
    told = soak(tmp_path, workers=3, merges=2, frames=4, seed="short")
    print(told)
    assert told.wrong == []
    assert told.frames >= 4 and told.kills.total() and told.account.operations > 19


def _show(repo: Repo, path: str) -> bytes:
    text = repo.git("show", f"HEAD:{path}").encode("utf-8", "surrogateescape")
    return text + b"\n" if text else b""


def _first(files: dict[str, bytes], *words: str) -> str:
    return next(path for path in sorted(files) if all(word in path for word in words) and files[path].strip())


def _without_its_first_line(*words: str) -> Change:
    def change(files: dict[str, bytes]) -> dict[str, bytes | None]:
        path = _first(files, *words)
        return {path: files[path].partition(b"\n")[2]}

    return change


def _with_its_first_line_twice(*words: str) -> Change:
    def change(files: dict[str, bytes]) -> dict[str, bytes | None]:
        path = _first(files, *words)
        return {path: files[path].partition(b"\n")[0] + b"\n" + files[path]}

    return change


def _changed(path: str, **values: int | str | list[str]) -> Change:
    def change(files: dict[str, bytes]) -> dict[str, bytes | None]:
        value = json.loads(files[path])
        value |= {name: value.get(name, 0) + one if isinstance(one, int) else one for name, one in values.items()}
        return {path: json.dumps(value).encode()}

    return change


def _gone(*words: str) -> Change:
    return lambda files: {_first(files, *words): None}


@pytest.mark.parametrize(
    ("change", "accusation"),
    [
        (_without_its_first_line("state/posts/"), "posts: "),
        (_with_its_first_line_twice("state/posts/"), "posts: "),
        (_without_its_first_line("state/comments/"), "comments: "),
        (_with_its_first_line_twice("state/souls/"), "observations: "),
        (_gone("state/souls/"), "observations: "),
        (_gone("state/follows/"), "follows: "),
        (_gone("state/agents/agent-5"), "agents: agent-5 should be 1 and is 0"),
        (_changed("state/stats.json", total_posts=1), "counters: total_posts"),
        (_changed("state/agents/agent-1.json", karma=1), "agent agent-1: karma"),
        (_changed("state/agents/agent-1.json", tags=["other"]), "agent agent-1: tags"),
        (_changed("state/agents/agent-1.json", bio="other"), "agent agent-1: bio"),
        (_changed("state/agents/tally.json", bio="7"), "agent tally: bio"),
        (_gone("/deltas/frame-"), "are not kept"),
        (_without_its_first_line("/receipts.jsonl"), "no receipt tells of it"),
        (_with_its_first_line_twice("/receipts.jsonl"), "entered 2 times"),
    ],
)  # fmt: skip
def test_the_oracle_sees_what_a_bad_merge_would_do(tmp_path: Path, change: Change, accusation: str) -> None:
    remote = world(tmp_path)
    assert accuse(remote.path).accusations == []
    clone = Repo(tmp_path / "clone")
    files = {path: _show(clone, path) for path in clone.files() if path.startswith("state/")}
    clone.commit(change(files))
    accusations = accuse(clone.path).accusations
    assert [one for one in accusations if accusation in one], accusations


@pytest.mark.parametrize("where", ["the inbox", "a branch", "a version that was overwritten"])
def test_the_oracle_sees_what_nobody_took_in(tmp_path: Path, where: str) -> None:
    remote, clone = world(tmp_path), Repo(tmp_path / "clone")
    name, data = f"{INBOX}/frame-406-w1.json", delta("w1", 406, stats_increments={"total_posts": 1})
    if where == "a branch":
        clone.git("checkout", "--quiet", "--orphan", "deltas/w1")
        clone.git("read-tree", "--empty")
        clone.commit({"frame-406-w1.json": data})
    else:
        clone.commit({name: data})
    if where == "a version that was overwritten":
        clone.commit({name: None})
    clone.git("push", "--quiet", str(remote.path), "HEAD")
    (accusation,) = accuse(remote.path).accusations
    assert accusation.endswith("was handed in, and no receipt tells of it")
