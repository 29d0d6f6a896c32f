"""Pure. Why a delta is refused: every problem at once, each with its place, and those that are alike told once.

Slow and only for what `validate` has refused. Its work is bounded: a delta can be wrong in a million places.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from merge_bot import messages
from merge_bot.collection import EXPECT, LAST_WRITER_WINS, SUM, Collection
from merge_bot.control_schema import CONTROL, FIELDS, MAX_REQUESTS, compiled, fractions
from merge_bot.delta import MAX_FRAME, STREAM_ID, Candidate, parse_utc
from merge_bot.delta_schema import ENVELOPE, FALLBACK, REQUIRED, example
from merge_bot.findings import Problem, Reason
from merge_bot.guess import nearest
from merge_bot.json_schema import Finding, Schema
from merge_bot.messages import Letter
from merge_bot.strict_json import locate, pointer
from merge_bot.wording import place
from merge_bot.x_merge import properties_of

if TYPE_CHECKING:
    from merge_bot.validate import Reading, Rules

MAX_PROBLEMS = 100
MAX_RECORDS = 200
MAX_GUESSES = 500
MAX_LOCATED = 8_000_000  # bytes; finding lines takes about a second for this many
MAX_POINTER = 1000
_META = Schema(ENVELOPE["_meta"])
Place = tuple[str | int, ...]
Guess = Callable[[str, Iterable[str], Mapping[str, Iterable[str]]], str | None]


class Wrong(NamedTuple):
    """One thing wrong. Those with the same reason and `kind` at the same place of other records are alike."""

    place: Place
    reason: Reason
    kind: str
    letter: Letter


def explain(candidate: Candidate, reading: Reading, rules: Rules) -> tuple[Problem, ...]:
    """The problems of a delta that is a JSON object, in the order of their lines; at least one."""
    assert candidate.data is not None
    alike: dict[tuple[object, ...], list[Wrong]] = {}
    for one in _wrongs(reading, rules):
        everywhere = tuple("*" if isinstance(part, int) else part for part in one.place)
        alike.setdefault((everywhere, one.reason, one.kind), []).append(one)
    told = list(alike.values())[:MAX_PROBLEMS]
    if len(alike) != len(told):
        told.append([Wrong((), Reason.SCHEMA_VIOLATION, "", messages.more_problems(len(alike) - len(told)))])
    if not told:
        told.append([Wrong((), Reason.SCHEMA_VIOLATION, "", messages.unexplained())])
    places = [_spelled(ones[0].place, reading.spelled) for ones in told]
    pointers = [_bounded_pointer(one) for one in places]
    lines = locate(candidate.data, pointers) if len(candidate.data) <= MAX_LOCATED else dict.fromkeys(pointers, 0)
    problems = []
    for where, at, ones in zip(places, pointers, told, strict=True):
        text, remedy = ones[0].letter
        message = f"{place(where)}: {text}" if where else text
        message += messages.and_more(len(ones) - 1)
        message += "" if message.endswith("?") else "."
        problems.append(Problem(candidate.path, lines[at], at, ones[0].reason, message, remedy))
    return tuple(sorted(problems, key=lambda one: one.line))


def _bounded_pointer(where: Place) -> str:
    """The pointer of a place, or of the nearest one above it whose pointer is not absurdly long."""
    while len(pointer(*where)) > MAX_POINTER:
        where = where[:-1]
    return pointer(*where)


def _spelled(where: Place, spelled: Mapping[str, str]) -> Place:
    """A place by the names that stand in the file, aliases undone."""
    return (spelled.get(str(where[0]), where[0]), *where[1:]) if where else where


def _wrongs(reading: Reading, rules: Rules) -> Iterator[Wrong]:
    document = reading.document
    for target, keys in reading.clashes.items():
        yield Wrong((target,), Reason.ALIAS_CLASH, "", messages.alias_clash(target, keys))
    budget = _Budget()
    yield from _keys(document, rules, budget)
    yield from _envelope(document, rules)
    if CONTROL in document:
        yield from _control(document[CONTROL], budget)
    for key, value in document.items():
        if collection := rules.collections.by_delta_key.get(key):
            yield from _operations(key, value, collection, rules, budget)
    if budget.wrong > MAX_RECORDS:
        yield Wrong((), Reason.SCHEMA_VIOLATION, "more", messages.more_records(MAX_RECORDS, budget.wrong))


class _Budget:
    """What is left to spend on one delta: how many records were wrong so far, and how many names may be guessed at."""

    def __init__(self) -> None:
        self.wrong = 0
        self._guesses = MAX_GUESSES
        self._listed: set[Place] = set()

    def nearest(self, word: str, choices: Iterable[str], also: Mapping[str, Iterable[str]] | None = None) -> str | None:
        self._guesses -= 1
        return nearest(word, choices, also) if self._guesses >= 0 else None

    def keys(self, where: Place, known: tuple[str, ...]) -> tuple[str, ...]:
        """The keys that are known in an object there, for the first letter that needs them; then none."""
        everywhere = tuple(part for part in where if not isinstance(part, int))
        new = everywhere not in self._listed
        self._listed.add(everywhere)
        return known if new else ()


def _keys(document: Mapping[str, Any], rules: Rules, budget: _Budget) -> Iterator[Wrong]:
    """Missing and unknown keys of the delta itself."""
    known = (*ENVELOPE, *rules.collections.by_delta_key)
    missing = [key for key in REQUIRED if key not in document]
    for key in missing:
        yield Wrong((), Reason.MISSING_KEY, key, messages.missing_key(key))
    also = {key: (one.name,) for key, one in rules.collections.by_delta_key.items()}
    free = [key for key in (*known, CONTROL) if key not in document]
    for key in islice((key for key in document if key not in known and key != CONTROL), MAX_PROBLEMS):
        value = document[key]
        is_time = "utc" in missing and isinstance(value, str) and parse_utc(value) is not None
        near = "utc" if is_time else budget.nearest(key, free, also)
        letter = messages.unknown_key(near, () if near else budget.keys((), known))
        yield Wrong((key,), Reason.UNKNOWN_KEY, "", letter)


def _envelope(document: Mapping[str, Any], rules: Rules) -> Iterator[Wrong]:
    frame, stream_id, utc = (document.get(key) for key in REQUIRED)
    if "frame" in document and not is_frame(frame):
        yield Wrong(("frame",), Reason.BAD_FRAME, "", messages.bad_frame(frame))
    if "stream_id" in document and not is_stream_id(stream_id):
        yield Wrong(("stream_id",), Reason.BAD_STREAM_ID, "", messages.bad_stream_id(stream_id))
    if "utc" in document and not is_utc(utc):
        yield Wrong(("utc",), Reason.BAD_UTC, "", messages.bad_utc(utc))
    if "_meta" not in document:
        return
    meta = document["_meta"]
    for finding in _META.findings(meta):
        yield Wrong(("_meta", *finding.path), Reason.BAD_META, finding.keyword, messages.violated(finding))
    if not isinstance(meta, dict):
        return
    if isinstance(meta.get("epoch"), float):
        yield Wrong(("_meta", "epoch"), Reason.BAD_META, "fraction", messages.fractional_key(meta["epoch"]))
    base = meta.get("base")
    if isinstance(base, float):
        yield Wrong(("_meta", "base"), Reason.BAD_META, "fraction", messages.fractional_key(base))
    elif isinstance(base, int) and isinstance(frame, int) and is_frame(base) and is_frame(frame) and base >= frame:
        yield Wrong(("_meta", "base"), Reason.BAD_META, "", messages.base_not_read_yet(base, frame))
    values = (document[key] for key in (CONTROL, *rules.collections.by_delta_key) if key in document)
    count = sum(len(one) for one in values if isinstance(one, list | dict))
    if meta.get("status") == FALLBACK and count:
        yield Wrong(("_meta", "status"), Reason.BAD_META, "", messages.fallback_with_operations(count))


def _control(value: Any, budget: _Budget) -> Iterator[Wrong]:
    if not isinstance(value, list):
        yield Wrong((CONTROL,), Reason.BAD_CONTROL, "type", messages.control_is_no_array(value))
        return
    if len(value) > MAX_REQUESTS:
        yield Wrong((CONTROL,), Reason.BAD_CONTROL, "", messages.too_many_requests(len(value), MAX_REQUESTS))
    for position, request in enumerate(value[:MAX_REQUESTS]):
        at: Place = (CONTROL, position)
        if not isinstance(request, dict):
            yield Wrong(at, Reason.BAD_CONTROL, "type", messages.request_is_no_object(request))
            continue
        op = request.get("op")
        if not isinstance(op, str) or op not in FIELDS:
            near = budget.nearest(op, FIELDS) if isinstance(op, str) else None
            letter = messages.unknown_operation("op" in request, op, near, FIELDS)
            yield Wrong((*at, "op") if "op" in request else at, Reason.BAD_CONTROL, "op", letter)
            continue
        for finding in compiled(op).findings(request):
            where = (*at, *finding.path)
            if finding.keyword == "additionalProperties":
                near = _nearest_known(finding, request, budget)
                known = () if near or finding.expected is False else budget.keys((CONTROL, op), finding.expected)
                yield Wrong(where, Reason.BAD_CONTROL, "unknown", messages.unknown_field(near, known))
            else:
                missing = finding.expected if finding.keyword == "required" else ""
                about = FIELDS[op].get(str(finding.path[0] if finding.path else missing), {}).get("description", "")
                kind = f"{op} {finding.keyword} {missing}"
                yield Wrong(where, Reason.BAD_CONTROL, kind, messages.violated(finding, about))
        for name, found in fractions(request):
            yield Wrong((*at, name), Reason.BAD_CONTROL, "fraction", messages.fractional_key(found))


def is_frame(value: Any) -> bool:
    """Whether `value` is a frame's number. 405.0 is not: it would be spelled differently in each place it enters."""
    return type(value) is int and 0 <= value <= MAX_FRAME


def is_stream_id(value: Any) -> bool:
    """Whether `value` is a worker's id."""
    return isinstance(value, str) and STREAM_ID.match(value) is not None


def is_utc(value: Any) -> bool:
    """Whether `value` is a time with an offset."""
    return isinstance(value, str) and parse_utc(value) is not None


def _operations(key: str, value: Any, collection: Collection, rules: Rules, budget: _Budget) -> Iterator[Wrong]:
    schema = rules.operand(collection.name)
    shape = json.dumps(example(collection), ensure_ascii=False)
    if collection.strategy == SUM:
        if not isinstance(value, dict):
            yield Wrong((key,), Reason.SCHEMA_VIOLATION, "type", messages.not_increments(key, value, shape))
            return
        for finding in schema.findings(value):
            near = _nearest_known(finding, value, budget)
            yield _violation((key,), finding, near, collection, budget)
        return
    if not isinstance(value, list):
        yield Wrong((key,), Reason.SCHEMA_VIOLATION, "type", messages.not_an_array(key, value, shape))
        return
    for position, record in enumerate(value):
        if schema.is_valid(record) and not rules.suspects(collection.name, [record]):
            continue
        budget.wrong += 1
        if budget.wrong > MAX_RECORDS:
            continue
        if isinstance(record, dict):
            yield from _record((key, position), record, collection, schema.findings(record), rules, budget)
        else:
            letter = messages.record_is_no_record(record, shape)
            yield Wrong((key, position), Reason.SCHEMA_VIOLATION, "type", letter)


def _record(
    at: Place,
    record: Mapping[str, Any],
    collection: Collection,
    findings: Sequence[Finding],
    rules: Rules,
    budget: _Budget,
) -> Iterator[Wrong]:
    key, else_key = ([part.name for part in fields] for fields in (collection.key, collection.else_key))
    keyless: list[str] = []
    if key and collection.key_of(record) is None:
        keyless = [name for name in else_key or key if record.get(name) is None]
        letter = messages.no_key(keyless, key, else_key)
        yield Wrong(at, Reason.NO_KEY, " ".join(keyless), letter)
    unknown = [str(one.path[0]) for one in findings if one.keyword == "additionalProperties" and len(one.path) == 1]
    missing = [str(one.expected) for one in findings if one.keyword == "required" and not one.path]
    meant = meant_keys(collection, record, unknown, missing, budget.nearest)
    for finding in findings:
        name = finding.path[0] if finding.path else finding.expected if finding.keyword == "required" else None
        if name in keyless and (not finding.path or finding.found is None):
            continue  # said already
        stands_for = collection.drift.aliases.get(str(name))
        if stands_for in record and finding.path == (name,):
            letter = messages.alias_clash(str(stands_for), [str(stands_for), str(name)])
            yield Wrong((*at, *finding.path), Reason.ALIAS_CLASH, "", letter)
        elif name == EXPECT and (why := _expectation(finding, collection)):
            yield Wrong((*at, *finding.path), Reason.UNKNOWN_KEY, "expect", why)
        elif finding.keyword == "minLength" and finding.found == "" and name in (*key, *else_key):
            letter = messages.empty_key(str(name), bool(else_key) and name in key)
            yield Wrong((*at, *finding.path), Reason.NO_KEY, "empty", letter)
        else:
            deeper = len(finding.path) > 1
            near = _nearest_known(finding, record, budget) if deeper else meant.get(str(name))
            yield _violation(at, finding, near, collection, budget)
    for where, value in rules.fractions(collection.name, record):
        yield Wrong((*at, *where), Reason.SCHEMA_VIOLATION, "fraction", messages.fractional_key(value))


def _expectation(finding: Finding, collection: Collection) -> Letter | None:
    """Why nothing can be expected there; None if it is misspelt or misshapen."""
    if collection.strategy != LAST_WRITER_WINS:
        return messages.nothing_to_expect(collection.name, collection.strategy)
    name = str(finding.path[-1])
    if len(finding.path) != 2 or name not in properties_of(collection.schema) or collection.is_overwritten(name):
        return None
    of_key = any(part.name == name for part in collection.key)
    return messages.key_expected(name) if of_key else messages.sum_expected(name, collection.rule(name).strategy)


def _violation(at: Place, finding: Finding, near: str | None, collection: Collection, budget: _Budget) -> Wrong:
    where = (*at, *finding.path)
    if finding.keyword == "additionalProperties" and isinstance(finding.expected, tuple):
        known = () if near else budget.keys(where[:-1], finding.expected)
        return Wrong(where, Reason.UNKNOWN_KEY, "", messages.unknown_field(near, known))
    missing = finding.keyword == "required"
    kind = f"required {finding.expected}" if missing else finding.keyword
    top = finding.path[0] if finding.path else finding.expected if missing else None
    about = properties_of(collection.schema).get(str(top), {}).get("description", "")
    return Wrong(where, Reason.SCHEMA_VIOLATION, kind, messages.violated(finding, about))


def _nearest_known(finding: Finding, value: Any, budget: _Budget) -> str | None:
    """Which of the keys that a schema knows, and that are still free, an unknown key was meant to be."""
    if finding.keyword != "additionalProperties" or not isinstance(finding.expected, tuple):
        return None
    for part in finding.path[:-1]:
        value = value[part]
    return budget.nearest(str(finding.path[-1]), [name for name in finding.expected if name not in value])


def meant_keys(
    collection: Collection, record: Mapping[str, Any], unknown: Iterable[str], missing: Iterable[str], guess: Guess
) -> dict[str, str]:
    """Which missing or free field each unknown key of a record was meant to be, as far as that can be told.

    By its name, or by that of the collection that the field refers to (`agent` for `author`, which refers to
    agents); and where one integer is missing and one unknown key holds one, by that. `guess` finds the nearest name.
    """
    properties = properties_of(collection.schema)
    free = [name for name in properties if name not in record]
    also = {name: (target,) for name, target in collection.references.items()}
    meant = {key: near for key in unknown if (near := guess(key, free, also))}
    integers = [
        name for name in missing if properties.get(name, {}).get("type") == "integer" and name not in meant.values()
    ]
    holders = [key for key in unknown if key not in meant and type(record[key]) is int]
    if len(integers) == len(holders) == 1:
        meant[holders[0]] = integers[0]
    return meant
