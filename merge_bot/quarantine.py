"""Pure. What lies in quarantine and is not decided yet, read from the frames' archives, the newest first.

Each frame's manifest says what it refused, the ledger whether that still stands, the receipts why. A frame costs its
manifest; receipts are read of those frames alone that have something to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from merge_bot import letters
from merge_bot.admit import Moment, ledger_frame
from merge_bot.canonical import digest
from merge_bot.delta import FILE_NAME, Candidate
from merge_bot.errors import UnreadableState
from merge_bot.findings import REFUSED_OUTCOMES, Outcome, Reason, Receipt
from merge_bot.ledger import Ledger
from merge_bot.manifest import Manifest, parse_manifest
from merge_bot.paths import Paths
from merge_bot.receipts import receipt_from, receipt_json
from merge_bot.state import Files, Meta, parse_lines
from merge_bot.workers import DISABLED, Workers

_BATCH = 256


@dataclass(frozen=True, slots=True)
class Case:
    """A delta in quarantine: its receipt, the frame that wrote it, and the file there that holds the bytes."""

    receipt: Receipt
    kept_in: int
    file: str
    blob: str | None = None

    @property
    def digest(self) -> str:
        return self.receipt.digest

    def as_json(self) -> dict[str, Any]:
        """The receipt as programs read it, with `kept_in` and `kept`, as `receipts --json` has it."""
        return {**receipt_json(self.receipt), "kept_in": self.kept_in, "kept": self.file}


def cases(files: Files, paths: Paths, meta: Meta, frames: int | None = None) -> Iterator[Case]:
    """Every delta that waits in quarantine, of the `frames` newest frames (None: of all), the newest frame first.

    Raises UnreadableState where a manifest, receipts or ledger cannot be read.
    """
    ledger = Ledger(files, paths)
    for manifest in _manifests(files, paths, meta, frames):
        rows = [row for row in manifest.deltas if row["outcome"] in REFUSED_OUTCOMES and _waits(ledger, manifest, row)]
        if rows:
            yield from _cases(files, paths, manifest, rows)


def held(files: Files, paths: Paths, meta: Meta) -> Iterator[Case]:
    """The deltas of the inbox that wait for a frame to come, by their names; `kept_in` is that frame."""
    for name, entry in files.folder(paths.inbox).items():
        named, path = FILE_NAME.match(name), f"{paths.inbox}/{name}"
        if named is None or not entry.is_file or int(named["frame"]) <= meta.frame:
            continue
        frame, stream_id = int(named["frame"]), named["stream_id"]
        receipt = Receipt(
            digest(files.read(path) or b""), path, Outcome.HELD, frame, stream_id, reason=Reason.FUTURE_FRAME
        )
        yield Case(receipt, frame, path)


def waiting_for(files: Files, paths: Paths, meta: Meta, worker: str) -> list[Case]:
    """What came of a disabled worker since the breaker tripped, the oldest first; empty if it is not disabled."""
    known = Workers.read(files, paths).known.get(worker)
    if known is None or known.status != DISABLED:
        return []
    ledger, found = Ledger(files, paths), []
    for manifest in _manifests(files, paths, meta, None):
        if any(one["op"] == "disable" and one["worker"] == worker for one in manifest.control or ()):
            break
        rows = [row for row in manifest.deltas if row["outcome"] in REFUSED_OUTCOMES and _waits(ledger, manifest, row)]
        ones = _cases(files, paths, manifest, rows) if rows else ()
        found += [
            one for one in ones if one.receipt.stream_id == worker and one.receipt.reason == Reason.WORKER_DISABLED
        ]
    return found[::-1]


def _manifests(files: Files, paths: Paths, meta: Meta, frames: int | None) -> Iterator[Manifest]:
    """Manifests down the chain, each held against the digest that the one after it names."""
    expected: str | None = meta.manifest
    first = 0 if frames is None else max(0, meta.frame - frames)
    for top in range(meta.frame - 1, first - 1, -_BATCH):
        numbers = range(top, max(first, top - _BATCH + 1) - 1, -1)
        data = files.read_many([paths.manifest(one) for one in numbers])
        for number in numbers:
            path = paths.manifest(number)
            if expected is None or path not in data:
                return
            manifest = parse_manifest(data[path], path, number, expected)
            yield manifest
            expected = manifest.previous


def _waits(ledger: Ledger, manifest: Manifest, row: Any) -> bool:
    """Whether nobody has decided since."""
    candidate = Candidate(row["source"], "", "", 0, None, row["delta"])
    line = ledger.entry(ledger_frame(candidate, row.get("frame"), Moment(manifest.frame, 0, 0)), row["delta"])
    refused_here = line is not None and line.outcome in REFUSED_OUTCOMES and line.merged_in == manifest.frame
    return line is not None and refused_here and not line.requeued


def _cases(files: Files, paths: Paths, manifest: Manifest, rows: list[Any]) -> Iterator[Case]:
    path = paths.receipts(manifest.frame)
    data = files.read(path)
    if data is None:
        raise UnreadableState(letters.wrong_shape(path, "the receipts"))
    receipts = {(one["digest"], one["source"]): one for one in parse_lines(data, path)}
    for row in rows:
        one = receipts.get((row["delta"], row["source"]))
        if one is None:
            raise UnreadableState(letters.wrong_shape(path, "a receipt for each delta"))
        yield Case(receipt_from(one), manifest.frame, str(row["file"]), row.get("blob"))
