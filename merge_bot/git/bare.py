"""A bare repository of our own for a while, so that whatever is fetched or built touches nobody's clone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from merge_bot.git.partial import Partial
from merge_bot.git.process import Git
from merge_bot.git.repository import Repository

REMOTE = "target"


@contextmanager
def bare_repository(url: str, *, push_url: str | None = None, like: Repository | None = None) -> Iterator[Repository]:
    """An empty bare repository in a temporary folder, whose remote `target` is at `url` (without a password).

    Contents of files stay at the remote, and come when they are read. `like` is a clone whose settings hold for what
    is asked of remotes: credentials, proxies, how to reach them. Nothing else sees them: they may name a remote from
    which git should bring by itself whatever it misses.
    """
    place = tempfile.mkdtemp(prefix="dreamcatcher-")
    object_format = like.object_format if like else "sha1"
    include = str(like.common_dir / "config") if like else None
    try:
        git = Git(place)
        template = "--template="  # no example hooks
        git.run("init", "--quiet", "--bare", template, f"--object-format={object_format}", "--", place, writes=True)
        with Path(place, "config").open("a", encoding="utf-8") as file:
            file.write(f'[remote "{REMOTE}"]\n\turl = {_quoted(url)}\n\tpushurl = {_quoted(push_url or url)}\n')
        git, transfers = Git(place, place), Git(place, place, include=include)
        for one in (git, transfers):
            one.tell(("core.fsync", "none"))  # it is gone soon
        with Repository(git, place, None, object_format, transfers, Partial(REMOTE)) as repository:
            repository.remote = REMOTE
            yield repository
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _quoted(value: str) -> str:
    """A value as a settings file of git holds it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
