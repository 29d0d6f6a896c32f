"""Genesis: the frame before the first. It names the commit before which nothing is inbox, and counts what is there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from merge_bot import letters, schemas
from merge_bot.canonical import document
from merge_bot.collect import read_settings
from merge_bot.collection import OBSERVE, UNION, Collection, Collections
from merge_bot.delta import format_utc
from merge_bot.errors import RepositoryError, SchemaError
from merge_bot.layouts.base import Opening
from merge_bot.layouts.file import FileStore
from merge_bot.manifest import GENESIS, Manifest
from merge_bot.paths import GENERATED_MARKS, INBOX_IGNORE, Paths
from merge_bot.settings import SETTINGS_PATH
from merge_bot.state import Files, Meta, Overlay, parse_json, parse_lines
from merge_bot.tree import FILE, Entry, edited, object_id


class Genesis(NamedTuple):
    """What `init` commits: path → bytes. `frame` is the one that it opens."""

    files: dict[str, bytes]
    frame: int
    collections: Collections


def genesis(
    existing: Files,
    wanted: dict[str, bytes],
    base: str | None,
    now: datetime,
    *,
    first_frame: int = 1,
    object_format: str = "sha1",
) -> Genesis:
    """The files of a genesis frame onto `existing` (the files of commit `base`, None for an empty repository).

    `wanted` are settings and schemas to begin with; an existing file of the same path stays and is used instead.
    Raises RepositoryError if there is a frame already, SchemaError, UnreadableState.
    """
    new = {path: data for path, data in wanted.items() if existing.read(path) is None}
    overlay = Overlay(existing, new)
    settings = read_settings(overlay)
    paths = Paths(settings.state)
    if existing.read(paths.meta) is not None:
        raise RepositoryError(letters.already_initialised(paths.meta))
    found = {
        f"{settings.schemas}/{name}": overlay.read(f"{settings.schemas}/{name}") or b""
        for name in sorted(overlay.folder(settings.schemas))
        if name.endswith(".schema.json")
    }
    collections, problems = schemas.load(found, state=settings.state)
    if problems:
        raise SchemaError(letters.problems_in("The schemas cannot be used", problems))
    for path, text in ((paths.attributes, GENERATED_MARKS), (paths.inbox_ignore, INBOX_IGNORE)):
        if existing.read(path) is None:
            new[path] = text.encode()
    settings_data = overlay.read(SETTINGS_PATH)
    manifest = Manifest(
        frame=first_frame - 1,
        kind=GENESIS,
        time=format_utc(now),
        base=base,
        state_tree=_state_tree(existing, new, paths, object_format),
        counts={name: count_records(rules, overlay) for name, rules in collections.items()},
        settings=object_id("blob", settings_data, object_format) if settings_data is not None else None,
        schemas={path: object_id("blob", data, object_format) for path, data in found.items()},
        adopted={
            rules.path: object_id("blob", data, object_format)
            for rules in collections.values()
            if not rules.path.startswith(paths.state + "/") and (data := overlay.read(rules.path)) is not None
        },
    )
    new[paths.manifest(first_frame - 1)] = manifest.as_bytes()
    new[paths.meta] = document(Meta(first_frame, manifest.time, manifest.digest).as_json())
    return Genesis(new, first_frame, collections)


def count_records(rules: Collection, files: Files) -> int:
    """How many records a collection has, by reading all of it."""
    if rules.layout == "file":
        store = FileStore(Opening(rules, files, Paths(), 0))
        return store.size()
    total = 0
    for path in _walk(files, rules.path):
        data = files.read(path) or b""
        if path.endswith(".jsonl"):
            total += len(parse_lines(data, path))
        elif path.endswith(".json"):
            value = parse_json(data, path)
            total += len(value) if rules.strategy in (UNION, OBSERVE) else 1
    return total


def _walk(files: Files, folder: str) -> Iterator[str]:
    for name, entry in sorted(files.folder(folder).items()):
        path = f"{folder}/{name}"
        if entry.is_tree:
            yield from _walk(files, path)
        else:
            yield path


def _state_tree(existing: Files, new: dict[str, bytes], paths: Paths, object_format: str) -> str:
    outside = paths.outside_the_digest()
    inside = {
        path.removeprefix(paths.state + "/"): Entry(FILE, object_id("blob", data, object_format))
        for path, data in new.items()
        if path.startswith(paths.state + "/") and path[len(paths.state) + 1 :].partition("/")[0] not in outside
    }
    root = existing.entry(paths.state)
    return edited(root.id if root else None, inside, existing.entries, without=outside, object_format=object_format)
