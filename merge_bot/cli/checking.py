"""What `check` looks at, part by part: given deltas, the inbox, schemas and settings, the state."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from merge_bot import audit_letters, schemas
from merge_bot import letters as merge_letters
from merge_bot.audit import audit
from merge_bot.audit_books import audit_books, audit_manifests
from merge_bot.audit_counters import audit_counters
from merge_bot.audit_files import value_of, walk
from merge_bot.canonical import digest
from merge_bot.cli import letters
from merge_bot.cli.around import local_rules
from merge_bot.cli.output import progress
from merge_bot.clone import Clone
from merge_bot.commit_files import CommitFiles
from merge_bot.counting import untrusted
from merge_bot.delta import Candidate, Delta, instant_of
from merge_bot.edits import find_edits
from merge_bot.errors import SettingsError, UnreadableState
from merge_bot.findings import Problem, Reason, Rejection
from merge_bot.git.scan import CHANGING
from merge_bot.manifest import read_manifest
from merge_bot.paths import Paths
from merge_bot.policy import with_policies
from merge_bot.repair import Repair, repaired
from merge_bot.settings import Settings
from merge_bot.state import Files, Meta, Overlay, read_meta
from merge_bot.transports.inbox import KEPT_NAMES
from merge_bot.tree import object_id
from merge_bot.validate import Rules, check_name, given, validate


@dataclass(slots=True)
class Checked:
    """What was found, and how much was looked at. `left_out` says what could not be checked, and why.

    By delta, `notes` say what of it is read otherwise than it is written, and `repairs` how a refused one would enter;
    `places` are the files of those.
    """

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    repairs: dict[str, Repair] = field(default_factory=dict)
    places: dict[str, Path] = field(default_factory=dict)


def check_deltas(clone: Clone, deltas: Sequence[tuple[str, bytes]], now: datetime) -> Checked:
    """Hold deltas (name, bytes) to the rules in the work tree, as a merge would.

    Problems of the rules themselves come first: with any, the deltas cannot be judged.
    """
    checked = Checked(counts={"deltas": len(deltas)})
    rules, settings = _rules(clone, checked)
    if rules is None or settings is None:
        checked.left_out.append(letters.NO_RULES)
        return checked
    paths = Paths(settings.state)
    meta = read_meta(clone.files, paths)
    for name, data in progress(deltas, "check"):
        in_inbox = _in_inbox(clone, paths, name)
        candidate = given(in_inbox or name, data)
        delta = _judged(candidate, rules, checked, Path(name) if name != "-" else None)
        if delta is None:
            continue
        if in_inbox and (problem := check_name(in_inbox, delta)):
            checked.warnings.append(problem)
        if meta and delta.frame > meta.frame:
            letter = letters.frame_not_open(delta.frame, meta.frame)
            checked.warnings.append(Problem(in_inbox or name, 0, "/frame", Reason.FUTURE_FRAME, *letter))
        if delta.instant > instant_of(now) + settings.clock_tolerance_seconds * 1_000_000:
            ahead = (delta.instant - instant_of(now)) / 1_000_000
            checked.warnings.append(merge_letters.clock_ahead(in_inbox or name, delta.utc, ahead))
    checked.problems.sort()
    return checked


def _judged(candidate: Candidate, rules: Rules, checked: Checked, place: Path | None) -> Delta | None:
    """The delta, if it would enter; else None, with its problems and what would help noted."""
    verdict = validate(candidate, rules)
    if isinstance(verdict, Rejection):
        checked.problems += verdict.problems
        if found := repaired(candidate, rules):
            checked.repairs[candidate.path] = found
            if place is not None:
                checked.places[candidate.path] = place
        return None
    if verdict.notes:
        checked.notes[candidate.path] = verdict.notes
    return verdict


def check_everything(clone: Clone) -> Checked:
    """Rules, inbox and state as they lie in the work tree; in a bare repository, as they are committed."""
    checked = Checked()
    rules, settings = _rules(clone, checked)
    if rules is None or settings is None:
        checked.left_out.append(letters.NO_RULES)
    else:
        paths = Paths(settings.state)
        _check_inbox(clone, paths, rules, checked)
        _check_state(clone, paths, rules, checked)
    checked.problems.sort()
    return checked


def _rules(clone: Clone, checked: Checked) -> tuple[Rules | None, Settings | None]:
    """The rules to check by; None if they are at fault themselves, and that is then a problem."""
    try:
        settings, files = local_rules(clone)
        collections, problems = schemas.load(files, state=settings.state)
        checked.counts["schemas"] = len(files)
        checked.problems += problems
        if not files:
            letter = merge_letters.no_schemas(settings.schemas)
            checked.problems.append(Problem(settings.schemas, 0, "", Reason.MISSING_FILE, letter))
        if checked.problems:
            return None, settings
        return Rules(with_policies(collections, settings.conflicts), settings), settings
    except SettingsError as error:
        whole = Problem(clone.settings_path, 0, "", Reason.BAD_SETTINGS, str(error))
        checked.problems += error.problems or [whole]
        return None, None


# --- the inbox


def _in_inbox(clone: Clone, paths: Paths, name: str) -> str | None:
    """The repository path of a file in the inbox, None if it lies elsewhere."""
    root = clone.repository.work_tree
    if name == "-" or root is None:
        return None
    path = os.path.relpath(os.path.realpath(name), root)
    return path if path.startswith(f"{paths.inbox}/") else None


def _check_inbox(clone: Clone, paths: Paths, rules: Rules, checked: Checked) -> None:
    candidates = list(_inbox(clone, paths, rules.max_bytes))
    checked.counts["deltas"] = len(candidates)
    for candidate in progress(candidates, "check deltas"):
        root = clone.repository.work_tree
        delta = _judged(candidate, rules, checked, Path(root, candidate.path) if root else None)
        if delta and (problem := check_name(candidate.path, delta)):
            checked.problems.append(problem)
    for path, what in clone.waiting().odd.items():
        if what != CHANGING:
            letter = letters.odd_file(path, what)
            checked.problems.append(Problem(path, 0, "", Reason.NOT_A_REGULAR_FILE, letter))


def _inbox(clone: Clone, paths: Paths, limit: int) -> Iterator[Candidate]:
    """What the next merge would find at the tip of the branch if it started now."""
    local = clone.waiting()
    entries = {
        path: entry for path, entry in walk(clone.files, paths.inbox) if path.rpartition("/")[2] not in KEPT_NAMES
    }
    for path in local.deleted:
        entries.pop(path, None)
    sizes = clone.repository.sizes({entry.id for entry in entries.values()})
    for path in sorted(entries.keys() | local.changed.keys()):
        if path in local.changed:
            one = local.changed[path]
            mode, size = one.mode, one.size
            data = one.read() if size <= limit else None
        else:
            mode, size = entries[path].mode, sizes[entries[path].id] or 0
            data = clone.files.read(path) if size <= limit else None
        yield Candidate(path, "", mode, size, data, digest(data or b""))


# --- the state


def _check_state(clone: Clone, paths: Paths, rules: Rules, checked: Checked) -> None:
    tip = clone.tip
    if tip is None or clone.files.read(paths.meta) is None:
        checked.left_out.append(letters.NO_FRAME)
        return
    committed = CommitFiles(clone.repository, tip)
    changed = dict(_uncommitted(clone, paths, checked))
    files = Overlay(committed, changed)
    found = audit(files, paths, rules.collections, rules, progress)
    checked.counts |= {"files": found.files, "records": found.records.total()}
    checked.problems += found.problems
    checked.problems += audit_books(files, paths)
    meta = _meta(committed, paths, checked)
    checked.problems += _counters(clone, files, paths, meta, rules)
    if meta is not None:
        counts = found.records if not changed else {}
        checked.problems += audit_manifests(committed, paths, meta, counts)
        checked.problems += _foreign(clone, committed, paths, meta)


def _counters(clone: Clone, files: Files, paths: Paths, meta: Meta | None, rules: Rules) -> Iterable[Problem]:
    """Derived counters that say something else than there is, but for those that the next merge counts anew."""
    try:
        newest = read_manifest(clone.files, paths, meta.frame - 1) if meta else None
    except UnreadableState:
        return ()  # the audit of the manifests names it
    if newest is None:
        return ()
    _, schemas_now = local_rules(clone)
    form = clone.repository.object_format
    ids = {path: object_id("blob", data, form) for path, data in schemas_now.items()}
    return audit_counters(files, paths, rules.collections, untrusted(rules.collections, ids, newest))


def _uncommitted(clone: Clone, paths: Paths, checked: Checked) -> Iterator[tuple[str, bytes]]:
    """What somebody changed in the state and did not commit; each is a problem in itself."""
    if not clone.follows:
        return
    local = clone.repository.untracked_and_changed(clone.tip, paths.state)
    for path in sorted([*local.changed, *local.deleted]):
        if path.startswith(f"{paths.inbox}/"):
            continue
        letter = audit_letters.uncommitted_edit(path, gone=path in local.deleted)
        checked.problems.append(Problem(path, 0, "", Reason.FOREIGN_EDIT, *letter))
        data = local.changed[path].read() if path in local.changed else None
        if data is not None:
            yield path, data


def _meta(files: CommitFiles, paths: Paths, checked: Checked) -> Meta | None:
    read = value_of(files.read(paths.meta) or b"", paths.meta)
    checked.problems += read.problems
    if read.problems:
        return None
    try:
        return read_meta(files, paths)
    except UnreadableState:
        letter = audit_letters.unusable("the clock of the frames")
        checked.problems.append(Problem(paths.meta, 0, "", Reason.SCHEMA_VIOLATION, *letter))
        return None


def _foreign(clone: Clone, files: CommitFiles, paths: Paths, meta: Meta) -> Iterable[Problem]:
    """What other hands changed since the newest frame, and committed."""
    try:
        manifest = read_manifest(files, paths, meta.frame - 1)
    except UnreadableState:
        return  # the audit of the manifests has named it
    found = find_edits(clone.repository, files, paths, manifest)
    if found is None:
        return
    for one in found.files:
        yield Problem(one.path, 0, "", Reason.FOREIGN_EDIT, *audit_letters.foreign_edit(one.path, found.landed))
    if not found.files:
        letter = audit_letters.not_the_manifests_state(manifest.frame)
        yield Problem(paths.state, 0, "", Reason.FOREIGN_EDIT, *letter)
