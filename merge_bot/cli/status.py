"""`dreamcatcher status`: the open frame, what waits for it and since when, and what stands open. Merges nothing.

The data (`status --json`) is stable; keys are added, never changed:

    initialised    whether there is a frame; if not, only this and the branch are there
    branch         the branch that was looked at
    open_frame     the number of the open frame
    as_of          when the newest frame was merged
    newest_commit  the commit that it landed in
    readers        what readers of this copy hold: frame, as_of, how many seconds ago that is, and how many deltas wait
                   behind it
    stops          the letter that a merge would end with, or null
    alarms         what has been so for too long: name, message, remedy
    waiting        the inbox: paths committed and uncommitted, how many versions were overwritten, the number of files
                   by_worker, the paths held for a later frame, the time at which the oldest of the others was
                   committed; on_branches: the number of commits on delta branches that this clone knows, by worker
    odd            what lies in the inbox and is no file, with what it is
    conflicts      every open conflict, as in `merge --json`
    parked         every record that waits, as in `merge --json`
    records        the number of records by collection
    workers        what is known of each worker, as in workers.json
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from merge_bot.cli import letters
from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show
from merge_bot.page import Item, Page, Table, some
from merge_bot.wording import counted, printable

if TYPE_CHECKING:
    from merge_bot.cli.looking import Status

_LONG = 2 * 3600  # seconds; the workflow merges once an hour at the latest
_MANY_WORKERS = 100

_EPILOG = """\b
Examples:
  dreamcatcher status              the open frame, and whether deltas pile up
  dreamcatcher status --json       the same for programs

The exit code is 1 where a merge would stop (state that another hand changed, schemas with mistakes), with the reason;
where something has been so for too long, it is what the settings say (alarms: exit-code).
"""


@click.command("status", epilog=_EPILOG)
@branch_option
@repo_option
@json_option
def command(branch: str | None, repo: str, as_json: bool) -> int:
    """Show the open frame, how many deltas wait and since when, conflicts, parked records, collections and workers."""
    from merge_bot.cli.around import branch_of
    from merge_bot.cli.looking import look
    from merge_bot.clone import Clone
    from merge_bot.errors import EXIT_DONE, EXIT_PROBLEM

    now = datetime.now(UTC)
    with Clone.open(repo, branch) as clone:
        name = branch_of(clone)
        status = look(clone, now)
    if status is None:
        if as_json:
            print_json({"initialised": False, "branch": name})
        else:
            show(Page(letters.not_initialised(name)))
        return EXIT_DONE
    if as_json:
        print_json(_as_data(status, name, now))
    else:
        show(_as_page(status, name, now))
    return EXIT_PROBLEM if status.stops else status.limits.exit_code if status.alarms else EXIT_DONE


# --- what is said


def _as_data(status: Status, branch: str, now: datetime) -> dict[str, Any]:
    from dataclasses import asdict

    from merge_bot.cli.looking import frame_of, worker_of
    from merge_bot.report import conflict_data

    waiting = status.waiting
    both = (*waiting.committed, *waiting.uncommitted)
    return {
        "initialised": True,
        "branch": branch,
        "open_frame": status.meta.frame,
        "as_of": status.meta.as_of,
        "newest_commit": status.landed.commit if status.landed else None,
        "readers": {
            "frame": status.manifest.frame,
            "as_of": status.meta.as_of,
            "seconds": status.age(now),
            "behind": status.behind,
        },
        "stops": status.stops or None,
        "alarms": [one.as_json() for one in status.alarms],
        "waiting": {
            "committed": waiting.committed,
            "uncommitted": waiting.uncommitted,
            "overwritten": waiting.overwritten,
            "by_worker": dict(sorted(Counter(worker_of(path) for path in both).items())),
            "held": [path for path in both if frame_of(path) > status.meta.frame],
            "on_branches": status.branches.commits,
            "oldest": waiting.oldest.isoformat().replace("+00:00", "Z") if waiting.oldest else None,
        },
        "odd": status.odd,
        "conflicts": [conflict_data(one) for one in status.conflicts],
        "parked": [one.as_json() for one in status.parked],
        "records": dict(status.manifest.counts),
        "workers": {name: asdict(one) for name, one in sorted(status.workers.known.items())},
    }


def _as_page(status: Status, branch: str, now: datetime) -> Page:
    from merge_bot.cli.looking import frame_of
    from merge_bot.decisions_report import disabled_item
    from merge_bot.git.scan import CHANGING
    from merge_bot.report import conflict_item, parked_items
    from merge_bot.workers import DISABLED

    waiting = status.waiting
    count = len(waiting.committed) + len(waiting.uncommitted)
    wait = f"{counted(count, 'delta')} {'waits' if count == 1 else 'wait'}" if count else "no delta waits"
    page = Page(
        f"Frame {status.meta.frame} is open on {printable(branch)}: {wait}.", tone="bad" if status.stops else "good"
    )
    page.add("A merge would stop here", [Item(line) for line in status.stops.splitlines()], "bad")
    page.add("Alarms", [Item(one.message, [one.remedy]) for one in status.alarms], "bad")
    page.add("Waiting", _waiting_body(status, now))
    page.add("Also", some([Item(one) for one in letters.odd_files(status.odd, CHANGING)]), "doubt")
    page.add(
        counted(len(status.conflicts), "open conflict"), some([conflict_item(one) for one in status.conflicts]), "doubt"
    )
    first = min((one.since for one in status.parked), default=0)
    page.add(
        f"{counted(len(status.parked), 'record')} parked, the first since frame {first}",
        some(parked_items(status.parked)),
        "doubt",
    )
    records = [(name, f"{count:,}") for name, count in sorted(status.manifest.counts.items())]
    page.add("Records", [Table(("collection", "records"), records)] if records else [])
    disabled = [name for name, one in sorted(status.workers.known.items()) if one.status == DISABLED]
    page.add("Disabled: too many bad deltas in a row", some([disabled_item(one) for one in disabled]), "bad")
    page.add("Workers, with the newest delta that was merged of each", _workers(status))
    landed = f" in commit {status.landed.commit}" if status.landed else ""
    kind = "The genesis" if status.manifest.kind == "genesis" else f"Frame {status.manifest.frame}"
    page.closing.append(f"{kind} landed {status.meta.as_of}{landed}.")
    page.closing.append(letters.stale_window(status.manifest.frame, status.age(now), status.behind))
    if any(frame_of(path) <= status.meta.frame for path in (*waiting.committed, *waiting.uncommitted)):
        page.closing.append("To merge what waits: dreamcatcher merge")
    return page


def _waiting_body(status: Status, now: datetime) -> Iterator[Item | Table]:
    from merge_bot.cli.looking import frame_of, worker_of

    waiting = status.waiting
    committed = Counter(worker_of(path) for path in waiting.committed)
    uncommitted = Counter(worker_of(path) for path in waiting.uncommitted)
    later = Counter(
        worker_of(path) for path in (*waiting.committed, *waiting.uncommitted) if frame_of(path) > status.meta.frame
    )
    names = sorted({*committed, *uncommitted})
    if names:
        rows = [
            (name, *(f"{one[name]:,}" for one in (committed, uncommitted, later))) for name in names[:_MANY_WORKERS]
        ]
        yield Table(("worker", "committed", "not committed", "of these for a later frame"), rows)
        if len(names) > len(rows):
            yield Item(f"and {counted(len(names) - len(rows), 'more worker')}")
    if waiting.overwritten:
        yield Item(letters.overwritten(waiting.overwritten))
    if status.branches.count:
        yield Item(letters.on_branches(status.branches.commits))
    if waiting.oldest:
        seconds = int((now - waiting.oldest).total_seconds())
        yield Item(letters.oldest(waiting.oldest.strftime("%Y-%m-%dT%H:%M:%SZ"), seconds, too_long=seconds > _LONG))


def _workers(status: Status) -> Iterator[Table | Item]:
    known = sorted(status.workers.known.items())
    rows = [
        (
            name,
            str(one.frame or "-"),
            _second(one.utc),
            *(f"{count:,}" for count in (one.applied, one.late, one.quarantined, one.fallbacks)),
        )
        for name, one in known[:_MANY_WORKERS]
    ]
    if rows:
        yield Table(("worker", "frame", "utc", "applied", "late", "quarantined", "fallbacks"), rows)
    if len(known) > len(rows):
        yield Item(f"and {counted(len(known) - len(rows), 'more worker')}")


def _second(utc: str) -> str:
    """A delta's time to the second, in UTC; a dash if there is none."""
    from merge_bot.delta import parse_utc

    instant = parse_utc(utc)
    return "-" if instant is None else datetime.fromtimestamp(instant // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
