"""What a worker may ask about its own lease. Each call is a delta of its own, which the next merge decides."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from merge_bot.writer import Desk

if TYPE_CHECKING:
    from merge_bot.asking import Asked
    from merge_bot.target import Target


class Leaseholder:
    """A name that a lease is held under, and the way by which its deltas go."""

    def __init__(
        self,
        stream_id: str,
        root: str | os.PathLike[str],
        epoch: int | None,
        push: bool,
        remote: str,
        budget: float,
    ) -> None:
        self.stream_id = stream_id
        self._root = root
        self._epoch = epoch
        self._push = push
        self._remote = remote
        self._budget = budget

    def claim(self) -> Asked:
        """Ask for the lease on this worker's name. Once a merge has granted it, only who has its epoch writes.

        `receipts()` tell what became of it. A lease that is held is not given away, see `reclaim`.
        """
        return self._ask({"op": "claim"})

    def release(self) -> Asked:
        """Give the lease back, which moves the epoch. Raises LeaseEnded if there is none."""
        return self._ask({"op": "release", "epoch": self._held()})

    def reclaim(self) -> Asked:
        """End the lease that a silent process of this name holds, and claim it, in one. Raises LeaseEnded if none does.

        What that process still writes is fenced from then on. Refused while it is heard of (settings: lease).
        """
        return self._ask({"op": "reclaim", "worker": self.stream_id, "epoch": self._held()}, {"op": "claim"})

    def _held(self) -> int:
        """The epoch that is ended: of the lease that is held, 1 where none was ever claimed."""
        epoch = Desk.open(self._root).epoch(self.stream_id) if self._epoch is None else self._epoch
        return epoch or 1

    def _ask(self, *requests: dict[str, Any]) -> Asked:
        from datetime import UTC, datetime

        from merge_bot.asking import ask
        from merge_bot.patience import Patience

        where = self._target() if self._push else None
        now, patience = datetime.now(UTC), Patience(self._budget)
        [asked] = ask(requests, stream_id=self.stream_id, now=now, root=self._root, target=where, patience=patience)
        return asked

    def _target(self) -> Target:
        from merge_bot.target import Target, credentials_from

        return Target(self._remote, root=self._root, credentials=credentials_from(os.environ))
