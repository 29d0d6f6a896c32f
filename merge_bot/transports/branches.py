"""Delta branches: each worker appends commits to an orphan branch of its own, and the merge reads on where it stopped.

`workers.json` names the newest consumed commit of each branch, its watermark; it moves in the merge commit itself. So
nothing is removed from the branches, and a branch that no longer holds its watermark was rewound or replaced: nothing
that came with that is taken in, and a letter says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from merge_bot import letters
from merge_bot.commit_files import CommitFiles
from merge_bot.delta import FILE_NAME, STREAM_ID, Candidate, file_name
from merge_bot.errors import DreamcatcherError, RepositoryError
from merge_bot.findings import Reason
from merge_bot.git import Repository
from merge_bot.git.line import Line, lines_of
from merge_bot.paths import Paths
from merge_bot.transports.base import DELTA_BRANCHES, Changes, Span
from merge_bot.transports.reading import SUBMODULE, read_candidates
from merge_bot.tree import FILE, Entry
from merge_bot.workers import Workers

if TYPE_CHECKING:
    from merge_bot.git.remote import Remote

NAME = "branches"
REFS = "refs/dreamcatcher/deltas/"
REFSPEC = f"+{DELTA_BRANCHES}*:{REFS}*"
MAX_COMMITS = 10_000
MAX_FILES = 1_000
_LOST = "refs/dreamcatcher/lost/"
_FIRST = 16
_Found = dict[tuple[str, str], tuple[str, bool]]
_Brought = dict[tuple[str, str], tuple[int, str]]
_NO_DELTAS = frozenset({".gitkeep", ".gitignore", ".gitattributes"})


class BranchesTransport:
    """Delta branches as they were fetched, under refs/dreamcatcher/deltas/. `remarks` tells of what was left alone."""

    def __init__(self, repository: Repository, paths: Paths) -> None:
        self._repository = repository
        self._paths = paths
        self._marks: dict[str, str] = {}
        self.remarks: list[str] = []

    def send(self, name: str, data: bytes) -> None:
        raise TypeError("a delta branch is written to by `submit`")

    def receive(self, span: Span) -> Sequence[Candidate]:
        """Raises RepositoryError if the clone does not reach back to a watermark; see `deepen`."""
        watermarks = Workers.read(CommitFiles(self._repository, span.tip), self._paths).watermarks()
        tips, odd = _tips(self._repository)
        self._marks, self.remarks = {}, [letters.odd_branch(name) for name in odd]
        found: _Found = {}
        brought: _Brought = {}
        whose: dict[str, tuple[str, Reason | None]] = {}
        for worker, line in lines_of(self._repository, tips, watermarks, MAX_COMMITS).items():
            if line.is_cut:
                raise RepositoryError(letters.branch_cut_off(worker))
            additions = None if line.is_long else self._additions(worker, line)
            if additions is None:
                self.remarks.append(letters.no_delta_branch(worker, MAX_COMMITS, MAX_FILES))
                continue
            if tips[worker] != watermarks.get(worker):
                self._marks[worker] = tips[worker]
            refused = Reason.BRANCH_REWOUND if line.is_rewound else None
            if refused:
                self.remarks.append(letters.branch_rewound(worker))
            found |= additions[0]
            brought |= additions[1]
            whose |= dict.fromkeys((path for path, _ in additions[0]), (worker, refused))
        return self._read(found, brought, whose, span)

    def _read(
        self, found: _Found, brought: _Brought, whose: Mapping[str, tuple[str, Reason | None]], span: Span
    ) -> list[Candidate]:
        """What was found on all branches, read together; `whose` maps each path to its worker."""
        self._repository.bring({blob for (_, blob), (mode, _) in found.items() if mode != SUBMODULE})
        arrived = {place: when for place, (when, _) in brought.items()}
        candidates = []
        for one in read_candidates(self._repository, found, span, arrived):
            worker, refused = whose[one.path]
            _, commit = brought.get((one.path, one.blob), (0, None))  # a submodule has no blob, so no commit holds one
            candidates.append(one._replace(transport=NAME, worker=worker, refused=refused, commit=commit))
        return candidates

    def settle(self, consumed: Iterable[Candidate], held: Iterable[Candidate]) -> Mapping[str, bytes | Entry | None]:
        """Watermarks move past everything that was read, so what has to wait goes on waiting in the inbox."""
        changes: Changes = {}
        for one in held:
            named = FILE_NAME.match(one.path.rpartition("/")[2])
            assert named is not None
            name = file_name(int(named["frame"]), named["stream_id"], one.digest[:32])
            changes[f"{self._paths.inbox}/{name}"] = Entry(FILE, one.blob)
        return changes

    def marks(self) -> Mapping[str, str]:
        return dict(self._marks)

    def _additions(self, worker: str, line: Line) -> tuple[_Found, _Brought] | None:
        """Every version of every file that the new commits brought, by (path, blob); when, and the first that did.

        None if there are too many.
        """
        repository = self._repository
        found: _Found = {}
        brought: _Brought = {}
        for commit, parents in line.commits.items():
            before = [repository.commit_tree(one) for one in parents]
            for path, entry in _added(repository, repository.commit_tree(commit), before, f"deltas/{worker}"):
                found[path, entry.id] = (entry.mode, True)
                by = (line.times[commit], commit)
                brought[path, entry.id] = min(by, brought.get((path, entry.id), by))
                if len(found) > max(MAX_FILES, len(line.commits)):
                    return None
        return found, brought


def deepen(remote: Remote, watermarks: Mapping[str, str]) -> None:
    """Fetch more of those branches whose shallow history does not reach their watermark (or their beginning) yet.

    Raises RepositoryError if the remote has no more, and what `Remote.fetch` raises.
    """
    repository, count = remote.repository, _FIRST
    while True:
        lines = lines_of(repository, _tips(repository)[0], watermarks, MAX_COMMITS)
        cut = [worker for worker, line in lines.items() if line.is_cut and not line.is_long]
        if not cut:
            _bring_back(remote, {worker: watermarks[worker] for worker, line in lines.items() if line.is_rewound})
            return
        before = repository.shallow_boundary()
        remote.fetch([f"+{DELTA_BRANCHES}{worker}:{REFS}{worker}" for worker in cut], deepen=count)
        if repository.shallow_boundary() == before:
            raise RepositoryError(letters.branch_cut_off(cut[0]))
        count *= 4


def _bring_back(remote: Remote, lost: Mapping[str, str]) -> None:
    """Fetch what rewound branches were at, so that what was merged then is not taken for new. Servers may refuse."""
    for worker, commit in lost.items():
        if not remote.repository.has_commit(commit):
            with contextlib.suppress(DreamcatcherError):
                remote.fetch([f"+{commit}:{_LOST}{worker}"])


def _tips(repository: Repository) -> tuple[dict[str, str], list[str]]:
    """Each worker's newest commit; and the branches below deltas/ that no worker can have."""
    tips = {name.removeprefix(REFS): commit for name, commit in repository.refs(REFS).items()}
    odd = [name for name in tips if not STREAM_ID.match(name)]
    return {name: commit for name, commit in tips.items() if name not in odd}, odd


def _added(repository: Repository, tree: str, before: Sequence[str], folder: str) -> Iterator[tuple[str, Entry]]:
    """The files of a tree that none of the trees `before` has in the same place."""
    others = [repository.read_tree(one) for one in before]
    for name, entry in repository.read_tree(tree).items():
        there = [found for one in others if (found := one.get(name)) is not None]
        if entry in there:
            continue
        if entry.is_tree:
            below = [one.id for one in there if one.is_tree]
            yield from _added(repository, entry.id, below, f"{folder}/{name}")
        elif name not in _NO_DELTAS:
            yield f"{folder}/{name}", entry
