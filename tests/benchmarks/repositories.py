"""The repositories that are measured: made once, kept in a cache folder, cloned anew for each run.

Ours are made by our own merge, frame by frame; the plain one's state is what the plain merge makes of the same
deltas. The cache is keyed by all that decides its content.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import generator, plain
from tests.benchmarks.generator import Delta, Shape
from tests.benchmarks.moment import NOW

if TYPE_CHECKING:
    from merge_bot.clone import Clone

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
INBOX = "state/stream_deltas"
BRANCH = "main"
_DECIDE = ("schemas/*.json", "tests/benchmarks/generator.py", "tests/benchmarks/plain.py", "merge_bot/layouts/*.py")
_DECIDE_TOO = (
    "tests/benchmarks/repositories.py",
    *(f"merge_bot/{name}.py" for name in ("canonical", "manifest", "paths")),
)


class Repositories:
    """Repositories below one cache folder."""

    def __init__(self, cache: Path) -> None:
        decides = sorted(file for pattern in (*_DECIDE, *_DECIDE_TOO) for file in ROOT.glob(pattern))
        self._folder = cache / sha256(b"".join(file.read_bytes() for file in decides)).hexdigest()[:12]

    def ours(self, shape: Shape, known: int) -> Path:
        """A bare repository in our layout: a state, and a frame that refers to `known` thousands of it."""

        def make(folder: Path) -> None:
            state = self._made(f"state-{shape.state}", lambda new: _make_state(new, shape.state))
            clone(state, folder, bare=True)
            commit(folder, INBOX, generator.frame_deltas(shape, self.open_frame(shape), known))

        return self._made(f"ours-{_name(shape, known)}", make)

    def plain(self, shape: Shape, known: int, *, indented: bool) -> Path:
        """The same state and frame in the plain layout, as a bare repository."""
        kind = "plain" if indented else "one-line"

        def make(folder: Path) -> None:
            work = f"{kind}-state {shape.state}"
            state = self._made(f"{kind}-state-{shape.state}", lambda new: _in_a_process(f"{work} {new}"))
            clone(state, folder, bare=True)
            commit(folder, "inbox", generator.frame_deltas(shape, self.open_frame(shape), known))

        return self._made(f"{kind}-{_name(shape, known)}", make)

    def branches(self, shape: Shape, known: int) -> Path:
        """Our layout as in `ours`, but each delta came by a branch of its worker's own."""

        def make(folder: Path) -> None:
            state = self._made(f"state-{shape.state}", lambda new: _make_state(new, shape.state))
            clone(state, folder, bare=True)
            commit_branches(folder, generator.frame_deltas(shape, self.open_frame(shape), known))

        return self._made(f"branches-{_name(shape, known)}", make)

    @staticmethod
    def open_frame(shape: Shape) -> int:
        """The number of the frame that is measured."""
        return generator.frames_of_state(shape.state) + 1

    def _made(self, name: str, make: Callable[[Path], None]) -> Path:
        """A cached folder; made under another name first, so that a half one is never taken for whole."""
        folder = self._folder / name
        if not folder.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            half = self._folder / f"{name}.{os.getpid()}"
            make(half)
            half.rename(folder)
        return folder


def clone(source: Path, target: Path, *, bare: bool) -> None:
    """A fresh clone that never tidies itself up."""
    _run("git", "clone", "--quiet", "--local", *(["--bare"] if bare else []), source, target)
    for name, value in {"gc.auto": "0", "user.name": "Benchmark", "user.email": "benchmark@example.org"}.items():
        _run("git", "-C", target, "config", name, value)


def _make_state(folder: Path, thousands: int) -> None:
    _in_a_process(f"our-state {thousands} {folder}")
    _pack(folder, "-a")


def make_our_state(thousands: int, folder: Path) -> None:
    """A bare repository whose state was merged from deltas, frame by frame."""
    from merge_bot.frame import run_frame
    from merge_bot.publish.commit import CommitPublisher
    from merge_bot.transports.memory import MemoryTransport

    one = begun(folder)
    publisher = CommitPublisher(one.repository, one.ref, one.author())
    for _, deltas in generator.state_deltas(thousands):
        transport = MemoryTransport((f"{INBOX}/{name}", data) for name, data in deltas)
        run_frame(one.repository, one.base(), transport, publisher, NOW)


def begun(folder: Path) -> Clone:
    """A new bare repository in which frame 1 is open."""
    from merge_bot.clone import Clone

    _run("git", "init", "--quiet", "--bare", "--initial-branch", BRANCH, folder)
    schemas = {file.name: file.read_bytes() for file in SCHEMAS.glob("*.schema.json")}
    one = Clone.open(str(folder))
    one.begin(one.plan({}, schemas, generator.BEGIN, 1), generator.BEGIN)
    return one


def make_plain_state(thousands: int, folder: Path, *, indented: bool = True) -> None:
    """A bare repository whose state was merged in one go from the same deltas."""
    work = folder.with_name(f"{folder.name}.work")
    shutil.copytree(SCHEMAS, work / "schemas")
    (work / "inbox").mkdir()
    (work / "state").mkdir()
    _run("git", "init", "--quiet", "--initial-branch", BRANCH, work)
    for name, value in {"gc.auto": "0", "user.name": "Benchmark", "user.email": "benchmark@example.org"}.items():
        _run("git", "-C", work, "config", name, value)
    deltas = (json.loads(data) for _, frame in generator.state_deltas(thousands) for _, data in frame)
    state = plain.read(work)
    plain.merge(state, list(deltas))
    plain.write(work, state, indented=indented)
    plain.git(work, "add", "--all")
    plain.git(work, "commit", "--quiet", "--message", "state")
    _run("git", "clone", "--quiet", "--bare", "--local", work, folder)
    shutil.rmtree(work)
    _pack(folder, "-a")


def _in_a_process(work: str) -> None:
    """Large work is done elsewhere: the runner stays small."""
    _run(sys.executable, "-m", "tests.benchmarks.repositories", *work.split(" ", 2), cwd=ROOT)


def commit(repository: Path, inbox: str, deltas: Iterable[Delta]) -> None:
    """Commit delta files into a bare repository, as the writers' pushes would leave them."""
    arrive(repository, inbox, deltas)
    _pack(repository)


def arrive(repository: Path, inbox: str, deltas: Iterable[Delta], when: datetime = NOW) -> None:
    """The same, left as it was written."""
    head = f"commit refs/heads/{BRANCH}\n{_committed(when)}from refs/heads/{BRANCH}^0\n".encode()
    fast_import(repository, chain([head], (_file(f"{inbox}/{name}", data) for name, data in deltas)))


def commit_branches(repository: Path, deltas: Iterable[Delta]) -> None:
    """Each delta as the only commit of a worker's orphan branch `deltas/<worker>`, as `submit` leaves it."""
    fast_import(
        repository,
        (
            f"commit refs/heads/deltas/{json.loads(data)['stream_id']}\n{_committed(NOW)}".encode() + _file(name, data)
            for name, data in deltas
        ),
    )
    _pack(repository)


def fast_import(repository: Path, stream: Iterable[bytes]) -> None:
    """Give git what it is to make, piece by piece: a frame need not be in memory at once.

    Each file is kept whole, as a worker's push brings it, and as `git repack -f` leaves it: fast-import by itself would
    make each delta a difference to the one before, hardly smaller, and slow to read.
    """
    how = ("-c", "fastimport.unpackLimit=0", "fast-import", "--quiet", "--depth=0")
    command = ["git", "-C", str(repository), *how]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.writelines(stream)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _committed(when: datetime) -> str:
    return f"committer Workers <workers@example.org> {when.timestamp():.0f} +0000\ndata 6\ndeltas\n"


def _file(path: str, data: bytes) -> bytes:
    return f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"


def _pack(repository: Path, *how: str) -> None:
    """Everything goes into a pack, as in a fresh clone of a server's repository."""
    _run("git", "-C", repository, "repack", "-d", "-q", *how)
    _run("git", "-C", repository, "pack-refs", "--all")


def _name(shape: Shape, known: int) -> str:
    return f"{shape.deltas}x{shape.records}-on-{shape.state}-of-{known}"


def _run(*command: str | Path, cwd: Path | None = None) -> None:
    subprocess.run(command, check=True, cwd=cwd)


if __name__ == "__main__":
    one_line = partial(make_plain_state, indented=False)
    makers: dict[str, Callable[[int, Path], None]] = {
        "our-state": make_our_state,
        "plain-state": make_plain_state,
        "one-line-state": one_line,
    }
    makers[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))
