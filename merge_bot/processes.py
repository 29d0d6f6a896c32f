"""Work spread over processes: a question a number, the answers in the order of the questions.

The processes are forks, so that they begin with all that was read so far, and nothing has to be sent to them. What must
not be shared, a pipe to git say, each makes anew for itself. They are forked before anything else is started here:
a fork made later would inherit the locks of threads that it has not.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
_AT_ONCE = 16  # questions that travel together at most: each trip costs about as much as a small answer

_answer: Callable[[int], Any]


def cores() -> int:
    """How many processes can run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def spread(
    jobs: int, count: int, here: Callable[[int], T], there: Callable[[], Callable[[int], T]]
) -> Iterator[Iterator[T]]:
    """The answers to the questions 0 to `count` - 1, in order.

    With one job (or where there is no fork) `here` answers, one at a time as they are taken. With more, `there` is
    called once in each process and gives what answers in it. An exception comes out where its answer would have
    come. Raises BrokenProcessPool if a process was ended from outside.
    """
    jobs = min(jobs, count)
    if jobs < 2 or not hasattr(os, "fork"):
        yield map(here, range(count))
        return
    import multiprocessing  # 5 ms, which most frames have no use for
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), _begin, (there,))
    try:
        yield pool.map(_answered, range(count), chunksize=max(1, min(_AT_ONCE, count // (jobs * 8))))
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(there: Callable[[], Callable[[int], Any]]) -> None:
    global _answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever is interrupted ends the others
    _answer = there()


def _answered(number: int) -> Any:
    return _answer(number)
