"""Pure. append. Law: new = old ++ the new records, one per natural key, in the order of their rank.

Tie-break: the same content under one key is a duplicate; different content is a conflict, the first kept (what is
already in the state came first), the other recorded whole. Operations: whole records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from merge_bot.canonical import compact
from merge_bot.collection import Collection
from merge_bot.conflicts import WHOLE_RECORD, Conflicts, candidate
from merge_bot.delta import Operation, Origin
from merge_bot.findings import Outcome, Reason, Recover
from merge_bot.strategies.base import Ground, Loss


class Append:
    """One record per key; the first stays."""

    def fold(self, rules: Collection, operations: Sequence[Operation], ground: Ground) -> list[Loss]:
        keys = [rules.key_of(operation.record) or "" for operation in operations]
        taken: dict[str, tuple[Origin | None, Any]] = {
            key: (None, record) for key, record in ground.store.records(set(keys)).items()
        }
        added: list[tuple[str, Any]] = []
        refused: dict[str, list[Operation]] = {}
        losses: list[Loss] = []
        for key, operation in zip(keys, operations, strict=True):
            if key not in taken:
                taken[key] = (operation.origin, operation.record)
                added.append((key, operation.record))
                continue
            first, kept = taken[key]
            if compact(kept) == compact(operation.record):
                losses.append(Loss(operation, Outcome.DUPLICATE, Reason.SAME_RECORD, detail={"key": key}))
            else:
                losses.append(_conflict(key, operation, first, kept))
                refused.setdefault(key, []).append(operation)
        for key, ones in refused.items():
            _open(ground.conflicts, rules.name, key, taken[key], ones)
        ground.store.append(added)
        return losses


def _open(
    conflicts: Conflicts, collection: str, key: str, kept: tuple[Origin | None, Any], refused: Sequence[Operation]
) -> None:
    """Record what was refused under one key, beside what an earlier frame refused."""
    first, value = kept
    old = conflicts.get(collection, key, WHOLE_RECORD)
    known = [candidate(first, value)] if first else []
    entry = {
        "frame": old["frame"] if old else refused[0].origin.frame,
        "policy": "first",
        "value": value,
        "candidates": [*known, *(candidate(one.origin, one.record) for one in refused)],
    }
    conflicts.open(collection, key, WHOLE_RECORD, entry)


def _conflict(key: str, operation: Operation, first: Origin | None, kept: Any) -> Loss:
    detail = {"key": key, "kept": kept, "refused": operation.record}
    if first:
        detail["kept_from"] = first.stream_id
    return Loss(operation, Outcome.CONFLICT, Reason.SAME_KEY_OTHER_CONTENT, Recover.REFETCH_AND_RECOMPUTE, detail)
