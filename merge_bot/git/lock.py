"""A lock between processes that vanishes with its holder, so that no crash leaves it behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator


class Lock:
    """An advisory lock on a file. May be taken again by who has it."""

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._handle: int | None = None
        self._depth = 0

    @property
    def handles(self) -> tuple[int, ...]:
        """What a child process inherits to hold the lock too, until it ends: it may outlive a killed parent."""
        return () if self._handle is None else (self._handle,)

    def acquire(self, wait: bool = True) -> bool:
        """Take the lock; False if another process has it and `wait` is off."""
        if self._handle is None:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BaseException as problem:
                os.close(handle)
                if isinstance(problem, BlockingIOError):
                    return False
                raise
            self._handle = handle
        self._depth += 1
        return True

    def release(self) -> None:
        """Give back what one `acquire` took."""
        if self._handle is not None:
            self._depth -= 1
            if self._depth == 0:
                os.close(self._handle)
                self._handle = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()
