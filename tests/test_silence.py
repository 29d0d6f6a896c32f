"""Servers that accept the connection and never answer: nobody waits for them longer than a budget, and nothing is lost.

The limits are made small; what is tried is that there are any, and what comes of them.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from merge_bot.canonical import digest
from merge_bot.errors import Contended, RemoteUnreachable
from merge_bot.git import remote as git_remote
from merge_bot.github_api import GitHub
from tests.command import delta, run
from tests.fake_github import SLUG, TOKEN
from tests.http_remote import HttpRemote
from tests.remote_world import hasty, merge, ops, send, server

__all__ = ["server"]
WHOLE = delta("w1", stats_increments={"total_posts": 1})
SLOW = "Operation too slow. Less than 1 bytes/sec transferred the last 1 seconds"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_remote, "SILENCE", 1)


def test_a_merge_of_a_silent_remote_ends_with_75_and_a_letter(server: HttpRemote, tmp_path: Path) -> None:
    server.silent = "/info/refs"
    done = run("merge", "--remote", server.url, "--repo", tmp_path / "nowhere")
    assert done.code == 75
    assert f"The remote {server.url} could not be reached, or did not answer as a git server does:" in done.err
    assert SLOW in done.err
    assert (
        "Nothing is lost. Check the address, the network and the proxy (https_proxy), and run this again." in done.err
    )


def test_a_push_that_is_never_answered_is_tried_within_the_budget_and_lands_with_the_next_run(
    server: HttpRemote,
) -> None:
    send(server, ops("a"))
    server.requests.clear()
    server.silent = "git-receive-pack"
    before = server.tip()
    with pytest.raises(Contended) as raised:
        merge(server, patience=lambda: hasty(2))
    assert raised.value.exit_code == 75
    assert SLOW in str(raised.value) and "The frame was not pushed within 2 seconds. Nothing is lost" in str(
        raised.value
    )
    assert sum("service=git-receive-pack" in one for one in server.requests) == 2
    server.silent = ""
    assert server.tip() == before
    assert merge(server).frame.merged_deltas == 1


@pytest.mark.parametrize(("silent", "error"), [("/", RemoteUnreachable), ("git-receive-pack", Contended)])
def test_a_submit_to_a_silent_remote_keeps_the_delta(
    server: HttpRemote, tmp_path: Path, silent: str, error: type[Exception]
) -> None:
    server.silent = silent
    with pytest.raises(error) as raised:
        send(server, WHOLE, patience=hasty(1))
    assert getattr(raised.value, "exit_code", 0) == 75
    name = f"{'unsent-w1' if silent == '/' else 'frame-405-w1'}.{digest(WHOLE)[:12]}.json"
    assert (tmp_path / name).read_bytes() == WHOLE
    assert str(raised.value).endswith(
        f"was given up. Nothing is lost: run it again.\nThe delta is kept at {tmp_path / name}: submit that file."
    )


@pytest.fixture
def deaf() -> Iterator[str]:
    """HOST:PORT of a server that takes connections in and says nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_remotes_that_speak_no_http_have_a_limit_too(
    deaf: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "git")
    monkeypatch.setattr(git_remote, "PATIENCE", 0.2)
    done = run("merge", "--remote", f"git://{deaf}/world", "--repo", tmp_path / "nowhere")
    assert (done.code, "no answer within 0.2 seconds" in done.err) == (75, True), done.err


def test_a_silent_api_has_a_limit(deaf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merge_bot.github_api._SECONDS", 1)
    monkeypatch.setattr("merge_bot.github_api._TRIES", 0)
    github = GitHub(SLUG, TOKEN, f"http://{deaf}", pace=0)
    for ask in (github.facts, lambda: github.set_labels(1, ["a"])):
        with pytest.raises(RemoteUnreachable, match="timed out") as raised:
            ask()
        assert raised.value.exit_code == 75
