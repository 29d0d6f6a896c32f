"""Publishing as a pull request: one branch and one pull request a base, made anew from the base by each run.

Found again by its branch and by the marker in the first line of its body. What a person has done with it stands:
commits on its branch, a lock, or closing it unmerged, which is a no until other deltas come. How it is merged does not
matter, because a frame is known by its manifest, and that is in the tree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from merge_bot import __version__
from merge_bot import github_letters as letters
from merge_bot.errors import Contended, RemoteRefused
from merge_bot.git import Identity, Repository
from merge_bot.github_api import AlreadyThere, GitHub
from merge_bot.patience import Patience
from merge_bot.proposal import Marker, Place, Words, deltas_digest, head_branch, inputs_digest
from merge_bot.publish.base import Published
from merge_bot.snapshot import Frame

if TYPE_CHECKING:
    from merge_bot.git.remote import Pushed
    from merge_bot.github_answers import CommitFacts, PullRequest
    from merge_bot.publish.auto_merge import AutoMerge
    from merge_bot.publish.verified import VerifiedCommits

BUDGET = 120.0  # seconds
_TRAILER = re.compile(r"^Dreamcatcher-Manifest: [0-9a-f]{64}$", re.M)
_GITHUB = "noreply@github.com"  # the committer of what GitHub commits itself


class RemoteRef(Protocol):
    """What is asked of the remote (`git.remote.Remote`)."""

    def tip(self, ref: str) -> str | None: ...
    def push(self, new: str, ref: str, old: str | None) -> Pushed: ...


Describe = Callable[[Frame, Place], Words]
"""How a frame is put into words: its `Words` for a pull request at `Place`."""


class PullRequestPublisher:
    """Proposes frames to branch `base` (no `refs/heads/`), on the branch `head`.

    `auto_merge` merges what is proposed; None leaves it. `verified` lets GitHub make the commits.
    """

    def __init__(
        self,
        repository: Repository,
        remote: RemoteRef,
        github: GitHub,
        base: str,
        author: Identity,
        describe: Describe,
        *,
        auto_merge: AutoMerge | None = None,
        verified: VerifiedCommits | None = None,
        web_url: str = "",
        head: str = "",
        patience: Callable[[], Patience] = lambda: Patience(BUDGET),
    ) -> None:
        self._repository, self._remote, self._github = repository, remote, github
        self._base, self._head = base, head or head_branch(base)
        self._ref = f"refs/heads/{self._head}"
        self._author, self._describe, self._auto_merge, self._web_url = author, describe, auto_merge, web_url
        self._verified, self._patience = verified, patience

    def publish(self, frame: Frame) -> Published:
        """Open the pull request, or bring it up to date. A person's doing is left alone, and said in `remarks`.

        Raises RemoteRefused, RemoteUnreachable, Contended, SettingsError, with the letter.
        """
        if self._auto_merge:
            self._auto_merge.check()
        everything = self._github.pull_requests(self._head)
        mine = self._mine(everything)
        deltas = deltas_digest(frame.manifest)
        # A rollback is a person's wish each time, so that no earlier no stands against it.
        if mine is None and frame.manifest.rollback is None and (no := self._veto(everything, deltas)):
            return _left_alone(no, letters.vetoed(no.number))
        if mine and mine.locked:
            return _left_alone(mine, letters.locked(mine.number))
        tip = self._remote.tip(self._ref)
        if (stranger := self._stranger(tip, everything)) and tip:
            if mine is None:
                raise RemoteRefused(letters.branch_taken(self._head, tip, stranger.author))
            return _left_alone(mine, letters.touched(mine.number, tip, stranger.author))
        inputs = inputs_digest(frame.manifest, __version__)
        marker = Marker.read(mine.body) if mine else None
        if mine and tip and marker and (marker.inputs, marker.commit) == (inputs, tip):
            return self._merged(Published("none", tip, mine.number, mine.url), frame.message)
        commit, remarks = self._pushed(frame, tip)
        if commit is None:
            return Published("contended")
        marker = Marker(self._base, frame.number, deltas, inputs, commit)
        words = self._describe(frame, Place(self._base, self._head, marker, self._web_url))
        done = self._merged(self._shown(mine, words, commit), frame.message)
        return done._replace(remarks=(*done.remarks, *remarks))

    def withdraw(self) -> Published:
        """Nothing is left to merge: close the pull request, if there is one and no person has touched it."""
        everything = self._github.pull_requests(self._head)
        mine = self._mine(everything)
        marker = Marker.read(mine.body) if mine else None
        if mine is None or marker is None:
            return Published("none")
        if mine.locked:
            return _left_alone(mine, letters.locked(mine.number))
        tip = self._remote.tip(self._ref)
        if (stranger := self._stranger(tip, everything)) and tip:
            return _left_alone(mine, letters.touched(mine.number, tip, stranger.author))
        body = Marker.replaced(mine.body, replace(marker, withdrawn=True))
        self._github.update_pull_request(mine.number, body=body, state="closed")
        return Published("updated", None, mine.number, mine.url, (letters.withdrawn(mine.number),))

    # --- whose is what

    def _mine(self, everything: Iterable[PullRequest]) -> PullRequest | None:
        """The open pull request that is ours. Raises RemoteRefused where that cannot be told."""
        found = [one for one in everything if one.is_open]
        if len(found) > 1:
            raise RemoteRefused(letters.two_open([one.number for one in found], self._head))
        if not found:
            return None
        marker = Marker.read(found[0].body)
        if marker is None or marker.base != self._base or found[0].base != self._base:
            raise RemoteRefused(letters.not_ours(found[0].number, self._head))
        return found[0]

    def _veto(self, everything: Iterable[PullRequest], deltas: str) -> PullRequest | None:
        """The newest pull request of ours, if a person closed it with these deltas unmerged."""
        closed = [(one, marker) for one in everything if not one.is_open and (marker := Marker.read(one.body))]
        newest = max(closed, key=lambda pair: pair[0].number, default=None)
        if newest is None or newest[0].merged or newest[1].withdrawn or newest[1].deltas != deltas:
            return None
        return newest[0]

    def _stranger(self, tip: str | None, everything: Iterable[PullRequest]) -> CommitFacts | None:
        """The branch's newest commit, if it is not one that we made."""
        if tip is None or any((marker := Marker.read(one.body)) and marker.commit == tip for one in everything):
            return None
        found = self._github.commit(tip)
        if found is None:  # it was replaced since: the push will tell
            return None
        ours = found.committer_email in (self._author.email, _GITHUB) and found.parents == 1
        return None if ours and _TRAILER.search(found.message) else found

    # --- doing

    def _pushed(self, frame: Frame, tip: str | None) -> tuple[str | None, tuple[str, ...]]:
        """The frame's commit, which the branch now is at (None if somebody was quicker), and what there is to say."""
        when = int(frame.time.timestamp())
        commit = self._repository.write_commit(frame.base, frame.changes, frame.message, self._author, when)
        remarks: tuple[str, ...] = ()
        pushed = None
        if self._verified:
            made = self._verified.put(frame, commit, self._ref, tip)
            if isinstance(made, str):
                remarks = (made,)
            else:
                pushed, commit = made, made.tip or commit
        patience = self._patience()
        while True:
            pushed = pushed or self._remote.push(commit, self._ref, tip)
            if pushed.outcome == "mine":
                return (commit if pushed.tip == commit else None), remarks
            if pushed.outcome == "moved":
                return None, remarks
            if pushed.outcome == "refused":
                raise RemoteRefused(pushed.letter)
            if not patience.wait():
                raise Contended(pushed.letter)
            pushed = None

    def _shown(self, mine: PullRequest | None, words: Words, commit: str) -> Published:
        """Title, body and labels as they are to be."""
        operation = "updated"
        if mine is None:
            try:
                mine = self._github.open_pull_request(self._head, self._base, words.title, words.body)
                operation = "created"
            except AlreadyThere:
                return Published("contended")
        else:
            mine = self._github.update_pull_request(mine.number, title=words.title, body=words.body)
            if not mine.is_open:  # merged or closed just now, so the frame was made from what is past
                return Published("contended")
        if labels := words.labels_beside(mine.labels):
            self._github.set_labels(mine.number, labels)
        return Published(operation, commit, mine.number, mine.url)

    def _merged(self, shown: Published, message: str) -> Published:
        """What is shown, merged where that is wanted and can be."""
        if self._auto_merge is None or shown.number is None or shown.commit is None:
            return shown
        ended = self._auto_merge.merge(shown.number, shown.commit, message)
        if ended.commit:
            return shown._replace(operation="merged", commit=ended.commit)
        return shown._replace(remarks=(ended.remark,) if ended.remark else ())


def _left_alone(pull: PullRequest, letter: str) -> Published:
    return Published("none", None, pull.number, pull.url, (letter,))
