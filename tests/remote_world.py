"""A remote with a world on it, and everything that is ever submitted to it: the oracle of the race tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from merge_bot.patience import Patience
from merge_bot.remote_clone import RemoteClone
from merge_bot.submit import Submitted, submit
from merge_bot.target import Target
from tests.command import begun
from tests.http_remote import HttpRemote
from tests.repo import Repo

NOW = datetime(2026, 3, 25, 4, tzinfo=UTC)
MAIN = "refs/heads/main"
ROOT = Path(__file__).parent.parent


def hasty(budget: float = 1000.0) -> Patience:
    """Patience without waiting: each wait takes a second of a clock that nobody sees."""
    seconds = iter(range(1_000_000))
    return Patience(budget, clock=lambda: next(seconds), sleep=lambda _: None)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpRemote]:
    """A remote over HTTP on which frame 405 is open."""
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file:http")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "server").mkdir()
    with HttpRemote(tmp_path / "server").serving() as remote:
        begun(Repo.init(tmp_path / "seed")).git("push", "--quiet", remote.url, "main")
        remote.pushes.clear()
        yield remote


def agent(name: str, **fields: Any) -> dict[str, Any]:
    return {"profile_updates": [{"agent_id": name, "name": name.upper(), **fields}]}


def ops(name: str, **fields: Any) -> bytes:
    return json.dumps(agent(name, **fields)).encode()


def send(server: HttpRemote, content: bytes, worker: str = "w1", **options: Any) -> Submitted:
    """Submit with no clone at hand."""
    places = {name: options.pop(name) for name in ("to", "base", "credentials") if name in options}
    target = Target(server.url, root=server.path, **places)
    return submit(content, target, NOW, worker=worker, **{"patience": hasty(), **options})


def merge(server: HttpRemote, now: datetime = NOW, **options: Any) -> Any:
    """One merge of the remote; the result, with `remarks` beside it."""
    with RemoteClone.open(Target(server.url, root=server.path)) as clone:
        return clone.merge(now, **{"patience": hasty, **options})


def read(server: HttpRemote, path: str, ref: str = MAIN) -> Any:
    """A JSON file of the remote's branch."""
    return json.loads(server.repo.git("show", f"{ref}:{path}"))


def receipts(server: HttpRemote, frame: int) -> list[dict[str, Any]]:
    text = server.repo.git("show", f"{MAIN}:state/frames/{frame // 1000:03d}/{frame:06d}/receipts.jsonl")
    return [json.loads(line) for line in text.splitlines()]


def outcomes(server: HttpRemote) -> dict[str, Counter[str]]:
    """Every delta's outcomes over all frames of the branch as it is now, by digest."""
    found: dict[str, Counter[str]] = {}
    paths = [path for path in server.repo.files(MAIN) if path.endswith("/receipts.jsonl")]
    for path in paths:
        for line in server.repo.git("show", f"{MAIN}:{path}").splitlines():
            receipt = json.loads(line)
            if receipt["source"] != "parked":
                found.setdefault(receipt["digest"], Counter())[receipt["outcome"]] += 1
    return found


def wrong(server: HttpRemote, digests: Iterable[str]) -> list[str]:
    """Digests that were not merged exactly once, by the branch that everybody sees. Empty if nothing went wrong."""
    merged = outcomes(server)
    return [
        one
        for one in digests
        if sum(count for outcome, count in merged.get(one, Counter()).items() if outcome in ("applied", "late")) != 1
    ]


def processes(commands: Sequence[Sequence[object]], inputs: Sequence[bytes] | None = None) -> list[dict[str, Any]]:
    """Run `dreamcatcher` commands all at once, each in a process of its own; what each printed as JSON, in order."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "merge_bot", *map(str, command)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for command in commands
    ]
    for number, process in enumerate(started):
        assert process.stdin is not None
        process.stdin.write(inputs[number] if inputs else b"")
        process.stdin.close()
        process.stdin = None
    said = [(*process.communicate(), process.returncode) for process in started]
    assert [err.decode() for _, err, code in said if code] == []
    return [json.loads(out) for out, _, _ in said]
