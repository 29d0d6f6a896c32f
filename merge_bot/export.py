"""Export: the state as of a frame for other tools, as JSON files, a tar of them, or an SQLite database.

One file or table a collection, however it lies in the repository: an array of records, of a sum the object. Beside
them `_frame` (which frame this is), `_conflicts` and `_parked`. The same frame always gives the same JSON and tar.
"""

from __future__ import annotations

import os
import secrets
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from merge_bot import export_letters as letters
from merge_bot.canonical import compact, document
from merge_bot.collection import SUM, Collection
from merge_bot.errors import ExportFailed
from merge_bot.history import History, State

SQLITE_ENDINGS = (".sqlite", ".sqlite3", ".db")


@dataclass(frozen=True, slots=True)
class Exported:
    """Where a state went, as what ("folder", "tar", "sqlite"), and how many records of each collection."""

    place: Path
    form: str
    records: dict[str, int]


def export(history: History, frame: int, to: str | os.PathLike[str], *, force: bool = False) -> Exported:
    """Write the state as of `frame` to a folder, FILE.tar or FILE.sqlite (.sqlite3, .db), as the name's ending says.

    Nothing is overwritten without `force`, and with it in a folder only files of the same names. Raises ExportFailed,
    and RepositoryError, UnreadableState as `History.state`.
    """
    place = Path(to)
    form = "tar" if place.suffix == ".tar" else "sqlite" if place.suffix in SQLITE_ENDINGS else "folder"
    _refuse(place, form, force)
    state = history.state(frame)
    about = _about(history, state)
    try:
        if form == "folder":
            records = _to_folder(state, about, place)
        else:
            writer = _to_tar if form == "tar" else _to_sqlite
            with _beside(place) as path:
                records = writer(state, about, path)
    except OSError as error:
        raise ExportFailed(letters.cannot_write(str(place), error.strerror or str(error))) from None
    return Exported(place, form, records)


def _refuse(place: Path, form: str, force: bool) -> None:
    if form == "folder":
        if place.exists() and not place.is_dir():
            raise ExportFailed(letters.no_folder(str(place)))
        taken = place.is_dir() and any(place.iterdir())
    else:
        if place.is_dir():
            raise ExportFailed(letters.no_file(str(place)))
        taken = os.path.lexists(place)
    if taken and not force:
        raise ExportFailed(letters.is_there(str(place)))


def _about(history: History, state: State) -> dict[str, Any]:
    manifest = history.manifest(state.frame)
    return {
        "frame": state.frame,
        "kind": manifest.kind,
        "time": manifest.time,
        "commit": state.commit,
        "manifest": manifest.digest,
        "state_tree": manifest.state_tree,
        "counts": dict(manifest.counts),
    }


@contextmanager
def _beside(place: Path) -> Iterator[Path]:
    """A file beside `place` that takes its name once it is whole."""
    place.parent.mkdir(parents=True, exist_ok=True)
    path = place.with_name(f".{place.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield path
        os.replace(path, place)
    finally:
        for left in (path, path.with_name(f"{path.name}-journal")):
            left.unlink(missing_ok=True)


# --- records


def _records(state: State, rules: Collection) -> Iterator[Any]:
    """A collection's records, each with its key fields."""
    for key, record in state.records(rules.name):
        missing = [part.name for part in rules.key if isinstance(record, dict) and part.name not in record]
        if len(rules.key) == 1 and missing and rules.shape == "object" and rules.layout == "file":
            record = {missing[0]: key, **record}
        yield record


def _marks(state: State) -> dict[str, Any]:
    return {"_conflicts": state.conflicts, "_parked": [one.as_json() for one in state.parked]}


# --- JSON


def _json(state: State, about: dict[str, Any], write: Callable[[str, Iterable[bytes]], None]) -> dict[str, int]:
    """Give every file to `write`, by name and in pieces, in the order of names."""
    counts: dict[str, int] = {}
    for name, value in {**_marks(state), "_frame": about}.items():
        write(f"{name}.json", [document(value)])
    for name, rules in state.collections.items():
        counts[name] = 0
        if rules.strategy == SUM:
            total: dict[str, Any] = next((record for _, record in state.records(name)), {})
            counts[name] = len(total)
            write(f"{name}.json", [document(total)])
        else:
            write(f"{name}.json", _array(_records(state, rules), counts, name))
    return counts


def _array(records: Iterable[Any], counts: dict[str, int], name: str) -> Iterator[bytes]:
    """A JSON array with one record a line."""
    yield b"["
    for record in records:
        yield (b",\n" if counts[name] else b"\n") + compact(record)
        counts[name] += 1
    yield b"\n]\n"


def _to_folder(state: State, about: dict[str, Any], place: Path) -> dict[str, int]:
    place.mkdir(parents=True, exist_ok=True)

    def write(name: str, pieces: Iterable[bytes]) -> None:
        with _beside(place / name) as path, path.open("wb") as file:
            file.writelines(pieces)

    return _json(state, about, write)


def _to_tar(state: State, about: dict[str, Any], path: Path) -> dict[str, int]:
    """Nothing in it tells of who made it, where or when: the times are the frame's."""
    when = int(datetime.fromisoformat(str(about["time"]).replace("Z", "+00:00")).timestamp())
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:

        def write(name: str, pieces: Iterable[bytes]) -> None:
            with TemporaryFile() as file:
                file.writelines(pieces)
                one = tarfile.TarInfo(name)
                one.size, one.mtime, one.mode = file.tell(), when, 0o644
                file.seek(0)
                archive.addfile(one, file)

        return _json(state, about, write)


# --- SQLite


def _to_sqlite(state: State, about: dict[str, Any], path: Path) -> dict[str, int]:
    from merge_bot.export_sqlite import write_tables

    def tables() -> Iterator[tuple[str, Callable[[], Iterator[dict[str, Any]]]]]:
        yield "_frame", lambda: iter([about])
        yield "_conflicts", lambda: _open_conflicts(state)
        yield "_parked", lambda: (one.as_json() for one in state.parked)
        for name, rules in state.collections.items():
            yield name, lambda rules=rules: _rows(state, rules)  # type: ignore[misc]

    counts = write_tables(path, tables())
    return {name: count for name, count in counts.items() if name in state.collections}


def _rows(state: State, rules: Collection) -> Iterator[dict[str, Any]]:
    """A collection's records as rows; a sum has one for each counter."""
    if rules.strategy == SUM:
        for _, record in state.records(rules.name):
            yield from ({"counter": name, "value": value} for name, value in sorted(record.items()))
        return
    for record in _records(state, rules):
        yield record if isinstance(record, dict) else {"value": record}


def _open_conflicts(state: State) -> Iterator[dict[str, Any]]:
    for collection, keys in state.conflicts.items():
        for key, fields in keys.items():
            for name, entry in fields.items():
                yield {"collection": collection, "key": key, "field": name, **entry}
