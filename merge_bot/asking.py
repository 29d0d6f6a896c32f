"""Asking the merge for a decision: a delta of its own that holds `_control` alone, into the inbox or to a remote."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from merge_bot.canonical import digest
from merge_bot.control_schema import CONTROL, MAX_REQUESTS, is_about_leases
from merge_bot.delta import format_utc
from merge_bot.writer import Desk

if TYPE_CHECKING:
    from merge_bot.patience import Patience
    from merge_bot.submit import Submitted
    from merge_bot.target import Target

Request = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Where the request is now: `path` in the inbox or the branch; `submitted` says more where it went to a remote."""

    worker: str
    frame: int
    path: str
    digest: str
    submitted: Submitted | None = None


def ask(
    requests: Sequence[Request],
    *,
    stream_id: str,
    now: datetime,
    root: str | os.PathLike[str] = ".",
    target: Target | None = None,
    patience: Patience | None = None,
) -> list[Asked]:
    """Write the requests as deltas of `stream_id`, so many in each as one may hold. The next merge decides them.

    With a `target` they go there, else into the inbox of the work tree at `root`. Raises as `write_delta` and `submit`.
    """
    asked = []
    for start in range(0, len(requests), MAX_REQUESTS):
        some = [dict(one) for one in requests[start : start + MAX_REQUESTS]]
        run = _run_name(some, now, start)
        asked.append(_send(some, run, stream_id, now, root, target, patience))
    return asked


def _send(
    requests: list[dict[str, Any]],
    run: str,
    stream_id: str,
    now: datetime,
    root: str | os.PathLike[str],
    target: Target | None,
    patience: Patience | None,
) -> Asked:
    if target is not None:
        from merge_bot.submit import submit

        content = json.dumps({CONTROL: requests}).encode()
        done = submit(content, target, now, worker=stream_id, run=run, patience=patience)
        return Asked(stream_id, done.frame, done.path, done.digest, done)
    desk = Desk.open(root)
    frame = desk.open_frame()
    epoch = None if is_about_leases({CONTROL: requests}) else desk.epoch(stream_id)
    meta = {"run": run} | ({} if epoch is None else {"epoch": epoch})
    path = desk.write(frame, stream_id, {CONTROL: requests}, meta, utc=format_utc(now))
    return Asked(stream_id, frame, str(path), digest(path.read_bytes()))


def _run_name(requests: Sequence[Request], now: datetime, start: int) -> str:
    """A run of its own for each: a request takes the place of no other delta of the frame."""
    return f"{requests[0]['op']}-{now:%Y%m%dT%H%M%S%f}" + (f"-{start}" if start else "")
