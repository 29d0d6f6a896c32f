"""Linked work trees: a folder and a branch a worker, made and taken away through git."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merge_bot.errors import RepositoryError
from merge_bot.git import letters
from merge_bot.git.process import Git, text
from merge_bot.git.repository import Repository

PREFIX = "refs/heads/worktrees/"


@dataclass(frozen=True, slots=True)
class Worktree:
    """One of our work trees. `commit` is what its branch has; `gone`: somebody deleted the folder by hand."""

    name: str
    path: Path
    commit: str
    gone: bool = False

    @property
    def branch(self) -> str:
        return PREFIX.removeprefix("refs/heads/") + self.name


def home(repository: Repository) -> Path:
    """The folder that ours lie in unless another is named: beside the repository, so that no tool that searches one
    finds the others.
    """
    shared = repository.common_dir
    main = shared.parent if shared.name == ".git" else shared
    return main.with_name(f"{main.name}.worktrees")


def listed(repository: Repository) -> list[Worktree]:
    """Our work trees by name."""
    found = []
    for one in text(repository.git.run("worktree", "list", "--porcelain", "-z").out).split("\0\0"):
        facts = dict(line.partition(" ")[::2] for line in one.split("\0"))
        branch = facts.get("branch", "")
        if branch.startswith(PREFIX):
            gone = "prunable" in facts
            found.append(Worktree(branch.removeprefix(PREFIX), Path(facts["worktree"]), facts["HEAD"], gone))
    return sorted(found, key=lambda one: one.name)


def changed(worktree: Worktree) -> bool:
    """Whether something in it is in no commit; what git ignores does not count."""
    return bool(Git(os.fspath(worktree.path)).run("status", "--porcelain").out)


def add(repository: Repository, folder: Path, names: Sequence[str], commit: str) -> list[Worktree]:
    """A work tree with a branch of its own for each name, all at `commit`, or none at all.

    Raises RepositoryError where a folder or a branch is there already: nothing is overwritten.
    """
    wanted = [Worktree(name, folder / name, commit) for name in names]
    folders = [str(one.path) for one in wanted if os.path.lexists(one.path)]
    branches = [one.branch for one in wanted if repository.resolve(f"refs/heads/{one.branch}") is not None]
    if folders or branches:
        raise RepositoryError(letters.worktree_there(folders, branches))
    made: list[Worktree] = []
    try:
        for one in wanted:
            repository.git.run("worktree", "add", "--quiet", "-b", one.branch, str(one.path), commit, writes=True)
            made.append(one)
    except BaseException:
        for one in made:
            repository.git.run("worktree", "remove", "--force", str(one.path), ok=range(256), writes=True)
            repository.git.run("update-ref", "-d", f"refs/heads/{one.branch}", commit, ok=range(256), writes=True)
        raise
    return made


def remove(repository: Repository, names: Sequence[str], *, force: bool = False) -> list[tuple[Worktree, bool]]:
    """Take these work trees away; for each, whether its branch went too.

    A branch stays where nothing else has its commits. Raises RepositoryError, with nothing removed, for names that are
    not ours and, unless `force`, for folders with changes in no commit.
    """
    ours = {one.name: one for one in listed(repository)}
    if unknown := [name for name in names if name not in ours]:
        raise RepositoryError(letters.no_worktree(unknown, sorted(ours)))
    chosen = [ours[name] for name in dict.fromkeys(names)]
    dirty = [] if force else [str(one.path) for one in chosen if not one.gone and changed(one)]
    if dirty:
        raise RepositoryError(letters.worktree_changed(dirty))
    removed = []
    for one in chosen:
        options = ["--force"] if force else []
        repository.git.run("worktree", "remove", *options, "--", str(one.path), writes=True)
        merged = _held_elsewhere(repository, one)
        if merged:
            repository.git.run("update-ref", "-d", f"refs/heads/{one.branch}", one.commit, writes=True)
        removed.append((one, merged))
    return removed


def _held_elsewhere(repository: Repository, worktree: Worktree) -> bool:
    """Whether another ref has all of the branch's commits."""
    holders = text(repository.git.run("for-each-ref", "--format=%(refname)", f"--contains={worktree.commit}").out)
    return bool(set(holders.splitlines()) - {f"refs/heads/{worktree.branch}"})
