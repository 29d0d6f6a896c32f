"""Further processes, for what several cores do sooner than one. All are forks, so that they begin with everything that
was read so far; only answers have to travel.

A fork must be made while there are no threads: it would inherit the locks of threads that it has not. `can_fork` tells.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import IO, Any, NoReturn, TypeVar

T = TypeVar("T")


class ProcessEnded(Exception):
    """A process was ended from outside, most likely for want of memory."""


def cores() -> int:
    """How many processes can run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def can_fork() -> bool:
    """Whether a fork of this process would be whole."""
    return hasattr(os, "fork") and threading.active_count() == 1


class Fork:
    """A fork in which `life` runs, with a pipe from here and one to here: `to` is written to, `of` read from.

    It keeps no open file but these, those in `kept` and the three standard ones: whoever waits for the end of a pipe
    here must not wait for the fork.
    """

    def __init__(self, life: Callable[[IO[bytes], IO[bytes]], None], *kept: int) -> None:
        questions, to = os.pipe()
        of, answers = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            _live(life, questions, answers, kept)
        os.close(questions)
        os.close(answers)
        self.to: IO[bytes] = os.fdopen(to, "wb")
        self.of: IO[bytes] = os.fdopen(of, "rb")

    def end(self) -> None:
        """End it now, whatever it does."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        with suppress(BrokenPipeError):
            self.to.close()

    def close(self) -> None:
        """After `end`, when nobody reads any more."""
        self.of.close()


def _live(life: Callable[[IO[bytes], IO[bytes]], None], questions: int, answers: int, kept: Iterable[int]) -> NoReturn:
    """The whole life of a fork. It never returns into what its parent was at."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever is interrupted ends the others
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for one in _open_files() - {0, 1, 2, questions, answers, *kept}:
            with suppress(OSError):  # the listing's own
                os.close(one)
        with os.fdopen(questions, "rb") as source, os.fdopen(answers, "wb") as target:
            life(source, target)
        code = 0
    finally:
        os._exit(code)


def _open_files() -> set[int]:
    try:
        return {int(name) for name in os.listdir("/dev/fd")}
    except OSError:
        return set()


def tell(pipe: IO[bytes], value: Any) -> None:
    """Write a value to a pipe, for `told` at its other end."""
    pickle.dump(value, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def told(pipe: IO[bytes]) -> Any:
    """The next value in a pipe. Raises ProcessEnded where it ends."""
    try:
        return pickle.load(pipe)
    except (EOFError, pickle.UnpicklingError) as problem:
        raise ProcessEnded from problem


def noted(problem: BaseException) -> BaseException:
    """An exception that travels, with the traceback that does not."""
    problem.add_note(f"In process {os.getpid()}:\n{traceback.format_exc()}")
    return problem


@contextmanager
def spread(
    jobs: int, count: int, here: Callable[[int], T], there: Callable[[], Callable[[int], T]]
) -> Iterator[Iterator[T]]:
    """The answers to the questions 0 to `count` - 1, in order.

    With one job (or where nothing can be forked) `here` answers all, one at a time as they are taken. With more, every
    `jobs`-th question is answered so, because what is found here need not travel, and the others by forks: `there` is
    called once in each and gives what answers in it. What must not be shared, a pipe to git say, it makes anew. An
    exception comes out where its answer would have come. Raises ProcessEnded if a fork was ended from outside.
    """
    jobs = min(jobs, count)
    if jobs < 2 or not can_fork():
        yield map(here, range(count))
        return
    helpers: list[_Helper] = []
    try:
        for number in range(1, jobs):
            helpers.append(_Helper(there, range(number, count, jobs)))
        for one in helpers:
            one.thread.start()
        answer = [here, *(one.answer for one in helpers)]
        yield (answer[number % jobs](number) for number in range(count))
    finally:
        for one in helpers:
            one.end()


class _Helper:
    """A fork that answers some of the questions. What it says is taken at once, so that it never waits."""

    def __init__(self, there: Callable[[], Callable[[int], Any]], numbers: Iterable[int]) -> None:
        def life(_: IO[bytes], pipe: IO[bytes]) -> None:
            try:
                answer = there()
                for number in numbers:
                    tell(pipe, (True, answer(number)))
            except BaseException as problem:
                tell(pipe, (False, noted(problem)))

        self._fork = Fork(life)
        self._answers: SimpleQueue[tuple[bool, Any] | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._listen, daemon=True)

    def answer(self, _: int) -> Any:
        """Its next answer."""
        found = self._answers.get()
        if found is None:
            raise ProcessEnded
        answered, value = found
        if not answered:
            raise value
        return value

    def end(self) -> None:
        self._fork.end()
        if self.thread.ident is not None:
            self.thread.join()
        self._fork.close()

    def _listen(self) -> None:
        try:
            with suppress(ProcessEnded):
                while True:
                    self._answers.put(told(self._fork.of))
        finally:
            self._answers.put(None)
