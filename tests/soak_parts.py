"""The processes of the soak: `python -m tests.soak_parts worker|merge|remote …`, each killed at any moment.

Each tells what it did as lines of JSON on an inherited pipe. What a process chooses follows from the seed, its name and
its life (how often it was started before); what the machine does between them does not.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from merge_bot.errors import DreamcatcherError
from merge_bot.patience import Patience
from merge_bot.remote_clone import RemoteClone
from merge_bot.run import run
from merge_bot.submit import submit
from merge_bot.target import Target
from merge_bot.worker import Worker
from tests.http_remote import HttpRemote, Push

AGENTS = 12
TALLY = "tally"
COUNTERS = ("total_posts", "total_comments", "total_reactions")
INBOX = "state/stream_deltas"
BUDGET = 20.0  # seconds; what is not delivered by then was never committed


def tell(pipe: int, **event: Any) -> None:
    """One line, whole or not at all: it is shorter than what a pipe takes at once."""
    line = json.dumps(event)[:3000]
    os.write(pipe, f"{line if len(line) < 3000 else json.dumps({'what': event['what']})}\n".encode())


def _what_git_says(error: str) -> str:
    """Why plain git did not get through, in a word or two."""
    known = {"rejected": "lost a race", "cannot lock": "lost a race", "connect": "no remote", "502": "502"}
    return next((why for sign, why in known.items() if sign in error), "git failed")


class Git:
    """Plain git in a bare repository of its own: how a worker writes who has never heard of our tools."""

    def __init__(self, url: str) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="soak-raw-")
        self.url = url
        self("init", "--quiet", "--bare", ".")

    def __call__(self, *arguments: str, stdin: bytes = b"", **environment: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self._place.name,
            input=stdin,
            capture_output=True,
            env={**os.environ, **environment},
        )
        if done.returncode:
            raise OSError(done.stderr.decode(errors="replace"))
        return done.stdout.decode().strip()

    def tip(self, branch: str) -> str | None:
        """The newest commit of a branch, fetched; None if there is no such branch."""
        if not self("ls-remote", self.url, f"refs/heads/{branch}"):
            return None
        self("fetch", "--quiet", "--depth=1", self.url, f"refs/heads/{branch}")
        return self("rev-parse", "FETCH_HEAD")

    def push(self, branch: str, tree: str, parent: str | None) -> None:
        who = {
            f"GIT_{role}_{part}": "soak@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
        }
        commit = self("commit-tree", tree, *(["-p", parent] if parent else []), "-m", "by hand", **who)
        self("push", "--quiet", self.url, f"{commit}:refs/heads/{branch}")

    def to_branch(self, worker: str, name: str, data: bytes, mode: str = "100644") -> None:
        """A file on the worker's branch, and nothing beside it."""
        parent = self.tip(f"deltas/{worker}")
        blob = self("hash-object", "-w", "--stdin", stdin=data)
        self.push(f"deltas/{worker}", self("mktree", stdin=f"{mode} blob {blob}\t{name}\n".encode()), parent)

    def to_inbox(self, name: str, data: bytes | None) -> None:
        """A file in the inbox of main, over whatever lies there; None takes it away."""
        parent = self.tip("main")
        assert parent is not None
        index = {"GIT_INDEX_FILE": "soak.index"}
        self("read-tree", parent, **index)
        path = f"{INBOX}/{name}"
        if data is None:
            self("rm", "--cached", "--quiet", "--ignore-unmatch", "--", path, GIT_WORK_TREE=".", **index)
        else:
            blob = self("hash-object", "-w", "--stdin", stdin=data)
            self("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", **index)
        self.push("main", self("write-tree", **index), parent)


class Writer:
    """One life of one worker. Every record that it makes can be told from every other."""

    def __init__(self, url: str, root: str, number: int, life: int, seed: str, pipe: int) -> None:
        self.url, self.root, self.pipe = url, root, pipe
        self.name, self.number, self.life = f"w{number}", number, life
        self.chance = random.Random(f"{seed}/{self.name}/{life}")
        self.turn = 0
        self.sent: list[tuple[str, bytes]] = []
        self.posts: list[dict[str, Any]] = []

    def take_turns(self) -> None:
        """One for each byte that comes on standard input."""
        ways = [
            (38, self.send), (7, self.send_to_inbox), (14, self.by_hand), (6, self.by_hand_into_inbox),
            (6, self.again), (5, self.as_another), (5, self.copy_of_a_file), (4, self.take_away),
            (7, self.broken), (4, self.skewed), (3, self.zombie), (1, self.claim), (3, self.update),
        ]  # fmt: skip
        while os.read(0, 1):
            self.turn += 1
            (way,) = self.chance.choices([one for _, one in ways], [weight for weight, _ in ways])
            told: dict[str, Any] = {"who": f"worker{self.number}", "way": way.__name__}
            try:
                way()
                tell(self.pipe, what="sent", **told)
            except DreamcatcherError as letter:
                tell(self.pipe, what="letter", letter=f"{type(letter).__name__}: {letter}"[:300], **told)
            except (OSError, subprocess.SubprocessError) as error:
                tell(self.pipe, what="not sent", letter=f"{_what_git_says(str(error))}: {error}"[:300], **told)

    def operations(self) -> dict[str, Any]:
        """What one turn has to say: of each collection perhaps something, now and then something that cannot hold."""
        chance, token = self.chance, f"{self.name}-{self.life}-{self.turn}"
        number = (self.number * 1000 + self.life) * 100_000 + self.turn * 10
        author = f"agent-{chance.randrange(AGENTS)}"
        made: dict[str, Any] = {}
        if chance.random() < 0.5:
            post = {"number": number, "title": token, "channel": "general", "author": author}
            if chance.random() < 0.1:
                post["author"] = f"new-{self.name}-{self.life}-{self.turn // 8}"  # waits, perhaps for ever
            made["posts_created"] = [post]
            if self.posts and chance.random() < 0.15:
                old = chance.choice(self.posts)
                made["posts_created"].append(old if chance.random() < 0.5 else {**old, "title": f"not {old['title']}"})
            self.posts.append(post)
        if self.posts and chance.random() < 0.5:
            about = chance.choice(self.posts)["number"] if chance.random() < 0.8 else number + 10
            made["comments_added"] = [{"id": token, "post_number": about, "author": author, "body": token}]
        if chance.random() < 0.4:
            made["soul_updates"] = [{"agent_id": author, "observation": chance.choice([token, "the same"])}]
        if chance.random() < 0.3:
            made["follows_added"] = [{"agent_id": author, "follows": f"agent-{chance.randrange(AGENTS)}"}]
        if chance.random() < 0.6 or not made:
            made["stats_increments"] = {chance.choice(COUNTERS): chance.randint(-3, 9)}
        if chance.random() < 0.5:
            change: dict[str, Any] = {"agent_id": f"agent-{chance.randrange(4)}", "bio": token}
            change |= {"karma": chance.randint(-2, 5)} if chance.random() < 0.7 else {}
            change |= {"tags": [f"t{chance.randrange(30)}"]} if chance.random() < 0.5 else {}
            made["profile_updates"] = [change]
            if chance.random() < 0.2:
                new = f"new-{self.name}-{self.life}-{self.turn // 8}"
                made["profile_updates"].append({"agent_id": new, "karma": 1, **self._perhaps_a_name(new)})
        return made

    def _perhaps_a_name(self, agent: str) -> dict[str, str]:
        return {"name": agent} if self.chance.random() < 0.6 else {}

    def delta(self, stream: str = "", ahead: float = 0.0, **meta: Any) -> tuple[str, bytes]:
        """A whole delta as somebody writes it by hand, with the name of its file."""
        frame = max(1, self.open_frame() + self.chance.choice([0, 0, 0, 0, 0, -1, -2, 1, 2]))
        utc = datetime.now(UTC) + timedelta(seconds=ahead or self.chance.uniform(-200, 200))
        run = self.chance.choice([f"{self.life}.{self.turn}"] * 8 + [f"{self.life}", None])
        meta = {name: one for name, one in (("run", run), *meta.items()) if one is not None}
        stream = stream or self.name
        envelope = {"frame": frame, "stream_id": stream, "utc": f"{utc:%Y-%m-%dT%H:%M:%S.%f}Z"}
        data = json.dumps(envelope | self.operations() | ({"_meta": meta} if meta else {})).encode()
        name = f"frame-{frame}-{stream}.{self.life}-{self.turn}.json" if run else f"frame-{frame}-{stream}.json"
        self.sent = [*self.sent[-20:], (name, data)]
        return name, data

    def open_frame(self) -> int:
        git = Git(self.url)
        git("fetch", "--quiet", "--depth=1", "--filter=blob:none", self.url, "refs/heads/main")
        git("fetch", "--quiet", self.url, git("rev-parse", "FETCH_HEAD:state/_meta.json"))
        frame: int = json.loads(git("cat-file", "blob", "FETCH_HEAD"))["frame"]
        return frame

    # --- ways to write

    def send(self, **options: Any) -> None:
        run = self.chance.choice([f"{self.life}.{self.turn}"] * 12 + [f"{self.life}", None])
        now = datetime.now(UTC) + timedelta(seconds=self.chance.uniform(-200, 200))
        content = json.dumps(self.operations()).encode()
        to = options.pop("to", "branch")
        target = Target(self.url, root=self.root, to=to)
        submit(content, target, now, worker=self.name, run=run, patience=Patience(BUDGET), **options)

    def send_to_inbox(self) -> None:
        self.send(to="inbox", replace=self.chance.random() < 0.5)

    def by_hand(self) -> None:
        Git(self.url).to_branch(self.name, *self.delta())

    def by_hand_into_inbox(self) -> None:
        name, data = self.delta()
        git = Git(self.url)
        git.to_inbox(name, data)
        if self.chance.random() < 0.4:  # another version of it, under the same name
            git.to_inbox(name, data.replace(b'"utc": "20', b'"_meta": {}, "utc": "20') + b"\n")

    def again(self) -> None:
        """The very same bytes, once more and elsewhere."""
        name, data = self.chance.choice(self.sent) if self.sent else self.delta()
        git = Git(self.url)
        git.to_branch(self.name, name, data)
        git.to_inbox(name, data)

    def as_another(self) -> None:
        """A delta in somebody else's name, on the own branch; now and then it is really theirs."""
        name, data = self.delta(stream=f"w{self.number + 1}")
        git = Git(self.url)
        git.to_branch(self.name, name, data)
        if self.chance.random() < 0.5:
            git.to_inbox(name, data)

    def copy_of_a_file(self) -> None:
        name, data = self.chance.choice(self.sent) if self.sent else self.delta()
        Git(self.url).to_inbox(name.replace(".json", f" {self.chance.randrange(2, 5)}.json"), data)

    def take_away(self) -> None:
        """A file that was in the inbox, and then was not."""
        name, data = self.delta()
        git = Git(self.url)
        git.to_inbox(name, data)
        git.to_inbox(name, None)

    def broken(self) -> None:
        name, data = self.delta()
        at = self.chance.randrange(len(data))
        data = self.chance.choice(
            [
                data[:at],
                b"",
                self.chance.randbytes(60),
                data[:at] + self.chance.randbytes(2) + data[at:],
                b"<<<<<<< ours\n" + data + b"=======\n" + data + b">>>>>>> theirs\n",
                data.replace(b'"frame"', b'"frame": 1, "frame"'),
                b"[" * 500,
                data.replace(b'"karma": ', b'"karma": 1e400, "x": '),
                data.replace(b'"posts_created": [', b'"posts_created": [4, '),
            ]
        )
        odd = self.chance.choice([name, name, name, "notes.txt", "frame-99999999-x.json", "..json", "fr\u00e4me.json"])
        mode = self.chance.choice(["100644"] * 6 + ["120000", "100755"])
        if self.chance.random() < 0.5:
            Git(self.url).to_inbox(odd, data)
        else:
            Git(self.url).to_branch(self.name, odd, data, mode)

    def skewed(self) -> None:
        Git(self.url).to_branch(self.name, *self.delta(ahead=self.chance.choice([-90_000, 4_000, 90_000])))

    def zombie(self) -> None:
        """With the epoch of a lease that is over, or never was."""
        Git(self.url).to_branch(self.name, *self.delta(epoch=self.chance.choice([1, 2, 7])))

    def claim(self) -> None:
        """A lease, of a few workers only: from then on what they write by hand is fenced."""
        if self.number % 5:
            return self.send()
        name, data = self.delta()
        whole = {key: one for key, one in json.loads(data).items() if key in ("frame", "stream_id", "utc", "_meta")}
        ask = self.chance.choice([{"op": "claim"}, {"op": "claim"}, {"op": "release", "epoch": 1}])
        Git(self.url).to_branch(self.name, name, json.dumps(whole | {"_control": [ask]}).encode())

    def update(self) -> None:
        """Read, compute, write; from whatever frame, against whoever does the same."""
        worker = Worker(self.name, root=self.root, push=True, remote=self.url, run=f"{self.life}.{self.turn}")
        worker.update("agents", TALLY, lambda one: {"bio": str(int(one["bio"]) + 1)}, attempts=3, wait=10.0)


def merge_when_told(url: str, skew: float, name: str, pipe: int) -> None:
    """A merge whose clock is off by `skew` seconds, run whenever a line comes on standard input."""
    while os.read(0, 65536):
        try:
            with RemoteClone.open(Target(url, root="/")) as clone:
                done = run(clone, lambda: clone.merge(datetime.now(UTC) + timedelta(seconds=skew)))
            frames = [one.frame.number for one in done if one.frame]
            tell(pipe, what="merged" if frames else "nothing", who=name, frames=frames)
        except DreamcatcherError as letter:
            told = f"{type(letter).__name__}: {letter}"[:900]
            tell(pipe, what="merge letter", who=name, code=letter.exit_code, letter=told)


def serve(place: str, port: int, seed: str, pipe: int) -> None:
    """The remote: loses replies, fails, and answers with errors now and then."""
    folder = Path(place)
    chance = random.Random(seed)
    for lock in [*folder.glob("world.git/**/*.lock")]:  # as an administrator does after a crash
        lock.unlink()
    remote = HttpRemote(folder, port=port)

    def misbehave(_: Push) -> None:
        for fault, often in (("lose_replies", 0.03), ("fail_pushes", 0.03), ("fail_reads", 0.02)):
            if chance.random() < often:
                setattr(remote, fault, 1)
                tell(pipe, what="fault", fault=fault)

    if seed:
        remote.before_push = misbehave
    with remote.serving():
        tell(pipe, what="serving", port=remote.port)
        os.read(0, 1)


def main(arguments: list[str]) -> None:
    role, pipe = arguments[0], int(arguments[1])
    ways: dict[str, Callable[..., None]] = {
        "worker": lambda url, root, number, life, seed: Writer(
            url, root, int(number), int(life), seed, pipe
        ).take_turns(),
        "merge": lambda url, skew, name: merge_when_told(url, float(skew), name, pipe),
        "remote": lambda place, port, seed: serve(place, int(port), seed, pipe),
    }
    try:
        ways[role](*arguments[2:])
    except BaseException:
        tell(pipe, what="bug", who=role, trace=traceback.format_exc()[-2500:])
        raise


if __name__ == "__main__":
    main(sys.argv[1:])
