"""What workers import: the names are there, and nothing is loaded that only the merge needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import merge_bot
from merge_bot.settings import SETTINGS_PATH as SETTINGS_PATH_OF_SETTINGS
from merge_bot.settings import Settings
from merge_bot.writer import SCHEMAS, SETTINGS_PATH
from tests.work_tree import POST, inbox, work_tree

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return work_tree(tmp_path / "world", monkeypatch)


def test_importing_and_writing_load_nothing_that_only_the_merge_needs(root: Path) -> None:
    script = f"""
import sys
before = set(sys.modules)
import merge_bot
assert [name for name in set(sys.modules) - before if name.startswith("merge_bot.")] == []
from merge_bot import Worker, write_delta
write_delta(405, {{"posts_created": [{POST!r}]}}, stream_id="w1", root={str(root)!r})
with Worker("w2", root={str(root)!r}) as w:
    w.add("posts", {POST!r})
    w.increment("stats", total_posts=1)
print(*sorted({{name.split(".")[0] for name in sys.modules}} | {{name for name in sys.modules if "." in name}}))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "merge_bot.writer" in loaded
    heavy = ["click", "github", "jsonschema", "pydantic", "requests", "rich", "subprocess", "urllib3", "yaml"]
    assert [name for name in heavy if name in loaded] == []
    merge_only = ["clone", "collect", "explain", "frame", "git", "publish", "settings", "snapshot", "transports"]
    assert [name for name in merge_only if f"merge_bot.{name}" in loaded] == []
    assert len(inbox(root)) == 2


def test_public_names_are_there_before_they_are_loaded() -> None:
    script = "import merge_bot; print(*(name for name in merge_bot.__all__ if name not in dir(merge_bot)))"
    assert (
        subprocess.run(
            [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
        ).stdout
        == "\n"
    )
    with pytest.raises(AttributeError, match=r"^module 'merge_bot' has no attribute 'wirte_delta'$"):
        merge_bot.wirte_delta  # noqa: B018
    from merge_bot import run_frame
    from merge_bot.frame import run_frame as the_one

    assert run_frame is the_one


def test_the_defaults_are_those_of_the_settings() -> None:
    assert Settings().schemas == SCHEMAS
    assert SETTINGS_PATH_OF_SETTINGS == SETTINGS_PATH
