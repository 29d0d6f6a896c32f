"""One frame held against its manifest: its own folder at the tip, and what it wrote in the commit in which it landed.

What a frame costs to verify grows with what it wrote, not with the state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from merge_bot import verify_letters as letters
from merge_bot.audit_files import lines_of, walk
from merge_bot.canonical import digest
from merge_bot.commit_files import CommitFiles
from merge_bot.edits import live_state_tree
from merge_bot.findings import Reason
from merge_bot.git import Repository
from merge_bot.kept import Brought, bring
from merge_bot.manifest import Manifest
from merge_bot.messages import Letter
from merge_bot.paths import Paths
from merge_bot.tree import FILE, Entry, edited


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing wrong: of which frame, in which file, and the commit that made it so (None: nobody's).

    `author` is `Name <email>`, `date` ISO 8601, both "" where there is no commit.
    """

    frame: int
    path: str
    reason: Reason
    message: str
    remedy: str
    commit: str | None = None
    author: str = ""
    date: str = ""


def finding(frame: int, path: str, reason: Reason, letter: Letter, commit: str | None = None) -> Finding:
    return Finding(frame, path, reason, *letter, commit)


@dataclass(slots=True)
class Examiner:
    """Examines frames of one branch; `tip` is its newest commit. Archives before `kept_from` may be in history only.

    `brought` tells of the deltas on delta branches, once all of them were fetched; None: each frame fetches its own.
    """

    repository: Repository
    tip: CommitFiles
    paths: Paths
    kept_from: int = 0
    brought: Brought | None = None

    def examine(self, manifest: Manifest, landing: str | None, before: Manifest | None) -> list[Finding]:
        """Everything wrong with one frame. `before` is the manifest before it, where it is known."""
        found = [*self._folder(manifest), *self._on_branches(manifest), *self._receipts(manifest)]
        if landing is not None:
            found += self._landed(manifest, CommitFiles(self.repository, landing))
        if before is not None and manifest.base is not None and self.repository.has_commit(manifest.base):
            found += self._base(manifest, before)
        return found

    # --- the frame's own folder

    def _folder(self, manifest: Manifest) -> Iterator[Finding]:
        """Archive and receipts: what the manifest names is there, and nothing else is."""
        frame, folder = manifest.frame, self.paths.frame(manifest.frame)
        there = dict(walk(self.tip, folder))
        kept = (*manifest.deltas, *(manifest.edits or ()))
        wanted = {str(row["file"]): str(row["delta"]) for row in kept if "file" in row}
        pruned = frame < self.kept_from and not any(path in there for path in wanted)
        receipts = self.paths.receipts(frame)
        if receipts in manifest.files:
            wanted[receipts] = str(manifest.files[receipts]["sha256"])
        for path in there.keys() - wanted.keys() - {self.paths.manifest(frame)}:
            yield finding(frame, path, Reason.MISPLACED_FILE, letters.no_frame_s_file())
        for path in sorted(wanted):
            if path in there and not there[path].is_file:
                yield finding(frame, path, Reason.NOT_A_REGULAR_FILE, letters.no_plain_file())
            elif path not in there and not (pruned and path != receipts):
                yield finding(frame, path, Reason.MISSING_FILE, letters.file_missing(frame))
        blobs = {path: there[path].id for path in wanted if path in there and there[path].is_file}
        for path in self._unlike(blobs, wanted):
            yield finding(frame, path, Reason.DIGEST_DIFFERS, letters.digest_differs(frame))
        if pruned:
            yield from self._pruned(manifest)

    def _pruned(self, manifest: Manifest) -> Iterator[Finding]:
        """Archives that are no longer in the tree are read from history."""
        kept = (*manifest.deltas, *({**row, "blob": row["after"]} for row in manifest.edits or ()))
        rows = {str(row["file"]): row for row in kept if "file" in row and row.get("blob")}
        sizes = self.repository.sizes({str(row["blob"]) for row in rows.values()})
        for path, row in rows.items():
            if sizes[row["blob"]] is None:
                yield finding(manifest.frame, path, Reason.MISSING_FILE, letters.not_in_history(manifest.frame))
        blobs = {path: str(row["blob"]) for path, row in rows.items() if sizes[row["blob"]] is not None}
        for path in self._unlike(blobs, {path: str(row["delta"]) for path, row in rows.items()}):
            yield finding(manifest.frame, path, Reason.DIGEST_DIFFERS, letters.digest_differs(manifest.frame))

    def _on_branches(self, manifest: Manifest) -> Iterator[Finding]:
        """What lies on delta branches alone can be had, and is what the manifest names."""
        rows = [row for row in manifest.deltas if "commit" in row]
        brought = self.brought or bring(self.repository, rows)
        for row in rows:
            if row["blob"] in brought.lost:
                letter = letters.not_at_hand(row, manifest.frame, brought.remote, brought.why)
                yield finding(manifest.frame, row["source"], Reason.MISSING_FILE, letter)
        there = {row["source"]: row for row in rows if row["blob"] not in brought.lost}
        blobs = {source: row["blob"] for source, row in there.items()}
        for source in self._unlike(blobs, {source: row["delta"] for source, row in there.items()}):
            letter = letters.other_blob(manifest.frame)
            yield finding(manifest.frame, source, Reason.DIGEST_DIFFERS, letter)

    def _receipts(self, manifest: Manifest) -> Iterator[Finding]:
        """A receipt for each delta, and for nothing else but records that had waited."""
        path = self.paths.receipts(manifest.frame)
        data = self.tip.read(path)
        if data is None or digest(data) != manifest.files.get(path, {}).get("sha256"):
            return  # what is not the right file is told of already
        rows: list[Mapping[str, Any]] = list(manifest.deltas)
        rows += [{**row, "source": row["path"]} for row in manifest.edits or ()]
        if manifest.rollback is not None:
            rows += [{**row, "outcome": "undone"} for row in manifest.rollback["undone"]] + manifest.rollback[
                "restored"
            ]
        due = {(row["delta"], row["source"], row["outcome"]) for row in rows}
        records = [one for one in lines_of(data, path).value if one is not None and one.get("source") != "parked"]
        given = {(one.get("digest"), one.get("source"), one.get("outcome")) for one in records}
        if due != given:
            letter = letters.receipts_disagree(len(due - given), len(given - due))
            yield finding(manifest.frame, path, Reason.BOOKS_DISAGREE, letter)

    # --- the commit in which it landed

    def _landed(self, manifest: Manifest, landed: CommitFiles) -> Iterator[Finding]:
        frame, commit = manifest.frame, landed.commit
        own = self.paths.frame(frame)
        wanted = {path: str(one["sha256"]) for path, one in manifest.files.items() if not path.startswith(f"{own}/")}
        entries = {path: landed.entry(path) for path in wanted}
        blobs = {path: entry.id for path, entry in entries.items() if entry and entry.is_file}
        wrong = {*(wanted.keys() - blobs.keys()), *self._unlike(blobs, wanted)}
        for path, blob in manifest.adopted.items():
            entry = landed.entry(path)
            if entry is None or entry.id != blob:
                wrong.add(path)
        for path in sorted(wrong):
            yield finding(frame, path, Reason.DIGEST_DIFFERS, letters.written_differs(frame), commit)
        if live_state_tree(landed, self.paths) != manifest.state_tree and not wrong:
            others = [path for path in self._changed(manifest, commit) if path not in wanted]
            for path in others:
                yield finding(frame, path, Reason.FOREIGN_EDIT, letters.landed_differs(frame), commit)
            if not others:
                letter = letters.landed_state_differs(frame)
                yield finding(frame, self.paths.state, Reason.DIGEST_DIFFERS, letter, commit)

    def _changed(self, manifest: Manifest, commit: str) -> Iterable[str]:
        if manifest.base is None or not self.repository.has_commit(manifest.base):
            return []
        return self._canonical(self.repository.changed_paths(manifest.base, commit, self.paths.state))

    def _base(self, manifest: Manifest, before: Manifest) -> Iterator[Finding]:
        """The state that the frame was merged onto is the one that the frame before had left."""
        base = CommitFiles(self.repository, str(manifest.base))
        if self._before_edits(manifest, base) == before.state_tree:
            return
        landed = manifest.landed if manifest.landed and self.repository.has_commit(manifest.landed) else None
        changed = self.repository.changed_paths(landed, base.commit, self.paths.state) if landed else []
        for path in self._canonical(changed) or [self.paths.state]:
            yield finding(manifest.frame, path, Reason.FOREIGN_EDIT, letters.base_differs(manifest.frame), base.commit)

    def _before_edits(self, manifest: Manifest, base: CommitFiles) -> str:
        """The state tree of the base, with what other hands had changed put back as the manifest says it was."""
        if manifest.edits is None:
            return live_state_tree(base, self.paths)
        folder, outside = f"{self.paths.state}/", self.paths.outside_the_digest()
        was = {
            row["path"].removeprefix(folder): Entry(FILE, row["before"]) if row["before"] else None
            for row in manifest.edits
            if row["path"].startswith(folder) and row["path"].removeprefix(folder).partition("/")[0] not in outside
        }
        root = base.entry(self.paths.state)
        return edited(root.id if root else None, was, base.entries, without=outside, object_format=base.object_format)

    def _canonical(self, changed: Iterable[tuple[str, str]]) -> list[str]:
        outside = tuple(f"{self.paths.state}/{name}/" for name in self.paths.outside_the_digest())
        return [path for _, path in changed if not f"{path}/".startswith(outside)]

    def _unlike(self, blobs: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
        """The paths whose blob has not the wanted SHA-256. No blob is held, however large."""
        digests = self.repository.digest_blobs(set(blobs.values()))
        yield from (path for path in sorted(blobs) if digests[blobs[path]] != wanted[path])
