"""Commits that GitHub makes and signs, so that it shows them as verified (`commit-mode: api`).

The commit is made on a branch of its own, held against the tree that git made of the same frame, and put in place by
one atomic update of refs with their expected values. What the API cannot take goes by git, and the run says so.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Mapping

from merge_bot import github_letters as letters
from merge_bot.errors import RemoteRefused
from merge_bot.git import Identity, Repository
from merge_bot.git.remote import Outcome, Pushed, Remote
from merge_bot.github_api import GitHub
from merge_bot.publish.base import Published, Publisher
from merge_bot.snapshot import Frame
from merge_bot.tree import FILE, Entry

BUILD_PREFIX = "refs/heads/dreamcatcher-build/"
# GitHub states no limits. Requests of some dozen MB and thousands of files end in time-outs, so it stays well below.
MAX_FILES = 1000
MAX_BYTES = 10_000_000


class VerifiedCommits:
    """Makes a frame's commit on GitHub and moves a branch to it."""

    def __init__(
        self, repository: Repository, remote: Remote, github: GitHub, *, files: int = MAX_FILES, size: int = MAX_BYTES
    ) -> None:
        self._repository, self._remote, self._github = repository, remote, github
        self._files, self._size = files, size

    def put(self, frame: Frame, made: str, ref: str, old: str | None) -> Pushed | str:
        """Move `ref` from `old` to a commit with the tree of `made`, the frame's commit as git made it.

        The answer's `tip` is GitHub's commit. A letter instead if the frame is nothing for the API. Raises
        RemoteRefused, RemoteUnreachable, Contended.
        """
        size = self._size_of(frame)
        if size is None or len(frame.changes) > self._files or size > self._size:
            return letters.too_large_for_api(len(frame.changes), size or 0)
        build = f"{BUILD_PREFIX}{secrets.token_hex(8)}"
        if why := self._github.update_refs([(build, frame.base, None)]):
            raise RemoteRefused(letters.refused("make a branch", 422, why))
        at = frame.base
        try:
            gone = [path for path, change in frame.changes.items() if change is None]
            answer = self._github.create_commit(build, frame.base, frame.message, self._additions(frame), gone)
            if isinstance(answer, str):
                raise RemoteRefused(letters.refused("make the commit", 422, answer))
            at, tree = answer
            if tree != (meant := self._repository.commit_tree(made)):
                raise RemoteRefused(letters.other_tree(meant, tree))
            why = self._github.update_refs([(ref, at, old), (build, None, at)])
        except BaseException:
            self._github.update_refs([(build, None, at)])
            raise
        if why is None:
            return Pushed(Outcome.MINE, at)
        self._github.update_refs([(build, None, at)])
        tip = self._remote.tip(ref)
        letter = letters.refused("move the branch", 422, why)
        return Pushed(Outcome.REFUSED if tip == old else Outcome.MOVED, tip, letter)

    def _size_of(self, frame: Frame) -> int | None:
        """Bytes of the frame's new files; None if some of them are nothing that the API can carry."""
        blobs = {one.id for one in frame.changes.values() if isinstance(one, Entry)}
        if any(isinstance(one, Entry) and one.mode != FILE for one in frame.changes.values()):
            return None
        if any(not path.isascii() and _undecodable(path) for path in frame.changes):
            return None
        sizes = self._repository.sizes(blobs)
        stored = {blob: sizes[blob] or 0 for blob in blobs}
        return sum(
            stored[one.id] if isinstance(one, Entry) else len(one)
            for one in frame.changes.values()
            if isinstance(one, Entry | bytes)
        )

    def _additions(self, frame: Frame) -> Mapping[str, str]:
        blobs = self._repository.read_blobs({one.id for one in frame.changes.values() if isinstance(one, Entry)})
        return {
            path: b64encode(blobs[one.id] if isinstance(one, Entry) else one).decode()
            for path, one in sorted(frame.changes.items())
            if isinstance(one, Entry | bytes)
        }


class VerifiedPublisher:
    """Publishes to a branch of the remote by a verified commit; `otherwise` is for what the API cannot take."""

    def __init__(
        self, commits: VerifiedCommits, repository: Repository, ref: str, author: Identity, otherwise: Publisher
    ) -> None:
        self._commits, self._repository, self._ref = commits, repository, ref
        self._author, self._otherwise = author, otherwise

    def publish(self, frame: Frame) -> Published:
        """As `otherwise`, and what `VerifiedCommits.put` raises."""
        made = self._repository.write_commit(
            frame.base, frame.changes, frame.message, self._author, int(frame.time.timestamp())
        )
        pushed = self._commits.put(frame, made, self._ref, frame.base)
        if isinstance(pushed, str):
            done = self._otherwise.publish(frame)
            return done._replace(remarks=(*done.remarks, pushed))
        if pushed.outcome == Outcome.REFUSED:
            raise RemoteRefused(pushed.letter)
        return Published("pushed", pushed.tip) if pushed.outcome == Outcome.MINE else Published("contended")


def _undecodable(path: str) -> bool:
    """Whether a path has bytes that are no text, which JSON cannot carry."""
    return any("\ud800" <= one <= "\udfff" for one in path)
