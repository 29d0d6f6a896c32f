"""Replay: a frame's archived deltas merged once more onto the state that it was merged onto, by the same `run_frame`.

What comes out must be the same to the last byte: the manifest, and every file that the frame wrote. A frame of older
merge rules is not replayed: it is held against its digests.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from merge_bot import history_letters as letters
from merge_bot.canonical import digest, document
from merge_bot.collect import Base, open_base, read_base
from merge_bot.commit_files import CommitFiles
from merge_bot.delta import Candidate
from merge_bot.errors import RepositoryError, UnreadableState
from merge_bot.findings import Reason
from merge_bot.frame import run_frame
from merge_bot.git import Identity
from merge_bot.kept import Brought, Row, bring
from merge_bot.manifest import GENESIS, RULES_VERSION, Manifest
from merge_bot.progress import Progress, silent
from merge_bot.publish.dry_run import DryRun
from merge_bot.snapshot import Frame
from merge_bot.state import Meta
from merge_bot.transports.base import Changes, Span
from merge_bot.tree import FILE, Entry, object_id
from merge_bot.verify_frame import Examiner

if TYPE_CHECKING:
    from merge_bot.history import History

_REMADE = 50  # frames in a row that are merged once more, at most, to come to the state after one of them


@dataclass(slots=True)
class Replayed:
    """A frame merged once more. `same` is None where there was nothing to merge, and `note` says why.

    `manifest` is the archived one's digest, `differs` names each path that came out otherwise.
    """

    frame: int
    kind: str
    manifest: str
    same: bool | None
    deltas: int = 0
    files: int = 0
    differs: list[str] = field(default_factory=list)
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class ArchiveTransport:
    """The deltas that one frame consumed, from its archive; each is held against its digest.

    Raises UnreadableState, naming the file or the branch, if bytes are not what the manifest says, or nowhere.
    """

    def __init__(self, history: History, manifest: Manifest) -> None:
        self._history, self._manifest = history, manifest
        self._brought = Brought()

    def send(self, name: str, data: bytes) -> None:
        raise TypeError("an archive takes nothing in")

    def receive(self, span: Span) -> Sequence[Candidate]:
        return self.candidates(self._manifest.deltas, span.max_bytes)

    def candidates(self, rows: Sequence[Mapping[str, Any]], limit: int) -> list[Candidate]:
        """The deltas of some of the manifest's rows; what is larger than `limit` bytes is not held."""
        repository = self._history.repository
        places = [self._place(row) for row in rows]
        self._brought = bring(repository, rows)
        sizes = repository.sizes({blob for _, blob in places})
        whole = repository.read_blobs(blob for blob, size in sizes.items() if size is not None and size <= limit)
        return [
            self._candidate(row, where, blob, sizes[blob], whole.get(blob))
            for row, (where, blob) in zip(rows, places, strict=True)
        ]

    def settle(self, consumed: Iterable[Candidate], held: Iterable[Candidate]) -> Mapping[str, bytes | Entry | None]:
        return {}

    def marks(self) -> Mapping[str, str]:
        return self._manifest.marks or {}

    def _candidate(
        self, row: Mapping[str, Any], where: str, blob: str, size: int | None, data: bytes | None
    ) -> Candidate:
        frame = self._manifest.frame
        if size is None:
            if "file" in row:
                raise UnreadableState(letters.archive_missing(where, frame))
            raise UnreadableState(letters.not_at_hand(row, frame, self._brought.remote, self._brought.why))
        found = self._history.repository.digest_blob(blob) if data is None else digest(data)
        if found != row["delta"]:
            raise UnreadableState(letters.archive_changed(where, frame, row["delta"], found))
        mode, at_tip, worker, refused = (
            row.get("mode", FILE),
            not row.get("gone"),
            row.get("branch"),
            row.get("refused"),
        )
        return Candidate(
            row["source"], row.get("blob", ""), mode, size, data, found, at_tip,
            worker=worker, refused=Reason(refused) if refused else None, commit=row.get("commit"),
        )  # fmt: skip

    def _place(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """Where a delta's bytes are: the archive's path and blob; without a file there, what it came under."""
        if "file" not in row:
            return row["source"], row.get("blob", "")
        entry = self._history.archived_entry(self._manifest.frame, row["file"])
        if entry is None or not entry.is_file:
            raise UnreadableState(letters.archive_missing(row["file"], self._manifest.frame))
        return row["file"], entry.id


def replay(history: History, frame: int, progress: Progress = silent) -> Replayed:
    """Merge `frame` once more and compare. Raises RepositoryError, UnreadableState, SchemaError."""
    manifest = history.manifest(frame)
    done = Replayed(frame, manifest.kind, manifest.digest, None, len(manifest.deltas))
    if manifest.kind == GENESIS:
        done.note = letters.nothing_merged(frame, manifest.kind)
        return done
    if manifest.rules < RULES_VERSION:
        return _by_digest(history, manifest, done)
    merged = merge_again(history, manifest, progress)
    if merged is None:
        done.same, done.differs = False, [history.paths.manifest(frame)]
        return done
    changes = as_archived(merged, manifest, history)
    done.files = sum(data is not None for data in changes.values())
    done.differs = sorted(
        {*_unlike_the_manifest(merged, manifest, changes, history), *_unlike_landed(history, changes, frame)}
    )
    done.same = not done.differs
    return done


def _by_digest(history: History, manifest: Manifest, done: Replayed) -> Replayed:
    """A frame of older rules, held against its digests instead."""
    landing = history.landing_if_any(manifest.frame)
    kept_from = history.manifest(history.newest).kept_from or 0
    examiner = Examiner(history.repository, history.files, history.paths, kept_from)
    found = examiner.examine(manifest, landing.commit if landing else None, None)
    done.differs = sorted({one.path for one in found})
    done.same = False if found else None
    done.note = letters.older_rules(manifest.frame, manifest.rules, RULES_VERSION, agrees=not found)
    return done


def merge_again(history: History, manifest: Manifest, progress: Progress = silent) -> Frame | None:
    """The frame of a merge's manifest, from its archive (a rollback's, from the frame that it went back to).

    None if nothing in the archive makes one.
    """
    base = base_of(history, manifest, checked=manifest.edits is None)
    now = datetime.fromisoformat(manifest.time.replace("Z", "+00:00"))
    if manifest.edits is not None:
        from merge_bot.foreign import again

        return again(history, base, manifest, now)
    if manifest.rollback is not None:
        from merge_bot.rollback import rollback_frame

        return rollback_frame(history, base, manifest.rollback["to"], now, requeue=manifest.rollback["requeued"])
    put_up = {one["delta"] for one in manifest.control or () if one["op"] == "requeue"}

    def find(rows: Iterable[Row]) -> Container[str]:
        """What could be had then, and not what can be had now."""
        return {str(row["blob"]) for row in rows if row["delta"] in put_up}

    archive = ArchiveTransport(history, manifest)
    return run_frame(history.repository, base, archive, DryRun(), now, progress, find=find).frame


def base_of(history: History, manifest: Manifest, *, checked: bool = True) -> Base:
    """What a frame was merged onto, with the settings and schemas of then.

    Where a squash has left its base behind, another commit with the same state. Raises RepositoryError, and if
    `checked` ForeignEdit.
    """
    repository, commit = history.repository, manifest.base
    if commit is not None and not repository.has_commit(commit) and repository.is_shallow:
        repository.deepen_until(commit, tip=history.tip)
    if commit is not None and repository.has_commit(commit):
        return (open_base if checked else read_base)(repository, commit, history.settings_path)
    with suppress(RepositoryError):
        base = open_base(repository, before(history, manifest), history.settings_path)
        if (base.settings_id, base.schema_ids) == (manifest.settings, dict(manifest.schemas)):
            return base
    raise RepositoryError(letters.no_base(manifest.frame, commit))


def before(history: History, manifest: Manifest) -> str:
    """A commit with the state that a frame was merged onto: its base, or where a squash has left that behind, another.

    Raises RepositoryError.
    """
    if manifest.base is not None and history.repository.has_commit(manifest.base):
        return manifest.base
    if manifest.base is None or manifest.frame == history.oldest:
        raise RepositoryError(letters.no_base(manifest.frame, manifest.base))
    return standing(history, manifest.frame - 1)


def standing(history: History, frame: int) -> str:
    """See `History.standing`."""
    landing = history.landing_if_any(frame)
    if landing is None and not history.repository.is_shallow:
        return history.remember(("standing", frame), lambda: remade(history, frame))
    return landing.commit if landing else history.landing(frame).commit


def remade(history: History, frame: int) -> str:
    """A commit of our own with the state right after a frame that has none."""
    manifest, merged = history.manifest(frame), None
    near = range(max(frame - _REMADE, history.oldest), frame)
    if manifest.rules == RULES_VERSION and any(history.landing_if_any(one) for one in near):
        merged = merge_again(history, manifest)
    proven = (manifest.state_tree, manifest.adopted)
    if merged is None or (merged.manifest.state_tree, merged.manifest.adopted) != proven:
        raise RepositoryError(letters.no_landing(frame, history.ref))
    author, when = Identity("Dream Catcher", ""), int(merged.time.timestamp())
    changes = as_archived(merged, manifest, history)
    return history.repository.write_commit(merged.base, changes, merged.message, author, when)


def as_archived(frame: Frame, manifest: Manifest, history: History) -> Changes:
    """What the frame writes, with what its clone knew of commits then: an observation, not a result."""
    changes = dict(frame.changes)
    observed = frame.manifest._replace(landed=manifest.landed, base=manifest.base)
    if observed != frame.manifest:
        proof = observed.as_bytes()
        meta = Meta(frame.number + 1, manifest.time, digest(proof))
        changes[history.paths.manifest(frame.number)] = proof
        changes[history.paths.meta] = document(meta.as_json())
    return changes


def _unlike_the_manifest(frame: Frame, manifest: Manifest, changes: Changes, history: History) -> Iterable[str]:
    path = history.paths.manifest(manifest.frame)
    if changes.get(path) == manifest.as_bytes():
        return []
    files = {**frame.manifest.files, **manifest.files}
    unlike = [one for one in files if frame.manifest.files.get(one) != manifest.files.get(one)]
    return [*unlike, path]


def _unlike_landed(history: History, changes: Changes, frame: int) -> Iterable[str]:
    """The files that lie otherwise in the commit in which the frame landed."""
    landing = history.landing_if_any(frame)
    if landing is None:
        return
    files = CommitFiles(history.repository, landing.commit)
    for path, change in changes.items():
        if change is not None:
            entry = files.entry(path)
            wanted = change.id if isinstance(change, Entry) else object_id("blob", change, files.object_format)
            if entry is None or entry.id != wanted:
                yield path
