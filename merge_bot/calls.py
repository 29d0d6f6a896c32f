"""Pure. A worker's calls: which collection is meant, and what is said of an operation that cannot be taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merge_bot import worker_letters
from merge_bot.collection import Collection, Collections
from merge_bot.errors import DeltaRejected
from merge_bot.findings import Problem, Reason
from merge_bot.guess import nearest
from merge_bot.messages import Letter
from merge_bot.strict_json import pointer
from merge_bot.wording import place


def find(known: Collections, call: str, strategy: str, name: Any) -> tuple[Collection, str]:
    """The collection called `name`, itself or by a delta key of it, and the key to write under."""
    found = (known.get(name) or known.by_delta_key.get(name)) if isinstance(name, str) else None
    if found is None:
        also = {one: known[one].delta_keys for one in known}
        near = nearest(name, known, also) if isinstance(name, str) else None
        raise refused(call, Reason.UNKNOWN_KEY, worker_letters.unknown_collection(name, near, known))
    if found.strategy != strategy:
        raise refused(call, Reason.SCHEMA_VIOLATION, worker_letters.other_verb(found.name, found.strategy))
    return found, name if name in found.delta_keys else found.delta_keys[0]


def joined(call: str, record: Any, fields: dict[str, Any]) -> Any:
    """What was given as a dict and what by name, as one record."""
    if record is None:
        return fields
    if not isinstance(record, Mapping):
        return record  # validation says what should stand here
    if twice := record.keys() & fields.keys():
        raise refused(call, Reason.DUPLICATE_KEY, worker_letters.given_twice(sorted(twice)))
    return {**record, **fields}


def inside(problem: Problem, call: str, at: tuple[str | int, ...]) -> Problem:
    """A problem of the delta that was made for one operation, as one of that operation."""
    message = problem.message.removeprefix(place(at)).removeprefix(".").removeprefix(": ")
    return problem._replace(file=call, pointer=problem.pointer.removeprefix(pointer(*at)), message=message)


def refused(call: str, reason: Reason, letter: Letter, where: str = "") -> DeltaRejected:
    """The exception for one thing that is wrong with a call; `where` is its place inside of the operation."""
    problem = Problem(call, 0, where, reason, *letter)
    return DeltaRejected(worker_letters.rejected(worker_letters.one_call(call), [problem]), [problem])
