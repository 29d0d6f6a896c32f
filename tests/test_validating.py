"""Much at once is read and judged by several processes, and comes to the same frame as little does in one."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import pytest

from merge_bot import collect, commit_files, processes, validating
from merge_bot.clone import Clone
from merge_bot.git import ahead, repository
from merge_bot.git.objects import Objects
from merge_bot.validate import validate
from tests.command import INBOX, begun, deliver, delta
from tests.repo import Repo

NOW = datetime(2026, 3, 25, 4, tzinfo=UTC)
AGENTS = [{"agent_id": f"agent-{one}", "name": "A"} for one in range(3)]


def merged(repo: Repo, name: str) -> tuple[str, list[tuple[str, str | None, str | None]]]:
    copy = Repo(repo.path.with_name(name))
    shutil.copytree(repo.path, copy.path)
    with Clone.open(str(copy.path)) as clone:
        frame = clone.merge(NOW).frame
    assert frame is not None
    return copy.git("rev-parse", "HEAD^{tree}"), [(one.outcome, one.reason, one.stream_id) for one in frame.receipts]


@pytest.mark.parametrize("cores", [1, 3])
def test_a_frame_is_the_same_however_it_was_read(repo: Repo, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(repo)
    deliver(repo, delta("w0", profile_updates=AGENTS, channels_updated=[{"slug": "c", "name": "C"}]))
    for one in range(1, 40):
        post = {"number": one, "title": "t", "channel": "c", "author": f"agent-{one % 4}"}
        same = {"number": one // 2, "title": f"{one % 3}", "channel": "c", "author": "agent-0"}
        deliver(repo, delta(f"w{one}", posts_created=[post, same], stats_increments={"total_posts": 1}))
    repo.write(f"{INBOX}/frame-405-half.json", b'{"frame": 405,')
    repo.write(f"{INBOX}/frame-405-large.json", b"[" * 2_000_000)
    repo.git("add", "--all")
    repo.commit()
    little = merged(repo, "little")
    assert {outcome for outcome, _, _ in little[1]} == {"applied", "quarantined"}
    for module, limit in ((collect, "MUCH"), (validating, "MUCH"), (ahead, "_MUCH"), (repository, "_MUCH")):
        monkeypatch.setattr(module, limit, 0)
    monkeypatch.setattr(commit_files, "_MANY", 1)
    monkeypatch.setattr(processes, "cores", lambda: cores)
    assert merged(repo, "much") == little


def test_a_large_frame_of_which_nothing_enters_comes_to_its_end(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(repo)
    repo.commit({f"{INBOX}/frame-405-w{one}.json": b'{"frame": 405,' for one in range(3)})
    for module, limit in ((collect, "MUCH"), (validating, "MUCH"), (ahead, "_MUCH"), (repository, "_MUCH")):
        monkeypatch.setattr(module, limit, 0)
    assert [outcome for outcome, _, _ in merged(repo, "copy")[1]] == ["quarantined"] + ["duplicate"] * 2


@pytest.mark.parametrize("unread", [False, True])
def test_git_is_asked_for_deltas_as_often_whether_they_are_few_or_many(
    repo: Repo, unread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(repo)
    for one in range(40):
        repo.write(f"{INBOX}/frame-405-w{one}.json", delta(f"w{one}", stats_increments={"total_posts": 1}))
    repo.git("add", "--all")
    repo.commit()
    if unread:
        monkeypatch.setattr(collect, "MUCH", 0)
    with Clone.open(str(repo.path)) as clone:
        candidates = clone.collected(NOW).candidates
        base = clone.base()
        asked: list[int] = []
        talk = Objects._talk
        monkeypatch.setattr(Objects, "_talk", lambda *given: asked.append(1) or talk(*given))
        judged = validating.judge_all(clone.repository, candidates, lambda one: validate(one, base.rules))
    assert len(judged) == 40
    assert len(asked) == unread
