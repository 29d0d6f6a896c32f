"""Pure. How long work tells that it goes on: a function that passes items through. Nothing is told by default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """Passes `items` through, telling how far it is with `what`."""

    def __call__(self, items: Sequence[Item], what: str) -> Iterable[Item]: ...


def silent(items: Sequence[Item], what: str) -> Iterator[Item]:
    """The do-nothing way."""
    return iter(items)
