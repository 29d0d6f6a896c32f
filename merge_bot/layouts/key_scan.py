"""Pure. Which of some hashes are among very many: asked of each key file, by every frame.

Where few are asked for, most of what is there can be told from them by a few bytes. So the first bytes of all hashes
are looked at together, then the second ones, and so on, each time all at once; what is left is compared. That is three
times as fast as comparing every hash (a million: 7 ms instead of 24).
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Set

from merge_bot.canonical import KEY_BYTES

FEW = 512  # hashes; of more, too many bytes are like one of theirs
_GROUPS = 8  # as many as a byte has bits
_LOOKS = 4  # bytes of each hash that are looked at
_ANY = re.compile(rb"[^\0]")


class Scan:
    """Looks for the hashes in `probe`."""

    def __init__(self, probe: Set[int]) -> None:
        self._probe = {*probe}
        self._tables: list[bytes] = []
        if len(probe) <= FEW:
            self._tables = _tables(sorted(one.to_bytes(KEY_BYTES, sys.byteorder) for one in probe))

    def among(self, hashes: array[int]) -> set[int]:
        """Those that are among `hashes`."""
        if not self._tables:
            return self._probe.intersection(hashes)
        data, left = hashes.tobytes(), -1
        for place, groups in enumerate(self._tables):
            left &= int.from_bytes(data[place::KEY_BYTES].translate(groups), "little")
        likely = _ANY.finditer(left.to_bytes(len(hashes), "little"))
        return self._probe.intersection([hashes[one.start()] for one in likely])


def _tables(wanted: list[bytes]) -> list[bytes]:
    """For each place that is looked at, by byte: the groups (a bit each) with a hash that has this byte there."""
    tables = [bytearray(256) for _ in range(_LOOKS)]
    for at, one in enumerate(wanted):
        group = 1 << at * _GROUPS // len(wanted)
        for place, table in enumerate(tables):
            table[one[place]] |= group
    return list(map(bytes, tables))
