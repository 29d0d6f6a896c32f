"""Pure. Reading the state's files for an audit: everything that is wrong in them, not the first thing alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from merge_bot import audit_letters as letters
from merge_bot import strict_json
from merge_bot.errors import UnreadableState
from merge_bot.findings import Problem, Reason
from merge_bot.sections import parsed
from merge_bot.state import Files, parse_lines
from merge_bot.tree import Entry

_DEPTH = 250


class Read(NamedTuple):
    """What a file holds (None: it cannot be read), and its problems."""

    value: Any
    problems: tuple[Problem, ...] = ()


def walk(files: Files, folder: str) -> Iterator[tuple[str, Entry]]:
    """Everything below a folder that is no folder, in order."""
    for name, entry in sorted(files.folder(folder).items()):
        path = f"{folder}/{name}"
        if entry.is_tree:
            yield from walk(files, path)
        else:
            yield path, entry


def value_of(data: bytes, path: str) -> Read:
    """A JSON file's value."""
    parsed = strict_json.parse(data, path, max_depth=_DEPTH)
    return Read(parsed.value, parsed.problems)


def sections_of(data: bytes, path: str) -> Read:
    """The sections of a document by name."""
    try:
        return Read(parsed(data, path))
    except UnreadableState:
        return Read(None, (Problem(path, 0, "", Reason.SCHEMA_VIOLATION, *letters.unusable("a document of sections")),))


def lines_of(data: bytes, path: str) -> Read:
    """The records of a `.jsonl` file, a line each; None for one that cannot be read."""
    try:
        return Read(parse_lines(data, path))
    except UnreadableState:
        return Read(*_line_by_line(data, path))


def _line_by_line(data: bytes, path: str) -> tuple[list[Any], tuple[Problem, ...]]:
    records: list[Any] = []
    problems = []
    *lines, rest = data.split(b"\n")
    for number, one in enumerate(lines, start=1):
        try:
            record = orjson.loads(one)
        except orjson.JSONDecodeError as error:
            records.append(None)
            problems.append(Problem(path, number, "", Reason.NOT_JSON, *letters.no_line(error.msg)))
            continue
        records.append(record if type(record) is dict else None)
        if type(record) is not dict:
            problems.append(Problem(path, number, "", Reason.NOT_AN_OBJECT, *letters.wrong_shape("an object", record)))
    if rest:
        problems.append(Problem(path, len(lines) + 1, "", Reason.TRUNCATED, *letters.no_line("it is cut off")))
    return records, tuple(problems)
