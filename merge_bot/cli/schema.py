"""`dreamcatcher schema`: what collections there are, and what a worker may write into a delta."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from merge_bot.cli import letters
from merge_bot.cli.output import json_option, print_json, repo_option, say, show
from merge_bot.page import Item, Page, Table

if TYPE_CHECKING:
    from merge_bot.collection import Collection, Collections

DELTA = "delta"

_EPILOG = """\b
Examples:
  dreamcatcher schema                    the collections, and how each one merges
  dreamcatcher schema posts              the schema of one collection
  dreamcatcher schema delta              the JSON Schema of a whole delta: for a prompt, or an editor
  dreamcatcher schema delta --example    a delta that could be merged as it is

The schemas are those of the work tree, uncommitted ones too; where a repository has none, those of the example world.
"""


@click.command("schema", epilog=_EPILOG)
@click.argument("name", required=False, metavar="[COLLECTION|delta]")
@click.option("--example", is_flag=True, help="Print an example instead.")
@repo_option
@json_option
def command(name: str | None, example: bool, repo: str, as_json: bool) -> int:
    """List the collections, or print the schema of one of them, or of the whole delta."""
    from merge_bot.errors import EXIT_DONE

    collections, frame = _read(repo)
    if name is None and not example:
        if as_json:
            print_json([_as_data(one) for one in collections.values()])
        else:
            show(_as_page(collections))
    elif name in (None, DELTA):
        print_json(_example(collections, frame) if example else _composed(collections))
    else:
        collection = _named(str(name), collections)
        print_json(_example(collections, frame, collection) if example else dict(collection.schema))
    return EXIT_DONE


def _read(repo: str) -> tuple[Collections, int]:
    """The collections, and the frame that is open (1 where none is). Says which schemas they are."""
    from merge_bot import letters as merge_letters
    from merge_bot import schemas
    from merge_bot.cli.around import local_rules
    from merge_bot.clone import Clone
    from merge_bot.errors import RepositoryError, SchemaError
    from merge_bot.paths import Paths
    from merge_bot.resources import example_schemas
    from merge_bot.state import read_meta

    try:
        with Clone.open(repo) as clone:
            settings, files = local_rules(clone)
            meta = read_meta(clone.files, Paths(settings.state))
            frame = meta.frame if meta else 1
            where = letters.schemas_of(str(clone.repository.work_tree or clone.repository.git_dir), settings.schemas)
        state = settings.state
    except RepositoryError:
        files, frame, state = {}, 1, Paths().state
    if not files:
        where = letters.EXAMPLE_SCHEMAS
        files = {f"schemas/{name}": data for name, data in example_schemas().items()}
    collections, problems = schemas.load(files, state=state)
    if problems:
        raise SchemaError(merge_letters.problems_in("The schemas cannot be used", problems))
    say(where)
    return collections, frame


def _named(name: str, collections: Collections) -> Collection:
    from merge_bot.errors import DreamcatcherError
    from merge_bot.guess import nearest

    found = collections.get(name) or collections.by_delta_key.get(name)
    if found is None:
        near = nearest(name, {one: collections[one].delta_keys for one in collections})
        raise DreamcatcherError(letters.no_such_collection(name, near, [*collections, DELTA]))
    return found


def _composed(collections: Collections) -> dict[str, Any]:
    from merge_bot.delta_schema import compose

    return compose(collections)


def _example(collections: Collections, frame: int, only: Collection | None = None) -> dict[str, Any]:
    """A delta of everything, or of one collection alone."""
    from merge_bot.delta import format_utc
    from merge_bot.delta_schema import example_operations

    operations = example_operations(collections)
    if only:
        operations = {key: one for key, one in operations.items() if key in only.delta_keys}
    return {"frame": frame, "stream_id": "w1", "utc": format_utc(datetime.now(UTC)), **operations}


def _key(collection: Collection) -> str:
    ways = [" + ".join(part.name for part in key) for key in (collection.key, collection.else_key) if key]
    return ", or else ".join(ways) or "-"


def _as_data(collection: Collection) -> dict[str, Any]:
    return {
        "name": collection.name,
        "strategy": collection.strategy,
        "law": letters.LAWS[collection.strategy],
        "delta": list(collection.delta_keys),
        "key": [part.name for part in collection.key],
        "else_key": [part.name for part in collection.else_key],
        "references": dict(collection.references),
        "layout": collection.layout,
        "path": collection.path,
        "schema": collection.schema_path,
    }


def _as_page(collections: Collections) -> Page:
    page = Page("The collections, and the key of a delta that feeds each:")
    rows = [(one.name, ", ".join(one.delta_keys), one.strategy, _key(one)) for one in collections.values()]
    page.add("", [Table(("collection", "in a delta", "merged by", "key"), rows)])
    used = sorted({one.strategy for one in collections.values()})
    page.add("How they merge", [Item(f"{name}: {letters.LAWS[name]}") for name in used])
    page.closing.append("What a worker writes: dreamcatcher schema delta --example")
    return page
