"""A shallow clone has only the newest history. How far it reaches, and how to make it reach further."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from merge_bot.errors import RepositoryError
from merge_bot.git import letters
from merge_bot.git.partial import Partial
from merge_bot.git.process import Git, text

_FIRST = 64
_ANY_CODE = range(-256, 256)


class Shallow:
    """`file` is where git keeps the commits at which the history was cut off; `transfers` talks to remotes."""

    def __init__(self, git: Git, file: Path, transfers: Git, partial: Partial | None) -> None:
        self._git, self._file, self._transfers, self._partial = git, file, transfers, partial

    def boundary(self) -> frozenset[str]:
        """The commits whose parents the clone lacks; none in a full clone."""
        try:
            return frozenset(self._file.read_text().split())
        except FileNotFoundError:
            return frozenset()

    def deepen(
        self, has_commit: Callable[[str], bool], commit: str | None, remote: str, tip: str, ref: str | None
    ) -> None:
        """See `Repository.deepen_until`. Each round fetches twice as deep as the one before."""
        depth = _FIRST
        while not ((commit is None or has_commit(commit)) and self._whole(commit, tip)):
            before = self.boundary()
            if before:
                # `--refmap=`: deepen, and leave the remote-tracking refs where they are.
                what = ("--refmap=", "--", remote, ref) if ref else ("--", remote)
                self._fetch(remote, f"--deepen={depth}", *what)
            if self.boundary() == before:
                raise RepositoryError(letters.not_deep_enough(commit, remote))
            depth *= 2

    def _fetch(self, remote: str, *what: str) -> None:
        """Raises RemoteUnreachable, RemoteRefused, GitFailed."""
        fetch = self._partial.fetch() if self._partial else ("fetch",)
        command = (*fetch, "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", *what)
        done = self._transfers.run(*command, ok=_ANY_CODE, writes=True)
        if done.code != 0:
            from merge_bot.git.answers import unread

            url = text(self._transfers.run("remote", "get-url", "--", remote, ok=_ANY_CODE).out).strip()
            found = unread(url or remote, done.err)
            if found is not None:
                raise type(found)(letters.cannot_deepen(str(found)))
            raise self._git.failed(command, done.code, done.err)

    def _whole(self, commit: str | None, tip: str) -> bool:
        """Whether nothing was cut off between `commit` and `tip`: a side branch there may lack versions."""
        boundary = self.boundary()
        if not boundary:
            return True
        out = self._git.run("rev-list", "--end-of-options", f"{commit}..{tip}" if commit else tip).out
        return boundary.isdisjoint(out.decode().split())
