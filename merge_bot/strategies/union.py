"""Pure. union. Law: new = old ∪ added; a member is its whole content, and a set holds it once.

Kept sorted by canonical bytes, so that the order of arrival leaves no trace. Operations: whole members.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from merge_bot.canonical import compact
from merge_bot.collection import Collection
from merge_bot.delta import Operation
from merge_bot.findings import Outcome, Reason
from merge_bot.layouts.base import WHOLE
from merge_bot.strategies.base import Ground, Loss


def united(old: Iterable[Any], added: Iterable[Any]) -> list[Any]:
    """The members of both, once each, sorted by their canonical bytes."""
    members = {compact(one): one for one in old}
    for one in added:
        members.setdefault(compact(one), one)
    return [members[content] for content in sorted(members)]


class Union:
    """Sets that grow."""

    def fold(self, rules: Collection, operations: Sequence[Operation], ground: Ground) -> list[Loss]:
        by_key: dict[str, list[Operation]] = {}
        for operation in operations:
            key = WHOLE if rules.layout == "file" else rules.key_of(operation.record) or ""
            by_key.setdefault(key, []).append(operation)
        sets = ground.store.records(by_key.keys())
        losses: list[Loss] = []
        for key, ones in by_key.items():
            old = sets.get(key, [])
            known = {compact(member) for member in old}
            new: list[Any] = []
            for operation in ones:
                content = compact(operation.record)
                if content in known:
                    losses.append(Loss(operation, Outcome.DUPLICATE, Reason.SAME_RECORD))
                else:
                    known.add(content)
                    new.append(operation.record)
            if new:
                ground.store.put(key, united(old, new))
        return losses
