"""Pure. Conflicts as a workshop: a person, or a policy of the user's own, says which value an open conflict comes to.

A resolution is a write that settles its field for its frame and all before: whatever was written there loses to it,
also what comes late. Later frames' writes go on from it.
"""

from __future__ import annotations

from typing import Any

from merge_bot import conflict_letters as letters
from merge_bot.collection import Collection
from merge_bot.conflicts import WHOLE_RECORD, Conflicts
from merge_bot.control import Decision, Office, applied, refused
from merge_bot.delta import Operation, Request
from merge_bot.findings import Reason, Recover
from merge_bot.records import record_of


def resolve(office: Office, request: Request) -> Decision:
    """Set the field of an open conflict to a value, and close it; of two records under one key, keep the first."""
    asked = request.content
    collection, key, name = str(asked["collection"]), str(asked["key"]), str(asked["field"])
    if office.conflicts is None:
        office.conflicts = Conflicts.read(office.files, office.paths)
    entry = office.conflicts.get(collection, key, name)
    if entry is None or entry["frame"] != asked["frame"]:
        frame = entry["frame"] if entry else None
        why = letters.no_open_conflict(collection, key, name, int(asked["frame"]), frame)
        return refused(request, Reason.NO_OPEN_CONFLICT, Recover.REFETCH_AND_RECOMPUTE, why)
    if (collection, key, name) in office.resolved:
        return refused(request, Reason.DECIDED_BEFORE, Recover.NONE, letters.resolved_already())
    done = _kept(request) if name == WHOLE_RECORD else _set(office, request)
    if isinstance(done, Decision):
        return done
    office.resolved[collection, key, name] = done
    about = {"collection": collection, "key": key, "field": name}
    value = asked["value"] if "value" in asked else entry["value"]
    return applied(request, Reason.RESOLVED, about, {**about, "value": value})


def _kept(request: Request) -> Decision | None:
    """Of two records under one key the first stays; that can only be confirmed."""
    if "value" not in request.content:
        return None
    return refused(request, Reason.CANNOT_BE_SET, Recover.ASK_OPERATOR, letters.record_stays())


def _set(office: Office, request: Request) -> Decision | Operation:
    """The write that a resolution is."""
    asked = request.content
    collection, key, name = str(asked["collection"]), str(asked["key"]), str(asked["field"])
    rules = office.rules.collections.get(collection)
    if "value" not in asked:
        return refused(request, Reason.CANNOT_BE_SET, Recover.RESUBMIT, letters.no_value(name))
    if rules is None or not rules.is_overwritten(name):
        return refused(request, Reason.CANNOT_BE_SET, Recover.FIX_SCHEMA, letters.not_overwritten(collection, name))
    record = {**_key_fields(office, rules, key), name: asked["value"]}
    if rules.key_of(record) != key or not office.rules.operand(collection).is_valid(record):
        return refused(request, Reason.CANNOT_BE_SET, Recover.RESUBMIT, letters.does_not_fit(collection, name))
    return Operation(request.origin, request.index, collection, request.pointer, record, resolves=True)


def _key_fields(office: Office, rules: Collection, key: str) -> dict[str, Any]:
    """The fields of the entity's key, as it has them."""
    entity = record_of(office.files, office.paths, rules, key) or {}
    return {part.name: entity[part.name] for part in rules.key if part.name in entity}


def operations(office: Office) -> list[Operation]:
    """The writes of everything that was resolved, for the merge."""
    return [one for one in office.resolved.values() if one is not None]


def confirmed(office: Office) -> list[tuple[str, str, str]]:
    """Collection, key and field of the conflicts that are closed without a write."""
    return [place for place, one in office.resolved.items() if one is None]
