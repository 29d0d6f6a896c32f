"""A repository with a past: frames merged for real, of every strategy and layout, and of everything that can befall a
delta. What it holds is read here with plain `git` and `json`, beside the code under test."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from merge_bot.canonical import document
from merge_bot.clone import Clone
from merge_bot.delta import format_utc
from tests.command import INBOX
from tests.repo import Repo
from tests.test_laws import BEFORE, SCHEMAS
from tests.world import INTEGER, NUMBER, TEXT, schema

FIRST = 5
NOON = datetime(2026, 3, 25, 12, 0, 0, tzinfo=UTC)
ALL: dict[str, dict[str, Any]] = {
    **SCHEMAS,
    "halls": schema(
        "last-writer-wins", {"id": TEXT, "size": INTEGER}, ["id"], key=["id"], layout="file", shape="object",
        path="state/shared.json", pointer="/halls",
    ),
    "scores": schema("sum", {"a": NUMBER}, path="state/shared.json", pointer="/scores"),
}  # fmt: skip
KEYS = {"agents": "id", "rooms": "slug", "posts": "n", "souls": "id", "follows": "who", "halls": "id"}
WORKERS = ("w1", "w2", "w3", "w4")


def begin(repo: Repo, schemas: dict[str, dict[str, Any]] = ALL, before: dict[str, bytes] = BEFORE) -> Repo:
    """Schemas and state that were there before, and the genesis: frame 5 is open."""
    repo.commit(rules(schemas) | before)
    with Clone.open(str(repo.path)) as clone:
        clone.begin(clone.plan({}, {}, NOON, FIRST), NOON)
    return repo


def rules(schemas: dict[str, dict[str, Any]]) -> dict[str, bytes]:
    """The schemas' files; each collection is fed by the key of its own name."""
    return {
        f"schemas/{name}.schema.json": document(one | {"x-merge": {"delta": [name], **one["x-merge"]}})
        for name, one in schemas.items()
    }


def put(repo: Repo, name: str, data: bytes) -> None:
    repo.write(f"{INBOX}/{name}", data)


def made(stream: str, frame: int, seconds: float, run: str | None = None, **content: Any) -> bytes:
    """A delta's bytes, `seconds` before its frame is merged at the earliest."""
    utc = format_utc(NOON + timedelta(minutes=frame, seconds=-seconds))
    meta = {"_meta": {"run": run}} if run else {}
    return json.dumps({"frame": frame, "stream_id": stream, "utc": utc, **content, **meta}).encode()


def merge(repo: Repo, frame: int) -> None:
    """Merge what waits as `frame`."""
    with Clone.open(str(repo.path)) as clone:
        result = clone.merge(NOON + timedelta(minutes=frame))
    assert result.frame is not None and result.frame.number == frame


@cache
def story(folder: Path, frames: int = 12, seed: int = 1) -> Repo:
    """`frames` frames of four workers, with a bit of everything; made once for one folder."""
    repo, dice = begin(Repo.init(folder)), random.Random(seed)
    old: list[bytes] = []
    for frame in range(FIRST, FIRST + frames):
        for stream in dice.sample(WORKERS, dice.randint(2, 4)):
            data = made(stream, frame, dice.randint(0, 3), **content(dice))
            put(repo, f"frame-{frame}-{stream}.json", data)
            old.append(data)
        odd(repo, dice, frame, old)
        merge(repo, frame)
    return repo


def content(dice: random.Random) -> dict[str, Any]:
    """Operations on few keys, so that workers meet."""
    name, word = ("kai", "aria", "zoe", "ghost"), "abc"

    def maybe(value: Any) -> Any:
        return value if dice.random() < 0.5 else None

    def agent() -> dict[str, Any]:
        fields = {
            "name": maybe(dice.choice(word)), "bio": maybe(dice.choice(word)), "mood": maybe(dice.choice(word)),
            "karma": maybe(dice.randint(1, 9) / 10), "tags": maybe([dice.choice(word)]), "friend": maybe("kai"),
        }  # fmt: skip
        return {"id": dice.choice(name)} | {field: value for field, value in fields.items() if value is not None}

    number = dice.randint(1, 60)
    everything: dict[str, Any] = {
        "agents": [agent() for _ in range(dice.randint(1, 3))],
        "rooms": [{"slug": dice.choice(word), "topic": dice.choice(word)}],
        "halls": [{"id": dice.choice(word), "size": dice.randint(1, 3)}],
        "posts": [{"n": number, "by": dice.choice(name), "cites": [dice.randint(1, 60)][: number % 2]}],
        "log": [{"t": dice.choice(word)}, {"id": str(dice.randint(0, 5)), "t": dice.choice(word)}],
        "souls": [{"id": dice.choice(name), "saw": dice.choice(word)}],
        "seen": [{"saw": dice.choice(word)}],
        "follows": [{"who": dice.choice(name), "whom": dice.choice(name)}],
        "words": [{"word": dice.choice(word)}],
        "stats": {dice.choice("ab"): dice.randint(1, 5) / 10},
        "scores": {"a": dice.randint(1, 3)},
    }
    return {key: value for key, value in everything.items() if dice.random() < 0.6}


def odd(repo: Repo, dice: random.Random, frame: int, old: list[bytes]) -> None:
    """What else can befall a delta: each of it in some frame."""
    match frame % 6:
        case 0:  # late; half a file; a copy of bytes that were merged before
            put(repo, f"frame-{frame - 1}-w1.r{frame}.json", made("w1", frame - 1, 1, f"r{frame}", **content(dice)))
            put(repo, f"frame-{frame}-w9.json", old[-1][:30])
            put(repo, f"frame-{frame}-copy.json", old[0])
        case 1:  # one run in two versions, the older only in history
            name = f"frame-{frame}-w5.r.json"
            put(repo, name, made("w5", frame, 9, "r", **content(dice)))
            repo.git("add", INBOX)
            repo.commit()
            put(repo, name, made("w5", frame, 8, "r", **content(dice)))
        case 2:  # not a plain file, and one that nobody committed to keep
            put(repo, f"frame-{frame}-w6.json", made("w6", frame, 1, **content(dice)))
            (repo.path / INBOX / f"frame-{frame}-w6.json").chmod(0o755)
            os.symlink("elsewhere", repo.path / INBOX / f"frame-{frame}-w7.json")
            repo.git("add", INBOX)
            repo.commit()
        case 3:  # of a frame that is not open yet; and a slot that is full
            put(repo, f"frame-{frame + 2}-w8.json", made("w8", frame + 2, 100, **content(dice)))
            put(repo, f"frame-{frame - 1}-w1.again.json", made("w1", frame - 1, 5, "again", **content(dice)))
        case 4:  # a schema that changes; a file in the inbox that is gone before the merge
            room = ALL["rooms"] | {"title": f"As of frame {frame}"}
            put(repo, f"frame-{frame}-gone.json", made("gone", frame, 2, **content(dice)))
            repo.git("add", INBOX)
            repo.commit(rules({"rooms": room}))
            (repo.path / INBOX / f"frame-{frame}-gone.json").unlink()
            repo.git("add", "--all", INBOX)
            repo.commit()
        case 5:  # a fallback
            put(repo, f"frame-{frame}-w4.f.json", made("w4", frame, 1)[:-1] + b', "_meta": {"status": "fallback"}}')


# --- what is there, read plainly


def at(repo: Repo, commit: str, path: str) -> bytes | None:
    if path not in repo.files(commit):
        return None
    return repo.git("cat-file", "blob", f"{commit}:{path}").encode("utf-8", "surrogateescape") + b"\n"


def landing(repo: Repo, frame: int) -> str:
    """The commit that says it merged this frame."""
    return repo.git("log", "-1", "--format=%H", f"--grep=^Dreamcatcher-Frame: {frame}$", "HEAD")


def lines(repo: Repo, commit: str, path: str) -> list[Any]:
    return [json.loads(line) for line in (at(repo, commit, path) or b"").splitlines() if line]


def manifest(repo: Repo, frame: int) -> Any:
    return json.loads(at(repo, "HEAD", f"state/frames/000/{frame:06d}/manifest.json") or b"null")


def values(repo: Repo, commit: str) -> dict[str, dict[str, list[Any]]]:
    """Every collection's records by key, in no order: collection → key → records."""
    found: dict[str, dict[str, list[Any]]] = {}
    for name, one in ALL.items():
        by_key: dict[str, list[Any]] = {}
        for record in _records(repo, commit, name, one["x-merge"]):
            by_key.setdefault(key_of(name, record), []).append(record)
        found[name] = {key: sorted(ones, key=document) for key, ones in by_key.items()}
    return found


def key_of(name: str, record: Any) -> str:
    """A record's key, as the field's own words have it."""
    if name in ("seen", "words", "stats", "scores"):
        return ""
    if name == "log":
        return f'[0,"{record["id"]}"]' if "id" in record else f'[1,"{_hash(record["t"])}"]'
    value = record[KEYS[name]]
    return f"[0,{value}]" if name == "posts" else str(value)


def _hash(text: str) -> str:
    from hashlib import sha256

    return sha256(json.dumps(text).encode()).hexdigest()


def _records(repo: Repo, commit: str, name: str, rule: dict[str, Any]) -> Iterator[Any]:
    layout = rule.get("layout", "file")
    if layout != "file":
        for path in repo.files(commit):
            if path.startswith(f"state/{name}/"):
                data = at(repo, commit, path) or b""
                if path.endswith(".jsonl"):
                    yield from (json.loads(line) for line in data.splitlines() if line)
                else:
                    value = json.loads(data)
                    yield from value if isinstance(value, list) else [value]
        return
    value = json.loads(at(repo, commit, rule.get("path", f"state/{name}.json")) or b"null")
    for part in rule.get("pointer", "").split("/")[1:]:
        value = (value or {}).get(part)
    if rule.get("shape") == "object":
        yield from ({KEYS[name]: key, **one} for key, one in (value or {}).items())
    elif rule["strategy"] == "sum":
        yield from [value] if value is not None else []
    else:
        yield from value or []
