"""What other processes do for a repository while this one goes on: nothing of it outlives the repository."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from merge_bot.git.expected import Expected
from merge_bot.git.objects import Objects
from merge_bot.git.pack import packed
from merge_bot.git.process import Git
from merge_bot.layouts.base import Send

T = TypeVar("T")


class Beside:
    """The processes of one repository."""

    def __init__(self) -> None:
        self._ends: list[Callable[[], None]] = []

    def expect(self, git: Git, blobs: Sequence[str]) -> Expected:
        """Have git read blobs."""
        expected = Expected(git, blobs)
        self._ends.append(expected.drop)
        return expected

    def apart(self, work: Callable[[Send], T], objects: Objects, send: Send) -> Callable[[], T]:
        """Have a fork do some work; the files that it finishes come packed. Where nothing can be forked, `send` takes
        them, and the work is done at once."""
        from merge_bot.processes import Apart, can_fork  # most frames have no use for it

        if not can_fork():
            result = work(send)
            return lambda: result

        def done() -> T:
            objects.forget()
            return work(lambda data: packed(data, objects.object_format) if isinstance(data, bytes) else data)

        begun = Apart(done)
        self._ends.append(begun.end)
        return begun

    def end(self) -> None:
        """End whatever still runs."""
        for end in self._ends:
            end()
