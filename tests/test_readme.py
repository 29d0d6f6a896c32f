"""The README is tried as it stands: its commands run, its deltas merge, its tables are the code's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from merge_bot import schemas
from merge_bot.strategies.catalog import LAYOUTS_OF, STRATEGIES

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
ROOT = Path(__file__).parent.parent


def block(name: str) -> str:
    """The fenced block that follows `<!-- test: name -->`."""
    match = re.search(rf"<!-- test: {name} -->\n```\w+\n(.*?)\n```", README, re.DOTALL)
    assert match, f"the README has no block named {name}"
    return match[1] + "\n"


def run(command: list[str], folder: Path, text: str = "") -> str:
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PATH": programs, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(command, cwd=folder, input=text, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the README's first block makes, with its first frame merged."""
    folder = tmp_path_factory.mktemp("readme")
    out = run(["sh", "-eu"], folder, block("start"))
    assert [line.split(" ", 1)[1] for line in out.splitlines()[-3:]] == [
        "merge frame 1: 1 delta, 1 agents, 1 channels, 1 posts, 1 stats",
        "deltas: 1 file",
        "dreamcatcher init: frame 0, the genesis",
    ]
    return folder / "world"


def test_start(world: Path) -> None:
    for path in ("agents/agent-aria.json", "channels.json", "posts/000/000001.jsonl", "stats.json"):
        assert (world / "state" / path).is_file()
    assert run(["git", "status", "--porcelain"], world) == ""


def test_everything_else_in_order(world: Path) -> None:
    """One story: the disagreement in frame 2, the library in frame 3, a new collection in frame 4."""
    inbox = world / "state" / "stream_deltas"
    (inbox / "frame-2-alice.json").write_text(block("disagree one"))
    (inbox / "frame-2-bob.json").write_text(block("disagree two"))
    run(["dreamcatcher", "merge"], world)
    assert (world / "state/agents/agent-aria.json").read_text() == block("disagree entity")
    conflicts = re.sub(r'"delta": "[0-9a-f]{64}"', '"delta": …', (world / "state/conflicts.json").read_text())
    assert conflicts == re.sub(r'"delta": "[0-9a-f]{4}…"', '"delta": …', block("disagree conflict"))
    receipts = [
        json.loads(line) for line in (world / "state/frames/000/000002/receipts.jsonl").read_text().splitlines()
    ]
    (alice,) = [one for one in receipts if one["stream_id"] == "alice"]
    assert [one["recover"] for one in alice["operations"]] == ["refetch_and_recompute"]

    run([sys.executable, "-c", block("worker")], world)
    run([sys.executable, "-c", block("write_delta")], world)
    run(["dreamcatcher", "merge"], world)
    assert json.loads((world / "state/agents/agent-aria.json").read_text())["bio"] == "A bridge."
    assert json.loads((world / "state/stats.json").read_text()) == {"total_posts": 2}

    (world / "schemas/recipes.schema.json").write_text(block("collection"))
    run(["dreamcatcher", "check"], world)
    run(["git", "add", "schemas"], world)
    run(["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-qm", "recipes"], world)
    delta = {"recipes_added": [{"slug": "bread", "author": "agent-kai", "steps": ["Wait."]}]}
    run(["dreamcatcher", "write", "--worker", "baker", "-"], world, json.dumps(delta))
    run(["dreamcatcher", "merge"], world)
    assert json.loads((world / "state/recipes/000/000004.jsonl").read_text()) == delta["recipes_added"][0]

    assert "4 frames merged once more: every byte the same." in run(["sh", "-eu"], world, block("time travel"))
    told = run(["dreamcatcher", "replay", "--until-field", "agents/agent-aria/bio"], world)
    assert re.sub(r"by (\w+) at .*", r"by \1 at …", re.sub(r"delta \w+", "delta …", told)) == block("until field")
    printed = run([sys.executable, "-c", block("history")], world).splitlines()
    assert printed[0] == json.dumps(json.loads(block("disagree entity"))).replace('"', "'")
    assert printed[-1] == "3 dave A bridge."


def test_the_table_of_strategies_is_that_of_the_code() -> None:
    table = README.split("<!-- test: strategies -->\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    assert {row[0].strip("`"): tuple(row[3].split(", ")) for row in rows} == LAYOUTS_OF
    assert {row[0].strip("`") for row in rows} == set(STRATEGIES)


def test_the_example_collection_has_no_mistake() -> None:
    agents = (ROOT / "schemas" / "agents.schema.json").read_bytes()
    files = {"schemas/agents.schema.json": agents, "schemas/recipes.schema.json": block("collection").encode()}
    assert schemas.load(files)[1] == []


def test_the_workflow_is_yaml_and_asks_for_no_more_than_it_says() -> None:
    workflow = yaml.safe_load(block("workflow"))
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["merge"]["permissions"] == {"contents": "write"}
    assert workflow["concurrency"]["cancel-in-progress"] is False


def test_every_file_that_the_readme_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists() or target.startswith("https://"), target


def test_every_make_target_that_the_readme_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
