"""A remote as the doors use it: its base branch and its delta branches, merged with no checkout anywhere.

Everything happens in a bare repository of our own, which is gone afterwards. It holds the newest history only, and of
the files only those that a merge reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from merge_bot import letters
from merge_bot.collect import Base, Collected, collect, open_base, read_base, read_settings, settings_and
from merge_bot.commit_files import CommitFiles
from merge_bot.errors import RepositoryError, SettingsError
from merge_bot.foresight import the_books
from merge_bot.frame import Result, run_until_settled
from merge_bot.git import Identity, Repository
from merge_bot.git.remote import Remote
from merge_bot.paths import Paths
from merge_bot.patience import Patience
from merge_bot.progress import Progress, silent
from merge_bot.publish.base import Publisher
from merge_bot.publish.dry_run import DryRun
from merge_bot.publish.push import BUDGET, PushPublisher
from merge_bot.settings import SETTINGS_PATH, Settings
from merge_bot.target import Target, reached
from merge_bot.transports.base import Transport
from merge_bot.transports.branches import REFSPEC, BranchesTransport, deepen
from merge_bot.transports.inbox import InboxTransport
from merge_bot.transports.several import Several
from merge_bot.workers import Workers

BASE = "refs/dreamcatcher/base"


class RemoteClone:
    """One branch of a remote, fetched when it is asked for. `remarks` tells what a reader of the result should know."""

    def __init__(self, remote: Remote, ref: str, settings_path: str = SETTINGS_PATH) -> None:
        self.remote, self.ref, self.settings_path = remote, ref, settings_path
        self.repository: Repository = remote.repository
        self.repository.remote_branch = ref
        self.remarks: list[str] = []
        self._tip: str | None = None
        self._is_new = False

    @classmethod
    @contextmanager
    def open(cls, target: Target, settings_path: str = SETTINGS_PATH) -> Iterator[RemoteClone]:
        """The branch `target.base`, by default the remote's default branch.

        Raises RemoteUnreachable, RemoteRefused, NoSuchBranch, RepositoryError for an empty repository.
        """
        with reached(target) as (remote, _):
            yield cls(remote, remote.branch(target.base), settings_path)

    @property
    def branch(self) -> str:
        """The branch as people name it."""
        return self.ref.removeprefix("refs/heads/")

    @property
    def tip(self) -> str:
        """The branch's newest commit, as it was fetched last."""
        return self._tip or self.fetch()

    @property
    def files(self) -> CommitFiles:
        """The files of the tip."""
        return CommitFiles(self.repository, self.tip)

    @property
    def settings(self) -> Settings:
        return read_settings(self.files, self.settings_path)

    def author(self) -> Identity:
        """Whom the merge's commits name."""
        author = self.settings.author
        return Identity(author.name, author.email)

    def fetch(self) -> str:
        """Bring the base branch and all delta branches here, in one fetch, without what files hold; and in another one
        what every merge reads. Returns the base branch's tip.
        """
        refspecs = [f"+{self.ref}:{BASE}", REFSPEC]
        before = self._tip
        self.remote.fetch(refspecs, depth=1 if before is None else None, prune=True)
        tip = self.repository.resolve(BASE)
        if tip is None:
            raise RepositoryError(letters.no_commit(self.ref))
        if before is not None and tip != before and not self.repository.is_ancestor(before, tip):
            self.remarks.append(letters.base_replaced(self.branch, before, tip))
        self._tip, self._is_new = tip, True
        with suppress(SettingsError):  # whoever reads them says so
            settings_and(self.files, self.settings_path, the_books)
        return tip

    @property
    def read_from(self) -> str:
        """The ref of the repository that the branch is read from."""
        return BASE

    def unchecked(self, *, anew: bool = False) -> Base:
        """The branch, whoever wrote its state. Raises as `base`, but not ForeignEdit."""
        return read_base(self.repository, self.fetch() if anew else self.tip, self.settings_path)

    def base(self) -> Base:
        """The branch as it is now, with the delta branches complete. Raises as `collect.open_base` and `fetch`."""
        tip = self.tip if self._is_new else self.fetch()
        self._is_new = False
        base = open_base(self.repository, tip, self.settings_path)
        deepen(self.remote, Workers.read(base.files, base.paths).watermarks())
        return base

    def collected(self) -> Collected:
        """What a merge would be made from now. Raises as `base`."""
        return collect(self.repository, self.base(), self._transports()[0])

    def _transports(self) -> tuple[Transport, BranchesTransport]:
        paths = Paths(self.settings.state)
        branches = BranchesTransport(self.repository, paths)
        return Several({"inbox": InboxTransport(self.repository, paths), "branches": branches}), branches

    def pusher(self, patience: Callable[[], Patience] = lambda: Patience(BUDGET)) -> PushPublisher:
        """Pushes frames to the branch as git makes them."""
        return PushPublisher(self.remote, self.ref, self.author(), patience)

    def publisher(self, *, dry_run: bool = False) -> Publisher:
        """The way out: a push to the branch, or nowhere."""
        return DryRun() if dry_run else self.pusher()

    def merge(
        self,
        now: datetime,
        *,
        dry_run: bool = False,
        progress: Progress = silent,
        publisher: Publisher | None = None,
        patience: Callable[[], Patience] = lambda: Patience(BUDGET),
    ) -> Result:
        """Merge everything pending and push it as one commit; a dry run pushes nothing.

        `publisher` is another way out than that. Raises whatever stops a merge, before anything is pushed.
        """
        transport, branches = self._transports()
        if publisher is None:
            publisher = DryRun() if dry_run else self.pusher(patience)
        result = run_until_settled(self.base, self.repository, transport, publisher, now, progress, patience=patience)
        self.remarks += branches.remarks
        return result
