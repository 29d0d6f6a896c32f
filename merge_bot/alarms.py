"""Pure. Alarms: the failures that make no noise of their own, because every run is green and nothing happens.

One table: what is looked at, and how long or how often it may be so (settings, `alarms`; 0 is never).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from merge_bot import alarm_letters as letters
from merge_bot.delta import FILE_NAME, parse_utc
from merge_bot.findings import Outcome
from merge_bot.ledger import FILLS_ITS_SLOT
from merge_bot.manifest import Manifest, read_manifest
from merge_bot.parked import Parked, read_parked
from merge_bot.paths import Paths
from merge_bot.state import Files

if TYPE_CHECKING:
    from merge_bot.settings import Alarms

WINDOW = 50
"""So many frames are looked back upon."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is wrong in silence. `name` is a constant; a message, and what to do."""

    name: str
    message: str
    remedy: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Seen:
    """What alarms are raised by; times in seconds since 1970.

    `oldest` is when the first pending delta was committed, `merged` when a delta last entered the state (or when the
    first frame was made), None: longer ago than was looked. `fallbacks` counts each worker's newest deltas that say
    nothing, back to one that says something. `parked` counts the records that wait by the frame since which they do,
    `since` is when that was. `odd` are files of the inbox whose name or kind nobody understands.
    """

    now: int
    oldest: int | None = None
    merged: int | None = None
    fallbacks: dict[str, int] = field(default_factory=dict)
    parked: Counter[int] = field(default_factory=Counter)
    since: dict[int, int] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)


def seen(files: Files, paths: Paths, manifest: Manifest, now: int, oldest: int | None, odd: Iterable[str]) -> Seen:
    """What there is to see after the frame of `manifest`. Raises UnreadableState."""
    found = Seen(now, oldest, odd=sorted(odd))
    found.parked = Counter(one.since for one in read_parked(files, paths))
    found.since = {number: _time(read_manifest(files, paths, number)) for number in found.parked}
    speaks: set[str] = set()
    for number, one in enumerate(_back(files, paths, manifest)):
        if number == WINDOW:
            return found
        rows = [row for row in one.deltas if "stream_id" in row]
        if found.merged is None and (one.previous is None or any(row["outcome"] in FILLS_ITS_SLOT for row in rows)):
            found.merged = _time(one)
        speaks |= {row["stream_id"] for row in rows if row["outcome"] in FILLS_ITS_SLOT}
        for row in rows:
            if row["outcome"] == Outcome.FALLBACK and row["stream_id"] not in speaks:
                found.fallbacks[row["stream_id"]] = found.fallbacks.get(row["stream_id"], 0) + 1
    return found


def after(found: Seen, manifest: Manifest, parked: Iterable[Parked]) -> None:
    """What a further frame, just merged, has changed."""
    rows = [row for row in manifest.deltas if "stream_id" in row]
    for row in rows:
        if row["outcome"] == Outcome.FALLBACK:
            found.fallbacks[row["stream_id"]] = found.fallbacks.get(row["stream_id"], 0) + 1
    for row in rows:
        if row["outcome"] in FILLS_ITS_SLOT:
            found.fallbacks.pop(row["stream_id"], None)
            found.merged = _time(manifest)
    found.parked = Counter(one.since for one in parked)
    found.since[manifest.frame] = _time(manifest)


def is_odd(path: str) -> bool:
    """Whether the name of a file in the inbox tells nobody what it is."""
    return FILE_NAME.match(path.rpartition("/")[2]) is None


def raised(found: Seen, limits: Alarms) -> list[Alarm]:
    """The alarms that there are, in the order of the table."""
    return [alarm for look in _TABLE.values() for alarm in look(found, limits)]


def _pending(found: Seen, limits: Alarms) -> Iterator[Alarm]:
    waits = found.now - found.oldest if found.oldest is not None else 0
    if limits.pending_seconds and waits > limits.pending_seconds:
        yield Alarm("pending", *letters.pending(waits, limits.pending_seconds))


def _silent(found: Seen, limits: Alarms) -> Iterator[Alarm]:
    if limits.silent_seconds and (found.merged is None or found.now - found.merged > limits.silent_seconds):
        yield Alarm("silent", *letters.silent(None if found.merged is None else found.now - found.merged, WINDOW))


def _fallbacks(found: Seen, limits: Alarms) -> Iterator[Alarm]:
    if limits.fallbacks:
        many = {name: count for name, count in sorted(found.fallbacks.items()) if count >= limits.fallbacks}
        if many:
            yield Alarm("fallbacks", *letters.fallbacks(many))


def _parked(found: Seen, limits: Alarms) -> Iterator[Alarm]:
    if limits.parked_seconds:
        old = [one for one in found.parked if found.now - found.since.get(one, found.now) > limits.parked_seconds]
        if old:
            count = sum(found.parked[one] for one in old)
            yield Alarm("parked", *letters.parked(count, min(old), found.now - found.since[min(old)]))


def _odd(found: Seen, limits: Alarms) -> Iterator[Alarm]:
    if limits.odd_files and found.odd:
        yield Alarm("odd-files", *letters.odd_files(found.odd))


_TABLE: dict[str, Callable[[Seen, Alarms], Iterator[Alarm]]] = {
    "pending-seconds": _pending,
    "silent-seconds": _silent,
    "fallbacks": _fallbacks,
    "parked-seconds": _parked,
    "odd-files": _odd,
}


def _back(files: Files, paths: Paths, manifest: Manifest) -> Iterator[Manifest]:
    """The manifests from this one back to the first."""
    while True:
        yield manifest
        if manifest.previous is None:
            return
        manifest = read_manifest(files, paths, manifest.frame - 1, manifest.previous)


def _time(manifest: Manifest) -> int:
    return (parse_utc(manifest.time) or 0) // 1_000_000
