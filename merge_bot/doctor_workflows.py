"""Pure. Workflow files as the doctor reads them: which one merges, its mistakes, and who else writes to the state.

YAML is read with every scalar as text: `on` stays a word, aliases are shared and never multiplied, tags do nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import yaml

from merge_bot import doctor_letters as letters
from merge_bot.doctor import Finding, Way
from merge_bot.path_filter import accepts
from merge_bot.paths import Paths

FOLDER = ".github/workflows"
_MAX_BYTES = 256 * 1024
_MANY = 500  # jobs, and steps of a job, that are looked at
_ACTION = re.compile(r"(?:[^@]*/)?dreamcatcher-action(?:/[^@]*)?@")
_DEFAULT_TOKEN = re.compile(r"\$\{\{\s*(?:github\.token|secrets\.github_token)\s*\}\}\Z", re.IGNORECASE)
_OF_EACH_RUN = re.compile(r"\bgithub\.(?:run_id|run_number|sha)\b")
_NAME_OF_WORKFLOW = re.compile(r"\$\{\{\s*github\.workflow\s*\}\}")


@dataclass(frozen=True, slots=True)
class Step:
    """One step, with the job that it stands in; `number` counts from 1."""

    job_name: str
    job: Mapping[str, Any]
    number: int
    data: Mapping[str, Any]

    def text(self, key: str) -> str:
        return _text(self.data.get(key))

    def given(self, name: str) -> str | None:
        """An input of the step's action; None if it is left out."""
        value = _mapping(self.data.get("with")).get(name)
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow file that could be read."""

    file: str
    data: Mapping[str, Any]

    @property
    def triggers(self) -> Mapping[str, Any]:
        """Trigger → what stands below it."""
        found = self.data.get("on")
        if isinstance(found, str):
            return {found: ""}
        return {one: "" for one in found if isinstance(one, str)} if isinstance(found, list) else _mapping(found)

    @property
    def jobs(self) -> dict[str, Mapping[str, Any]]:
        return {_text(name): _mapping(job) for name, job in islice(_mapping(self.data.get("jobs")).items(), _MANY)}

    def steps(self) -> Iterator[Step]:
        for name, job in self.jobs.items():
            steps = job.get("steps")
            for number, step in enumerate(islice(steps, _MANY) if isinstance(steps, list) else (), start=1):
                yield Step(name, job, number, _mapping(step))

    def merging(self, own_action: bool) -> list[Step]:
        """The steps that use the action. `own_action`: it lies in this repository, as `./`."""
        return [
            one
            for one in self.steps()
            if _ACTION.match(one.text("uses")) or (own_action and one.text("uses") in ("./", "."))
        ]

    def groups(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each concurrency group that is named, compared as GitHub does (without case), and what is said of it."""
        name = _text(self.data.get("name")) or self.file
        for holder in (self.data, *self.jobs.values()):
            found = holder.get("concurrency")
            about = {"group": found} if isinstance(found, str) else _mapping(found)
            if group := _text(about.get("group")):
                yield " ".join(name.join(_NAME_OF_WORKFLOW.split(group)).lower().split()), about


def read(file: str, data: bytes) -> Workflow | Finding:
    """A workflow, or the finding that it cannot be read."""
    if len(data) > _MAX_BYTES:
        return Finding("warning", *letters.unreadable(file, f"it has more than {_MAX_BYTES:,} bytes"))
    try:
        value = yaml.load(data.decode("utf-8"), yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        why = f"line {mark.line + 1}: " if mark else ""
        return Finding("problem", *letters.unreadable(file, f"{why}{(error.problem or 'not YAML')[:200]}"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return Finding("problem", *letters.unreadable(file, "it is not YAML in UTF-8"))
    except RecursionError:
        return Finding("problem", *letters.unreadable(file, "it is nested too deeply"))
    if not isinstance(value, dict):
        return Finding("problem", *letters.unreadable(file, "a workflow is a mapping with `on` and `jobs`"))
    return Workflow(file, value)


def examine(
    files: Mapping[str, bytes], branch: str, paths: Paths, *, own_action: bool = False
) -> tuple[list[Finding], Way]:
    """The findings about all workflow files (path → bytes), and how the one that merges lets frames leave."""
    found: list[Finding] = []
    workflows: list[Workflow] = []
    for file, data in sorted(files.items()):
        one = read(file, data)
        found.append(one) if isinstance(one, Finding) else workflows.append(one)
    merging = [(one, steps) for one in workflows if (steps := one.merging(own_action))]
    if not merging:
        found.append(Finding("warning", *letters.no_workflow(FOLDER)))
    for workflow, steps in merging:
        mistakes = [
            *_concurrency(workflow, workflows),
            *_permissions(workflow, steps),
            *_triggers(workflow, branch, paths),
        ]
        found += mistakes or [Finding("fine", letters.workflow_fine(workflow.file))]
    found += [one for workflow in workflows for one in _foreign_writers(workflow, paths)]
    used = [one for _, steps in merging for one in steps]
    own_token = bool(used) and all(_own_token(one) for one in used)
    proposes = bool(used) and all(one.given("mode") == "pull-request" for one in used)
    return found, Way(proposes, own_token, bool(used) and all(one.given("commit-mode") == "api" for one in used))


def _concurrency(workflow: Workflow, workflows: list[Workflow]) -> Iterator[Finding]:
    mine = list(workflow.groups())
    if not mine:
        yield Finding("warning", *letters.no_group(workflow.file))
    for group, about in mine:
        cancel = _text(about.get("cancel-in-progress")).lower()
        if cancel not in ("", "false"):
            perhaps = "${{" in cancel
            yield Finding("warning" if perhaps else "problem", *letters.cancels(workflow.file, perhaps=perhaps))
        if _OF_EACH_RUN.search(group):
            yield Finding("warning", *letters.group_of_each_run(workflow.file, _text(about["group"])))
        others = [one.file for one in workflows if one is not workflow and group in dict(one.groups())]
        if others:
            yield Finding("problem", *letters.shared_group(workflow.file, _text(about["group"]), others))


def _permissions(workflow: Workflow, steps: list[Step]) -> Iterator[Finding]:
    for step in {one.job_name: one for one in steps if not _own_token(one)}.values():
        given = step.job.get("permissions", workflow.data.get("permissions"))
        if given is None:
            yield Finding("warning", *letters.no_permissions(workflow.file, step.job_name))
            continue
        by_pull_request = step.given("mode") == "pull-request"
        for name in ("contents", "pull-requests") if by_pull_request else ("contents",):
            if given != "write-all" and _mapping(given).get(name) != "write":
                yield Finding("problem", *letters.no_permission(workflow.file, step.job_name, name))


def _triggers(workflow: Workflow, branch: str, paths: Paths) -> Iterator[Finding]:
    triggers = workflow.triggers
    if "pull_request_target" in triggers:
        yield Finding("problem", *letters.pull_request_target(workflow.file))
    if missing := [one for one in ("schedule", "workflow_dispatch") if one not in triggers]:
        yield Finding("warning", *letters.no_safety_net(workflow.file, missing))
    if "push" not in triggers or not _covers(_mapping(triggers["push"]), branch, f"{paths.inbox}/frame-1-worker.json"):
        yield Finding("warning", *letters.push_misses(workflow.file, paths.inbox, branch))


def _covers(push: Mapping[str, Any], branch: str, path: str) -> bool:
    """Whether a push of `path` to `branch` passes the filters."""
    if ("tags" in push or "tags-ignore" in push) and not {"branches", "branches-ignore"} & set(push):
        return False
    for key, value in (("branches", branch), ("paths", path)):
        if key in push and not accepts(_texts(push[key]), value):
            return False
        if f"{key}-ignore" in push and accepts(_texts(push[f"{key}-ignore"]), value):
            return False
    return True


def _foreign_writers(workflow: Workflow, paths: Paths) -> Iterator[Finding]:
    for step in workflow.steps():
        if _writes(step.text("run"), paths):
            place = letters.step_place(workflow.file, step.job_name, step.number, step.text("name"))
            yield Finding("warning", *letters.foreign_writer(place, paths.state))


def _writes(script: str, paths: Paths) -> bool:
    """Whether a script looks as if it wrote below the state folder, the inbox left aside."""
    start = r"(?<![\w./-])(?:\./)?" + re.escape(paths.state)
    below = re.compile(start + rf"/(?!{re.escape(paths.inbox[len(paths.state) + 1 :])}(?![\w.-]))")
    itself = re.compile(start + r"/?(?![\w./-])")
    into = re.compile(r"(?:>|\btee\s(?:-a\s)?)\s{0,4}[\"']?" + below.pattern)
    lines = [line for line in script.replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#")]
    sends = any("git push" in line or "git commit" in line for line in lines)
    for line in lines:
        staged = line.partition("git add")[2] or line.partition("git commit")[2]
        if into.search(line) or (sends and (below.search(line) or itself.search(staged))):
            return True
    return False


def _own_token(step: Step) -> bool:
    """Whether the step brings a token of its own, whose rights stand elsewhere."""
    token = step.given("github-token")
    return bool(token) and not _DEFAULT_TOKEN.match((token or "").strip())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [_text(one) for one in value] if isinstance(value, list) else []
