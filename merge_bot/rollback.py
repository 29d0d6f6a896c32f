"""Rollback: the state of an earlier frame as a new one. Forward, never back: no frame is taken out of the chain.

Collections, clocks, keys, conflicts and parked records become those of the frame that is gone back to; ledger and
workers go on. In the ledger the deltas that are no longer in the state stand as `undone`: neither they nor the same
bytes from another hand come in again, unless the rollback put them up again, which lets each in exactly once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from merge_bot import history_letters
from merge_bot import letters as merge_letters
from merge_bot import rollback_letters as letters
from merge_bot.canonical import digest, document
from merge_bot.clone import Clone
from merge_bot.collect import Base, open_base
from merge_bot.collection import Collection
from merge_bot.commit_files import CommitFiles
from merge_bot.delta import file_name, format_utc
from merge_bot.edits import live_state_tree
from merge_bot.errors import Contended, RepositoryError, UnreadableState
from merge_bot.findings import Outcome, Reason, Receipt, Recover
from merge_bot.frame import ATTEMPTS, BUDGET
from merge_bot.history import History
from merge_bot.kept import bring
from merge_bot.ledger import FILLS_ITS_SLOT, Ledger, Line
from merge_bot.manifest import ROLLBACK, Manifest
from merge_bot.patience import Patience
from merge_bot.publish.base import Published, Publisher
from merge_bot.publish.commit import CommitPublisher
from merge_bot.publish.dry_run import DryRun
from merge_bot.receipts import receipts_bytes
from merge_bot.remote_clone import BASE, RemoteClone
from merge_bot.snapshot import Frame
from merge_bot.state import Meta
from merge_bot.transports.base import Changes
from merge_bot.tree import FILE, Entry, edited, object_id

_BATCH = 256
Row = Mapping[str, Any]


@dataclass(slots=True)
class Rolled:
    """What a rollback did: the new frame, and how it was published."""

    frame: Frame
    published: Published


def roll_back(
    clone: Clone | RemoteClone,
    target: int,
    now: datetime,
    *,
    requeue: bool = False,
    dry_run: bool = False,
    publisher: Publisher | None = None,
) -> Rolled:
    """Make the state of frame `target` the newest frame, here or on a remote; `publisher` is another way out.

    Raises as `rollback_frame`, Contended, LocalEdits, and of a remote RemoteRefused, RemoteUnreachable.
    """
    if publisher is None:
        publisher = DryRun() if dry_run else _way_out(clone)
    patience = Patience(BUDGET)
    for _ in patience.attempts(ATTEMPTS):
        history = _seen(clone)
        base = open_base(clone.repository, history.tip, clone.settings_path)
        frame = rollback_frame(history, base, target, now, requeue=requeue)
        if (frame.manifest.state_tree, frame.manifest.adopted) == (base.manifest.state_tree, base.manifest.adopted):
            raise RepositoryError(letters.nothing_to_undo(target))
        published = publisher.publish(frame)
        if published.operation != "contended":
            return Rolled(frame, published)
    raise Contended(merge_letters.contended("The branch", patience.tries + 1))


def _way_out(clone: Clone | RemoteClone) -> Publisher:
    if isinstance(clone, Clone):
        return CommitPublisher(clone.repository, clone.ref, clone.author())
    return clone.pusher()


def _seen(clone: Clone | RemoteClone) -> History:
    """The branch as it is now."""
    if isinstance(clone, Clone):
        return History(clone)
    clone.fetch()
    return History(clone.repository, BASE, clone.settings_path)


def rollback_frame(history: History, base: Base, target: int, now: datetime, *, requeue: bool = False) -> Frame:
    """The frame that brings `target`'s state back onto `base`; nothing is written.

    Raises RepositoryError for an unknown frame, the newest one, or one whose collections lay differently;
    UnreadableState where the chain cannot be relied on.
    """
    history.check_number(target)
    newest = base.meta.frame - 1
    if target == newest:
        raise RepositoryError(letters.nothing_to_undo(target))
    history.files.ahead(history.paths.manifest(one) for one in range(target, newest + 1))
    _refuse_other_rules(history, base, target)
    return _Rollback(history, base, target, now, requeue).frame()


def apart(history: History, one: int, other: int) -> tuple[list[int], list[int]]:
    """The frames that the state of `one` came from and `other`'s did not, and the other way round; newest first.

    A rollback's state comes from the frame that it went back to, any other's from the frame before.
    """
    left, right = [], []
    while one != other:
        if one > other:
            left.append(one)
            one = origin(history.manifest(one))
        else:
            right.append(other)
            other = origin(history.manifest(other))
    return left, right


def origin(manifest: Manifest) -> int:
    """The frame whose state this one was made from."""
    return manifest.rollback["to"] if manifest.rollback else manifest.frame - 1


def _refuse_other_rules(history: History, base: Base, target: int) -> None:
    def how(rules: Collection) -> tuple[object, ...]:
        return (rules.strategy, rules.layout, rules.path, rules.pointer, rules.shape, rules.key, rules.else_key)

    then = history.collections(target)
    changed = [name for name in base.collections if name in then and how(then[name]) != how(base.collections[name])]
    if changed:
        raise RepositoryError(letters.other_rules(target, changed))


class _Rollback:
    """One rollback, while it is made."""

    def __init__(self, history: History, base: Base, target: int, now: datetime, requeue: bool) -> None:
        self._history, self._base, self._now, self._requeue = history, base, now, requeue
        self._target = history.manifest(target)
        self._then = CommitFiles(self._history.repository, history.standing(target))
        self._number = base.meta.frame
        self._paths = base.paths
        if live_state_tree(self._then, base.paths) != self._target.state_tree:
            raise UnreadableState(letters.not_proven(target, self._then.commit))

    def frame(self) -> Frame:
        base, paths, number = self._base, self._paths, self._number
        gone, again = apart(self._history, number - 1, self._target.frame)
        undone, restored = self._deltas(gone), self._deltas(again)
        back = dict(self._going_back())
        receipts = [*self._undone(undone), *self._restored(restored)]
        receipts.sort(key=lambda one: (one.digest, one.source, one.outcome))
        written: dict[str, bytes] = {path: data for path, data, _ in self._ledger(undone, restored).changes()}
        written[paths.receipts(number)] = receipts_bytes(receipts)
        tree, adopted = self._state_tree(back, written)
        manifest = Manifest(
            frame=number,
            kind=ROLLBACK,
            time=format_utc(self._now),
            base=base.commit,
            state_tree=tree,
            counts={name: self._target.counts.get(name, 0) for name in {*base.collections, *self._target.counts}},
            files=dict(sorted(self._digests(back, written))),
            settings=base.settings_id,
            schemas=base.schema_ids,
            adopted=adopted,
            previous=base.meta.manifest,
            landed=next(
                (one.commit for _, one in self._history.repository.landings(base.commit, [paths.meta], 1)), None
            ),
            rollback={
                "to": self._target.frame,
                "undone": [self._row(frame, row) for frame, row in undone],
                "restored": [self._row(frame, row) for frame, row in restored],
                "requeued": self._requeue,
            },
            kept_from=base.manifest.kept_from,
        )
        proof = manifest.as_bytes()
        meta = Meta(number + 1, manifest.time, digest(proof))
        changes: Changes = {**back, **written, paths.manifest(number): proof, paths.meta: document(meta.as_json())}
        if self._requeue:
            changes.update(self._put_up_again(undone))
        message = letters.commit_message(
            number, self._target.frame, len(undone), len(restored), self._requeue, meta.manifest
        )
        return Frame(number, base.commit, self._now, changes, manifest, message, receipts, Counter(), [], [])

    # --- the deltas

    def _deltas(self, frames: Sequence[int]) -> list[tuple[int, Row]]:
        """(frame, manifest row) of each delta that entered the state in one of these frames, the oldest frame first."""
        return [
            (frame, row)
            for frame in reversed(frames)
            for row in self._history.manifest(frame).deltas
            if row["outcome"] in FILLS_ITS_SLOT
        ]

    def _row(self, frame: int, row: Row) -> dict[str, Any]:
        return {"merged_in": frame, **{name: row[name] for name in ("delta", "frame", "outcome", "source")}}

    def _ledger(self, undone: Sequence[tuple[int, Row]], restored: Sequence[tuple[int, Row]]) -> Ledger:
        for files, rows in ((self._base.files, undone), (self._then, restored)):
            files.ahead(self._paths.ledger(row["frame"]) for _, row in rows)
        ledger, then = Ledger(self._base.files, self._paths), Ledger(self._then, self._paths)
        for _, row in undone:
            known = ledger.entry(row["frame"], row["delta"]) or _line(row, self._number)
            line = known._replace(outcome=Outcome.UNDONE, merged_in=self._number, fills=False, requeued=self._requeue)
            ledger.add(row["frame"], line)
        for frame, row in restored:
            ledger.add(row["frame"], then.entry(row["frame"], row["delta"]) or _line(row, frame))
        return ledger

    def _undone(self, rows: Sequence[tuple[int, Row]]) -> Iterator[Receipt]:
        for _, row in rows:
            receipt = _receipt(row, Outcome.UNDONE, Reason.ROLLED_BACK)
            receipt.recover = Recover.NONE if self._requeue else Recover.RESUBMIT
            receipt.notes.append(letters.undone_note(self._target.frame, self._number, self._requeue))
            yield receipt

    def _restored(self, rows: Sequence[tuple[int, Row]]) -> Iterator[Receipt]:
        for _, row in rows:
            receipt = _receipt(row, Outcome(row["outcome"]), Reason.RESTORED)
            receipt.notes.append(letters.restored_note(self._target.frame, self._number))
            yield receipt

    def _put_up_again(self, undone: Sequence[tuple[int, Row]]) -> Iterator[tuple[str, bytes | Entry]]:
        """The undone deltas as files of the inbox, under names that nobody else uses."""
        there = bring(self._history.repository, (row for _, row in undone))
        for frame, row in undone:
            if "file" not in row and row["blob"] in there.lost:
                raise UnreadableState(history_letters.not_at_hand(row, frame, there.remote, there.why))
            name = file_name(row["frame"], row["stream_id"], row["delta"][:32])
            path = f"{self._paths.inbox}/{name}"
            if row.get("blob"):
                yield path, Entry(FILE, row["blob"])
                continue
            data = self._history.archived(frame, row["file"])
            if data is None:
                raise UnreadableState(letters.bytes_lost(row["file"]))
            yield path, data

    # --- the files

    def _going_back(self) -> Iterator[tuple[str, Entry | None]]:
        """The canonical files that differ from what they were then, as they were; ledger and workers stay."""
        base, paths = self._base, self._paths
        outside = tuple(f"{paths.state}/{name}/" for name in paths.outside_the_digest())
        stays = (*outside, f"{paths.workers}/", f"{paths.attributes}/", f"{paths.control}/ledger/")
        for _, path in self._history.repository.changed_paths(self._then.commit, base.commit, paths.state):
            if not f"{path}/".startswith(stays):
                yield path, self._then.entry(path)
        for path, blob in self._target.adopted.items():
            if base.manifest.adopted.get(path) != blob:
                yield path, Entry(FILE, blob)
        for path in base.manifest.adopted.keys() - self._target.adopted.keys():
            yield path, None

    def _state_tree(self, back: Mapping[str, Entry | None], written: Mapping[str, bytes]) -> tuple[str, dict[str, str]]:
        """The state tree's id afterwards, and the blobs of adopted files elsewhere."""
        files, folder = self._base.files, f"{self._paths.state}/"
        entries = dict(back)
        for path, data in written.items():
            entries[path] = Entry(FILE, object_id("blob", data, files.object_format))
        outside = self._paths.outside_the_digest()
        inside = {
            path.removeprefix(folder): entry
            for path, entry in entries.items()
            if path.startswith(folder) and path.removeprefix(folder).partition("/")[0] not in outside
        }
        root = files.entry(self._paths.state)
        tree = edited(
            root.id if root else None, inside, files.entries, without=outside, object_format=files.object_format
        )
        return tree, dict(self._target.adopted)

    def _digests(
        self, back: Mapping[str, Entry | None], written: Mapping[str, bytes]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The SHA-256 of each file that the frame writes; read a few at a time."""
        paths = [path for path, entry in back.items() if entry is not None]
        for start in range(0, len(paths), _BATCH):
            batch = {path: entry.id for path in paths[start : start + _BATCH] if (entry := back[path])}
            blobs = self._history.repository.read_blobs(set(batch.values()))
            for path, blob in batch.items():
                yield path, {"sha256": digest(blobs[blob])}
        for path, data in written.items():
            yield path, {"sha256": digest(data), "records": data.count(b"\n")}


def _line(row: Row, merged_in: int) -> Line:
    return Line(row["delta"], row["outcome"], merged_in, row.get("stream_id"), fills=True)


def _receipt(row: Row, outcome: Outcome, reason: Reason) -> Receipt:
    return Receipt(
        digest=row["delta"],
        source=row["source"],
        outcome=outcome,
        reason=reason,
        frame=row["frame"],
        stream_id=row["stream_id"],
        utc=row["utc"],
    )
