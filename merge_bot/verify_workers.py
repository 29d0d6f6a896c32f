"""Pure. `workers.json` held against the decisions that the frames took: epochs, leases, and who is disabled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from merge_bot import verify_letters as letters
from merge_bot.audit_files import value_of
from merge_bot.findings import Reason
from merge_bot.manifest import Manifest
from merge_bot.messages import Letter
from merge_bot.paths import Paths
from merge_bot.state import Files
from merge_bot.workers import DISABLED

_ASPECTS = {"epoch": 0, "lease": "", "status": ""}


class Wrong(NamedTuple):
    """Something wrong, and which frame had it right."""

    frame: int
    path: str
    reason: Reason
    letter: Letter


class Standing:
    """What each worker's line should say, told frame by frame, the oldest first."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._due: dict[tuple[str, str], tuple[Any, int]] = {}
        self._is_whole, self._newest = False, 0

    def tell(self, manifest: Manifest) -> None:
        """Enter what one frame decided."""
        self._is_whole |= manifest.previous is None
        self._newest = manifest.frame
        for one in manifest.control or ():
            said = {name: one[name] for name in ("epoch", "lease") if name in one}
            if one["op"] in ("disable", "enable"):
                said["status"] = DISABLED if one["op"] == "disable" else ""
            for name, value in said.items():
                self._due[one["worker"], name] = (value, manifest.frame)

    def wrong(self, files: Files) -> Iterator[Wrong]:
        """What the file says otherwise; of workers that no frame told of only where all frames were looked at."""
        data = files.read(self._paths.workers)
        known = value_of(data, self._paths.workers).value if data is not None else {}
        if not isinstance(known, dict) or not all(isinstance(one, dict) for one in known.values()):
            return  # a file that cannot be read is told of elsewhere
        due = dict(self._due)
        if self._is_whole:
            every = ((worker, name) for worker in known for name in _ASPECTS)
            due |= {place: (_ASPECTS[place[1]], self._newest) for place in every if place not in due}
        for (worker, name), (value, frame) in sorted(due.items()):
            said = known.get(worker, {}).get(name, _ASPECTS[name])
            if said != value:
                letter = letters.workers_disagree(worker, name, said, value)
                yield Wrong(frame, self._paths.workers, Reason.BOOKS_DISAGREE, letter)
