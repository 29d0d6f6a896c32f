"""The edge to SIGTERM: how a supervisor asks a process to end, made an exception, so that blocks end properly."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

EXIT_TERMINATED = 128 + signal.SIGTERM


class Termination:
    """While it is watched for, SIGTERM raises SystemExit(143) in the main thread.

    A handler that was there before runs first, and is put back afterwards. Nothing changes where SIGTERM is ignored,
    in other threads than the main one (Python gives signals to that alone), or in processes forked meanwhile.
    """

    def __init__(self) -> None:
        self.received = False
        self._watching = False
        self._holding = False
        self._held = False
        self._pid = os.getpid()
        self._previous = signal.getsignal(signal.SIGTERM)

    def watch(self) -> None:
        """Begin. Call it last: from here on, the exception may come at any time."""
        if self._previous in (None, signal.SIG_IGN):
            return
        self._watching = True
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, self._handle)

    @contextlib.contextmanager
    def last_words(self) -> Iterator[None]:
        """End, after something that SIGTERM must not interrupt: if it comes meanwhile, the exception comes after."""
        self._holding = True
        try:
            yield
        finally:
            self._watching = False
            with contextlib.suppress(ValueError):
                if signal.getsignal(signal.SIGTERM) == self._handle:
                    signal.signal(signal.SIGTERM, self._previous)
            if self._held:
                self._end(signal.SIGTERM, None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._watching or os.getpid() != self._pid:
            self._hand_on(number, frame)
            return
        self.received = True
        if self._holding:
            self._held = True
        else:
            self._end(number, frame)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if callable(self._previous):
            self._previous(number, frame)
        raise SystemExit(EXIT_TERMINATED)

    def _hand_on(self, number: int, frame: FrameType | None) -> None:
        """As if it had never been watched for."""
        if callable(self._previous):
            self._previous(number, frame)
        else:
            signal.signal(signal.SIGTERM, self._previous)
            signal.raise_signal(signal.SIGTERM)
