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
    operation     how it was published: committed, pushed, created or updated (a pull request), none
    pull_request  number and url of the pull request, null where it is none
    remarks       what else there is to know, in sentences
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from merge_bot.actions import NO_TOKEN, REPOSITORY
from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show
from merge_bot.page import Item, Page, Table, some
from merge_bot.wording import counted, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from merge_bot.clone import Clone
    from merge_bot.publish.base import Publisher
    from merge_bot.remote_clone import RemoteClone
    from merge_bot.rollback import Rolled

_EPILOG = f"""\b
Examples:
  dreamcatcher rollback 404 --dry-run    what would be undone; nothing is written
  dreamcatcher rollback 404              frame 404's state becomes the newest frame
  dreamcatcher rollback 404 --requeue    the same, and the next merge takes the undone deltas in again
  dreamcatcher rollback 404 --remote origin
                                         on the remote itself, pushed under an exact lease
  dreamcatcher rollback 404 --remote origin --mode pull-request --github octo/world
                                         the same, proposed as a pull request, with
                                         {NO_TOKEN}

Nothing is taken out of history: a rollback can itself be rolled back. An undone delta does not come back by itself,
also when somebody commits the same bytes again.
"""


@click.command("rollback", epilog=_EPILOG)
@click.argument("frame", type=click.IntRange(min=0), metavar="N")
@click.option("--requeue", is_flag=True, help="Put the undone deltas up again, for the next merge.")
@click.option("--dry-run", is_flag=True, help="Say what a rollback would undo, and write nothing.")
@click.option("--remote", metavar="NAME|URL", help="Roll back on this remote; no checkout is needed or touched.")
@click.option(
    "--mode",
    type=click.Choice(["push", "pull-request"]),
    default="push",
    help="How it leaves for the remote: as a commit of the branch, or proposed (default: push).",
)
@click.option(
    "--github", envvar=REPOSITORY, metavar="OWNER/NAME", help="Where a pull request is opened."
)  # fmt: skip
@branch_option
@repo_option
@json_option
def command(
    frame: int,
    requeue: bool,
    dry_run: bool,
    remote: str | None,
    mode: str,
    github: str | None,
    branch: str | None,
    repo: str,
    as_json: bool,
) -> int:
    """Make the state of frame N the newest frame's, as one commit. Forward, never back.

    Collections, clocks, conflicts and parked records become frame N's. What the merges since have learnt of deltas
    and workers stays, so nothing is counted twice.
    """
    from merge_bot.actions import api_access
    from merge_bot.errors import EXIT_DONE
    from merge_bot.rollback import roll_back

    proposing = mode == "pull-request"
    if proposing and not (remote and github and api_access(os.environ)[0]):
        raise click.UsageError(f"--mode pull-request needs --remote, --github OWNER/NAME, and {NO_TOKEN}.")
    with _opened(remote, branch, repo) as clone:
        before = clone.base().manifest.counts
        publisher = _proposer(clone, github or "") if proposing and not dry_run else None
        rolled = roll_back(clone, frame, datetime.now(UTC), requeue=requeue, dry_run=dry_run, publisher=publisher)
        remarks = [*getattr(clone, "remarks", ()), *rolled.published.remarks]
    if as_json:
        print_json(_as_data(rolled, before, dry_run, remarks))
    else:
        show(_as_page(rolled, before, dry_run, remarks))
    return EXIT_DONE


@contextmanager
def _opened(remote: str | None, branch: str | None, repo: str) -> Iterator[Clone | RemoteClone]:
    if remote is None:
        from merge_bot.cli.around import refuse_elsewhere
        from merge_bot.clone import Clone

        with Clone.open(repo, branch) as clone:
            refuse_elsewhere(clone)
            yield clone
        return
    from merge_bot.remote_clone import RemoteClone
    from merge_bot.target import Target, credentials_from

    target = Target(remote, base=branch, root=repo, credentials=credentials_from(os.environ), option="--branch")
    with RemoteClone.open(target) as there:
        yield there


def _proposer(clone: Clone | RemoteClone, repository: str) -> Publisher:
    from merge_bot.actions import api_access
    from merge_bot.github_api import GitHub
    from merge_bot.proposal import rollback_branch
    from merge_bot.publish.pull_request import PullRequestPublisher
    from merge_bot.remote_clone import RemoteClone
    from merge_bot.rollback_body import describe_rollback

    assert isinstance(clone, RemoteClone)
    return PullRequestPublisher(
        clone.repository, clone.remote, GitHub(repository, *api_access(os.environ)), clone.branch, clone.author(),
        describe_rollback, head=rollback_branch(clone.branch),
    )  # fmt: skip


def _as_data(rolled: Rolled, before: Mapping[str, int], dry_run: bool, remarks: Sequence[str]) -> dict[str, Any]:
    manifest, published = rolled.frame.manifest, rolled.published
    assert manifest.rollback is not None
    return {
        "dry_run": dry_run,
        "frame": manifest.frame,
        "commit": published.commit,
        "manifest": manifest.digest,
        **manifest.rollback,
        "counts": {
            name: {"before": before.get(name, 0), "after": after} for name, after in sorted(manifest.counts.items())
        },
        "operation": published.operation,
        "pull_request": {"number": published.number, "url": published.url} if published.number else None,
        "remarks": list(remarks),
    }


def _as_page(rolled: Rolled, before: Mapping[str, int], dry_run: bool, remarks: Sequence[str]) -> Page:
    manifest = rolled.frame.manifest
    assert manifest.rollback is not None
    undone, restored = manifest.rollback["undone"], manifest.rollback["restored"]
    how_many = f"{counted(len(undone), 'delta')} undone"
    page = Page(f"{_begin(rolled, dry_run)} the state of frame {manifest.rollback['to']}: {how_many}.")
    page.tone = "good" if rolled.published.commit else "doubt"
    page.add("By collection", _by_collection(before, manifest.counts))
    what = "put up again, for the next merge" if manifest.rollback["requeued"] else "undone"
    page.add(f"{counted(len(undone), 'delta')} {what}", some(list(_items(undone))), "doubt")
    page.add(f"{counted(len(restored), 'delta')} restored", some(list(_items(restored))))
    page.add("Remarks", some([Item(printable(one)) for one in remarks]), "doubt")
    if dry_run:
        page.closing.append(f"To do it: dreamcatcher rollback {manifest.rollback['to']}")
    elif rolled.published.number:
        page.closing.append(f"Pull request: {printable(rolled.published.url or str(rolled.published.number))}")
    elif rolled.published.commit:
        page.closing.append(
            f"Commit {rolled.published.commit}; to undo the rollback: dreamcatcher rollback {manifest.frame - 1}"
        )
        page.closing.append(f"Frame {manifest.frame + 1} is open.")
    return page


def _begin(rolled: Rolled, dry_run: bool) -> str:
    number, published = rolled.frame.number, rolled.published
    if dry_run:
        return f"Dry run, nothing was written. Frame {number} would have"
    if published.number is None:
        return f"Frame {number} has"
    if published.commit is None:
        return f"Pull request #{published.number} was left alone. Frame {number} would have"
    return f"Proposed as pull request #{published.number}. Once that is merged, frame {number} has"


def _by_collection(before: Mapping[str, int], after: Mapping[str, int]) -> list[Table]:
    changed = [name for name in sorted(after) if before.get(name, 0) != after[name]]
    rows = [[printable(name), f"{before.get(name, 0):,}", f"{after[name]:,}"] for name in changed]
    return [Table(["collection", "records before", "after"], rows)] if rows else []


def _items(rows: Iterable[Mapping[str, Any]]) -> Iterable[Item]:
    for row in rows:
        yield Item(f"{printable(row['source'])}, merged in frame {row['merged_in']}")
