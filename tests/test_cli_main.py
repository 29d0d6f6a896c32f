"""The program as a whole: how it starts, how it is stopped, how it ends, and where its words go."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from merge_bot import __version__
from merge_bot.cli.main import COMMANDS, HIDDEN
from tests.command import INBOX, begun, deliver, delta, run
from tests.repo import Repo

ROOT = Path(__file__).parent.parent
INTERRUPTED = "Interrupted. The repository holds the old frame or the new one, whole; running again is safe.\n"
KAI = {"profile_updates": [{"agent_id": "agent-kai", "name": "Käi…"}]}
SHOWN = sorted(set(COMMANDS) - HIDDEN)
REPORTING = ("check", "doctor", "init", "merge", "receipts", "schema", "status", "write")


def program(
    *arguments: str, environ: Mapping[str, str] = {}, cwd: Path = ROOT, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """The program as a process of its own."""
    return subprocess.run(
        [*prefix, sys.executable, "-m", "merge_bot", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_help_imports_nothing_that_only_commands_need() -> None:
    done = program("--help", environ={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    heavy = {"github", "jsonschema", "jsonschema_rs", "orjson", "pydantic", "requests", "rich", "yaml"}
    assert "click" in imported
    assert imported & heavy == set()
    ours = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "merge_bot" in line}
    few = {"merge_bot.brief", "merge_bot.errors", "merge_bot.cli", "merge_bot.cli.main", "merge_bot.cli.output"}
    assert ours == {"merge_bot", *few}


def test_merge_imports_nothing_of_the_network(repo: Repo) -> None:
    done = program("merge", environ={"PYTHONPROFILEIMPORTTIME": "1"}, cwd=begun(repo).path)
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert imported & {"github", "http.client", "requests", "rich", "ssl", "urllib3"} == set()


def test_help_lists_every_command_that_people_call() -> None:
    text = run("--help").out
    for name in SHOWN:
        assert f"\n  {name} " in text
    assert "action" not in text


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_says_what_it_does(name: str) -> None:
    done = run(name, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: dreamcatcher {name} ")
    if name in REPORTING:
        assert "--json" in done.out
        assert f"  dreamcatcher {name}" in done.out, "examples"


@pytest.mark.parametrize("name", REPORTING)
def test_examples_in_help_are_lines_of_their_own(name: str) -> None:
    examples = [line for line in run(name, "--help").out.splitlines() if f"dreamcatcher {name}" in line]
    assert len(examples) > 2


def test_every_command_is_a_file_and_every_file_a_command_or_a_helper() -> None:
    folder = ROOT / "merge_bot" / "cli"
    with_command = {
        path.stem
        for path in folder.glob("*.py")
        if any(isinstance(one, ast.FunctionDef) and one.name == "command" for one in ast.parse(path.read_text()).body)
    }
    assert with_command == set(COMMANDS)


def test_version() -> None:
    assert run("--version").out == f"dreamcatcher, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "letter"),
    [
        (["merg"], "No such command 'merg'. Did you mean 'merge'?"),
        (["xyz"], "No such command 'xyz'. See 'dreamcatcher --help'."),
        (["merge", "--nonsense"], "No such option"),
        (["init", "--frame", "0"], "0 is not in the range"),
    ],
)
def test_wrong_words_are_a_known_problem(arguments: list[str], letter: str) -> None:
    done = run(*arguments)
    assert (done.code, done.out, letter in done.err) == (1, "", True), done.err


def test_each_git_command_is_printed_on_demand(repo: Repo) -> None:
    begun(repo)
    done = program("-v", "merge", cwd=repo.path)
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert len(lines) > 3
    assert [line for line in lines if not line.startswith("$ git ")] == []
    assert program("merge", cwd=repo.path).stderr == ""


def test_a_bug_of_ours_says_that_it_is_one(monkeypatch: pytest.MonkeyPatch, repo: Repo) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("made for this test")

    monkeypatch.setattr("merge_bot.clone.Clone.open", broken)
    done = run("merge", "--repo", repo.path)
    assert done.code == 3
    assert done.err.startswith("Traceback")
    assert "ZeroDivisionError: made for this test\nThis is a bug of ours" in done.err


def test_an_interruption_is_one_line(monkeypatch: pytest.MonkeyPatch, repo: Repo) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("merge_bot.clone.Clone.open", interrupted)
    done = run("merge", "--repo", repo.path)
    assert (done.code, done.out, done.err) == (130, "", INTERRUPTED)


def test_ctrl_c_while_git_works_leaves_the_old_frame(repo: Repo, tmp_path: Path) -> None:
    """A wrapper of git says when the merge commit is about to be put in place, and waits there."""
    begun(repo)
    deliver(repo, delta("w1", **KAI))
    assert program("merge", "--dry-run", cwd=repo.path).returncode == 0
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *"update-ref -m"*) echo >{fifo}; exec sleep 60;; esac\nexec {real} "$@"\n'
    )
    wrapper.chmod(0o755)
    head = repo.head
    process = subprocess.Popen(
        [sys.executable, "-m", "merge_bot", "merge"],
        cwd=repo.path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{wrapper.parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,  # shells ignore it in the background
    )
    fifo.read_text()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (130, "", INTERRUPTED)
    assert repo.head == head
    done = program("merge", cwd=repo.path)
    assert done.stdout.startswith("Frame 405 is merged: 1 delta, 1 operation applied.\n"), done.stderr


@pytest.mark.parametrize("force", ["", "1"])
def test_a_reader_that_goes_away_is_no_error(repo: Repo, force: str) -> None:
    begun(repo)
    for number in range(30):
        repo.write(f"{INBOX}/frame-405-w{number}.json", b"{" * number)
    process = subprocess.Popen(
        [sys.executable, "-m", "merge_bot", "merge", "--dry-run"],
        cwd=repo.path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FORCE_COLOR": force},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 0)
    process.stderr.close()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("force", ["", "1"])
def test_every_encoding_can_be_written_to(
    repo: Repo, encoding: str, force: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", force)
    monkeypatch.setenv("COLUMNS", "200")
    begun(repo)
    deliver(repo, delta("w1", **KAI), delta("w2", profile_updates=[{"agent_id": "agent-kai", "name": "日本"}]))
    shown = {"ascii": r"K\xe4i\u2026", "latin-1": r"Käi\u2026", "utf-8": "Käi…"}[encoding]
    done = run("merge", "--repo", repo.path, "--dry-run", encoding=encoding)
    assert (done.code, done.err, shown in done.out) == (0, "", True), done.out
    value = run("merge", "--repo", repo.path, "--dry-run", "--json", encoding=encoding).json
    assert value["conflicts"][0]["candidates"][0]["value"] == "Käi…"


def test_a_file_name_that_is_no_text_is_shown_and_does_not_stop_the_frame(repo: Repo) -> None:
    begun(repo)
    place = os.path.join(os.fsencode(repo.path), INBOX.encode(), b"\xff.json")
    Path(os.fsdecode(place)).write_bytes(b"{}")
    assert run("status", "--repo", repo.path).code == 0
    for arguments in (["status", "--json"], ["check"], ["check", "--json"], ["merge", "--dry-run"]):
        done = run(*arguments, "--repo", repo.path)
        assert done.code in (0, 1), done.err
        assert r"\udcff.json" in done.out, done.out
    done = run("merge", "--repo", repo.path, "--json")
    assert done.code == 0, done.err
    assert done.json["receipts"][0]["outcome"] == "quarantined"
