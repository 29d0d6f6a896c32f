"""Publishing to a remote: the frame's commit is pushed under an exact lease, and what the ref says then is the result.

A push that did not arrive, with the ref where it was, is tried again within a time budget; a ref that moved means that
the frame has to be merged again, onto what is there now.
"""

from __future__ import annotations

from collections.abc import Callable

from merge_bot import letters
from merge_bot.errors import Contended, DreamcatcherError, RemoteRefused, RemoteUnreachable
from merge_bot.git import Identity
from merge_bot.git.remote import Outcome, Pushed, Remote
from merge_bot.patience import Patience
from merge_bot.publish.base import Published
from merge_bot.snapshot import Frame

BUDGET = 120.0


class PushPublisher:
    """Commits to a branch of a remote. `ref` is its full name there; nothing local moves."""

    def __init__(
        self, remote: Remote, ref: str, author: Identity, patience: Callable[[], Patience] = lambda: Patience(BUDGET)
    ) -> None:
        self._remote = remote
        self._ref = ref
        self._author = author
        self._patience = patience

    def publish(self, frame: Frame) -> Published:
        """Raises RemoteRefused where a rule or a right is in the way, RemoteUnreachable or Contended at the end of the
        budget: the next run finds out whether the frame arrived.
        """
        repository, patience = self._remote.repository, self._patience()
        when = int(frame.time.timestamp())
        commit = repository.write_commit(frame.base, frame.changes, frame.message, self._author, when)
        while True:
            error: type[DreamcatcherError] = Contended
            try:
                pushed = self._push(commit, frame.base)
                if pushed.outcome == Outcome.MINE:
                    return Published("pushed", commit)
                if pushed.outcome == Outcome.MOVED:
                    return Published("contended")
                if pushed.outcome == Outcome.REFUSED:
                    raise RemoteRefused(pushed.letter)
                letter = pushed.letter
            except RemoteUnreachable as unreachable:
                letter, error = str(unreachable), RemoteUnreachable
            if not patience.wait():
                raise error(letters.not_published(letter, patience.budget))

    def _push(self, commit: str, base: str) -> Pushed:
        """Push, unless an earlier push arrived and its reply was lost."""
        tip = self._remote.tip(self._ref)
        if tip == base:
            return self._remote.push(commit, self._ref, base)
        if tip is not None and (tip == commit or self._remote.holds(self._ref, commit)):
            return Pushed(Outcome.MINE, tip)
        return Pushed(Outcome.MOVED, tip)
