"""Pure. What a name was meant to be: the nearest of the names that would have been right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_LONGEST = 64


def nearest(word: str, choices: Iterable[str], also: Mapping[str, Iterable[str]] | None = None) -> str | None:
    """The choice that `word` most likely stands for, None if none is near.

    `also` gives a choice further names that count as it: `author` may be meant by what is near `agents`.
    """
    from difflib import get_close_matches  # 6 ms to import, and only mistakes need it

    known = list(choices)
    stands_for = {_plain(name): one for one in reversed(known) for name in (*(also or {}).get(one, ()), one)}
    wanted = _plain(word)
    near: list[str] = get_close_matches(wanted, stands_for, n=1, cutoff=0.7)
    if near:
        return stands_for[near[0]]
    words = set(wanted.split("_"))
    parts = {one: set(_plain(one).split("_")) for one in known}
    inside = [one for one, its in parts.items() if words <= its or its <= words]
    return inside[0] if len(inside) == 1 else None


def _plain(word: str) -> str:
    return word[:_LONGEST].lower().replace("-", "_").replace(" ", "_").strip("_")
