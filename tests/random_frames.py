"""A repository of random frames: every strategy and layout, late and future deltas, copies, versions overwritten before
a merge, conflicts, parked records, quarantines, fallbacks, schema changes, rollbacks, frames that landed squashed.

Everything follows from a seed, commit ids included, so that what fails once fails again.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from merge_bot.canonical import document
from merge_bot.clone import Clone
from merge_bot.delta import file_name, format_utc
from merge_bot.errors import RepositoryError
from merge_bot.rollback import roll_back
from merge_bot.settings import SETTINGS_PATH
from tests.repo import Repo
from tests.test_laws import SCHEMAS
from tests.world import INTEGER, MORNING, TEXT, schema

INBOX = "state/stream_deltas"
AGENTS = ("kai", "aria", "zoe", "Über/mut", "nobody")
SLUGS = ("a", "b", "c")
SHARED = {
    "votes": schema("sum", {"up": INTEGER, "down": INTEGER}, path="state/shared.json", pointer="/votes"),
    "marks": schema(
        "last-writer-wins", {"id": TEXT, "note": TEXT}, ["id"],
        key=["id"], layout="file", path="state/shared.json", pointer="/marks",
    ),
}  # fmt: skip


@dataclass
class Story:
    """What happened, for tests that want to know: frame → what was done in it."""

    path: Path
    frames: dict[int, str] = field(default_factory=dict)

    @property
    def rollbacks(self) -> list[int]:
        return [frame for frame, what in self.frames.items() if what == "rollback"]


@dataclass
class Teller:
    """Grows one repository, frame by frame."""

    repo: Repo
    chance: Random
    schemas: dict[str, dict[str, Any]] = field(default_factory=lambda: {**SCHEMAS, **SHARED})
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    minute: int = 0
    count: int = 0
    settings: str = ""

    @property
    def now(self) -> datetime:
        return MORNING + timedelta(minutes=self.minute)

    def begin(self) -> None:
        files = {f"schemas/{name}.schema.json": _schema(name, one) for name, one in self.schemas.items()}
        if self.settings:
            files[SETTINGS_PATH] = self.settings.encode()
        self.repo.commit(files)
        with Clone.open(str(self.repo.path)) as clone:
            clone.begin(clone.plan({}, {}, self.now, 1), self.now)

    def frame(self, number: int) -> str:
        """One more frame, of a random kind; what it was."""
        self.minute += 7
        if number > 3 and self.chance.random() < 0.12:
            target = self.chance.randrange(max(0, number - 9), number - 1)
            requeue = self.chance.random() < 0.6
            # To a frame whose very state this is there is no way back.
            with Clone.open(str(self.repo.path)) as clone, suppress(RepositoryError):
                roll_back(clone, target, self.now, requeue=requeue)
                return "rollback"
        if self.chance.random() < 0.12:
            self.change_a_schema(number)
        self.deliver(number)
        with Clone.open(str(self.repo.path)) as clone:
            done = clone.merge(self.now)
        assert done.frame is not None
        if self.chance.random() < 0.15:
            self.squash()
        return "merge"

    def deliver(self, number: int) -> None:
        for worker in self.chance.sample(range(1, 8), self.chance.randint(1, 4)):
            frame = number if self.chance.random() < 0.75 else max(1, number + self.chance.choice((-3, -2, -1, 1)))
            run = None if self.chance.random() < 0.7 else f"r{self.count}"
            versions = 2 if self.chance.random() < 0.15 else 1
            for _ in range(versions):
                name, data = self.delta(f"w{worker}", frame, run)
                self.sent.append((name, data))
                self.repo.commit({f"{INBOX}/{name}": data})
            if self.chance.random() < 0.05:
                self.repo.commit({f"{INBOX}/{name}": None})
        if self.sent and self.chance.random() < 0.3:
            name, data = self.chance.choice(self.sent)
            self.repo.commit({f"{INBOX}/{name if self.chance.random() < 0.5 else 'copy.json'}": data})
        if self.chance.random() < 0.25:
            self.count += 1
            rubbish = self.chance.choice((b"{", b"", b'{"frame": 1}', b"\xff", b"null"))
            self.repo.commit({f"{INBOX}/frame-{number}-w9.x{self.count}.json": rubbish + b" " * self.count})
        self.count += 1  # so that there is always something to merge
        name, data = self.delta("w0", number, f"always{self.count}")
        self.repo.commit({f"{INBOX}/{name}": data})

    def delta(self, stream: str, frame: int, run: str | None) -> tuple[str, bytes]:
        self.count += 1
        seconds = self.minute * 60 - self.chance.choice((5, 5, 5, 60, 600, 5000))
        value: dict[str, Any] = {
            "frame": frame,
            "stream_id": stream,
            "utc": format_utc(MORNING + timedelta(seconds=seconds)),
            "_meta": {"run": run} if run else {},
        }
        if self.chance.random() < 0.07:
            value["_meta"]["status"] = "fallback"
        else:
            for name in self.chance.sample(sorted(self.schemas), self.chance.randint(1, 5)):
                value[name] = self.operations(name)
        if self.chance.random() < 0.06:
            value["agents"] = [{"id": 3}]
        return file_name(frame, stream, run), document(value)

    def operations(self, name: str) -> Any:
        chance = self.chance
        if SCHEMAS.get(name, SHARED.get(name, {})).get("x-merge", {}).get("strategy") == "sum":
            return {one: chance.randint(-2, 9) for one in (("a", "b") if name == "stats" else ("up", "down"))}
        return [self.record(name) for _ in range(chance.randint(1, 4))]

    def record(self, name: str) -> dict[str, Any]:
        chance = self.chance
        who, word = chance.choice(AGENTS), chance.choice(("x", "y", "ünï", ""))
        fields: dict[str, Any] = {
            "bio": chance.choice((word, None)), "mood": word, "karma": chance.choice((1, 0.5, -2)),
            "tags": chance.sample(("p", "q", "r"), chance.randint(0, 3)), "friend": chance.choice(AGENTS),
        }  # fmt: skip
        agent = {"id": who, **dict(chance.sample(sorted(fields.items()), chance.randint(0, 3)))}
        records: dict[str, dict[str, Any]] = {
            "agents": agent | ({"name": who.title()} if chance.random() < 0.5 else {}),
            "rooms": {"slug": chance.choice(SLUGS), "topic": word},
            "posts": {"n": chance.randint(1, 400), "by": who} | ({"cites": [chance.randint(1, 400)]} if word else {}),
            "log": {"t": f"{word}{chance.randint(1, 99)}"} | ({"id": str(chance.randint(1, 99))} if word else {}),
            "souls": {"id": who, "saw": word},
            "seen": {"saw": word},
            "follows": {"who": who, "whom": chance.choice(AGENTS)},
            "words": {"word": f"{word}{chance.randint(1, 30)}"},
            "marks": {"id": chance.choice(SLUGS), "note": word},
        }
        return records.get(name, {"id": str(chance.randint(1, 50)), "t": word})

    def change_a_schema(self, number: int) -> None:
        """A new collection, or one more property that a collection may have."""
        if self.chance.random() < 0.5:
            name = f"extra_{number}"
            layout = self.chance.choice(("file", "segments"))
            self.schemas[name] = schema("append", {"id": TEXT, "t": TEXT}, ["id"], key=["id"], layout=layout)
        else:
            name = self.chance.choice(("rooms", "posts", "seen", "marks"))
            one = self.schemas[name]
            self.schemas[name] = {**one, "properties": {**one["properties"], f"p{number}": TEXT}}
        self.repo.commit({f"schemas/{name}.schema.json": _schema(name, self.schemas[name])})

    def squash(self) -> None:
        """The newest frame as a squash merge lands it: another commit, with something of somebody else's beside it."""
        blob = self.repo.git("hash-object", "-w", "--stdin", stdin=str(self.minute).encode())
        self.repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},NEWS")
        tree = self.repo.git("write-tree")
        date = f"@{int(self.now.timestamp())} +0000"
        os.environ["GIT_AUTHOR_DATE"] = os.environ["GIT_COMMITTER_DATE"] = date
        try:
            commit = self.repo.git("commit-tree", tree, "-p", "HEAD^", "-m", "squashed")
        finally:
            del os.environ["GIT_AUTHOR_DATE"], os.environ["GIT_COMMITTER_DATE"]
        self.repo.git("reset", "--quiet", "--hard", commit)


def grown(path: Path, frames: int, seed: int, settings: str = "") -> Story:
    """A repository at `path` with `frames` random frames."""
    repo = Repo.init(path)
    repo.git("config", "user.name", "Somebody")
    repo.git("config", "user.email", "somebody@example.com")
    teller = Teller(repo, Random(seed), settings=settings)
    teller.begin()
    story = Story(path)
    for number in range(1, frames + 1):
        story.frames[number] = teller.frame(number)
    return story


def _schema(name: str, one: dict[str, Any]) -> bytes:
    return document(one | {"x-merge": {"delta": [name], **one["x-merge"]}})
