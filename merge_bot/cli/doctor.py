"""`dreamcatcher doctor`: what around the merge is set up wrongly, and how to put it right. Changes nothing.

The data (`doctor --json`) is stable; keys are added, never changed:

    ok             whether there is no problem; warnings leave it true
    branch         the branch that was looked at
    findings       each with severity (problem, warning, fine), what, why and remedy
    writers        for each path of the state: writer, others, reconciled, stale
    not_looked_at  what could not be looked at, and why
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show
from merge_bot.page import Item, Page, Table
from merge_bot.wording import counted, printable

if TYPE_CHECKING:
    from merge_bot.clone import Clone
    from merge_bot.doctor import Finding, Queue, Way, Writer
    from merge_bot.settings import Settings

_BAD_SCHEMAS = "Who writes some collections: their schemas have mistakes. Run `dreamcatcher check`."

_ANY = "any-worker"

_NO_PROTECTION = (
    "Classic branch protection (Settings > Branches): only a token with Administration: read sees that. Rulesets were "
    "looked at."
)

_EPILOG = """\b
Examples:
  dreamcatcher doctor                       the workflows, the clock, the queue, and who writes what
  dreamcatcher doctor --github OWNER/NAME   also rulesets and settings, with a token in DREAMCATCHER_TOKEN
  dreamcatcher doctor --json                the same for programs

The exit code is 1 if there is any problem; warnings alone leave it 0.
"""


@dataclass(slots=True)
class _Examined:
    findings: list[Finding] = field(default_factory=list)
    writers: list[Writer] = field(default_factory=list)
    not_looked_at: list[str] = field(default_factory=list)


@click.command("doctor", epilog=_EPILOG)
@branch_option
@repo_option
@click.option("--github", metavar="OWNER/NAME", help="Look at this repository on GitHub too; needs a token.")
@json_option
def command(branch: str | None, repo: str, github: str | None, as_json: bool) -> int:
    """Look for mistakes in workflows, rulesets, settings, clock and queue, and say who writes which path."""
    from merge_bot.cli.around import branch_of
    from merge_bot.clone import Clone
    from merge_bot.errors import EXIT_DONE, EXIT_PROBLEM

    with Clone.open(repo, branch) as clone:
        name = branch_of(clone)
        found = _examine(clone, name, github, os.environ, datetime.now(UTC))
    sick = any(one.severity == "problem" for one in found.findings)
    if as_json:
        print_json(
            {
                "ok": not sick,
                "branch": name,
                "findings": [asdict(one) for one in found.findings],
                "writers": [one._asdict() for one in found.writers],
                "not_looked_at": found.not_looked_at,
            }
        )
    else:
        show(_as_page(found, name))
    return EXIT_PROBLEM if sick else EXIT_DONE


# --- looking


def _examine(clone: Clone, branch: str, github: str | None, environment: Mapping[str, str], now: datetime) -> _Examined:
    from merge_bot import doctor
    from merge_bot.doctor_workflows import examine
    from merge_bot.paths import Paths

    found = _Examined()
    settings = _settings(clone, found)
    paths = Paths(settings.state)
    findings, way = examine(_workflows(clone), branch, paths, own_action=_is_the_action(clone))
    found.findings += findings
    server = _ask_github(github, environment, branch, way, found, _archive(clone, settings))
    found.findings += doctor.clock(now, _committed(clone), server)
    found.findings += _queue(clone, now)
    found.writers = _writers(clone, settings, found)
    return found


def _settings(clone: Clone, found: _Examined) -> Settings:
    from merge_bot.doctor import Finding
    from merge_bot.doctor_letters import stops
    from merge_bot.errors import DreamcatcherError
    from merge_bot.settings import Settings

    try:
        return clone.settings
    except DreamcatcherError as error:
        found.findings.append(Finding("problem", *stops(str(error))))
        return Settings()


def _workflows(clone: Clone) -> dict[str, bytes]:
    from merge_bot.doctor_workflows import FOLDER

    names = [name for name in clone.files.folder(FOLDER) if name.endswith((".yml", ".yaml"))]
    return clone.files.read_many(f"{FOLDER}/{name}" for name in names)


def _is_the_action(clone: Clone) -> bool:
    """Whether the branch holds the action itself, so that `uses: ./` means it."""
    return b"\nname: Dream Catcher\n" in b"\n" + clone.files.read_many(["action.yml"]).get("action.yml", b"")


def _archive(clone: Clone, settings: Settings) -> str | None:
    """One of the branches that are the archive; None if none is."""
    from merge_bot.errors import DreamcatcherError
    from merge_bot.paths import Paths
    from merge_bot.workers import Workers

    if settings.archive != "branches":
        return None
    try:
        marks = Workers.read(clone.files, Paths(settings.state)).watermarks()
    except DreamcatcherError:  # which is told of elsewhere
        marks = {}
    return f"deltas/{min(marks, default=_ANY)}"


def _committed(clone: Clone) -> datetime | None:
    """When the newest commit was made, by its committer's clock."""
    from merge_bot.cli.looking import LATEST

    tip = clone.tip
    header = clone.repository.read_commits([tip])[tip].partition(b"\n\n")[0] if tip else b""
    for line in header.split(b"\n"):
        if line.startswith(b"committer "):
            seconds = line.split()[-2]
            return datetime.fromtimestamp(min(int(seconds), LATEST), UTC) if seconds.isdigit() else None
    return None


def _queue(clone: Clone, now: datetime) -> list[Finding]:
    from merge_bot.doctor import Finding, queue
    from merge_bot.doctor_letters import stops
    from merge_bot.errors import DreamcatcherError

    try:
        return list(queue(_seen(clone), now))
    except DreamcatcherError as error:
        return [Finding("problem", *stops(str(error)))]


def _seen(clone: Clone) -> Queue | None:
    from merge_bot.cli.looking import frame_of, look
    from merge_bot.doctor import Queue

    status = look(clone, datetime.now(UTC))
    if status is None:
        return None
    branches = status.branches
    oldest = min((one for one in (status.waiting.oldest, branches.oldest) if one), default=None)
    both = {*status.waiting.committed, *status.waiting.uncommitted}
    held = sum(frame_of(path) > status.meta.frame for path in both)
    return Queue(
        status.meta.frame, len(both) - held, oldest, held,
        len(status.parked), len(status.conflicts), status.stops, branches.count,
    )  # fmt: skip


def _writers(clone: Clone, settings: Settings, found: _Examined) -> list[Writer]:
    from merge_bot import schemas
    from merge_bot.doctor import writers
    from merge_bot.paths import Paths

    folder = settings.schemas
    names = [f"{folder}/{name}" for name in clone.files.folder(folder) if name.endswith(schemas.ENDING)]
    collections, problems = schemas.load(clone.files.read_many(names), state=settings.state)
    if problems:
        found.not_looked_at.append(_BAD_SCHEMAS)
    return writers(Paths(settings.state), collections.values())


def _ask_github(
    github: str | None, environment: Mapping[str, str], branch: str, way: Way, found: _Examined, archive: str | None
) -> datetime | None:
    """Add the findings about GitHub's side; `archive` is a branch that has to stay whole. Returns GitHub's clock."""
    from merge_bot import doctor, doctor_letters
    from merge_bot.actions import NO_TOKEN, api_access
    from merge_bot.errors import DreamcatcherError
    from merge_bot.github_api import GitHub

    token, api_url = api_access(environment)
    if not github or not token:
        found.not_looked_at.append(
            f"GitHub itself (rulesets, settings, its clock): give --github OWNER/NAME, and {NO_TOKEN}."
        )
        if archive:
            found.not_looked_at.append(doctor_letters.ARCHIVE_NOT_SEEN)
        return None
    hub = GitHub(github, token, api_url)
    try:
        found.findings += doctor.rules(hub.rules(branch), branch, way)
        if archive:  # rules may name single branches, so they are asked for about one that none of them names
            found.findings += doctor.delta_branches(hub.rules(f"deltas/{_ANY}"), hub.protection(archive))
        protection = hub.protection(branch)
        setting = hub.workflow_permissions()
    except DreamcatcherError as error:
        found.not_looked_at.append(f"GitHub itself: {error}")
        return hub.clock
    found.findings += doctor.protection(protection, branch, way)
    if protection is None:
        found.not_looked_at.append(_NO_PROTECTION)
    if setting is None:
        found.not_looked_at.append("Whether actions may open pull requests: only an administrator's token sees that.")
    found.findings += doctor.actions_setting(setting, way)
    return hub.clock


# --- what is said


def _as_page(found: _Examined, branch: str) -> Page:
    counts = {kind: sum(one.severity == kind for one in found.findings) for kind in ("problem", "warning")}
    page = Page(
        f"{counted(counts['problem'], 'problem')} and {counted(counts['warning'], 'warning')} on {printable(branch)}.",
        tone="bad" if counts["problem"] else "doubt" if counts["warning"] else "good",
    )
    page.add("Problems", _items(found, "problem"), "bad")
    page.add("Warnings", _items(found, "warning"), "doubt")
    page.add("In order", _items(found, "fine"), "good")
    page.add("Not looked at", [Item(line) for text in found.not_looked_at for line in text.splitlines()], "doubt")
    columns = ("path", "the one writer", "the others", "reconciled", "may read it stale")
    page.add("Who writes what", [Table(columns, [[printable(cell) for cell in one] for one in found.writers])])
    return page


def _items(found: _Examined, severity: str) -> Iterator[Item]:
    for one in found.findings:
        if one.severity == severity:
            yield Item(one.what, [line for line in (one.why, one.remedy) if line])
