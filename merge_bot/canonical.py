"""Pure. Canonical bytes and digests: one value, one spelling.

UTF-8, keys sorted by code point, one trailing newline. Two-space indent for documents that people review, one
compact line for records of `.jsonl` files. Digests are SHA-256, in lowercase hex.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from hashlib import sha256
from io import BytesIO
from itertools import islice
from sys import byteorder
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from decimal import Decimal

_DOCUMENT = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
_LINE = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
_AT_ONCE = 500


def document(value: Any) -> bytes:
    """`value` as the bytes of a JSON file: sorted, indented by two, one trailing newline."""
    return orjson.dumps(value, option=_DOCUMENT)


def line(value: Any) -> bytes:
    """`value` as one line of a `.jsonl` file, newline included."""
    return orjson.dumps(value, option=_LINE)


def lines(values: Iterable[Any]) -> bytes:
    """`values` as a `.jsonl` file.

    Written some at a time: a list of 100,000 lines, each in a buffer that was cut to its size, once took 400 MB.
    """
    file = BytesIO()
    rest = iter(values)
    while some := [orjson.dumps(one, option=_LINE) for one in islice(rest, _AT_ONCE)]:
        file.write(b"".join(some))
    return file.getvalue()


class Pieces:
    """The content of a large file, `size` bytes, piece by piece: it need never stand in memory whole."""

    def __init__(self, size: int, pieces: Callable[[], Iterator[bytes]]) -> None:
        self._size, self._pieces = size, pieces

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces()

    def __bytes__(self) -> bytes:
        return b"".join(self)


def compact(value: Any) -> bytes:
    """`value` as compact sorted JSON without a newline: what content is compared and hashed by."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def compact_all(values: Iterable[Any]) -> list[bytes]:
    """`compact` of each of many values."""
    return [orjson.dumps(one, option=orjson.OPT_SORT_KEYS) for one in values]


def fields_of(one: Any) -> dict[str, Any]:
    """A dataclass's fields by name. Unlike `dataclasses.asdict` it copies nothing, which matters for large ones."""
    return {field.name: getattr(one, field.name) for field in fields(one)}


def spelled(path: str) -> str:
    """A path as JSON can carry it: bytes that are no UTF-8, which Python keeps as surrogates, become escapes."""
    return path if path.isascii() else path.encode("utf-8", "backslashreplace").decode()


def digest(data: bytes) -> str:
    """SHA-256 of `data` in lowercase hex: a delta's or a manifest's identity."""
    return sha256(data).hexdigest()


KEY_BYTES = 8


def key_bytes(key: str) -> bytes:
    """The first eight bytes of the key's SHA-256: what key files hold, one after the other.

    Eight bytes are a filter, not an identity: on a hit the candidate record is read and compared.
    """
    return sha256(key.encode("utf-8")).digest()[:KEY_BYTES]


def key_hashes(keys: Iterable[bytes]) -> array[int]:
    """`key_hash` of each of many keys, given as UTF-8."""
    return array("Q", b"".join([sha256(key).digest() for key in keys]))[:: 32 // KEY_BYTES]


def key_hash(key: str) -> int:
    """`key_bytes` as the integer that an array over a key file's bytes gives on this machine."""
    return int.from_bytes(key_bytes(key), byteorder)


def exact(number: int | float) -> Decimal | int:
    """A JSON number as the exact decimal that its shortest spelling names (0.1 is 1/10, not the nearest double)."""
    if isinstance(number, int):
        return number
    from decimal import Decimal  # as much as three modules of ours; nearly all numbers are integers

    return Decimal(repr(number))


def as_number(value: Decimal | int) -> int | float | None:
    """An exact decimal back as a JSON number, integral ones as integers; None if JSON readers would lose digits.

    Integers must fit 64 bits (-2^63 … 2^64-1), decimals must survive a round trip through a double.
    """
    if not isinstance(value, int):
        if value != value.to_integral_value():
            nearest = float(value)
            return nearest if exact(nearest) == value else None
        value = int(value)
    return value if -(2**63) <= value < 2**64 else None
