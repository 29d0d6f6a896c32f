"""What the project's papers say is what its code does."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import yaml

import merge_bot
from merge_bot.action_outputs import NAMES
from merge_bot.actions import Inputs
from merge_bot.github_api import DISPATCH
from merge_bot.resources import example_schemas, settings_template, workflow_template
from merge_bot.settings import Settings
from tests.world import as_data

ROOT = Path(__file__).parent.parent


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_action_declares_the_inputs_that_the_code_reads_with_the_same_defaults() -> None:
    read = {
        one.name.replace("_", "-"): str(one.default).lower() if isinstance(one.default, bool) else one.default
        for one in fields(Inputs)
    }
    read |= {"github-token": "${{ github.token }}", "grace-seconds": "", "labels": ""}  # the code's own: none, not said
    assert {name: one["default"] for name, one in yaml.safe_load(text("action.yml"))["inputs"].items()} == read


def test_the_action_declares_the_outputs_that_the_code_sets() -> None:
    declared = yaml.safe_load(text("action.yml"))["outputs"]
    assert tuple(declared) == NAMES
    assert [name for name, one in declared.items() if not one["description"].endswith((".", ")."))] == []


def test_every_input_is_described_and_in_kebab_case() -> None:
    for name, one in yaml.safe_load(text("action.yml"))["inputs"].items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert one["description"].endswith((".", ")."))


def test_only_one_file_knows_the_runner_s_variables() -> None:
    knows = re.compile(r"\b(GITHUB_[A-Z]|INPUT_[A-Z])")
    files = {path.name for path in (ROOT / "merge_bot").rglob("*.py") if knows.search(path.read_text(encoding="utf-8"))}
    assert files == {"actions.py"}


def test_public_names_exist_and_are_documented() -> None:
    names: list[str] = list(getattr(merge_bot, "__all__", []))
    assert names == sorted(set(names))
    assert [name for name in names if not getattr(merge_bot, name).__doc__] == []


def test_the_example_s_schemas_are_those_at_the_root() -> None:
    assert example_schemas() == {path.name: path.read_bytes() for path in (ROOT / "schemas").glob("*.schema.json")}
    assert len(example_schemas()) == 7


def test_the_settings_template_sets_nothing_and_names_every_default() -> None:
    template = settings_template()
    assert Settings.load(template) == Settings()
    shown = re.sub(rb"^# ( *[a-z-]+:( .*)?)$", rb"\1", template, flags=re.MULTILINE)
    assert yaml.safe_load(shown) == as_data(Settings())


def test_the_workflow_template_is_short_starts_on_the_inbox_and_needs_no_checkout() -> None:
    workflow = yaml.safe_load(workflow_template())
    assert workflow[True]["push"]["paths"] == [f"{Settings().inbox}/**"]  # YAML 1.1 reads `on` as a boolean
    assert workflow["concurrency"]["cancel-in-progress"] is False
    assert workflow[True]["repository_dispatch"]["types"] == [DISPATCH]
    assert [step["uses"].partition("@")[0] for step in workflow["jobs"]["merge"]["steps"]] == [
        "org/dreamcatcher-action"
    ]
    assert len(workflow_template().splitlines()) < 20


def test_our_own_workflows_pin_every_action_and_grant_nothing_by_default() -> None:
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        used = re.findall(r"- uses: (.+)", path.read_text(encoding="utf-8"))
        pinned = re.compile(r"actions/[a-z-]+@[0-9a-f]{40} # v[0-9.]+\Z|\./ # ")
        assert [one for one in used if not pinned.match(one)] == [], path.name
        assert yaml.safe_load(path.read_bytes())["permissions"] == {}, path.name


def test_a_release_finds_the_line_of_action_yml_that_it_changes() -> None:
    assert text("action.yml").count("\n  image: Dockerfile\n") == 1
    workflow = text(".github/workflows/release.yml")
    assert re.findall(r"\.ci/release (\w+)", workflow) == ["check", "publish"]


def test_no_lock_names_a_host() -> None:
    assert '"resolved"' not in (ROOT / "tests" / "emulator" / "package-lock.json").read_text(encoding="utf-8")
    for lock in (*ROOT.glob("requirements*.lock"), *ROOT.glob("tests/**/requirements.lock")):
        assert not re.search(r"://|index-url|find-links|@ ", lock.read_text(encoding="utf-8")), lock.name


def test_the_locks_agree_and_hold_every_dependency() -> None:
    pinned = {
        lock.name: dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
        for lock in ROOT.glob("requirements*.lock")
    }
    assert pinned["requirements.lock"].items() <= pinned["requirements-dev.lock"].items()
    project = tomllib.loads(text("pyproject.toml"))["project"]

    def missing(lines: list[str], lock: str) -> list[str]:
        names = [re.split(r"[=<>~]", line)[0].strip().lower() for line in lines]
        return [name for name in names if name not in pinned[lock]]

    assert missing(project["dependencies"], "requirements.lock") == []
    assert missing(project["optional-dependencies"]["dev"], "requirements-dev.lock") == []
