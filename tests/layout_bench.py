"""What tests of layouts share: one collection over several frames, files that count, and keys that mean harm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from merge_bot.batch import Batch, Run
from merge_bot.canonical import document
from merge_bot.collection import Collection
from merge_bot.delta import Origin
from merge_bot.errors import UnreadableState
from merge_bot.layouts.base import Change, Opening, Store
from merge_bot.layouts.catalog import open_store
from merge_bot.paths import Paths
from merge_bot.state import MemoryFiles
from tests.world import INTEGER, TEXT, collections_of

HOSTILE = [
    "aria", "Aria", "ARIA", "", " ", ".", "..", "../../x", "/etc/passwd", "a/b", "a\\b", "a.b", "%61", "~", "~e3",
    "-rf", ".git", "con", "CON", "nul", "com1", "aux.json", "ä", "a\u0308", "\u202eevil", "a\nb", "a\0b", "*", "🙂" * 9,
    "x" * 120, "x" * 121, "x" * 300, "x" * 299 + "y", "[0,1]", "null",
]  # fmt: skip


FIELDS = {"id": TEXT, "n": INTEGER}
KEYED: dict[str, Any] = {"properties": FIELDS, "required": ["id"], "key": ["id"]}


class CountingFiles(MemoryFiles):
    """Remembers what was asked for: `one` by one, `batch` after batch."""

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        super().__init__(files)
        self.one: list[str] = []
        self.batches: list[list[str]] = []

    def read(self, path: str) -> bytes | None:
        self.one.append(path)
        return super().read(path)

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        asked = sorted(paths)
        self.batches += [asked] if asked else []
        return super().read_many(asked)


def rules_of(rules: dict[str, Any]) -> Collection:
    return collections_of({"things": rules})["things"]


def batch_of(rules: Collection, *records: dict[str, Any]) -> Batch:
    """The records as one delta brings them."""
    origin = Origin(0, "w1", "0" * 64, 5, "1970-01-01T00:00:00Z")
    return Batch.of(rules, {}, origin, [Run(len(records), 0, "/things")], records)


@dataclass
class Bench:
    """One collection over several frames."""

    rules: Collection
    files: MemoryFiles = field(default_factory=MemoryFiles)
    frame: int = 5

    def open(self) -> Store:
        return open_store(Opening(self.rules, self.files, Paths(), self.frame))

    def flush(self, store: Store) -> list[Change]:
        """The frame's changes, now part of the state."""
        changes = list(store.flush())
        for one in changes:
            if one.data is None:
                del self.files.files[one.path]
            else:
                self.files.files[one.path] = one.data
        self.frame += 1
        return changes


def stops(files: Mapping[str, Any], rules: dict[str, Any], keys: list[str]) -> str:
    """The letter with which reading stops; `files` are JSON values, or bytes."""
    held = {path: value if isinstance(value, bytes) else document(value) for path, value in files.items()}
    with pytest.raises(UnreadableState) as error:
        Bench(rules_of(rules), MemoryFiles(held)).open().records(keys)
    return str(error.value)
