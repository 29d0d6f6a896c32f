"""The files of one commit, read lazily from git objects: no work tree, no links, no filters, no half-written files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from merge_bot import letters
from merge_bot.errors import UnreadableState
from merge_bot.git import Repository
from merge_bot.tree import Entry


class CommitFiles:
    """A commit's files (see `state.Files`). Trees are read when first entered, and kept; blobs are not."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self.commit = commit
        self.object_format = repository.object_format
        self._repository = repository
        self._trees: dict[str, Mapping[str, Entry]] = {}
        self._root = repository.commit_tree(commit)

    def read(self, path: str) -> bytes | None:
        """Raises UnreadableState for a link, an executable or a folder: something is there, so it is not nothing."""
        entry = self.entry(path)
        if entry is None:
            return None
        if not entry.is_file:
            raise UnreadableState(letters.wrong_shape(path, "a regular file (mode 100644)"))
        return self._repository.read_blob(entry.id)

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        ids = {path: entry.id for path in paths if (entry := self.entry(path)) and entry.is_file}
        blobs = self._repository.read_blobs(set(ids.values()))
        return {path: blobs[blob] for path, blob in ids.items()}

    def ahead(self, paths: Iterable[str]) -> None:
        """Have the contents of these files come in one request, where contents stay elsewhere until they are read."""
        if self._repository.leaves_contents:
            self._repository.bring({entry.id for path in paths if (entry := self.entry(path)) and entry.is_file})

    def folder(self, path: str) -> Mapping[str, Entry]:
        entry = self.entry(path)
        return self.entries(entry.id) if entry and entry.is_tree else {}

    def entries(self, tree: str) -> Mapping[str, Entry]:
        """The entries of a tree id."""
        if tree not in self._trees:
            self._trees[tree] = self._repository.read_tree(tree)
        return self._trees[tree]

    def entry(self, path: str) -> Entry | None:
        """What lies at a path, None if nothing does."""
        at = self.entries(self._root)
        *above, name = path.split("/")
        for part in above:
            step = at.get(part)
            if step is None or not step.is_tree:
                return None
            at = self.entries(step.id)
        return at.get(name)
