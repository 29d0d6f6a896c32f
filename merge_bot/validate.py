"""Pure. From bytes to a Delta or a Rejection: whole or not at all, every problem at once, the same for worker and bot.

Strict JSON, then the envelope (settings may alias or ignore keys), then JSON Schema. What is good is only judged;
what is refused is explained, by `explain`, which is slow and loaded when first needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from merge_bot import messages, sections
from merge_bot.batch import Batch, Run
from merge_bot.bounds import MAX_OPERATIONS, MAX_SECONDS, too_many, too_slow
from merge_bot.canonical import digest
from merge_bot.collection import EXPECT, LAST_WRITER_WINS, SUM, Collection, Collections
from merge_bot.control_schema import CONTROL, fractions
from merge_bot.delta import FILE_NAME, Candidate, Condition, Delta, Operation, Origin, Request, file_name, parse_utc
from merge_bot.delta_schema import FALLBACK, compose, entity_schema, operand
from merge_bot.drift import mend, notes
from merge_bot.enrolment import Enrolment
from merge_bot.errors import SettingsError
from merge_bot.findings import Problem, Reason, Recover, Rejection
from merge_bot.json_schema import Schema
from merge_bot.strict_json import locate, parse, pointer
from merge_bot.wording import violation
from merge_bot.x_merge import properties_of

if TYPE_CHECKING:
    from merge_bot.settings import Settings

REGULAR = "100644"
MAX_BYTES = 1_048_576


class Reading(NamedTuple):
    """A delta's object after the settings: ignored keys dropped, aliases renamed.

    `spelled` maps a renamed key to its name in the file; `clashes` a key to the several names that stand for it.
    """

    document: Mapping[str, Any]
    spelled: Mapping[str, str]
    clashes: Mapping[str, list[str]]


class Rules:
    """What deltas and entities are held to: the collections and settings, compiled once and used for every delta.

    Without settings the defaults hold, and nothing of them is loaded. Raises SettingsError if the settings ignore or
    alias a key that feeds a collection.
    """

    def __init__(self, collections: Collections, settings: Settings | None = None) -> None:
        self.collections = collections
        self.max_bytes = settings.max_delta_bytes if settings else MAX_BYTES
        self.max_operations = settings.max_delta_operations if settings else MAX_OPERATIONS
        self.max_seconds = settings.max_validation_seconds if settings else MAX_SECONDS
        self._aliases = dict(settings.delta.aliases) if settings else {}
        self._ignored = frozenset(settings.delta.ignore) if settings else frozenset()
        for key in sorted(self._ignored | set(self._aliases)):
            if key in collections.by_delta_key:
                raise SettingsError(messages.setting_feeds(key, collections.by_delta_key[key].name))
        self.drifts = any(one.drift for one in collections.values())
        self.enrolment = Enrolment(collections, settings)
        self.delta = Schema(compose(collections))
        self._operands = {name: Schema(operand(one)) for name, one in collections.items()}
        self._entities = {name: Schema(entity_schema(one)) for name, one in collections.items()}
        self._integers = {name: _integer_fields(one) for name, one in collections.items()}
        self._nullable = {name: _is_nullable(one) for name, one in collections.items()}

    def operand(self, collection: str) -> Schema:
        """The schema of one operation's record; of a sum, of the object of increments."""
        return self._operands[collection]

    def fits(self, collection: str, record: Any) -> bool:
        """Whether a record can enter as it is."""
        if not self._operands[collection].is_valid(record):
            return False
        return self.collections[collection].strategy == SUM or not self.suspects(collection, [record])

    def entity_problems(self, collection: Collection, entity: Any) -> list[tuple[str, str]]:
        """(property or "", what is wrong) of each problem of a finished entity; empty if it satisfies its schema."""
        return [
            (str(one.path[0] if one.path else one.expected if one.keyword == "required" else ""), violation(one))
            for one in self._entities[collection.name].findings(entity)
        ]

    def read(self, value: Mapping[str, Any]) -> Reading:
        """A delta's object as the settings have it read."""
        if not (self._ignored or self._aliases):
            return Reading(value, {}, {})
        document: dict[str, Any] = {}
        spelled: dict[str, str] = {}
        clashes: dict[str, list[str]] = {}
        for key, one in value.items():
            if key in self._ignored:
                continue
            name = self._aliases.get(key, key)
            if name in document:
                clashes.setdefault(name, [spelled.get(name, name)]).append(key)
                continue
            document[name] = one
            if name != key:
                spelled[name] = key
        return Reading(document, spelled, clashes)

    def suspects(self, collection: str, records: Sequence[Mapping[str, Any]]) -> bool:
        """Whether any of the records, which fit their schema, still cannot enter: `fractions`, or a null in a key."""
        for name in self._integers[collection]:
            kinds = {type(record.get(name)) for record in records}
            if float in kinds or (
                list in kinds and any(True for one in records for _ in self.fractions(collection, one))
            ):
                return True
        key_of = self.collections[collection].key_of
        return self._nullable[collection] and any(key_of(record) is None for record in records)

    def fractions(self, collection: str, record: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], float]]:
        """Where keys and references say 6195.0. JSON Schema takes it for an integer; as a key it would be another."""
        for name in self._integers[collection]:
            value = record.get(name)
            for where, one in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(one, float) and one.is_integer():
                    yield (name,) if where is None else (name, where), one


def _is_nullable(collection: Collection) -> bool:
    """Whether the schema lets a record hold null in a key: only what is hashed may be anything."""
    properties = properties_of(collection.schema)
    return any(part.hashed and properties[part.name].get("type") != "string" for part in collection.else_key)


def _integer_fields(collection: Collection) -> list[str]:
    fields = {part.name for part in (*collection.key, *collection.else_key) if not part.hashed}
    properties = properties_of(collection.schema)
    kinds = {name: properties.get(name, {}) for name in sorted(fields | set(collection.references))}
    return [name for name, one in kinds.items() if one.get("type") in ("integer", "array")]


def given(path: str, delta: bytes | Mapping[str, Any]) -> Candidate:
    """A candidate that lies in no repository yet: what a worker is about to write under `path`.

    A mapping becomes JSON here, its faults included, so that `validate` names them. Raises TypeError for what JSON
    has no word for.
    """
    if isinstance(delta, Mapping):
        delta = f"{json.dumps(delta, ensure_ascii=False, indent=2)}\n".encode("utf-8", "surrogatepass")
    return Candidate(path, "", REGULAR, len(delta), delta, digest(delta), at_tip=False, transport="memory")


def validate(candidate: Candidate, rules: Rules) -> Delta | Rejection:
    """The delta in a candidate's bytes, or every reason why it may not enter. Never raises for what the bytes hold."""
    if slow := too_slow(candidate, rules.max_seconds):
        return slow
    verdict = _judge(candidate, rules)
    return verdict if candidate.worker is None else _of_branch(candidate, candidate.worker, verdict)


def _of_branch(candidate: Candidate, worker: str, verdict: Delta | Rejection) -> Delta | Rejection:
    """What came by a delta branch is its worker's doing, whoever's name stands in it."""
    where = ""
    if candidate.refused is not None:
        reason, letter = candidate.refused, messages.branch_rewound(worker)
    elif isinstance(verdict, Rejection):
        return verdict._replace(stream_id=worker)
    elif verdict.stream_id != worker:
        reason, where = Reason.STREAM_NOT_OF_BRANCH, "/stream_id"
        letter = messages.stream_not_of_branch(verdict.stream_id, worker)
    else:
        return verdict
    problem = Problem(candidate.path, 0, where, reason, *letter)
    return Rejection((problem,), frame=verdict.frame, stream_id=worker, utc=verdict.utc)


def _judge(candidate: Candidate, rules: Rules) -> Delta | Rejection:
    if candidate.mode.zfill(6) != REGULAR:
        return _refused(
            candidate, Reason.NOT_A_REGULAR_FILE, *messages.not_a_regular_file(candidate.mode, candidate.path)
        )
    if candidate.data is None or candidate.size > rules.max_bytes:
        return _refused(candidate, Reason.TOO_LARGE, *messages.too_large(candidate.size, rules.max_bytes))
    parsed = parse(candidate.data, candidate.path)
    if parsed.problems:
        return Rejection(parsed.problems)
    if not isinstance(parsed.value, dict):
        return _refused(candidate, Reason.NOT_AN_OBJECT, *messages.delta_is_no_object(parsed.value), line=1)
    reading = rules.read(parsed.value)
    if large := too_many(candidate, reading.document, rules.collections.by_delta_key, rules.max_operations):
        return large
    delta = _strict(candidate, reading, rules)
    if delta is None and rules.drifts:
        read, changes = mend(reading.document, rules.collections, rules.fits)
        reading = reading._replace(document=read)  # what can be read otherwise is no problem, even if something else is
        delta = _strict(candidate, reading, rules) if changes else None
        if delta:
            delta.notes = notes(changes)
    if delta and (problems := tuple(rules.enrolment.problems(delta))):
        return Rejection(problems, Recover.ASK_OPERATOR, delta.frame, delta.stream_id, delta.utc)
    if delta and (problems := tuple(_misplaced(delta, rules.collections))):
        return Rejection(problems, Recover.RESUBMIT, delta.frame, delta.stream_id, delta.utc)
    if delta:
        return delta
    from merge_bot import explain

    frame, stream_id, utc = (reading.document.get(key) for key in ("frame", "stream_id", "utc"))
    return Rejection(
        explain.explain(candidate, reading, rules),
        frame=frame if explain.is_frame(frame) else None,
        stream_id=stream_id if explain.is_stream_id(stream_id) else None,
        utc=utc if explain.is_utc(utc) else None,
    )


def _misplaced(delta: Delta, collections: Collections) -> Iterator[Problem]:
    """What of documents a delta may not write: other people's sections, sections that there are not."""
    for name, operations in delta.operations.items():
        for one in operations if collections[name].sections else ():
            if found := sections.fault(collections[name].sections, delta.stream_id, one.record):
                path, place = delta.candidate.path, f"{one.pointer}/{found[0]}"
                line = locate(delta.candidate.data or b"", [place])[place]
                yield Problem(path, line, place, Reason.BAD_SECTION, *found[1])


def _strict(candidate: Candidate, reading: Reading, rules: Rules) -> Delta | None:
    if reading.clashes or not rules.delta.is_valid(reading.document):
        return None
    return _delta(candidate, reading.document, rules)


def check_name(path: str, delta: Delta) -> Problem | None:
    """What is wrong with the name of the file that a delta came in: it must say the frame and stream of its content."""
    match = FILE_NAME.match(path.rpartition("/")[2])
    if match is None:
        letter = messages.not_a_delta_name(file_name(delta.frame, delta.stream_id))
        return Problem(path, 0, "", Reason.NOT_A_DELTA_FILE, *letter)
    if int(match["frame"]) == delta.frame and match["stream_id"] == delta.stream_id:
        return None
    right = file_name(delta.frame, delta.stream_id, match["suffix"])
    return Problem(path, 0, "", Reason.NAME_DISAGREES, *messages.name_disagrees(delta.frame, delta.stream_id, right))


def _refused(candidate: Candidate, reason: Reason, message: str, remedy: str, line: int = 0) -> Rejection:
    return Rejection((Problem(candidate.path, line, "", reason, message, remedy),))


def _delta(candidate: Candidate, document: Mapping[str, Any], rules: Rules) -> Delta | None:
    """The delta in a document that satisfies its schema; None if it fails what a schema cannot say."""
    instant = parse_utc(document["utc"])
    meta = document.get("_meta", {})
    if instant is None or type(document["frame"]) is not int or isinstance(meta.get("epoch"), float):
        return None
    base = meta.get("base")
    if isinstance(base, float) or (base is not None and base >= document["frame"]):
        return None
    delta = Delta(
        candidate,
        document["frame"],
        document["stream_id"],
        document["utc"],
        instant,
        status=meta.get("status", "ok"),
        run=meta.get("run"),
        epoch=meta.get("epoch"),
    )
    total = 0
    records: dict[str, list[Any]] = {}
    runs: dict[str, list[Run]] = {}
    for key, value in document.items():
        collection = rules.collections.by_delta_key.get(key)
        if collection is None:
            continue
        name = collection.name
        if collection.strategy != SUM and rules.suspects(name, value):
            return None
        if collection.enters_whole:
            runs.setdefault(name, []).append(Run(len(value), total, pointer(key)))
            records[name] = [*records[name], *value] if name in records else value
        else:
            operations = delta.operations.setdefault(name, [])
            made = _operations(delta.origin, total, key, value, collection)
            if collection.strategy == LAST_WRITER_WINS and (base is not None or any(EXPECT in one for one in value)):
                made = (_conditional(one, base) for one in made)
            operations += made
        total += len(value)
    for name, ones in records.items():
        collection = rules.collections[name]
        delta.operations[name] = Batch.of(collection, rules.collections, delta.origin, runs[name], ones)
    for position, request in enumerate(document.get(CONTROL, ())):
        if any(fractions(request)):
            return None
        delta.control.append(Request(delta.origin, total, pointer(CONTROL, position), request))
        total += 1
    return None if delta.status == FALLBACK and total else delta


def _operations(origin: Origin, first: int, key: str, value: Any, collection: Collection) -> Iterator[Operation]:
    """One operation a record, or a counter of a sum; `first` is the index of the first."""
    if collection.strategy == SUM:
        records: Any = [{counter: increment} for counter, increment in value.items()]
        pointers = [pointer(key, counter) for counter in value]
    else:
        records, base = value, f"{pointer(key)}/"
        pointers = [f"{base}{position}" for position in range(len(value))]
    rows = zip(repeat(origin), count(first), repeat(collection.name), pointers, records, repeat(None), repeat(False))
    return map(Operation._make, rows)


def _conditional(operation: Operation, base: int | None) -> Operation:
    """The operation with its condition taken out of its record."""
    record = dict(operation.record)
    expect = record.pop(EXPECT, {})
    condition = Condition(expect, base) if expect or base is not None else None
    return operation._replace(record=record, condition=condition)
