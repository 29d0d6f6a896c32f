"""Pure. Enrolment: with `listed`, the settings say who may write, and where to. Operators may always decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from merge_bot import control_letters as letters
from merge_bot.collection import Collections
from merge_bot.delta import Delta
from merge_bot.errors import SettingsError
from merge_bot.findings import Problem, Reason
from merge_bot.guess import nearest

if TYPE_CHECKING:
    from merge_bot.settings import Settings

EVERYTHING = "*"


class Enrolment:
    """Who is on the list. Without settings, or with open enrolment, everybody is.

    Raises SettingsError if the list names a collection that there is not.
    """

    def __init__(self, collections: Collections, settings: Settings | None) -> None:
        self._collections = collections
        self._listed = settings is not None and settings.enrolment == "listed"
        self._workers = settings.workers if settings else {}
        self._operators = (*settings.operators, settings.policy_step.stream) if settings else ()
        for worker, names in self._workers.items():
            for name in names:
                if name != EVERYTHING and name not in collections:
                    raise SettingsError(letters.setting_no_collection(worker, name, nearest(name, collections)))

    def problems(self, delta: Delta) -> Iterator[Problem]:
        """Why a delta's worker may not write it; nothing if it may."""
        allowed = self._workers.get(delta.stream_id)
        if not self._listed or EVERYTHING in (allowed or ()):
            return
        path, name = delta.candidate.path, delta.stream_id
        if allowed is None and name not in self._operators:
            yield Problem(path, 0, "/stream_id", Reason.NOT_ENROLLED, *letters.not_enrolled(name))
            return
        may = tuple(allowed or ())
        for one in sorted(collection for collection, operations in delta.operations.items() if operations):
            if one not in may:
                key = delta.operations[one][0].pointer.split("/")[1]
                letter = letters.collection_not_allowed(name, one, may)
                yield Problem(path, 0, f"/{key}", Reason.COLLECTION_NOT_ALLOWED, *letter)
