"""Snapshot: the merged frame as one set of file changes, with its archive, receipts, ledger and manifest.

Everything that the merge commit will hold is decided here; publishing only carries it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from merge_bot import breaker, letters
from merge_bot.admit import Admission, Moment, ledger_frame
from merge_bot.canonical import digest, document, spelled
from merge_bot.collect import Base, Collected
from merge_bot.conflicts import Conflict
from merge_bot.control import Decision, Office
from merge_bot.delta import Candidate, file_name, format_utc
from merge_bot.findings import REFUSED_OUTCOMES, Outcome, Receipt
from merge_bot.ledger import Ledger, Line
from merge_bot.manifest import MERGE, Manifest
from merge_bot.merge import Merged
from merge_bot.parked import Parked
from merge_bot.receipts import receipts_bytes, receipts_of
from merge_bot.retention import kept_from, leaving
from merge_bot.state import Content, Files, Meta
from merge_bot.transports.base import Changes
from merge_bot.tree import FILE, Entry, edited, object_id
from merge_bot.workers import Workers


@dataclass(slots=True)
class Frame:
    """A merged frame, ready to publish. `changes` is everything that its commit changes on `base`."""

    number: int
    base: str
    time: datetime
    changes: Changes
    manifest: Manifest
    message: str
    receipts: list[Receipt]
    applied: Counter[str]
    conflicts: list[Conflict]
    parked: list[Parked]
    held: list[Candidate] = field(default_factory=list)

    def count(self, *outcomes: Outcome) -> int:
        """How many deltas ended so."""
        return sum(receipt.outcome in outcomes for receipt in self.receipts)

    @property
    def merged_deltas(self) -> int:
        return sum(r.outcome in (Outcome.APPLIED, Outcome.LATE) and r.source != "parked" for r in self.receipts)


def snapshot(
    collected: Collected,
    admission: Admission,
    merged: Merged,
    decisions: Sequence[Decision],
    office: Office,
    now: datetime,
) -> Frame:
    """Turn a proven merge into a frame; ledger and workers are those of the office that took the decisions."""
    base, paths, ledger, workers = collected.base, collected.base.paths, office.ledger, office.workers
    number = base.meta.frame
    settled = [receipt for _, receipt in admission.settled]
    receipts = receipts_of(number, admission.admitted, settled, merged, base.collections, decisions)
    consumed = [delta.candidate for delta in admission.admitted] + [candidate for candidate, _ in admission.settled]
    archived, archive = _archive(consumed, receipts, base, number)
    _book(ledger, workers, admission, receipts, Moment(number, 0, 0))
    disabled = list(breaker.count(receipts, workers, base.settings.breaker))
    marks = collected.transport.marks()
    workers.mark(marks)
    state, records = _state(base, merged, ledger, workers)
    state[paths.receipts(number)] = receipts_bytes(receipts)
    counts = dict(base.manifest.counts)
    for name in base.collections:
        counts[name] = counts.get(name, 0) + merged.growth.get(name, 0)
    tree, adopted = state_tree_after(base, state)
    kept = kept_from(base.settings.keep_frames, number, base.manifest.kept_from)
    manifest = Manifest(
        frame=number,
        kind=MERGE,
        time=format_utc(now),
        base=base.commit,
        state_tree=tree,
        counts=counts,
        files=digests(state, records),
        deltas=tuple(archive),
        settings=base.settings_id,
        schemas=base.schema_ids,
        adopted=adopted,
        previous=base.meta.manifest,
        landed=collected.landed,
        marks=marks or None,
        kept_from=kept,
        rolled_back=base.manifest.newest_rollback,
        control=[one.as_json() for one in decisions if one.effect is not None] + disabled or None,
    )
    proof = manifest.as_bytes()
    meta = Meta(number + 1, manifest.time, digest(proof))
    held = [delta.candidate for delta in admission.held] + admission.left
    changes: Changes = {path: one if isinstance(one, bytes | None) else one.entry for path, one in state.items()}
    changes |= archived | dict(collected.transport.settle(consumed, held)) | office.put_up
    changes.update(leaving(base.files, paths, base.manifest.kept_from, kept))
    changes[paths.manifest(number)] = proof
    changes[paths.meta] = document(meta.as_json())
    frame = Frame(
        number, base.commit, now, changes, manifest, "", receipts, merged.applied,
        sorted(merged.conflicts.opened.values(), key=lambda one: one[:3]), merged.parked, held,
    )  # fmt: skip
    frame.message = letters.commit_message(number, frame.merged_deltas, merged.applied, len(consumed), meta.manifest)
    return frame


def _state(
    base: Base, merged: Merged, ledger: Ledger, workers: Workers
) -> tuple[dict[str, Content | None], dict[str, int]]:
    """What the collections, the clocks and the books become, by path; and how many records each of the files holds."""
    state: dict[str, Content | None] = {change.path: change.data for change in merged.changes}
    state.update(merged.marks)
    records = {change.path: change.after for change in merged.changes}
    for path, data, lines in ledger.changes():
        state[path], records[path] = data, lines
    known = workers.as_bytes()
    if known != base.files.read(base.paths.workers):
        state[base.paths.workers], records[base.paths.workers] = known, len(workers.known)
    return state, records


def _archive(
    consumed: Sequence[Candidate], receipts: Iterable[Receipt], base: Base, number: int
) -> tuple[Changes, list[dict[str, object]]]:
    """Where each consumed delta's bytes are kept in the frame's folder, and its row in the manifest.

    With `archive: branches` what came by a delta branch is kept there, unless it was refused: people decide about
    that, and what they need stays in the tree.
    """
    on_branches, folder = base.settings.archive == "branches", base.paths.frame(number)
    by_source = {(receipt.digest, receipt.source): receipt for receipt in receipts}
    changes: Changes = {}
    rows = []
    for one in sorted(consumed, key=lambda candidate: (candidate.digest, candidate.path)):
        receipt = by_source[one.digest, one.path]
        row: dict[str, object] = {"delta": one.digest, "outcome": receipt.outcome, "source": spelled(one.path)}
        row |= {name: value for name in ("stream_id", "utc", "frame") if (value := getattr(receipt, name)) is not None}
        if one.blob:
            row["blob"] = one.blob
        if one.mode != FILE:
            row["mode"] = one.mode
        if not one.at_tip:
            row["gone"] = True
        if one.worker is not None:
            row["branch"] = one.worker
        if one.refused is not None:
            row["refused"] = one.refused
        if on_branches and one.commit is not None and receipt.outcome not in REFUSED_OUTCOMES:
            row["commit"] = one.commit
        elif receipt.outcome != Outcome.DUPLICATE:
            path = _kept_as(one, receipt, folder)
            changes[path] = Entry(FILE, one.blob) if one.blob else one.data
            row["file"] = path
        rows.append(row)
    return changes, rows


def _kept_as(one: Candidate, receipt: Receipt, folder: str) -> str:
    """A name that no worker can choose: the digest is in it, and anything odd is percent-encoded."""
    short = one.digest[:32]
    if receipt.outcome not in REFUSED_OUTCOMES and receipt.frame is not None and receipt.stream_id is not None:
        return f"{folder}/deltas/{file_name(receipt.frame, receipt.stream_id, short)}"
    name = quote(one.path.rpartition("/")[2].encode("utf-8", "surrogateescape"), safe="")[:80]
    return f"{folder}/quarantine/{short}.{name}"


def _book(ledger: Ledger, workers: Workers, admission: Admission, receipts: Iterable[Receipt], moment: Moment) -> None:
    """Enter every consumed delta into the ledger, and every outcome into the workers' tallies."""
    filled = {delta.digest for delta in admission.admitted if not delta.is_empty}
    runs = {delta.digest: delta.run for delta in admission.admitted}
    candidates = {(candidate.digest, candidate.path): candidate for candidate, _ in admission.settled}
    candidates |= {(delta.digest, delta.candidate.path): delta.candidate for delta in admission.admitted}
    for receipt in receipts:
        candidate = candidates.get((receipt.digest, receipt.source))
        if candidate is None or receipt.outcome == Outcome.DUPLICATE:
            continue
        workers.record(receipt)
        filed = ledger_frame(candidate, receipt.frame, moment)
        before = ledger.entry(filed, receipt.digest)
        entry = Line(
            delta=receipt.digest,
            outcome=receipt.outcome,
            merged_in=moment.frame,
            stream_id=receipt.stream_id,
            run=runs.get(receipt.digest),
            fills=receipt.digest in filled,
            amends=before.amends if before else None,
        )
        ledger.add(filed, entry)


def _read_folders(files: Files, paths: Iterable[str], root: str) -> None:
    """Read all folders on the way to these paths, a level at a time: each question to git is a wait."""
    levels: dict[int, set[str]] = {}
    for folder in {path.rpartition("/")[0] for path in paths}:
        above = root
        for depth, name in enumerate(folder.split("/") if folder else ()):
            above = f"{above}/{name}"
            levels.setdefault(depth, set()).add(above)
    for _, folders in sorted(levels.items()):
        files.folders(folders)


def digests(state: Mapping[str, Content | Entry | None], records: dict[str, int]) -> dict[str, dict[str, object]]:
    """The SHA-256 of each file that a frame writes, and how many records it holds, where that is known."""
    return {
        path: {"sha256": digest(one) if isinstance(one, bytes) else one.sha256}
        | ({"records": records[path]} if path in records else {})
        for path, one in sorted(state.items())
        if one is not None and not isinstance(one, Entry)
    }


def state_tree_after(base: Base, state: Mapping[str, Content | Entry | None]) -> tuple[str, dict[str, str]]:
    """The state tree's id after these changes, and the blob ids of adopted files outside the state folder."""
    files, folder, outside = base.files, base.paths.state, base.paths.outside_the_digest()
    inside: dict[str, Entry | None] = {}
    adopted = dict(base.manifest.adopted)
    within = f"{folder}/"
    for path, one in state.items():
        if isinstance(one, bytes):
            entry: Entry | None = Entry(FILE, object_id("blob", one, files.object_format))
        else:
            entry = one if one is None or isinstance(one, Entry) else one.entry
        if path.startswith(within):
            rest = path[len(within) :]
            if rest.partition("/")[0] not in outside:
                inside[rest] = entry
        elif entry is not None:
            adopted[path] = entry.id
    _read_folders(files, inside.keys(), folder)
    root = files.entry(folder)
    tree = edited(root.id if root else None, inside, files.entries, without=outside, object_format=files.object_format)
    return tree, adopted
