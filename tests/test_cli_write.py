"""`dreamcatcher write`: operations from a file or a pipe become a delta that a merge takes, or a letter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from merge_bot.cli.letters import SLOT_OPTIONS
from tests.command import INBOX, Said, begun, masked, run
from tests.repo import Repo

KAI = {"profile_updates": [{"agent_id": "agent-kai", "name": "Kai"}]}
NAME = f"{INBOX}/frame-405-w1.json"


@pytest.fixture(autouse=True)
def world(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    for name in ("DREAMCATCHER_RUN", "GITHUB_ACTIONS", "GITHUB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    return begun(repo)


def write(repo: Repo, *arguments: str, content: Any = None, stdin: bytes = b"") -> Said:
    return run("write", "--repo", repo.path, *arguments, stdin=stdin or json.dumps(content).encode())


def inbox(repo: Repo) -> dict[str, Any]:
    return {path.name: json.loads(path.read_bytes()) for path in (repo.path / INBOX).glob("*.json")}


def test_operations_become_a_delta_of_the_open_frame(repo: Repo) -> None:
    done = write(repo, "--worker", "w1", content=KAI)
    assert (done.code, done.out, done.err) == (0, f"{repo.path}/{NAME}\n", "")
    (value,) = inbox(repo).values()
    assert value.pop("utc").endswith("Z")
    assert value == {"frame": 405, "stream_id": "w1", **KAI}
    assert run("merge", "--repo", repo.path).out.startswith("Frame 405 is merged: 1 delta, 1 operation applied.\n")


def test_a_file_may_bring_its_envelope_and_options_win_over_it(repo: Repo, tmp_path: Path) -> None:
    utc = "2026-03-25T03:14:22.5Z"
    place = tmp_path / "operations.json"
    place.write_text(json.dumps({"frame": 9, "stream_id": "w9", "utc": utc, "_meta": {"run": "a", "x": 1}, **KAI}))
    done = write(repo, str(place), "--json")
    assert done.json == {
        "path": f"{repo.path}/{INBOX}/frame-9-w9.a.json",
        "frame": 9,
        "stream_id": "w9",
    }
    done = write(repo, str(place), "--worker", "w1", "--frame", "405", "--run", "b")
    assert done.code == 0, done.err
    assert inbox(repo) == {
        "frame-9-w9.a.json": {"frame": 9, "stream_id": "w9", "utc": utc, "_meta": {"run": "a", "x": 1}, **KAI},
        "frame-405-w1.b.json": {"frame": 405, "stream_id": "w1", "utc": utc, "_meta": {"run": "b", "x": 1}, **KAI},
    }


def test_a_subfolder_of_the_repository_will_do(repo: Repo) -> None:
    (repo.path / "inner").mkdir()
    done = run("write", "--repo", repo.path / "inner", "--worker", "w1", stdin=json.dumps(KAI).encode())
    assert done.out == f"{repo.path}/{NAME}\n"


def test_the_run_is_the_orchestrator_s(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_RUN_ID", "7")
    write(repo, "--worker", "w1", content=KAI)
    monkeypatch.setenv("DREAMCATCHER_RUN", "mine")
    write(repo, "--worker", "w1", content=KAI)
    assert sorted(inbox(repo)) == ["frame-405-w1.github-7.json", "frame-405-w1.mine.json"]


def test_a_fallback_says_that_there_is_nothing_and_gives_way(repo: Repo) -> None:
    assert write(repo, "--worker", "w1", "--fallback").code == 0
    (value,) = inbox(repo).values()
    assert value["_meta"] == {"status": "fallback"}
    assert write(repo, "--worker", "w1", content=KAI).code == 0
    done = write(repo, "--worker", "w1", "--fallback")
    assert (done.code, "a fallback takes no delta's place" in done.err) == (1, True)


def test_a_taken_slot_is_not_overwritten_unless_asked(repo: Repo) -> None:
    write(repo, "--worker", "w1", content=KAI)
    before = inbox(repo)
    done = write(repo, "--worker", "w1", content=KAI)
    assert (done.code, done.out, done.err.splitlines()[-1]) == (1, "", SLOT_OPTIONS)
    assert inbox(repo) == before
    assert write(repo, "--worker", "w1", "--replace", content=KAI).code == 0
    assert write(repo, "--worker", "w1", "--run", "two", content=KAI).code == 0
    assert len(inbox(repo)) == 2


@pytest.mark.parametrize(
    ("stdin", "letter"),
    [
        (b"", "  standard input"),
        (b'{"a": 1, "a": 2}', "  standard input:1 at /a\n"),
        (b"[1]", "  standard input:1\n    A delta is a JSON object, found an array of 1.\n"),
        (
            b'{"profile_update": []}',
            "  frame-405-w1.json at /profile_update\n"
            "    profile_update: unknown key; did you mean `profile_updates`?\n",
        ),
        (b'{"_meta": 3}', "  standard input:1 at /_meta\n    expected an object, found the integer 3\n"),
        (b'{"_meta": {"run": 3}}', "  frame-405-w1.json at /_meta/run\n"),
        (b'{"utc": "today"}', "  frame-405-w1.json at /utc\n"),
    ],
)
def test_what_may_not_enter_is_a_letter_and_no_file(repo: Repo, stdin: bytes, letter: str) -> None:
    done = write(repo, "--worker", "w1", stdin=stdin or b" ")
    assert (done.code, done.out, letter in done.err) == (1, "", True), done.err
    assert inbox(repo) == {}


@pytest.mark.parametrize(
    ("arguments", "letter"),
    [
        ([], "Who writes? Give --worker ID, or a stream_id in the JSON."),
        (["--worker", "w1", "--fallback", "x.json"], "--fallback says that there is nothing, so it takes no FILE."),
        (["--worker", "w1", "nowhere.json"], "nowhere.json cannot be read: No such file or directory."),
        (["--worker", "../w1"], "is not a worker's id"),
        (["--worker", "w1", "--frame", "-1"], "-1 is not in the range"),
    ],
)
def test_wrong_words_are_a_letter(repo: Repo, arguments: list[str], letter: str) -> None:
    done = write(repo, *arguments, content=KAI)
    assert (done.code, done.out, letter in done.err) == (1, "", True), done.err
    assert inbox(repo) == {}


def test_without_a_frame_or_a_work_tree_it_says_where_to_go(tmp_path: Path) -> None:
    empty = Repo.init(tmp_path / "empty")
    assert "run `dreamcatcher init` there" in write(empty, "--worker", "w1", content=KAI).err
    bare = Repo.init(tmp_path / "bare", "--bare")
    done = write(bare, "--worker", "w1", content=KAI)
    assert masked(done.err, bare.path) == (
        "<repo> is a bare repository and has no inbox to write to. Write in a clone, commit and push.\n"
    )


def test_the_way_that_init_shows_works_as_it_stands(repo: Repo) -> None:
    example = run("schema", "delta", "--example", "--repo", repo.path).out.encode()
    assert write(repo, "--worker", "w1", stdin=example).code == 0
    assert ", 8 operations applied.\n" in run("merge", "--repo", repo.path).out
