"""Pure. The patterns of a workflow's `paths` and `branches`, matched without going back, whatever they hold.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\[[^\]]+\]|\\.|.", re.DOTALL)
_MAX = 1000  # characters of a pattern; a longer one matches nothing


class _Part(NamedTuple):
    """Characters that fit, whether none may stand there, and whether many may."""

    fits: Callable[[str], bool]
    none: bool = False
    many: bool = False


def accepts(patterns: Sequence[str], text: str) -> bool:
    """Whether the list lets `text` through: the last pattern that fits decides, and `!` takes back."""
    accepted = False
    for pattern in patterns:
        if matches(pattern.removeprefix("!"), text):
            accepted = not pattern.startswith("!")
    return accepted


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern fits the whole of `text`."""
    if len(pattern) > _MAX:
        return False
    parts = _parts(pattern)
    at = _skipped({0}, parts)
    for character in text:
        after = set()
        for one in at:
            if one < len(parts) and parts[one].fits(character):
                after |= {one + 1, one} if parts[one].many else {one + 1}
        at = _skipped(after, parts)
    return len(parts) in at


def _skipped(at: set[int], parts: Sequence[_Part]) -> set[int]:
    reached = set(at)
    for one in range(len(parts)):
        if one in reached and parts[one].none:
            reached.add(one + 1)
    return reached


def _parts(pattern: str) -> list[_Part]:
    parts: list[_Part] = []
    for token in _TOKEN.findall(pattern):
        if token in ("**", "**/"):
            parts.append(_Part(lambda _: True, none=True, many=True))
        elif token == "*":
            parts.append(_Part(lambda one: one != "/", none=True, many=True))
        elif token in ("?", "+") and parts:
            parts[-1] = parts[-1]._replace(none=token == "?" or parts[-1].none, many=token == "+" or parts[-1].many)
        elif len(token) > 1 and token[0] == "[":
            parts.append(_Part(_one_of(token[1:-1])))
        else:
            parts.append(_Part(token[-1].__eq__))
    return parts


def _one_of(inside: str) -> Callable[[str], bool]:
    """Characters and ranges: `a-z0-9_`."""
    found = re.findall(r"(.)-(.)|(.)", inside, re.DOTALL)
    return lambda one: any(low <= one <= high if low else one == single for low, high, single in found)
