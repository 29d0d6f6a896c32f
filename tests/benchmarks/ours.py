"""One measured merge of ours, in a process of its own: what `dreamcatcher merge` does in a clone or with a remote.

A stopwatch is put around the names that `merge_bot.frame` calls, so nothing in the merge knows of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from merge_bot.brief import brief, end
from tests.benchmarks.stopwatch import Stopwatch

STAGES = {
    "merge_bot.frame:collect": "collect",
    "merge_bot.frame:judge_all": "validate",
    "merge_bot.frame:validate": "validate",
    "merge_bot.frame:admit": "validate",
    "merge_bot.frame:merge": "merge",
    "merge_bot.merge:take_out": "check",
    "merge_bot.frame:prove": "check",
    "merge_bot.frame:snapshot": "snapshot",
}
"""Where a stage begins → under which name its time is reported. Names that are not there are left out."""


def main(folder: Path) -> dict[str, Any]:
    """Merge what is pending in the clone at `folder`."""
    watch = Stopwatch()
    with watch("imports"):
        from merge_bot.clone import Clone
        from merge_bot.publish.commit import CommitPublisher
        from tests.benchmarks.moment import NOW

        put_in(watch)
        CommitPublisher.publish = watch.timed("publish", CommitPublisher.publish)  # type: ignore[method-assign]
    with watch("open"), Clone.open(str(folder)) as clone:
        result = clone.merge(NOW)
    return watch.report() | {"commit": result.published.commit}


def by_branches(url: str) -> dict[str, Any]:
    """Fetch a remote's branch and all delta branches, merge what is pending, and push."""
    watch = Stopwatch()
    with watch("imports"):
        from tempfile import TemporaryDirectory

        from merge_bot.git.remote import Remote
        from merge_bot.publish.push import PushPublisher
        from merge_bot.remote_clone import RemoteClone
        from merge_bot.target import Target
        from tests.benchmarks.moment import NOW

        put_in(watch)
        PushPublisher.publish = watch.timed("publish", PushPublisher.publish)  # type: ignore[method-assign]
        Remote.fetch = watch.timed("fetch", Remote.fetch)  # type: ignore[method-assign]
        Remote.advertised = watch.timed("fetch", Remote.advertised)  # type: ignore[method-assign]
        Remote.push = watch.timed("push", Remote.push)  # type: ignore[method-assign]
    with TemporaryDirectory() as nowhere, watch("open"), RemoteClone.open(Target(url, root=nowhere)) as clone:
        result = clone.merge(NOW)
    return watch.report() | {"commit": result.published.commit}


def put_in(watch: Stopwatch) -> None:
    """Put the stopwatch around each stage."""
    from importlib import import_module

    for place, stage in STAGES.items():
        module, _, name = place.partition(":")
        function = getattr(import_module(module), name, None)
        if function is not None:
            setattr(import_module(module), name, watch.timed(stage, function))


if __name__ == "__main__":
    place = sys.argv[1]
    with brief():  # as the command's process does
        print(json.dumps(by_branches(place) if ":" in place else main(Path(place))))
        end(0)
