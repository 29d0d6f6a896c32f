"""What `status` looks at: the clock, the inbox, and everything that stands open. Merges nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from merge_bot.audit_files import walk
from merge_bot.clone import Clone
from merge_bot.conflicts import Conflict, Conflicts
from merge_bot.delta import FILE_NAME
from merge_bot.errors import DreamcatcherError
from merge_bot.git import LocalFiles
from merge_bot.git.history import LastChange
from merge_bot.manifest import Manifest, read_manifest
from merge_bot.parked import Parked, read_parked
from merge_bot.paths import Paths
from merge_bot.state import Meta, read_meta
from merge_bot.transports.inbox import KEPT_NAMES
from merge_bot.workers import Workers

UNNAMED = "(no delta's name)"


@dataclass(slots=True)
class Waiting:
    """The inbox: `committed` and `uncommitted` are paths.

    `oldest` is when the first of them was committed, without those that wait for a later frame.
    """

    committed: list[str] = field(default_factory=list)
    uncommitted: list[str] = field(default_factory=list)
    overwritten: int = 0
    oldest: datetime | None = None


@dataclass(slots=True)
class Status:
    """What is known of a branch without merging. `stops` is the letter that a merge would end with."""

    meta: Meta
    manifest: Manifest
    landed: LastChange | None
    waiting: Waiting
    odd: dict[str, str]
    conflicts: list[Conflict]
    parked: list[Parked]
    workers: Workers
    stops: str


def worker_of(path: str) -> str:
    """Who wrote an inbox file, by its name."""
    named = FILE_NAME.match(path.rpartition("/")[2])
    return named["stream_id"] if named else UNNAMED


def frame_of(path: str) -> int:
    """The frame that an inbox file is for, by its name; 0 where that tells nothing."""
    named = FILE_NAME.match(path.rpartition("/")[2])
    return int(named["frame"]) if named else 0


def look(clone: Clone) -> Status | None:
    """What there is to know of the branch; None where there is no frame yet. Raises UnreadableState, SettingsError."""
    tip, files = clone.tip, clone.files
    paths = Paths(clone.settings.state)
    meta = read_meta(files, paths)
    if tip is None or meta is None:
        return None
    manifest = read_manifest(files, paths, meta.frame - 1, meta.manifest)
    stops = ""
    try:
        clone.base()
    except DreamcatcherError as error:
        stops = str(error)
    local = clone.waiting()
    return Status(
        meta,
        manifest,
        clone.repository.last_change(tip, paths.meta),
        _waiting(clone, tip, meta, manifest, paths, local),
        local.odd,
        list(Conflicts.read(files, paths).all()),
        read_parked(files, paths),
        Workers.read(files, paths),
        stops,
    )


def _waiting(clone: Clone, tip: str, meta: Meta, manifest: Manifest, paths: Paths, local: LocalFiles) -> Waiting:
    """What lies in the inbox, and which versions were overwritten there since the newest frame was read."""
    repository = clone.repository
    at_tip = {
        path: entry.id for path, entry in walk(clone.files, paths.inbox) if path.rpartition("/")[2] not in KEPT_NAMES
    }
    consumed = {str(one["blob"]) for one in manifest.deltas if one.get("blob")}
    base = manifest.base if manifest.base and repository.has_commit(manifest.base) else None
    present = set(at_tip.values())
    times: list[int] = []
    overwritten = set()
    for change in repository.log_changes(base, tip, paths.inbox):
        if change.path.rpartition("/")[2] in KEPT_NAMES:
            continue
        if change.new_id not in consumed and set(change.new_id) != {"0"} and frame_of(change.path) <= meta.frame:
            times.append(change.committed)
        for mode, blob in ((change.old_mode, change.old_id), (change.new_mode, change.new_id)):
            if set(blob) != {"0"} and mode != "040000" and blob not in consumed | present:
                overwritten.add((change.path, blob))
    oldest = datetime.fromtimestamp(min(times), UTC) if times else None
    return Waiting(sorted(at_tip), sorted(local.changed), len(overwritten), oldest)
