"""A git repository, as the rest of the project sees it: objects, history, commits, one ref, and a clone's work tree.

Paths are text with undecodable bytes kept (surrogateescape), relative to the repository, with `/`. Ids are hex.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from merge_bot.canonical import Pieces
from merge_bot.errors import RepositoryError
from merge_bot.git import history, letters
from merge_bot.git.ahead import Sent
from merge_bot.git.deflate import quicken
from merge_bot.git.expected import Expected
from merge_bot.git.head import plain_branch
from merge_bot.git.history import Change, Landing, LastChange
from merge_bot.git.objects import Objects
from merge_bot.git.partial import Partial
from merge_bot.git.process import Git, nothing, text
from merge_bot.git.shallow import Shallow
from merge_bot.git.write import Identity, New, Writer
from merge_bot.tree import Entry

if TYPE_CHECKING:
    from merge_bot.layouts.base import There, Wire
if TYPE_CHECKING:  # what a bare repository never needs is loaded with a work tree
    from merge_bot.git.checkout import Checkout
    from merge_bot.git.scan import LocalFiles

_MUCH = 1 << 22  # bytes of deltas that are worth processes


class Repository:
    """One repository. Close it, or use it as a context manager: a `git cat-file` runs beside it.

    `git_dir` is this work tree's own git folder, `common_dir` the one that linked work trees share; `work_tree` is
    None in a bare repository. `object_format` is "sha1" or "sha256". `transfers` is the program as it talks to remotes,
    if that takes other settings; `partial` says that contents stay at a remote until they are read.
    """

    def __init__(
        self,
        git: Git,
        git_dir: str,
        work_tree: str | None,
        object_format: str,
        transfers: Git | None = None,
        partial: Partial | None = None,
    ) -> None:
        self.git_dir = Path(git_dir)
        self.common_dir = _common_dir(git_dir)
        self.work_tree = None if work_tree is None else Path(work_tree)
        self.object_format = object_format
        self.remote = "origin"
        self.remote_branch: str | None = None
        self.transfers = transfers or git
        self.partial = partial
        self._git = git
        objects = str(self.common_dir / "objects")
        self._objects = Objects(git, objects, object_format)
        self._writer = Writer(git, self._objects, objects, object_format)
        self._expected: list[Expected] = []
        self._is_much = False
        self._shallow = Shallow(git, self.common_dir / "shallow", self.transfers, partial)
        self._checkout: Checkout | None = None
        if work_tree is not None:
            from merge_bot.git.checkout import Checkout

            self._checkout = Checkout(git, self._objects, self._writer, git_dir, work_tree, object_format)

    @classmethod
    def open(
        cls, path: str | os.PathLike[str] = ".", *, trust: bool = False, meanwhile: Callable[[], None] = nothing
    ) -> Repository:
        """The repository that `path` lies in; a work tree, a linked one, or a bare repository.

        `trust` accepts one at exactly this path that belongs to another user (containers mount such). GIT_DIR and its
        like in the environment are ignored: `path` decides. `meanwhile` is called while git looks. Raises
        RepositoryError.
        """
        place = os.path.realpath(path)
        trusted = place if trust else None
        found = Git(place, trusted=trusted).run(
            "rev-parse", "--is-bare-repository", "--is-inside-work-tree", "--show-object-format", "--show-cdup",
            "--absolute-git-dir", ok=range(256), meanwhile=meanwhile,
        )  # fmt: skip
        if found.code != 0:
            raise RepositoryError(_why_not(place, found.err))
        bare, inside, object_format, rest = text(found.out).removesuffix("\n").split("\n", 3)
        if inside == "true":
            up, git_dir = rest.split("\n", 1)
            work_tree = os.path.realpath(os.path.join(place, up))
        else:
            git_dir, work_tree = rest, None
            if bare == "false" and os.path.basename(git_dir) == ".git":  # `path` lies in a work tree's own git folder
                return cls.open(os.path.dirname(git_dir), trust=trust)
        git = Git(git_dir if work_tree is None else work_tree, git_dir, work_tree, trusted)
        return cls(git, git_dir, work_tree, object_format)

    @classmethod
    def create(cls, path: str | os.PathLike[str], branch: str = "main") -> Repository:
        """A new repository with a work tree at `path`, its first branch `branch`, nothing committed yet."""
        place = os.path.realpath(path)
        os.makedirs(place, exist_ok=True)
        Git(place).run("init", "--quiet", f"--initial-branch={branch}", "--", place, writes=True)
        return cls.open(place)

    def again(self) -> Repository:
        """The same repository with processes of its own, for another process: nobody may share a pipe to git."""
        work_tree = None if self.work_tree is None else str(self.work_tree)
        return Repository(self._git, str(self.git_dir), work_tree, self.object_format)

    def close(self) -> None:
        """End the processes beside it, and let go of commits that were not put in place."""
        if self._checkout is not None:
            self._checkout.close()
        self._objects.end()
        for one in self._expected:
            one.drop()
        self._writer.close()

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def git(self) -> Git:
        """The program, pointed at this repository: for the other files of this edge."""
        return self._git

    # --- refs and commits

    def resolve(self, ref: str) -> str | None:
        """The commit id that a ref, a name or an id stands for; None if there is no such commit."""
        return self._objects.resolve(ref)

    def refs(self, prefix: str) -> dict[str, str]:
        """Full name → id of every ref below `prefix` (which ends with a slash)."""
        out = text(self._git.run("for-each-ref", "--format=%(objectname) %(refname)", prefix).out)
        return {name: one for one, _, name in (line.partition(" ") for line in out.splitlines())}

    def head_branch(self) -> str | None:
        """The full name of the branch that is checked out (it may have no commit yet); None when detached."""
        plain = plain_branch(self.git_dir, self.common_dir)
        if plain is not None:
            return plain
        found = self._git.run("symbolic-ref", "--quiet", "HEAD", ok=(0, 1))
        return text(found.out).removesuffix("\n") or None

    def has_commit(self, name: str) -> bool:
        """Whether the repository has this commit. Its history may be cut off all the same, in a shallow clone."""
        (found,) = self._objects.info([name])
        return found is not None and found.kind == "commit"

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` descends from `older`, or is it; False also for commits that the repository lacks."""
        if not (self.has_commit(older) and self.has_commit(newer)):
            return False
        return self._git.run("merge-base", "--is-ancestor", older, newer, ok=(0, 1)).code == 0

    def identity(self) -> Identity | None:
        """Who git would say commits here (user.name and user.email, or its environment); None if nobody is set."""
        found = self._git.run("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT", ok=range(256))
        name, _, rest = text(found.out).partition(" <")
        email = rest.partition(">")[0]
        return Identity(name, email) if found.code == 0 and name and email else None

    def checked_out_elsewhere(self, ref: str) -> Path | None:
        """Another work tree of this repository that has the branch checked out, and would not follow it."""
        if self.work_tree == self.common_dir.parent and not (self.common_dir / "worktrees").is_dir():
            return None
        listing = text(self._git.run("worktree", "list", "--porcelain", "-z").out)
        for one in listing.split("\0\0"):
            facts = dict(line.partition(" ")[::2] for line in one.split("\0"))
            place = facts.get("worktree")
            if place is not None and facts.get("branch") == ref and Path(place) != self.work_tree:
                return Path(place)
        return None

    # --- objects

    def bring_by(self, fetch: Callable[[Sequence[str]], None] | None) -> None:
        """From now on `fetch` brings what is read and missing, all that is asked for at once; None: all is here."""
        self._objects.bring = fetch

    @property
    def leaves_contents(self) -> bool:
        """Whether contents are elsewhere until they are read, so that it pays to name many before they are."""
        return self._objects.bring is not None

    def bring(self, blobs: Iterable[str]) -> None:
        """Have these come now, all in one request, where contents stay elsewhere. Raises as the fetch does."""
        if self.leaves_contents:
            self._objects.sizes(blobs)

    def rest(self) -> None:
        """End the process that reads, until the next question: it keeps much of what it unpacked."""
        self._objects.close()

    def read_blob(self, blob: str) -> bytes:
        """Raises RepositoryError if it is missing, or no blob."""
        return self._objects.read(blob)

    def read_blobs(self, blobs: Iterable[str]) -> dict[str, bytes]:
        """All of them, in one round. Ask `sizes` first: everything is held. Raises RepositoryError as `read_blob`."""
        return self._objects.read_many(blobs)

    def expect(self, blobs: Sequence[str]) -> Expected:
        """Have blobs read beside other work; see `sizes` first, and `Expected.take`."""
        self._expected.append(Expected(self._git, blobs))
        return self._expected[-1]

    def sizes(self, ids: Iterable[str]) -> dict[str, int | None]:
        """Size in bytes of each object; None for one that the repository does not have."""
        return self._objects.sizes(ids)

    def lie_ready(self, ids: Iterable[str]) -> bool:
        """Whether none of these objects needs git to be read."""
        return self._objects.lie_ready(ids)

    def digest_blob(self, blob: str) -> str:
        """SHA-256, in hex, of a blob that is too large to hold. Raises RepositoryError as `read_blob`."""
        return self._objects.digests([blob])[blob]

    def digest_blobs(self, blobs: Iterable[str]) -> dict[str, str]:
        """SHA-256, in hex, of each blob, all in one round; none is held. Raises RepositoryError as `read_blob`."""
        return self._objects.digests(blobs)

    def read_tree(self, tree: str) -> dict[str, Entry]:
        """Name → entry. Do not change the answer: it may be given again. Raises RepositoryError as `read_blob`."""
        return self._objects.tree(tree)

    def read_trees(self, trees: Iterable[str]) -> dict[str, dict[str, Entry]]:
        """`read_tree` of each, in one round."""
        return self._objects.trees(trees)

    def commit_tree(self, commit: str) -> str:
        """The id of a commit's root tree. Raises RepositoryError if there is no such commit."""
        return self._objects.commit_tree(commit)

    def entry_at(self, commit: str, path: str) -> Entry | None:
        """What lies at a path of a commit ("" is its root tree); None if nothing does."""
        return self._objects.entry_at(commit, path)

    # --- history

    def read_commits(self, commits: Iterable[str]) -> dict[str, bytes]:
        """Commits as git stores them, all in one round. Raises RepositoryError as `read_blob`."""
        return self._objects.read_many(commits, "commit")

    def shallow_boundary(self) -> frozenset[str]:
        """The commits whose parents the clone lacks; none in a full clone."""
        return self._shallow.boundary()

    @property
    def is_shallow(self) -> bool:
        return bool(self._shallow.boundary())

    def log_changes(self, base: str | None, tip: str, folder: str) -> list[Change]:
        """See `history.log_changes`: every version ever committed under `folder` since `base`, side branches too."""
        return history.log_changes(self._git, base, tip, folder)

    def last_change(self, tip: str, path: str) -> LastChange | None:
        """The newest commit of `tip` that changed `path`; None if none did."""
        return history.last_change(self._git, tip, path)

    def landings(self, tip: str, paths: Sequence[str], limit: int | None = None) -> list[tuple[str, Landing]]:
        """See `history.landings`: where the branch itself got each version of these files, the newest first."""
        return history.landings(self._git, tip, paths, limit)

    def reaches_no_further(self, commit: str) -> bool:
        """Whether a shallow clone was cut off at this commit, so that it seems to have made everything in it."""
        return commit in self._shallow.boundary()

    def changed_paths(self, before: str, after: str, folder: str) -> list[tuple[str, str]]:
        """(status letter, path) of each file under `folder` ("": all) that differs between two commits or trees."""
        return history.changed_paths(self._git, before, after, folder)

    def deepen_until(
        self, commit: str | None, remote: str | None = None, *, tip: str = "HEAD", ref: str | None = None
    ) -> None:
        """Make the history between `commit` (None: the beginning) and `tip` whole; nothing to do in a full clone.

        Having the commit is not enough: a shallow clone may be cut off on a side branch that was merged since, and
        versions there would be overlooked. `remote` is by default `self.remote`, `ref` (the branch to fetch, by its
        name there) `self.remote_branch`; without one, what is configured. Raises RepositoryError if the remote has no
        more, RemoteUnreachable, RemoteRefused, GitFailed.
        """
        self._shallow.deepen(self.has_commit, commit, remote or self.remote, tip, ref or self.remote_branch)

    # --- writing

    def prepare(self, size: int) -> None:
        """So many bytes of deltas are going to be merged; see `layouts.base.Ahead`."""
        self._is_much = size > _MUCH
        if self._is_much:
            quicken()

    def beside(self, work: Callable[[There], None]) -> Wire | None:
        """Do `work` in the process that will write ahead, where much is to be done and cores are to be had.

        There this is the same repository with processes of its own: nobody may share a pipe to git.
        """

        def there(wire: There) -> None:
            inherited = self._objects, self._expected  # their files are closed here, and must not be closed once more
            self._objects, self._expected = self._objects.again(), []
            work(wire)
            self._objects, self._expected = inherited

        return self._writer.beside(there) if self._is_much else None

    def send(self, data: bytes | Pieces) -> Sent:
        """Write, beside other work, what a file of the next commit will hold, if it comes to that.

        Worth it for much that is known early: large contents are compressed by another process, and not held here.
        """
        return self._writer.ahead(data)

    def write_commit(
        self,
        base: str | None,
        changes: Mapping[str, New] | Iterable[tuple[str, New]],
        message: str,
        author: Identity,
        when: int,
    ) -> str:
        """The id of a new commit: `base` (None: nothing) with `changes`. Nothing moves yet.

        A path becomes new bytes (mode 100644), `Content` (bytes under another mode), an `Entry` that the repository
        already has, or None (gone). `when` is in seconds since 1970. Raises GitFailed, ValueError for impossible paths.
        """
        return self._writer.commit(base, changes, message, author, when)

    def compare_and_swap(self, ref: str, new: str, old: str | None, message: str = "dreamcatcher") -> bool:
        """Move `ref` (a full name) from `old` (None: it must not exist) to `new`; False if it was elsewhere.

        `message` goes to the reflog. Raises GitFailed if the ref did not move though nobody else moved it.
        """
        won = self._writer.compare_and_swap(ref, new, old, message)
        if not won:
            self._writer.discard([new])
            if self._checkout is not None:
                self._checkout.withdraw()
        return won

    # --- the work tree

    def untracked_and_changed(self, commit: str | None, folder: str) -> LocalFiles:
        """How the files under `folder` on disk differ from those of a commit (None: nothing). Bare: not at all.

        Bytes as they lie there: no links followed, no attributes, filters or ignore rules. Temporary files (`.*.tmp`),
        `.gitkeep` and `.gitignore` are passed over.
        """
        from merge_bot.git.scan import LocalFiles, scan

        if self.work_tree is None:
            return LocalFiles()
        work_tree = os.fsencode(self.work_tree)
        return scan(self._objects, self.object_format, work_tree, commit, folder, self._keeps_modes)

    @cached_property
    def _keeps_modes(self) -> bool:
        """Whether the file system tells which files are programs, as git found when the clone was made."""
        answer = self._git.run("config", "--type=bool", "--default=true", "core.fileMode").out
        return answer.strip() == b"true"

    def index_add(self, entries: Mapping[str, Entry | None]) -> None:
        """Set what the index holds at these paths and no others (None: nothing); files are not touched."""
        self._tree.add_to_index(entries)

    def can_fast_forward(self, old: str, new: str, consumed: Container[str] = ()) -> list[str]:
        """Local edits that stand in the way of moving the work tree from `old` to `new`, sorted; changes nothing.

        Paths in `consumed` are never in the way: `fast_forward` leaves alone what was not consumed.
        """
        return self._tree.in_the_way(old, new, consumed)

    def announce(self, old: str, new: str, consumed: Mapping[str, str], *, index_only: bool = False) -> None:
        """Say, before the compare-and-swap of the branch that is checked out, that the work tree will follow it.

        From here to `fast_forward` or `arrived` (or a lost race, or `close`) other processes wait; after a crash the
        marker says what to repair. `index_only`: what the commit brings was taken from the work tree, so its files are
        as their writers want them, and only the index has to follow (`index_add`, then `arrived`).
        """
        ref = self.head_branch()
        if ref is not None:
            from merge_bot.git.checkout import Update

            self._tree.announce(Update(ref, old, new, dict(consumed), index_only))

    def arrived(self) -> None:
        """After `announce`: nothing is left to follow. `fast_forward` says so itself."""
        self._tree.withdraw()

    def fast_forward(self, old: str, new: str, consumed: Mapping[str, str]) -> None:
        """After the branch moved: bring index and files along, with no local edit discarded.

        `consumed` (path → blob id): removed from the index, and from disk where the file is still what was consumed;
        another version stays, for the next merge. Nothing happens if HEAD is not at `new`. Raises LocalEdits where
        edits made meanwhile are in the way; the next `repair` tries again.
        """
        if self.resolve("HEAD") == new:
            self._tree.follow(old, new, consumed)
        self._tree.withdraw()

    def repair(self, *, wait: bool = True) -> bool:
        """Complete a move of the branch that was cut short before the work tree followed; whether it did something.

        Call it first in every command. `wait`: for another process that is just at it; a command that only reads
        need not. Raises LocalEdits, RepositoryError.
        """
        return self._checkout is not None and self._checkout.repair(self.head_branch, wait)

    @property
    def _tree(self) -> Checkout:
        if self._checkout is None:
            raise RepositoryError(letters.no_work_tree(str(self.git_dir)))
        return self._checkout


def _common_dir(git_dir: str) -> Path:
    """The folder that linked work trees share: named by a file in theirs, relative to it."""
    try:
        with open(os.path.join(git_dir, "commondir"), "rb") as file:
            shared = os.fsdecode(file.read()).removesuffix("\n")
    except FileNotFoundError:
        return Path(git_dir)
    return Path(os.path.realpath(os.path.join(git_dir, shared)))


def _why_not(place: str, stderr: bytes) -> str:
    if b"dubious ownership" in stderr or b"unsafe repository" in stderr:
        return letters.not_trusted(place)
    if b"not a git repository" in stderr:
        return letters.no_repository(place)
    return letters.git_failed("$ git rev-parse --absolute-git-dir", 128, stderr, place)
