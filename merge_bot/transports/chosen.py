"""Pure. A transport without the deltas of some workers: what a preview leaves out. Nothing is sent or consumed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from merge_bot.delta import Candidate
from merge_bot.transports.base import Span, Transport
from merge_bot.tree import Entry


class Chosen:
    """What `transport` has, less what is of the workers in `without`; `worker_of` says whose a candidate is.

    `seen` and `left_out` name the workers that `receive` met.
    """

    def __init__(
        self, transport: Transport, without: Iterable[str], worker_of: Callable[[Candidate], str | None]
    ) -> None:
        self._transport, self._without, self._worker_of = transport, frozenset(without), worker_of
        self.seen: set[str] = set()

    @property
    def left_out(self) -> set[str]:
        return self.seen & self._without

    def send(self, name: str, data: bytes) -> None:
        self._transport.send(name, data)

    def receive(self, span: Span) -> Sequence[Candidate]:
        kept = []
        for one in self._transport.receive(span._replace(at_once=None)):
            worker = self._worker_of(one)
            if worker is not None:
                self.seen.add(worker)
            if worker not in self._without:
                kept.append(one)
        return kept

    def settle(self, consumed: Iterable[Candidate], held: Iterable[Candidate]) -> Mapping[str, bytes | Entry | None]:
        return self._transport.settle(consumed, held)

    def marks(self) -> Mapping[str, str]:
        return self._transport.marks()
