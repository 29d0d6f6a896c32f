"""The frames as a table: what each one took in, what it added, and who merged it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from merge_bot.findings import REFUSED_OUTCOMES, Outcome
from merge_bot.page import Page, Table
from merge_bot.state import parse_lines
from merge_bot.wording import counted, printable

if TYPE_CHECKING:
    from merge_bot.history import History
    from merge_bot.manifest import Manifest


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One frame. `records` counts each collection's records afterwards, `added` those that are new.

    `deltas` were merged, `late` of them are of an older frame; `conflicts` counts operations that met another
    writer's. `commit`, `merged_by` (`Name <email>`) are None where no commit of this clone is the frame's own.
    """

    frame: int
    kind: str
    time: str
    commit: str | None
    merged_by: str | None
    deltas: int
    workers: int
    records: dict[str, int]
    added: dict[str, int]
    conflicts: int
    late: int
    quarantined: int
    manifest: str

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def rows_of(history: History, limit: int, before: int | None = None) -> list[FrameRow]:
    """The rows of `limit` frames, the newest first. Raises as `History.frames`."""
    manifests = list(islice(history.frames(before), limit + 1))
    return [
        _row(history, one, manifests[at + 1] if at + 1 < len(manifests) else None)
        for at, one in enumerate(manifests[:limit])
    ]


def _row(history: History, manifest: Manifest, earlier: Manifest | None) -> FrameRow:
    landing = history.landing_if_any(manifest.frame)
    outcomes = Counter(row["outcome"] for row in manifest.deltas)
    merged = [row for row in manifest.deltas if row["outcome"] in (Outcome.APPLIED, Outcome.LATE)]
    old = earlier.counts if earlier else {}
    added = {name: count - old.get(name, 0) for name, count in manifest.counts.items() if count != old.get(name, 0)}
    return FrameRow(
        frame=manifest.frame,
        kind=manifest.kind,
        time=manifest.time,
        commit=landing.commit if landing else None,
        merged_by=(landing.author or None) if landing else None,
        deltas=len(merged),
        workers=len({row["stream_id"] for row in merged}),
        records=dict(manifest.counts),
        added=added,
        conflicts=_conflicts(history, manifest),
        late=outcomes[Outcome.LATE],
        quarantined=sum(outcomes[one] for one in REFUSED_OUTCOMES),
        manifest=manifest.digest,
    )


def _conflicts(history: History, manifest: Manifest) -> int:
    path = history.paths.receipts(manifest.frame)
    if path not in manifest.files:
        return 0
    lines = parse_lines(history.archived(manifest.frame, path) or b"", path)
    met = (Outcome.CONFLICT, Outcome.HELD)
    return sum(one["outcome"] in met for receipt in lines for one in receipt.get("operations", ()))


def log_page(rows: Sequence[FrameRow], oldest: int) -> Page:
    """The rows for people; `oldest` is the first frame there is."""
    if not rows:
        return Page(f"There is no frame before that: the oldest is {oldest}.")
    page = Page(f"{counted(len(rows), 'frame')}, the newest first.")
    columns = ("frame", "when", "kind", "deltas", "workers", "conflicts", "late", "quarantined", "records", "merged by")
    cells = []
    for one in rows:
        numbers = (one.deltas, one.workers, one.conflicts, one.late, one.quarantined)
        added = ", ".join(f"{name} {count:+,}" for name, count in sorted(one.added.items())) or "-"
        by = printable((one.merged_by or "-").partition(" <")[0])
        cells.append([str(one.frame), one.time[:19], one.kind, *(f"{number:,}" for number in numbers), added, by])
    page.add("", [Table(columns, cells)])
    if rows[-1].frame > oldest:
        page.closing = [f"Older ones: dreamcatcher log --before {rows[-1].frame}"]
    return page
