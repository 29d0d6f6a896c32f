"""What a measured process says of itself: seconds by stage, and its peak of memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Stopwatch:
    """Adds up seconds by stage. A stage inside another takes its seconds from the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner = [0.0]

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self._inner.append(0.0)
        begin = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - begin
            own = took - self._inner.pop()
            self._inner[-1] += took
            self.seconds[stage] = self.seconds.get(stage, 0.0) + own

    def timed(self, stage: str, function: Callable[P, R]) -> Callable[P, R]:
        """`function`, its time counted as `stage`."""

        @wraps(function)
        def wrapper(*arguments: P.args, **named: P.kwargs) -> R:
            with self(stage):
                return function(*arguments, **named)

        return wrapper

    def report(self) -> dict[str, Any]:
        """Seconds by stage, and the process's own peak in bytes (its children are watched from outside)."""
        return {"stages": self.seconds, "memory": peak()}


def peak() -> int:
    """The most memory that this process ever had resident, in bytes.

    From Linux's VmHWM where there is one: `ru_maxrss` begins with the peak of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
