"""Pure. Deltas that nobody committed yet, beside those of another transport: what a dry run looks at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from merge_bot.canonical import digest
from merge_bot.delta import Candidate
from merge_bot.transports.base import Span, Transport
from merge_bot.tree import FILE, Entry


class Uncommitted:
    """`waiting` (path → bytes) stands before what `transport` has under the same path."""

    def __init__(self, transport: Transport, waiting: Mapping[str, bytes]) -> None:
        self._transport, self._waiting = transport, waiting

    def send(self, name: str, data: bytes) -> None:
        self._transport.send(name, data)

    def receive(self, span: Span) -> Sequence[Candidate]:
        local = [
            Candidate(path, "", FILE, len(data), data if len(data) <= span.max_bytes else None, digest(data))
            for path, data in self._waiting.items()
        ]
        return [*local, *self._transport.receive(span)]

    def settle(self, consumed: Iterable[Candidate], held: Iterable[Candidate]) -> Mapping[str, bytes | Entry | None]:
        return self._transport.settle(consumed, held)

    def marks(self) -> Mapping[str, str]:
        return self._transport.marks()
