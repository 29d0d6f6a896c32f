"""Several transports as one: each candidate is settled by the one that it came by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from merge_bot.delta import Candidate
from merge_bot.transports.base import Changes, Span, Transport
from merge_bot.tree import Entry


class Several:
    """Transports by the name that their candidates carry. What is sent goes to the first."""

    def __init__(self, transports: Mapping[str, Transport]) -> None:
        self._transports = dict(transports)

    def send(self, name: str, data: bytes) -> None:
        next(iter(self._transports.values())).send(name, data)

    def receive(self, span: Span) -> Sequence[Candidate]:
        return [one for transport in self._transports.values() for one in transport.receive(span)]

    def settle(self, consumed: Iterable[Candidate], held: Iterable[Candidate]) -> Mapping[str, bytes | Entry | None]:
        consumed, held = list(consumed), list(held)
        changes: Changes = {}
        for name, transport in self._transports.items():
            changes |= transport.settle(
                [one for one in consumed if one.transport == name], [one for one in held if one.transport == name]
            )
        return changes

    def marks(self) -> Mapping[str, str]:
        return {worker: commit for one in self._transports.values() for worker, commit in one.marks().items()}
