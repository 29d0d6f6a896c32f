"""Pure. Who works on what: keys split over workers by rendezvous hashing, the same everywhere, and nobody is asked.

A key belongs to the worker whose SHA-256 of `worker`, a line feed and `key` (UTF-8) is the greatest. A worker that
joins takes its share from all others, one that leaves gives its own to all others, and nothing else moves. The
collection does not enter, so what goes by the same key in several collections goes to the same worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from merge_bot.delta import STREAM_ID


def numbered(count: int) -> list[str]:
    """The names of so many workers: w1, w2, …"""
    return [f"w{number}" for number in range(1, count + 1)]


def fault(workers: Sequence[str]) -> str | None:
    """What is wrong with these names of workers; None if nothing is."""
    seen: set[str] = set()
    for one in workers:
        if not STREAM_ID.fullmatch(one):
            return f"{one!r} is no name of a worker: letters, digits, '_' and '-', 64 at most, a letter or digit first."
        if one.lower() in seen:
            return f"{one!r} is named twice (names that differ only in case are one)."
        seen.add(one.lower())
    return None


def assigned(keys: Iterable[str], workers: Iterable[str]) -> dict[str, list[str]]:
    """The sorted keys of each worker, by worker in the given order; every key is someone's, once."""
    shares: dict[str, list[str]] = {worker: [] for worker in workers}
    owner = owner_among(shares)
    for key in sorted(set(keys)):
        shares[owner(key)].append(key)
    return shares


def owner_among(workers: Iterable[str]) -> Callable[[str], str]:
    """Tells whose a key is among these workers, of which there is at least one."""
    begun = [(sha256(f"{worker}\n".encode()), worker) for worker in sorted(workers)]

    def owner(key: str) -> str:
        data, best, found = key.encode(), b"", ""
        for start, worker in begun:
            digest = start.copy()
            digest.update(data)
            if (score := digest.digest()) > best:
                best, found = score, worker
        return found

    return owner
