"""Contents of files are written ahead of the commit that will hold them, beside the work that decides the rest.

Hashing and compressing the files of a large frame takes about as long as computing what comes after them, so once there
is much of it, a process of its own does it. Until the commit nothing refers to what was written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from merge_bot.canonical import Pieces
from merge_bot.git.pack import Pack, Ready, Written, size_of
from merge_bot.tree import Entry

if TYPE_CHECKING:
    from merge_bot.git.writing import WritingProcess
    from merge_bot.layouts.base import There

_MUCH = 1 << 20  # bytes that are worth a process
_AT_ONCE = 1 << 17  # bytes that travel together at least: each trip costs as much as a small file


class Sent:
    """A file's content that is on its way into the repository, and no longer held here."""

    __slots__ = ("_ahead", "_written")

    def __init__(self, ahead: Ahead) -> None:
        self._ahead = ahead
        self._written: Written | None = None

    def arrived(self, written: Written) -> None:
        """It is in the pack under this id, with this digest."""
        self._written = written

    @property
    def entry(self) -> Entry:
        """What the file is in a tree. Waits until it is written."""
        return self._found.entry

    @property
    def sha256(self) -> str:
        """The digest of the content, in hex. Waits likewise."""
        return self._found.sha256

    @property
    def _found(self) -> Written:
        if self._written is None:
            self._ahead.wait()
        assert self._written is not None
        return self._written


class Ahead:
    """Writes contents into a pack: here as long as they are few, then in a process. Every step may raise GitFailed."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._waiting: list[tuple[Sent, bytes | Ready]] = []
        self._held = 0
        self._away: list[Sent] = []
        self._process: WritingProcess | None = None

    def send(self, data: bytes | Pieces) -> Sent:
        """Take the content of a file of the next commit."""
        sent = Sent(self)
        content = data if isinstance(data, bytes) else self._pack.ready(data)
        self._waiting.append((sent, content))
        self._held += size_of(content)
        if self._process is None and self._held > _MUCH:
            self.begin()
        elif self._process is not None and self._held > _AT_ONCE:
            self._hand_on(self._process)
        return sent

    def begin(self) -> None:
        """Have a process write from now on."""
        from merge_bot.git.writing import WritingProcess  # most frames have no use for it
        from merge_bot.processes import can_fork

        if can_fork():
            self._process = WritingProcess(self._pack)
            self._hand_on(self._process)
        else:
            self.wait()

    def beside(self, work: Callable[[There], None]) -> WritingProcess | None:
        """Have a process do `work`, and write from then on; None where there is no core for it.

        It begins in any case: early, it holds no more than this one does then.
        """
        from merge_bot.git.writing import WritingProcess
        from merge_bot.processes import can_fork, cores

        if self._process is not None or not can_fork():
            return None
        if cores() < 2:
            self.begin()
            return None
        self._process = WritingProcess(self._pack, work)
        return self._process

    def wait(self) -> None:
        """Until everything that was sent is written."""
        if self._process is not None:
            self._hand_on(self._process)
            for sent, written in zip(self._away, self._process.written(), strict=True):
                sent.arrived(written)
            self._away.clear()
        for sent, content in self._waiting:
            sent.arrived(self._pack.write(content))
        self._waiting.clear()
        self._held = 0

    def _hand_on(self, process: WritingProcess) -> None:
        if not self._waiting:
            return
        self._away += [sent for sent, _ in self._waiting]
        process.put([content for _, content in self._waiting])
        self._waiting.clear()
        self._held = 0

    def finish(self) -> Pack:
        """Everything is written; the pack is the caller's from now on."""
        try:
            self.wait()
            if self._process is not None:
                self._process.hand_over(self._pack)
                self._process = None
        except BaseException:
            self.discard()
            raise
        return self._pack

    def discard(self) -> None:
        """Leave nothing of it."""
        if self._process is not None:
            self._process.end()
            self._process = None
        self._pack.discard()
