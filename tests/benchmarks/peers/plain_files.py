"""Plain Python: json, dicts, one file a collection. References are checked by hand, in the fold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks import plain
from tests.benchmarks.peers.work import Work, written
from tests.benchmarks.plain import State


class PlainFiles:
    """The fold of `tests/benchmarks/plain.py`, without its validation and its commit."""

    def prepare(self, folder: Path, work: Work) -> None:
        put_inbox(folder, work)
        (folder / "state").mkdir()
        plain.write(folder, work.base, indented=True)

    def merge(self, folder: Path) -> None:
        state = plain.read(folder)
        parked = plain.merge(state, inbox((folder / "inbox").iterdir()))
        plain.write(folder, state | {"parked": parked}, indented=True)

    def read(self, folder: Path) -> State:
        return plain.read(folder)


def put_inbox(folder: Path, work: Work) -> None:
    """The delta files, as they arrived."""
    (folder / "inbox").mkdir()
    for name, data in work.files:
        (folder / "inbox" / name).write_bytes(data)


def inbox(files: Iterable[Path]) -> list[State]:
    """Delta files, parsed, in the order of their time."""
    return sorted((json.loads(file.read_bytes()) for file in files), key=written)
