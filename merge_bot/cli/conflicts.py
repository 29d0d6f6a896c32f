"""`dreamcatcher conflicts`: the open conflicts, and the decision of one by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from merge_bot.cli.asking import Way, as_option, ask_for, newest_of, operator_of, way_options
from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show

if TYPE_CHECKING:
    from merge_bot.conflicts import Conflict
    from merge_bot.reader import Newest

_EPILOG = """\b
Examples:
  dreamcatcher conflicts list                                       what is open
  dreamcatcher conflicts show agents agent-aria                     every value, who wrote it, and which one stands
  dreamcatcher conflicts resolve agents agent-aria bio --take w1    what w1 wrote it shall be
  dreamcatcher conflicts resolve agents agent-aria bio --value '"A sage."'
  dreamcatcher conflicts resolve agents agent-aria bio --keep       what stands is right

A resolution is a delta of an operator (the setting operators), so the next merge decides it: it sets the field for its
frame and all before, closes the conflict, and its receipt says so. What is held is freed by nothing else.
"""
_RESOLVE = """\b
Examples:
  dreamcatcher conflicts resolve agents agent-aria bio --take w1
  dreamcatcher conflicts resolve agents agent-aria bio --value '"A sage."'    JSON: text in quotes
  dreamcatcher conflicts resolve posts '[0,6201]' '*' --keep        two records under one key: the first stays
  dreamcatcher conflicts resolve agents agent-aria bio --keep --as operator --submit
"""


@click.group("conflicts", epilog=_EPILOG)
def command() -> None:
    """List open conflicts, show one with every value, or decide it."""


@command.command("list")
@click.option("--collection", metavar="C", help="Those of one collection.")
@branch_option
@repo_option
@json_option
def list_command(collection: str | None, branch: str | None, repo: str, as_json: bool) -> int:
    """List the open conflicts."""
    from merge_bot.reader import newest_here

    with newest_here(repo, branch) as newest:
        found = [one for one in _open(newest) if collection in (None, one.collection)]
    return _tell(found, as_json, _counted(found, ""))


@command.command("show")
@click.argument("collection")
@click.argument("key")
@click.argument("field", required=False)
@branch_option
@repo_option
@json_option
def show_command(collection: str, key: str, field: str | None, branch: str | None, repo: str, as_json: bool) -> int:
    """Show the open conflicts of an entity, or of one field of it, with every value that was written."""
    from merge_bot.reader import newest_here

    with newest_here(repo, branch) as newest:
        found = _find(newest, collection, key, field)
    return _tell(found, as_json, _counted(found, f" of {collection} {key}"))


@command.command("resolve", epilog=_RESOLVE)
@click.argument("collection")
@click.argument("key")
@click.argument("field")
@click.option("--value", metavar="JSON", help="What the field is to hold.")
@click.option("--take", metavar="WORKER", help="What this worker wrote.")
@click.option("--keep", is_flag=True, help="What stands now.")
@as_option
@way_options
def resolve_command(
    collection: str,
    key: str,
    field: str,
    value: str | None,
    take: str | None,
    keep: bool,
    as_whom: str | None,
    way: Way,
    as_json: bool,
) -> int:
    """Decide an open conflict: the next merge sets the field and closes it."""
    from merge_bot import conflict_letters as letters

    if sum((value is not None, take is not None, keep)) != 1:
        raise click.UsageError("Say what it shall be: one of --value, --take and --keep.")
    operator = operator_of(way, as_whom)
    with newest_of(way) as newest:
        (conflict,) = _find(newest, collection, key, field)
    request = _request(conflict, value, take)
    told = [letters.asked_to_resolve(collection, key, field, request.get("value", conflict.entry["value"]))]
    return ask_for([request], operator, way, told, as_json=as_json)


def _open(newest: Newest) -> list[Conflict]:
    from merge_bot.conflicts import Conflicts

    return list(Conflicts.read(newest.files, newest.paths).all())


def _find(newest: Newest, collection: str, key: str, field: str | None) -> list[Conflict]:
    from merge_bot import conflict_letters as letters
    from merge_bot.errors import DreamcatcherError

    every = _open(newest)
    of_entity = [one for one in every if (one.collection, one.key) == (collection, key)]
    found = [one for one in of_entity if field in (None, one.field)]
    if not found:
        near = [one.field for one in of_entity] or [one.key for one in every if one.collection == collection]
        raise DreamcatcherError(letters.nothing_open(collection, key, field, near))
    return found


def _request(conflict: Conflict, value: str | None, take: str | None) -> dict[str, Any]:
    """The `_control` operation: with `value` as JSON, with what `take` wrote last, or else with what stands."""
    from merge_bot import conflict_letters as letters
    from merge_bot.conflicts import WHOLE_RECORD
    from merge_bot.errors import DreamcatcherError
    from merge_bot.strict_json import parse

    request: dict[str, Any] = {
        "op": "resolve", "collection": conflict.collection, "key": conflict.key, "field": conflict.field,
        "frame": conflict.entry["frame"],
    }  # fmt: skip
    if value is not None:
        read = parse(value.encode("utf-8", "surrogatepass"), "--value")
        if read.problems:
            raise DreamcatcherError(letters.value_is_no_json(value, read.problems))
        request["value"] = read.value
    elif take is not None:
        said = [one["value"] for one in conflict.entry["candidates"] if one["stream_id"] == take]
        if not said:
            names = dict.fromkeys(one["stream_id"] for one in conflict.entry["candidates"])
            raise DreamcatcherError(letters.not_a_candidate(take, list(names)))
        request["value"] = said[-1]
    elif conflict.field != WHOLE_RECORD:
        request["value"] = conflict.entry["value"]
    return request


def _counted(found: list[Conflict], of: str) -> str:
    from merge_bot.wording import counted, printable

    return f"{counted(len(found), 'open conflict')}{printable(of)}."


def _tell(found: list[Conflict], as_json: bool, headline: str) -> int:
    from merge_bot.errors import EXIT_DONE
    from merge_bot.page import Page
    from merge_bot.report import conflict_data, conflict_item

    if as_json:
        print_json([conflict_data(one) for one in found])
        return EXIT_DONE
    page = Page(headline)
    page.add("", [conflict_item(one) for one in found], "doubt")
    if found:
        page.closing.append("Decide one: dreamcatcher conflicts resolve COLLECTION KEY FIELD --take WORKER")
    show(page)
    return EXIT_DONE
