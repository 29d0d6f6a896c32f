"""What `status` looks at: the clock, the inbox, and everything that stands open. Merges nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from merge_bot.alarms import Alarm, Seen, is_odd, raised, seen
from merge_bot.audit_files import walk
from merge_bot.clone import Clone
from merge_bot.conflicts import Conflict, Conflicts
from merge_bot.delta import FILE_NAME, STREAM_ID, instant_of, parse_utc
from merge_bot.errors import DreamcatcherError
from merge_bot.git.history import LastChange
from merge_bot.git.line import lines_of
from merge_bot.git.scan import CHANGING, LocalFiles
from merge_bot.manifest import GENESIS, MERGE, Manifest, read_manifest
from merge_bot.parked import Parked, read_parked
from merge_bot.paths import Paths
from merge_bot.settings import Alarms
from merge_bot.state import Files, Meta, read_meta
from merge_bot.transports.base import DELTA_BRANCHES
from merge_bot.transports.branches import MAX_COMMITS
from merge_bot.transports.inbox import KEPT_NAMES
from merge_bot.workers import Workers

LATEST = 253_402_300_799  # seconds; beyond the year 9999 there is no date to compare with
_DELTA_REF = re.compile(r"refs/(?:remotes/[^/]+|heads)/deltas/(.+)", re.DOTALL)
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


@dataclass(frozen=True, slots=True)
class OnBranches:
    """Commits on delta branches that no merge took in, by worker, and when the first of them was made."""

    commits: dict[str, int] = field(default_factory=dict)
    oldest: datetime | None = None

    @property
    def count(self) -> int:
        return sum(self.commits.values())


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
    branches: OnBranches
    seen: Seen
    limits: Alarms

    @property
    def alarms(self) -> list[Alarm]:
        """What has been so for too long."""
        return raised(self.seen, self.limits)

    @property
    def behind(self) -> int:
        """How many deltas wait that the newest frame does not have, without those of later frames."""
        inbox = (*self.waiting.committed, *self.waiting.uncommitted)
        return sum(frame_of(path) <= self.meta.frame for path in inbox) + self.branches.count

    def age(self, now: datetime) -> int:
        """For how many seconds the newest frame has been the newest."""
        merged = parse_utc(self.meta.as_of)
        return 0 if merged is None else max(0, (instant_of(now) - merged) // 1_000_000)


def worker_of(path: str) -> str:
    """Who wrote an inbox file, by its name."""
    named = FILE_NAME.match(path.rpartition("/")[2])
    return named["stream_id"] if named else UNNAMED


def frame_of(path: str) -> int:
    """The frame that an inbox file is for, by its name; 0 where that tells nothing."""
    named = FILE_NAME.match(path.rpartition("/")[2])
    return int(named["frame"]) if named else 0


def look(clone: Clone, now: datetime) -> Status | None:
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
    workers = Workers.read(files, paths)
    waiting = _waiting(clone, tip, meta, _newest_merge(files, paths, manifest), paths, local)
    branches = on_branches(clone, workers)
    first = min((one for one in (waiting.oldest, branches.oldest) if one), default=None)
    odd = {*(path for path in (*waiting.committed, *waiting.uncommitted) if is_odd(path)), *_kinds(local.odd)}
    return Status(
        meta,
        manifest,
        clone.repository.last_change(tip, paths.meta),
        waiting,
        local.odd,
        list(Conflicts.read(files, paths).all()),
        read_parked(files, paths),
        workers,
        stops,
        branches,
        seen(files, paths, manifest, int(now.timestamp()), int(first.timestamp()) if first else None, odd),
        clone.settings.alarms,
    )


def _kinds(odd: Mapping[str, str]) -> list[str]:
    """What lies in the inbox and is no file, less what is being written just now."""
    return [path for path, what in odd.items() if what != CHANGING]


def _newest_merge(files: Files, paths: Paths, manifest: Manifest) -> Manifest:
    """The manifest of the frame that looked into the inbox last."""
    while manifest.kind not in (GENESIS, MERGE):
        manifest = read_manifest(files, paths, manifest.frame - 1, manifest.previous)
    return manifest


def on_branches(clone: Clone, workers: Workers) -> OnBranches:
    """What the delta branches that were fetched into this clone, or lie in it, still hold. Nothing is fetched.

    A branch that was fetched before its newest merge holds nothing new; of one that the clone cannot hold against its
    watermark nothing is known.
    """
    refs = {**clone.repository.refs("refs/remotes/"), **clone.repository.refs(DELTA_BRANCHES)}
    owners = {ref: named[1] for ref in refs if (named := _DELTA_REF.match(ref)) and STREAM_ID.match(named[1])}
    marks = workers.watermarks()
    until = {ref: marks[name] for ref, name in owners.items() if name in marks}
    lines = lines_of(clone.repository, {ref: refs[ref] for ref in owners}, until, MAX_COMMITS)
    times: dict[str, dict[str, int]] = {}
    for ref, line in lines.items():
        if line.commits and (not line.is_rewound or clone.repository.has_commit(until[ref])):
            times.setdefault(owners[ref], {}).update({one: line.times[one] for one in line.commits})
    first = min((one for commits in times.values() for one in commits.values()), default=None)
    oldest = None if first is None else datetime.fromtimestamp(min(first, LATEST), UTC)
    return OnBranches({name: len(commits) for name, commits in sorted(times.items())}, oldest)


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
