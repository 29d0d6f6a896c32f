"""What the commands about the past have in common: a frame as it is asked for, and the history that holds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from merge_bot.history import History

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
FRAME = click.IntRange(min=0)


def opened(repo: str, branch: str | None) -> History:
    """The history of a repository's branch; use it as a context manager. Raises RepositoryError without frames."""
    from merge_bot.history import History

    history = History(repo, branch)
    try:
        _ = history.meta
    except BaseException:
        history.close()
        raise
    return history


def in_order(first: int, last: int) -> range:
    """The frames from `first` to `last`. Raises RepositoryError if the range is upside down."""
    from merge_bot.errors import RepositoryError
    from merge_bot.history_letters import upside_down

    if first > last:
        raise RepositoryError(upside_down(first, last))
    return range(first, last + 1)
