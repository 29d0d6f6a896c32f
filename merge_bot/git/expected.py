"""Blobs that will be asked for soon: git reads them into a file meanwhile, and nobody waits at a pipe for them."""

from __future__ import annotations

from collections.abc import Sequence

from merge_bot.git.objects import parse_answers
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

    def take(self) -> dict[str, bytes]:
        """Their contents; of those that could not be read, none: who asks for one of these itself is told why."""
        self._process.wait()
        self._answers.seek(0)
        with self._answers:
            return parse_answers(self._answers)

    def drop(self) -> None:
        """Let go of them."""
        end(self._process)
        self._answers.close()
