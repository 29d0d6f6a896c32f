"""What each worker brought to a frame, read from the frame's archive, and where they diverged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from merge_bot.canonical import compact
from merge_bot.collect import Base
from merge_bot.collection import APPEND, LAST_WRITER_WINS, SUM, UNION, Collections
from merge_bot.commit_files import CommitFiles
from merge_bot.conflicts import WHOLE_RECORD
from merge_bot.delta import Delta, Operation
from merge_bot.findings import Outcome
from merge_bot.manifest import Manifest
from merge_bot.parked import read_parked
from merge_bot.records import record_of
from merge_bot.replay import ArchiveTransport, base_of
from merge_bot.state import parse_lines
from merge_bot.strategies.conditions import REFUSALS
from merge_bot.validate import validate

if TYPE_CHECKING:
    from merge_bot.history import History, State


@dataclass(slots=True)
class Contribution:
    """What one worker brought: its deltas as rows of the manifest, its operations by collection and outcome."""

    worker: str
    deltas: list[dict[str, Any]] = field(default_factory=list)
    operations: dict[str, Counter[str]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        operations = {name: dict(sorted(counts.items())) for name, counts in sorted(self.operations.items())}
        return {"worker": self.worker, "deltas": self.deltas, "operations": operations}


@dataclass(frozen=True, slots=True)
class Divergence:
    """One field (`*`: a whole record) for which several workers of a frame wrote different values.

    `values` is each worker's last word by worker; `stands` what the state holds after the frame.
    """

    collection: str
    key: str
    field: str
    values: dict[str, Any]
    stands: Any

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Workers:
    """A frame seen by its workers; `unnamed` are the deltas whose worker could not be read."""

    frame: int
    workers: list[Contribution]
    diverged: list[Divergence]
    unnamed: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        return {
            "frame": self.frame,
            "workers": [one.as_json() for one in self.workers],
            "diverged": [one.as_json() for one in self.diverged],
            "unnamed": self.unnamed,
        }


def contributions(history: History, frame: int) -> Workers:
    """What each worker of `frame` brought. Raises as `History.manifest` and `History.state`."""
    manifest = history.manifest(frame)
    by_worker: dict[str, Contribution] = {}
    unnamed = []
    for row in manifest.deltas:
        if "stream_id" in row:
            by_worker.setdefault(row["stream_id"], Contribution(row["stream_id"])).deltas.append(dict(row))
        else:
            unnamed.append(dict(row))
    found = Workers(frame, [by_worker[name] for name in sorted(by_worker)], [], unnamed)
    if not manifest.deltas:
        return found
    base = base_of(history, manifest)
    deltas = merged_deltas(history, manifest, base)
    fates = _fates(history, frame)
    for delta in deltas:
        operations = by_worker[delta.stream_id].operations
        for one in _all(delta):
            fate = fates.get((delta.digest, one.pointer), Outcome.APPLIED.value)
            operations.setdefault(one.collection, Counter())[fate] += 1
    found.diverged = list(_diverged(deltas, base.collections, history.state(frame)))
    return found


def _fates(history: History, frame: int) -> dict[tuple[str, str], str]:
    """By (delta, pointer): what became of each operation that was not simply applied."""
    return {
        (receipt["digest"], one["pointer"]): one["outcome"]
        for receipt in _receipts(history, frame)
        for one in receipt.get("operations", ())
    }


def _receipts(history: History, frame: int) -> list[dict[str, Any]]:
    path = history.paths.receipts(frame)
    return parse_lines(history.archived(frame, path) or b"", path)


def _diverged(deltas: list[Delta], collections: Collections, state: State) -> Iterator[Divergence]:
    words: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for delta in deltas:
        for one in _all(delta):
            rules = collections[one.collection]
            if rules.strategy not in (APPEND, LAST_WRITER_WINS):
                continue
            fields = words.setdefault((one.collection, rules.key_of(one.record) or ""), {})
            keys = {part.name for part in rules.key}
            said = {WHOLE_RECORD: one.record} if rules.strategy == APPEND else one.record
            for name, value in said.items():
                if rules.strategy == APPEND:
                    fields.setdefault(name, {}).setdefault(delta.stream_id, value)
                elif name not in keys and rules.rule(name).strategy not in (SUM, UNION):
                    fields.setdefault(name, {})[delta.stream_id] = value
    for (collection, key), fields in sorted(words.items()):
        for name, values in sorted(fields.items()):
            if len({compact(value) for value in values.values()}) > 1:
                record = record_of(state.files, state.paths, state.collections[collection], key)
                stands = record if name == WHOLE_RECORD else (record or {}).get(name)
                yield Divergence(collection, key, name, dict(sorted(values.items())), stands)


def entered(history: History, manifest: Manifest) -> list[Operation]:
    """The operations that entered the state: of a frame's deltas and of what was parked before, less what waits on and
    what its condition kept out."""
    return history.remember(("entered", manifest.frame), lambda: _entered(history, manifest))


def _entered(history: History, manifest: Manifest) -> list[Operation]:
    base = base_of(history, manifest)
    after = CommitFiles(history.repository, history.standing(manifest.frame))
    waiting = {(one.operation.origin.digest, one.operation.index) for one in read_parked(after, base.paths)}
    parked = [one.operation for one in read_parked(base.files, base.paths)]
    of_deltas = (one for delta in merged_deltas(history, manifest, base) for one in _all(delta))
    all_of_them = sorted([*parked, *of_deltas], key=lambda one: one.rank)
    found = [one for one in all_of_them if (one.origin.digest, one.index) not in waiting]
    if not any(one.condition for one in found):
        return found
    refused = {
        (receipt["digest"], one["pointer"])
        for receipt in _receipts(history, manifest.frame)
        for one in receipt.get("operations", ())
        if one["reason"] in REFUSALS
    }
    return [one for one in found if (one.origin.digest, one.pointer) not in refused]


def merged_deltas(history: History, manifest: Manifest, base: Base) -> list[Delta]:
    """The deltas that were merged, on time or late, by rank."""
    rows = [row for row in manifest.deltas if row["outcome"] in (Outcome.APPLIED, Outcome.LATE)]
    archive = ArchiveTransport(history, manifest)
    limit = base.settings.max_delta_bytes
    candidates = archive.candidates(rows, limit)
    deltas = [one for candidate in candidates if isinstance(one := validate(candidate, base.rules), Delta)]
    return sorted(deltas, key=lambda one: one.origin)


def _all(delta: Delta) -> Iterator[Operation]:
    for operations in delta.operations.values():
        yield from operations
