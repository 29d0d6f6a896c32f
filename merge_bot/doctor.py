"""Pure. The doctor: facts about a repository in, findings out, each with its remedy. Sentences: `doctor_letters`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from merge_bot import doctor_letters as letters
from merge_bot.collection import Collection
from merge_bot.paths import Paths

Severity = Literal["problem", "warning", "fine"]
SKEW = timedelta(minutes=5)
STALE = timedelta(hours=1)  # the workflow's safety net starts it once an hour

_REFUSES = frozenset(
    {"pull_request", "required_signatures", "required_status_checks", "required_deployments", "update", "merge_queue",
     "workflows", "code_scanning", "code_quality"}
)  # fmt: skip
# A frame is one commit with one parent, on top of the branch that stays.
_LETS_PASS = frozenset(
    {"non_fast_forward", "required_linear_history", "creation", "deletion", "branch_name_pattern", "tag_name_pattern",
     "copilot_code_review"}
)  # fmt: skip
# What classic protection calls the same things.
_CLASSIC = {
    "required_pull_request_reviews": "pull_request",
    "required_status_checks": "required_status_checks",
    "required_signatures": "required_signatures",
    "restrictions": "update",
    "lock_branch": "update",
}

# What keeps a branch whole, and what classic protection has to allow for it to be lost.
_KEEPS = {"non_fast_forward": "allow_force_pushes", "deletion": "allow_deletions"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at and how it is. `why` and `remedy` are empty where there is nothing to do."""

    severity: Severity
    what: str
    why: str = ""
    remedy: str = ""


class Writer(NamedTuple):
    """The four questions of single-writer discipline, answered for one path."""

    path: str
    writer: str
    others: str
    reconciled: str
    stale: str


@dataclass(frozen=True, slots=True)
class Way:
    """How the workflow lets frames leave: by pull request, with a token of its own, in commits that GitHub signs."""

    pull_request: bool = False
    own_token: bool = False
    signed: bool = False

    def passes(self, kind: str) -> bool:
        """Whether a rule that would refuse a plain push lets this way's frames pass."""
        if kind == "required_signatures" and self.signed:
            return True
        return self.pull_request and kind in _REFUSES - {"update"}


def rules(found: Sequence[Any], branch: str, way: Way) -> Iterator[Finding]:
    """The rulesets' rules of the base branch, as the rules endpoint gives them."""
    names: dict[str, list[str]] = {}
    for one in found:
        if isinstance(one, dict):
            source = f"{one.get('ruleset_source', '?')} {one.get('ruleset_id', '')}".strip()
            names.setdefault(str(one.get("type")), []).append(source)
    hindered = False
    for kind, sources in sorted(names.items()):
        if kind in _LETS_PASS or way.passes(kind):
            continue
        hindered = True
        # Whom a ruleset lets pass is not in the answer; the default token is never among them.
        severity: Severity = "problem" if kind in _REFUSES and not way.own_token else "warning"
        yield Finding(severity, *letters.rule(kind, sorted(set(sources)), branch, way.own_token, kind in _REFUSES))
    if not hindered:
        yield Finding("fine", letters.rules_fine(len(found), branch))


def protection(found: Mapping[str, Any] | None, branch: str, way: Way) -> Iterator[Finding]:
    """The classic protection of the base branch, as its endpoint gives it; None: it may not be seen."""
    if found is None:
        return
    hindered = False
    for name, kind in _CLASSIC.items():
        one = found.get(name)
        is_set = bool(one.get("enabled", True)) if isinstance(one, dict) else bool(one)
        if is_set and not way.passes(kind):
            hindered = True
            severity: Severity = "problem" if name == "lock_branch" or not way.own_token else "warning"
            yield Finding(severity, *letters.protected(name, kind, branch, way.own_token))
    if not hindered:
        yield Finding("fine", letters.protection_fine(branch, there=bool(found)))


def delta_branches(found: Sequence[Any], classic: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Whether branches that are the archive can be cut back or deleted, by the rules that hold for each, and by the
    classic protection of one of them (None, or empty: none that could be seen).
    """
    kinds = {one.get("type") for one in found if isinstance(one, dict)}
    missing = [kind for kind, name in _KEEPS.items() if kind not in kinds and not _forbids(classic, name)]
    if missing:
        yield Finding("warning", *letters.archive_unprotected(missing))
    else:
        yield Finding("fine", letters.ARCHIVE_PROTECTED)


def _forbids(classic: Mapping[str, Any] | None, name: str) -> bool:
    """Classic protection forbids what it does not allow."""
    one = classic.get(name) if classic else None
    return bool(classic) and not (one.get("enabled", True) if isinstance(one, dict) else one)


def actions_setting(found: Mapping[str, Any] | None, way: Way) -> Iterator[Finding]:
    """The repository's setting on pull requests by actions; None: it may not be seen."""
    if found is None or way.own_token or "can_approve_pull_request_reviews" not in found:
        return
    if found["can_approve_pull_request_reviews"]:
        yield Finding("fine", letters.MAY_OPEN)
    elif way.pull_request:
        yield Finding("problem", *letters.MAY_NOT_OPEN)


def clock(now: datetime, newest_commit: datetime | None, server: datetime | None) -> Iterator[Finding]:
    """The local clock against the newest commit's, and against the server's."""
    wrong = False
    if newest_commit is not None and newest_commit - now > SKEW:
        wrong = True
        yield Finding("warning", *letters.commit_ahead(int((newest_commit - now).total_seconds())))
    if server is not None and abs(server - now) > SKEW:
        wrong = True
        yield Finding("problem", *letters.clock_off(int((now - server).total_seconds())))
    if not wrong and (newest_commit or server):
        yield Finding("fine", letters.clock_fine(against_server=server is not None))


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits: `pending` and `held` (for a later frame) count deltas in the inbox, `on_branches` those on delta
    branches, as far as this clone knows; `stops` is what a merge would end with."""

    frame: int
    pending: int = 0
    oldest: datetime | None = None
    held: int = 0
    parked: int = 0
    conflicts: int = 0
    stops: str = ""
    on_branches: int = 0


def queue(found: Queue | None, now: datetime) -> Iterator[Finding]:
    """What waits and what stands open; None: no frame was ever opened."""
    if found is None:
        yield Finding("problem", *letters.NO_FRAME)
        return
    if found.stops:
        yield Finding("problem", *letters.stops(found.stops))
    if found.oldest is not None and now - found.oldest > STALE:
        seconds = int((now - found.oldest).total_seconds())
        yield Finding("warning", *letters.stale(found.pending, found.on_branches, seconds))
    else:
        yield Finding("fine", letters.queue_fine(found.frame, found.pending, found.on_branches))
    for count, letter in (
        (found.held, letters.held), (found.parked, letters.parked), (found.conflicts, letters.conflicts)
    ):  # fmt: skip
        if count:
            yield Finding("fine", *letter(count))


def writers(paths: Paths, collections: Iterable[Collection]) -> list[Writer]:
    """Who writes each path below the state folder, and what that means for everybody else."""
    kept = [
        Writer(one.path + ("" if one.layout == "file" else "/"), *letters.BY_THE_MERGE)
        for one in sorted(collections, key=lambda one: one.path)
    ]
    return [
        Writer(f"{paths.inbox}/", *letters.BY_WORKERS),
        *kept,
        Writer(paths.conflicts, *letters.OPEN_CONFLICTS),
        Writer(paths.parked, *letters.PARKED_RECORDS),
        Writer(f"{paths.control}/", *letters.BOOKS),
        Writer(f"{paths.frames}/", *letters.ARCHIVE),
        Writer(paths.meta, *letters.CLOCK),
    ]
