"""Pure. union. Law: new = old ∪ added; a member is its whole content, and a set holds it once.

Kept sorted by canonical bytes, so that the order of arrival leaves no trace. Operations: whole members.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from merge_bot import letters
from merge_bot.canonical import compact
from merge_bot.collection import Collection
from merge_bot.delta import Operation
from merge_bot.errors import UnreadableState
from merge_bot.findings import Outcome, Reason
from merge_bot.layouts.base import WHOLE
from merge_bot.strategies.base import Ground, Loss


def members(value: Any, path: str, pointer: str) -> list[Any]:
    """What a set holds now; null is nothing yet. Raises UnreadableState if it is no array."""
    if not isinstance(value, list | None):
        raise UnreadableState(letters.wrong_shape(path, "an array", pointer))
    return value or []


def united(old: Iterable[Any], added: Iterable[Any]) -> list[Any]:
    """The members of both, sorted by their canonical bytes; what `old` holds already is not added again.

    Members that another hand wrote twice stay: the merge takes nothing away.
    """
    kept = [(compact(one), one) for one in old]
    known = {content for content, _ in kept}
    new = {content: one for one in added if (content := compact(one)) not in known}
    return _sorted([*kept, *new.items()])


def _sorted(members: list[tuple[bytes, Any]]) -> list[Any]:
    return [one for _, one in sorted(members, key=itemgetter(0))]


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
            kept = [(compact(member), member) for member in sets.get(key, [])]
            known = {content for content, _ in kept}
            before = len(kept)
            for operation in ones:
                content = compact(operation.record)
                if content in known:
                    losses.append(Loss(operation, Outcome.DUPLICATE, Reason.SAME_RECORD))
                else:
                    known.add(content)
                    kept.append((content, operation.record))
            if len(kept) > before:
                ground.store.put(key, _sorted(kept))
        return losses
