"""Where deltas are handed in: a remote, and what its base branch says about rules and the open frame.

Everything is fetched into a repository of our own, and of the base branch only its newest commit, without contents.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from merge_bot import submit_letters
from merge_bot.collect import read_schemas, settings_and
from merge_bot.collection import Collections
from merge_bot.commit_files import CommitFiles
from merge_bot.errors import RepositoryError
from merge_bot.foresight import the_rules
from merge_bot.git import Repository
from merge_bot.git.bare import REMOTE, bare_repository
from merge_bot.git.credentials import Credentials, address
from merge_bot.git.remote import Remote
from merge_bot.paths import Paths
from merge_bot.schemas import ENDING
from merge_bot.settings import SETTINGS_PATH, Settings
from merge_bot.state import read_meta
from merge_bot.validate import Rules
from merge_bot.workers import Workers
from merge_bot.writer import Desk

TOKEN_VARIABLE = "DREAMCATCHER_TOKEN"
BRANCH, INBOX = "branch", "inbox"
_BASE = "refs/dreamcatcher/base"


@dataclass(frozen=True, slots=True)
class Target:
    """Where deltas go: a remote (its name in the clone at `root`, or a URL), its base branch, the way in.

    `option` is how people name the base branch where they gave all this: a letter about a wrong one says it.
    """

    remote: str = "origin"
    to: Literal["branch", "inbox"] = "branch"
    base: str | None = None
    root: str | os.PathLike[str] = "."
    credentials: Credentials | None = None
    option: str = "--base"


def credentials_from(environment: Mapping[str, str]) -> Credentials | None:
    """The token that the variable DREAMCATCHER_TOKEN holds; without one, git uses what it is configured to."""
    token = environment.get(TOKEN_VARIABLE)
    return Credentials(token) if token else None


@contextmanager
def reached(target: Target) -> Iterator[tuple[Remote, Repository | None]]:
    """The remote, as seen from a repository for a while; and the clone that the caller stands in, if there is one."""
    try:
        clone = Repository.open(target.root)
    except RepositoryError:
        if "/" not in target.remote and ":" not in target.remote:
            raise
        url, found_in_url = address(target.remote)
        with bare_repository(_from(os.getcwd(), url)) as own:
            yield _named(Remote(own, REMOTE, target.credentials or found_in_url), target), None
        return
    with clone:
        found = Remote(clone, target.remote, target.credentials)
        top = str(clone.work_tree or clone.git_dir)
        url, push_url = _from(top, found.url), _from(top, found.push_url)
        with bare_repository(url, push_url=push_url, like=clone) as own:
            yield _named(Remote(own, REMOTE, found.credentials), target), clone


def _named(remote: Remote, target: Target) -> Remote:
    remote.option = target.option
    return remote


def _from(folder: str, url: str) -> str:
    """A URL that means the same from anywhere: git takes relative paths from the top of the clone."""
    place = os.path.join(folder, url)
    return os.path.realpath(place) if ":" not in url.partition("/")[0] and os.path.isdir(place) else url


class Counter:
    """What is known where deltas are handed in: the base branch, its rules, its clock. Fetched when first needed."""

    def __init__(self, remote: Remote, target: Target, clone: Repository | None) -> None:
        self.remote, self.target = remote, target
        self.rules_from = "none"
        self._clone = clone
        self._base: CommitFiles | None = None
        self._settings = Settings()
        self._ref = ""

    @property
    def paths(self) -> Paths:
        return Paths(self._settings.state)

    def rules(self, *, needs_frame: bool) -> Rules:
        """The rules of the base branch if it is needed anyway, else the work tree's, else the base branch's."""
        tree = self._clone.work_tree if self._clone else None
        if tree is not None and not needs_frame and self.target.to == BRANCH:
            desk = Desk.open(tree)
            if desk.collections:
                self.rules_from = "work tree"
                return desk.rules
        try:
            files = self.base()
        except RepositoryError:
            if needs_frame or self.target.to == INBOX or not self.remote.tips("refs/heads/*"):
                raise
            return Rules(Collections({}))
        if not any(name.endswith(ENDING) for name in files.folder(self._settings.schemas)):
            return Rules(Collections({}), self._settings)
        collections, _ = read_schemas(files, self._settings)
        self.rules_from = "base branch"
        return Rules(collections, self._settings)

    def open_frame(self) -> int:
        """The frame that is open on the remote's base branch. Raises RepositoryError where there is none."""
        meta = read_meta(self.base(), self.paths)
        if meta is None:
            raise RepositoryError(submit_letters.no_frame(f"there is no {self.paths.meta} on {self.base_ref}"))
        return meta.frame

    def epoch(self, worker: str) -> int | None:
        """The epoch that a worker's delta needs, as the base branch has it; see `Workers.epoch_of`."""
        return Workers.read(self.base(), self.paths).epoch_of(worker)

    @property
    def base_ref(self) -> str:
        """The full name of the base branch. Raises RepositoryError, NoSuchBranch."""
        if not self._ref:
            self._ref = self.remote.branch(self.target.base)
        return self._ref

    def base(self) -> CommitFiles:
        """The files of the base branch's tip as it was first seen; only its rules and its clock are fetched."""
        if self._base is None:
            repository = self.remote.repository
            self.remote.fetch([f"+{self.base_ref}:{_BASE}"], depth=1)
            tip = repository.resolve(_BASE)
            assert tip is not None
            files = CommitFiles(repository, tip)
            self._settings = settings_and(files, SETTINGS_PATH, the_rules)
            self._base = files
        return self._base
