"""`dreamcatcher check`: everything that is wrong, at once, and nothing changed.

The data (`check --json`) is stable; keys are added, never changed:

    ok        whether there is no problem
    problems  each with file, line (0: none), pointer, reason (a constant), message, remedy
    warnings  the same, for what works but may not be meant
    checked   how many deltas, schemas, files of the state and records in them were read
    notes     by delta, what of it is read otherwise than it is written
    repairs   by refused delta that other names or forms would let enter: the rules to add, and what --fix has written
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merge_bot.cli import letters
from merge_bot.cli.output import json_option, print_json, repo_option, show
from merge_bot.page import Item, Page
from merge_bot.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from merge_bot.cli.checking import Checked
    from merge_bot.findings import Problem
    from merge_bot.repair import Repair

_EPILOG = """\b
Examples:
  dreamcatcher check                    the inbox, schemas, settings and the whole state
  dreamcatcher check my-delta.json      a delta, before it is sent
  dreamcatcher check --fix my-delta.json
                                        and, if other names or forms are all that is wrong, the repaired one beside it
  dreamcatcher write-it | dreamcatcher check -

Work in progress counts: what lies in the work tree is checked as it is there, committed or not. The exit code is 1
if there is any problem; warnings alone leave it 0.
"""


@click.command("check", epilog=_EPILOG)
@click.argument("paths", nargs=-1, type=click.Path(allow_dash=True), metavar="[DELTA...]")
@repo_option
@click.option("--fix", is_flag=True, help="Write refused deltas, repaired, beside them as NAME.fixed.json.")
@json_option
def command(paths: tuple[str, ...], repo: str, fix: bool, as_json: bool) -> int:
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
        written = _fixed(checked) if fix else {}
    if as_json:
        print_json(
            {
                "ok": not checked.problems,
                "problems": [one._asdict() for one in checked.problems],
                "warnings": [one._asdict() for one in checked.warnings],
                "checked": checked.counts,
                "notes": checked.notes,
                "repairs": {path: _as_data(one, written.get(path)) for path, one in checked.repairs.items()},
            }
        )
    else:
        show(_as_page(checked, written))
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


def _fixed(checked: Checked) -> dict[str, str]:
    """Write each repaired delta beside the refused one; the paths of those by the paths of these.

    Raises DreamcatcherError if another file is there already.
    """
    from merge_bot.errors import DreamcatcherError
    from merge_bot.repair import beside

    written = {}
    for path, refused in checked.places.items():
        place, data = Path(beside(str(refused))), checked.repairs[path].data
        try:
            with place.open("xb") as file:
                file.write(data)
        except FileExistsError:
            if place.read_bytes() != data:
                raise DreamcatcherError(letters.fix_in_the_way(str(place))) from None
        except OSError as error:
            raise DreamcatcherError(letters.no_fix(str(place), error.strerror or str(error))) from None
        written[path] = str(place)
    return written


def _as_data(repair: Repair, written: str | None) -> dict[str, object]:
    from merge_bot.repair import proposals

    names = ("schema", "property", "keyword", "values")
    return {"rules": [dict(zip(names, one, strict=True)) for one in proposals(repair)], "written": written}


def _repair(path: str, repair: Repair, written: str | None) -> Item:
    from merge_bot.repair import proposals

    lines = [letters.would_help(*one) for one in proposals(repair)]
    return Item(printable(path), [*lines, letters.fix_written(written) if written else letters.fix_with(path)])


def _as_page(checked: Checked, written: Mapping[str, str]) -> Page:
    page = Page("")
    page.add("", [_item(one) for one in checked.problems], "bad")
    page.add("Warnings", [_item(one) for one in checked.warnings], "doubt")
    repairs = [_repair(path, one, written.get(path)) for path, one in checked.repairs.items()]
    page.add("Would enter, if the schemas said so", repairs)
    page.add("Read otherwise than written", [Item(printable(path), ones) for path, ones in checked.notes.items()])
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
