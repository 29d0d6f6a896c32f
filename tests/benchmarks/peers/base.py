"""What a peer is."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tests.benchmarks.peers.work import Work
from tests.benchmarks.plain import State


class Peer(Protocol):
    """One way to bring a frame into a state. Each step runs in a process of its own; only `merge` is measured."""

    def prepare(self, folder: Path, work: Work) -> None:
        """Put the state, and what the workers hand over, into a new folder, in the peer's own form."""

    def merge(self, folder: Path) -> None:
        """Bring what the workers handed over into the state, durably."""

    def read(self, folder: Path) -> State:
        """The merged state, in the plain layout. Raises ValueError where it cannot be read any more."""
