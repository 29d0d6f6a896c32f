"""Pure. `workers.json`: what is known of each worker, a line a worker, written by the merge alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from merge_bot import letters
from merge_bot.canonical import compact, fields_of
from merge_bot.errors import LeaseEnded, UnreadableState
from merge_bot.findings import Outcome, Receipt
from merge_bot.paths import Paths
from merge_bot.state import Files, read_json

HELD, ENDED = "held", "ended"
DISABLED = "disabled"
_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})?\Z")
_TALLIES = {
    Outcome.APPLIED: "applied",
    Outcome.LATE: "late",
    Outcome.FALLBACK: "fallbacks",
    Outcome.QUARANTINED: "quarantined",
}


@dataclass(slots=True)
class Worker:
    """One worker's tallies; `frame` and `utc` are of its newest delta that was applied.

    `watermark` is the newest consumed commit of the worker's delta branch; "" if it has none. `epoch` is the number of
    the lease that is held, or will be next; 0 before the first claim. `lease` is "held" or "ended", `holder` the
    SHA-256 of the delta that claimed it, `seen` and `seen_at` the frame and merge's clock of the last sign of life.
    `bad` counts refused deltas in a row; `status` is "disabled" where there were too many. What is empty is not
    written, so that workers that use none of this look as they always did.
    """

    applied: int = 0
    fallbacks: int = 0
    frame: int = 0
    late: int = 0
    quarantined: int = 0
    utc: str = ""
    watermark: str = ""
    epoch: int = 0
    lease: str = ""
    holder: str = ""
    seen: int = 0
    seen_at: str = ""
    bad: int = 0
    status: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether each field is of its kind."""
        kinds = all(type(value) is (type(_NEW[name])) for name, value in fields_of(self).items())
        return kinds and self.lease in ("", HELD, ENDED) and self.status in ("", DISABLED)


_NEW = {one.name: one.default for one in fields(Worker)}
_ALWAYS = ("applied", "fallbacks", "frame", "late", "quarantined", "utc")


@dataclass(slots=True)
class Workers:
    """Every worker that ever delivered, by id."""

    known: dict[str, Worker] = field(default_factory=dict)

    @classmethod
    def read(cls, files: Files, paths: Paths) -> Workers:
        """What is known so far. Raises UnreadableState if the file is damaged."""
        value: Any = read_json(files, paths.workers, missing={})
        try:
            known = {name: Worker(**one) for name, one in value.items()}
            if all(one.is_sound and _COMMIT.match(one.watermark) for one in known.values()):
                return cls(known)
        except (AttributeError, TypeError):
            pass
        raise UnreadableState(letters.wrong_shape(paths.workers, "an object of workers"))

    def of(self, name: str) -> Worker:
        """A worker's line, a new one if it never delivered."""
        return self.known.setdefault(name, Worker())

    def epoch_of(self, name: str) -> int | None:
        """The epoch that a worker's delta needs, None where none. Raises LeaseEnded where the lease is over."""
        one = self.known.get(name)
        if one is None or not one.epoch:
            return None
        if one.lease == HELD:
            return one.epoch
        raise LeaseEnded(letters.lease_ended(name, one.epoch))

    def delivered(self) -> list[str]:
        """Those of whom something was accepted: a refused delta makes no name known."""
        return [name for name, one in self.known.items() if one.applied or one.late or one.fallbacks]

    def record(self, receipt: Receipt) -> None:
        """Count one delta's outcome for the worker that it names, if it names one."""
        tally = _TALLIES.get(receipt.outcome)
        if receipt.stream_id is None or tally is None:
            return
        worker = self.of(receipt.stream_id)
        setattr(worker, tally, getattr(worker, tally) + 1)
        if receipt.outcome in (Outcome.APPLIED, Outcome.LATE) and receipt.frame is not None:
            worker.frame, worker.utc = max((worker.frame, worker.utc), (receipt.frame, receipt.utc or ""))

    def watermarks(self) -> dict[str, str]:
        """The newest consumed commit of each delta branch, by worker."""
        return {name: one.watermark for name, one in self.known.items() if one.watermark}

    def mark(self, marks: Mapping[str, str]) -> None:
        """These commits of delta branches, and all before them, are consumed."""
        for name, commit in marks.items():
            self.of(name).watermark = commit

    def as_bytes(self) -> bytes:
        """A JSON object with one worker a line, so that a change to one is a change of one line."""
        rows = [b"  " + compact(name) + b": " + compact(_as_json(one)) for name, one in sorted(self.known.items())]
        return b"{\n" + b",\n".join(rows) + b"\n}\n" if rows else b"{}\n"


def _as_json(worker: Worker) -> dict[str, Any]:
    """The tallies, and of the rest what is not empty."""
    return {name: value for name, value in fields_of(worker).items() if value or name in _ALWAYS}
