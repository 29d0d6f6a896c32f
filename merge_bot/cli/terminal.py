"""A page on a terminal, by rich. Everything goes in as `Text`: nothing in it is ever read as markup or emoji."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from merge_bot.page import Item, Page, Table, Tone

_STYLES: dict[Tone, str] = {"plain": "bold", "good": "bold green", "doubt": "bold yellow", "bad": "bold red"}


def render(page: Page) -> None:
    """Print the page on standard output. NO_COLOR leaves the colours out."""
    console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False)
    if page.headline:
        console.print(Text(page.headline, _STYLES[page.tone]))
    for number, section in enumerate(page.sections):
        if page.headline or number:
            console.print()
        if section.title:
            console.print(Text(section.title, _STYLES[section.tone]))
        for one in section.body:
            if isinstance(one, Table):
                console.print(Padding(_grid(one), (0, 0, 0, 2), expand=False))
            else:
                _print_item(console, one)
    if page.closing and (page.headline or page.sections):
        console.print()
    for line in page.closing:
        # Not wrapped, so that a command can be copied whole.
        console.print(Text(line), soft_wrap=True)


def _print_item(console: Console, item: Item) -> None:
    console.print(Padding(Text(item.head), (0, 0, 0, 2), expand=False))
    for line in item.lines:
        text = line.lstrip(" ")
        console.print(Padding(Text(text, "dim"), (0, 0, 0, 4 + len(line) - len(text)), expand=False))


def _grid(table: Table) -> Grid:
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column, name in enumerate(table.columns):
        grid.add_column(Text(name), justify="right" if table.is_numeric(column) else "left", overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(cell) for cell in row))
    return grid
