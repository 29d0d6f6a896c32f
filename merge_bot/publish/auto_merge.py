"""Merging a pull request for its readers: at once where nothing stands against it, else as soon as checks allow.

With no checks a pull request is "clean" at once, and enabling auto-merge on a clean one fails; so the direct merge,
with the head that is meant, comes first. One that GitHub calls blocked is never merged directly: the token of an
administrator would pass over the checks that block it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from merge_bot import github_letters as letters
from merge_bot.errors import SettingsError

if TYPE_CHECKING:
    from merge_bot.github_answers import PullRequest
    from merge_bot.github_api import GitHub

Method = Literal["merge", "squash", "rebase"]
# GitHub works out in the background whether a pull request can be merged, and follows pushes a moment later.
TRIES = 6
PAUSE = 2.0
_LATER = ("blocked", "behind")


@dataclass(frozen=True, slots=True)
class Ended:
    """`commit`: what the base is at, None if it was not merged. `remark`: what there is to say."""

    commit: str | None = None
    remark: str = ""


class AutoMerge:
    """Merges by one method. `pause` waits between looks (seconds)."""

    def __init__(self, github: GitHub, method: Method, pause: Callable[[float], None] = time.sleep) -> None:
        self._github, self._method, self._pause = github, method, pause

    def check(self) -> None:
        """Raises SettingsError if the repository does not allow the method."""
        allowed = self._github.facts().methods
        if self._method not in allowed:
            raise SettingsError(letters.method_not_allowed(self._method, self._github.repository, allowed))

    def merge(self, number: int, commit: str, message: str) -> Ended:
        """Merge pull request `number` if its head is `commit`; `message` (subject, trailers) is the merge commit's."""
        title, _, rest = message.partition("\n")
        title, rest = f"{title} (#{number})", rest.strip("\n")
        why = ""
        for attempt in range(TRIES):
            if attempt:
                self._pause(PAUSE)
            pull = self._github.pull_request(number)
            if not pull.is_open:
                return Ended(commit if pull.merged else None)
            if pull.draft:
                return Ended(remark=letters.is_draft(number))
            if pull.head_sha != commit or pull.state in ("", "unknown"):
                continue
            if pull.state == "dirty":
                return Ended(remark=letters.conflicts_with_base(number, pull.base))
            if pull.state in _LATER:
                return self._later(pull, commit, title, rest)
            merged = self._github.merge(number, commit, self._method, title, rest)
            if merged.commit:
                return Ended(merged.commit)
            why = merged.why
        return Ended(remark=letters.not_merged(number, why or "its state is not known yet"))

    def _later(self, pull: PullRequest, commit: str, title: str, rest: str) -> Ended:
        why = self._github.enable_auto_merge(pull.node_id, commit, self._method, title, rest)
        if why is None:
            return Ended(remark=letters.waits_for_checks(pull.number, self._method))
        return Ended(remark=letters.no_auto_merge(pull.number, self._github.repository, why))
