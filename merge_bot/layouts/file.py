"""Pure. Layout `file`: one JSON file, object or array, optionally at a JSON pointer inside it.

Several collections may keep parts of one file, so the parsed document is shared and written once. What else stands in
the file stays. A document of sections is an object too, only read and written otherwise (`sections`). Reading and
writing cost the size of the file; collections that grow without bound want `segments` or `entities`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Collection as Items
from dataclasses import dataclass
from itertools import islice
from typing import Any

from merge_bot import letters, strict_json
from merge_bot.batch import Batch
from merge_bot.canonical import compact
from merge_bot.collection import LAST_WRITER_WINS, OBSERVE, SUM, UNION, Mark, Section
from merge_bot.errors import UnreadableState
from merge_bot.json_style import CANONICAL, Style, style_of
from merge_bot.layouts.base import WHOLE, Change, Opening
from merge_bot.sections import SectionsStyle, parsed
from merge_bot.state import Files, parse_json

_MISSING: Any = object()
_PATTERNS = 50  # records whose fields show the order of all
_KINDS = {dict: "an object", list: "an array"}


@dataclass(slots=True)
class Part:
    """The container at one pointer, how many records it had, and whether the document holds it yet."""

    value: Any
    before: int
    in_place: bool


class SharedFile:
    """A file that several collections may keep parts of: read once, and written once if any of them changed it."""

    def __init__(self, files: Files, path: str, sections: Sequence[Section] = ()) -> None:
        self.path = path
        self.data = files.read(path)
        parse: Callable[[bytes, str], Any] = parsed if sections else parse_json
        self.value = _MISSING if self.data is None else parse(self.data, path)
        self.parts: dict[str, Part] = {}
        self.touched = False
        self.style: Style | SectionsStyle | None = None
        self._sections = SectionsStyle(tuple(one.name for one in sections)) if sections else None

    def part(self, pointer: str, kind: type[dict[str, Any]] | type[list[Any]]) -> Part:
        """The container at `pointer`; where there is none, an empty one that `touch` puts in place."""
        if pointer not in self.parts:
            value = self._find(_names(pointer))
            if value is not _MISSING and not isinstance(value, kind):
                raise UnreadableState(letters.wrong_shape(self.path, _KINDS[kind], pointer))
            found = value is not _MISSING
            self.parts[pointer] = Part(value if found else kind(), len(value) if found else 0, found)
        return self.parts[pointer]

    def touch(self, pointer: str) -> None:
        """The container at `pointer` is about to change."""
        if self.style is None:
            self.style = self._sections
        if self.style is None:
            self.style = CANONICAL if self.data is None else style_of(self.data, self.value)
        self.touched = True
        part = self.parts[pointer]
        if part.in_place:
            return
        part.in_place = True
        *above, last = ["", *_names(pointer)]  # the document itself as the entry "" of something above it
        root = {} if self.value is _MISSING else {"": self.value}
        at = root
        for name in above:
            at = at.setdefault(name, {})
        at[last] = part.value
        self.value = root[""]

    def flush(self) -> Iterable[Change]:
        """The whole file, if it changed since it was last asked for."""
        touched, self.touched = self.touched, False
        if touched and self.style and (data := self.style.written(self.value)) != self.data and not self._says(data):
            before = sum(part.before for part in self.parts.values())
            yield Change(self.path, data, before, sum(len(part.value) for part in self.parts.values()))

    def _says(self, data: bytes) -> bool:
        """Whether the file says the same already, in a style that cannot be written again."""
        if self.data is None or self.style == CANONICAL or self._sections:
            return False
        return compact(parse_json(self.data, self.path)) == compact(parse_json(data, self.path))

    def _find(self, names: Sequence[str]) -> Any:
        at = self.value
        for depth, name in enumerate(names):
            if at is _MISSING:
                return _MISSING
            if not isinstance(at, dict):
                above = strict_json.pointer(*names[:depth])
                raise UnreadableState(letters.wrong_shape(self.path, _KINDS[dict], above))
            at = at.get(name, _MISSING)
        return at


def _names(pointer: str) -> list[str]:
    return [name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1:]]


class FileStore:
    """The records at one pointer of one file."""

    def __init__(self, opening: Opening) -> None:
        self._rules = opening.collection
        self._files = opening.files
        self._shared = opening.shared
        self._index: dict[str, int] | None = None
        self._pattern: list[str] | None = None

    def present(self, marks: Items[Mark]) -> set[Mark]:
        return set(self.records([key for key in marks if isinstance(key, str)]))

    def expect(self, marks: Items[Mark]) -> None:
        """Its files are few."""

    def records(self, keys: Items[str]) -> dict[str, Any]:
        part = self._part()
        if self._is_one_value:
            return {WHOLE: part.value} if WHOLE in keys and (part.in_place or part.value) else {}
        if isinstance(part.value, dict):
            return {key: self._entity(key, part.value[key]) for key in keys if key in part.value}
        if self._rules.strategy == OBSERVE:
            return self._observed(keys)
        index = self._positions(part.value)
        return {key: part.value[index[key]] for key in keys if key in index}

    def _observed(self, keys: Items[str]) -> dict[str, Any]:
        """All records under each key; those without a key field are under the key ""."""
        found: dict[str, Any] = {}
        for key, record in self.everything():
            if key in keys:
                found.setdefault(key, []).append(record)
        return found

    def everything(self) -> Iterator[tuple[str, Any]]:
        """(key, record) of all there is: of a union each member, of a sum the whole, under the key `WHOLE`."""
        part = self._part()
        if self._is_one_value and isinstance(part.value, dict):
            yield from [(WHOLE, part.value)] if part.in_place else []
        elif isinstance(part.value, dict):
            yield from ((key, self._entity(key, value)) for key, value in part.value.items())
        else:
            for one in part.value:
                key = self._rules.key_of(one) if isinstance(one, dict) and not self._is_one_value else WHOLE
                yield key or "", one

    def put(self, key: str, value: Any) -> None:
        records = self._part_to_change().value
        if self._is_one_value:
            records.clear()
            records.extend(value) if isinstance(records, list) else records.update(value)
        elif isinstance(records, dict):
            kept = self._without_key(value, records.get(key))
            records[key] = kept if key in records else self._arranged(kept)
        else:
            index = self._positions(records)
            if key in index:
                records[index[key]] = value
            else:
                index[key] = len(records)
                records.append(self._arranged(value))

    def append(self, batches: Sequence[Batch]) -> None:
        if not any(batches):
            return
        records = self._part_to_change().value
        index = self._positions(records)
        for batch in batches:
            for key, operation in zip(batch.marks, batch, strict=True):
                index.setdefault(str(key), len(records))
                records.append(self._arranged(operation.record))

    def flush(self) -> Iterable[Change]:
        """The whole file, handed out by the first of the collections that share it."""
        return self._file().flush()

    def growth(self) -> int:
        return self.size() - self._part().before

    def size(self) -> int:
        """How many records there are, read at this cost: the whole file."""
        return len(self._part().value)

    @property
    def _is_one_value(self) -> bool:
        return self._rules.strategy in (SUM, UNION)

    def _file(self) -> SharedFile:
        path = self._rules.path
        if path not in self._shared:
            self._shared[path] = SharedFile(self._files, path, self._rules.sections)
        file: SharedFile = self._shared[path]
        return file

    def _part(self) -> Part:
        return self._file().part(self._rules.pointer, dict if self._rules.shape == "object" else list)

    def _part_to_change(self) -> Part:
        part = self._part()
        self._file().touch(self._rules.pointer)
        return part

    def _arranged(self, record: Any) -> Any:
        """A record with its fields in the order of those before it, where a file keeps them in one of its own."""
        if self._file().style in (None, CANONICAL):
            return record
        if self._pattern is None:
            value = self._part().value
            first = islice(value.values() if isinstance(value, dict) else value, _PATTERNS)
            self._pattern = list(dict.fromkeys(name for one in first if isinstance(one, dict) for name in one))
        known = {name: record[name] for name in self._pattern if name in record}
        return known | {name: record[name] for name in sorted(record.keys() - known.keys())}

    def _positions(self, records: list[Any]) -> dict[str, int]:
        """Where each key sits. Records without their key fields (older than the rules) are left alone."""
        if self._index is None:
            self._index = {}
            for position, record in enumerate(records):
                key = self._rules.key_of(record) if isinstance(record, dict) else None
                if key is not None:
                    self._index.setdefault(key, position)
        return self._index

    def _entity(self, key: str, value: Any) -> Any:
        """A record of an object, with the key field that it need not repeat."""
        if self._rules.strategy == LAST_WRITER_WINS and not isinstance(value, dict):
            where = self._rules.pointer + strict_json.pointer(key)
            raise UnreadableState(letters.wrong_shape(self._rules.path, _KINDS[dict], where))
        for name in self._names_of_key:
            if name not in value:
                kind = self._rules.schema["properties"][name].get("type")
                value = {name: int(key) if kind == "integer" else key, **value}
        return value

    def _without_key(self, value: Any, old: Any) -> Any:
        """The record as the object keeps it: the key field stays where it was repeated before, a new one's if the
        first record's does."""
        pattern = next(iter(self._part().value.values()), None) if old is None else old
        repeated = pattern if isinstance(pattern, dict) else {}
        left_out = [name for name in self._names_of_key if name not in repeated]
        return {name: one for name, one in value.items() if name not in left_out}

    @property
    def _names_of_key(self) -> list[str]:
        return [part.name for part in self._rules.key]
