"""What lies around a run: other work trees, rules that nobody committed, odd files in the inbox."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from merge_bot.cli import letters
from merge_bot.cli.looking import on_branches
from merge_bot.clone import Clone
from merge_bot.collect import read_settings
from merge_bot.errors import RepositoryError
from merge_bot.git import Repository
from merge_bot.git.scan import CHANGING
from merge_bot.paths import Paths
from merge_bot.settings import Settings
from merge_bot.state import MemoryFiles
from merge_bot.workers import Workers


def branch_of(clone: Clone) -> str:
    """The branch as people name it."""
    return clone.ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")


def inbox_root(repo: str) -> Path:
    """The root of the work tree whose inbox is written to. Raises RepositoryError where there is none."""
    with Repository.open(repo) as repository:
        if repository.work_tree is None:
            raise RepositoryError(letters.no_inbox(str(repository.git_dir)))
        return repository.work_tree


def refuse_elsewhere(clone: Clone) -> None:
    """Raises RepositoryError if another work tree has the branch checked out: its files would not follow."""
    place = clone.repository.checked_out_elsewhere(clone.ref)
    if place is not None:
        raise RepositoryError(letters.checked_out_elsewhere(branch_of(clone), str(place)))


def remarks_on(clone: Clone) -> Iterator[str]:
    """What lies around in the work tree and is not part of the merge, though somebody may think so."""
    if clone.repository.work_tree is None or clone.tip is None:
        return
    if not clone.follows:
        yield letters.not_checked_out(branch_of(clone))
        return
    if changed := uncommitted_rules(clone):
        yield letters.uncommitted_rules(changed)
    yield from letters.odd_files(clone.waiting().odd, CHANGING)


def delta_branches(clone: Clone) -> Iterator[str]:
    """What lies on delta branches, which are merged where they were pushed. A clone may know them from long ago: from
    there, a branch that is behind its newest merge would look as if it had been cut back."""
    if clone.tip is None:
        return
    settings = clone.settings
    if found := on_branches(clone, Workers.read(clone.files, Paths(settings.state))).commits:
        yield letters.on_branches(found)


def uncommitted_rules(clone: Clone) -> list[str]:
    """Settings and schemas of the work tree that differ from the committed ones."""
    folder = clone.settings.schemas
    settings_folder = clone.settings_path.rpartition("/")[0]
    found = []
    for inside in {folder, settings_folder} - {""}:
        local = clone.repository.untracked_and_changed(clone.tip, inside)
        found += [
            path
            for path in (*local.changed, *local.deleted)
            if path == clone.settings_path or (path.startswith(f"{folder}/") and path.endswith(".schema.json"))
        ]
    return sorted(set(found))


def local_rules(clone: Clone) -> tuple[Settings, dict[str, bytes]]:
    """Settings and schemas (path → bytes) as they are in the work tree, or where there is none, committed.

    Raises SettingsError.
    """
    folder = clone.settings_path.rpartition("/")[0]
    settings = read_settings(_local(clone, [clone.settings_path], folder), clone.settings_path)
    names = clone.files.folder(settings.schemas)
    committed = [f"{settings.schemas}/{name}" for name in names if name.endswith(".schema.json")]
    files = _local(clone, committed, settings.schemas)
    return settings, {path: data for path, data in sorted(files.files.items()) if path.endswith(".schema.json")}


def _local(clone: Clone, committed: Iterable[str], folder: str) -> MemoryFiles:
    """The committed files at these paths, and over them what the work tree has in the folder."""
    files = MemoryFiles(clone.files.read_many(committed))
    if clone.follows or clone.tip is None:
        local = clone.repository.untracked_and_changed(clone.tip, folder)
        files.files |= {path: data for path, one in local.changed.items() if (data := one.read()) is not None}
        for path in local.deleted:
            files.files.pop(path, None)
    return files
