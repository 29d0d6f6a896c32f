"""`dreamcatcher check`: everything that is wrong, at once, and nothing changed.

The data (`check --json`) is stable; keys are added, never changed:

    ok        whether there is no problem
    problems  each with file, line (0: none), pointer, reason (a constant), message, remedy
    warnings  the same, for what works but may not be meant
    checked   how many deltas, schemas, files of the state and records in them were read
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merge_bot.cli import letters
from merge_bot.cli.output import json_option, print_json, repo_option, show
from merge_bot.page import Item, Page
from merge_bot.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from merge_bot.cli.checking import Checked
    from merge_bot.findings import Problem

_EPILOG = """\b
Examples:
  dreamcatcher check                    the inbox, schemas, settings and the whole state
  dreamcatcher check my-delta.json      a delta, before it is sent
  dreamcatcher write-it | dreamcatcher check -

Work in progress counts: what lies in the work tree is checked as it is there, committed or not. The exit code is 1
if there is any problem; warnings alone leave it 0.
"""


@click.command("check", epilog=_EPILOG)
@click.argument("paths", nargs=-1, type=click.Path(allow_dash=True), metavar="[DELTA...]")
@repo_option
@json_option
def command(paths: tuple[str, ...], repo: str, as_json: bool) -> int:
    """Hold deltas, schemas, settings and the state to their rules, and list every problem with its remedy.

    With DELTA files (- is standard input; a folder stands for the .json files in it) only those are checked.
    """
    from merge_bot.cli.checking import check_deltas, check_everything
    from merge_bot.clone import Clone
    from merge_bot.errors import EXIT_DONE, EXIT_PROBLEM

    with Clone.open(repo) as clone:
        if paths:
            checked = check_deltas(clone, [one for path in paths for one in _given(path)], datetime.now(UTC))
        else:
            checked = check_everything(clone)
    if as_json:
        print_json(
            {
                "ok": not checked.problems,
                "problems": [asdict(one) for one in checked.problems],
                "warnings": [asdict(one) for one in checked.warnings],
                "checked": checked.counts,
            }
        )
    else:
        show(_as_page(checked))
    return EXIT_PROBLEM if checked.problems else EXIT_DONE


def _given(path: str) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of what an argument stands for. Raises DreamcatcherError if it cannot be read."""
    from merge_bot.errors import DreamcatcherError

    if path == "-":
        yield "-", sys.stdin.buffer.read()
        return
    place = Path(path)
    try:
        if place.is_dir():
            for one in sorted(place.glob("*.json")):
                yield str(one), one.read_bytes()
        else:
            yield path, place.read_bytes()
    except OSError as error:
        raise DreamcatcherError(letters.unreadable(path, error.strerror or str(error))) from None


def _as_page(checked: Checked) -> Page:
    page = Page("")
    page.add("", [_item(one) for one in checked.problems], "bad")
    page.add("Warnings", [_item(one) for one in checked.warnings], "doubt")
    page.add("Not checked", [Item(one) for one in checked.left_out], "doubt")
    if checked.problems:
        files = len({one.file for one in checked.problems})
        page.closing.append(letters.problems_found(len(checked.problems), files))
    else:
        page.closing.append(letters.in_order(checked.counts))
    return page


def _item(problem: Problem) -> Item:
    where = f"{printable(problem.file)}:{problem.line}" if problem.line else printable(problem.file)
    lines = [printable(one) for one in (problem.message, problem.remedy) if one]
    return Item(f"{where}{f' at {printable(problem.pointer)}' if problem.pointer else ''}", lines)
