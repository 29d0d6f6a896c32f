"""`dreamcatcher assign`: which worker works on which records of a collection."""

from __future__ import annotations

import click

from merge_bot.cli.output import branch_option, json_option, lines, print_json, repo_option, show
from merge_bot.cli.past import FRAME, opened

MANY_WORKERS = 10_000
_SOME = 4

_EPILOG = """\b
Examples:
  dreamcatcher assign --of agents --workers 5                how many agents each of w1 … w5 has, as of the newest frame
  dreamcatcher assign --of agents --workers ann,kai,zoe      workers by name
  dreamcatcher assign --of agents --workers 5 --worker w2    the keys of w2, a line each
  dreamcatcher assign --of agents --workers 5 --frame 405    as of frame 405: all workers of frame 406 see the same
  dreamcatcher assign --of agents --workers 5 --json         for programs: frame, collection, workers (name: keys);
                                                             with --worker: frame, collection, worker, keys

Whose a key is depends on the key and the names of the workers alone: the greatest SHA-256 of worker, line feed, key.
Of five workers, a sixth takes a sixth of the keys from all of them; everything else stays where it was.
"""


def _names(context: click.Context, option: click.Parameter, value: str) -> list[str]:
    from merge_bot.assignment import fault, numbered

    if value.isdecimal():
        if not 1 <= int(value) <= MANY_WORKERS:
            raise click.BadParameter(f"{value} workers: give a number from 1 to {MANY_WORKERS:,}.", context, option)
        return numbered(int(value))
    names = [one.strip() for one in value.split(",")]
    if wrong := fault(names):
        raise click.BadParameter(wrong, context, option)
    return names


@click.command("assign", epilog=_EPILOG)
@click.option("--of", "collection", required=True, metavar="C", help="The collection whose records are split.")
@click.option("--workers", required=True, metavar="N|NAMES", callback=_names, help="How many, or names with commas.")
@click.option("--worker", metavar="W", help="Only this one's keys, a line each.")
@click.option("--frame", type=FRAME, metavar="N", help="As of frame N (default: the newest).")
@branch_option
@repo_option
@json_option
def command(
    collection: str, workers: list[str], worker: str | None, frame: int | None, branch: str | None, repo: str,
    as_json: bool,
) -> int:  # fmt: skip
    """Split a collection's records over workers, so that one more worker moves only its share."""
    from merge_bot.assignment import assigned
    from merge_bot.errors import EXIT_DONE, RepositoryError
    from merge_bot.history import collection_of
    from merge_bot.history_letters import no_keys
    from merge_bot.page import Page, Table, value_text
    from merge_bot.wording import counted, printable

    if worker is not None and worker not in workers:
        raise click.UsageError(f"--worker {worker!r} is none of --workers: {', '.join(workers[:20])}.")
    with opened(repo, branch) as history:
        at = history.newest if frame is None else frame
        if not collection_of(history.collections(at), collection).key:
            raise RepositoryError(no_keys(collection))
        shares = assigned((key for key, _ in history.state(at).records(collection)), workers)
    if worker is not None:
        if as_json:
            print_json({"frame": at, "collection": collection, "worker": worker, "keys": shares[worker]})
        else:
            lines([printable(key) for key in shares[worker]])
        return EXIT_DONE
    if as_json:
        print_json({"frame": at, "collection": collection, "workers": shares})
        return EXIT_DONE
    total = sum(len(keys) for keys in shares.values())
    page = Page(
        f"{printable(collection)} as of frame {at}: {counted(total, 'key')} over {counted(len(shares), 'worker')}."
    )
    rows = [
        [name, f"{len(keys):,}", ", ".join(map(value_text, keys[:_SOME])) + (", …" if len(keys) > _SOME else "")]
        for name, keys in shares.items()
    ]
    page.add("", [Table(["worker", "keys", "which"], rows)])
    show(page)
    return EXIT_DONE
