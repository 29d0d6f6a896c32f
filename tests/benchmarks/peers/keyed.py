"""Pure. A delta as what a document of registers, lists and counters can hold: the shape that all three CRDTs share.

Records are registers by natural key; a profile's field and a tag are a register each, as users do who want two writers
of different fields to get on; observations are a list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tests.benchmarks.peers.judge import name_of
from tests.benchmarks.plain import State

MAPS = ("posts", "comments", "follows", "channels", "fields", "tags")
SOULS = "souls"
COUNTERS = "counters"


class Put(NamedTuple):
    """Set the register `key` of a map."""

    map: str
    key: str
    value: str


class Count(NamedTuple):
    """Add to a counter."""

    key: str
    by: int


class Say(NamedTuple):
    """Append to the list of observations."""

    value: str


Operation = Put | Count | Say


def operations(delta: dict[str, Any]) -> Iterator[Operation]:
    """A delta's, with records as JSON text. A key's parts are separated by a space, which no id of this world has."""
    for update in delta.get("profile_updates", ()):
        agent = update["agent_id"]
        yield Put("fields", f"{agent} agent_id", agent)
        for name in ("name", "bio", "status"):
            if name in update:
                yield Put("fields", f"{agent} {name}", update[name])
        for tag in update.get("tags", ()):
            yield Put("tags", f"{agent} {tag}", tag)
        if "karma" in update:
            yield Count(f"karma {agent}", update["karma"])
    for channel in delta.get("channels_updated", ()):
        yield Put("channels", channel["slug"], json.dumps(channel))
    for post in delta.get("posts_created", ()):
        yield Put("posts", str(post["number"]), json.dumps(post))
    for comment in delta.get("comments_added", ()):
        yield Put("comments", name_of(comment), json.dumps(comment))
    for follow in delta.get("follows_added", ()):
        yield Put("follows", f"{follow['agent_id']} {follow['follows']}", json.dumps(follow))
    for soul in delta.get("soul_updates", ()):
        yield Say(json.dumps(soul))
    for name, by in delta.get("stats_increments", {}).items():
        yield Count(f"stats {name}", by)


def state_of(maps: Mapping[str, Mapping[str, Any]], souls: Iterable[str], counters: Mapping[str, float]) -> State:
    """What a document holds, in the plain layout."""
    state: State = {name: [json.loads(one) for one in maps[name].values()] for name in ("posts", "comments", "follows")}
    state["channels"] = {slug: json.loads(one) for slug, one in maps["channels"].items()}
    agents: dict[str, dict[str, Any]] = {}
    for key, value in maps["fields"].items():
        agent, _, name = key.partition(" ")
        agents.setdefault(agent, {})[name] = value
    for key in sorted(maps["tags"]):
        agent, _, tag = key.partition(" ")
        agents[agent].setdefault("tags", []).append(tag)
    state |= {"agents": agents, "souls": {}, "stats": {}}
    for soul in map(json.loads, souls):
        state["souls"].setdefault(soul["agent_id"], []).append(soul)
    for key, value in counters.items():
        kind, _, name = key.partition(" ")
        if kind == "stats":
            state["stats"][name] = int(value)
        elif name in agents:
            agents[name]["karma"] = int(value)
    return state


def summed(registers: Mapping[str, int]) -> dict[str, int]:
    """Counters of a document without a counter type: a register a worker, `stats total_posts worker-0001`, added up."""
    counters: dict[str, int] = {}
    for key, value in registers.items():
        name = key.rpartition(" ")[0]
        counters[name] = counters.get(name, 0) + value
    return counters
