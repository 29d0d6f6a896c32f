"""Publishing as a direct commit: built with plumbing, put in place by one compare-and-swap of the branch's ref.

In a clone with a work tree on that branch the files follow; uncommitted edits are never discarded, and a crash
between the two is noticed and repaired by the next command.
"""

from __future__ import annotations

from merge_bot import letters
from merge_bot.commit_files import CommitFiles
from merge_bot.errors import LocalEdits
from merge_bot.git import Identity, Repository
from merge_bot.publish.base import Published
from merge_bot.snapshot import Frame


class CommitPublisher:
    """Commits to a local branch. `ref` is its full name."""

    def __init__(self, repository: Repository, ref: str, author: Identity) -> None:
        self._repository = repository
        self._ref = ref
        self._author = author

    def publish(self, frame: Frame) -> Published:
        """Raises LocalEdits if uncommitted edits of the work tree stand where the frame writes."""
        repository = self._repository
        when = int(frame.time.timestamp())
        commit = repository.write_commit(frame.base, frame.changes, frame.message, self._author, when)
        follow = repository.work_tree is not None and repository.head_branch() == self._ref
        consumed: dict[str, str] = {}
        if follow:
            files = CommitFiles(repository, frame.base)
            gone = (path for path, change in frame.changes.items() if change is None)
            consumed = {path: entry.id for path in gone if (entry := files.entry(path)) is not None}
            in_the_way = repository.can_fast_forward(frame.base, commit, consumed)
            if in_the_way:
                raise LocalEdits(letters.local_edits(in_the_way))
            repository.announce(frame.base, commit, consumed)
        if not repository.compare_and_swap(self._ref, commit, frame.base):
            return Published("contended")
        if follow:
            repository.fast_forward(frame.base, commit, consumed)
        return Published("pushed", commit)
