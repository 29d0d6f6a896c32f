"""Submit: a delta committed to its worker's branch on a remote, or to the inbox of the base branch.

The commit is built in a repository of our own, which takes nothing but its settings from the caller's clone: nobody's
checkout, index, branches or objects are touched, and none of them need to be there.

Branch way: `deltas/<worker>` is an orphan branch that only grows. Each commit's tree holds its one new delta, so
nothing but the parent is fetched, nothing has to be merged, and no workflow file rides along. Inbox way: one file more
on the base branch, rebuilt on whatever is there whenever somebody else was first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from merge_bot import delivery, submit_letters
from merge_bot.canonical import digest
from merge_bot.delta import STREAM_ID
from merge_bot.errors import Contended, DreamcatcherError, RemoteRefused, RemoteUnreachable, RepositoryError, SlotTaken
from merge_bot.git import Identity, Repository
from merge_bot.git.remote import Outcome, Remote
from merge_bot.parcel import Parcel, is_whole, needs_epoch, pack
from merge_bot.patience import Patience
from merge_bot.settings import Author
from merge_bot.target import BRANCH, INBOX, Counter, Target, reached
from merge_bot.transports.base import DELTA_BRANCHES
from merge_bot.tree import object_id
from merge_bot.validate import Rules

BUDGET = 60.0
_PARENT = "refs/dreamcatcher/parent"


@dataclass(slots=True)
class Submitted:
    """Where a delta is now. `pushes` counts attempts; with `repeated` it was there before. `rules` names what it was
    checked by: "work tree", "base branch", or "none".
    """

    worker: str
    frame: int
    to: str
    url: str
    ref: str
    path: str
    digest: str
    commit: str
    rules: str
    pushes: int = 0
    repeated: bool = False
    notes: list[str] = field(default_factory=list)


Bell = Callable[[Submitted], None]
"""Called after a delta arrived, to wake the merge. Whatever it raises harms nothing."""


def submit(
    content: bytes,
    target: Target,
    now: datetime,
    *,
    worker: str,
    frame: int | None = None,
    run: str | None = None,
    replace: bool = False,
    patience: Patience | None = None,
    kept: Path | None = None,
    ring: Bell | None = None,
) -> Submitted:
    """Bring a delta, or operations that are made one, to the remote. The same bytes again make no second commit.

    `kept` says that these very bytes lie in that file; else they are put into a file while they are on their way, and
    a letter about a failure names it. Raises DeltaRejected with nothing kept, RemoteRefused, SlotTaken, Contended or
    RemoteUnreachable when the budget is spent, RepositoryError.
    """
    if not STREAM_ID.match(worker):
        raise RepositoryError(submit_letters.bad_worker(worker))
    patience = patience or Patience(BUDGET)
    with reached(target) as (remote, clone):
        counter = Counter(remote, target, clone)
        try:
            rules, opened, epoch = _learn(
                counter, frame is None and not is_whole(content), worker if needs_epoch(content) else None, patience
            )
        except DreamcatcherError as error:
            keeper = _Keeper(content, f"unsent-{worker}", kept, clone)
            raise type(error)(keeper.letter(str(error))) from error
        parcel = pack(content, worker, opened if frame is None else frame, run, now, rules, epoch)
        keeper = _Keeper(parcel.data, parcel.name.removesuffix(".json"), kept, clone)
        slot = _Slot(remote, counter, parcel, replace, clone.identity() if clone else None, int(now.timestamp()))
        try:
            done = _deliver(slot, patience)
        except DreamcatcherError as error:
            raise type(error)(keeper.letter(str(error))) from error
        keeper.let_go()
    if ring is not None:
        try:
            ring(done)
        except Exception as error:
            done.notes.append(submit_letters.bell_failed(error))
    return done


def _learn(
    counter: Counter, needs_frame: bool, worker: str | None, patience: Patience
) -> tuple[Rules, int | None, int | None]:
    """What a delta is held to there; and which frame is open, with the epoch of `worker`'s lease, if that is needed.

    Raises LeaseEnded where it needs one, and it is over.
    """
    while True:
        try:
            rules = counter.rules(needs_frame=needs_frame)
            if not needs_frame:
                return rules, None, None
            return rules, counter.open_frame(), None if worker is None else counter.epoch(worker)
        except RemoteUnreachable as error:
            if not patience.wait():
                raise RemoteUnreachable(submit_letters.gave_up(str(error), 0, patience.budget)) from error


class _Slot:
    """The place on the remote that one parcel goes to."""

    def __init__(
        self, remote: Remote, counter: Counter, parcel: Parcel, replace: bool, author: Identity | None, when: int
    ) -> None:
        self.remote, self.parcel = remote, parcel
        self.to = counter.target.to
        self.rules = counter.rules_from
        self._repository = remote.repository
        self._replace = replace
        self._author = author or Identity(Author().name, Author().email)
        self._when = when
        if self.to == BRANCH:
            self.ref, self.path = f"{DELTA_BRANCHES}{parcel.worker}", parcel.name
        else:
            self.ref, self.path = counter.base_ref, f"{counter.paths.inbox}/{parcel.name}"

    def holds(self, tip: str) -> bool:
        """Whether the newest commit has these very bytes in this place. Raises SlotTaken for other ones in an inbox."""
        self._fetch(tip)
        there = self._repository.entry_at(tip, self.path)
        if there is None:
            return False
        if there.id == object_id("blob", self.parcel.data, self._repository.object_format):
            return True
        if (
            self.to == INBOX
            and not self._replace
            and there.is_file
            and delivery.standing(self._repository.read_blob(there.id)) == delivery.SPEAKS
        ):
            raise SlotTaken(submit_letters.slot_taken(self.path, self.ref.removeprefix("refs/heads/")))
        return False

    def commit(self, tip: str | None) -> str:
        """The commit that puts the parcel there, on `tip`."""
        changes: dict[str, bytes | None] = {}
        if tip is not None and self.to == BRANCH:
            changes = dict.fromkeys(self._repository.read_tree(self._repository.commit_tree(tip)))
        changes[self.path] = self.parcel.data
        message = submit_letters.commit_message(self.parcel.frame, self.parcel.worker)
        return self._repository.write_commit(tip, changes, message, self._author, self._when)

    def done(self, commit: str, pushes: int, *, repeated: bool = False) -> Submitted:
        parcel = self.parcel
        return Submitted(
            parcel.worker, parcel.frame, self.to, self.remote.url, self.ref, self.path, parcel.digest, commit,
            self.rules, pushes, repeated,
        )  # fmt: skip

    def _fetch(self, tip: str) -> None:
        if self._repository.resolve(_PARENT) != tip:
            self.remote.fetch([f"+{self.ref}:{_PARENT}"], depth=1)


def _deliver(slot: _Slot, patience: Patience) -> Submitted:
    """Push until the remote has it, says no, or the budget is spent."""
    pushes = 0
    unsure: list[str] = []  # commits whose push nobody could tell the end of
    while True:
        error: type[DreamcatcherError] = Contended
        commit = None
        try:
            tip = slot.remote.tip(slot.ref)
            if tip is not None:
                # First, because what `holds` fetches of the tip has no history.
                if arrived := next((one for one in unsure if slot.remote.holds(slot.ref, one)), None):
                    return slot.done(arrived, pushes)
                if slot.holds(tip):
                    return slot.done(tip, pushes, repeated=not pushes)
            elif slot.to == INBOX:
                raise slot.remote.no_branch(slot.ref)
            commit = slot.commit(tip)
            pushes += 1
            pushed = slot.remote.push(commit, slot.ref, tip)
            if pushed.outcome == Outcome.MINE:
                return slot.done(commit, pushes)
            if pushed.outcome == Outcome.REFUSED:
                raise RemoteRefused(pushed.letter)
            letter = pushed.letter
        except RemoteUnreachable as unreachable:
            error, letter = RemoteUnreachable, str(unreachable)
            unsure += [commit] if commit else []
        if not patience.wait():
            raise error(submit_letters.gave_up(letter, pushes, patience.budget))


class _Keeper:
    """Sees to it that the bytes lie on the disk until the remote has them."""

    def __init__(self, data: bytes, name: str, kept: Path | None, clone: Repository | None) -> None:
        self._own = kept is None or _read(kept) != data
        self._trouble = ""
        if kept is not None and not self._own:
            self._place = kept
            return
        folder = clone.git_dir / "dreamcatcher" / "unsent" if clone else Path.cwd()
        name = f"{name}.{digest(data)[:12]}.json"
        self._place = folder / name
        try:
            delivery.write_atomically(folder, name, data)
        except OSError as error:
            self._trouble = error.strerror or type(error).__name__

    def letter(self, letter: str) -> str:
        """A letter about a failure, and where the delta is."""
        if self._trouble:
            return submit_letters.not_kept(letter, str(self._place), self._trouble)
        return submit_letters.kept(letter, str(self._place))

    def let_go(self) -> None:
        if self._own and not self._trouble:
            self._place.unlink(missing_ok=True)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
