"""Real repositories for tests, made and read with plain `git`: what the code under test is held against."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from merge_bot.git import Identity, Repository

AUTHOR = Identity("Merge Bot", "bot@example.com")
BRANCH = "refs/heads/main"


class Repo:
    """A repository at `path`. Commits are a minute apart, so that their ids do not depend on when tests run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._minutes = 0

    @classmethod
    def init(cls, path: Path, *options: str) -> Repo:
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main", *options, os.fspath(path)], check=True)
        return cls(path)

    def git(self, *arguments: str | bytes, stdin: bytes = b"", check: bool = True) -> str:
        """What git says, undecodable bytes kept, without the last line end."""
        done = subprocess.run(["git", *arguments], cwd=self.path, input=stdin, capture_output=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"git {arguments}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def write(self, path: str, data: bytes) -> Path:
        """Put a file into the work tree."""
        place = self.path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return place

    def commit(self, files: Mapping[str, bytes | None] | None = None, message: str = "change") -> str:
        """Write (None: remove) these files and commit them and all that is staged; the commit's id."""
        for path, data in (files or {}).items():
            if data is None:
                self.git("rm", "--quiet", "--force", "--", path)
            else:
                self.write(path, data)
                self.git("add", "--force", "--", path.encode("utf-8", "surrogateescape"))
        self._minutes += 1
        date = f"2026-03-25T{3 + self._minutes // 60:02d}:{self._minutes % 60:02d}:00Z"
        os.environ["GIT_AUTHOR_DATE"] = os.environ["GIT_COMMITTER_DATE"] = date
        try:
            self.git("commit", "--quiet", "--allow-empty", "--message", message)
        finally:
            del os.environ["GIT_AUTHOR_DATE"], os.environ["GIT_COMMITTER_DATE"]
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    @property
    def status(self) -> list[str]:
        """`git status` in short form, one line a path."""
        return self.git("status", "--porcelain", "--untracked-files=all").splitlines()

    def files(self, commit: str = "HEAD") -> dict[str, str]:
        """Path → blob id of a commit."""
        lines = self.git("ls-tree", "-r", "-z", commit).split("\0")[:-1]
        return {path: about.split()[2] for about, _, path in (line.partition("\t") for line in lines)}

    def refs(self) -> list[str]:
        return self.git("for-each-ref", "--format=%(refname)").splitlines()

    @contextmanager
    def opened(self) -> Iterator[Repository]:
        with Repository.open(self.path) as repository:
            yield repository


def versions(repository: Repository, base: str | None, tip: str, folder: str = "in") -> set[tuple[str, bytes]]:
    """Path and content of each version that the history tells of."""
    changes = repository.log_changes(base, tip, folder)
    sides = {(change.path, change.new_id) for change in changes if change.new_mode != "000000"}
    return {(path, repository.read_blob(blob)) for path, blob in sides}
