"""Pure. What an adoption looks at: documents of the state and deltas, told apart, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from merge_bot.delta import FILE_NAME
from merge_bot.findings import Problem
from merge_bot.strict_json import parse

_DEPTH = 250
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """A file with its value; `path` is a repository path, or of a delta the name that it was given by."""

    path: str
    data: bytes
    value: Any


@dataclass(slots=True)
class Evidence:
    """All there is to judge by. `problems` tell of files that could not be read; nothing is guessed from those."""

    states: list[Document] = field(default_factory=list)
    deltas: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read(files: Iterable[tuple[str, bytes]]) -> Evidence:
    """Sort (path, bytes) of JSON files into documents of the state and deltas."""
    evidence = Evidence()
    for path, data in files:
        parsed = parse(data, path, max_depth=_DEPTH)
        if parsed.problems:
            evidence.problems += parsed.problems
            continue
        kind = evidence.deltas if _is_delta(path, parsed.value) else evidence.states
        kind.append(Document(path, data, parsed.value))
    return evidence


def _is_delta(path: str, value: Any) -> bool:
    named = FILE_NAME.match(path.rpartition("/")[2]) is not None
    return isinstance(value, dict) and (named or {"frame", "stream_id"} <= value.keys())


@dataclass(slots=True)
class Feed:
    """One key of the deltas and what stands under it: (delta, value) wherever it is there."""

    key: str
    values: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def items(self) -> list[Any]:
        """What the lists under the key hold."""
        return [one for _, value in self.values if isinstance(value, list) for one in value]

    @property
    def records(self) -> list[Record]:
        return [one for one in self.items if isinstance(one, dict)]

    @property
    def bare(self) -> list[Any]:
        """What the lists hold beside records."""
        return [one for one in self.items if not isinstance(one, dict)]

    @property
    def is_lists(self) -> bool:
        return all(isinstance(value, list) for _, value in self.values)

    @property
    def is_counters(self) -> bool:
        values = [value for _, value in self.values]
        return all(isinstance(one, dict) and one and all(map(is_number, one.values())) for one in values)


def feeds(deltas: Iterable[Document], without: Mapping[str, Any]) -> dict[str, Feed]:
    """Every key of the deltas but those of the envelope."""
    found: dict[str, Feed] = {}
    for delta in deltas:
        for key, value in delta.value.items():
            if key not in without:
                found.setdefault(key, Feed(key)).values.append((delta.path, value))
    return dict(sorted(found.items()))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_word(value: Any) -> bool:
    """Whether a value can be a key: a string that is not empty, or an integer."""
    return (isinstance(value, str) and 0 < len(value) <= 500) or (
        isinstance(value, int) and value is not True and value is not False
    )


def singular(name: str) -> str:
    """agents → agent, replies → reply, news → new; good enough to compare names by, and to make one."""
    if name.endswith("ies") and len(name) > 4:
        return name[:-3] + "y"
    return name[:-1] if name.endswith("s") and not name.endswith("ss") and len(name) > 2 else name
