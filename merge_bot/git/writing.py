"""A process that writes contents into a pack, beside the one that decides what the commit will hold."""

from __future__ import annotations

from contextlib import suppress
from queue import SimpleQueue
from threading import Condition, Thread
from typing import IO, Any

from merge_bot.errors import GitFailed, ProcessEnded
from merge_bot.git.pack import Pack, Written
from merge_bot.processes import Fork, tell, told

_MOST = 1 << 25  # bytes that may be on the way to it
_WRITTEN, _STATE = 1, 2
_Question = list[bytes] | int | None


class WritingProcess:
    """A process that has the pack to itself, until it hands it over.

    What it is to write goes through a thread, so that nobody waits for it here.
    """

    def __init__(self, pack: Pack) -> None:
        pack.flush()
        self._fork = Fork(lambda source, target: _write_all(pack, source, target), pack.handle)
        self._queue: SimpleQueue[_Question] = SimpleQueue()
        self._on_the_way = 0
        self._less = Condition()
        self._thread: Thread | None = None  # begins when there is something: a fork cannot be made beside it

    def put(self, contents: list[bytes]) -> None:
        """Have it write these, after what was put before."""
        with self._less:
            self._less.wait_for(lambda: self._on_the_way < _MOST)
            self._on_the_way += sum(map(len, contents))
        self._tell(contents)

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
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
        self._fork.close()

    def _tell(self, question: _Question) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._feed, daemon=True)
            self._thread.start()
        self._queue.put(question)

    def _asked(self, question: int) -> Any:
        self._tell(question)
        answer = told(self._fork.of)
        if isinstance(answer, GitFailed):
            raise answer
        return answer

    def _feed(self) -> None:
        """Whatever becomes of the process, nobody waits for room for ever; its silence is noticed where it is asked."""
        while (question := self._queue.get()) is not None:
            with suppress(BrokenPipeError, ValueError):  # it has ended
                tell(self._fork.to, question)
            if isinstance(question, list):
                with self._less:
                    self._on_the_way -= sum(map(len, question))
                    self._less.notify()


def _write_all(pack: Pack, source: IO[bytes], target: IO[bytes]) -> None:
    """What the process does: it writes contents, and answers when it is asked."""
    written: list[Written] = []
    problem: GitFailed | None = None
    with suppress(ProcessEnded):
        while True:
            question = told(source)
            try:
                if question == _STATE:
                    pack.flush()
                if problem is None and isinstance(question, list):
                    written += [pack.write(content) for content in question]
            except GitFailed as found:
                problem = found
            if question == _WRITTEN:
                tell(target, problem or written)
                written = []
            elif question == _STATE:
                tell(target, problem or pack.state)
