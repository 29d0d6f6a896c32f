"""Pure. A page as Markdown for GitHub: step summaries, bodies of pull requests.

What workers wrote stands in fenced blocks alone, where neither mentions, links, images nor closing words act.
Fences: https://github.github.com/gfm/#fenced-code-blocks
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from merge_bot.page import Page, Table, body_lines

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~@&])")


def markdown(page: Page) -> str:
    """The page, with a line end."""
    return "\n".join(_blocks(page)) + "\n"


def fenced(text: str) -> str:
    """`text` in a fence that it cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def escaped(text: str) -> str:
    """Our own words as words: every sign that Markdown would read is taken literally."""
    return _SPECIAL.sub(r"\\\1", text)


def _blocks(page: Page) -> Iterator[str]:
    if page.headline:
        yield f"### {escaped(page.headline)}"
    for section in page.sections:
        yield f"\n#### {escaped(section.title)}\n" if section.title else ""
        items = [one for one in section.body if not isinstance(one, Table)]
        yield from (_table(one) for one in section.body if isinstance(one, Table))
        if items:
            yield fenced("\n".join(body_lines(items)))
    if page.closing:
        yield ""
        yield fenced("\n".join(page.closing))


def _table(table: Table) -> str:
    marks = ["---:" if table.is_numeric(column) else "---" for column in range(len(table.columns))]
    rows = [[escaped(cell) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in ([escaped(one) for one in table.columns], marks, *rows))
