"""What the demos play on: words for the audience, plain git, and machines, each a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from merge_bot.errors import DreamcatcherError
from merge_bot.findings import Outcome

if TYPE_CHECKING:
    from merge_bot.findings import Receipt
    from merge_bot.frame import Result

_BRANCHES = "refs/heads/deltas"
_PATIENCE = 300.0  # seconds that a machine may take for one step
_LOOK = "What it said of that stands above; with --keep FOLDER the repositories stay, to be looked at."


def say(heading: str) -> None:
    from merge_bot.cli.output import out

    out().print(f"\n{heading}", style="bold", markup=False)


def show(text: str) -> None:
    from merge_bot.cli.output import lines

    lines([text.rstrip("\n")])


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True).stdout


class Machine:
    """A process with a clone of its own. It tells line by line what it does, and goes on when it is told to."""

    def __init__(self, name: str, role: str, clone: Path, *words: str) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-Im", "merge_bot.cli.demo_machines", role, str(clone), name, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self) -> str:
        """Wait for the next line, and pass it on to the audience."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise DreamcatcherError(f"The process that plays {self._name} has ended in the middle of its part. {_LOOK}")
        show(f"  {self._name:<10} {line}")
        return line

    def go(self) -> None:
        """Let it go on from where it waits. That it has ended shows when it is listened to."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()

    def stop(self) -> None:
        """Freeze the process wherever it is, as a machine freezes that sleeps, swaps, or is cut off."""
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def wake(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def machines(*ones: Machine) -> Iterator[tuple[Machine, ...]]:
    """Machines for as long as the block lasts."""
    try:
        yield ones
    finally:
        for one in ones:
            one.end()


def remote_of(root: Path, name: str, files: dict[str, bytes], begin: Callable[[Path], None] | None = None) -> Path:
    """A bare repository `name.git` with these files, shared by two machines; `begin` may add to it in a clone."""
    from merge_bot.git import Repository

    seed = root / f"{name}-seed"
    Repository.create(seed).close()
    for path, data in files.items():
        (seed / path).parent.mkdir(parents=True, exist_ok=True)
        (seed / path).write_bytes(data)
    author = ("-c", "user.name=Demo", "-c", "user.email=demo@example.com")
    git(seed, "add", ".")
    git(seed, *author, "commit", "--quiet", "--no-verify", "--no-gpg-sign", "--message", "what there is")
    if begin:
        begin(seed)
    remote = root / f"{name}.git"
    git(root, "clone", "--quiet", "--bare", str(seed), str(remote))
    return remote


def clone_of(remote: Path, number: int) -> Path:
    """The clone of machine `number`."""
    clone = remote.with_name(f"{remote.stem}-{number}")
    git(remote.parent, "clone", "--quiet", str(remote), str(clone))
    for name, value in (("user.name", f"machine-{number}"), ("user.email", f"machine-{number}@example.com")):
        git(clone, "config", name, value)
    return clone


def genesis(settings: bytes) -> Callable[[Path], None]:
    """Opens frame 1 in a repository that has its schemas already."""

    def begin(seed: Path) -> None:
        from merge_bot.clone import Clone
        from merge_bot.settings import SETTINGS_PATH

        now = datetime.now(UTC)
        with Clone.open(str(seed)) as clone:
            clone.begin(clone.plan({SETTINGS_PATH: settings}, {}, now, 1), now)

    return begin


def schema_of(collection: str, key: str, **properties: str) -> dict[str, bytes]:
    """The schema of a last-writer-wins collection, as a file by its path; properties by type."""
    from merge_bot.canonical import document

    schema = {
        "type": "object",
        "x-merge": {"strategy": "last-writer-wins", "delta": [collection], "key": [key]},
        "properties": {name: {"type": kind} for name, kind in {key: "string", **properties}.items()},
        "required": [key],
    }
    return {f"schemas/{collection}.schema.json": document(schema)}


def delivered(remote: Path, worker: str, count: int) -> None:
    """Wait until `count` deltas of a worker have arrived."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        branch = f"{_BRANCHES}/{worker}"
        if git(remote, "for-each-ref", branch) and int(git(remote, "rev-list", "--count", branch)) >= count:
            return
        time.sleep(0.05)
    raise DreamcatcherError(f"No delta number {count} of {worker} has arrived within {_PATIENCE:.0f} seconds. {_LOOK}")


def merge(remote: Path) -> Result:
    """One merge of what has arrived; what became of it is told."""
    from merge_bot.remote_clone import RemoteClone
    from merge_bot.target import Target

    with RemoteClone.open(Target(str(remote), root=remote.parent)) as clone:
        result = clone.merge(datetime.now(UTC))
    if result.frame is not None:
        for receipt in sorted(result.frame.receipts, key=lambda one: one.utc or ""):
            show(f"  {'merge':<10} frame {result.frame.number}: {receipt.stream_id}: {_told(receipt)}")
    return result


def _told(receipt: Receipt) -> str:
    """What a receipt says, in a few words."""
    lost = [f"{one.reason}, so {one.recover}" for one in receipt.operations if one.outcome != Outcome.APPLIED]
    done = [str(one.reason) for one in receipt.operations if one.outcome == Outcome.APPLIED]
    if lost:
        return f"its write is refused ({'; '.join(lost)})"
    if done:
        return f"{receipt.outcome} ({', '.join(done)})"
    return str(receipt.outcome) + ("" if receipt.reason is None else f" ({receipt.reason}, so {receipt.recover})")
