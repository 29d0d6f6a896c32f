"""Publishing to a new local branch, which may be thrown away: the branch that was merged from stays where it is."""

from __future__ import annotations

from merge_bot import history_letters as letters
from merge_bot.errors import GitFailed, RepositoryError
from merge_bot.git import Identity, Repository
from merge_bot.publish.base import Published
from merge_bot.snapshot import Frame


class SpeculativePublisher:
    """Makes the branch `ref` (a full name), which must not be there yet."""

    def __init__(self, repository: Repository, ref: str, author: Identity) -> None:
        self._repository, self._ref, self._author = repository, ref, author

    def publish(self, frame: Frame) -> Published:
        """Raises RepositoryError if there is such a branch, or cannot be one."""
        repository, when = self._repository, int(frame.time.timestamp())
        commit = repository.write_commit(frame.base, frame.changes, frame.message, self._author, when)
        name = self._ref.removeprefix("refs/heads/")
        try:
            made = repository.compare_and_swap(self._ref, commit, None)
        except GitFailed as error:
            raise RepositoryError(letters.branch_impossible(name, str(error))) from None
        if not made:
            raise RepositoryError(letters.branch_exists(name))
        return Published("pushed", commit)
