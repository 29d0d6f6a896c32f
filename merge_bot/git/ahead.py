"""Contents of files go to git ahead of the commit that will hold them, beside the work that decides the rest.

Git compresses and hashes a large frame about as long as the merge computes it. So the one `git fast-import` that will
make the commit starts early and takes contents from a thread. Until the commit, nothing refers to them.
"""

from __future__ import annotations

import contextlib
from queue import SimpleQueue
from threading import Thread

from merge_bot.git.process import Running
from merge_bot.tree import object_id


class Ahead:
    """Sends contents to a fast-import."""

    def __init__(self, process: Running, object_format: str) -> None:
        self._process, self._object_format = process, object_format
        self._queue: SimpleQueue[tuple[str, bytes] | None] = SimpleQueue()
        self._sent: dict[str, tuple[bytes, str]] = {}
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def send(self, path: str, data: bytes) -> None:
        """Give git what will lie at a path. Does not wait."""
        self._queue.put((path, data))

    def finish(self) -> Running:
        """Wait until git has taken everything. The process is the caller's from now on."""
        self._queue.put(None)
        self._thread.join()
        return self._process

    def found(self, path: str, data: bytes) -> str | None:
        """The id of just these bytes, if they were sent for this path; asked after `finish`."""
        sent, found = self._sent.get(path, (None, None))
        return found if sent is data else None

    def _work(self) -> None:
        # A process that is gone is noticed, with its own words, by whoever writes to it next.
        with contextlib.suppress(BrokenPipeError):
            for path, data in iter(self._queue.get, None):
                self._process.stdin.write(b"blob\ndata %d\n" % len(data))
                self._process.stdin.write(data)
                self._process.stdin.write(b"\n")
                self._sent[path] = (data, object_id("blob", data, self._object_format))
