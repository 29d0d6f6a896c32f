"""Our own operations on files, each tiny and each here, so that a test can stop the program at every one of them.

Paths are bytes: what git stores and what the file system stores need not be text.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

BUFFER = 1 << 18
"""Bytes that a file or a pipe takes before the system is asked: of thousands of small contents each would be a call."""


def look(path: bytes) -> os.stat_result | None:
    """What lies at a path, links not followed; None if nothing does."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def entries(folder: bytes) -> list[bytes]:
    """The names in a folder, sorted; none if it is gone."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def open_regular(path: bytes) -> BinaryIO | None:
    """A regular file to read; None if it is gone or is something else.

    O_NONBLOCK, because a file may be swapped for a FIFO after it was looked at, and opening one would wait forever.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    return os.fdopen(handle, "rb", buffering=0)


def pieces(file: BinaryIO, size: int = 1 << 20) -> Iterator[bytes]:
    """What is left of a file, piece by piece."""
    while piece := file.read(size):
        yield piece


def read_link(path: bytes) -> bytes | None:
    """The text of a symbolic link; None if it is gone or is something else."""
    try:
        return os.readlink(path)
    except OSError:
        return None


def read(path: bytes) -> bytes | None:
    """The content of a file of ours; None if it is gone."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def replace(path: bytes, data: bytes) -> None:
    """A file of ours with this content, whole or not at all."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_durably(path + b".tmp", data)
    rename(path + b".tmp", path)


def write_durably(path: bytes, data: bytes) -> None:
    """A file with this content, on the disk when this returns."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def rename(source: bytes, target: bytes) -> bool:
    """Move a file over another; False if it is gone."""
    try:
        os.rename(source, target)
    except FileNotFoundError:
        return False
    return True


def give_back(source: bytes, target: bytes) -> bool:
    """Put a file at a place where nothing lies; False if something does. The source may stay, as a second name."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # it is taken, or a file system has no hard links: then all that is left is to look first
        return look(target) is None and rename(source, target)
    return True


def remove(path: bytes) -> None:
    """Remove a file; nothing happens if it is gone."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def create(path: bytes) -> BinaryIO:
    """A new file of ours, open for writing and reading; its folder is made if it is missing."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return open(path, "x+b", buffering=BUFFER)


def settle(file: BinaryIO, path: bytes, target: bytes) -> None:
    """Close a file that was created, and give it its name, on the disk when this returns. Nobody writes to it again."""
    with file:
        file.flush()
        os.fchmod(file.fileno(), 0o444)
        os.fsync(file.fileno())
    os.rename(path, target)  # and not `rename`: where the file is gone, what it holds must not be taken for written
    folder = os.open(os.path.dirname(target), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
