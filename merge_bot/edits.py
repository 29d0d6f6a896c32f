"""Edits by other hands: what stands in the canonical state and is not what the newest manifest proves.

They are told by file, with who made them and when, and by record, with what it said before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from merge_bot.collection import Collection
from merge_bot.commit_files import CommitFiles
from merge_bot.errors import DreamcatcherError, RepositoryError
from merge_bot.git import Repository
from merge_bot.git.history import LastChange
from merge_bot.manifest import Manifest
from merge_bot.paths import Paths
from merge_bot.state import Files
from merge_bot.tree import Entry, edited
from merge_bot.wording import printable, quoted

if TYPE_CHECKING:
    from merge_bot.diff import Change

_MANY = 10


class Edit(NamedTuple):
    """One file that another hand changed: what lay there before and lies there now (None: nothing).

    `commit` is the newest one that changed it ("" if that is not known), `author` is `Name <email>`, `date` ISO 8601,
    `committed` seconds since 1970.
    """

    path: str
    before: Entry | None
    after: Entry | None
    commit: str = ""
    author: str = ""
    date: str = ""
    committed: int = 0

    @property
    def status(self) -> str:
        """Git's letter: A added, D removed, M changed."""
        return "A" if self.before is None else "D" if self.after is None else "M"


@dataclass(slots=True)
class Edits:
    """What other hands changed. `landed` is the commit in which the newest frame came to the branch, None if unknown;
    `before` the files that its manifest proves, None where no commit of the branch holds them.
    """

    landed: str | None
    before: CommitFiles | None
    files: list[Edit] = field(default_factory=list)


def live_state_tree(files: CommitFiles, paths: Paths) -> str:
    """Git's tree id of everything canonical at this commit."""
    entry = files.entry(paths.state)
    root = entry.id if entry and entry.is_tree else None
    without = paths.outside_the_digest()
    return edited(root, {}, files.entries, without=without, object_format=files.object_format)


def is_proven(files: CommitFiles, paths: Paths, manifest: Manifest) -> bool:
    """Whether canonical state is what the manifest names."""
    return live_state_tree(files, paths) == manifest.state_tree and all(
        (entry := files.entry(path)) is not None and entry.id == blob for path, blob in manifest.adopted.items()
    )


def find_edits(repository: Repository, files: CommitFiles, paths: Paths, manifest: Manifest) -> Edits | None:
    """What other hands changed in the canonical state since the newest frame; None if nothing."""
    if is_proven(files, paths, manifest):
        return None
    with suppress(RepositoryError):  # a clone that cannot be deepened names what it can
        repository.deepen_until(manifest.base, tip=files.commit)
    last = repository.last_change(files.commit, paths.meta)
    if last is None:
        return Edits(None, None)
    # A pull request may have been merged together with somebody's commits on its branch: the frame's own commit, or
    # else the one by which it came to the branch, may be as the manifest says.
    for commit in [last.commit, *_landing(repository, files, paths)]:
        proven = CommitFiles(repository, commit)
        if is_proven(proven, paths, manifest):
            return edits_since(repository, proven, files, paths, manifest, last.commit)
    found = edits_since(repository, CommitFiles(repository, last.commit), files, paths, manifest, last.commit)
    return Edits(last.commit, None, found.files)


def archive_edits(repository: Repository, files: CommitFiles, paths: Paths, landed: str | None) -> Edits | None:
    """What other hands changed in the folders of merged frames, which no digest of the state covers; None if nothing.

    `landed` is the commit by which the newest frame came to the branch.
    """
    if landed is None or landed == files.commit:
        return None
    before = CommitFiles(repository, landed)
    if before.entry(paths.frames) == files.entry(paths.frames):
        return None
    names = [path for _, path in repository.changed_paths(landed, files.commit, paths.frames)]
    return Edits(landed, before, _edits(repository, before, files, landed, names))


def edits_since(
    repository: Repository, before: CommitFiles, files: CommitFiles, paths: Paths, manifest: Manifest, landed: str
) -> Edits:
    """How canonical state differs from that in `before`, which `manifest` proves."""
    outside = tuple(f"{paths.state}/{name}/" for name in paths.outside_the_digest())
    changed = [path for _, path in repository.changed_paths(before.commit, files.commit, paths.state)]
    names = [path for path in changed if not f"{path}/".startswith(outside)] + sorted(manifest.adopted)
    return Edits(landed, before, _edits(repository, before, files, manifest.base, names))


def _landing(repository: Repository, files: CommitFiles, paths: Paths) -> list[str]:
    return [one.commit for _, one in repository.landings(files.commit, [paths.meta], 1)]


def _edits(
    repository: Repository, before: CommitFiles, files: CommitFiles, since: str | None, names: Sequence[str]
) -> list[Edit]:
    """Those of the paths that differ, each with the commit after `since` that changed it last."""
    differ = [path for path in names if before.entry(path) != files.entry(path)]
    for one in (before, files):
        one.ahead(differ)
    newest = _newest_changes(repository, since, files.commit, differ)
    authors: dict[str, LastChange | None] = {}
    found = []
    for path in differ:
        commit, committed = newest.get(path, ("", 0))
        if commit not in authors:
            authors[commit] = repository.last_change(commit or files.commit, path)
        by = authors[commit]
        who = (by.commit, by.author, by.date) if by else ("", "", "")
        found.append(Edit(path, before.entry(path), files.entry(path), *who, committed))
    return found


def _newest_changes(
    repository: Repository, since: str | None, tip: str, names: Sequence[str]
) -> Mapping[str, tuple[str, int]]:
    """Path → the newest commit that changed it, and when that was made."""
    wanted = set(names)
    newest: dict[str, tuple[str, int]] = {}
    if since and repository.has_commit(since):
        for folder in sorted({path.partition("/")[0] for path in names}):
            for change in repository.log_changes(since, tip, folder):
                if change.path in wanted:
                    newest.setdefault(change.path, (change.commit, change.committed))
    return newest


def records_changed(edits: Edits, files: Files, collections: Mapping[str, Collection], paths: Paths) -> list[Change]:
    """What the edits changed by collection and record. Raises UnreadableState; empty where nobody knows what was."""
    if edits.before is None:
        return []
    from merge_bot.diff import diff  # most frames find no edit to tell of

    touched = {one.path for one in edits.files}
    return diff(edits.before, files, collections, collections, paths, touched).changes


def record_lines(changes: Sequence[Change]) -> Iterator[str]:
    """Changed records, a line each; of many the first."""
    for one in changes[:_MANY]:
        name = f"{printable(one.collection)} {quoted(one.key)}" if one.key else printable(one.collection)
        if one.kind != "changed":
            yield f"{name} {one.kind}"
            continue
        for at, (was, now) in one.fields.items():
            yield f"{name}, {printable(at)}: {_value(was)} → {_value(now)}"
    if len(changes) > _MANY:
        yield f"and {len(changes) - _MANY:,} more records"


def told_records(edits: Edits, files: Files, collections: Mapping[str, Collection], paths: Paths) -> list[str]:
    """`record_lines` of the edits, as far as they can be read."""
    try:
        return list(record_lines(records_changed(edits, files, collections, paths)))
    except DreamcatcherError:
        return []


def _value(value: object) -> str:
    from merge_bot.diff import ABSENT
    from merge_bot.page import value_text

    return "nothing" if value is ABSENT else value_text(value)
