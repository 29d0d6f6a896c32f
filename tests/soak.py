"""The soak: workers, merges and their remote, each killed again and again; then every operation is accounted for.

`python -m tests.soak --workers 20 --merges 3 --frames 200 --seed 1` (`make soak`). Whatever the processes tell is the
clock: after so many tidings a merge is woken, or somebody is killed, by chance from the seed. So the pressure is the
same on a slow machine, though no two runs are. All workers live at once, a few of them are in a turn.
`tests/soak_oracle.py` has the last word.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merge_bot.errors import EXIT_TRY_AGAIN
from tests.command import begun, deliver, delta, run
from tests.repo import Repo
from tests.soak_oracle import Account, accuse
from tests.soak_parts import AGENTS, TALLY

ROOT = Path(__file__).parent.parent
SILENCE = 300.0  # seconds without a word from anybody: something hangs
SKEWS = (0, -120, 120, 250, -250)  # seconds by which the clocks of the merges are off
AT_ONCE = 4  # workers in a turn
_SETTINGS = b"max-frame-deltas: 4\nlease:\n  silent-frames: 5\n"


@dataclass
class Told:
    """What happened in a run."""

    seed: str
    seconds: float = 0.0
    frames: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)
    bugs: list[str] = field(default_factory=list)
    verify: str = ""
    account: Account = field(default_factory=Account)

    @property
    def wrong(self) -> list[str]:
        return self.bugs + self.account.accusations + ([self.verify] if self.verify else [])

    def __str__(self) -> str:
        account = self.account
        rows = [
            ("seed", self.seed),
            ("took", f"{self.seconds:.0f} s, {self.frames} frames"),
            ("killed", _counts(self.kills)),
            ("events", _counts(self.events)),
            ("written by", _counts(self.ways)),
            ("letters", _counts(self.letters)),
            (
                "handed in",
                f"{account.versions} versions, {account.deltas} deltas, {account.operations} operations entered",
            ),
            ("deltas", _counts(account.outcomes)),
            ("because", _counts(account.reasons)),
            ("operations", _counts(account.ends)),
            ("verify", self.verify or "every byte is as it was merged"),
            ("oracle", f"{len(account.accusations)} accusations" if account.accusations else "all accounted for"),
        ]
        return "\n".join([*(f"{name:>11}  {text}" for name, text in rows), *self.wrong[:20]])


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"


def world(place: Path) -> Repo:
    """A world with everybody in it and something of each kind, on which frame 406 is open: the remote."""
    (place / "served").mkdir()
    bare, clone = Repo.init(place / "served" / "world.git", "--bare"), begun(Repo.init(place / "clone"))
    clone.git("config", "user.name", "soak")
    clone.git("config", "user.email", "soak@example.com")
    clone.commit({".github/dreamcatcher.yml": _SETTINGS})
    agents = [{"agent_id": f"agent-{one}", "name": str(one)} for one in range(AGENTS)]
    agents.append({"agent_id": TALLY, "name": "tally", "bio": "0"})
    seed = delta(
        "seed",
        profile_updates=agents,
        channels_updated=[{"slug": "general", "name": "General"}],
        posts_created=[{"number": 1, "title": "first", "channel": "general", "author": "agent-0"}],
        comments_added=[{"id": "first", "post_number": 1, "author": "agent-0", "body": "first"}],
        soul_updates=[{"agent_id": "agent-0", "observation": "first"}],
        follows_added=[{"agent_id": "agent-0", "follows": "agent-1"}],
        stats_increments={"total_posts": 1},
    )
    deliver(clone, seed)
    done = run("merge", "--repo", clone.path)
    assert done.code == 0, done.err
    clone.git("push", "--quiet", str(bare.path), "main")
    return bare


class Soak:
    """The processes of one run, in a folder of their own; used as a context, none of them outlives it."""

    def __init__(self, place: Path, workers: int, merges: int, seed: str, loud: bool = False) -> None:
        self._loud = loud
        self.place, self.seed, self.told = place, seed, Told(seed)
        self.chance = random.Random(seed)
        self._workers, self._merges = workers, merges
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lives: Counter[str] = Counter()
        self._busy: set[str] = set()
        self._groups: list[int] = []
        self._out, self._in = os.pipe()
        self._rest = b""
        self._port, self._faulty = 0, True
        self._began = time.monotonic()

    def __enter__(self) -> Soak:
        world(self.place)
        (self.place / "tmp").mkdir()
        self._start("remote")
        self._until_served()
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._running):
            self._kill(name, whole=True)
        for group in self._groups:  # children that outlived a killed parent
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        os.close(self._in)
        os.close(self._out)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/world.git"

    @property
    def remote(self) -> Repo:
        return Repo(self.place / "served" / "world.git")

    # --- processes

    def _start(self, name: str) -> None:
        role = name.rstrip("0123456789")
        number, life = name.removeprefix(role), self._lives[name]
        arguments = {
            "remote": [str(self.place / "served"), str(self._port), f"{self.seed}/{life}" if self._faulty else ""],
            "merge": [self.url, str(SKEWS[int(number or 0) % len(SKEWS)]), name],
            "worker": [self.url, str(self.place / "clone"), number, str(life), self.seed],
        }[role]
        self._lives[name] += 1
        one = subprocess.Popen(
            [sys.executable, "-m", "tests.soak_parts", role, str(self._in), *arguments],
            cwd=ROOT,
            env={**os.environ, "GIT_ALLOW_PROTOCOL": "file:http", "TMPDIR": str(self.place / "tmp")},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[self._in],
            start_new_session=True,
        )
        self._running[name] = one
        self._groups.append(one.pid)

    def _kill(self, name: str, *, whole: bool) -> None:
        """End a process at once; `whole`: and whatever git it has started, which else goes on without it."""
        one = self._running.pop(name)
        self._busy.discard(name)
        if whole:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
        one.kill()
        one.wait()
        if one.stdin:
            with contextlib.suppress(BrokenPipeError):
                one.stdin.close()

    def _strike(self) -> None:
        """Somebody dies, and rises again."""
        (role,) = self.chance.choices(["worker", "merge", "remote"], [7, 2, 1])
        name = self.chance.choice(sorted(one for one in self._running if one.startswith(role)))
        self._kill(name, whole=role == "remote" or self.chance.random() < 0.5)
        self.told.kills[role] += 1
        self._start(name)
        if role == "remote":
            self._until_served()
        if role == "merge":
            self._wake(name)

    def _give_turns(self) -> None:
        idle = sorted(name for name in self._running if name.startswith("worker") and name not in self._busy)
        while idle and len(self._busy) < AT_ONCE:
            name = idle.pop(self.chance.randrange(len(idle)))
            self._busy.add(name)
            self._wake(name)

    def _wake(self, name: str) -> None:
        stdin = self._running[name].stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):
            stdin.write(b"\n")
            stdin.flush()

    # --- tidings

    def _hear(self) -> dict[str, Any]:
        """The next thing that anybody tells."""
        while b"\n" not in self._rest:
            if not select.select([self._out], [], [], SILENCE)[0]:
                raise TimeoutError(f"nobody said anything for {SILENCE:.0f} s\n{self.told}")
            self._rest += os.read(self._out, 65536)
        line, _, self._rest = self._rest.partition(b"\n")
        event: dict[str, Any] = json.loads(line)
        self._note(event)
        return event

    def _note(self, event: dict[str, Any]) -> None:
        what, told = event["what"], self.told
        told.events[what if what != "fault" else event["fault"]] += 1
        if "way" in event:
            told.ways[event["way"]] += 1
            self._busy.discard(event["who"])
        if what in ("letter", "not sent"):
            told.letters[f"{event['way']}: {event['letter'].partition(':')[0]}"] += 1
        elif what == "merge letter":
            told.letters[f"merge: {event['letter'].partition(':')[0]}"] += 1
            if event["code"] != EXIT_TRY_AGAIN:
                told.bugs.append(f"a merge stopped: {event['letter']}")
        elif what == "bug":
            told.bugs.append(f"{event['who']}: {event.get('trace')}")

    def _until_served(self) -> None:
        while (event := self._hear())["what"] != "serving":
            pass
        self._port = event["port"]

    # --- the run

    def press(self, frames: int, minutes: float) -> None:
        """Until so many frames more are there, or the time is up, everybody works and somebody dies."""
        merges = [f"merge{number}" for number in range(self._merges)]
        workers = [f"worker{number}" for number in range(self._workers)]
        for name in merges + workers:
            self._start(name)
        first = self._open_frame()
        until_strike, until_wake = self.chance.randint(3, 12), 1
        until = self._began + 60 * minutes
        while (opened := self._open_frame()) < first + frames and time.monotonic() < until:
            self._give_turns()
            event = self._hear()
            if self._loud and self.told.events.total() % 50 == 0:
                print(
                    f"frame {opened}: {_counts(self.told.events)}; killed {_counts(self.told.kills)}", file=sys.stderr
                )
            if event["what"] == "bug":
                return
            until_strike, until_wake = until_strike - 1, until_wake - (event["what"] == "sent")
            if until_wake <= 0:
                until_wake = self.chance.randint(3, 9)
                for name in merges:
                    self._wake(name)
            if until_strike <= 0:
                until_strike = self.chance.randint(5, 15)
                self._strike()

    def settle(self) -> None:
        """Everybody goes home, mid-sentence; one quiet merge takes in whatever still waits."""
        for name in [one for one in self._running if one != "remote"]:
            self._kill(name, whole=True)
        for group in self._groups:
            if group != self._running["remote"].pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGKILL)
        self._kill("remote", whole=True)
        self._faulty = False
        self._start("remote")
        self._until_served()
        for _ in range(3):
            done = subprocess.run(
                [sys.executable, "-m", "merge_bot", "merge", "--remote", self.url, "--json"],
                cwd=ROOT, env={**os.environ, "GIT_ALLOW_PROTOCOL": "file:http"}, capture_output=True,
            )  # fmt: skip
            if done.returncode:
                self.told.bugs.append(f"the last merge stopped: {done.stderr.decode(errors='replace')[-1500:]}")
        self.told.frames = self._open_frame() - 406

    def judge(self) -> Told:
        """What the oracle and `verify` say."""
        clone = self.place / "final"
        Repo(self.place).git("clone", "--quiet", "--mirror", str(self.remote.path), str(clone))
        done = run("verify", "--repo", clone, "--json")
        if done.code:
            self.told.verify = f"verify: {done.out[-1500:]}{done.err[-1500:]}"
        self.told.account = accuse(clone)
        self.told.seconds = time.monotonic() - self._began
        return self.told

    def _open_frame(self) -> int:
        number: int = json.loads(self.remote.git("show", "main:state/_meta.json"))["frame"]
        return number


def soak(
    place: Path, workers: int, merges: int, frames: int, seed: str, *, minutes: float = 600, loud: bool = False
) -> Told:
    """One run in an empty folder; what happened, and whether all is accounted for."""
    with Soak(place, workers, merges, seed, loud) as one:
        one.press(frames, minutes)
        one.settle()
        return one.judge()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--workers", type=int, default=20)
    options.add_argument("--merges", type=int, default=3)
    options.add_argument("--frames", type=int, default=200)
    options.add_argument("--minutes", type=float, default=600, help="end with fewer frames when they are over")
    options.add_argument("--seed", default="1")
    options.add_argument("--keep", metavar="FOLDER", help="an empty folder to work in, which stays")
    given = options.parse_args()
    place = Path(given.keep or tempfile.mkdtemp(prefix="soak-"))
    place.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        told = soak(place, given.workers, given.merges, given.frames, given.seed, minutes=given.minutes, loud=True)
    finally:
        if not given.keep:
            shutil.rmtree(place, ignore_errors=True)
    print(told)
    return 1 if told.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
