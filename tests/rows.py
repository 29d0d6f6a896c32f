"""Strategies as rows: a named case, the state before, deltas in; the state after, what was lost and the marks out.

A frame is a list of deltas, several are merged one after the other (the first opens as 5). Losses read
"worker place: outcome, reason"; a conflict is (frame, policy, value, [(worker, its value), …]).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.world import Ran, World, collections_of, written

Delta = tuple[str, bytes]


def d(stream: str, seconds: float, *records: Any, frame: int = 5, run: str | None = None) -> Delta:
    """A delta with operations on `things`; of a sum, one object of increments."""
    operations: Any = list(records)
    if len(records) == 1 and "+" in records[0]:
        operations = records[0]["+"]
    return written(stream, seconds, frame, run, things=operations)


def plus(**increments: float) -> dict[str, Any]:
    return {"+": increments}


@dataclass(frozen=True)
class Row:
    name: str
    rules: dict[str, Any]
    frames: list[list[Delta]]
    after: Any
    before: Any = None
    losses: list[str] = field(default_factory=list)
    conflicts: dict[str, Any] = field(default_factory=dict)


def losses_of(ran: Ran) -> list[str]:
    return sorted(
        f"{receipt.stream_id} {one.pointer}: {one.outcome}, {one.reason}"
        for receipt in ran.receipts
        for one in receipt.operations
    )


def conflicts_of(world: World) -> dict[str, Any]:
    return {
        key: {
            name: (
                entry["frame"],
                entry["policy"],
                entry["value"],
                [(one["stream_id"], one["value"]) for one in entry["candidates"]],
            )
            for name, entry in fields.items()
        }
        for key, fields in world.conflicts.get("things", {}).items()
    }


def state_of(world: World) -> Any:
    """The value of the file, or of a folder the records by file."""
    path = world.collections["things"].path
    if path in world.files.files:
        return world.value(path)
    return {
        name.removeprefix(f"{path}/"): [line.decode() for line in data.splitlines()]
        for name, data in world.files.files.items()
        if name.startswith(f"{path}/")
    } or None


def run(row: Row) -> tuple[World, list[str]]:
    path = collections_of({"things": row.rules})["things"].path
    world = World.of({"things": row.rules}, {} if row.before is None else {path: row.before})
    losses = [loss for deltas in row.frames for loss in losses_of(world.run(*deltas))]
    return world, losses


def check(row: Row) -> None:
    world, losses = run(row)
    assert state_of(world) == row.after
    assert losses == row.losses
    assert conflicts_of(world) == row.conflicts


def rows(*ones: Row) -> pytest.MarkDecorator:
    assert len({one.name for one in ones}) == len(ones)
    return pytest.mark.parametrize("row", ones, ids=lambda row: row.name)
