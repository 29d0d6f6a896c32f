"""The part of verify that grows with the repository, as numbered pieces that know nothing of each other.

Each frame of the chain is one, and after them come the live state's files, a few at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from merge_bot.audit_places import Audit, Places
from merge_bot.collection import Collection, Collections
from merge_bot.commit_files import CommitFiles
from merge_bot.git import Repository
from merge_bot.kept import Brought
from merge_bot.manifest import Manifest
from merge_bot.paths import Paths
from merge_bot.verify_frame import Examiner, Finding

_FILES, _BYTES = 256, 8 << 20  # what one piece of the state holds at most, unless one file alone is larger


@dataclass(frozen=True, slots=True)
class Link:
    """One frame of the chain: its manifest, and the commit in which it landed, None if it has none of its own."""

    manifest: Manifest
    landing: str | None


class Done(NamedTuple):
    """What came of one piece: a frame's findings, or what was found in some of the state's files."""

    findings: Sequence[Finding]
    state: Audit | None


@dataclass
class Work:
    """Everything to look at. `brought` tells of what lies on delta branches alone, of all frames. `strays` is what lies
    among the state's files and belongs to nothing there.
    """

    repository: Repository
    tip: CommitFiles
    paths: Paths
    chain: Mapping[int, Link]
    collections: Collections
    brought: Brought | None = None
    strays: Audit = field(default_factory=Audit)

    def __post_init__(self) -> None:
        self._frames = sorted(self.chain)
        self._kept_from = max((link.manifest.kept_from or 0 for link in self.chain.values()), default=0)
        self._batches = list(self._of_the_state())

    def __len__(self) -> int:
        return len(self._frames) + len(self._batches)

    def here(self) -> Callable[[int], Done]:
        """What does one piece of the work, by its number."""
        return self._done(self.repository, self.tip)

    def there(self) -> Callable[[int], Done]:
        """The same, for another process than the one that this was made in."""
        repository = self.repository.again()
        return self._done(repository, CommitFiles(repository, self.tip.commit))

    def _done(self, repository: Repository, tip: CommitFiles) -> Callable[[int], Done]:
        examiner = Examiner(repository, tip, self.paths, self._kept_from, self.brought)

        def done(number: int) -> Done:
            if number < len(self._frames):
                return Done(self._frame(examiner, self._frames[number]), None)
            rules, paths = self._batches[number - len(self._frames)]
            places = Places(tip, self.paths, self._keys)
            places.read(rules, paths)
            return Done((), places.found)

        return done

    def _frame(self, examiner: Examiner, number: int) -> list[Finding]:
        link, before = self.chain[number], self.chain.get(number - 1)
        return examiner.examine(link.manifest, link.landing, before.manifest if before else None)

    def _of_the_state(self) -> Iterator[tuple[Collection, list[str]]]:
        """Each collection's files, in batches that one process can hold."""
        places = Places(self.tip, self.paths)
        for rules in self.collections.values():
            for batch in self._batched(places.files_of(rules)):
                yield rules, batch
        self.strays, self._keys = places.found, places.keys

    def _batched(self, paths: Iterable[str]) -> Iterator[list[str]]:
        ids = {path: entry.id for path in paths if (entry := self.tip.entry(path))}
        sizes = self.repository.sizes(set(ids.values()))
        batch: list[str] = []
        held = 0
        for path, blob in ids.items():
            size = sizes[blob] or 0
            if batch and (len(batch) == _FILES or held + size > _BYTES):
                yield batch
                batch, held = [], 0
            batch.append(path)
            held += size
        if batch:
            yield batch
