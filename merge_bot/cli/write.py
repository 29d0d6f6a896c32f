"""`dreamcatcher write`: a delta into the inbox, for workers that are no Python programs."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from merge_bot.cli import letters
from merge_bot.cli.output import json_option, print_json, repo_option

RUN_VARIABLE = "DREAMCATCHER_RUN"

_EPILOG = """\b
Examples:
  dreamcatcher write --worker w1 operations.json
  echo '{"stats_increments": {"total_posts": 1}}' | dreamcatcher write --worker w1
  dreamcatcher write --worker w1 --fallback      tried, and have nothing
  dreamcatcher schema delta --example | dreamcatcher write --worker w1

The JSON is an object of operations by delta key. What it has of the envelope (frame, stream_id, utc, _meta) is used
where no option says otherwise; the rest is filled in: the open frame, and the time now. The delta is held to the
schemas in the work tree by the merge's own validation, and appears in the inbox whole or not at all.
"""


@click.command("write", epilog=_EPILOG)
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@click.option("--worker", metavar="ID", help="Who writes: the delta's stream_id.")
@click.option("--frame", type=click.IntRange(0), metavar="N", help="The frame (default: the open one).")
@click.option("--run", metavar="NAME", envvar=RUN_VARIABLE, help="This run of the worker; a retry has the same.")
@click.option("--replace", is_flag=True, help="Take the place of a delta of the same frame, worker and run.")
@click.option("--fallback", is_flag=True, help="Say that the worker tried and has nothing; reads no FILE.")
@repo_option
@json_option
def command(
    file: str | None,
    worker: str | None,
    frame: int | None,
    run: str | None,
    replace: bool,
    fallback: bool,
    repo: str,
    as_json: bool,
) -> int:
    """Write a delta file into the inbox, from the operations in FILE (or standard input), and print its path."""
    from merge_bot.actions import run_name
    from merge_bot.cli.around import inbox_root
    from merge_bot.cli.operations import content_of, object_in
    from merge_bot.control_schema import is_about_leases
    from merge_bot.errors import EXIT_DONE, SlotTaken
    from merge_bot.writer import Desk

    if file is None and not fallback and sys.stdin.isatty():
        raise click.UsageError("Give a FILE, or pipe the operations in.")
    if fallback and file:
        raise click.UsageError("--fallback says that there is nothing, so it takes no FILE.")
    document = {} if fallback else object_in(*content_of(file))
    envelope = {name: document.pop(name) for name in ("frame", "stream_id", "utc", "_meta") if name in document}
    if worker is None and "stream_id" not in envelope:
        raise click.UsageError("Who writes? Give --worker ID, or a stream_id in the JSON.")
    desk = Desk.open(inbox_root(repo))
    frame_is_read = frame is None and "frame" not in envelope
    if frame is None:
        frame = envelope["frame"] if "frame" in envelope else desk.open_frame()
    stream_id = envelope["stream_id"] if worker is None else worker
    meta = {**envelope.get("_meta", {})}
    chosen: dict[str, Any] = {
        "run": run or meta.get("run") or run_name(os.environ),
        "status": "fallback" if fallback else None,
    }
    if frame_is_read and "epoch" not in meta and isinstance(stream_id, str):
        chosen["epoch"] = None if is_about_leases(document) else desk.epoch(stream_id)
    meta |= {name: one for name, one in chosen.items() if one is not None}
    try:
        path = desk.write(
            frame, stream_id, document, meta, utc=envelope.get("utc"), check=not fallback, replace=replace
        )
    except SlotTaken as error:
        raise SlotTaken(f"{error}\n{letters.SLOT_OPTIONS}") from None
    if as_json:
        print_json({"path": str(path), "frame": frame, "stream_id": stream_id})
    else:
        print(path)
    return EXIT_DONE
