"""Pure. Deltas held in memory: the reference meaning of a transport, and what previews and tests use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from merge_bot.canonical import digest
from merge_bot.delta import Candidate
from merge_bot.transports.base import Span
from merge_bot.tree import FILE, Entry


class MemoryTransport:
    """Named deltas in a list; settled ones leave it."""

    def __init__(self, deltas: Iterable[tuple[str, bytes]] = ()) -> None:
        self._waiting = [(name, data) for name, data in deltas]

    def send(self, name: str, data: bytes) -> None:
        self._waiting.append((name, data))

    def receive(self, span: Span) -> Sequence[Candidate]:
        return [
            Candidate(
                name, "", FILE, len(data), data if len(data) <= span.max_bytes else None, digest(data), True, "memory"
            )
            for name, data in self._waiting
        ]

    def settle(self, consumed: Iterable[Candidate], held: Iterable[Candidate]) -> Mapping[str, bytes | Entry | None]:
        gone = {(one.path, one.digest) for one in consumed}
        self._waiting = [(name, data) for name, data in self._waiting if (name, digest(data)) not in gone]
        return {}

    def marks(self) -> Mapping[str, str]:
        return {}
