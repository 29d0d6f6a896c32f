"""`dreamcatcher show`: the state as of a frame, a collection of it, or one record with its whole life."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show
from merge_bot.cli.past import FRAME, opened

if TYPE_CHECKING:
    from merge_bot.history import History
    from merge_bot.page import Page

_MANY = 50

_EPILOG = """\b
Examples:
  dreamcatcher show 405                                        what there was after frame 405
  dreamcatcher show 405 --collection agents                    the records of a collection
  dreamcatcher show 405 --collection agents --key agent-aria   one record: who set each field, when, over what
  dreamcatcher show 405 --collection stats                     of a sum: who added what

With --json a record is {collection, key, record, fields, events}; a collection {frame, collection, records}, all of
them; a frame {frame, kind, time, commit, author, date, manifest, base, state_tree, records, conflicts, parked}.
"""


@click.command("show", epilog=_EPILOG)
@click.argument("frame", type=FRAME, metavar="N")
@click.option("--collection", metavar="C", help="One collection of it.")
@click.option("--key", metavar="K", help="One record of the collection, with its life.")
@branch_option
@repo_option
@json_option
def command(frame: int, collection: str | None, key: str | None, branch: str | None, repo: str, as_json: bool) -> int:
    """Show the state as of frame N, or one record with its life: which delta of which worker set each field."""
    from merge_bot.collection import SUM
    from merge_bot.errors import EXIT_DONE
    from merge_bot.history import collection_of
    from merge_bot.past_report import life_page

    if key is not None and collection is None:
        raise click.UsageError("--key names a record of a collection: give --collection too.")
    with opened(repo, branch) as history:
        if collection is None:
            value, page = _frame(history, frame)
        elif key is None and collection_of(history.collections(frame), collection).strategy != SUM:
            value, page = _collection(history, frame, collection, as_json)
        else:
            life = history.blame(collection, key or "", frame)
            value, page = life.as_json(), life_page(life, frame)
    if as_json:
        print_json(value)
    else:
        show(page)
    return EXIT_DONE


def _frame(history: History, frame: int) -> tuple[dict[str, Any], Page]:
    from merge_bot.history_letters import NO_COMMIT
    from merge_bot.page import Item, Page, Table
    from merge_bot.wording import counted, printable

    manifest, state = history.manifest(frame), history.state(frame)
    landing = history.landing_if_any(frame)
    conflicts = sum(len(fields) for keys in state.conflicts.values() for fields in keys.values())
    parked = len(state.parked)
    value = {
        "frame": frame,
        "kind": manifest.kind,
        "time": manifest.time,
        "commit": landing and landing.commit,
        "author": landing.author if landing else "",
        "date": landing.date if landing else "",
        "manifest": manifest.digest,
        "base": manifest.base,
        "state_tree": manifest.state_tree,
        "records": dict(manifest.counts),
        "conflicts": conflicts,
        "parked": parked,
    }
    where = f"in commit {landing.commit}" if landing else NO_COMMIT
    page = Page(f"Frame {frame} ({manifest.kind}) of {manifest.time}, {where}.")
    rows = [[name, f"{count:,}"] for name, count in sorted(manifest.counts.items())]
    page.add("Records", [Table(["collection", "records"], rows)] if rows else [])
    open_ones = [Item(f"{counted(conflicts, 'conflict')} open")] if conflicts else []
    page.add("", open_ones + ([Item(f"{counted(parked, 'record')} parked")] if parked else []), "doubt")
    by = landing.author if landing else ""
    page.closing = [f"Manifest {manifest.digest}", f"Merged by {printable(by or 'somebody not known here')}"]
    return value, page


def _collection(history: History, frame: int, name: str, everything: bool) -> tuple[dict[str, Any], Page]:
    from merge_bot.page import Item, Page, value_text
    from merge_bot.wording import printable, quoted

    state = history.state(frame)
    records = state.records(name)
    if everything:
        found = [{"key": key, "record": record} for key, record in records]
        return {"frame": frame, "collection": name, "records": found}, Page("")
    some = list(islice(records, _MANY + 1))
    page = Page(f"{printable(name)} as of frame {frame}.")
    page.add("", [Item(f"{quoted(key)}  {value_text(one)}" if key else value_text(one)) for key, one in some[:_MANY]])
    if len(some) > _MANY:
        page.closing = [f"There are more than {_MANY}; --json prints all of them."]
    elif not some:
        page.closing = ["It is empty."]
    return {}, page
