"""A clone as the doors use it: its branch, its inbox taken in, one merge of it, its beginning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from merge_bot import letters
from merge_bot.collect import Base, Collected, collect, open_base, prove_history, read_base, read_settings
from merge_bot.commit_files import CommitFiles
from merge_bot.errors import Contended, LocalEdits, RepositoryError
from merge_bot.frame import ATTEMPTS, BUDGET, Result, run_until_settled
from merge_bot.git import Content, Identity, Repository
from merge_bot.json_schema import load
from merge_bot.paths import Paths
from merge_bot.patience import Patience
from merge_bot.progress import Progress, silent
from merge_bot.publish.base import Publisher
from merge_bot.publish.commit import CommitPublisher
from merge_bot.settings import SETTINGS_PATH, Author, Settings
from merge_bot.state import Files, MemoryFiles, Overlay
from merge_bot.transports.base import Transport
from merge_bot.transports.inbox import InboxTransport
from merge_bot.tree import object_id

if TYPE_CHECKING:
    from merge_bot.genesis import Genesis
    from merge_bot.git.scan import LocalFiles


@dataclass(slots=True)
class Clone:
    """A repository on this machine, at one branch."""

    repository: Repository
    ref: str
    settings_path: str = SETTINGS_PATH

    @classmethod
    def open(cls, path: str, branch: str | None = None, *, trust: bool = False) -> Clone:
        """Open the repository at `path`, and finish what a crash left. Raises RepositoryError.

        `branch` defaults to the one that is checked out; `trust` accepts a folder that another user owns.
        """
        repository = Repository.open(path, trust=trust, meanwhile=load)
        repository.repair()
        ref = repository.head_branch() if branch is None else branch
        if ref is None:
            raise RepositoryError(letters.detached_head())
        if not ref.startswith("refs/"):
            ref = f"refs/heads/{ref}"
        return cls(repository, ref)

    def __enter__(self) -> Clone:
        return self

    def __exit__(self, *exception: object) -> None:
        self.repository.close()

    @property
    def tip(self) -> str | None:
        """The branch's newest commit, None if it has none yet."""
        return self.repository.resolve(self.ref)

    @property
    def files(self) -> Files:
        """The files of the tip."""
        tip = self.tip
        return CommitFiles(self.repository, tip) if tip else MemoryFiles()

    @property
    def settings(self) -> Settings:
        return read_settings(self.files, self.settings_path)

    @property
    def follows(self) -> bool:
        """Whether there is a work tree with this branch checked out."""
        return self.repository.work_tree is not None and self.repository.head_branch() == self.ref

    def base(self) -> Base:
        """The tip, read as Dream Catcher's. Raises RepositoryError where there is no commit or no genesis."""
        return self._opened(open_base)

    def _opened(self, read: Callable[[Repository, str, str], Base]) -> Base:
        tip = self.tip
        if tip is None:
            raise RepositoryError(letters.no_commit(self.ref))
        return read(self.repository, tip, self.settings_path)

    @property
    def read_from(self) -> str:
        """The ref that the branch is read from."""
        return self.ref

    def unchecked(self, *, anew: bool = False) -> Base:
        """The tip, whoever wrote its state; it is always read anew. Raises as `base`, but not ForeignEdit."""
        return self._opened(read_base)

    def publisher(self, *, dry_run: bool = False) -> Publisher:
        """The way out: a commit on the branch, or nowhere."""
        if dry_run:
            from merge_bot.publish.dry_run import DryRun

            return DryRun()
        return CommitPublisher(self.repository, self.ref, self.author())

    def author(self) -> Identity:
        """Whom the merge's commits name."""
        author = self.settings.author
        return Identity(author.name, author.email)

    def waiting(self) -> LocalFiles:
        """What lies in the work tree's inbox and is not committed yet."""
        from merge_bot.git.scan import LocalFiles  # not needed where nothing is checked out

        tip = self.tip
        if tip is None or not self.follows:
            return LocalFiles()
        return self.repository.untracked_and_changed(tip, Paths(self.settings.state).inbox)

    def take_in(self, now: datetime, base: Base | None = None) -> list[str]:
        """Commit what is new or changed in the work tree's inbox, as one `deltas: …` commit. Returns the paths.

        `base` is the tip, if it was read just now. Raises as `base` and `collect`: onto a branch that no merge will go
        on from nothing is committed, since whoever mends it may go back to before.
        """
        if not self.follows:
            return []
        patience = Patience(BUDGET)
        for _ in patience.attempts(ATTEMPTS):
            tip, changes = self.tip, _contents(self.waiting())
            if tip is None or not changes:
                return []
            prove_history(self.repository, base if base and base.commit == tip else self.base())
            message = letters.inbox_message(len(changes))
            commit = self.repository.write_commit(tip, changes, message, self.author(), int(now.timestamp()))
            self.repository.announce(tip, commit, {}, index_only=True)
            if self.repository.compare_and_swap(self.ref, commit, tip):
                files = CommitFiles(self.repository, commit)
                self.repository.index_add({path: files.entry(path) for path in changes})
                self.repository.arrived()
                return sorted(changes)
        raise Contended(letters.contended(self.ref, patience.tries + 1))

    def collected(self, now: datetime, *, dry_run: bool = False) -> Collected:
        """What a merge would be made from now: the inbox is taken in, but for a dry run. Raises as `base`."""
        base = self.base()
        if not dry_run and self.take_in(now, base):
            base = self.base()
        return collect(self.repository, base, InboxTransport(self.repository, Paths(self.settings.state)))

    def merge(self, now: datetime, *, dry_run: bool = False, progress: Progress = silent) -> Result:
        """Merge everything pending into one commit on the branch; a dry run writes nothing.

        Raises whatever stops a merge, before the inbox is touched.
        """
        base = self.base()
        transport: Transport = InboxTransport(self.repository, Paths(self.settings.state))
        if dry_run:
            from merge_bot.transports.uncommitted import Uncommitted

            waiting = {path: one.data for path, one in _contents(self.waiting()).items()}
            transport = Uncommitted(transport, waiting)
            return run_until_settled(self.base, self.repository, transport, self.publisher(dry_run=True), now, progress)
        read = [] if self.take_in(now, base) else [base]  # what was read just now serves the first attempt
        publisher = self.publisher()
        ahead = self.repository
        return run_until_settled(
            lambda: read.pop() if read else self.base(), self.repository, transport, publisher, now, progress, ahead
        )

    def plan(self, templates: Mapping[str, bytes], schemas: Mapping[str, bytes], now: datetime, frame: int) -> Genesis:
        """What `init` would commit to open `frame`: what is missing of `templates`, and `schemas` if there are none.

        Settings and schemas that lie in the work tree uncommitted are taken in as they are.
        """
        from merge_bot.genesis import genesis

        own: dict[str, bytes] = {}
        if self.repository.work_tree is not None:
            for folder in (".github", "schemas"):
                local = self.repository.untracked_and_changed(self.tip, folder)
                own |= {path: one.data for path, one in _contents(local).items() if _is_ours(path)}
        files = Overlay(self.files, own)
        folder = read_settings(files, self.settings_path).schemas
        wanted = {path: data for path, data in templates.items() if files.read(path) is None} | own
        if not any(name.endswith(".schema.json") for name in files.folder(folder)):
            wanted |= {f"{folder}/{name}": data for name, data in schemas.items()}
        return genesis(
            self.files, wanted, self.tip, now, first_frame=frame, object_format=self.repository.object_format
        )

    def begin(self, plan: Genesis, now: datetime) -> str:
        """Commit a genesis, and let the work tree follow. Returns the commit. Raises LocalEdits, Contended."""
        tip = self.tip
        old = tip or self._nothing
        author = Identity(Author().name, Author().email)
        message = letters.genesis_message(plan.frame - 1)
        commit = self.repository.write_commit(tip, plan.files, message, author, int(now.timestamp()))
        if self.follows:
            in_the_way = self.repository.can_fast_forward(old, commit)
            if in_the_way:
                raise LocalEdits(letters.local_edits(in_the_way))
            self.repository.announce(old, commit, {})
        if not self.repository.compare_and_swap(self.ref, commit, tip):
            raise Contended(letters.contended(self.ref, 1))
        if self.follows:
            self.repository.fast_forward(old, commit, {})
        return commit

    @property
    def _nothing(self) -> str:
        """The id of the empty tree, which every repository has."""
        return object_id("tree", b"", self.repository.object_format)


def _contents(local: LocalFiles) -> dict[str, Content]:
    """The bytes of what is in the work tree; what vanished or is being written comes with the next run."""
    return {
        path: Content(one.mode, data) for path, one in sorted(local.changed.items()) if (data := one.read()) is not None
    }


def _is_ours(path: str) -> bool:
    return path == SETTINGS_PATH or path.endswith(".schema.json")
