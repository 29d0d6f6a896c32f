"""Contents of files are written ahead of the commit that will hold them, beside the work that decides the rest.

Compressing the few large files of a frame takes about as long as computing what comes after them, and needs another
core, not the interpreter. Until the commit nothing refers to what was written.
"""

from __future__ import annotations

from hashlib import sha256
from queue import SimpleQueue
from threading import Event, Thread

from merge_bot.git.pack import Pack
from merge_bot.tree import FILE, Entry

_LARGE = 1 << 17  # for a smaller file, waking the other thread costs more than it does
_MOST_WAITING = 1 << 25  # bytes that wait for the other thread


class Sent:
    """A file's content that is on its way into the repository, and no longer held here."""

    __slots__ = ("_ahead", "_data", "_entry", "_sha256")

    def __init__(self, ahead: Ahead, data: bytes) -> None:
        self._ahead, self._data = ahead, data
        self._entry: Entry | None = None
        self._sha256 = ""

    @property
    def entry(self) -> Entry:
        """What the file is in a tree. Waits until it is written."""
        self._ahead.wait(self._entry)
        assert self._entry is not None
        return self._entry

    @property
    def sha256(self) -> str:
        """The digest of the content, in hex. Waits likewise."""
        self._ahead.wait(self._entry)
        return self._sha256

    def write(self, pack: Pack) -> int:
        """Into the pack; how many bytes it was."""
        data, self._data = self._data, b""
        self._sha256 = sha256(data).hexdigest()
        self._entry = Entry(FILE, pack.add("blob", data))
        return len(data)


class Ahead:
    """Writes contents into a pack."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._queue: SimpleQueue[Sent | Event | None] = SimpleQueue()
        self._waiting = 0
        self._problem: BaseException | None = None
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def send(self, data: bytes) -> Sent:
        """Take the content of a file of the next commit."""
        sent = Sent(self, data)
        if len(data) < _LARGE:
            sent.write(self._pack)
            return sent
        if self._waiting > _MOST_WAITING:
            self.wait(None)
        self._waiting += len(data)
        self._queue.put(sent)
        return sent

    def wait(self, found: object) -> None:
        """Until what was sent so far is written; at once if what is asked for is `found`. Raises what went wrong."""
        if found is None:
            written = Event()
            self._queue.put(written)
            written.wait()
            self._waiting = 0
            if self._problem is not None:
                raise self._problem

    def finish(self) -> Pack:
        """Everything is written; the pack is the caller's from now on. Raises what went wrong."""
        self._queue.put(None)
        self._thread.join()
        if self._problem is not None:
            self._pack.discard()
            raise self._problem
        return self._pack

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, Event):
                item.set()
            elif self._problem is None:
                try:
                    item.write(self._pack)
                except BaseException as problem:
                    self._problem = problem
