"""Pure. append. Law: new = old ++ the new records, one per natural key, in the order of their rank.

Tie-break: the same content under one key is a duplicate; different content is a conflict, the first kept (what is
already in the state came first), the other recorded whole. Operations: whole records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from merge_bot.canonical import compact
from merge_bot.collection import Collection
from merge_bot.conflicts import WHOLE_RECORD, candidate
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
        losses: list[Loss] = []
        for key, operation in zip(keys, operations, strict=True):
            if key not in taken:
                taken[key] = (operation.origin, operation.record)
                added.append((key, operation.record))
                continue
            first, kept = taken[key]
            if compact(kept) == compact(operation.record):
                losses.append(Loss(operation, Outcome.DUPLICATE, Reason.SAME_RECORD, detail={"key": key}))
                continue
            losses.append(_conflict(key, operation, first, kept))
            candidates = [candidate(first, kept)] if first else []
            entry = {"frame": operation.origin.frame, "policy": "first", "value": kept}
            old = ground.conflicts.get(rules.name, key, WHOLE_RECORD)
            if old:
                candidates = old["candidates"]
                entry["frame"] = old["frame"]
            entry["candidates"] = [*candidates, candidate(operation.origin, operation.record)]
            ground.conflicts.open(rules.name, key, WHOLE_RECORD, entry)
        ground.store.append(added)
        return losses


def _conflict(key: str, operation: Operation, first: Origin | None, kept: Any) -> Loss:
    detail = {"key": key, "kept": kept, "refused": operation.record}
    if first:
        detail["kept_from"] = first.stream_id
    return Loss(operation, Outcome.CONFLICT, Reason.SAME_KEY_OTHER_CONTENT, Recover.REFETCH_AND_RECOMPUTE, detail)
