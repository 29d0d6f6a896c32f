"""How commands speak: rich on a terminal, plain lines elsewhere, JSON when asked; worker text never as markup."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

if TYPE_CHECKING:
    from merge_bot.page import Page

Item = TypeVar("Item")
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_LONG = 50  # items from which waiting is worth a progress bar

json_option: Callable[[Decorated], Decorated] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs."
)
repo_option: Callable[[Decorated], Decorated] = click.option(
    "--repo", default=".", type=click.Path(), metavar="PATH", help="The repository (default: here)."
)
branch_option: Callable[[Decorated], Decorated] = click.option(
    "--branch", metavar="NAME", help="The branch (default: the one that is checked out)."
)


def out() -> Any:
    """Standard output as rich writes to it, for texts that are ours alone."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), emoji=False)


def prepare_streams() -> None:
    """Let no character that the stream's encoding lacks end the program: it is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show(page: Page) -> None:
    """A page on standard output."""
    if is_terminal(sys.stdout):
        from merge_bot.cli.terminal import render

        render(page)
    else:
        from merge_bot.page import plain

        lines(plain(page))


def lines(texts: Iterator[str] | Sequence[str]) -> None:
    """Lines on standard output, as they are."""
    for text in texts:
        print(text)


def say(text: str) -> None:
    """A letter or a remark on standard error, as it is."""
    print(text, file=sys.stderr)


def print_json(value: Any) -> None:
    """One JSON document on standard output, for programs. Other encodings than UTF-8 get ASCII."""
    readable = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(value, ensure_ascii=not readable, indent=2))


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at the stream, or FORCE_COLOR says that one will."""
    return stream.isatty() or bool(os.environ.get("FORCE_COLOR"))


def progress(items: Sequence[Item], what: str) -> Iterator[Item]:
    """A progress bar on a terminal when there is enough to wait for; else nothing."""
    if len(items) < _LONG or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=what, console=Console(stderr=True), transient=True)
