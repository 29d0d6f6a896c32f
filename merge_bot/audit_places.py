"""Pure. Every file of a collection held against its place: what may lie there, what it is named for, its keys, how
many records it holds.

One walk for two readers. `verify` asks no more than this, because records are proven by digests, and asks file by
file, in any order and in several processes; the audit looks at each record on the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from merge_bot import audit_letters as letters
from merge_bot.audit_files import Read, lines_of, sections_of, value_of, walk
from merge_bot.audit_keys import KeyIndex
from merge_bot.collection import OBSERVE, SUM, UNION, Collection
from merge_bot.findings import Problem, Reason
from merge_bot.layouts.entities import entity_name
from merge_bot.layouts.key_files import SEGMENT, hashes_of
from merge_bot.messages import Letter
from merge_bot.paths import Paths
from merge_bot.state import Files
from merge_bot.strict_json import locate


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

    def add(self, other: Audit) -> None:
        """Enter what was found elsewhere."""
        self.problems += other.problems
        self.records.update(other.records)
        self.files += other.files


class Places:
    """Reads collections file by file into `found`. What a record holds is nothing to it: `records`, `members` and
    `whole` are for those who look closer. `keys` by collection are found by `files_of`, which comes first."""

    def __init__(self, files: Files, paths: Paths, keys: dict[str, KeyIndex] | None = None) -> None:
        self.found = Audit()
        self.keys = {} if keys is None else keys
        self._files, self._paths = files, paths
        self._bytes: dict[str, bytes] = {}

    def files_of(self, rules: Collection) -> list[str]:
        """The files that a collection's records lie in; what does not belong there is a problem."""
        if rules.layout == "file":
            there = self._files.entry(rules.path)
            if there is None or there.is_file:
                return [rules.path]
            self._problem(Place(rules.path, 0, ""), Reason.NOT_A_REGULAR_FILE, letters.no_plain_file())
            return []
        ending = ".jsonl" if rules.strategy == OBSERVE or rules.layout == "segments" else ".json"
        good = []
        for path, entry in walk(self._files, rules.path):
            if not path.endswith(ending):
                self._problem(Place(path, 0, ""), Reason.MISPLACED_FILE, letters.stray(rules.name))
            elif not entry.is_file:
                self._problem(Place(path, 0, ""), Reason.NOT_A_REGULAR_FILE, letters.no_plain_file())
            else:
                good.append(path)
        if rules.layout == "segments" and rules.keeps_records:
            names = (path[len(rules.path) + 1 :].removesuffix(SEGMENT) for path in good)
            self.keys[rules.name] = KeyIndex(self._files, self._paths.keys(rules.name), names)
            self.found.problems += self.keys[rules.name].problems
        return good

    def read(self, rules: Collection, paths: Sequence[str]) -> None:
        """Some of a collection's files. All of them are held at once."""
        self._bytes = self._files.read_many(paths)
        one = {"file": self._whole_file, "entities": self._entity}.get(rules.layout, self._segment)
        for path, data in sorted(self._bytes.items()):
            one(rules, path, data)

    # --- for those who look at records

    def records(self, rules: Collection, records: Sequence[Any], path: str) -> None:
        """The records of a `.jsonl` file, in order; None for a line that cannot be read."""

    def members(self, rules: Collection, members: Sequence[Any], path: str, below: str) -> None:
        """The records of an array, which is at the JSON pointer `below`."""

    def whole(self, rules: Collection, value: Any, place: Place) -> None:
        """A sum's counters, or an object's records by key; of layout `entities` one record."""

    # --- files

    def _whole_file(self, rules: Collection, path: str, data: bytes) -> None:
        value = self._taken(rules, sections_of(data, path) if rules.sections else value_of(data, path))
        if value is None:
            return
        for name in rules.pointer.split("/")[1:]:
            name = name.replace("~1", "/").replace("~0", "~")
            value = value.get(name, [] if rules.shape == "array" else {}) if isinstance(value, dict) else None
        if not isinstance(value, dict if rules.shape == "object" else list):
            wanted = "an object" if rules.shape == "object" else "an array"
            self._problem(Place(path, 0, rules.pointer), Reason.SCHEMA_VIOLATION, letters.wrong_shape(wanted, value))
            return
        self.found.records[rules.name] += len(value)
        if rules.strategy == SUM or isinstance(value, dict):
            self.whole(rules, value, Place(path, 0, rules.pointer))
        else:
            self.members(rules, value, path, rules.pointer)

    def _entity(self, rules: Collection, path: str, data: bytes) -> None:
        if rules.strategy == OBSERVE:
            records = self._taken(rules, lines_of(data, path))
            self.records(rules, records, path)
        else:
            value = self._taken(rules, value_of(data, path))
            if value is None:
                return
            if not isinstance(value, list if rules.strategy == UNION else dict):
                wanted = "an array" if rules.strategy == UNION else "an object"
                self._problem(Place(path, 0, ""), Reason.SCHEMA_VIOLATION, letters.wrong_shape(wanted, value))
                return
            if isinstance(value, list):
                self.members(rules, value, path, "")
            else:
                self.whole(rules, value, Place(path, 0, ""))
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
        self.records(rules, records, path)
        if not rules.keeps_records or read.problems:
            return
        name, index = path[len(rules.path) + 1 :].removesuffix(SEGMENT), self.keys[rules.name]
        keys_path, keys = index.of(name, self._files)
        if keys is None:
            if not index.is_told(name):
                self._problem(Place(path, 0, ""), Reason.MISSING_FILE, letters.keys_missing(keys_path))
        elif keys != hashes_of(rules, records).tobytes():
            self._problem(Place(keys_path, 0, ""), Reason.KEYS_DISAGREE, letters.keys_disagree(path))

    # --- reading

    def _taken(self, rules: Collection, read: Read) -> Any:
        self.found.files += 1
        self.found.problems += read.problems
        return read.value

    def _problem(self, place: Place, reason: Reason, letter: Letter) -> None:
        line = place.line
        if not line and place.pointer and place.path in self._bytes:
            line = locate(self._bytes[place.path], [place.pointer])[place.pointer]
        self.found.problems.append(Problem(place.path, line, place.pointer, reason, *letter))
