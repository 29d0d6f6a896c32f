"""`dreamcatcher diff`: what changed between two frames, or what each worker of one frame brought."""

from __future__ import annotations

import click

from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show
from merge_bot.cli.past import FRAME, in_order, opened

_EPILOG = """\b
Examples:
  dreamcatcher diff 404 405                        by collection, record and field
  dreamcatcher diff 404 405 --collection agents    one collection
  dreamcatcher diff --workers 405                  what each worker of frame 405 brought, and where they diverged

With --json: {before, after, counts, changes, conflicts, parked}. A change is {collection, key, change} with the whole
`record` where it was added or removed, and `fields` {name: {before, after}} where it changed.
"""


@click.command("diff", epilog=_EPILOG)
@click.argument("frames", nargs=-1, type=FRAME, metavar="A B")
@click.option("--workers", type=FRAME, metavar="N", help="What each worker of frame N brought.")
@click.option("--collection", metavar="C", help="One collection alone.")
@branch_option
@repo_option
@json_option
def command(
    frames: tuple[int, ...],
    workers: int | None,
    collection: str | None,
    branch: str | None,
    repo: str,
    as_json: bool,
) -> int:
    """Show what changed from frame A to frame B, by collection, record and field, with a count."""
    from merge_bot.errors import EXIT_DONE
    from merge_bot.history import collection_of
    from merge_bot.past_report import diff_page, workers_page

    if (workers is None) != (len(frames) == 2) or (workers is not None and frames):
        raise click.UsageError("Give two frames, A and B; or --workers N.")
    with opened(repo, branch) as history:
        if workers is not None:
            brought = history.workers(workers)
            value, page = brought.as_json(), workers_page(brought)
        else:
            before, after = frames
            in_order(before, after)
            found = history.diff(before, after)
            if collection is not None:
                collection_of({**history.collections(before), **history.collections(after)}, collection)
                found = found.only(collection)
            value = {"before": before, "after": after, **found.as_json()}
            page = diff_page(found, f"From frame {before} to frame {after}")
    if as_json:
        print_json(value)
    else:
        show(page)
    return EXIT_DONE
