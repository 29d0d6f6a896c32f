"""SQLite: a table a collection, upserts in the order of time, references held by `WHERE EXISTS`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.benchmarks.peers.judge import name_of
from tests.benchmarks.peers.plain_files import inbox, put_inbox
from tests.benchmarks.peers.work import Work
from tests.benchmarks.plain import State

TABLES = """
CREATE TABLE agents (agent_id TEXT PRIMARY KEY, name TEXT, bio TEXT, status TEXT, karma INTEGER);
CREATE TABLE tags (agent_id TEXT, tag TEXT, PRIMARY KEY (agent_id, tag)) WITHOUT ROWID;
CREATE TABLE channels (slug TEXT PRIMARY KEY, name TEXT);
CREATE TABLE posts (number INTEGER PRIMARY KEY, author TEXT, channel TEXT, record TEXT);
CREATE TABLE comments (key TEXT PRIMARY KEY, author TEXT, post_number INTEGER, record TEXT);
CREATE TABLE souls (agent_id TEXT, record TEXT);
CREATE TABLE follows (agent_id TEXT, follows TEXT, PRIMARY KEY (agent_id, follows)) WITHOUT ROWID;
CREATE TABLE stats (name TEXT PRIMARY KEY, value INTEGER);
CREATE TABLE merged (digest BLOB PRIMARY KEY);
"""
AGENT = """INSERT INTO agents VALUES (:agent_id, :name, :bio, :status, :karma) ON CONFLICT DO UPDATE SET
name = coalesce(excluded.name, name), bio = coalesce(excluded.bio, bio), status = coalesce(excluded.status, status),
karma = coalesce(karma + excluded.karma, karma, excluded.karma)"""
TAG = "INSERT OR IGNORE INTO tags VALUES (?, ?)"
CHANNEL = "INSERT INTO channels VALUES (?, ?) ON CONFLICT DO UPDATE SET name = excluded.name"
STAT = "INSERT INTO stats VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value"
IS_AGENT = "EXISTS (SELECT 1 FROM agents WHERE agent_id = ?{})"
POST = f"""INSERT OR IGNORE INTO posts SELECT ?1, ?2, ?3, ?4 WHERE {IS_AGENT.format(2)}
AND EXISTS (SELECT 1 FROM channels WHERE slug = ?3)"""
COMMENT = f"""INSERT OR IGNORE INTO comments SELECT ?1, ?2, ?3, ?4 WHERE {IS_AGENT.format(2)}
AND EXISTS (SELECT 1 FROM posts WHERE number = ?3)"""
SOUL = f"INSERT INTO souls SELECT ?1, ?2 WHERE {IS_AGENT.format(1)}"
FOLLOW = f"INSERT OR IGNORE INTO follows SELECT ?1, ?2 WHERE {IS_AGENT.format(1)} AND {IS_AGENT.format(2)}"
FIELDS = ("agent_id", "name", "bio", "status", "karma")


class Sqlite:
    """One file, one transaction a frame. `once`: with a table of what was merged, so that a delta counts once."""

    def __init__(self, *, once: bool = False) -> None:
        self._once = once

    def prepare(self, folder: Path, work: Work) -> None:
        put_inbox(folder, work)
        with closing(_open(folder)) as database:
            database.executescript(TABLES)
            with database:
                _upsert(database, [as_delta(work.base)])

    def merge(self, folder: Path) -> None:
        with closing(_open(folder)) as database, database:
            files = sorted((folder / "inbox").iterdir())
            if self._once:
                files = [file for file in files if _new(database, sha256(file.read_bytes()).digest())]
            _upsert(database, inbox(files))

    def read(self, folder: Path) -> State:
        with closing(_open(folder)) as database:
            rows = database.execute("SELECT agent_id, name, bio, status, karma FROM agents")
            tags = database.execute("SELECT agent_id, tag FROM tags ORDER BY tag").fetchall()
            records = {
                name: [json.loads(one) for (one,) in database.execute(f"SELECT record FROM {name}")]
                for name in ("posts", "comments", "souls")
            }
            follows = database.execute("SELECT agent_id, follows FROM follows").fetchall()
            channels = database.execute("SELECT slug, name FROM channels").fetchall()
            return as_state(rows.fetchall(), tags, channels, follows, database.execute("SELECT * FROM stats"), records)


def as_delta(base: State) -> dict[str, Any]:
    """A whole state as the operations that make it."""
    return {
        "profile_updates": list(base["agents"].values()),
        "channels_updated": list(base["channels"].values()),
        "posts_created": base["posts"],
        "comments_added": base["comments"],
        "soul_updates": [soul for souls in base["souls"].values() for soul in souls],
        "follows_added": base["follows"],
        "stats_increments": base["stats"],
    }


def as_state(
    agents: Iterable[Any],
    tags: Iterable[Any],
    channels: Iterable[Any],
    follows: Iterable[Any],
    stats: Iterable[Any],
    records: dict[str, list[Any]],
) -> State:
    """Rows as a state in the plain layout."""
    state: State = {"posts": records["posts"], "comments": records["comments"], "souls": {}, "stats": dict(stats)}
    state["channels"] = {slug: {"slug": slug, "name": name} for slug, name in channels}
    state["follows"] = [{"agent_id": one, "follows": other} for one, other in follows]
    state["agents"] = {
        row[0]: {name: value for name, value in zip(FIELDS, row, strict=True) if value is not None} for row in agents
    }
    for agent, tag in tags:
        state["agents"][agent].setdefault("tags", []).append(tag)
    for soul in records["souls"]:
        state["souls"].setdefault(soul["agent_id"], []).append(soul)
    return state


def _open(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "state.sqlite")


def _new(database: sqlite3.Connection, digest: bytes) -> bool:
    return database.execute("INSERT OR IGNORE INTO merged VALUES (?)", (digest,)).rowcount == 1


def _upsert(database: sqlite3.Connection, deltas: list[dict[str, Any]]) -> None:
    def all_of(name: str) -> list[dict[str, Any]]:
        return [record for delta in deltas for record in delta.get(name, ())]

    def many(statement: str, rows: Iterable[Any]) -> None:
        database.executemany(statement, rows)

    profiles = all_of("profile_updates")
    many(AGENT, ({name: one.get(name) for name in FIELDS} for one in profiles))
    many(TAG, ((one["agent_id"], tag) for one in profiles for tag in one.get("tags", ())))
    many(CHANNEL, ((one["slug"], one["name"]) for one in all_of("channels_updated")))
    many(STAT, (pair for delta in deltas for pair in delta.get("stats_increments", {}).items()))
    posts, comments, souls = all_of("posts_created"), all_of("comments_added"), all_of("soul_updates")
    many(POST, ((one["number"], one["author"], one["channel"], json.dumps(one)) for one in posts))
    many(COMMENT, ((name_of(one), one["author"], one["post_number"], json.dumps(one)) for one in comments))
    many(SOUL, ((one["agent_id"], json.dumps(one)) for one in souls))
    many(FOLLOW, ((one["agent_id"], one["follows"]) for one in all_of("follows_added")))
