"""Pure. The work that every peer does: a state, and the deltas that N workers wrote upon it at the same time.

It is the generator's world, with one thing more: every tenth delta is delivered twice, as a retried upload does.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.benchmarks import generator, plain
from tests.benchmarks.generator import Delta, Shape
from tests.benchmarks.plain import COLLECTIONS, State

TWICE = 10


@dataclass(frozen=True, slots=True)
class Work:
    """`base` in the plain layout (`plain.py`), and the files as they arrive, each with its name."""

    shape: Shape
    base: State
    files: tuple[Delta, ...]

    @property
    def deltas(self) -> list[dict[str, Any]]:
        """Each worker's delta once, by the time that it was written."""
        found = [json.loads(data) for data in dict.fromkeys(data for _, data in self.files)]
        return sorted(found, key=written)

    def expected(self) -> State:
        """What the frame comes to: each delta once, nothing that refers to nothing, the latest value of a field.

        The benchmark's own test holds the plain fold against ours, so this is what two programs agree on.
        """
        state = deepcopy(self.base)
        plain.merge(state, self.deltas)
        return state


def written(delta: dict[str, Any]) -> tuple[str, str]:
    """What orders deltas."""
    return delta["utc"], delta["stream_id"]


def work(shape: Shape) -> Work:
    """The same arguments give the same work."""
    base: State = {name: {} if name in plain.BY_KEY else [] for name in COLLECTIONS}
    plain.merge(base, [json.loads(data) for _, frame in generator.state_deltas(shape.state) for _, data in frame])
    files = list(generator.frame_deltas(shape, generator.frames_of_state(shape.state) + 1))
    files += [(f"{name.removesuffix('.json')} 2.json", data) for name, data in files[::TWICE]]
    return Work(shape, base, tuple(files))
