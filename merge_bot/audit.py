"""Pure. The audit: every record of the state held against its schema, its key, its place and its references.

The merge reads only what a frame touches; the audit reads everything, and changes nothing. It goes on after each
problem, so that all of them are found at once. What the merge writes down about itself is for `audit_books`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from merge_bot import audit_letters as letters
from merge_bot.audit_files import Read, lines_of, value_of, walk
from merge_bot.canonical import compact, key_bytes
from merge_bot.collection import APPEND, LAST_WRITER_WINS, OBSERVE, SUM, UNION, Collection, Collections
from merge_bot.findings import Problem, Reason
from merge_bot.layouts.entities import entity_name
from merge_bot.messages import Letter
from merge_bot.paths import Paths
from merge_bot.progress import Progress, silent
from merge_bot.state import Files
from merge_bot.strict_json import locate, pointer
from merge_bot.validate import Rules

_BATCH = 256  # files that are held at once


class Place(NamedTuple):
    """Where a record stands: `line` is known for lines of `.jsonl` files alone."""

    path: str
    line: int
    pointer: str


@dataclass(slots=True)
class Audit:
    """What was found. `records` counts them by collection, `files` everything that was read."""

    problems: list[Problem] = field(default_factory=list)
    records: Counter[str] = field(default_factory=Counter)
    files: int = 0


def audit(files: Files, paths: Paths, collections: Collections, rules: Rules, progress: Progress = silent) -> Audit:
    """Read the whole state in `files`. Never raises for what stands in it."""
    work = _Auditor(files, paths, collections, rules, progress)
    for collection in collections.values():
        work.collection(collection)
    work.references()
    return work.found


class _Auditor:
    """Reads collection by collection, and remembers keys and what refers to what."""

    def __init__(self, files: Files, paths: Paths, collections: Collections, rules: Rules, progress: Progress) -> None:
        self.found = Audit()
        self._files, self._paths, self._collections = files, paths, collections
        self._rules, self._progress = rules, progress
        self._keys: dict[str, dict[str, Place]] = {name: {} for name in collections}
        self._wanted: dict[str, dict[str, tuple[Place, Any]]] = {name: {} for name in collections}
        self._mentions: Counter[tuple[str, str]] = Counter()
        self._bytes: dict[str, bytes] = {}
        self._unread: set[str] = set()

    # --- collections

    def collection(self, rules: Collection) -> None:
        """Everything that a collection keeps."""
        self.found.records[rules.name] = 0
        if rules.layout == "file":
            data = self._files.read(rules.path)
            if data is not None:
                self._whole_file(rules, data)
            return
        one = self._entity if rules.layout == "entities" else self._segment
        for path, data in self._below(rules):
            one(rules, path, data)
        if rules.layout == "segments" and rules.keeps_records:
            self._keys_of_nothing(rules)

    def _below(self, rules: Collection) -> Iterator[tuple[str, bytes]]:
        """The files of a collection's folder; what does not belong there is a problem."""
        ending = ".jsonl" if rules.strategy == OBSERVE or rules.layout == "segments" else ".json"
        good = []
        for path, entry in walk(self._files, rules.path):
            if not path.endswith(ending):
                self._problem(Place(path, 0, ""), Reason.MISPLACED_FILE, letters.stray(rules.name))
            elif not entry.is_file:
                self._problem(Place(path, 0, ""), Reason.NOT_A_REGULAR_FILE, letters.no_plain_file())
            else:
                good.append(path)
        batches = [good[at : at + _BATCH] for at in range(0, len(good), _BATCH)]
        for batch in self._progress(batches, f"check {rules.name}"):
            self._bytes = self._files.read_many(batch)
            yield from sorted(self._bytes.items())

    def _whole_file(self, rules: Collection, data: bytes) -> None:
        self._bytes = {rules.path: data}
        value = self._taken(rules, value_of(data, rules.path))
        if value is None:
            return
        for name in rules.pointer.split("/")[1:]:
            name = name.replace("~1", "/").replace("~0", "~")
            value = value.get(name, [] if rules.shape == "array" else {}) if isinstance(value, dict) else None
        if not isinstance(value, dict if rules.shape == "object" else list):
            wanted = "an object" if rules.shape == "object" else "an array"
            self._problem(
                Place(rules.path, 0, rules.pointer), Reason.SCHEMA_VIOLATION, letters.wrong_shape(wanted, value)
            )
            return
        self.found.records[rules.name] += len(value)
        if rules.strategy == SUM:
            self._fits(rules, value, Place(rules.path, 0, rules.pointer))
        elif isinstance(value, dict):
            for key, one in value.items():
                place = Place(rules.path, 0, rules.pointer + pointer(key))
                self._record(rules, _with_key(rules, key, one), place)
        else:
            self._members(rules, value, rules.path, rules.pointer)

    def _entity(self, rules: Collection, path: str, data: bytes) -> None:
        if rules.strategy == OBSERVE:
            records = self._taken(rules, lines_of(data, path))
            self._jsonl(rules, records, path)
        else:
            value = self._taken(rules, value_of(data, path))
            if value is None:
                return
            if not isinstance(value, list if rules.strategy == UNION else dict):
                wanted = "an array" if rules.strategy == UNION else "an object"
                self._problem(Place(path, 0, ""), Reason.SCHEMA_VIOLATION, letters.wrong_shape(wanted, value))
                return
            if isinstance(value, list):
                self._members(rules, value, path, "")
            else:
                self._record(rules, value, Place(path, 0, ""))
            records = value if isinstance(value, list) else [value]
        self.found.records[rules.name] += len(records)
        self._named_for_its_key(rules, records, path)

    def _named_for_its_key(self, rules: Collection, records: Sequence[Any], path: str) -> None:
        keys = {rules.key_of(one) for one in records if isinstance(one, dict)} - {None}
        name = path.rpartition("/")[2]
        if len(keys) > 1:
            self._problem(Place(path, 0, ""), Reason.KEYS_DISAGREE, letters.mixed_keys())
        for key in keys if len(keys) == 1 else ():
            right = entity_name(key or "") + name[name.index(".json") :]
            if name != right:
                self._problem(Place(path, 0, ""), Reason.KEYS_DISAGREE, letters.wrong_name(right))

    def _segment(self, rules: Collection, path: str, data: bytes) -> None:
        read = lines_of(data, path)
        records = self._taken(rules, read)
        self.found.records[rules.name] += len(records)
        self._jsonl(rules, records, path)
        if not rules.keeps_records or read.problems:
            return
        keys_path = self._keys_path(rules, path)
        keys = self._files.read(keys_path)
        if keys is None:
            self._problem(Place(path, 0, ""), Reason.MISSING_FILE, letters.keys_missing(keys_path))
        elif keys != b"".join(key_bytes(rules.key_of(one) or "") for one in records):
            self._problem(Place(keys_path, 0, ""), Reason.KEYS_DISAGREE, letters.keys_disagree(path))

    def _keys_path(self, rules: Collection, segment: str) -> str:
        name = segment[len(rules.path) + 1 :].removesuffix(".jsonl")
        return f"{self._paths.keys(rules.name)}/{name}.keys"

    def _keys_of_nothing(self, rules: Collection) -> None:
        folder = self._paths.keys(rules.name)
        for path, _ in walk(self._files, folder):
            segment = f"{rules.path}/{path[len(folder) + 1 :].removesuffix('.keys')}.jsonl"
            if self._files.entry(segment) is None:
                self._problem(Place(path, 0, ""), Reason.MISPLACED_FILE, letters.keys_of_nothing())

    # --- records

    def _members(self, rules: Collection, members: list[Any], path: str, below: str) -> None:
        """The records of an array; of a set each one is there once."""
        first: dict[bytes, int] = {}
        for position, one in enumerate(members):
            place = Place(path, 0, below + pointer(position))
            self._record(rules, one, place)
            if rules.strategy == UNION and first.setdefault(compact(one), position) != position:
                self._problem(place, Reason.DUPLICATE_RECORD, letters.member_twice(first[compact(one)]))

    def _jsonl(self, rules: Collection, records: Sequence[Any], path: str) -> None:
        for line, one in enumerate(records, start=1):
            if one is not None:
                self._record(rules, one, Place(path, line, ""))

    def _record(self, rules: Collection, record: Any, place: Place) -> None:
        if not isinstance(record, dict):
            self._problem(place, Reason.SCHEMA_VIOLATION, letters.wrong_shape("an object", record))
            return
        self._fits(rules, record, place)
        if rules.strategy in (APPEND, LAST_WRITER_WINS):
            key = rules.key_of(record)
            if key is None:
                self._problem(place, Reason.NO_KEY, letters.no_key(rules.name))
            elif (first := self._keys[rules.name].setdefault(key, place)) is not place:
                where = (
                    f"{first.path}:{first.line}"
                    if first.line
                    else f"{first.path}{first.pointer and ' at '}{first.pointer}"
                )
                self._problem(place, Reason.DUPLICATE_RECORD, letters.key_twice(key, where))
        for name, target in rules.references.items():
            value = record.get(name)
            for one in () if value is None else value if isinstance(value, list) else (value,):
                wanted = self._collections[target].key_for(one)
                self._mentions[target, wanted] += 1
                self._wanted[target].setdefault(
                    wanted, (Place(place.path, place.line, place.pointer + pointer(name)), one)
                )

    def _fits(self, rules: Collection, value: Any, place: Place) -> None:
        for name, problem in self._rules.entity_problems(rules, value):
            below = place.pointer + pointer(name) if name in value else place.pointer
            message = f"{name}: {problem}" if name and name in value else problem
            self._problem(Place(place.path, place.line, below), Reason.SCHEMA_VIOLATION, letters.misfit(message))

    def references(self) -> None:
        """Once all is read: what refers to nothing, a problem for each thing that is missing."""
        for target, wanted in self._wanted.items():
            if target in self._unread:
                continue  # what seems to be missing may stand in what could not be read
            for key in wanted.keys() - self._keys[target].keys():
                place, value = wanted[key]
                letter = letters.dangling(target, value, self._mentions[target, key])
                self._problem(place, Reason.DANGLING_REFERENCE, letter)

    # --- reading

    def _taken(self, rules: Collection, read: Read) -> Any:
        self.found.files += 1
        self.found.problems += read.problems
        if read.problems:
            self._unread.add(rules.name)
        return read.value

    def _problem(self, place: Place, reason: Reason, letter: Letter) -> None:
        line = place.line
        if not line and place.pointer and place.path in self._bytes:
            line = locate(self._bytes[place.path], [place.pointer])[place.pointer]
        self.found.problems.append(Problem(place.path, line, place.pointer, reason, *letter))


def _with_key(rules: Collection, key: str, value: Any) -> Any:
    """A record of an object, with the key field that it need not repeat."""
    if not isinstance(value, dict):
        return value
    missing = [part.name for part in rules.key if part.name not in value]
    kinds: Iterable[Any] = (rules.schema["properties"][name].get("type") for name in missing)
    return {**{name: _typed(key, kind) for name, kind in zip(missing, kinds, strict=True)}, **value}


def _typed(key: str, kind: Any) -> Any:
    return int(key) if kind == "integer" and key.lstrip("-").isdecimal() else key
