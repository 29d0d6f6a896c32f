"""Git's own merge: each worker edits the state's files on a branch of its own, and all branches are merged."""

from __future__ import annotations

import json
import subprocess
from copy import deepcopy
from pathlib import Path

from tests.benchmarks import plain
from tests.benchmarks.peers.work import Work
from tests.benchmarks.plain import State


class Branches:
    """`union`: with git's `merge=union` driver, which never conflicts. Without it a branch that conflicts is left out,
    as a job does that nobody watches: its worker's work is not in the state.
    """

    def __init__(self, *, union: bool = False) -> None:
        self._union = union

    def prepare(self, folder: Path, work: Work) -> None:
        (folder / "state").mkdir()
        _git(folder, "init", "--quiet", "--initial-branch", "main")
        for name, value in {"gc.auto": "0", "user.name": "Benchmark", "user.email": "benchmark@example.org"}.items():
            _git(folder, "config", name, value)
        if self._union:
            (folder / ".gitattributes").write_text("*.json merge=union\n")
        plain.write(folder, work.base, indented=True)
        _commit(folder)
        for number, (name, data) in enumerate(work.files):
            if name.endswith(" 2.json"):
                continue  # a branch that is pushed twice is the same branch
            state = deepcopy(work.base)
            _put_in(state, plain.merge(state, [json.loads(data)]))
            _git(folder, "checkout", "--quiet", "-b", f"worker-{number:04}", "main")
            plain.write(folder, state, indented=True)
            _commit(folder)
        _git(folder, "checkout", "--quiet", "main")

    def merge(self, folder: Path) -> None:
        listed = subprocess.run(
            ["git", "-C", folder, "for-each-ref", "--format=%(refname:short)", "refs/heads/worker-*"],
            stdout=subprocess.PIPE, check=True, text=True,
        )  # fmt: skip
        for branch in listed.stdout.split():
            done = subprocess.run(["git", "-C", folder, "merge", "--quiet", branch], stdout=subprocess.DEVNULL)
            if done.returncode:
                _git(folder, "merge", "--abort")

    def read(self, folder: Path) -> State:
        state: State = {}
        for name in plain.COLLECTIONS:
            try:
                state[name] = json.loads((folder / "state" / f"{name}.json").read_text("utf-8"))
            except ValueError as problem:
                raise ValueError(f"state/{name}.json is no JSON any more") from problem
        return state


def _put_in(state: State, records: list[plain.Record]) -> None:
    """A worker that edits files writes what it has, also what refers to what only another branch holds."""
    for one in records:
        if "observation" in one:
            state["souls"].setdefault(one["agent_id"], []).append(one)
        else:
            name = "comments" if "post_number" in one else "posts" if "number" in one else "follows"
            state[name].append(one)


def _commit(folder: Path) -> None:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", "state")


def _git(folder: Path, *arguments: str) -> None:
    plain.git(folder, *arguments)
