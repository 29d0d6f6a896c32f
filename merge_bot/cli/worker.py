"""`dreamcatcher worker`: who writes here, who holds a lease, and who was stopped.

The data of `worker list --json` is stable; keys are added, never changed:

    open_frame  the frame that is open
    workers     by id: status ("open", "leased", "released" or "disabled"), epoch (0 before the first claim), seen (the
                frame of the last sign of life of a lease), bad (refused deltas in a row), frame (of the newest delta)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from merge_bot.cli import letters
from merge_bot.cli.asking import Way, as_option, ask_for, newest_of, operator_of, way_options
from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show

if TYPE_CHECKING:
    from merge_bot.reader import Newest
    from merge_bot.workers import Worker

_EPILOG = """\b
Examples:
  dreamcatcher worker list                     who writes, under which epoch, and who is disabled
  dreamcatcher worker claim w1                 from the next merge on only who has w1's epoch writes as w1
  dreamcatcher worker release w1               w1 is done: the epoch moves
  dreamcatcher worker reclaim w1               w1's machine is gone: its lease ends, and what it still sends is fenced
  dreamcatcher worker enable w1 --requeue      w1 was stopped by the breaker, and is mended: what waited comes in

claim, release, reclaim and enable ask: they write a delta that the next merge decides. `dreamcatcher receipts --worker
ID` tells what it said. With --submit the delta goes to a remote.
"""
_EXAMPLES = {
    "list": "dreamcatcher worker list --json\n  dreamcatcher worker list --remote https://github.com/OWNER/NAME",
    "claim": "dreamcatcher worker claim w1\n  dreamcatcher worker claim w1 --submit",
    "release": "dreamcatcher worker release w1\n  dreamcatcher worker release w1 --epoch 3",
    "reclaim": "dreamcatcher worker reclaim w1\n  dreamcatcher worker reclaim w1 --as w1 --claim",
    "enable": "dreamcatcher worker enable w1\n  dreamcatcher worker enable w1 --requeue",
}


def _epilog(name: str) -> str:
    return f"\b\nExamples:\n  {_EXAMPLES[name]}"


@click.group("worker", epilog=_EPILOG, no_args_is_help=True)
def command() -> None:
    """List workers, claim and release leases, let a stopped worker write again."""


@command.command("list", epilog=_epilog("list"))
@click.option("--remote", metavar="NAME|URL", help="Read on this remote.")
@branch_option
@repo_option
@json_option
def list_(remote: str | None, branch: str | None, repo: str, as_json: bool) -> int:
    """List the workers of whom something came, with lease, epoch and status."""
    from merge_bot.errors import EXIT_DONE
    from merge_bot.page import Page, Table

    way = Way(repo, remote is not None, "branch", remote or "origin", branch, 60)
    with newest_of(way, branch) as newest:
        known = _known(newest)
    if as_json:
        rows = {name: _row(one) for name, one in sorted(known.items())}
        print_json({"open_frame": newest.meta.frame, "workers": rows})
        return EXIT_DONE
    page = Page(f"{len(known):,} worker{'' if len(known) == 1 else 's'} as of frame {newest.meta.frame - 1}.")
    cells = [(name, *(str(value or "-") for value in _row(one).values())) for name, one in sorted(known.items())]
    columns = ("worker", "status", "epoch", "seen in", "bad in a row", "newest delta")
    page.add("Workers", [Table(columns, cells)] if cells else [])
    page.closing = [_how_to_enable(name) for name, one in sorted(known.items()) if one.status]
    show(page)
    return EXIT_DONE


@command.command("claim", epilog=_epilog("claim"))
@click.argument("worker", metavar="W")
@way_options
def claim(worker: str, way: Way, as_json: bool) -> int:
    """Ask for the lease on W's name, as W."""
    return ask_for([{"op": "claim"}], worker, way, [f"Asked for the lease of {worker}."], as_json=as_json)


@command.command("release", epilog=_epilog("release"))
@click.argument("worker", metavar="W")
@click.option("--epoch", type=click.IntRange(min=1), help="The epoch that ends (default: the one that is held).")
@way_options
def release(worker: str, epoch: int | None, way: Way, as_json: bool) -> int:
    """Give W's lease back, as W. Its epoch moves, so that nothing under the old one comes in any more."""
    epoch = _epoch(worker, way) if epoch is None else epoch
    told = f"Asked to release the lease of {worker}, epoch {epoch}."
    return ask_for([{"op": "release", "epoch": epoch}], worker, way, [told], as_json=as_json)


@command.command("reclaim", epilog=_epilog("reclaim"))
@click.argument("worker", metavar="W")
@click.option("--epoch", type=click.IntRange(min=1), help="The epoch that ends (default: the one that is held).")
@click.option("--as", "as_whom", metavar="ID", help="Who asks: an operator at once, anybody else after a silence.")
@click.option("--claim", "and_claim", is_flag=True, help="With --as W: claim the lease in the same delta.")
@way_options
def reclaim(worker: str, epoch: int | None, as_whom: str | None, and_claim: bool, way: Way, as_json: bool) -> int:
    """End the lease that W holds and is silent about. By default asked by the first operator, who need not wait."""
    if and_claim and as_whom != worker:
        raise click.UsageError(f"A lease is claimed by its own worker: --as {worker} --claim.")
    epoch = _epoch(worker, way) if epoch is None else epoch
    whom = as_whom or operator_of(way, None)
    requests: list[dict[str, Any]] = [{"op": "reclaim", "worker": worker, "epoch": epoch}]
    requests += [{"op": "claim"}] if and_claim else []
    told = f"Asked to end the lease of {worker}, epoch {epoch}."
    return ask_for(requests, whom, way, [told], as_json=as_json)


@command.command("enable", epilog=_epilog("enable"))
@click.argument("worker", metavar="W")
@click.option("--requeue", is_flag=True, help="Put up what came while it was disabled.")
@as_option
@way_options
def enable(worker: str, requeue: bool, as_whom: str | None, way: Way, as_json: bool) -> int:
    """Let W write again, which the breaker had stopped."""
    from merge_bot.quarantine import waiting_for

    whom = operator_of(way, as_whom)
    requests: list[dict[str, Any]] = [{"op": "enable", "worker": worker}]
    told = [f"Asked to enable {worker}."]
    if requeue:
        with newest_of(way) as newest:
            again = waiting_for(newest.files, newest.paths, newest.meta, worker)
        requests += [{"op": "retry", "delta": one.digest, "frame": one.kept_in} for one in again]
        told.append(f"Put up again: {len(again):,} that came while it was disabled.")
    return ask_for(requests, whom, way, told, as_json=as_json)


def _known(newest: Newest) -> dict[str, Worker]:
    from merge_bot.workers import Workers

    return Workers.read(newest.files, newest.paths).known


def _epoch(worker: str, way: Way) -> int:
    """The epoch of the lease that a worker holds. Raises LeaseEnded, DreamcatcherError where it never had one."""
    from merge_bot.errors import DreamcatcherError
    from merge_bot.workers import Workers

    with newest_of(way) as newest:
        epoch = Workers.read(newest.files, newest.paths).epoch_of(worker)
    if epoch is None:
        raise DreamcatcherError(letters.never_claimed(worker))
    return epoch


def _row(worker: Worker) -> dict[str, Any]:
    status = worker.status or {"": "open", "held": "leased", "ended": "released"}[worker.lease]
    return {
        "status": status, "epoch": worker.epoch, "seen": worker.seen, "bad": worker.bad, "frame": worker.frame,
    }  # fmt: skip


def _how_to_enable(name: str) -> str:
    return f"{name} is disabled. Once it is mended: dreamcatcher worker enable {name} --requeue"
