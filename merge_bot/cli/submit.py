"""`dreamcatcher submit`: a delta on its way to a remote, from any machine, with or without a clone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merge_bot.cli.output import json_option, lines, print_json, say

if TYPE_CHECKING:
    from merge_bot.submit import Submitted

_EPILOG = """\b
Examples:
  dreamcatcher submit --worker w1 delta.json
  echo '{"posts_created": [{…}]}' | dreamcatcher submit --worker w1
  dreamcatcher submit --worker w1 --remote https://github.com/OWNER/NAME delta.json    (no clone needed)

The delta becomes the newest commit of the branch deltas/w1 on the remote, without touching your checkout, index or
branches. A token for HTTPS is read from the variable DREAMCATCHER_TOKEN; without it, git does as it is configured.
A merge comes with the next run of its workflow; --ring starts one, unless one is waiting to start. Not to ring, or in
vain, harms nothing.

Exit codes: 0 the remote has it; 1 it may not enter, or the remote refuses; 75 the budget is spent: the delta is kept,
the letter says where, and submitting it again is safe.
"""


@click.command("submit", epilog=_EPILOG)
@click.argument("file", default="-", metavar="[FILE]", type=click.Path(allow_dash=True))
@click.option("--worker", required=True, metavar="ID", help="Whose delta it is; its stream_id.")
@click.option(
    "--to",
    type=click.Choice(["branch", "inbox"]),
    default="branch",
    show_default=True,
    help="The worker's own branch, or the inbox on the base branch.",
)
@click.option("--remote", default="origin", show_default=True, metavar="NAME|URL", help="Where to.")
@click.option("--base", metavar="BRANCH", help="The branch that is merged into (default: the remote's default branch).")
@click.option("--frame", type=click.IntRange(min=0), help="The frame (default: the one open on the base branch).")
@click.option("--run", metavar="NAME", help="Names this run of the worker; a retry uses the same name.")
@click.option("--replace", is_flag=True, help="In the inbox: take the place of this run's earlier delta.")
@click.option("--ring", is_flag=True, help="Start the merge's workflow on GitHub at once (repository_dispatch).")
@click.option(
    "--github", metavar="OWNER/NAME", help="With --ring: the repository, if the remote's URL does not name it."
)
@click.option("--budget", type=click.FloatRange(min=0), default=60, show_default=True, help="Seconds to keep trying.")
@click.option("--repo", default=".", type=click.Path(), metavar="PATH", help="The clone, if there is one.")
@json_option
def command(
    file: str,
    worker: str,
    to: Any,
    remote: str,
    base: str | None,
    frame: int | None,
    run: str | None,
    replace: bool,
    ring: bool,
    github: str | None,
    budget: float,
    repo: str,
    as_json: bool,
) -> int:
    """Submit a delta, or operations that are made one, to a remote.

    FILE holds a whole delta, which is sent byte for byte, or operations alone (`-`, the default, is standard input).
    """
    from datetime import UTC, datetime

    from merge_bot.bell import bell
    from merge_bot.errors import EXIT_DONE
    from merge_bot.patience import Patience
    from merge_bot.submit import submit
    from merge_bot.target import Target, credentials_from

    content = _read(file)
    target = Target(remote, to, base, repo, credentials_from(os.environ))
    done = submit(
        content,
        target,
        datetime.now(UTC),
        worker=worker,
        frame=frame,
        run=run,
        replace=replace,
        patience=Patience(budget),
        kept=None if file == "-" else Path(file).absolute(),
        ring=bell(os.environ, github) if ring else None,
    )
    _tell(done, as_json=as_json)
    return EXIT_DONE


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise click.UsageError(f"{click.format_filename(file)} cannot be read: {error.strerror}.") from error


def _tell(done: Submitted, *, as_json: bool) -> None:
    from dataclasses import asdict

    from merge_bot import submit_letters

    if as_json:
        print_json(asdict(done))
        return
    branch = done.ref.removeprefix("refs/heads/")
    if done.repeated:
        lines([submit_letters.there_already(done.frame, done.path, branch, done.url, done.commit)])
    else:
        lines([submit_letters.arrived(done.frame, done.path, branch, done.url, done.commit, done.pushes)])
        lines([submit_letters.RULES[done.rules]])
    for note in done.notes:
        say(note)
