"""Pure. References that only warn: what they name may be missing, and the receipt of the delta says so.

A repository that was adopted refers to things that were never in it. Until its people say `"on_missing": "hold"`,
nothing waits for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from merge_bot.collection import Collections
from merge_bot.pending import Pending
from merge_bot.references import Dangling
from merge_bot.strategies.base import Ground


class Unresolved(NamedTuple):
    """A record that was taken though the value at `pointer` names nothing in collection `target`."""

    digest: str
    pointer: str
    field: str
    target: str
    value: Any


def unresolved(kept: Pending, grounds: Mapping[str, Ground], collections: Collections) -> list[Unresolved]:
    """What the lenient references of the operations that enter name in vain, in the order of rank."""
    if not any(rules.lenient for rules in collections.values()):
        return []
    groups = kept.groups(collections, lenient=True)
    found = Dangling(groups, collections, lambda name, marks: grounds[name].store.present(marks)).first()
    return [
        Unresolved(one.operation.origin.digest, one.operation.pointer, one.field, one.target, one.value)
        for one in sorted(found, key=lambda one: (one.operation.rank, one.field))
    ]
