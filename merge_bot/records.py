"""Pure. Every record of a collection, however it lies in files: what looks at whole states reads them by this.

Everywhere a record goes by its key. Observations and members of sets come one by one, several under one key; a sum is
one record under the key "".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from merge_bot import letters
from merge_bot.collection import OBSERVE, UNION, Collection
from merge_bot.errors import UnreadableState
from merge_bot.layouts.base import WHOLE, Opening
from merge_bot.layouts.catalog import open_store
from merge_bot.layouts.file import FileStore
from merge_bot.paths import Paths
from merge_bot.state import Files, parse_json, parse_lines

Record = tuple[str, Any]
_BATCH = 500


def holds_many(rules: Collection) -> bool:
    """Whether several records may stand under one key."""
    return rules.strategy in (OBSERVE, UNION)


def records_of(files: Files, rules: Collection) -> Iterator[Record]:
    """(key, record) of everything in a collection. Raises UnreadableState."""
    if rules.layout == "file":
        yield from FileStore(Opening(rules, files, Paths(), 0)).everything()
    else:
        yield from records_in(files, rules, files_of(files, rules))


def records_in(files: Files, rules: Collection, paths: Iterable[str]) -> Iterator[Record]:
    """(key, record) of what lies in these files of a collection of layout `entities` or `segments`."""
    wanted = list(paths)
    for start in range(0, len(wanted), _BATCH):
        for path, data in files.read_many(wanted[start : start + _BATCH]).items():
            yield from _parsed(rules, path, data)


def files_of(files: Files, rules: Collection) -> Iterator[str]:
    """The paths of a collection's files, layouts `entities` and `segments`."""
    folders = [rules.path]
    while folders:
        folder = folders.pop()
        for name, entry in sorted(files.folder(folder).items()):
            path = f"{folder}/{name}"
            if entry.is_tree:
                folders.append(path)
            elif is_file_of(rules, path):
                yield path


def is_file_of(rules: Collection, path: str) -> bool:
    """Whether a path below the collection's folder is one of its files."""
    by_lines = rules.layout == "segments" or rules.strategy == OBSERVE
    return path.endswith(".jsonl" if by_lines else ".json")


def record_of(files: Files, paths: Paths, rules: Collection, key: str) -> Any:
    """What lies under a key: a record; a list where several may stand; None if there is nothing."""
    if rules.strategy == OBSERVE and rules.layout == "segments":  # no key file tells where they are
        return [record for one, record in records_of(files, rules) if one == key] or None
    wanted = WHOLE if rules.layout == "file" and rules.strategy == UNION else key
    return open_store(Opening(rules, files, paths, 0)).records({wanted}).get(wanted)


def _parsed(rules: Collection, path: str, data: bytes) -> Iterator[Record]:
    if path.endswith(".jsonl"):
        for record in parse_lines(data, path):
            yield rules.key_of(record) or "", record
        return
    value: Any = parse_json(data, path)
    if type(value) is not (list if rules.strategy == UNION else dict):
        raise UnreadableState(letters.wrong_shape(path, "an array" if rules.strategy == UNION else "an object"))
    if isinstance(value, dict):
        yield rules.key_of(value) or unquote(path.rpartition("/")[2].removesuffix(".json")), value
    else:
        for place, one in enumerate(value):
            if type(one) is not dict:
                raise UnreadableState(letters.wrong_shape(path, "an object", f"/{place}"))
            yield rules.key_of(one) or "", one
