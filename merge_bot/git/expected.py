"""Blobs that will be asked for soon: git reads them into a file meanwhile, and nobody waits at a pipe for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from merge_bot.git.objects import answers
from merge_bot.git.process import Git, end


class Expected:
    """Blobs, all of which the repository has, on their way."""

    def __init__(self, git: Git, blobs: Sequence[str]) -> None:
        self._git = git
        from tempfile import TemporaryFile  # on the disk, because it may be much

        self._answers = TemporaryFile()  # noqa: SIM115
        with TemporaryFile() as questions:
            questions.write("".join(f"{one}\n" for one in blobs).encode())
            questions.seek(0)
            self._process = git.into_file(questions, self._answers, "cat-file", "--batch", "--buffer")
        self._contents = self._read()
        self._passed: dict[str, bytes] = {}

    def take(self, blobs: Set[str]) -> dict[str, bytes]:
        """The contents of some of them; of those that could not be read, none: who asks for one itself is told why.

        Read on from what was taken last: where they are taken in the order in which they were named, no more is held.
        """
        self._process.wait()
        found = {one: self._passed.pop(one) for one in blobs & self._passed.keys()}
        while len(found) < len(blobs) and (answer := next(self._contents, None)):
            name, data = answer
            (found if name in blobs else self._passed)[name] = data
        return found

    def _read(self) -> Iterator[tuple[str, bytes]]:
        self._answers.seek(0)
        with self._answers:
            yield from answers(self._answers)

    def drop(self) -> None:
        """Let go of them."""
        end(self._process)
        self._answers.close()
