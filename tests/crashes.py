"""Runs something in a forked child that dies by SIGKILL at its n-th step, for every n: `die_at_every_step`.

A step is the moment before or after a git process starts, after it has ended, and before or after each of our own
file operations. Real kills of real processes; nothing is unwound.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from merge_bot import delivery
from merge_bot.git import files, lock, process

OPERATIONS = {
    files: ("look", "entries", "open_regular", "read_link", "read", "replace", "write_durably", "rename", "remove"),
    process: ("_spawn",),
    process.Git: ("run",),
    process.Running: ("finish",),
    lock.Lock: ("acquire", "release"),
    delivery: ("write_atomically",),
    os: ("rename", "link", "unlink", "fsync"),
}
BUG = 70


class Steps:
    """Counts steps; the process ends at step `last`."""

    def __init__(self, last: int) -> None:
        self.last, self.taken = last, 0

    def step(self) -> None:
        self.taken += 1
        if self.taken == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **named: Any) -> Any:
            self.step()
            answer = operation(*arguments, **named)
            self.step()
            return answer

        return stepped


def died_at(number: int, act: Callable[[], object]) -> bool:
    """Run `act` in a child that is killed at its step `number`; False if it ended before it got there."""
    child = os.fork()
    if child == 0:
        code = BUG
        try:
            steps = Steps(number)
            patch = pytest.MonkeyPatch()
            for owner, names in OPERATIONS.items():
                for name in names:
                    patch.setattr(owner, name, steps.around(getattr(owner, name)), raising=False)
            act()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the merge failed by itself"
    return False


def die_at_every_step(prepare: Callable[[], object], act: Callable[[], object], stride: int = 1) -> Iterator[int]:
    """Yields after each kill, with the number of the step at which it came, until `act` ends alive."""
    number = 1
    while True:
        prepare()
        if not died_at(number, act):
            return
        yield number
        number += stride
