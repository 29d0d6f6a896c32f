"""The inbox: delta files under `state/stream_deltas/` on the base branch, read from git objects.

Every version between the last manifest's base commit and the tip is read, so one that was overwritten or removed
before the merge counts too; what was consumed before is known by its blob id.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from merge_bot.commit_files import CommitFiles
from merge_bot.delta import FILE_NAME, Candidate, file_name
from merge_bot.git import Repository
from merge_bot.paths import Paths
from merge_bot.transports.base import Changes, Span
from merge_bot.transports.reading import read_candidates
from merge_bot.tree import FILE, Entry

KEPT_NAMES = frozenset({".gitkeep", ".gitignore"})


class InboxTransport:
    """Delta files in a folder of the base branch."""

    def __init__(self, repository: Repository, paths: Paths) -> None:
        self._repository = repository
        self._folder = paths.inbox

    def send(self, name: str, data: bytes) -> None:
        """Write the file into the work tree's inbox: whole or not at all."""
        from merge_bot.delivery import write_atomically

        assert self._repository.work_tree is not None
        write_atomically(Path(self._repository.work_tree, self._folder), name, data)

    def receive(self, span: Span) -> Sequence[Candidate]:
        files = CommitFiles(self._repository, span.tip)
        found: dict[tuple[str, str], tuple[str, bool]] = {}
        for path, entry in _walk(files, self._folder):
            if path.rpartition("/")[2] not in KEPT_NAMES:
                found[path, entry.id] = (entry.mode, True)
        at_tip = {blob for _, blob in found}
        arrived: dict[tuple[str, str], int] = {}
        for change in self._repository.log_changes(span.since, span.tip, self._folder):
            place = (change.path, change.new_id)
            arrived[place] = min(change.committed, arrived.get(place, change.committed))
            for mode, blob in ((change.old_mode, change.old_id), (change.new_mode, change.new_id)):
                if set(blob) == {"0"} or blob in span.known or blob in at_tip or mode == "040000":
                    continue
                if change.path.rpartition("/")[2] not in KEPT_NAMES:
                    found.setdefault((change.path, blob), (mode, False))
        return read_candidates(self._repository, found, span, arrived)

    def settle(self, consumed: Iterable[Candidate], held: Iterable[Candidate]) -> Mapping[str, bytes | Entry | None]:
        """Consumed files leave; a held version that is no longer in the inbox is put back under a name of its own."""
        changes: Changes = {one.path: None for one in consumed if one.at_tip}
        for one in held:
            if not one.at_tip:
                named = FILE_NAME.match(os.path.basename(one.path))
                assert named is not None
                name = file_name(int(named["frame"]), named["stream_id"], one.digest[:32])
                changes[f"{self._folder}/{name}"] = Entry(FILE, one.blob)
        return changes

    def marks(self) -> Mapping[str, str]:
        return {}


def _walk(files: CommitFiles, folder: str) -> Iterator[tuple[str, Entry]]:
    for name, entry in files.folder(folder).items():
        path = f"{folder}/{name}"
        if entry.is_tree:
            yield from _walk(files, path)
        else:
            yield path, entry
