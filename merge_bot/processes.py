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
from functools import partial
from queue import SimpleQueue
from typing import IO, Any, NoReturn, TypeVar

from merge_bot import letters
from merge_bot.errors import ProcessEnded
from merge_bot.git.files import BUFFER
from merge_bot.git.process import widen

T = TypeVar("T")


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
        for pipe in (to, answers):
            widen(pipe)
        self._process = os.fork()
        if self._process == 0:
            _live(life, questions, answers, kept)
        os.close(questions)
        os.close(answers)
        self.to: IO[bytes] = os.fdopen(to, "wb", BUFFER)
        self.of: IO[bytes] = os.fdopen(of, "rb", BUFFER)

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
        with os.fdopen(questions, "rb", BUFFER) as source, os.fdopen(answers, "wb", BUFFER) as target:
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
        raise ProcessEnded(letters.process_ended()) from problem


@contextmanager
def spread(
    jobs: int, count: int, here: Callable[[int], T], there: Callable[[], Callable[[int], T]]
) -> Iterator[Iterator[T]]:
    """The answers to the questions 0 to `count` - 1, in order.

    With one job (or where nothing can be forked) `here` answers all, one at a time as they are taken. With more,
    whoever is free takes the next question: this process, because what is found here need not travel, or one of the
    forks, in each of which `there` is called once and gives what answers in it. What must not be shared, a pipe to git
    say, it makes anew. An exception comes out where its answer would have come. Raises ProcessEnded if a fork was ended
    from outside.
    """
    jobs = min(jobs, count)
    if jobs < 2 or not can_fork():
        yield map(here, range(count))
        return
    questions = _Questions(count)
    answers: SimpleQueue[_Answer | None] = SimpleQueue()
    helpers: list[_Helper] = []
    try:
        for _ in range(1, jobs):
            helpers.append(_Helper(there, questions, answers))
        for one in helpers:
            one.thread.start()
        yield _in_order(count, questions, here, answers)
    finally:
        for one in helpers:
            one.end()
        questions.close()


_Answer = tuple[int, bool, Any]


def _in_order(
    count: int, questions: _Questions, here: Callable[[int], T], answers: SimpleQueue[_Answer | None]
) -> Iterator[T]:
    """Answers as far as there are questions left, and takes what the others found meanwhile."""
    found: dict[int, tuple[bool, Any]] = {}
    mine = iter(questions)
    for wanted in range(count):
        while wanted not in found:
            number = next(mine, None)
            if number is not None:
                found[number] = _answered(here, number)
            while wanted not in found and (number is None or not answers.empty()):
                answer = answers.get()
                if answer is None:
                    raise ProcessEnded(letters.process_ended())
                found[answer[0]] = answer[1:]
        answered, value = found.pop(wanted)
        if not answered:
            raise value
        yield value


def _answered(answer: Callable[[int], Any], number: int) -> tuple[bool, Any]:
    try:
        return True, answer(number)
    except Exception as problem:
        return False, problem


def _raise(problem: Exception, _: int) -> NoReturn:
    raise problem


def noted(problem: Exception) -> Exception:
    """An exception that travels, with the traceback that does not."""
    problem.add_note("".join([f"In process {os.getpid()}:\n", *traceback.format_exception(problem)]))
    return problem


class _Questions:
    """The numbers of the questions that nobody has taken yet, in a pipe that all processes read from.

    Each entry is some questions that follow one another: all fit into what a pipe holds while nobody reads.
    """

    _SIZE, _MOST = 4, 4096

    def __init__(self, count: int) -> None:
        self._count, self._step = count, -(-count // self._MOST)
        self.handle, writing = os.pipe()
        for first in range(0, count, self._step):
            os.write(writing, first.to_bytes(self._SIZE, "big"))
        os.close(writing)

    def __iter__(self) -> Iterator[int]:
        while entry := os.read(self.handle, self._SIZE):
            first = int.from_bytes(entry, "big")
            yield from range(first, min(first + self._step, self._count))

    def close(self) -> None:
        os.close(self.handle)


class _Helper:
    """A fork that answers questions. What it says is taken at once, so that it never waits."""

    def __init__(
        self,
        there: Callable[[], Callable[[int], Any]],
        questions: _Questions,
        answers: SimpleQueue[_Answer | None],
    ) -> None:
        def life(_: IO[bytes], pipe: IO[bytes]) -> None:
            try:
                answer = there()
            except Exception as problem:
                answer = partial(_raise, problem)
            for number in questions:
                answered, value = _answered(answer, number)
                tell(pipe, (number, answered, value if answered else noted(value)))
            tell(pipe, None)

        self._fork, self._answers = Fork(life, questions.handle), answers
        self.thread = threading.Thread(target=self._listen, daemon=True)

    def end(self) -> None:
        self._fork.end()
        if self.thread.ident is not None:
            self.thread.join()
        self._fork.close()

    def _listen(self) -> None:
        finished = False
        try:
            while (answer := told(self._fork.of)) is not None:
                self._answers.put(answer)
            finished = True
        except ProcessEnded:
            pass
        finally:
            if not finished:
                self._answers.put(None)
