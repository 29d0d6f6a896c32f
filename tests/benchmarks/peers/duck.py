"""DuckDB: the delta files read by `read_json`, one set of statements for all of them, in one transaction."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from tests.benchmarks.peers.plain_files import put_inbox
from tests.benchmarks.peers.sqlite import as_delta, as_state
from tests.benchmarks.peers.work import Work
from tests.benchmarks.plain import State

COLUMNS = {
    "stream_id": "VARCHAR",
    "utc": "VARCHAR",
    "profile_updates": "STRUCT(agent_id VARCHAR, name VARCHAR, bio VARCHAR, status VARCHAR, karma BIGINT, "
    "tags VARCHAR[])[]",
    "channels_updated": "STRUCT(slug VARCHAR, name VARCHAR)[]",
    "posts_created": "STRUCT(number BIGINT, title VARCHAR, channel VARCHAR, author VARCHAR, body VARCHAR)[]",
    "comments_added": "STRUCT(id VARCHAR, post_number BIGINT, author VARCHAR, body VARCHAR)[]",
    "soul_updates": "STRUCT(agent_id VARCHAR, observation VARCHAR)[]",
    "follows_added": "STRUCT(agent_id VARCHAR, follows VARCHAR)[]",
    "stats_increments": "MAP(VARCHAR, BIGINT)",
}
TABLES = """
CREATE TABLE agents (agent_id VARCHAR PRIMARY KEY, name VARCHAR, bio VARCHAR, status VARCHAR, karma BIGINT,
    tags VARCHAR[]);
CREATE TABLE channels (slug VARCHAR PRIMARY KEY, name VARCHAR);
CREATE TABLE posts (number BIGINT PRIMARY KEY, title VARCHAR, channel VARCHAR, author VARCHAR, body VARCHAR);
CREATE TABLE comments (key VARCHAR PRIMARY KEY, id VARCHAR, post_number BIGINT, author VARCHAR, body VARCHAR);
CREATE TABLE souls (agent_id VARCHAR, observation VARCHAR);
CREATE TABLE follows (agent_id VARCHAR, follows VARCHAR, PRIMARY KEY (agent_id, follows));
CREATE TABLE stats (name VARCHAR PRIMARY KEY, value BIGINT);
"""
FOLD = """
CREATE TEMP TABLE profiles AS SELECT * REPLACE (wrote || printf('%09d', place) AS wrote) FROM
    (SELECT utc || stream_id AS wrote, generate_subscripts(profile_updates, 1) AS place,
            unnest(profile_updates, recursive := true) FROM deltas);
INSERT INTO agents SELECT agent_id, arg_max(name, wrote), arg_max(bio, wrote), arg_max(status, wrote), sum(karma),
    list_sort(list_distinct(flatten(list(tags) FILTER (tags IS NOT NULL)))) FROM profiles GROUP BY agent_id
ON CONFLICT DO UPDATE SET name = coalesce(excluded.name, name), bio = coalesce(excluded.bio, bio),
    status = coalesce(excluded.status, status), karma = coalesce(karma + excluded.karma, karma, excluded.karma),
    tags = CASE WHEN excluded.tags IS NULL THEN tags
                ELSE list_sort(list_distinct(list_concat(coalesce(tags, []), excluded.tags))) END;
INSERT OR REPLACE INTO channels SELECT slug, arg_max(name, wrote) FROM
    (SELECT utc || stream_id AS wrote, unnest(channels_updated, recursive := true) FROM deltas) GROUP BY slug;
INSERT OR IGNORE INTO posts SELECT number, title, channel, author, body FROM
    (SELECT utc || stream_id AS wrote, unnest(posts_created, recursive := true) FROM deltas)
    WHERE author IN (SELECT agent_id FROM agents) AND channel IN (SELECT slug FROM channels) ORDER BY wrote;
INSERT OR IGNORE INTO comments SELECT coalesce(id, post_number || ' ' || author || ' ' || body), id, post_number,
    author, body
    FROM (SELECT utc || stream_id AS wrote, unnest(comments_added, recursive := true) FROM deltas)
    WHERE author IN (SELECT agent_id FROM agents) AND post_number IN (SELECT number FROM posts) ORDER BY wrote;
INSERT INTO souls SELECT agent_id, observation FROM (SELECT unnest(soul_updates, recursive := true) FROM deltas)
    WHERE agent_id IN (SELECT agent_id FROM agents);
INSERT OR IGNORE INTO follows SELECT agent_id, follows FROM
    (SELECT unnest(follows_added, recursive := true) FROM deltas)
    WHERE agent_id IN (SELECT agent_id FROM agents) AND follows IN (SELECT agent_id FROM agents);
INSERT INTO stats SELECT one.key, sum(one.value) FROM
    (SELECT unnest(map_entries(stats_increments)) AS one FROM deltas) GROUP BY one.key
ON CONFLICT DO UPDATE SET value = value + excluded.value;
"""


class DuckDb:
    """One file, one transaction a frame."""

    def prepare(self, folder: Path, work: Work) -> None:
        put_inbox(folder, work)
        (folder / "base").mkdir()
        base = {"utc": "", "stream_id": "", **as_delta(work.base)}
        (folder / "base" / "base.json").write_text(json.dumps(base), "utf-8")
        with duckdb.connect(str(folder / "state.duckdb")) as database:
            database.execute(TABLES)
            _fold(database, folder / "base")

    def merge(self, folder: Path) -> None:
        with duckdb.connect(str(folder / "state.duckdb")) as database:
            _fold(database, folder / "inbox")

    def read(self, folder: Path) -> State:
        with duckdb.connect(str(folder / "state.duckdb")) as database:

            def rows(statement: str) -> list[tuple[object, ...]]:
                return database.execute(statement).fetchall()

            records = {}
            for name, columns in (
                ("posts", ("number", "title", "channel", "author", "body")),
                ("comments", ("id", "post_number", "author", "body")),
                ("souls", ("agent_id", "observation")),
            ):
                found = rows(f"SELECT {', '.join(columns)} FROM {name}")
                records[name] = [
                    {key: value for key, value in zip(columns, row, strict=True) if value is not None} for row in found
                ]
            return as_state(
                rows("SELECT agent_id, name, bio, status, karma FROM agents"),
                rows("SELECT agent_id, unnest(tags) FROM agents"),
                rows("SELECT slug, name FROM channels"),
                rows("SELECT agent_id, follows FROM follows"),
                rows("SELECT name, value FROM stats"),
                records,
            )


def _fold(database: duckdb.DuckDBPyConnection, files: Path) -> None:
    database.begin()
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items())
    database.execute(
        "CREATE TEMP TABLE deltas AS SELECT * FROM "
        f"read_json(?, columns = {{{columns}}}, maximum_object_size = 1000000000)",
        [str(files / "*.json")],
    )
    database.execute(FOLD)
    database.commit()
