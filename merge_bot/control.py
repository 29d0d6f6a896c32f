"""Pure. Decisions: what the `_control` operations of a frame's deltas do to ledger, workers and inbox.

A request is judged by the state at the base and by what else this frame admits, and takes effect after the frame. Of
several about one thing the first by rank is taken. Nothing here stops a frame: what cannot be done is refused, with a
reason, in the receipt of the delta that asked for it.

To add an operation: its fields in `control_schema.FIELDS`, a function `(Office, Request) -> Decision` in the module
of its subject, and an entry in `control_table.OPERATIONS`. What it changes goes through the `Office`: the ledger, the
workers, `put_up` for files of the inbox, and the decision's own `effect`, which the manifest keeps and verify reads.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from merge_bot.admit import Admission, Moment
from merge_bot.conflicts import Conflicts
from merge_bot.control_schema import CONTROL
from merge_bot.delta import Operation, Request
from merge_bot.findings import OperationReceipt, Outcome, Reason, Recover
from merge_bot.ledger import Ledger
from merge_bot.paths import Paths
from merge_bot.state import Files
from merge_bot.tree import Entry
from merge_bot.workers import Workers

if TYPE_CHECKING:
    from merge_bot.settings import Settings
    from merge_bot.validate import Rules

Changes = dict[str, bytes | Entry | None]
Row = Mapping[str, Any]
Find = Callable[[Iterable[Row]], Container[str]]


def nowhere(rows: Iterable[Row]) -> Container[str]:
    """Finds nothing: the way of those who have no objects but the tree's."""
    return ()


class Decision(NamedTuple):
    """What became of one request. `detail` is for its receipt, `effect` for the manifest; None: it changed nothing."""

    request: Request
    outcome: Outcome
    reason: Reason
    recover: Recover = Recover.NONE
    detail: Mapping[str, Any] = {}
    effect: Mapping[str, Any] | None = None

    def receipt(self) -> OperationReceipt:
        """Its line in the delta's receipt: every request has one, also those that were simply applied."""
        detail = {"op": self.request.op, **self.detail}
        return OperationReceipt(CONTROL, self.request.pointer, self.outcome, self.reason, self.recover, detail)

    def as_json(self) -> dict[str, Any]:
        """Its row in the manifest."""
        by = {"op": self.request.op, "by": self.request.origin.digest, "at": self.request.pointer}
        return {**by, **(self.effect or {})}


@dataclass(slots=True)
class Office:
    """Where requests are decided: what is known at the base, what the frame admits, and what the decisions change.

    `moment` is the open frame and the merge's clock. `put_up` are files of the inbox that the frame itself brings:
    they are merged in the next one. `conflicts` are those open at the base, once somebody asked; `resolved` are those
    that are settled, by collection, key and field, each with the write that settles it, if it takes one. `find` says
    which blobs can be had, of rows of manifests whose deltas lie in no frame's folder.
    """

    moment: Moment
    settings: Settings
    files: Files
    paths: Paths
    rules: Rules
    ledger: Ledger
    workers: Workers
    admission: Admission
    put_up: Changes = field(default_factory=dict)
    conflicts: Conflicts | None = None
    resolved: dict[tuple[str, str, str], Operation | None] = field(default_factory=dict)
    find: Find = nowhere
    _found: Container[str] | None = None
    _arrived: frozenset[str] | None = None

    def arrived(self, digest: str) -> bool:
        """Whether this frame itself settles the delta, so that no decision about it can be taken in the same frame."""
        if self._arrived is None:
            settled = {one.digest for one, receipt in self.admission.settled if receipt.outcome != Outcome.DUPLICATE}
            self._arrived = frozenset(settled | {delta.digest for delta in self.admission.admitted})
        return digest in self._arrived

    def found(self, row: Row, asked: Callable[[], Iterable[Row]]) -> bool:
        """Whether a delta's bytes can be had from outside the tree. All that are `asked` for are looked for at once."""
        if self._found is None:
            self._found = self.find(asked())
        return row["blob"] in self._found


def applied(request: Request, reason: Reason, effect: Mapping[str, Any], detail: Mapping[str, Any]) -> Decision:
    """A request that is granted. `effect` is what it changed, as the manifest tells it."""
    return Decision(request, Outcome.APPLIED, reason, Recover.NONE, detail, effect)


def refused(request: Request, reason: Reason, recover: Recover, why: str) -> Decision:
    """A request that is not granted; `why` is the sentence that its receipt carries."""
    return Decision(request, Outcome.REFUSED, reason, recover, {"why": why})
