"""Contents of files are written ahead of the commit that will hold them, beside the work that decides the rest.

Hashing and compressing the files of a large frame takes about as long as computing what comes after them, so once there
is much of it, a process of its own does it. Until the commit nothing refers to what was written.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from queue import SimpleQueue
from threading import Condition, Thread
from typing import IO, Any

from merge_bot.errors import GitFailed
from merge_bot.git import letters
from merge_bot.git.pack import Pack
from merge_bot.processes import Fork, ProcessEnded, can_fork, tell, told
from merge_bot.tree import FILE, Entry

_MUCH = 1 << 20  # bytes that are worth a process
_AT_ONCE = 1 << 17  # bytes that travel together at least: each trip costs as much as a small file
_MOST = 1 << 25  # bytes that may be on the way to it
_WRITTEN, _STATE = 1, 2
_Written = tuple[str, str]
_Question = list[bytes] | int | None


class Sent:
    """A file's content that is on its way into the repository, and no longer held here."""

    __slots__ = ("_ahead", "_written")

    def __init__(self, ahead: Ahead) -> None:
        self._ahead = ahead
        self._written: _Written | None = None

    def arrived(self, written: _Written) -> None:
        """It is in the pack under this id, with this digest."""
        self._written = written

    @property
    def entry(self) -> Entry:
        """What the file is in a tree. Waits until it is written."""
        return Entry(FILE, self._found[0])

    @property
    def sha256(self) -> str:
        """The digest of the content, in hex. Waits likewise."""
        return self._found[1]

    @property
    def _found(self) -> _Written:
        if self._written is None:
            self._ahead.wait()
        assert self._written is not None
        return self._written


class Ahead:
    """Writes contents into a pack: here as long as they are few, then in a process. Every step may raise GitFailed."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._waiting: list[tuple[Sent, bytes]] = []
        self._held = 0
        self._away: list[Sent] = []
        self._process: _Process | None = None

    def send(self, data: bytes) -> Sent:
        """Take the content of a file of the next commit."""
        sent = Sent(self)
        self._waiting.append((sent, data))
        self._held += len(data)
        if self._process is None and self._held > _MUCH and can_fork():
            self._process = _Process(self._pack)
        if self._process is not None and self._held > _AT_ONCE:
            self._hand_on(self._process)
        return sent

    def wait(self) -> None:
        """Until everything that was sent is written."""
        if self._process is not None:
            self._hand_on(self._process)
            for sent, written in zip(self._away, self._process.written(), strict=True):
                sent.arrived(written)
            self._away.clear()
        for sent, content in self._waiting:
            sent.arrived(_write(self._pack, content))
        self._waiting.clear()

    def _hand_on(self, process: _Process) -> None:
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


class _Process:
    """A process that has the pack to itself, until it hands it over.

    What it is to write goes through a thread, so that nobody waits for it here.
    """

    def __init__(self, pack: Pack) -> None:
        pack.flush()
        self._fork = Fork(lambda source, target: _write_all(pack, source, target), pack.handle)
        self._queue: SimpleQueue[_Question] = SimpleQueue()
        self._on_the_way = 0
        self._less = Condition()
        self._thread = Thread(target=self._feed, daemon=True)
        self._thread.start()

    def put(self, contents: list[bytes]) -> None:
        """Have it write these, after what was put before."""
        with self._less:
            self._less.wait_for(lambda: self._on_the_way < _MOST)
            self._on_the_way += sum(map(len, contents))
        self._queue.put(contents)

    def written(self) -> list[_Written]:
        """The id and the SHA-256 of each content since this was asked last. Raises GitFailed if one was not written."""
        found: list[_Written] = self._asked(_WRITTEN)
        return found

    def hand_over(self, pack: Pack) -> None:
        """Let the process end, and go on with the pack where it stopped. Raises GitFailed likewise."""
        pack.resume(self._asked(_STATE))
        self.end()

    def end(self) -> None:
        """End it now, whatever it does."""
        self._fork.end()
        self._queue.put(None)
        self._thread.join()
        self._fork.close()

    def _asked(self, question: int) -> Any:
        self._queue.put(question)
        try:
            answer = told(self._fork.of)
        except ProcessEnded:
            raise GitFailed(letters.writer_ended()) from None
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
    written: list[_Written] = []
    problem: GitFailed | None = None
    with suppress(ProcessEnded):
        while True:
            question = told(source)
            try:
                if question == _STATE:
                    pack.flush()
                if problem is None and isinstance(question, list):
                    written += [_write(pack, content) for content in question]
            except GitFailed as found:
                problem = found
            if question == _WRITTEN:
                tell(target, problem or written)
                written = []
            elif question == _STATE:
                tell(target, problem or pack.state)


def _write(pack: Pack, data: bytes) -> _Written:
    return pack.add("blob", data), sha256(data).hexdigest()
