"""Ours: `merge` in a bare clone, with validation, receipts, archive, ledger and the commit."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks import contents
from tests.benchmarks.moment import NOW
from tests.benchmarks.peers.work import Work
from tests.benchmarks.plain import BY_KEY, COLLECTIONS, State
from tests.benchmarks.repositories import BRANCH, INBOX, commit, make_our_state


class Dreamcatcher:
    """What `dreamcatcher merge` does."""

    def prepare(self, folder: Path, work: Work) -> None:
        make_our_state(work.shape.state, folder)
        commit(folder, INBOX, work.files)

    def merge(self, folder: Path) -> None:
        from merge_bot.clone import Clone

        with Clone.open(str(folder)) as clone:
            clone.merge(NOW)

    def read(self, folder: Path) -> State:
        state: State = {name: {} if name in BY_KEY else [] for name in COLLECTIONS}
        for name, records in contents.records_of_ours(folder, BRANCH):
            if name == "stats":
                state[name] |= records[0]
            elif name == "souls":
                for one in records:
                    state[name].setdefault(one["agent_id"], []).append(one)
            elif name in ("agents", "channels"):
                state[name] |= {one["agent_id" if name == "agents" else "slug"]: one for one in records}
            elif name in state:
                state[name] += records
        return state
