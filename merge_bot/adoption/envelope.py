"""Pure. How the deltas call what every delta says: its frame, its stream, its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from merge_bot.adoption.evidence import Document
from merge_bot.delta import FILE_NAME, parse_utc


def aliases(deltas: Sequence[Document], known: Mapping[str, str]) -> dict[str, str]:
    """Other names of envelope keys that no delta has under their own name: {"completed_at": "utc"}."""
    found: dict[str, str] = {}
    for target, fits in _FITS.items():
        if not deltas or target in known.values() or any(target in one.value for one in deltas):
            continue
        common = set.intersection(*({*one.value} for one in deltas))
        ways = sorted(key for key in common - found.keys() if all(fits(one, one.value[key]) for one in deltas))
        if ways:
            found[ways[0]] = target
    return found


def _is_frame(delta: Document, value: Any) -> bool:
    named = FILE_NAME.match(delta.path.rpartition("/")[2])
    return named is not None and type(value) is int and value == int(named["frame"])


def _is_stream(delta: Document, value: Any) -> bool:
    named = FILE_NAME.match(delta.path.rpartition("/")[2])
    return named is not None and value == named["stream_id"]


def _is_time(delta: Document, value: Any) -> bool:
    return isinstance(value, str) and parse_utc(value) is not None


_FITS: Mapping[str, Callable[[Document, Any], bool]] = {"frame": _is_frame, "stream_id": _is_stream, "utc": _is_time}
