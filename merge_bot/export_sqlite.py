"""SQLite tables from rows of JSON, by sqlite-utils. Objects and arrays become JSON text, true and false 1 and 0."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from merge_bot import export_letters as letters
from merge_bot.canonical import compact
from merge_bot.errors import ExportFailed

try:
    from sqlite_utils import Database
except ImportError:
    raise ExportFailed(letters.no_library()) from None

_LARGEST = 2**63 - 1  # https://www.sqlite.org/datatype3.html
_BATCH = 1000
_MOST = 900  # columns; sqlite-utils takes 999, because SQLite once did: https://www.sqlite.org/limits.html
_REST = "_more"

Rows = Callable[[], Iterator[dict[str, Any]]]


def write_tables(path: Path, tables: Iterable[tuple[str, Rows]]) -> dict[str, int]:
    """Write each (name, rows) as a table of a new database, and return the number of rows of each.

    The rows are asked for twice: once to learn the columns, once to write them.
    """
    database = Database(path)
    counts = {}
    try:
        for name, rows in tables:
            columns = _columns(rows())
            table = database.table(name)
            table.create(dict(columns.values()) or {_REST: str})
            table.insert_all((_row(one, columns) for one in rows()), batch_size=_BATCH)
            counts[name] = table.count
    finally:
        database.close()
    return counts


def _columns(rows: Iterable[dict[str, Any]]) -> dict[str, tuple[str, type]]:
    """Field → (column, type). Names that SQLite takes for the same (it folds ASCII case) are told apart."""
    kinds: dict[str, set[type]] = {}
    for row in rows:
        for name, value in row.items():
            kinds.setdefault(name, set()).add(type(_value(value)))
    columns: dict[str, tuple[str, type]] = {}
    taken: set[str] = {_REST}
    for name in sorted(kinds)[:_MOST]:
        column, number = _plain(name), 1
        while column.lower() in taken:
            number += 1
            column = f"{_plain(name)}_{number}"
        taken.add(column.lower())
        columns[name] = (column, _kind(kinds[name] - {type(None)}))
    if len(kinds) > _MOST:
        columns[_REST] = (_REST, str)
    return columns


def _plain(name: str) -> str:
    """A column name that every program can say: what is not printable, and quotes, become underscores."""
    return "".join(one if one.isprintable() and one not in "\"'`[]" else "_" for one in name) or "_"


def _kind(found: set[type]) -> type:
    if found <= {int}:
        return int if found else str
    return float if found <= {int, float} else str


def _row(row: dict[str, Any], columns: dict[str, tuple[str, type]]) -> dict[str, Any]:
    made: dict[str, Any] = dict.fromkeys(dict(columns.values()) or [_REST])
    made |= {columns[name][0]: _value(value) for name, value in row.items() if name in columns}
    rest = {name: value for name, value in row.items() if name not in columns}
    if rest:
        made[_REST] = compact(rest).decode()
    return made


def _value(value: Any) -> Any:
    """What SQLite can hold: larger integers as text, which no program reads wrongly."""
    if isinstance(value, dict | list):
        return compact(value).decode()
    if isinstance(value, bool):
        return int(value)
    return str(value) if isinstance(value, int) and abs(value) > _LARGEST else value
