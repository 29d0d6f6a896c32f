"""Pure. A page: what a command has to say, before it is known where it is read: a terminal, plain text, Markdown.

What a page holds is short and has nothing invisible in it (`value_text`, `some`, `wording.printable` see to that).
Escaping belongs to whoever renders it, because only the place knows what is dangerous there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

from merge_bot.wording import printable

MANY = 20
MAX_VALUE = 200
Tone = Literal["plain", "good", "doubt", "bad"]
Given = TypeVar("Given")


class Table(NamedTuple):
    """Rows under column names. Columns that hold only numbers are read right-aligned."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def is_numeric(self, column: int) -> bool:
        return all(row[column].replace(",", "").isdigit() for row in self.rows)


class Item(NamedTuple):
    """One thing, and the lines that tell more of it."""

    head: str
    lines: Sequence[str] = ()


class Section(NamedTuple):
    """A title, which may be empty, and what stands below it."""

    title: str
    body: Sequence[Item | Table] = ()
    tone: Tone = "plain"


@dataclass(slots=True)
class Page:
    """What happened in one line (which may be empty), the sections, and the last words. `tone` is the headline's."""

    headline: str
    sections: list[Section] = field(default_factory=list)
    closing: list[str] = field(default_factory=list)
    tone: Tone = "plain"

    def add(self, title: str, body: Iterable[Item | Table], tone: Tone = "plain") -> None:
        """Add a section, unless there is nothing to put into it."""
        if held := list(body):
            self.sections.append(Section(title, held, tone))


def some(items: Sequence[Given], what: str = "") -> Iterator[Given | Item]:
    """The first `MANY` of many, and how many more there are."""
    yield from items[:MANY]
    if len(items) > MANY:
        yield Item(f"and {len(items) - MANY:,} more{f' {what}' if what else ''}")


def value_text(value: Any) -> str:
    """A JSON value as JSON, cut where it is long, with nothing in it that a reader cannot see."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return printable(text) if len(text) <= MAX_VALUE else f"{printable(text[:MAX_VALUE])}… ({len(text):,} characters)"


def plain(page: Page) -> Iterator[str]:
    """A page as lines of text, for logs and pipes: no boxes, no colours, nothing wrapped."""
    if page.headline:
        yield page.headline
    for number, section in enumerate(page.sections):
        if page.headline or number:
            yield ""
        if section.title:
            yield section.title
        yield from (f"  {line}" for line in body_lines(section.body))
    if page.closing:
        if page.headline or page.sections:
            yield ""
        yield from page.closing


def body_lines(body: Iterable[Item | Table]) -> Iterator[str]:
    """What stands below a title, as lines of text."""
    for one in body:
        if isinstance(one, Table):
            yield from _rows(one)
        else:
            yield one.head
            yield from (f"  {line}" for line in one.lines)


def _rows(table: Table) -> Iterator[str]:
    rows = [table.columns, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    right = [table.is_numeric(column) for column in range(len(table.columns))]
    for row in rows:
        cells = zip(row, widths, right, strict=True)
        yield "  ".join(text.rjust(width) if numeric else text.ljust(width) for text, width, numeric in cells).rstrip()
