"""Pure. What became of one worker's deltas: its receipts of the newest frames, and what of it still waits.

Receipts lie with the frame that settled a delta, which may be later than the delta's own; the ledger, which is filed
under the delta's own frame, says where. Neither is ever pruned, so the newest commit answers for all frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from merge_bot import letters
from merge_bot.canonical import fields_of
from merge_bot.conflicts import Conflict, Conflicts
from merge_bot.delta import FILE_NAME
from merge_bot.errors import UnreadableState
from merge_bot.findings import OperationReceipt, Receipt
from merge_bot.guess import nearest
from merge_bot.ledger import Ledger
from merge_bot.parked import Parked, read_parked
from merge_bot.paths import Paths
from merge_bot.receipts import receipt_from, receipt_json
from merge_bot.state import Files, Meta, parse_json, parse_lines
from merge_bot.workers import Workers

NEWEST = 20
"""So many frames are looked into where no frame is named."""


@dataclass(slots=True)
class Settled(Receipt):
    """A receipt, the frame that wrote it (`frame` is the delta's own), and where the delta's bytes are kept: a path of
    the tree, or, as git names it, COMMIT:PATH on the worker's delta branch.
    """

    merged_in: int = 0
    kept: str | None = None

    def as_json(self) -> dict[str, Any]:
        about = {"merged_in": self.merged_in, "kept": self.kept}
        return {**receipt_json(self), **{name: one for name, one in about.items() if one is not None}}


@dataclass(slots=True)
class Told:
    """What `worker` is told. `receipts` come with the newest frame first.

    `looked` are the frames that were looked into, the newest first. As of now, `waiting` are the worker's parked
    records, `conflicts` the open ones that it has a part in, `pending` its files in the inbox. Where nothing of it
    ever came, it is not `is_known`, and `near` may be whom somebody meant.
    """

    worker: str
    open_frame: int
    as_of: str
    looked: list[int] = field(default_factory=list)
    receipts: list[Settled] = field(default_factory=list)
    waiting: list[Parked] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    is_known: bool = True
    near: str | None = None

    def still_waits(self, receipt: Receipt, operation: OperationReceipt) -> Parked | None:
        """The parked record that an operation became, if it waits still."""
        here = (receipt.digest, operation.pointer)
        return next((one for one in self.waiting if (one.operation.origin.digest, one.operation.pointer) == here), None)

    def winner(self, receipt: Receipt, operation: OperationReceipt, name: str) -> str | None:
        """Whose value stands in a field that a write of the worker lost.

        None if nobody's does, or if the conflict was settled since.
        """
        lost = operation.detail["fields"][name]
        if "by" in lost:
            return str(lost["by"])
        for one in self.conflicts:
            candidates = one.entry["candidates"]
            mine = any((by["delta"], by["value"]) == (receipt.digest, lost.get("wrote")) for by in candidates)
            if mine and (one.collection, one.field) == (operation.collection, name):
                return next((by["stream_id"] for by in reversed(candidates) if by["value"] == lost["stands"]), None)
        return None


def told(files: Files, paths: Paths, meta: Meta, worker: str, frame: int | None = None, limit: int = NEWEST) -> Told:
    """What became of `worker`'s deltas.

    With `frame` that is what the frame settled, and the deltas of that frame whenever they were merged; without, what
    the `limit` newest frames settled. Raises UnreadableState if a file that answers is damaged.
    """
    found = Told(worker, meta.frame, meta.as_of)
    if frame is None:
        found.looked = list(islice(_frames(files, paths), limit))
    else:
        also = {one.merged_in for one in Ledger(files, paths).lines(frame) if one.stream_id in (worker, None)}
        found.looked = sorted({frame, *also}, reverse=True)
    found.receipts = list(_receipts(files, paths, worker, found.looked, frame))
    found.waiting = [one for one in read_parked(files, paths) if one.operation.origin.stream_id == worker]
    found.conflicts = [one for one in Conflicts.read(files, paths).all() if _has_part(worker, one)]
    found.pending = [
        f"{paths.inbox}/{name}" for name, entry in sorted(files.folder(paths.inbox).items()) if entry.is_file
        if _named(name) == worker
    ]  # fmt: skip
    known = Workers.read(files, paths).known
    if worker not in known and not found.receipts:
        found.is_known, found.near = False, nearest(worker, sorted(known))
    return found


def _frames(files: Files, paths: Paths) -> Iterator[int]:
    """The frames that there are, the newest first."""
    for thousand in sorted(files.folder(paths.frames), reverse=True):
        names = files.folder(f"{paths.frames}/{thousand}")
        yield from sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def _receipts(files: Files, paths: Paths, worker: str, looked: list[int], asked: int | None) -> Iterator[Settled]:
    data = files.read_many([path for one in looked for path in (paths.receipts(one), paths.manifest(one))])
    for number in looked:
        path = paths.receipts(number)
        if path not in data:
            continue  # the genesis settled nothing
        rows = _rows(data.get(paths.manifest(number)), paths.manifest(number))
        for receipt in _read(data[path], path):
            row = rows.get((receipt.digest, receipt.source), {})
            if worker not in _owners(receipt, row):
                continue
            if asked is None or asked in (number, receipt.frame):
                yield Settled(**fields_of(receipt), merged_in=number, kept=_kept(row))


def _kept(row: Mapping[str, Any]) -> str | None:
    if "commit" not in row:
        return row.get("file")
    path = str(row["source"]).removeprefix(f"deltas/{row['branch']}/")
    return f"{row['commit']}:{path}"


def _read(data: bytes, path: str) -> Iterator[Receipt]:
    try:
        yield from map(receipt_from, parse_lines(data, path))
    except (KeyError, TypeError):
        raise UnreadableState(letters.wrong_shape(path, "receipts")) from None


def _rows(manifest: bytes | None, path: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The manifest's rows by delta and source."""
    value = parse_json(manifest, path) if manifest is not None else {}
    rows: Iterable[Mapping[str, Any]] = value.get("deltas", ()) if isinstance(value, dict) else ()
    return {(row["delta"], row["source"]): row for row in rows}


def _owners(receipt: Receipt, row: Mapping[str, Any]) -> set[str | None]:
    """Whom a receipt concerns: the worker that its delta names, else its file does, and the branch that it came by."""
    return {receipt.stream_id or _named(receipt.source.rpartition("/")[2]), row.get("branch")}


def _named(name: str) -> str | None:
    named = FILE_NAME.match(name)
    return named["stream_id"] if named else None


def _has_part(worker: str, conflict: Conflict) -> bool:
    return any(one.get("stream_id") == worker for one in conflict.entry["candidates"])
