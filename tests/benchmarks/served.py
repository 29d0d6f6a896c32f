"""A remote over HTTP in a process of its own, so that what serves is not counted with what is measured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.repositories import ROOT
from tests.http_remote import HttpRemote

NAME = "world.git"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL of `folder`/world.git, a new repository if there is none; it is served until the block ends."""
    command = [sys.executable, "-m", "tests.benchmarks.served", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()  # which ends it, as the end of this process would


def main(folder: Path) -> None:
    """Serve until stdin ends."""
    with HttpRemote(folder).serving() as remote:
        print(remote.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
