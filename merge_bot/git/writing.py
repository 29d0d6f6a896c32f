"""A process that writes contents into a pack, beside the one that decides what the commit will hold.

It may have other work to do first, and talk about it with the process that began it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Condition, Thread
from typing import IO, TYPE_CHECKING, Any

from merge_bot.canonical import Pieces
from merge_bot.errors import GitFailed, ProcessEnded
from merge_bot.git.deflate import quicken
from merge_bot.git.pack import Pack, Ready, Written, size_of
from merge_bot.processes import Fork, noted, tell, told

if TYPE_CHECKING:
    from merge_bot.layouts.base import There

_MOST = 1 << 25  # bytes that may be on the way to it
_WRITTEN, _STATE = 1, 2
_Contents = list[bytes | Ready]


class WritingProcess:
    """A process that has the pack to itself, until it hands it over.

    What it is to write goes through a thread, and what it says comes through another, so that neither of the two ever
    waits for the other to listen.
    """

    def __init__(self, pack: Pack, work: Callable[[There], None] | None = None) -> None:
        def life(source: IO[bytes], target: IO[bytes]) -> None:
            quicken()
            first = _do(work, _There(pack, source, target)) if work else None
            _write_all(pack, source, target, first)

        pack.flush()
        self._fork = Fork(life, pack.handle)
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._heard: dict[bool, SimpleQueue[Any]] = {of_work: SimpleQueue() for of_work in (False, True)}
        self.on_the_way = 0
        self._less = Condition()
        self._threads: list[Thread] = []  # they begin when there is something: a fork cannot be made beside them

    def put(self, contents: _Contents) -> None:
        """Have it write these, after what was put before."""
        with self._less:
            self._less.wait_for(lambda: self.on_the_way < _MOST)
            self.on_the_way += sum(map(size_of, contents))
        self.say(contents)

    def written(self) -> list[Written]:
        """The id and the SHA-256 of each content since this was asked last. Raises GitFailed if one was not written."""
        found: list[Written] = self._asked(_WRITTEN)
        return found

    def hand_over(self, pack: Pack) -> None:
        """Let the process end, and go on with the pack where it stopped. Raises GitFailed likewise."""
        pack.resume(self._asked(_STATE))
        self.end()

    def end(self) -> None:
        """End it now, whatever it does."""
        self._fork.end()
        self._queue.put(None)
        for one in self._threads:
            one.join()
        self._fork.close()

    def say(self, value: Any) -> None:
        """Tell its work something: no number and no list, which are what it is told when it writes."""
        if not self._threads:
            self._threads = [Thread(target=one, daemon=True) for one in (self._feed, self._listen)]
            for one in self._threads:
                one.start()
        self._queue.put(value)

    def hear(self) -> Any:
        """What its work says next, after something was said to it. Raises what went wrong instead, and ProcessEnded."""
        return self._next(of_work=True)

    def _asked(self, question: int) -> Any:
        self.say(question)
        return self._next(of_work=False)

    def _next(self, *, of_work: bool) -> Any:
        answer = self._heard[of_work].get()
        if isinstance(answer, ProcessEnded):
            self._heard[of_work].put(answer)  # nothing else comes from now on
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _feed(self) -> None:
        """Whatever becomes of the process, nobody waits for room for ever; its silence is noticed where it is asked."""
        while (question := self._queue.get()) is not None:
            with suppress(BrokenPipeError, ValueError):  # it has ended
                tell(self._fork.to, question)
            if isinstance(question, list):
                with self._less:
                    self.on_the_way -= sum(map(size_of, question))
                    self._less.notify()

    def _listen(self) -> None:
        try:
            while True:
                of_work, answer = told(self._fork.of)
                self._heard[of_work].put(answer)
        except ProcessEnded as problem:
            for one in self._heard.values():
                one.put(problem)


def _write_all(pack: Pack, source: IO[bytes], target: IO[bytes], first: Any) -> None:
    """What the process does: it writes contents, and answers when it is asked. `first` was heard already."""
    written: list[Written] = []
    problem: GitFailed | None = None
    with suppress(ProcessEnded):
        while True:
            question, first = told(source) if first is None else first, None
            try:
                if question == _STATE:
                    pack.flush()
                if problem is None and isinstance(question, list):
                    written += [pack.write(content) for content in question]
            except GitFailed as found:
                problem = found
            if question == _WRITTEN:
                tell(target, (False, problem or written))
                written = []
            elif question == _STATE:
                tell(target, (False, problem or pack.state))


class _There:
    """The wire's end in the process."""

    def __init__(self, pack: Pack, source: IO[bytes], target: IO[bytes]) -> None:
        self._pack, self._source, self._target = pack, source, target

    def say(self, value: Any) -> None:
        tell(self._target, (True, value))

    def hear(self) -> Any:
        value = told(self._source)
        if isinstance(value, list | int):
            raise _NotWanted(value)
        return value

    def send(self, data: bytes | Pieces) -> Written:
        return self._pack.write(data if isinstance(data, bytes) else self._pack.ready(data))


class _NotWanted(Exception):
    """There is something to write, while the work waits for what it was begun for: nobody needs it any more."""


def _do(work: Callable[[There], None], wire: _There) -> Any:
    """What goes wrong is told instead of what would have been said next. Returns what was heard in vain."""
    try:
        work(wire)
    except _NotWanted as other:
        return other.args[0]
    except Exception as problem:
        wire.say(noted(problem))
    return None
