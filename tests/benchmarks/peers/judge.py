"""Pure. What of a frame a peer lost or got wrong: its state held against the expected one, record by record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.plain import State, comment_key

RECORDS = ("posts", "comments", "souls", "follows", "agents")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a state differs from the expected one.

    `lost`: records that are not there as they should be; `twice`: that are there more often than they should;
    `dangling`: there though they refer to nothing; `other`: there for no reason at all. `fields` counts the profile
    fields that are not the latest, `karma` the sums that are wrong; `counters` says by how much each one is off.
    """

    lost: int = 0
    twice: int = 0
    dangling: int = 0
    other: int = 0
    fields: int = 0
    karma: int = 0
    counters: dict[str, int] | None = None
    unreadable: str = ""

    @property
    def right(self) -> bool:
        return self == Verdict(counters={})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def words(self) -> Iterator[str]:
        """What is wrong, for a table's cell; nothing if nothing is."""
        if self.unreadable:
            yield f"unreadable: {self.unreadable}"
            return
        if self.lost:
            yield f"{self.lost:,} records lost"
        if self.twice:
            yield f"{self.twice:,} records twice"
        if self.dangling:
            yield f"{self.dangling:,} records that refer to nothing"
        if self.other:
            yield f"{self.other:,} records that should not be there"
        if self.fields:
            yield f"{self.fields:,} profile fields not the latest"
        if self.karma:
            yield f"{self.karma:,} karma sums wrong"
        if self.counters:
            yield "counters off: " + ", ".join(f"{name} {by:+,}" for name, by in sorted(self.counters.items()))


def judge(expected: State, found: State) -> Verdict:
    """Compare two states in the plain layout; order counts nowhere."""
    lost = twice = dangling = other = 0
    for name in RECORDS:
        want, have = _counted(name, expected), _counted(name, found)
        lost += (want - have).total()
        for one, times in (have - want).items():
            if one in want:
                twice += times
            elif _refers_to_nothing(name, json.loads(one), expected):
                dangling += times
            else:
                other += times
    fields, karma = _profiles(expected["agents"], found["agents"])
    have, want = found["stats"], expected["stats"]
    counters = {name: have.get(name, 0) - value for name, value in want.items() if have.get(name, 0) != value}
    return Verdict(lost, twice, dangling, other, fields, karma, counters)


def _counted(name: str, state: State) -> Counter[str]:
    records: Iterable[Any] = state[name]
    if name == "agents":
        records = [{"agent_id": agent} for agent in state[name]]
    elif name == "souls":
        records = [soul for souls in state[name].values() for soul in souls]
    return Counter(json.dumps(record, sort_keys=True) for record in records)


def _refers_to_nothing(name: str, record: dict[str, Any], expected: State) -> bool:
    agents = expected["agents"]
    if name == "comments":
        numbers = {post["number"] for post in expected["posts"]}
        return record["author"] not in agents or record["post_number"] not in numbers
    if name == "posts":
        return record["author"] not in agents or record["channel"] not in expected["channels"]
    return any(record.get(field, record["agent_id"]) not in agents for field in ("agent_id", "follows"))


def _profiles(expected: State, found: State) -> tuple[int, int]:
    fields = karma = 0
    for agent, want in expected.items():
        have = found.get(agent)
        if have is not None:
            fields += sum(want.get(field) != have.get(field) for field in ("name", "bio", "status", "tags"))
            karma += want.get("karma", 0) != have.get("karma", 0)
    return fields, karma


def name_of(record: dict[str, Any]) -> str:
    """A comment's natural key as one string, for peers that keep records by key."""
    key = comment_key(record)
    return key if isinstance(key, str) else json.dumps(key, ensure_ascii=False)
