"""How a worker reads: the newest frame of a branch, here or on a remote, without a checkout."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from merge_bot import letters
from merge_bot.clone import Clone
from merge_bot.commit_files import CommitFiles
from merge_bot.errors import RepositoryError
from merge_bot.git.remote import Remote
from merge_bot.paths import Paths
from merge_bot.state import Files, Meta, read_meta
from merge_bot.target import Counter, Target, reached
from merge_bot.tree import Entry


@dataclass(slots=True)
class Newest:
    """The newest frame that a branch has, as a reader finds it."""

    files: Files
    paths: Paths
    meta: Meta


@contextmanager
def newest_here(root: str | os.PathLike[str], branch: str | None = None) -> Iterator[Newest]:
    """What a clone's branch holds. Raises RepositoryError where there is no frame, UnreadableState."""
    with Clone.open(os.fspath(root), branch) as clone:
        yield _newest(clone.files, Paths(clone.settings.state))


@contextmanager
def newest_there(target: Target) -> Iterator[Newest]:
    """What the base branch of a remote holds; only what is read is fetched. Raises also RemoteUnreachable,
    RemoteRefused."""
    with reached(target) as (remote, clone):
        counter = Counter(remote, target, clone)
        files = counter.base()
        yield _newest(_Fetched(files, remote), counter.paths)


def _newest(files: Files, paths: Paths) -> Newest:
    meta = read_meta(files, paths)
    if meta is None:
        raise RepositoryError(letters.no_genesis(paths.meta))
    return Newest(files, paths, meta)


class _Fetched:
    """Files whose contents are on the remote still. Each call that reads is one request."""

    def __init__(self, files: CommitFiles, remote: Remote) -> None:
        self._files, self._remote = files, remote

    def read(self, path: str) -> bytes | None:
        self._fetch([path])
        return self._files.read(path)

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        wanted = list(paths)
        self._fetch(wanted)
        return self._files.read_many(wanted)

    def folder(self, path: str) -> Mapping[str, Entry]:
        return self._files.folder(path)

    def entry(self, path: str) -> Entry | None:
        return self._files.entry(path)

    def entries(self, tree: str) -> Mapping[str, Entry]:
        return self._files.entries(tree)

    def _fetch(self, paths: Iterable[str]) -> None:
        entries = [self._files.entry(path) for path in paths]
        self._remote.fetch_objects(one.id for one in entries if one and one.is_file)
