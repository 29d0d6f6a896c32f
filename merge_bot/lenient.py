"""Pure. References that only warn: what they name may be missing, and the receipt of the delta says so.

A repository that was adopted refers to things that were never in it. Until its people say `"on_missing": "hold"`,
nothing waits for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from merge_bot.collection import Collections
from merge_bot.delta import Operation
from merge_bot.strategies.base import Ground


class Unresolved(NamedTuple):
    """A record that was taken though the value at `pointer` names nothing in collection `target`."""

    digest: str
    pointer: str
    field: str
    target: str
    value: Any


def unresolved(
    kept: Mapping[str, Sequence[Operation]], grounds: Mapping[str, Ground], collections: Collections
) -> list[Unresolved]:
    """What the lenient references of the operations that enter name in vain, in the order of rank."""
    found: list[Unresolved] = []
    for name, operations in kept.items():
        rules = collections[name]
        for field in sorted(rules.lenient & rules.references.keys()):
            target = rules.references[field]
            named = list(_named(operations, field))
            keys = {value: collections[target].key_for(value) for _, value in named}
            there = grounds[target].store.present(set(keys.values()))
            there = there | {collections[target].key_of(one.record) or "" for one in kept.get(target, ())}
            found += [
                Unresolved(one.origin.digest, one.pointer, field, target, value)
                for one, value in named
                if keys[value] not in there
            ]
    return found


def _named(operations: Sequence[Operation], field: str) -> Iterator[tuple[Operation, Any]]:
    for operation in operations:
        value = operation.record.get(field)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str | int):
                yield operation, one
