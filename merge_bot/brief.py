"""A process that ends soon. Garbage is looked for seldom, which took a seventh of a small merge, and at the end nothing
is let go of piece by piece, which took 40 ms after a frame of 200,000 records: the system takes it all at once.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

_SELDOM = 100_000  # objects: importing alone makes tens of thousands, and hardly any garbage

_kept: list[object] | None = None


@contextmanager
def brief() -> Iterator[None]:
    """In here the process is one that ends with this."""
    global _kept
    gc.set_threshold(_SELDOM)
    _kept = []
    try:
        yield
    finally:
        _kept = None
        gc.freeze()


def keep(*ones: object) -> None:
    """Hold these until the process ends, if it is a brief one, and do not look for garbage among them."""
    if _kept is not None:
        _kept.extend(ones)
        gc.freeze()


def end(code: int) -> NoReturn:
    """End the process, once it is heard out. Nothing registered for its end is called; nothing of ours is."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or nobody reads it any more
            stream.flush()
    os._exit(code)
