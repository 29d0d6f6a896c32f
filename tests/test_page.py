"""A page as lines and as Markdown: whole texts, and what hostile words may not do in them."""

from __future__ import annotations

import io
import re
from collections import Counter
from contextlib import redirect_stdout

import pytest

from merge_bot.cli.terminal import render
from merge_bot.markdown import markdown
from merge_bot.page import Item, Page, Table, plain, some, value_text

PAGE = Page("Frame 7 is merged_.", closing=["Next: git show"])
PAGE.add("Counts", [Table(("name", "n"), [("a_b", "1,000"), ("c|d", "2")])])
PAGE.add("Nothing", [])
PAGE.add("", [Item("one", ["more", "  deeper"]), Item("two")])


def test_lines() -> None:
    assert list(plain(PAGE)) == [
        "Frame 7 is merged_.",
        "",
        "Counts",
        "  name      n",
        "  a_b   1,000",
        "  c|d       2",
        "",
        "  one",
        "    more",
        "      deeper",
        "  two",
        "",
        "Next: git show",
    ]


def test_a_page_may_have_no_headline_or_only_last_words() -> None:
    page = Page("", closing=["end"])
    assert list(plain(page)) == ["end"]
    page.add("", [Item("x")])
    assert list(plain(page)) == ["  x", "", "end"]
    assert markdown(page) == "\n```text\nx\n```\n\n```text\nend\n```\n"


def test_markdown() -> None:
    assert markdown(PAGE) == (
        "### Frame 7 is merged\\_.\n\n"
        "#### Counts\n\n"
        "| name | n |\n| --- | ---: |\n| a\\_b | 1,000 |\n| c\\|d | 2 |\n\n"
        "```text\none\n  more\n    deeper\ntwo\n```\n\n"
        "```text\nNext: git show\n```\n"
    )


@pytest.mark.parametrize("name", ["```", "````", "~~~", "```text", "x ``````` y"])
def test_no_text_gets_out_of_its_fence(name: str) -> None:
    page = Page("h")
    page.add("", [Item(name), Item("@octocat closes #1")])
    _, _, fence, *inside, end, _ = markdown(page).split("\n")
    assert fence.endswith("text") and fence.removesuffix("text") == end
    assert inside == [name, "@octocat closes #1"]
    assert not any(re.fullmatch(f" {{0,3}}`{{{len(end)},}} *", line) for line in inside)


def test_of_many_the_first_twenty_and_a_count() -> None:
    assert list(some(list(range(20)))) == list(range(20))
    assert list(some(list(range(1021)), "rows"))[19:] == [19, Item("and 1,001 more rows")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("rebel", '"rebel"'),
        ({"b": [1, None], "a": "ä…"}, '{"a": "ä…", "b": [1, null]}'),
        ("\x1b[31m\u202e\n\ud800", r'"\u001b[31m\u202e\n\ud800"'),
        ("x" * 198, '"' + "x" * 198 + '"'),
        ("x" * 199, '"' + "x" * 199 + "… (201 characters)"),
    ],
)
def test_values_are_short_and_visible(value: object, text: str) -> None:
    assert value_text(value) == text


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_a_terminal_of_any_width_shows_every_letter(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page("head")
    path = "state/frames/000/000405/manifest.json"
    page.add("", [Table(("file", "number", "what it is"), [(path, "1,000", "the proof that later frames stand on")])])
    page.add("", [Item("[bold]:smile:", ["  " + "x" * 100])])
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    with redirect_stdout(out):
        render(page)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= columns
    letters = Counter(re.sub(r"\s", "", text))
    assert letters == Counter(re.sub(r"\s", "", "".join(plain(page))))
    assert (path in text) is (columns >= 80)
