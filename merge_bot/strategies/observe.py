"""Pure. observe. Law: new = old ++ all of them, in the order of their rank; nothing is deduplicated.

Exactly once comes from the ledger of deltas: the same words from two workers are two observations.
Operations: whole records.
"""

from __future__ import annotations

from collections.abc import Sequence

from merge_bot.batch import Batch
from merge_bot.collection import Collection
from merge_bot.strategies.base import Ground, Loss


class Observe:
    """Everything is kept."""

    def fold(self, rules: Collection, batches: Sequence[Batch], ground: Ground) -> list[Loss]:
        ground.store.append(batches)
        return []
