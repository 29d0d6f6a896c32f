"""The policy step: a command of the user's own decides what is open, and can do nothing else."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merge_bot.errors import SettingsError
from merge_bot.history import History
from merge_bot.settings import SETTINGS_PATH, Settings
from tests.command import INBOX, begun, delta, run
from tests.repo import Repo

SHORTEST = """
import json, os, sys
asked = json.load(sys.stdin)
open("saw.json", "w").write(json.dumps({"asked": asked, "environment": dict(os.environ)}))
print(json.dumps({"_control": [
    {"op": "resolve", **{name: one[name] for name in ("collection", "key", "field", "frame")},
     "value": min((by["value"] for by in one["candidates"]), key=len)}
    for one in asked["conflicts"]
]}))
"""


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    repo = begun(Repo(tmp_path))
    yield repo
    with History(str(repo.path)) as history:
        assert history.verify().findings == []
        assert [one for one in range(405, history.newest + 1) if history.replay(one).same is not True] == []


def step(repo: Repo, code: str, more: str = "") -> None:
    """The settings name a command that runs this Python."""
    command = json.dumps(f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}")
    repo.commit({SETTINGS_PATH: f"policy-step:\n  command: {command}\n{more}".encode()})


def disagree(repo: Repo, frame: int = 405) -> None:
    for at, (stream, bio) in enumerate([("w1", "long words"), ("w2", "short"), ("w3", "longer words")]):
        change = {"agent_id": "aria", "name": "Aria", "bio": bio}
        data = delta(stream, frame, f"2026-03-25T03:10:{at:02d}Z", profile_updates=[change])
        repo.write(f"{INBOX}/frame-{frame}-{stream}.json", data)


def bio(repo: Repo) -> Any:
    return json.loads((repo.path / "state/agents/aria.json").read_text())["bio"]


def test_what_it_answers_is_decided_by_the_next_merge(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    step(repo, SHORTEST)
    disagree(repo)
    said = run("merge", "--repo", repo.path)
    assert (said.code, bio(repo)) == (0, "longer words")
    assert "policy-step decided 1 of 1 open conflict: " in said.out + said.err
    saw = json.loads((repo.path / "saw.json").read_text())
    (one,) = saw["asked"]["conflicts"]
    assert (saw["asked"]["frame"], one["value"], one["policy"]) == (406, "longer words", "latest")
    assert "GITHUB_TOKEN" not in saw["environment"]
    (waiting,) = (repo.path / INBOX).glob("frame-406-policy.*.json")
    assert json.loads(waiting.read_text())["stream_id"] == "policy"
    assert (run("merge", "--repo", repo.path).code, bio(repo)) == (0, "short")
    assert (repo.path / "state/conflicts.json").read_text() == "{}\n"
    assert not list((repo.path / INBOX).glob("frame-*.json"))


def test_it_is_not_asked_where_nothing_is_open_nor_in_a_dry_run(repo: Repo) -> None:
    step(repo, SHORTEST)
    repo.write(f"{INBOX}/frame-405-w1.json", delta("w1", profile_updates=[{"agent_id": "aria", "name": "Aria"}]))
    assert run("merge", "--repo", repo.path).code == 0
    disagree(repo, 406)
    assert run("merge", "--dry-run", "--repo", repo.path).code == 0
    assert not (repo.path / "saw.json").exists()


def printing(value: Any) -> str:
    return f"print({json.dumps(value)!r})"


@pytest.mark.parametrize(
    ("code", "letter"),
    [
        ("raise SystemExit('no idea')", "ended with code 1. The frame is merged all the same"),
        ("raise SystemExit('no idea')", "It said: no idea"),
        ("print('{')", "answered cannot be used. The file ends in the middle of an object"),
        (printing([]), "answered cannot be used. It answers with a delta that holds decisions alone"),
        (printing({"_control": {}}), "It answers with a delta that holds decisions alone"),
        (printing({"profile_updates": [], "_control": []}), "It answers with a delta that holds decisions alone"),
        (printing({"_control": [{"op": "drop", "delta": "0" * 64, "frame": 405, "reason": "x"}]}), "/_control/0"),
        (printing({"_control": [{"op": "resolve", "collection": "agents"}]}), "/_control/0: "),
        ("import sys; sys.stdout.write('x' * 3_000_000)", "answered with more than 1,048,576 bytes"),
        ("import time; time.sleep(600)", "took longer than 1 seconds and was ended"),
        ("import os, time; os.fork() or time.sleep(600)", "took longer than 1 seconds and was ended"),
    ],
)
def test_what_it_does_wrong_is_told_and_the_frame_is_as_it_was(repo: Repo, code: str, letter: str) -> None:
    step(repo, code, "  seconds: 1\n" if "sleep" in code else "")
    disagree(repo)
    said = run("merge", "--repo", repo.path)
    assert said.code == 0
    assert letter in said.out + said.err
    assert bio(repo) == "longer words"
    assert not list((repo.path / INBOX).glob("frame-*.json"))


def test_it_may_resolve_and_nothing_else(repo: Repo) -> None:
    step(repo, printing({}))
    disagree(repo)
    assert run("merge", "--repo", repo.path).code == 0
    requests = [
        {"op": "enable", "worker": "w1"},
        {"op": "resolve", "collection": "agents", "key": "aria", "field": "bio", "frame": 405, "value": "short"},
    ]
    for stream in ("policy", "w1"):
        data = delta(stream, 406, "2026-03-25T03:20:00Z", _control=requests)
        repo.write(f"{INBOX}/frame-406-{stream}.json", data)
    assert run("merge", "--repo", repo.path).code == 0
    path = "state/frames/000/000406/receipts.jsonl"
    receipts = [json.loads(line) for line in (repo.path / path).read_text().splitlines()]
    found = {one["stream_id"]: [asked["reason"] for asked in one["operations"]] for one in receipts}
    assert found == {"policy": ["not_an_operator", "resolved"], "w1": ["not_an_operator", "not_an_operator"]}


def test_without_a_command_its_name_means_nothing(repo: Repo) -> None:
    disagree(repo)
    assert run("merge", "--repo", repo.path).code == 0
    request = {"op": "resolve", "collection": "agents", "key": "aria", "field": "bio", "frame": 405, "value": "short"}
    repo.write(f"{INBOX}/frame-406-policy.json", delta("policy", 406, "2026-03-25T03:20:00Z", _control=[request]))
    assert (run("merge", "--repo", repo.path).code, bio(repo)) == (0, "longer words")


def test_the_setting_is_a_command_or_says_more() -> None:
    assert Settings.load(b"policy-step: ./decide --now").policy_step.command == "./decide --now"
    assert Settings.load(b"policy-step: {command: x, seconds: 5, stream: judge}").policy_step.stream == "judge"
    for wrong in (b"policy-step: 3", b"policy-step: {seconds: 0}", b"policy-step: {comand: x}"):
        with pytest.raises(SettingsError):
            Settings.load(wrong)
