"""`dreamcatcher rollback N`: the state of an earlier frame as a new frame.

The data (`rollback --json`) is stable; keys are added, never changed:

    dry_run   whether nothing was written
    frame     the new frame's number
    to        the frame whose state it has
    commit    the new frame's commit, null in a dry run
    manifest  the digest of its manifest
    requeued  whether the undone deltas were put up again
    undone    each delta taken out of the state: delta (its digest), merged_in, source
    restored  the same, of deltas that an earlier rollback had taken out and this one brought back
    counts    by collection: before, after
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show
from merge_bot.page import Item, Page, Table, some
from merge_bot.wording import counted, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from merge_bot.rollback import Rolled

_EPILOG = """\b
Examples:
  dreamcatcher rollback 404 --dry-run    what would be undone; nothing is written
  dreamcatcher rollback 404              frame 404's state becomes the newest frame
  dreamcatcher rollback 404 --requeue    the same, and the next merge takes the undone deltas in again

Nothing is taken out of history: a rollback can itself be rolled back. An undone delta does not come back by itself,
also when somebody commits the same bytes again.
"""


@click.command("rollback", epilog=_EPILOG)
@click.argument("frame", type=click.IntRange(min=0), metavar="N")
@click.option("--requeue", is_flag=True, help="Put the undone deltas up again, for the next merge.")
@click.option("--dry-run", is_flag=True, help="Say what a rollback would undo, and write nothing.")
@branch_option
@repo_option
@json_option
def command(frame: int, requeue: bool, dry_run: bool, branch: str | None, repo: str, as_json: bool) -> int:
    """Make the state of frame N the newest frame's, as one commit. Forward, never back.

    Collections, clocks, conflicts and parked records become frame N's. What the merges since have learnt of deltas
    and workers stays, so nothing is counted twice.
    """
    from merge_bot.cli.around import refuse_elsewhere
    from merge_bot.clone import Clone
    from merge_bot.errors import EXIT_DONE
    from merge_bot.rollback import roll_back

    with Clone.open(repo, branch) as clone:
        refuse_elsewhere(clone)
        before = clone.base().manifest.counts
        rolled = roll_back(clone, frame, datetime.now(UTC), requeue=requeue, dry_run=dry_run)
    if as_json:
        print_json(_as_data(rolled, before, dry_run))
    else:
        show(_as_page(rolled, before, dry_run))
    return EXIT_DONE


def _as_data(rolled: Rolled, before: Mapping[str, int], dry_run: bool) -> dict[str, Any]:
    manifest = rolled.frame.manifest
    assert manifest.rollback is not None
    return {
        "dry_run": dry_run,
        "frame": manifest.frame,
        "commit": rolled.published.commit,
        "manifest": manifest.digest,
        **manifest.rollback,
        "counts": {
            name: {"before": before.get(name, 0), "after": after} for name, after in sorted(manifest.counts.items())
        },
    }


def _as_page(rolled: Rolled, before: Mapping[str, int], dry_run: bool) -> Page:
    manifest = rolled.frame.manifest
    assert manifest.rollback is not None
    undone, restored = manifest.rollback["undone"], manifest.rollback["restored"]
    begin = (
        f"Dry run, nothing was written. Frame {manifest.frame} would have"
        if dry_run
        else (f"Frame {manifest.frame} has")
    )
    page = Page(f"{begin} the state of frame {manifest.rollback['to']}: {counted(len(undone), 'delta')} undone.")
    page.tone = "doubt" if dry_run else "good"
    page.add("By collection", _by_collection(before, manifest.counts))
    what = "put up again, for the next merge" if manifest.rollback["requeued"] else "undone"
    page.add(f"{counted(len(undone), 'delta')} {what}", some(list(_items(undone))), "doubt")
    page.add(f"{counted(len(restored), 'delta')} restored", some(list(_items(restored))))
    if dry_run:
        page.closing.append(f"To do it: dreamcatcher rollback {manifest.rollback['to']}")
    elif rolled.published.commit:
        page.closing.append(
            f"Commit {rolled.published.commit}; to undo the rollback: dreamcatcher rollback {manifest.frame - 1}"
        )
        page.closing.append(f"Frame {manifest.frame + 1} is open.")
    return page


def _by_collection(before: Mapping[str, int], after: Mapping[str, int]) -> list[Table]:
    changed = [name for name in sorted(after) if before.get(name, 0) != after[name]]
    rows = [[printable(name), f"{before.get(name, 0):,}", f"{after[name]:,}"] for name in changed]
    return [Table(["collection", "records before", "after"], rows)] if rows else []


def _items(rows: Iterable[Mapping[str, Any]]) -> Iterable[Item]:
    for row in rows:
        yield Item(f"{printable(row['source'])}, merged in frame {row['merged_in']}")
