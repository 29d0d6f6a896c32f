"""The edge to GitHub Actions: the only file that knows `GITHUB_*` and `INPUT_*` variables and workflow commands.

Whatever passes here may carry text that workers wrote, so everything that leaves is escaped for the place it goes to.
How the runner reads is taken from its source:
https://github.com/actions/runner/tree/258d6c857db3519913f7deb6004b60172f8043ae/src
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from merge_bot.errors import DreamcatcherError
from merge_bot.wording import quoted

SUMMARY_LIMIT = 1024 * 1024  # bytes a step; one more, and the runner drops the whole (CreateStepSummaryCommand)
_SUMMARY_CUT = "\n\n**This summary was cut: {bytes} more bytes did not fit.**\n"

Mode = Literal["commit", "pull-request"]
AutoMerging = Literal["false", "merge", "squash", "rebase"]
CommitMode = Literal["git", "api"]
OnInvalid = Literal["quarantine", "fail"]
MAX_GRACE = 86_400
MAX_LABELS = 90  # GitHub takes a hundred, and some are ours
MAX_LABEL = 50  # characters, by GitHub

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_OUTPUT_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
# What git-check-ref-format forbids in a branch name, and a leading dash, which a command would read as an option.
_NOT_A_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|\Z)|\A[-/.]|[/.]\Z|\A@\Z|\A\Z")
_RUN_ID = re.compile(r"[0-9]{1,20}\Z")
_REPOSITORY = re.compile(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,100}\Z")
_SERVER = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._/-]*)?\Z")
_JOB_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,79}\Z")


class ActionError(DreamcatcherError):
    """The action was started in a way that cannot work; the text lists every problem."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The action's inputs, one field each (`dry_run` is `dry-run`), with the defaults that `action.yml` states."""

    base: str = ""
    mode: Mode = "commit"
    auto_merge: AutoMerging = "false"
    labels: tuple[str, ...] = ()
    commit_mode: CommitMode = "git"
    on_invalid: OnInvalid = "quarantine"
    grace_seconds: int | None = None
    settings: str = ".github/dreamcatcher.yml"
    dry_run: bool = False
    github_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ActionEnvironment:
    """What the runner tells a step. `branch` is the branch to merge into; files are None where there are none."""

    workspace: Path
    branch: str
    inputs: Inputs
    event_name: str = ""
    event_path: Path | None = None
    ref: str = ""
    sha: str = ""
    repository: str = ""
    server_url: str = ""
    api_url: str = ""
    graphql_url: str = ""
    run_id: str = ""
    run_attempt: str = ""
    output_file: Path | None = None
    summary_file: Path | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> ActionEnvironment:
        """Reads the runner's variables. Raises `ActionError` with every problem at once."""
        reader = _Reader(environ)
        workspace = environ.get("GITHUB_WORKSPACE", "")
        if not os.path.isabs(workspace):
            reader.problems.append(
                f"GITHUB_WORKSPACE is {quoted(workspace)}, not an absolute path. "
                "This command runs as a step of a GitHub workflow; elsewhere use `dreamcatcher merge`."
            )
        default = Inputs()
        inputs = Inputs(
            base=reader.text("base", default.base),
            mode=reader.one_of("mode", get_args(Mode), default.mode),
            auto_merge=reader.one_of("auto-merge", get_args(AutoMerging), default.auto_merge),
            labels=reader.labels("labels"),
            commit_mode=reader.one_of("commit-mode", get_args(CommitMode), default.commit_mode),
            on_invalid=reader.one_of("on-invalid", get_args(OnInvalid), default.on_invalid),
            grace_seconds=reader.seconds("grace-seconds"),
            settings=reader.repository_path("settings", default.settings),
            dry_run=reader.boolean("dry-run", default.dry_run),
            github_token=reader.text("github-token", default.github_token),
        )
        branch = reader.branch(inputs.base)
        reader.consistent(inputs)
        reader.stop_on_problems()
        return cls(
            workspace=Path(workspace),
            branch=branch,
            inputs=inputs,
            event_name=environ.get("GITHUB_EVENT_NAME", ""),
            event_path=_file(environ, "GITHUB_EVENT_PATH"),
            ref=environ.get("GITHUB_REF", ""),
            sha=environ.get("GITHUB_SHA", ""),
            repository=environ.get("GITHUB_REPOSITORY", ""),
            server_url=environ.get("GITHUB_SERVER_URL") or "https://github.com",
            api_url=environ.get("GITHUB_API_URL") or "https://api.github.com",
            graphql_url=environ.get("GITHUB_GRAPHQL_URL") or "https://api.github.com/graphql",
            run_id=environ.get("GITHUB_RUN_ID", ""),
            run_attempt=environ.get("GITHUB_RUN_ATTEMPT", ""),
            output_file=_file(environ, "GITHUB_OUTPUT"),
            summary_file=_file(environ, "GITHUB_STEP_SUMMARY"),
        )

    @property
    def web_url(self) -> str:
        """The repository's page, which is its address for git as well."""
        return f"{self.server_url.rstrip('/')}/{self.repository}"

    def output(self, name: str, value: str) -> None:
        """Sets an output of the step. The delimiter is random, so no value can end its own heredoc."""
        if not _OUTPUT_NAME.match(name):
            raise ValueError(f"not an output name: {name!r}")
        if self.output_file is None:
            return
        delimiter = os.urandom(16).hex()
        _append(self.output_file, f"{name}<<{delimiter}\n{value}\n{delimiter}\n".encode(errors="backslashreplace"))

    def summary(self, markdown: str) -> None:
        """Appends to the step's summary, cut at a line where it would pass the limit. The caller escapes markdown."""
        if self.summary_file is None:
            return
        data = markdown.encode(errors="backslashreplace")
        taken = self.summary_file.stat().st_size if self.summary_file.exists() else 0
        _append(self.summary_file, _fitted(data, SUMMARY_LIMIT - taken))


class _Reader:
    """Reads inputs and gathers what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        """An input; the runner upper-cases its name, makes blanks `_` and keeps dashes. Empty means the default."""
        return self.environ.get(f"INPUT_{name.upper()}", "").strip() or default

    def boolean(self, name: str, default: bool) -> bool:
        raw = self.text(name, str(default))
        if raw not in _BOOLEANS:
            self.problems.append(f"input `{name}` is {quoted(raw)}. Write `true` or `false`.")
        return _BOOLEANS.get(raw, default)

    def one_of(self, name: str, words: Sequence[str], default: Any) -> Any:
        raw = self.text(name, default)
        if raw not in words:
            listed = ", ".join(f"`{one}`" for one in words[:-1])
            self.problems.append(f"input `{name}` is {quoted(raw)}. Write {listed} or `{words[-1]}`.")
        return raw

    def seconds(self, name: str) -> int | None:
        raw = self.text(name, "")
        if not raw:
            return None
        if not re.fullmatch(r"[0-9]{1,6}", raw, re.ASCII) or int(raw) > MAX_GRACE:
            self.problems.append(
                f"input `{name}` is {quoted(raw)}. Write a whole number of seconds, at most {MAX_GRACE:,}, or nothing: "
                "then the settings say it."
            )
            return None
        return int(raw)

    def labels(self, name: str) -> tuple[str, ...]:
        """Labels, one a line or between commas; each once, because GitHub tells no two apart by case."""
        parts = (one.strip() for one in re.split(r"[,\n]", self.text(name, "")))
        found = {one.casefold(): one for one in parts if one}
        for one in found.values():
            if len(one) > MAX_LABEL or not one.isprintable():
                self.problems.append(
                    f"input `{name}` has {quoted(one)}. A label is one line of at most {MAX_LABEL} characters; write "
                    "commas or line ends between labels."
                )
        if len(found) > MAX_LABELS:
            self.problems.append(f"input `{name}` has {len(found):,} labels. Write at most {MAX_LABELS}.")
        return tuple(found.values())

    def consistent(self, inputs: Inputs) -> None:
        """What inputs and the runner's variables have to say together."""
        if inputs.mode == "commit":
            self.problems += [
                f"input `{name}` is about pull requests. Set `mode: pull-request` too, or leave it out."
                for name, given in (("auto-merge", inputs.auto_merge != "false"), ("labels", bool(inputs.labels)))
                if given
            ]
        if not inputs.github_token:
            self.problems += [
                f"`{said}` needs a token, and input `github-token` is empty."
                for said, given in (
                    ("mode: pull-request", inputs.mode == "pull-request"),
                    ("commit-mode: api", inputs.commit_mode == "api"),
                )
                if given
            ]
            return
        if not all("!" <= sign <= "~" for sign in inputs.github_token):
            self.problems.append("input `github-token` has blanks or other signs in it that no token has.")
        repository, server = self.environ.get("GITHUB_REPOSITORY", ""), self.environ.get("GITHUB_SERVER_URL", "")
        if not _REPOSITORY.match(repository):
            self.problems.append(f"GITHUB_REPOSITORY is {quoted(repository)}, not like OWNER/NAME.")
        if server and not _SERVER.match(server):
            self.problems.append(f"GITHUB_SERVER_URL is {quoted(server)}, not like https://github.com.")

    def repository_path(self, name: str, default: str) -> str:
        raw = self.text(name, default)
        parts = PurePosixPath(raw).parts
        if raw.startswith("/") or ".." in parts or "\\" in raw or any(ord(sign) < 32 for sign in raw):
            self.problems.append(
                f"input `{name}` is {quoted(raw)}. Write a path inside the repository, with `/` between its parts."
            )
        return PurePosixPath(raw).as_posix()

    def branch(self, base: str) -> str:
        """The branch to merge into: the input, else the branch that the workflow runs on."""
        ref = self.environ.get("GITHUB_REF", "")
        if not base and not ref.startswith("refs/heads/"):
            self.problems.append(
                f"the workflow runs on {quoted(ref)}, which is not a branch, and input `base` is empty. "
                "Set `base` to the branch to merge into."
            )
            return ""
        name = (base or ref).removeprefix("refs/heads/")
        if _NOT_A_BRANCH.search(name):
            self.problems.append(f"input `base` is {quoted(base or ref)}. Write the name of a branch, like `main`.")
        return name

    def stop_on_problems(self) -> None:
        if self.problems:
            raise ActionError("\n  ".join(["The action cannot start:", *self.problems]))


def run_name(environ: Mapping[str, str]) -> str | None:
    """The name of this run of a workflow's job, the same when it is tried again; None outside of one."""
    run_id, job = environ.get("GITHUB_RUN_ID", ""), environ.get("GITHUB_JOB", "")
    if environ.get("GITHUB_ACTIONS") != "true" or not _RUN_ID.match(run_id):
        return None
    return f"github-{run_id}-{job}" if _JOB_ID.match(job) else f"github-{run_id}"


REPOSITORY = "GITHUB_REPOSITORY"  # the variable that names it
NO_TOKEN = "a token in DREAMCATCHER_TOKEN or GITHUB_TOKEN"


def api_access(environ: Mapping[str, str]) -> tuple[str, str]:
    """Outside the action too: the token of the environment ("" if there is none) and the API's address."""
    token = environ.get("DREAMCATCHER_TOKEN") or environ.get("GITHUB_TOKEN") or ""
    return token, environ.get("GITHUB_API_URL") or "https://api.github.com"


def _file(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def _fitted(data: bytes, room: int) -> bytes:
    if len(data) <= room:
        return data
    budget = room - len(_SUMMARY_CUT.format(bytes=len(data)))
    if budget <= 0:
        return b""
    kept = data[:budget].decode(errors="ignore").encode()
    kept = kept[: kept.rfind(b"\n")] if b"\n" in kept else kept
    return kept + _SUMMARY_CUT.format(bytes=len(data) - len(kept)).encode()
