"""The parts of the demos lost-update and zombie, each played by a process: what two machines run.

`python -Im merge_bot.cli.demo_machines ROLE CLONE NAME …`. A line on standard output tells what was done; where a part
says `_listen()`, it waits for a line on standard input.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEATS, SHOW = "seats.json", "gala"
LIVE, LOCK, SERVICE = "live.json", "lock.json", "web"
_TRIES = 5
_PATIENCE = 300.0  # seconds until a merge has taken a sale in


def sell_plainly(clone: Path, name: str, seats: str) -> None:
    """Read, compute, write: as one writes it at first."""
    left = _read(clone / SEATS)[SHOW]
    _tell(f"reads: {left} left")
    _listen()
    left -= int(seats)
    _push(clone, {SEATS: {SHOW: left}}, f"{name} sold {seats}", f"sells {seats}, writes: {left} left")


def sell(clone: Path, name: str, seats: str) -> None:
    """The same with a condition: Worker.update computes again where another write came first."""
    from merge_bot.worker import Worker

    def compute(show: dict[str, Any]) -> dict[str, Any]:
        _tell(f"reads: {show['left']} left")
        _listen()
        left = show["left"] - int(seats)
        _tell(f"sells {seats}, writes: {left} left, if there are {show['left']} still")
        return {"left": left}

    Worker(name, root=clone, run="", push=True).update("shows", SHOW, compute, wait=_PATIENCE)
    _tell("knows that its sale counts")


def deploy_plainly(clone: Path, name: str, version: str) -> None:
    """Take the lock, look, decide, and write what was decided."""
    _git(clone, "pull", "--quiet")
    holder = _read(clone / LOCK)["holder"]
    _push(clone, {LOCK: {"holder": name}}, f"{name} takes the lock", f"takes the lock (before: {holder})")
    _tell(f"holds the lock, sees {_read(clone / LIVE)[SERVICE]} live, decides for {version}")
    _listen()
    _push(clone, {LIVE: {SERVICE: int(version)}}, f"{name} deploys {version}", f"writes: {version} is live")


def deploy(clone: Path, name: str, version: str, way: str) -> None:
    """The same under a lease: `claim` it, or `reclaim` it from a machine that is silent."""
    from merge_bot.worker import Worker

    _git(clone, "pull", "--quiet")
    lease = Worker("deployer", root=clone, push=True)
    lease.claim() if way == "claim" else lease.reclaim()
    _tell("asks for the lease" if way == "claim" else "ends the silent lease, and asks for one of its own")
    _listen()
    _git(clone, "pull", "--quiet")
    with Worker("deployer", root=clone, run=name, push=True) as worker:
        with worker.read() as now:
            live = now.record("services", SERVICE)["version"]
        worker.set("services", SERVICE, version=int(version))
        _tell(f"holds the lease, sees {live} live, decides for {version}")
        _listen()
    _tell(f"sends: {version} is live")
    _listen()
    sent = worker.submitted
    assert sent is not None
    [became] = [one for one in worker.receipts() if one.digest == sent.digest]
    _tell(f"is told: {became.outcome}" + ("" if became.recover == "none" else f", {became.recover}"))


def _push(clone: Path, files: dict[str, Any], message: str, told: str) -> None:
    """Commit and push. If somebody was faster: fetch, put these files on top of what is there now, push again."""
    for path, value in files.items():
        (clone / path).write_text(json.dumps(value) + "\n", encoding="utf-8")
    for attempt in range(_TRIES):
        _git(clone, "add", *files)
        _git(clone, "commit", "--quiet", "--no-verify", "--no-gpg-sign", "--message", message)
        if _git(clone, "push", "--quiet", "--no-verify", "origin", "main", check=False):
            again = "" if attempt == 0 else "; was not first, so fetches, puts its file on top, pushes again"
            _tell(f"{told}{again}")
            return
        _git(clone, "fetch", "--quiet", "origin", "main")
        _git(clone, "reset", "--quiet", "FETCH_HEAD")
    raise SystemExit(f"{message}: not pushed in {_TRIES} tries")


def _git(clone: Path, *arguments: str, check: bool = True) -> bool:
    done = subprocess.run(["git", "-C", str(clone), *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr}")
    return done.returncode == 0


def _read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def _tell(text: str) -> None:
    print(text, flush=True)


def _listen() -> None:
    if not sys.stdin.readline():
        raise SystemExit(1)


ROLES: dict[str, Callable[..., None]] = {one.__name__: one for one in (sell_plainly, sell, deploy_plainly, deploy)}


def main() -> None:
    role, clone, *words = sys.argv[1:]
    ROLES[role](Path(clone), *words)


if __name__ == "__main__":
    main()
