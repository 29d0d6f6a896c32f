"""Pure. The contract of transports: send, receive, settle.

`receive` gives bytes and where they came from, nothing parsed. `settle` says what the merge commit itself has to
change so that consumed deltas are gone from where they arrived and held ones are still there: consumption and the
merge are one commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from merge_bot.delta import Candidate
from merge_bot.tree import Entry

Changes = dict[str, bytes | Entry | None]
"""Path → new bytes, a blob that the repository already has, or None to remove."""


DELTA_BRANCHES = "refs/heads/deltas/"
"""Below this every worker has a branch of its own at the remote."""

MUCH = 4_000_000
"""Bytes of deltas that are worth several processes. For less, starting them takes longer than what they save."""


class Span(NamedTuple):
    """What to receive: the versions between `since` (None: the beginning) and `tip`, less the blobs in `known`.

    Where the contents are more than `at_once` bytes together (None: however many), candidates may come unread.
    """

    since: str | None
    tip: str
    known: frozenset[str] = frozenset()
    max_bytes: int = 1 << 20
    at_once: int | None = None


class Transport(Protocol):
    """One way for deltas to arrive."""

    def send(self, name: str, data: bytes) -> None:
        """Deliver one delta file."""

    def receive(self, span: Span) -> Sequence[Candidate]:
        """Everything that arrived and is not known yet."""

    def settle(self, consumed: Iterable[Candidate], held: Iterable[Candidate]) -> Mapping[str, bytes | Entry | None]:
        """The changes that belong into the merge commit."""

    def marks(self) -> Mapping[str, str]:
        """How far each worker's delta branch was read by `receive`: worker → commit. Empty for other transports."""
