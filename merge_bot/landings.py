"""Where each frame came to the branch: the commit in which `_meta.json` first names its manifest.

Read from the branch's own history of the clock, the newest first, and no further back than a question needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from merge_bot.errors import UnreadableState
from merge_bot.git import Landing as Landed
from merge_bot.git import Repository
from merge_bot.state import parse_json

_FIRST_READ = 64


@dataclass(frozen=True, slots=True)
class Landing:
    """Where frame `frame` came to the branch: the commit, who made it (`Name <email>`) and when (ISO 8601).

    `digest` is the manifest's, as `_meta.json` of that commit names it. Where a shallow clone is cut off at the
    commit, the frame landed there or earlier, so that `author` and `date` are not known ("").
    """

    frame: int
    commit: str
    author: str
    date: str
    digest: str


class Landings:
    """The landings of one branch, whose newest commit is `tip` and whose newest frame is `newest`."""

    def __init__(self, repository: Repository, tip: str, newest: int, meta: str) -> None:
        self._repository, self._tip, self._newest, self._meta = repository, tip, newest, meta
        self._known: dict[int, Landing] = {}
        self._asked = 0
        self._all_read = self._was_shallow = False

    def find(self, frame: int) -> Landing | None:
        """Where the frame came to the branch; None where no commit of this clone holds the state right after it."""
        if frame not in self._known and self._was_shallow:  # it may have been deepened since
            self._asked, self._all_read = 0, False
        while frame not in self._known and not self._all_read:
            self._was_shallow = self._repository.is_shallow
            self._asked = max(_FIRST_READ, 2 * self._asked, self._newest - frame + 1)
            changes = self._repository.landings(self._tip, [self._meta], self._asked)
            self._all_read = len(changes) < self._asked
            self._known = self._landed([one for _, one in changes if one.blob])
        return self._known.get(frame)

    def oldest(self) -> int:
        """The oldest frame of which this clone has the landing."""
        self.find(-1)
        return min(self._known, default=self._newest)

    def _landed(self, changes: list[Landed]) -> dict[int, Landing]:
        blobs = self._repository.read_blobs({one.blob for one in changes if one.blob})
        known: dict[tuple[int, str], Landing] = {}
        for one in changes:  # the newest first, so the oldest commit that names a manifest is what remains
            assert one.blob is not None
            match read_clock(blobs[one.blob], self._meta):
                case {"frame": int(following), "manifest": str(digest)}:
                    cut = self._repository.reaches_no_further(one.commit)
                    who = ("", "") if cut else (one.author, one.date)
                    known[following - 1, digest] = Landing(following - 1, one.commit, *who, digest)
        landings: dict[int, Landing] = {}
        for (frame, _), landing in known.items():  # of a frame that was reverted and merged anew, the newer one counts
            landings.setdefault(frame, landing)
        return landings


def read_clock(data: bytes, path: str) -> Any:
    """An old clock; None where it cannot be read, which is no wrong of any question about other frames."""
    try:
        return parse_json(data, path)
    except UnreadableState:
        return None
