"""`dreamcatcher log`: the frames, the newest first."""

from __future__ import annotations

import click

from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show
from merge_bot.cli.past import FRAME, opened

_EPILOG = """\b
Examples:
  dreamcatcher log                         the newest 20 frames
  dreamcatcher log --before 400            the 20 frames before frame 400
  dreamcatcher log --limit 500 --json      for programs: frame, kind, time, commit, merged_by, deltas, workers,
                                           records, added, conflicts, late, quarantined, manifest
"""


@click.command("log", epilog=_EPILOG)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many frames.")
@click.option("--before", type=FRAME, metavar="N", help="Begin below this frame.")
@branch_option
@repo_option
@json_option
def command(limit: int, before: int | None, branch: str | None, repo: str, as_json: bool) -> int:
    """List the frames, newest first: when, deltas, workers, records added, conflicts, late, quarantined, who merged."""
    from merge_bot.errors import EXIT_DONE
    from merge_bot.frame_log import log_page, rows_of

    with opened(repo, branch) as history:
        rows = rows_of(history, limit, before)
        oldest = history.oldest
    if as_json:
        print_json([one.as_json() for one in rows])
    else:
        show(log_page(rows, oldest))
    return EXIT_DONE
