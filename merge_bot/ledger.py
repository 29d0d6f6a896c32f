"""Pure. The ledger: a line a delta, under the delta's own frame, whenever it was merged. Never pruned.

It makes exactly-once hold: a digest that stands here was consumed, and a slot that stands here as applied is full.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from merge_bot import letters
from merge_bot.canonical import line
from merge_bot.errors import UnreadableState
from merge_bot.findings import Outcome
from merge_bot.paths import Paths
from merge_bot.state import Files, parse_lines

FILLS_ITS_SLOT = frozenset({Outcome.APPLIED, Outcome.LATE})


class Line(NamedTuple):
    """One delta's fate. `merged_in` is the frame that settled it; `fills` says whether its slot is full.

    `requeued` says that the delta was put up again, and is let in once more. Of an amended delta, `amends` names the
    original, whose own line says `amended_by`.
    """

    delta: str
    outcome: str
    merged_in: int
    stream_id: str | None = None
    run: str | None = None
    fills: bool = False
    requeued: bool = False
    amends: str | None = None
    amended_by: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name in self._fields if (value := getattr(self, name)) not in (None, False)}


@dataclass(slots=True)
class Ledger:
    """The ledger while a frame is merged; reads only the frames that it is asked about.

    Every question raises UnreadableState if the file that answers it is damaged.
    """

    files: Files
    paths: Paths
    _frames: dict[int, dict[str, Line]] = field(default_factory=dict)
    _full: dict[int, set[tuple[str | None, str | None]]] = field(default_factory=dict)
    _changed: set[int] = field(default_factory=set)

    def entry(self, frame: int, digest: str) -> Line | None:
        """What became of the delta with this digest, filed under this frame; None if it is new."""
        return self._frame(frame).get(digest)

    def lines(self, frame: int) -> list[Line]:
        """What became of every delta that is filed under this frame."""
        return list(self._frame(frame).values())

    def slot_filled(self, frame: int, stream_id: str, run: str | None) -> bool:
        """Whether a delta with content was already merged for this run of this worker in this frame."""
        if frame not in self._full:
            self._full[frame] = {(one.stream_id, one.run) for one in self._frame(frame).values() if one.fills}
        return (stream_id, run) in self._full[frame]

    def add(self, frame: int, one: Line) -> None:
        self._frame(frame)[one.delta] = one
        self._full.pop(frame, None)
        self._changed.add(frame)

    def changes(self) -> Iterable[tuple[str, bytes, int]]:
        """(path, bytes, lines) of each ledger file that this frame wrote."""
        for frame in sorted(self._changed):
            lines = self._frames[frame]
            data = b"".join(line(lines[digest].as_json()) for digest in sorted(lines))
            yield self.paths.ledger(frame), data, len(lines)

    def _frame(self, frame: int) -> dict[str, Line]:
        if frame not in self._frames:
            path = self.paths.ledger(frame)
            data = self.files.read(path)
            try:
                lines = [Line(**one) for one in parse_lines(data, path)] if data else []
            except TypeError:
                raise UnreadableState(letters.wrong_shape(path, "a ledger's lines")) from None
            self._frames[frame] = {one.delta: one for one in lines}
        return self._frames[frame]
