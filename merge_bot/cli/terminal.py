"""A page on a terminal, by rich. Everything goes in as `Text`: nothing in it is ever read as markup or emoji."""

from __future__ import annotations

import sys

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from merge_bot.page import Item, Page, Table, Tone

_STYLES: dict[Tone, str] = {"plain": "bold", "good": "bold green", "doubt": "bold yellow", "bad": "bold red"}

_GAP = 2  # blanks between columns
_LEAST = 16  # columns of words are at least so wide


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
                console.print(Padding(_grid(one, console.width - 2), (0, 0, 0, 2), expand=False))
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


def _grid(table: Table, width: int) -> Grid:
    """Columns of names and paths are not broken while there are columns of words that can give way instead."""
    columns = [[name, *(row[at] for row in table.rows)] for at, name in enumerate(table.columns)]
    words = [any(" " in cell for cell in column[1:]) for column in columns]
    rigid = sum(_GAP + max(map(cell_len, column)) for column, one in zip(columns, words, strict=True) if not one)
    fits = rigid + _LEAST * sum(words) <= width
    grid = Grid(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for at, column in enumerate(columns):
        justify: JustifyMethod = "right" if table.is_numeric(at) else "left"
        grid.add_column(Text(column[0]), justify=justify, overflow="fold", no_wrap=fits and not words[at])
    for row in table.rows:
        grid.add_row(*(Text(cell) for cell in row))
    return grid
