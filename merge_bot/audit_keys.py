"""Pure. Key files held against the segments: which file covers which segment, and what in them covers nothing.

Only the tables are kept, so that all key files of a large state need not be held at once. Whether the hashes are right
is seen where a segment is read: `of` gives what the key files hold for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from merge_bot import audit_letters as letters
from merge_bot.audit_files import walk
from merge_bot.canonical import KEY_BYTES
from merge_bot.errors import UnreadableState
from merge_bot.findings import Problem, Reason
from merge_bot.layouts.key_files import KEYS, is_run, parse_run
from merge_bot.messages import Letter
from merge_bot.state import Files

_AT_ONCE = 8  # runs that are held at once


class Held(NamedTuple):
    """Where a segment's hashes lie: `size` bytes from `start` of what follows a run's table, or (None) a whole file."""

    path: str
    start: int = 0
    size: int | None = None


class KeyIndex:
    """The key files in one folder, by the segment that they cover (000/000405)."""

    def __init__(self, files: Files, folder: str, segments: Iterable[str]) -> None:
        self.problems: list[Problem] = []
        self._folder, self._segments = folder, set(segments)
        self._held: dict[str, Held] = {}
        self._unreadable: list[tuple[int, int]] = []
        self._last: tuple[str, bytes] = ("", b"")
        runs = []
        for path, entry in walk(files, folder):
            name = path[len(folder) + 1 :].removesuffix(KEYS)
            if not entry.is_file:
                self._problem(path, Reason.NOT_A_REGULAR_FILE, letters.no_plain_file())
            elif is_run(name + KEYS):
                runs.append(path)
            elif name in self._segments and path.endswith(KEYS):
                self._cover(name, Held(path))
            else:
                self._problem(path, Reason.MISPLACED_FILE, letters.keys_of_nothing())
        for start in range(0, len(runs), _AT_ONCE):
            for path, data in sorted(files.read_many(runs[start : start + _AT_ONCE]).items()):
                self._run(path, data)

    def of(self, name: str, files: Files) -> tuple[str, bytes | None]:
        """The key file that covers a segment (or should, and then there are no bytes), and its hashes.

        The file that was read last is kept: segments are asked for in order, and many lie in one.
        """
        held = self._held.get(name)
        if held is None:
            return f"{self._folder}/{name}{KEYS}", None
        if self._last[0] != held.path:
            self._last = (held.path, files.read(held.path) or b"")
        data = self._last[1]
        if held.size is None:
            return held.path, data
        start = data.index(b"\n\n") + 2 + held.start
        return held.path, data[start : start + held.size]

    def is_told(self, name: str) -> bool:
        """Whether a problem tells already why a segment has no hashes: what may cover it cannot be read."""
        number = name.rpartition("/")[2]
        return number.isdecimal() and any(first <= int(number) <= last for first, last in self._unreadable)

    def _run(self, path: str, data: bytes) -> None:
        try:
            run = parse_run(data, path)
        except UnreadableState:
            first, last = re.findall(r"\d+", path.rpartition("/")[2])
            self._unreadable.append((int(first), int(last)))
            self._problem(path, Reason.KEYS_DISAGREE, letters.keys_unreadable())
            return
        for name, end, size in zip(run.names, accumulate(run.sizes), run.sizes, strict=True):
            if name in self._segments:
                self._cover(name, Held(path, (end - size) * KEY_BYTES, size * KEY_BYTES))
        if strangers := [name for name in run.names if name not in self._segments]:
            self._problem(path, Reason.MISPLACED_FILE, letters.keys_of_no_segment(strangers))

    def _cover(self, name: str, held: Held) -> None:
        first = self._held.setdefault(name, held)
        if first is not held:
            self._problem(held.path, Reason.KEYS_DISAGREE, letters.keys_twice(name, first.path))

    def _problem(self, path: str, reason: Reason, letter: Letter) -> None:
        self.problems.append(Problem(path, 0, "", reason, *letter))
