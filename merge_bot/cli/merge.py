"""`dreamcatcher merge`: everything that is pending, as one commit."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from merge_bot.cli.output import branch_option, json_option, print_json, progress, repo_option, show
from merge_bot.cli.waiting import wait_for_workers

if TYPE_CHECKING:
    from merge_bot.frame import Result

_EPILOG = """\b
Examples:
  dreamcatcher merge --dry-run     what would happen; nothing is written
  dreamcatcher merge               merge, commit, say what became of everything
  dreamcatcher merge --json        the same for programs: frame, commit, deltas, operations, receipts,
                                   conflicts, parked, held, remarks
  dreamcatcher merge --remote origin
                                   merge on the remote itself: the inbox and every delta branch there, pushed
                                   under an exact lease; no checkout is needed or touched (a URL will do)

Deltas that cannot enter are quarantined with a letter and do not stop the frame: the exit code stays 0. It is 1
where the merge itself cannot go on (unreadable state, say), and nothing is written then; 75 means try again.
"""


@click.command("merge", epilog=_EPILOG)
@click.option("--dry-run", is_flag=True, help="Say what a merge would do, and write nothing.")
@click.option("--remote", metavar="NAME|URL", help="Merge what waits on this remote, and push the frame there.")
@click.option(
    "--grace",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="Let the frame stay open so long after its first delta, while active workers have not delivered.",
)
@branch_option
@repo_option
@json_option
def command(dry_run: bool, remote: str | None, grace: int | None, branch: str | None, repo: str, as_json: bool) -> int:
    """Merge every delta that waits in the inbox into the open frame, as one commit.

    The inbox of this clone's branch, that is; what workers submitted to branches of their own (deltas/WORKER) is merged
    where they pushed it, with --remote.

    New files in the work tree's inbox are committed first; what was merged leaves it in the merge commit and is kept,
    byte for byte, in the frame's folder. With nothing pending there is no commit.
    """
    from merge_bot import report
    from merge_bot.errors import EXIT_DONE

    if remote is None:
        (*earlier, result), remarks = _merge_here(repo, branch, dry_run, grace)
    else:
        (*earlier, result), remarks = _merge_there(remote, repo, branch, dry_run, grace)
    if as_json:
        print_json(report.as_data(result, dry_run=dry_run, remarks=remarks, earlier=earlier))
    else:
        show(report.as_page(result, dry_run=dry_run, remarks=remarks, earlier=earlier))
    return EXIT_DONE


def _merge_here(repo: str, branch: str | None, dry_run: bool, grace: int | None) -> tuple[list[Result], list[str]]:
    from merge_bot.cli.around import delta_branches, refuse_elsewhere, remarks_on
    from merge_bot.clone import Clone
    from merge_bot.run import run

    with Clone.open(repo, branch) as clone:
        refuse_elsewhere(clone)
        remarks = [*remarks_on(clone), *delta_branches(clone)]
        results = run(
            clone,
            lambda: clone.merge(datetime.now(UTC), dry_run=dry_run, progress=progress),
            dry_run=dry_run,
            wait=lambda: grace and not dry_run and wait_for_workers(lambda: clone.collected(datetime.now(UTC)), grace),
        )
        from merge_bot.policy_step import take_policy_step

        folder = clone.repository.work_tree or repo
        return results, [*remarks, *take_policy_step(clone, results, datetime.now(UTC), folder=folder, target=None)]


def _merge_there(
    remote: str, repo: str, branch: str | None, dry_run: bool, grace: int | None
) -> tuple[list[Result], list[str]]:
    from merge_bot.remote_clone import RemoteClone
    from merge_bot.run import run
    from merge_bot.target import Target, credentials_from

    target = Target(remote, base=branch, root=repo, credentials=credentials_from(os.environ), option="--branch")
    with RemoteClone.open(target) as clone:
        results = run(
            clone,
            lambda: clone.merge(datetime.now(UTC), dry_run=dry_run, progress=progress),
            dry_run=dry_run,
            wait=lambda: grace and not dry_run and wait_for_workers(clone.collected, grace),
        )
        from merge_bot.policy_step import take_policy_step

        said = take_policy_step(clone, results, datetime.now(UTC), folder=repo, target=target)
        return results, [*clone.remarks, *said]
