"""How commands speak: rich on a terminal, plain text elsewhere, JSON when asked; worker text never as markup."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import click
from rich.console import Console

Item = TypeVar("Item")

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
repo_option: Callable[[Any], Any] = click.option(
    "--repo", default=".", type=click.Path(), metavar="PATH", help="The repository (default: here)."
)


def out() -> Console:
    """Standard output. Rich honours NO_COLOR, and drops colour and boxes' animation where there is no terminal."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), emoji=False)


def errors() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def print_json(value: Any) -> None:
    """One JSON document on standard output, for programs."""
    from merge_bot.canonical import document

    sys.stdout.write(document(value).decode())


def progress(items: Sequence[Item], what: str) -> Iterator[Item]:
    """A progress bar on a terminal when there is enough to wait for; else nothing."""
    if len(items) < 50 or not sys.stderr.isatty():
        yield from items
        return
    from rich.progress import track

    yield from track(items, description=what, console=errors(), transient=True)


def lines(texts: Iterable[str]) -> None:
    """Plain lines, never read as markup."""
    console = out()
    for text in texts:
        console.print(text, markup=False)
