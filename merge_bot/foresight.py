"""Pure. What will be read, named before it is: where contents stay at a remote until they are read, all that is named
together comes in one request (`CommitFiles.ahead`).

Nothing rests on it. What is not named here comes when it is read, and costs a request of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from merge_bot.batch import Batch
from merge_bot.collection import ENTITIES, FILE, LAST_WRITER_WINS, SEGMENTS, Collection, Collections
from merge_bot.counting import derived, named
from merge_bot.delta import Delta, Operation
from merge_bot.grounds import clock_rules
from merge_bot.layouts.base import Opening
from merge_bot.layouts.entities import EntitiesStore
from merge_bot.parked import read_parked
from merge_bot.paths import Paths
from merge_bot.schemas import ENDING
from merge_bot.settings import Settings
from merge_bot.state import Files


def the_rules(files: Files, settings: Settings) -> Iterator[str]:
    """What says how a delta has to look, and which frame is open."""
    paths = Paths(settings.state)
    yield from (paths.meta, paths.workers)
    yield from (f"{settings.schemas}/{name}" for name in files.folder(settings.schemas) if name.endswith(ENDING))


def the_books(files: Files, settings: Settings) -> Iterator[str]:
    """What every merge reads, whatever the deltas say; and the deltas that lie in the inbox."""
    paths = Paths(settings.state)
    yield from the_rules(files, settings)
    yield from (paths.conflicts, paths.parked)
    yield f"{_newest(files, paths.frames)}/manifest.json"
    yield _newest(files, f"{paths.control}/ledger")  # a delta that comes late was mostly meant for the frame before
    yield from _below(files, paths.inbox)


def the_frame(
    deltas: Iterable[Delta],
    resolved: Mapping[tuple[str, str, str], Operation | None],
    files: Files,
    paths: Paths,
    collections: Collections,
) -> Iterator[str]:
    """What the merge of these deltas, of what is parked and of these resolutions asks the state."""
    touched: dict[str, list[Iterable[Operation]]] = {}
    for delta in deltas:
        for name, operations in delta.operations.items():
            touched.setdefault(name, []).append(operations)
    single = [one.operation for one in read_parked(files, paths)] + [one for one in resolved.values() if one]
    for one in single:
        if one.collection in collections:
            touched.setdefault(one.collection, []).append([one])
    for name, parts in touched.items():
        rules = collections[name]
        yield from _entities(rules, files, paths, {key for part in parts for key in _keys(rules, part)})
        for target in {name, *rules.references.values()}:
            yield from _whole(collections[target], files, paths)
        if rules.layout == FILE and rules.strategy == LAST_WRITER_WINS:
            yield clock_rules(rules, paths).path
    for rules in collections.values():
        for counter in derived(rules):
            parts = touched.get(counter.counts, [])
            records = (one.record for part in parts for one in part) if counter.by else ()
            keys = {key for record in records for key in named(collections, counter, record)}
            yield from _entities(rules, files, paths, keys)
            yield from _whole(rules, files, paths) if parts else ()


def _keys(rules: Collection, operations: Iterable[Operation]) -> Iterable[Any]:
    """The keys of the entities that operations change."""
    if rules.layout != ENTITIES:
        return ()
    if isinstance(operations, Batch):
        return operations.marks
    return [rules.key_of(one.record) or "" for one in operations]


def _entities(rules: Collection, files: Files, paths: Paths, keys: Iterable[str]) -> Iterator[str]:
    """The files of entities, and of their clocks."""
    if rules.layout != ENTITIES:
        return
    places = [rules, clock_rules(rules, paths)] if rules.strategy == LAST_WRITER_WINS else [rules]
    for place in places:
        store = EntitiesStore(Opening(place, files, paths, 0))
        yield from (path for key in keys if (path := store.path_of(key)))


def _whole(rules: Collection, files: Files, paths: Paths) -> Iterator[str]:
    """What is read of a collection whatever its keys: a file with all records, or the keys of all segments."""
    if rules.layout == SEGMENTS:
        yield from _below(files, paths.keys(rules.name))
    if rules.layout == FILE:
        yield rules.path


def _newest(files: Files, folder: str) -> str:
    """The last of what is numbered as frames are, in folders of a thousand."""
    for thousand in sorted(files.folder(folder), reverse=True):
        if names := files.folder(f"{folder}/{thousand}"):
            return f"{folder}/{thousand}/{max(names)}"
    return folder


def _below(files: Files, folder: str) -> Iterator[str]:
    for name, entry in files.folder(folder).items():
        if entry.is_tree:
            yield from _below(files, f"{folder}/{name}")
        else:
            yield f"{folder}/{name}"
