"""What a reader holds: which frame, as of when, how many deltas wait behind it, and when that is too old."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from merge_bot import Worker
from merge_bot.delta import parse_utc
from merge_bot.errors import EXIT_TRY_AGAIN, RepositoryError, StaleState
from merge_bot.reader import Newest
from tests.command import INBOX, begun, deliver, delta, run
from tests.http_remote import HttpRemote
from tests.remote_world import agent, merge, send, server
from tests.repo import Repo
from tests.test_cli_merge import FIRST

__all__ = ["server"]

LONG_AGO = datetime(2026, 3, 25, 4, tzinfo=UTC)  # when `tests.remote_world.merge` merges


@pytest.fixture
def world(repo: Repo) -> Repo:
    deliver(begun(repo), FIRST)
    assert run("merge", "--repo", repo.path).code == 0
    return repo


def test_a_reader_is_told_what_it_holds_and_what_waits_behind_it(world: Repo) -> None:
    world.commit({f"{INBOX}/frame-406-w1.json": delta("w1", 406), f"{INBOX}/frame-900-w2.json": delta("w2", 900)})
    deliver(world, delta("w3", 406))
    with Worker("w1", root=world.path).read() as now:
        assert (now.frame, now.behind) == (405, 2)
        assert now.as_of == json.loads((world.path / "state/_meta.json").read_text())["as_of"]
        assert now.record("agents", "agent-aria")["bio"] == "rebel"
        assert [one["number"] for _, one in now.records("posts")] == [6201]
        assert now.record("agents", "nobody") is None
        with pytest.raises(KeyError):
            now.record("planets", "x")


def test_status_names_the_stale_window(world: Repo) -> None:
    world.commit({f"{INBOX}/frame-406-w1.json": delta("w1", 406), f"{INBOX}/frame-900-w2.json": delta("w2", 900)})
    told = run("status", "--repo", world.path, "--json").json["readers"]
    assert (told["frame"], told["behind"]) == (405, 1)
    assert 0 <= told["seconds"] < 3600
    text = run("status", "--repo", world.path).out
    assert re.search(r"^Readers hold frame 405, as of \d+ seconds? ago; 1 delta waits behind it\.$", text, re.MULTILINE)


def test_what_is_older_than_wanted_is_refused_with_a_remedy(world: Repo) -> None:
    w = Worker("w1", root=world.path)
    with w.read(max_age=3600):
        pass
    with pytest.raises(StaleState) as raised, w.read(max_age=-1):
        pass
    assert raised.value.exit_code == EXIT_TRY_AGAIN
    assert re.fullmatch(
        r"The newest frame in this clone is frame 405 of \S+Z, \d seconds ago; at most -1 were wanted\. "
        r"Nothing waits behind it here\.\nBring the clone up to date \(git pull\), or read on the remote: "
        r"Worker\(…, push=True\)\.",
        str(raised.value),
    )


def test_on_a_remote_what_is_the_newest_is_not_old_while_nothing_waits(server: HttpRemote, tmp_path: Path) -> None:
    send(server, json.dumps(agent("aria")).encode())
    merge(server, LONG_AGO)
    w = Worker("w1", root=tmp_path, push=True, remote=server.url)
    with w.read(max_age=60) as now:
        assert (now.frame, now.behind, now.age(datetime.now(UTC))) == (405, 0, 0.0)
        assert now.record("agents", "aria")["name"] == "ARIA"
    send(server, json.dumps(agent("kai")).encode(), "w2")
    with pytest.raises(StaleState) as raised, w.read(max_age=60):
        pass
    assert str(raised.value).endswith(
        "at most 60 were wanted. 1 delta waits behind it.\n"
        "Wait for the next merge, or start one (dreamcatcher merge --remote …)."
    )
    with w.read() as now:
        assert now.behind == 1


def test_the_age_is_counted_from_the_merge(world: Repo) -> None:
    with Worker("w1", root=world.path).read() as now:
        assert isinstance(now, Newest)
        merged = datetime.fromtimestamp((parse_utc(now.as_of) or 0) / 1_000_000, UTC)
        assert now.age(merged + timedelta(seconds=90)) == pytest.approx(90, abs=0.001)
        assert now.age(merged - timedelta(seconds=90)) == 0.0


def test_where_there_is_no_frame_there_is_nothing_to_read(repo: Repo) -> None:
    repo.commit({"a": b""})
    with pytest.raises(RepositoryError, match="dreamcatcher init"), Worker("w1", root=repo.path).read():
        pass
