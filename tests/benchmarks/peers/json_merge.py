"""jsonmerge: a schema says how each part merges, deltas are folded into one JSON document one after the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonmerge import Merger
from jsonmerge.jsonvalue import JSONValue
from jsonmerge.strategies import Strategy

from tests.benchmarks.peers.judge import name_of
from tests.benchmarks.peers.plain_files import inbox, put_inbox
from tests.benchmarks.peers.sqlite import as_delta
from tests.benchmarks.peers.work import Work
from tests.benchmarks.plain import State

SUM = {"mergeStrategy": "sum"}
SCHEMA = {
    "properties": {
        "souls": {"mergeStrategy": "append"},
        "agents": {"additionalProperties": {"properties": {"karma": SUM, "tags": {"mergeStrategy": "objectMerge"}}}},
        "stats": {"additionalProperties": SUM},
    }
}


class Sum(Strategy):  # type: ignore[misc]
    """jsonmerge brings none and would keep the last increment; its users write this one."""

    def merge(self, walk: Any, base: Any, head: Any, schema: Any, **options: Any) -> Any:
        return head if base.is_undef() else JSONValue(base.val + head.val, base.ref)


class Jsonmerge:
    """Records by key, because its merge of arrays by id looks through the whole array for each record."""

    def prepare(self, folder: Path, work: Work) -> None:
        put_inbox(folder, work)
        (folder / "state.json").write_text(json.dumps(_document(as_delta(work.base))))

    def merge(self, folder: Path) -> None:
        merger = Merger(SCHEMA, strategies={"sum": Sum()})
        state = json.loads((folder / "state.json").read_text())
        for delta in inbox((folder / "inbox").iterdir()):
            state = merger.merge(state, _document(delta))
        (folder / "state.json").write_text(json.dumps(state))

    def read(self, folder: Path) -> State:
        found = json.loads((folder / "state.json").read_text())
        state: State = {name: list(found[name].values()) for name in ("posts", "comments", "follows")}
        state |= {"agents": found["agents"], "channels": found["channels"], "stats": found["stats"], "souls": {}}
        for agent in state["agents"].values():
            if "tags" in agent:
                agent["tags"] = sorted(agent["tags"])
        for soul in found["souls"]:
            state["souls"].setdefault(soul["agent_id"], []).append(soul)
        return state


def _document(delta: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"agents": {}}
    merger = Merger(SCHEMA, strategies={"sum": Sum()})
    for update in delta.get("profile_updates", ()):
        tags = {"tags": dict.fromkeys(update["tags"], True)} if "tags" in update else {}
        agent = update["agent_id"]
        one = {"agents": {agent: update | tags}}
        known = {"agents": {agent: found["agents"][agent]}} if agent in found["agents"] else {}
        found["agents"] |= merger.merge(known, one)["agents"]
    found["channels"] = {one["slug"]: one for one in delta.get("channels_updated", ())}
    found["posts"] = {str(one["number"]): one for one in delta.get("posts_created", ())}
    found["comments"] = {name_of(one): one for one in delta.get("comments_added", ())}
    found["follows"] = {f"{one['agent_id']} {one['follows']}": one for one in delta.get("follows_added", ())}
    return found | {"souls": delta.get("soul_updates", []), "stats": delta.get("stats_increments", {})}
