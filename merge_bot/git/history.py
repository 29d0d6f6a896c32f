"""What happened between commits. Every option that the user's settings could change is given, so that they cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from merge_bot.git.process import Git, text

_RAW = ("--raw", "-z", "--no-abbrev", "--no-renames", "--ignore-submodules=none")
_LOG = (
    "-c", "log.follow=false",  # would turn the changes of one file into a chase after renames
    "-c", "log.showRoot=true",
    "-c", "commitGraph.readChangedPaths=false",  # its filters were wrong for non-ASCII names in some versions of git
    "log", "--no-show-signature", "--no-notes", "--no-mailmap", "--encoding=UTF-8",
)  # fmt: skip


class Change(NamedTuple):
    """One file, changed by one commit against one of its parents. Ids and modes are zeros where there is no file.

    `committed` is the commit's time, in seconds since 1970.
    """

    path: str
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    commit: str
    committed: int


class LastChange(NamedTuple):
    """Who last changed a path: `author` as `Name <email>`, `date` in ISO 8601."""

    commit: str
    author: str
    date: str


class Landing(NamedTuple):
    """A commit of a branch itself (by first parents) that changed a file, to this blob; None if it took it away."""

    commit: str
    author: str
    date: str
    blob: str | None


class RawChange(NamedTuple):
    """One line of git's raw diff."""

    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    status: str
    path: str


def log_changes(git: Git, base: str | None, tip: str, folder: str) -> list[Change]:
    """Every change of every file under `folder` in the commits of `tip` that `base` (None: nothing) does not have.

    A version that was ever committed there is named in at least one of them: side branches are walked
    (`--full-history`), and a merge is held against each parent, so what a merge commit itself made up is seen too.
    """
    out = git.run(
        *_LOG, "--full-history", "--diff-merges=separate", *_RAW, "--format=tformat:%H %ct",
        "--end-of-options", f"{base}..{tip}" if base else tip, "--", folder,
    ).out  # fmt: skip
    changes = []
    commit, committed = "", 0
    for item in _items(out):
        if isinstance(item, RawChange):
            modes_and_ids = (item.old_mode, item.new_mode, item.old_id, item.new_id)
            changes.append(Change(item.path, *modes_and_ids, commit, committed))
        else:
            commit, _, seconds = item.partition(" ")
            committed = int(seconds)
    return changes


def last_change(git: Git, tip: str, path: str) -> LastChange | None:
    """The newest commit of `tip` that changed `path`; None if none did."""
    out = git.run(*_LOG, "-1", "--format=tformat:%H%x00%an <%ae>%x00%aI", "--end-of-options", tip, "--", path).out
    if not out:
        return None
    commit, author, date = text(out).rstrip("\n").split("\0")
    return LastChange(commit, author, date.replace("+00:00", "Z"))  # as newer versions of git say it


def landings(git: Git, tip: str, paths: Sequence[str], limit: int | None = None) -> list[tuple[str, Landing]]:
    """(path, landing) for each commit of the branch itself that changed one of `paths` (files), the newest first.

    What a merged side branch did counts as its merge commit's, because that is where the branch got it.
    """
    out = git.run(
        *_LOG, "--first-parent", "--diff-merges=first-parent", *_RAW, *(() if limit is None else (f"-{limit}",)),
        "--format=tformat:%H%n%an <%ae>%n%aI", "--end-of-options", tip, "--", *paths,
    ).out  # fmt: skip
    found = []
    about: list[str] = []
    for item in _items(out):
        if isinstance(item, RawChange):
            blob = None if set(item.new_id) == {"0"} else item.new_id
            found.append((item.path, Landing(about[0], about[1], about[2].replace("+00:00", "Z"), blob)))
        else:
            about = item.split("\n")
    return found


def changed_paths(git: Git, before: str, after: str, folder: str) -> list[tuple[str, str]]:
    """(status letter, path) of each file under `folder` ("": all) that differs between two trees or commits."""
    return [(change.status, change.path) for change in diff_trees(git, before, after, folder)]


def diff_trees(git: Git, before: str, after: str, folder: str = "") -> list[RawChange]:
    """The files that differ between two trees or commits."""
    where = ("--", folder) if folder else ()
    return list(raw_changes(git.run("diff-tree", "-r", *_RAW, "--end-of-options", before, after, *where).out))


def raw_changes(out: bytes) -> Iterator[RawChange]:
    """Parse `--raw -z` output."""
    return (item for item in _items(out) if isinstance(item, RawChange))


def _items(out: bytes) -> Iterator[RawChange | str]:
    """Raw changes, and whatever stands between them. A path is taken as it comes: it may look like anything."""
    parts = iter(out.split(b"\0"))
    for part in parts:
        head = part.removeprefix(b"\n")
        if head.startswith(b":"):
            old_mode, new_mode, old_id, new_id, status = head[1:].decode().split(" ")
            yield RawChange(old_mode, new_mode, old_id, new_id, status, text(next(parts)))
        elif head:
            yield text(head)
