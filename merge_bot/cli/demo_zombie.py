"""`dreamcatcher demo zombie`: a machine freezes, is replaced, and wakes up to finish what it had begun."""

from __future__ import annotations

import json
from pathlib import Path

from merge_bot.canonical import document
from merge_bot.cli.demo_machines import LIVE, LOCK, SERVICE
from merge_bot.cli.demo_stage import (
    Machine,
    clone_of,
    delivered,
    genesis,
    git,
    machines,
    merge,
    remote_of,
    say,
    schema_of,
    show,
)  # fmt: skip

_BEFORE, _STALE, _FRESH = 41, 42, 43
_WORKER = "deployer"


def play(root: Path) -> bool:
    """Whether the zombie overwrote its successor the plain way, and not ours."""
    root.mkdir(parents=True, exist_ok=True)
    decides = f"machine-1 decides for {_STALE}, and freezes"
    say(f"Version {_BEFORE} is live. {decides}. machine-2 takes over, and makes it {_FRESH}.")
    show(f"  Then machine-1 wakes up, and goes on where it was.  ({root})")
    plain = _plain(root)
    ours = _ours(root)
    say("What is live")
    show(f"  the plain way    {plain}: {_verdict(plain)}")
    show(f"  Dream Catcher    {ours}: {_verdict(ours)}")
    came_true = plain == _STALE and ours == _FRESH
    say("The plain way let the zombie in; ours did not." if came_true else "That is NOT as it should have come out.")
    return came_true


def _plain(root: Path) -> int:
    say("The plain way: a lock in a file, looked at before the work")
    files = {LIVE: {SERVICE: _BEFORE}, LOCK: {"holder": None}}
    remote = remote_of(root, "plain", {path: json.dumps(value).encode() + b"\n" for path, value in files.items()})
    zombie = Machine("machine-1", "deploy_plainly", clone_of(remote, 1), str(_STALE))
    with machines(zombie):
        zombie.hear()
        zombie.hear()
        _freeze(zombie)
        heir = Machine("machine-2", "deploy_plainly", clone_of(remote, 2), str(_FRESH))
        with machines(heir):
            heir.hear()
            heir.hear()
            heir.go()
            heir.hear()
        _wake(zombie)
        zombie.go()
        zombie.hear()
    live: int = json.loads(git(remote, "show", f"main:{LIVE}"))[SERVICE]
    return live


def _ours(root: Path) -> int:
    say("Dream Catcher: a lease with an epoch, which each write carries (Worker.claim, Worker.reclaim)")
    place = f"state/services/{SERVICE}.json"
    files = schema_of("services", "name", version="integer")
    files |= {place: document({"name": SERVICE, "version": _BEFORE})}
    remote = remote_of(root, "dreamcatcher", files, genesis(b"lease: {silent-frames: 1}\n"))
    zombie = Machine("machine-1", "deploy", clone_of(remote, 1), str(_STALE), "claim")
    with machines(zombie):
        _granted(remote, zombie, 1)
        _freeze(zombie)
        heir = Machine("machine-2", "deploy", clone_of(remote, 2), str(_FRESH), "reclaim")
        with machines(heir):
            _granted(remote, heir, 2)
            _write(remote, heir, 3)
        _wake(zombie)
        _write(remote, zombie, 4)
    live: int = json.loads(git(remote, "show", f"main:{place}"))["version"]
    return live


def _granted(remote: Path, machine: Machine, count: int) -> None:
    machine.hear()
    delivered(remote, _WORKER, count)
    merge(remote)
    machine.go()
    machine.hear()


def _write(remote: Path, machine: Machine, count: int) -> None:
    machine.go()
    machine.hear()
    delivered(remote, _WORKER, count)
    merge(remote)
    machine.go()
    machine.hear()


def _freeze(machine: Machine) -> None:
    machine.stop()
    show("  ...        machine-1 freezes (SIGSTOP); nothing is heard of it any more")


def _wake(machine: Machine) -> None:
    machine.wake()
    show("  ...        machine-1 wakes up (SIGCONT), and knows nothing of all this")


def _verdict(version: int) -> str:
    if version == _FRESH:
        return "right"
    return f"wrong: {_FRESH} was overwritten by what machine-1 had decided before" if version == _STALE else "wrong"
