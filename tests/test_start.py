"""Most of a short run is loading: what each door may not load, and what a small merge asks git and does only once."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import weakref
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from merge_bot import clone as clones
from merge_bot import frame
from merge_bot.brief import brief, keep
from merge_bot.cli.main import COMMANDS
from merge_bot.clone import Clone
from merge_bot.publish.base import Published
from merge_bot.publish.commit import CommitPublisher
from merge_bot.snapshot import _read_folders
from tests.benchmarks.moment import NOW
from tests.command import begun, deliver, delta, run
from tests.repo import Repo

ROOT = Path(__file__).parent.parent
EVERY_KIND = delta(
    "w1",
    profile_updates=[{"agent_id": "agent-kai", "name": "Kai", "karma": 1, "tags": ["new"]}],
    channels_updated=[{"slug": "ideas", "name": "Ideas"}],
    posts_created=[{"number": 1, "title": "One", "channel": "ideas", "author": "agent-kai"}],
    comments_added=[{"post_number": 1, "author": "agent-kai", "body": "Two."}],
    soul_updates=[{"agent_id": "agent-kai", "observation": "Three."}],
    stats_increments={"total_posts": 1},
)
NETWORK = {"github", "http.client", "requests", "ssl", "urllib3"}
EXPLAINING = {"difflib", "jsonschema", "merge_bot.explain", "merge_bot.json_faults", "referencing"}
SETTINGS = {"merge_bot.settings_file", "pydantic", "pydantic_core", "typing_extensions", "yaml"}
SCREEN = {"rich"}
CROWDS = {"concurrent.futures.process", "merge_bot.processes", "multiprocessing", "pickle"}
LISTENING = {"logging"}
OTHERS = {"merge_bot.adoption", "merge_bot.diff", "merge_bot.foreign", "merge_bot.git.answers", "merge_bot.rollback"}
NEVER = NETWORK | EXPLAINING | SETTINGS | SCREEN | CROWDS | LISTENING | OTHERS


def test_what_is_tried_again_is_not_kept(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge that loses twenty races would hold twenty frames."""
    kept: list[object] = []
    monkeypatch.setattr(frame, "keep", lambda *ones: kept.append(ones))
    deliver(begun(repo), EVERY_KIND)
    with Clone.open(str(repo.path)) as clone:
        publish = clone.publisher().publish
        answers = [Published("contended")] * 3
        monkeypatch.setattr(CommitPublisher, "publish", lambda self, one: answers.pop() if answers else publish(one))
        monkeypatch.setattr("merge_bot.patience.Patience.wait", lambda self: True)
        assert clone.merge(NOW).frame
    assert answers == []
    assert len(kept) == 1


@pytest.mark.parametrize("closed", [False, True])
def test_the_end_of_the_process_lets_everything_be_heard_and_calls_nothing(closed: bool) -> None:
    script = "import atexit, sys; from merge_bot.brief import end; atexit.register(print, 'late'); print('said')"
    script += "; sys.stdout.flush(); sys.stdout.close(); sys.stderr = None" if closed else ""
    done = subprocess.run([sys.executable, "-c", f"{script}; end(3)"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\n", "")


COMMAND = "from merge_bot.cli.main import main\nfor one in {}: assert main(one) == 0"

PROGRAM = """
from datetime import UTC, datetime
from merge_bot.clone import Clone
with Clone.open(".") as clone:
    assert clone.merge(datetime.now(UTC)).frame
"""


def loaded(script: str, cwd: Path = ROOT) -> set[str]:
    """The modules that are there when a Python of its own has run `script`."""
    script += "\nimport sys; print(*sys.modules, file=sys.stderr)"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_no_command_s_help_loads_what_only_its_work_needs() -> None:
    found = loaded(COMMAND.format([[name, "--help"] for name in COMMANDS]))
    assert found & (NEVER | {"jsonschema_rs", "merge_bot.git", "merge_bot.schemas"}) == set()
    assert {"click", "merge_bot.cli.merge"} <= found


@pytest.mark.parametrize("command", ["status", "merge"])
@pytest.mark.parametrize("waiting", [False, True], ids=["nothing waits", "a delta waits"])
def test_a_small_repository_costs_no_heavy_import(repo: Repo, command: str, waiting: bool) -> None:
    if waiting:
        deliver(begun(repo), EVERY_KIND)
    found = loaded(COMMAND.format([[command]]), begun(repo).path)
    assert found & NEVER == set()
    assert "merge_bot.clone" in found


def test_nor_does_a_merge_by_a_program_which_prints_nothing(repo: Repo) -> None:
    deliver(begun(repo), EVERY_KIND)
    found = loaded(PROGRAM, repo.path)
    assert found & (NEVER | {"click", "merge_bot.cli", "merge_bot.page"}) == set()


def test_a_bare_repository_loads_nothing_that_follows_a_work_tree(repo: Repo, tmp_path: Path) -> None:
    deliver(begun(repo), EVERY_KIND)
    repo.git("add", ".")
    repo.git("commit", "--quiet", "--message", "a delta")
    repo.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare"))
    found = loaded(PROGRAM, tmp_path / "bare")
    assert found & {"merge_bot.git.checkout", "merge_bot.git.scan", "merge_bot.genesis"} == set()
    assert "merge_bot.snapshot" in found


def test_the_validator_is_loaded_while_git_looks_for_the_repository(repo: Repo) -> None:
    """It takes as long as git does."""
    script = """
from merge_bot.git import process
from merge_bot.clone import Clone
def stop(*arguments): raise SystemExit(0)
process.subprocess.Popen.communicate = stop
try: Clone.open(".")
except SystemExit: pass
"""
    assert "jsonschema_rs" in loaded(script, begun(repo).path)


def test_a_settings_file_that_says_something_is_judged(repo: Repo) -> None:
    begun(repo).commit({".github/dreamcatcher.yml": b"grace-seconds: 1\n"})
    assert loaded(COMMAND.format([["merge"]]), repo.path) >= SETTINGS


def test_a_merge_asks_git_the_same_only_once(repo: Repo, caplog: pytest.LogCaptureFixture) -> None:
    deliver(begun(repo), EVERY_KIND)
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "merge_bot.git"):
            assert run("merge", "--repo", repo.path).code == 0
        asked = Counter(one.getMessage() for one in caplog.records)
        assert [line for line in asked if "symbolic-ref" in line] == []
        assert [count for line, count in asked.items() if "core.fileMode" in line] == [1]


def test_what_was_read_to_take_in_the_inbox_is_what_is_merged(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was committed meanwhile makes it worth reading once more."""
    read: list[str] = []
    open_base = clones.open_base
    monkeypatch.setattr(clones, "open_base", lambda *told: read.append(told[1]) or open_base(*told))
    deliver(begun(repo), EVERY_KIND)
    with Clone.open(str(repo.path)) as clone:
        assert clone.merge(NOW).frame
        assert len(read) == 2
        assert clone.merge(NOW).frame is None
        assert len(read) == 3


class Thing:
    """Something that can be missed."""


def test_a_brief_process_does_not_look_for_garbage_at_its_end() -> None:
    before = gc.get_threshold()
    let_go, kept = Thing(), Thing()
    left = [weakref.ref(let_go), weakref.ref(kept)]
    keep(let_go)
    try:
        with brief():
            assert gc.get_threshold()[0] > before[0]
            assert gc.get_freeze_count() == 0
            keep(kept)
            assert gc.get_freeze_count() > 10_000
            del let_go, kept
            assert [one() is None for one in left] == [True, False]
        assert left[1]() is None
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_folders_on_the_way_to_changes_are_read_a_level_at_a_time() -> None:
    """Each question to git is a wait: one a folder took as long as writing the commit."""
    asked: list[set[str]] = []
    files: Any = SimpleNamespace(folders=lambda paths: asked.append(set(paths)))
    _read_folders(files, ["x.json", "a/b/x.json", "a/b/y.json", "a/c/d/x.json", "e/x.json"], "state")
    assert asked == [{"state/a", "state/e"}, {"state/a/b", "state/a/c"}, {"state/a/c/d"}]
