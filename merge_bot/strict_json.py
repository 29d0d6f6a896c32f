"""Pure. Strict JSON: one reading or none, and a refusal says what is wrong, where, and what to do.

Readers differ on duplicate keys, NaN, 1e400, 2^64, lone surrogates and long decimals (RFC 8259, sections 4, 6 and 8);
a file that two readers could understand differently is refused. Three tiers, because nearly every file is good:

1. fast: orjson reads it, and writes the same bytes back. That proves that no key was dropped and no digit lost.
2. accepting: other spellings go through the standard library's C scanner, whose hooks see every pair and decimal.
3. explaining (`json_faults`): only refused bytes are walked once more, slowly, by what knows where it is.

Tier 3 finds a problem if and only if tiers 1 and 2 refuse; the tests hold them to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, NoReturn

import orjson

from merge_bot.findings import Problem

MAX_DEPTH = 64
_REFUSED: Final = object()


class Parsed(NamedTuple):
    """What `parse` found. `problems` is empty if and only if the bytes were accepted; else `value` is None."""

    value: Any
    problems: tuple[Problem, ...] = ()


def parse(data: bytes, file: str, *, max_depth: int = MAX_DEPTH, max_bytes: int | None = None) -> Parsed:
    """The value of `data` as strict JSON, or the problems in it, sorted; never raises, whatever the bytes.

    `file` only names the place in problems. `max_depth` counts nested containers, 1 to 250 (what orjson writes);
    `max_bytes` is checked before anything is read.
    """
    if max_bytes is not None and len(data) > max_bytes:
        from merge_bot.json_faults import too_large

        return Parsed(None, too_large(data, file, max_bytes))
    value = _read(data, max_depth)
    if value is not _REFUSED:
        return Parsed(value)
    from merge_bot.json_faults import explain  # nearly every file is good

    return Parsed(None, explain(data, file, max_depth))


def locate(data: bytes, pointers: Iterable[str]) -> dict[str, int]:
    """The line, from 1, of the value at each RFC 6901 pointer; where nothing is there, of its nearest parent.

    `data` must be JSON that `parse` accepts.
    """
    from merge_bot.json_scanner import Scanner

    wanted = {one: tuple(part.replace("~1", "/").replace("~0", "~") for part in one.split("/")[1:]) for one in pointers}
    places = {parts[:size] for parts in wanted.values() for size in range(len(parts) + 1)}
    text = data.decode("utf-8")
    scanner = Scanner(text, len(text))
    lines: dict[tuple[str, ...], int] = {}
    line, seen = 1, 0
    for position in scanner.values():
        place = tuple(scanner.path)
        if place in places:
            line, seen = line + text.count("\n", seen, position), position
            lines[place] = line
    return {
        one: next(lines[parts[:size]] for size in range(len(parts), -1, -1) if parts[:size] in lines)
        for one, parts in wanted.items()
    }


def pointer(*parts: str | int) -> str:
    """The RFC 6901 pointer of these keys and indexes; of none it is "", the whole document."""
    return "".join(f"/{escape(str(part))}" for part in parts)


def escape(part: str) -> str:
    """A key as it stands between the slashes of an RFC 6901 pointer."""
    return part.replace("~", "~0").replace("/", "~1")


def _read(data: bytes, max_depth: int) -> Any:
    try:
        value = orjson.loads(data)
        shown = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        # orjson reads all that we accept. Ending here also keeps hostile nesting away from tier 2, which recurses.
        return _REFUSED
    if _deeper(value, shown, max_depth):
        return _REFUSED
    return value if _proven(data, value, shown) else _accept(data, max_depth)


def _proven(data: bytes, value: Any, shown: bytes) -> bool:
    """Tier 1's proof: our own spelling of what was read, indented or compact, is what was given."""
    bare = data.strip()
    return bare == shown or bare == orjson.dumps(value)


def _accept(data: bytes, max_depth: int) -> Any:
    """Tier 2. The value, or `_REFUSED`."""
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        shown = orjson.dumps(value, option=orjson.OPT_INDENT_2)  # refuses lone surrogates and more than 64 bits
    except (ValueError, RecursionError, orjson.JSONEncodeError):
        return _REFUSED
    return _REFUSED if _deeper(value, shown, max_depth) else value


def _deeper(value: Any, shown: bytes, max_depth: int) -> bool:
    """Whether containers nest more than `max_depth` deep; `shown` is the value indented by two.

    What stands in a container at `max_depth` is indented that often. A scalar there, or blanks inside a string, look
    the same, so a hit is counted level by level.
    """
    if b"  " * max_depth not in shown:
        return False
    level = [value]
    for _ in range(max_depth + 1):
        level = [one for one in level if isinstance(one, (dict, list))]
        if not level:
            return False
        level = [one for parent in level for one in (parent.values() if isinstance(parent, dict) else parent)]
    return True


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _decimal(text: str) -> float:
    value = float(text)
    if repr(value) != text:
        from merge_bot.json_scanner import decimal_fault

        if decimal_fault(text, value):
            raise ValueError
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_decimal, parse_constant=_constant)
