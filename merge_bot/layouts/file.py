"""Pure. Layout `file`: one JSON file, object or array, optionally at a JSON pointer inside it.

Several collections may keep parts of one file, so the parsed document is shared and written once. Reading and
writing cost the size of the file; collections that grow without bound want `segments` or `entities`.
"""

from __future__ import annotations

from collections.abc import Collection as Items
from collections.abc import Iterable, Sequence
from typing import Any

from merge_bot import letters
from merge_bot.canonical import document
from merge_bot.collection import SUM
from merge_bot.errors import UnreadableState
from merge_bot.layouts.base import WHOLE, Change, Opening
from merge_bot.state import read_json

_PARTS = "parts"


class FileStore:
    """The records at one pointer of one file."""

    def __init__(self, opening: Opening) -> None:
        self._rules = opening.collection
        self._files = opening.files
        self._documents = opening.shared
        self._index: dict[str, int] | None = None
        self._before: int | None = None

    def present(self, keys: Items[str]) -> set[str]:
        return set(self.records(keys))

    def records(self, keys: Items[str]) -> dict[str, Any]:
        part = self._part()
        if WHOLE in keys:
            return {WHOLE: part} if self._before or part else {}
        if isinstance(part, dict):
            return {key: self._with_key(key, part[key]) for key in keys if key in part}
        index = self._positions(part)
        return {key: part[index[key]] for key in keys if key in index}

    def put(self, key: str, value: Any) -> None:
        part = self._part()
        self._touch()
        if key == WHOLE and not self._keyed:
            part.clear()
            part.extend(value) if isinstance(part, list) else part.update(value)
        elif isinstance(part, dict):
            part[key] = self._without_key(value)
        else:
            index = self._positions(part)
            if key in index:
                part[index[key]] = value
            else:
                index[key] = len(part)
                part.append(value)

    def append(self, items: Sequence[tuple[str, Any]]) -> None:
        if not items:
            return
        part = self._part()
        self._touch()
        index = self._positions(part)
        for key, record in items:
            index[key] = len(part)
            part.append(record)

    def flush(self) -> Iterable[Change]:
        """The whole file, handed out by the first of the collections that share it."""
        shared = self._documents.get(self._rules.path)
        if shared is None or not shared["touched"]:
            return
        shared["touched"] = False
        counts = shared[_PARTS].values()
        data = document(shared["value"])
        if data == self._files.read(self._rules.path):
            return
        yield Change(
            self._rules.path,
            data,
            sum(before for before, _ in counts),
            sum(len(part) for _, part in counts),
        )

    def growth(self) -> int:
        return len(self._part()) - (self._before or 0)

    @property
    def _keyed(self) -> bool:
        return bool(self._rules.key) and self._rules.strategy != "union"

    @property
    def _kind(self) -> type[dict[str, Any]] | type[list[Any]]:
        return dict if self._rules.strategy == SUM or self._rules.shape == "object" else list

    def _touch(self) -> None:
        self._documents[self._rules.path]["touched"] = True

    def _part(self) -> Any:
        """The container at the pointer, a copy of what the file holds; created where there is none yet."""
        path, pointer = self._rules.path, self._rules.pointer
        shared = self._documents.get(path)
        if shared is None:
            value = read_json(self._files, path)
            shared = {"value": value, "touched": False, _PARTS: {}}
            self._documents[path] = shared
        if pointer in shared[_PARTS]:
            self._before, part = shared[_PARTS][pointer]
            return part
        part = self._find(shared, pointer)
        if not isinstance(part, self._kind):
            wanted = "an object" if self._kind is dict else "an array"
            raise UnreadableState(letters.wrong_shape(path, wanted, pointer))
        self._before = len(part)
        shared[_PARTS][pointer] = (self._before, part)
        return part

    def _find(self, shared: dict[str, Any], pointer: str) -> Any:
        if not pointer:
            if shared["value"] is None:
                shared["value"] = self._kind()
            return shared["value"]
        if shared["value"] is None:
            shared["value"] = {}
        at = shared["value"]
        names = [name.replace("~1", "/").replace("~0", "~") for name in pointer[1:].split("/")]
        for depth, name in enumerate(names, start=1):
            if not isinstance(at, dict):
                above = "/" + "/".join(pointer[1:].split("/")[: depth - 1]) if depth > 1 else ""
                raise UnreadableState(letters.wrong_shape(self._rules.path, "an object", above))
            if name not in at:
                at[name] = self._kind() if depth == len(names) else {}
            at = at[name]
        return at

    def _positions(self, part: list[Any]) -> dict[str, int]:
        """Where each key sits. Records without their key fields (older than the rules) are left alone."""
        if self._index is None:
            self._index = {}
            for position, record in enumerate(part):
                key = self._rules.key_of(record) if isinstance(record, dict) else None
                if key is not None:
                    self._index.setdefault(key, position)
        return self._index

    def _with_key(self, key: str, value: Any) -> Any:
        name = self._rules.key[0].name if len(self._rules.key) == 1 else None
        if name is None or not isinstance(value, dict) or name in value:
            return value
        return {name: self._typed(key), **value}

    def _typed(self, key: str) -> Any:
        kind = self._rules.schema.get("properties", {}).get(self._rules.key[0].name, {}).get("type")
        return int(key) if kind == "integer" and key.lstrip("-").isdigit() else key

    def _without_key(self, value: Any) -> Any:
        names = {part.name for part in self._rules.key}
        return {name: one for name, one in value.items() if name not in names}
