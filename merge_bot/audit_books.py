"""Pure. The audit of what the merge writes down about itself: manifests, ledger, workers, clocks, conflicts, parked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from merge_bot import audit_letters as letters
from merge_bot.audit_files import lines_of, value_of, walk
from merge_bot.canonical import digest
from merge_bot.conflicts import Conflicts
from merge_bot.errors import UnreadableState
from merge_bot.findings import Problem, Reason
from merge_bot.ledger import Line
from merge_bot.parked import read_parked
from merge_bot.paths import Paths
from merge_bot.state import Files, Meta
from merge_bot.strict_json import pointer
from merge_bot.workers import Workers


def audit_books(files: Files, paths: Paths) -> Iterator[Problem]:
    """Which of the merge's own files cannot be read as what they are."""
    yield from _book(files, paths.conflicts, "open conflicts", lambda _: Conflicts.read(files, paths))
    yield from _book(files, paths.parked, "parked records", lambda _: read_parked(files, paths))
    yield from _book(files, paths.workers, "workers", lambda _: Workers.read(files, paths))
    for path, _ in walk(files, f"{paths.control}/ledger"):
        yield from _book(files, path, "a ledger", lambda lines: [Line(**one) for one in lines])
    for path, _ in walk(files, f"{paths.control}/clocks"):
        yield from _book(files, path, "clocks", lambda _: None)


def _book(files: Files, path: str, what: str, read: Callable[[Any], object]) -> Iterator[Problem]:
    data = files.read(path)
    if data is None:
        return
    is_lines = path.endswith(".jsonl")
    found = lines_of(data, path) if is_lines else value_of(data, path)
    if found.problems:
        yield from found.problems
        return
    try:
        read(found.value)
        fits = isinstance(found.value, list if is_lines else dict)
    except (UnreadableState, TypeError):
        fits = False
    if not fits:
        yield Problem(path, 0, "", Reason.SCHEMA_VIOLATION, *letters.unusable(what))


def audit_manifests(files: Files, paths: Paths, meta: Meta, counts: Mapping[str, int]) -> Iterator[Problem]:
    """What is wrong with the chain of manifests, back to the genesis; `counts` are the records that were found."""
    expected: object = meta.manifest
    for frame in range(meta.frame - 1, -1, -1):
        path = paths.manifest(frame)
        data = files.read(path)
        if data is None:
            yield Problem(path, 0, "", Reason.MISSING_FILE, *letters.manifest_missing(frame))
            return
        if digest(data) != expected:
            yield Problem(path, 0, "", Reason.FOREIGN_EDIT, *letters.manifest_changed(frame))
        read = value_of(data, path)
        yield from read.problems
        if not isinstance(read.value, dict):
            return
        if frame == meta.frame - 1:
            yield from _miscounted(path, read.value.get("counts"), counts)
        expected = read.value.get("previous")
        if expected is None:
            return


def _miscounted(path: str, said: Any, counts: Mapping[str, int]) -> Iterator[Problem]:
    for name, count in said.items() if isinstance(said, dict) else ():
        if name in counts and counts[name] != count:
            letter = letters.counts_disagree(name, count, counts[name])
            yield Problem(path, 0, pointer("counts", name), Reason.COUNTS_DISAGREE, *letter)
