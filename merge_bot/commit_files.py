"""The files of one commit, read lazily from git objects: no work tree, no links, no filters, no half-written files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate

from merge_bot import letters
from merge_bot.errors import UnreadableState
from merge_bot.git import Repository
from merge_bot.git.expected import Expected
from merge_bot.tree import Entry

_MANY = 200  # files that are worth a process that reads them beside other work
_SAMPLE = 20
_MOST = 1 << 24  # bytes of them that are held


class CommitFiles:
    """A commit's files (see `state.Files`). Trees are read when first entered, and kept; blobs are not."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self.commit = commit
        self.object_format = repository.object_format
        self._repository = repository
        self._trees: dict[str, Mapping[str, Entry]] = {}
        self._folders: dict[str, Mapping[str, Entry]] = {}
        self._expected: dict[str, Expected] = {}
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
        blobs = self._arrived(set(ids.values()))
        blobs |= self._repository.read_blobs(set(ids.values()) - blobs.keys())
        return {path: blobs[blob] for path, blob in ids.items()}

    def ahead(self, paths: Iterable[str]) -> None:
        """Have the contents of these files come in one request, where contents stay elsewhere until they are read."""
        if self._repository.leaves_contents:
            self._repository.bring({entry.id for path in paths if (entry := self.entry(path)) and entry.is_file})

    def expect(self, paths: Iterable[str]) -> None:
        ids = list(dict.fromkeys(entry.id for path in paths if (entry := self.entry(path)) and entry.is_file))
        if len(ids) < _MANY:
            return
        if self._repository.lie_ready(ids[:: len(ids) // _SAMPLE]):
            return  # git would take longer than reading them when they are needed
        held = accumulate(size or 0 for size in self._repository.sizes(ids).values())
        chosen = [one for one, together in zip(ids, held, strict=True) if together <= _MOST]
        self._expected.update(dict.fromkeys(chosen, self._repository.expect(chosen)))

    def _arrived(self, blobs: set[str]) -> dict[str, bytes]:
        """Those of the blobs that were expected. They are given once."""
        wanted: dict[Expected, set[str]] = {}
        for blob in blobs & self._expected.keys():
            wanted.setdefault(self._expected.pop(blob), set()).add(blob)
        found: dict[str, bytes] = {}
        for one, of_it in wanted.items():
            found |= one.take(of_it)
        return found

    def folder(self, path: str) -> Mapping[str, Entry]:
        entry = self.entry(path)
        return self.entries(entry.id) if entry and entry.is_tree else {}

    def folders(self, paths: Iterable[str]) -> dict[str, Mapping[str, Entry]]:
        found = {path: self.entry(path) for path in paths}
        trees = {entry.id for entry in found.values() if entry and entry.is_tree}
        self._trees |= self._repository.read_trees(trees - self._trees.keys())
        return {path: self._trees[one.id] if one and one.is_tree else {} for path, one in found.items()}

    def entries(self, tree: str) -> Mapping[str, Entry]:
        """The entries of a tree id."""
        if tree not in self._trees:
            self._trees[tree] = self._repository.read_tree(tree)
        return self._trees[tree]

    def entry(self, path: str) -> Entry | None:
        """What lies at a path, None if nothing does."""
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self._below(folder)
        return self._folders[folder].get(name)

    def _below(self, folder: str) -> Mapping[str, Entry]:
        at = self.entries(self._root)
        for part in folder.split("/") if folder else ():
            step = at.get(part)
            if step is None or not step.is_tree:
                return {}
            at = self.entries(step.id)
        return at
