"""`dreamcatcher demo`: the protocol at work, for real, in an empty folder. Exits 1 if anything is not as it says.

Without a name, the protocol's own example is here; the others have a file each.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merge_bot.cli.demo_stage import git, say, show
from merge_bot.errors import EXIT_DONE, EXIT_PROBLEM

if TYPE_CHECKING:
    from merge_bot.frame import Result

_EPILOG = """\b
Examples:
  dreamcatcher demo                one frame of ten workers
  dreamcatcher demo lost-update    two shops sell seats of one show: the plain way, and with conditional writes
  dreamcatcher demo zombie         a machine is replaced, and wakes up again: the plain way, and with a lease

\b
lost-update and zombie show a failure for real, and then what prevents it; all of it offline.
The exit code is 1 unless all came true: the plain way lost something, ours did not.
"""


@click.command("demo", epilog=_EPILOG)
@click.argument("story", required=False, type=click.Choice(["lost-update", "zombie"]), metavar="[lost-update|zombie]")
@click.option("--keep", type=click.Path(file_okay=False), metavar="FOLDER", help="Play in FOLDER and leave it there.")
def command(story: str | None, keep: str | None) -> int:
    """See the whole way, in a folder that is thrown away: ten processes write at once, one merge takes it all in.
    Or see what the plain way loses: lost-update, zombie.

    Frame 405: five streams write 25 posts, 55 comments and 125 observations; two workers disagree about one bio;
    one crashes; one leaves half a file; one comments on a post that does not exist.
    """
    with ExitStack() as stack:
        root = Path(keep) if keep else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dreamcatcher-")))
        if keep and root.exists() and any(root.iterdir()):
            raise click.UsageError(f"{root} is not empty; the demo wants a folder of its own.")
        if story == "lost-update":
            from merge_bot.cli.demo_lost_update import play
        elif story == "zombie":
            from merge_bot.cli.demo_zombie import play
        else:
            play = _play
        came_true = play(root.resolve())
        if keep:
            say(f"Look around: cd {root.resolve()}" + ("" if story else "; dreamcatcher status"))
        return EXIT_DONE if came_true else EXIT_PROBLEM


def _play(root: Path) -> bool:
    from merge_bot.cli import demo_world as world
    from merge_bot.clone import Clone
    from merge_bot.git import Repository
    from merge_bot.resources import example_schemas, settings_template

    say(f"A new repository, and its first frame  ({root})")
    Repository.create(root).close()
    templates = {".github/dreamcatcher.yml": settings_template()}
    with Clone.open(str(root)) as clone:
        now = datetime.now(UTC)
        clone.begin(clone.plan(templates, example_schemas(), now, world.FRAME - 1), now)
        world.found_world(root)
        clone.merge(datetime.now(UTC))
        say(f"Frame {world.FRAME} opens: {len(world.ROLES)} workers write at once, each a process of its own")
        _write_at_once(root, list(world.ROLES))
        inbox = sorted((root / "state" / "stream_deltas").glob("*.json"))
        for path in inbox:
            show(f"  {path.name:<28}{path.stat().st_size:>7,} bytes")
        say("One merge takes everything in")
        result = clone.merge(datetime.now(UTC))
    _report(root, result)
    wrong = _compare(_counted(root, result), world.EXPECTED)
    say("The history, and what a reviewer would read")
    show(git(root, "log", "--oneline", "--graph"))
    show(git(root, "show", "--shortstat", "--format=", "HEAD").strip())
    generated = [f":!state/{name}" for name in ("_control", "frames", "stream_deltas")]
    human = git(root, "show", "--shortstat", "--format=", "HEAD", "--", ".", *generated)
    show(f"{human.rstrip()}: what a reviewer reads; the rest is archive and marked as generated")
    say(f"{wrong} number(s) are off." if wrong else "Every number is right: nothing lost, nothing counted twice.")
    return not wrong


def _write_at_once(root: Path, roles: list[str]) -> None:
    """Start every worker, wait until each is ready, then let all of them go together."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-Im", "merge_bot.cli.demo_world", str(root), role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for role in roles
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.close()
            worker.stdin = None
        for role, worker in zip(roles, workers, strict=True):
            _, stderr = worker.communicate()
            if worker.returncode:
                show(f"  {role} died: {stderr.strip().splitlines()[-1]}")
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()


def _report(root: Path, result: Result) -> None:
    from merge_bot.findings import Outcome

    assert result.frame is not None
    say("Two workers disagree, and both values are kept")
    for conflict in result.frame.conflicts:
        show(f"  {conflict.collection}/{conflict.key}, field {conflict.field}:")
        for one in conflict.entry["candidates"]:
            stands = "  <- stands: the later write" if one["value"] == conflict.entry["value"] else ""
            show(f"    {one['stream_id']:<6} {one['utc']}  {one['value']!r}{stands}")
    say("What could not enter, and what its author is told")
    for receipt in result.frame.receipts:
        for problem in receipt.problems:
            show(f"  {problem.file}:{problem.line}\n    {problem.message}\n    {problem.remedy}")
        if receipt.outcome == Outcome.FALLBACK:
            show(f"  {receipt.source}\n    A fallback: the worker has nothing. Its slot stays open for a real one.")
    for parked in result.frame.parked:
        waits = ", ".join(f"{one['collection']} {one['key']}" for one in parked.waits_for)
        operation = parked.operation
        show(f"  {operation.origin.stream_id}{operation.pointer}\n    Parked until it can refer to: {waits}.")


def _counted(root: Path, result: Result) -> dict[str, int]:
    """Counted from the committed files by plain reading, not from what the merge says of itself."""
    assert result.frame is not None
    state = root / "state"
    stats = json.loads((state / "stats.json").read_text())
    outcomes = Counter(
        str(receipt["outcome"]) for receipt in _lines(state / "frames" / "000" / "000405" / "receipts.jsonl")
    )
    conflicts = json.loads((state / "conflicts.json").read_text())
    return {
        "posts": len(_lines(*state.glob("posts/*/*.jsonl"))),
        "comments": len(_lines(*state.glob("comments/*/*.jsonl"))),
        "souls": len(_lines(*state.glob("souls/*.jsonl"))),
        "follows": sum(len(json.loads(path.read_text())) for path in state.glob("follows/*.json")),
        "total_posts": stats["total_posts"],
        "total_comments": stats["total_comments"],
        "conflicts": sum(len(fields) for keys in conflicts.values() for fields in keys.values()),
        "parked": len(_lines(state / "parked.jsonl")),
        "quarantined": outcomes["quarantined"],
        "fallbacks": outcomes["fallback"],
    }


def _compare(counted: dict[str, int], expected: dict[str, int]) -> int:
    say("The merged totals, counted in the files, against what the workers set out to write")
    wrong = 0
    for name, wanted in expected.items():
        found = counted[name]
        wrong += found != wanted
        show(f"  {name:<16}{found:>5}  expected {wanted:>5}  {'ok' if found == wanted else 'OFF'}")
    return wrong


def _lines(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
