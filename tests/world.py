"""Small worlds for tests: real schemas, real deltas, and frames merged on files in memory as `frame.py` merges them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from merge_bot.admit import Admission, Moment, admit, ledger_frame
from merge_bot.canonical import document
from merge_bot.check import prove
from merge_bot.collection import Collections
from merge_bot.control import Office
from merge_bot.control_table import decide
from merge_bot.delta import Candidate, Delta, file_name, format_utc, instant_of
from merge_bot.findings import Outcome, Receipt, Rejection
from merge_bot.ledger import Ledger, Line
from merge_bot.merge import Merged, merge
from merge_bot.paths import Paths
from merge_bot.receipts import receipts_bytes, receipts_of
from merge_bot.schemas import load
from merge_bot.settings import Settings
from merge_bot.state import MemoryFiles, parse_json, parse_lines
from merge_bot.validate import Rules, given, validate
from merge_bot.workers import Workers

MORNING = datetime(2026, 3, 25, 3, 0, 0, tzinfo=UTC)
TEXT: dict[str, Any] = {"type": "string"}
INTEGER: dict[str, Any] = {"type": "integer"}
NUMBER: dict[str, Any] = {"type": "number"}
STRINGS: dict[str, Any] = {"type": "array", "items": TEXT}


def schema(
    strategy: str, properties: Mapping[str, Any] | None = None, required: Sequence[str] = (), **rules: Any
) -> dict[str, Any]:
    """A collection's schema; `rules` are the rest of its x-merge."""
    made: dict[str, Any] = {"type": "object", "x-merge": {"strategy": strategy, **rules}}
    if properties is not None:
        made["properties"] = dict(properties)
    if required:
        made["required"] = list(required)
    return made


def collections_of(schemas: Mapping[str, dict[str, Any]]) -> Collections:
    """Collections as the loader makes them; a collection is fed by the key of its own name unless it says otherwise."""
    files = {}
    for name, one in schemas.items():
        rules = {"delta": [name], **one["x-merge"]}
        files[f"schemas/{name}.schema.json"] = document(one | {"x-merge": rules})
    collections, problems = load(files)
    assert not problems, problems
    return collections


def as_data(settings: Any) -> Any:
    """Settings, or a part of them, as a file would say them."""
    if isinstance(settings, tuple) and hasattr(settings, "_asdict"):
        return {name.replace("_", "-"): as_data(value) for name, value in settings._asdict().items()}
    return list(settings) if isinstance(settings, tuple) else settings


_COMPILED: dict[int, tuple[Collections, Rules]] = {}


def rules_of(collections: Collections) -> Rules:
    """What these collections hold deltas to, compiled once."""
    if id(collections) not in _COMPILED:
        _COMPILED[id(collections)] = (collections, Rules(collections))
    return _COMPILED[id(collections)][1]


def utc(seconds: float) -> str:
    return format_utc(MORNING + timedelta(seconds=seconds))


def written(stream: str, seconds: float, frame: int = 5, run: str | None = None, **content: Any) -> tuple[str, bytes]:
    """A delta as a worker leaves it: (file name, bytes)."""
    meta = content.pop("_meta", {}) | ({"run": run} if run else {})
    value = {"frame": frame, "stream_id": stream, "utc": utc(seconds), **content} | ({"_meta": meta} if meta else {})
    data = document(value)
    return file_name(frame, stream, run), data


@dataclass
class Ran:
    """One merged frame."""

    number: int
    admission: Admission
    merged: Merged
    receipts: list[Receipt]
    changes: dict[str, bytes]

    @property
    def outcomes(self) -> dict[str, str]:
        """Each delta's outcome by its source."""
        return {one.source: one.outcome.value for one in self.receipts}


@dataclass
class World:
    """A state in memory, and the frames that are merged onto it."""

    collections: Collections
    files: MemoryFiles = field(default_factory=MemoryFiles)
    frame: int = 5
    now: datetime = MORNING + timedelta(hours=1)
    paths: Paths = field(default_factory=Paths)
    settings: Settings = field(default_factory=Settings)

    @classmethod
    def of(
        cls, schemas: Mapping[str, dict[str, Any]], before: Mapping[str, Any] | None = None, frame: int = 5
    ) -> World:
        """A world of these schemas; `before` maps a path to the JSON value that lies there."""
        files = MemoryFiles({path: document(value) for path, value in (before or {}).items()})
        return cls(collections_of(schemas), files, frame)

    @property
    def rules(self) -> Rules:
        return rules_of(self.collections)

    def arrived(self, deltas: Iterable[tuple[str, bytes]]) -> list[tuple[Candidate, Delta | Rejection]]:
        rules = self.rules
        candidates = [given(f"{self.paths.inbox}/{name}", data) for name, data in deltas]
        return [(one, validate(one, rules)) for one in candidates]

    def run(self, *deltas: tuple[str, bytes]) -> Ran:
        """Merge `deltas` into the open frame, and open the next one."""
        ledger, workers = Ledger(self.files, self.paths), Workers.read(self.files, self.paths)
        moment = Moment(self.frame, instant_of(self.now), 300_000_000)
        admission = admit(self.arrived(deltas), ledger, workers, moment)
        office = Office(moment, self.settings, self.files, self.paths, self.rules, ledger, workers, admission)
        decisions = decide(office)
        merged = merge(admission.admitted, self.files, self.paths, self.collections, self.rules, self.frame)
        prove(merged.changes, merged.growth, merged.entered, merged.applied, self.collections)
        receipts = receipts_of(
            self.frame, admission.admitted, [one for _, one in admission.settled], merged, self.collections, decisions
        )
        _book(ledger, workers, admission, receipts, moment)
        changes: dict[str, bytes] = {one.path: one.data for one in merged.changes if one.data is not None}
        changes |= {path: data for path, data in merged.marks.items() if data is not None}
        changes |= {path: data for path, data, _ in ledger.changes()}
        changes[self.paths.workers] = workers.as_bytes()
        changes[self.paths.receipts(self.frame)] = receipts_bytes(receipts)
        for one in merged.changes:
            if one.data is None:
                del self.files.files[one.path]
        self.files.files.update(changes)
        self.frame += 1
        return Ran(self.frame - 1, admission, merged, receipts, changes)

    def value(self, path: str) -> Any:
        """The JSON value of a file of the state; None if there is none."""
        data = self.files.read(path)
        return None if data is None else parse_json(data, path)

    def values(self) -> dict[str, Any]:
        """Every collection's value, however it lies in files: append and observe collections as sorted records."""
        return {name: self._value(name) for name in self.collections}

    def _value(self, name: str) -> Any:
        rules = self.collections[name]
        if rules.layout == "file":
            value = self.value(rules.path)
            for part in rules.pointer.split("/")[1:]:
                value = (value or {}).get(part)
            unordered = rules.strategy == "append" or (rules.strategy == "last-writer-wins" and rules.shape == "array")
            return sorted(value or [], key=document) if unordered else value
        records: list[Any] = []
        for path, data in self.files.files.items():
            if path.startswith(rules.path + "/"):
                records += parse_lines(data, path) if path.endswith(".jsonl") else [parse_json(data, path)]
        return sorted(records, key=document)

    @property
    def conflicts(self) -> Any:
        return self.value(self.paths.conflicts) or {}

    @property
    def parked(self) -> list[dict[str, Any]]:
        data = self.files.read(self.paths.parked)
        return parse_lines(data, self.paths.parked) if data else []


def _book(ledger: Ledger, workers: Workers, admission: Admission, receipts: Sequence[Receipt], moment: Moment) -> None:
    """The ledger's lines and the workers' tallies, as `snapshot` enters them."""
    deltas = {delta.digest: delta for delta in admission.admitted}
    candidates = {(one.digest, one.path): one for one, _ in admission.settled}
    candidates |= {(delta.digest, delta.candidate.path): delta.candidate for delta in admission.admitted}
    for receipt in receipts:
        candidate = candidates.get((receipt.digest, receipt.source))
        if candidate is None or receipt.outcome == Outcome.DUPLICATE:
            continue
        workers.record(receipt)
        delta = deltas.get(receipt.digest)
        entry = Line(
            delta=receipt.digest,
            outcome=receipt.outcome,
            merged_in=moment.frame,
            stream_id=receipt.stream_id,
            run=delta.run if delta else None,
            fills=delta is not None and not delta.is_empty,
        )
        ledger.add(ledger_frame(candidate, receipt.frame, moment), entry)
