"""Removing the inbox files that were merged, while workers may be writing the next ones under the same names.

A look and then a removal could hit a file that a worker put there in between. So a file is renamed aside first,
which takes exactly one version, then compared; a version that was not merged goes back, and never over a newer one.
"""

from __future__ import annotations

import hashlib
import itertools
import os

from merge_bot.git import files
from merge_bot.git.scan import Unsettled, entry_of


def take_away(place: bytes, blob: str, object_format: str) -> None:
    """Remove the file or link at `place` if it holds what blob id `blob` names; leave anything else there."""
    aside = aside_of(place)
    settle(place, blob, object_format)
    if _holds(place, object_format) != blob or not files.rename(place, aside):
        return
    settle(place, blob, object_format)


def settle(place: bytes, blob: str, object_format: str) -> None:
    """Decide about a file that was renamed aside, by this run or by one that was killed."""
    aside = aside_of(place)
    if files.look(aside) is None:
        return
    held = _holds(aside, object_format)
    if held != blob:
        target = place
        for number in itertools.count():
            if files.give_back(aside, target) or (number and _holds(target, object_format) == held):
                break
            target = _spare(place, held, number)
    files.remove(aside)


def aside_of(place: bytes) -> bytes:
    """Where a file waits for the decision: beside it, under a name that scans of the inbox pass over."""
    folder, name = os.path.split(place)
    return os.path.join(folder, b".%s.aside.tmp" % hashlib.sha256(name).hexdigest()[:32].encode())


def _spare(place: bytes, held: str | None, number: int) -> bytes:
    """frame-405-w1.json becomes frame-405-w1.<id>.json: a name that the inbox takes as another file of its writer."""
    folder, name = os.path.split(place)
    stem, ending = os.path.splitext(name)
    mark = (held or "unread")[:12] + (f"-{number}" if number else "")
    return os.path.join(folder, b"%s.%s%s" % (stem[:180], mark.encode(), ending[:20]))


def _holds(place: bytes, object_format: str) -> str | None:
    """The blob id of what lies there; None for nothing, for what is no file, and for what cannot be read now."""
    try:
        entry = entry_of(place, object_format)
    except (Unsettled, PermissionError):
        return None
    return entry.id if entry else None
