"""What people changed in a clone and did not commit, seen against a move of its branch from one commit to another."""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from merge_bot.git import files
from merge_bot.git.history import RawChange, diff_trees, raw_changes
from merge_bot.git.process import Git, raw, text
from merge_bot.git.scan import Unsettled, entry_of
from merge_bot.tree import Entry

_RAW = ("--raw", "-z", "--no-abbrev", "--no-renames", "--ignore-submodules=dirty")
_ABSENT = "000000"


@dataclass(slots=True)
class Local:
    """`in_the_way`: paths whose local edits the move would discard, sorted. `landed`: paths whose file on disk is
    already what the move brings. `behind`: whether the index still stands at the old commit at any path of the move.
    """

    in_the_way: list[str] = field(default_factory=list)
    landed: dict[str, Entry] = field(default_factory=dict)
    behind: bool = False


def compare(git: Git, root: bytes, object_format: str, old: str, new: str, consumed: Container[str]) -> Local:
    """Look at index and files at `root`; the index must have been refreshed. `consumed` paths are never in the way."""
    moves = {change.path: change for change in diff_trees(git, old, new)}
    staged = {change.path: change for change in raw_changes(git.run("diff-index", "--cached", *_RAW, old).out)}
    edited = {change.path: change for change in raw_changes(git.run("diff-files", *_RAW).out)}
    local = Local(behind=not moves.keys() <= staged.keys())
    leaving = {path for path, move in moves.items() if after(move) is None}
    # Git moves nothing while a merge is unresolved, wherever that is.
    blocked = {change.path for change in (*staged.values(), *edited.values()) if change.status == "U"}
    for path, move in moves.items():
        if path in consumed or path in blocked:
            continue
        was, becomes = _before(move), after(move)
        index = after(staged[path]) if path in staged else was
        if index is None and becomes is None:
            stands = list(_files_at(root, path))
        elif index is None and was is None:
            stands = _untracked(root, path, leaving)
        elif index == becomes:
            continue
        elif index == was:
            stands = [path] if path in edited and edited[path].status != "D" else []
        else:
            stands = [path]
        if stands and index == was and becomes is not None and _on_disk(root, path, object_format) == becomes:
            local.landed[path] = becomes
        else:
            blocked.update(stands)
    local.in_the_way = sorted(blocked)
    return local


def _before(change: RawChange) -> Entry | None:
    return None if change.old_mode == _ABSENT else Entry(change.old_mode, change.old_id)


def after(change: RawChange) -> Entry | None:
    """What a change leaves at its path."""
    return None if change.new_mode == _ABSENT else Entry(change.new_mode, change.new_id)


def _untracked(root: bytes, path: str, leaving: Container[str]) -> list[str]:
    """What nobody committed and lies where `path` is to be; also a file that one of its folders would replace."""
    parts = path.split("/")
    for end in range(1, len(parts)):
        above = "/".join(parts[:end])
        info = files.look(os.path.join(root, raw(above)))
        if info is not None and not stat.S_ISDIR(info.st_mode):
            return [] if above in leaving else [above]
    return [one for one in _files_at(root, path) if one not in leaving]


def _files_at(root: bytes, path: str) -> Iterator[str]:
    info = files.look(os.path.join(root, raw(path)))
    if info is not None and stat.S_ISDIR(info.st_mode):
        for name in files.entries(os.path.join(root, raw(path))):
            yield from _files_at(root, f"{path}/{text(name)}")
    elif info is not None:
        yield path


def _on_disk(root: bytes, path: str, object_format: str) -> Entry | None:
    try:
        return entry_of(os.path.join(root, raw(path)), object_format)
    except (Unsettled, PermissionError):
        return None
