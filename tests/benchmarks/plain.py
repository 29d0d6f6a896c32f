"""The plain way, as a competent user would write it: json, dicts, jsonschema, one whole file a collection, git add.

It reads the same deltas, holds them against the same schemas, checks references, and comes to the same records. It
keeps no receipts, no archive, no conflicts, and is not safe against a crash or a second writer. Files are indented by
two and sorted, as people keep state in git; `--one-line` leaves both out: quicker, and every diff is one line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.benchmarks.delta_schema import delta_schema
from tests.benchmarks.stopwatch import Stopwatch

COLLECTIONS = ("agents", "channels", "posts", "comments", "souls", "follows", "stats")
BY_KEY = {"agents", "channels", "souls", "stats"}
Record = dict[str, Any]
State = dict[str, Any]


def main(folder: Path, *, indented: bool) -> dict[str, Any]:
    """Merge all deltas that lie in `folder`/inbox into `folder`/state, as one commit."""
    watch = Stopwatch()
    with watch("collect"):
        files = sorted((folder / "inbox").glob("*.json"))
        deltas = [json.loads(file.read_bytes()) for file in files]
        deltas.sort(key=lambda delta: (delta["utc"], delta["stream_id"]))
    with watch("validate"):
        validator = Draft202012Validator(delta_schema(folder / "schemas"))
        for delta in deltas:
            validator.validate(delta)
    with watch("merge"):
        state = read(folder)
        parked = merge(state, deltas)
    with watch("write"):
        write(folder, state | {"parked": parked}, indented=indented)
        for file in files:
            file.unlink()
    with watch("publish"):
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", f"merge {len(deltas)} deltas")
    return watch.report()


def read(folder: Path) -> State:
    """The state's collections, empty where there is no file yet."""
    state: State = {}
    for name in COLLECTIONS:
        file = folder / "state" / f"{name}.json"
        empty: Any = {} if name in BY_KEY else []
        state[name] = json.loads(file.read_text("utf-8")) if file.exists() else empty
    return state


def write(folder: Path, state: State, *, indented: bool) -> None:
    """Every collection's whole file."""
    for name, value in state.items():
        with (folder / "state" / f"{name}.json").open("w", encoding="utf-8") as file:
            if indented:
                json.dump(value, file, indent=2, sort_keys=True, ensure_ascii=False)
            else:
                file.write(json.dumps(value, ensure_ascii=False))
            file.write("\n")


def merge(state: State, deltas: Iterable[Record]) -> list[Record]:
    """Bring deltas, sorted by utc, into the state. What refers to nothing is returned."""
    parked: list[Record] = []
    agents, channels = state["agents"], state["channels"]
    numbers = {post["number"] for post in state["posts"]}
    comments = {comment_key(comment) for comment in state["comments"]}
    follows = {(one["agent_id"], one["follows"]) for one in state["follows"]}
    for delta in deltas:
        for update in delta.get("profile_updates", ()):
            update_agent(agents, update)
        for update in delta.get("channels_updated", ()):
            channels.setdefault(update["slug"], {}).update(update)
        for name, increment in delta.get("stats_increments", {}).items():
            state["stats"][name] = state["stats"].get(name, 0) + increment
    for delta in deltas:
        for post in delta.get("posts_created", ()):
            if post["author"] not in agents or post["channel"] not in channels:
                parked.append(post)
            elif post["number"] not in numbers:
                numbers.add(post["number"])
                state["posts"].append(post)
    for delta in deltas:
        for comment in delta.get("comments_added", ()):
            key = comment_key(comment)
            if comment["author"] not in agents or comment["post_number"] not in numbers:
                parked.append(comment)
            elif key not in comments:
                comments.add(key)
                state["comments"].append(comment)
        for soul in delta.get("soul_updates", ()):
            if soul["agent_id"] in agents:
                state["souls"].setdefault(soul["agent_id"], []).append(soul)
            else:
                parked.append(soul)
        for follow in delta.get("follows_added", ()):
            pair = (follow["agent_id"], follow["follows"])
            if pair[0] not in agents or pair[1] not in agents:
                parked.append(follow)
            elif pair not in follows:
                follows.add(pair)
                state["follows"].append(follow)
    return parked


def comment_key(comment: Record) -> str | tuple[int, str, str]:
    """A comment's own id; without one the post, the author and the text tell it from others."""
    return comment.get("id") or (comment["post_number"], comment["author"], comment["body"])


def update_agent(agents: dict[str, Record], update: Record) -> None:
    """Karma adds up, tags unite, of anything else the latest value stays."""
    agent = agents.setdefault(update["agent_id"], {})
    for name, value in update.items():
        if name == "karma":
            agent[name] = agent.get(name, 0) + value
        elif name == "tags":
            agent[name] = sorted({*agent.get(name, ()), *value})
        else:
            agent[name] = value


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", folder, *arguments], check=True)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), indented="--one-line" not in sys.argv)))
