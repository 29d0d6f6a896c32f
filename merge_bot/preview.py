"""Preview: what the next merge would do, with more deltas than wait, or fewer: `run_frame`, and nothing is kept."""

from __future__ import annotations

from collections.abc import Collection as Items
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from merge_bot import history_letters as letters
from merge_bot import report
from merge_bot.canonical import digest
from merge_bot.clone import Clone
from merge_bot.collect import Base
from merge_bot.delta import FILE_NAME, Candidate, file_name
from merge_bot.diff import Diff, diff
from merge_bot.errors import RepositoryError
from merge_bot.frame import Result, run_frame
from merge_bot.page import Page
from merge_bot.past_report import diff_page
from merge_bot.progress import Progress, silent
from merge_bot.publish.base import Publisher
from merge_bot.publish.dry_run import DryRun
from merge_bot.publish.speculative import SpeculativePublisher
from merge_bot.state import Overlay
from merge_bot.strict_json import parse
from merge_bot.transports.chosen import Chosen
from merge_bot.transports.inbox import InboxTransport
from merge_bot.transports.uncommitted import Uncommitted
from merge_bot.validate import Rules


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be merged, and how the state would differ afterwards. `branch` is the one that keeps it, if any."""

    result: Result
    diff: Diff
    branch: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What `merge --dry-run --json` says, with `diff` and `branch`."""
        return {**report.as_data(self.result, dry_run=True), "diff": self.diff.as_json(), "branch": self.branch}

    def as_page(self) -> Page:
        page = report.as_page(self.result, dry_run=True)
        if self.result.frame is not None:
            changes = diff_page(self.diff, "")
            page.sections += [one for one in changes.sections if one.title in self.diff.counts]
            name = self.branch
            page.closing = letters.how_to_throw_away(name) if name else ["Nothing was kept."]
            if name:
                page.headline = page.headline.removeprefix("Dry run, nothing was written. ")
        return page


def preview(
    clone: Clone,
    now: datetime,
    more: Mapping[str, bytes] | Iterable[bytes] = (),
    without: Items[str] = (),
    branch: str | None = None,
    progress: Progress = silent,
) -> Preview:
    """Merge what waits in the inbox, and `more`, but nothing of the workers `without`, and keep nothing.

    `more` are deltas' bytes, by file name where they have one. `branch` keeps the result as a new local branch. Raises
    RepositoryError if there is such a branch, or nothing waits of a worker to leave out; else as a merge does.
    """
    base = clone.base()
    ref = None if branch is None else f"refs/heads/{branch}"
    if ref is not None and clone.repository.resolve(ref) is not None:
        raise RepositoryError(letters.branch_exists(ref.removeprefix("refs/heads/")))
    waiting = {path: data for path, one in sorted(clone.waiting().changed.items()) if (data := one.read()) is not None}
    for name, data in more.items() if isinstance(more, Mapping) else (("", one) for one in more):
        waiting[_place(base, name, data, waiting)] = data
    inbox = InboxTransport(clone.repository, base.paths)
    chosen = Chosen(Uncommitted(inbox, waiting), without, lambda one: _worker_of(one, base.rules))
    publisher: Publisher = DryRun()
    if ref is not None:
        publisher = SpeculativePublisher(clone.repository, ref, clone.author())
    result = run_frame(clone.repository, base, chosen, publisher, now, progress)
    if missing := sorted(set(without) - chosen.seen):
        raise RepositoryError(letters.nothing_of(missing, sorted(chosen.seen)))
    return Preview(result, _diff(base, result), branch if result.frame else None)


def _diff(base: Base, result: Result) -> Diff:
    changes = result.frame.changes if result.frame else {}
    after = Overlay(base.files, {path: data for path, data in changes.items() if isinstance(data, bytes)})
    return diff(base.files, after, base.collections, base.collections, base.paths, changes.keys())


def _place(base: Base, name: str, data: bytes, taken: Items[str]) -> str:
    """Under which path a further delta stands in the inbox: as its content says, else under its own name."""
    value = base.rules.read(found).document if isinstance(found := parse(data, name).value, dict) else {}
    frame, worker = value.get("frame"), value.get("stream_id")
    if type(frame) is int and isinstance(worker, str) and FILE_NAME.match(right := file_name(frame, worker)):
        path = f"{base.paths.inbox}/{right}"
        return path if path not in taken else f"{base.paths.inbox}/{file_name(frame, worker, digest(data)[:32])}"
    return f"{base.paths.inbox}/{name.rpartition('/')[2] or digest(data)[:32]}"


def _worker_of(candidate: Candidate, rules: Rules) -> str | None:
    """Whose delta it is: by its content, and where that cannot be read, by its name."""
    value = parse(candidate.data, candidate.path).value if candidate.data is not None else None
    worker = rules.read(value).document.get("stream_id") if isinstance(value, dict) else None
    if isinstance(worker, str):
        return worker
    named = FILE_NAME.match(candidate.path.rpartition("/")[2])
    return named["stream_id"] if named else None
