"""`dreamcatcher receipts`: what became of a worker's deltas."""

from __future__ import annotations

import os

import click

from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show
from merge_bot.cli.past import FRAME
from merge_bot.worker_receipts import NEWEST

_EPILOG = """\b
Examples:
  dreamcatcher receipts --worker w1                    what the newest frames made of its deltas, and what to do
  dreamcatcher receipts --worker w1 --frame 405        of its deltas of frame 405, whenever they were merged
  dreamcatcher receipts --worker w1 --remote origin    as the remote has it, without a pull (a URL will do)
  dreamcatcher receipts --worker w1 --json             for programs: worker, open_frame, as_of, frames, receipts,
                                                       waiting, conflicts, pending

Receipts stay when archives are pruned (keep-frames), so every frame answers. In programs match on the constants
outcome, reason and recover, never on text. From Python: Worker("w1").receipts().
"""


@click.command("receipts", epilog=_EPILOG)
@click.option("--worker", required=True, metavar="W", help="Whose receipts: its stream_id.")
@click.option("--frame", type=FRAME, metavar="N", help="Of this frame: what it settled, and its deltas merged later.")
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=10_000),
    default=NEWEST,
    show_default=True,
    help="How many frames to look into, where none is named.",
)
@click.option("--remote", metavar="NAME|URL", help="Read on this remote.")
@branch_option
@repo_option
@json_option
def command(
    worker: str, frame: int | None, limit: int, remote: str | None, branch: str | None, repo: str, as_json: bool
) -> int:
    """Show what became of a worker's deltas: applied, lost to whom, waiting for what, and what to do."""
    from merge_bot.errors import EXIT_DONE
    from merge_bot.reader import newest_here, newest_there
    from merge_bot.receipts_report import receipts_data, receipts_page
    from merge_bot.target import Target, credentials_from
    from merge_bot.worker_receipts import told

    target = Target(remote or "", base=branch, root=repo, credentials=credentials_from(os.environ), option="--branch")
    with newest_there(target) if remote else newest_here(repo, branch) as newest:
        found = told(newest.files, newest.paths, newest.meta, worker, frame, limit)
    if as_json:
        print_json(receipts_data(found))
    else:
        show(receipts_page(found, frame))
    return EXIT_DONE
