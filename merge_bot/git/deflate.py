"""How objects are compressed. isa-l takes a fifth of zlib's time, to make small and to make large again; it is loaded
where there is much of either.
"""

from __future__ import annotations

import sys
import zlib
from contextlib import suppress
from typing import Any

_LARGE = 1 << 16  # bytes from which a quicker library is worth loading


def quicken() -> None:
    """Load the quicker library: there will be much."""
    with suppress(ImportError):  # there is no build of it for every machine
        import isal.isal_zlib  # noqa: F401


def compressed(data: bytes) -> bytes:
    """By zlib's first level, a third of the default's time and a tenth larger; or by isa-l, a little smaller. What that
    does not make smaller, such as hashes, is stored as it is, and read seven times as fast.
    """
    if len(data) >= _LARGE:
        quicken()
    quick = _quick()
    if quick is None:
        return zlib.compress(data, 1)
    packed: bytes = quick.compress(data, 2)
    return packed if len(packed) < len(data) else zlib.compress(data, 0)


def compressor() -> Any:
    """What compresses a large content piece by piece: see `zlib.compressobj`."""
    quicken()
    quick = _quick()
    return zlib.compressobj(1) if quick is None else quick.compressobj(2)


def inflated(pieces: Any, size: int) -> bytes | None:
    """What the stream in these pieces holds, if it is whole, sound, and `size` bytes long."""
    library: Any = _quick() or zlib
    stream, found = library.decompressobj(), []
    left = size + 1
    try:
        for piece in pieces:
            found.append(stream.decompress(piece, left))
            left -= len(found[-1])
            if stream.eof or left <= 0:
                break
    except library.error:
        return None
    return b"".join(found) if stream.eof and left == 1 else None


def _quick() -> Any:
    return sys.modules.get("isal.isal_zlib")
