"""Pure. Strict JSON: one reading or none, and a refusal says what is wrong, where, and what to do.

Readers differ on duplicate keys, NaN, 1e400, 2^64, lone surrogates and long decimals (RFC 8259, sections 4, 6 and 8);
a file that two readers could understand differently is refused. Three tiers, because nearly every file is good:

1. fast: orjson reads it, and writes the same bytes back. That proves that no key was dropped and no digit lost.
2. accepting: other spellings go through the standard library's C scanner, whose hooks see every pair and decimal.
3. explaining: only refused bytes are walked once more, slowly, by `json_scanner`, which knows where it is.

Tier 3 finds a problem if and only if tiers 1 and 2 refuse; the tests hold them to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, NoReturn

import orjson

from merge_bot.findings import Problem, Reason
from merge_bot.json_scanner import GREATEST, LEAST, Fault, Scanner, decimal_fault, escape
from merge_bot.wording import quoted

MAX_DEPTH = 64
_REFUSED: Final = object()

_QUOTES = "Put strings and keys into plain double quotes."
_SAVE_AS_UTF8 = 'Save the file as UTF-8 without a byte order mark (in Python: encoding="utf-8").'
_AS_STRING = "If every digit matters, write it as a string in double quotes"
_LETTERS: Final[dict[str, tuple[Reason, str, str]]] = {
    "large": (
        Reason.TOO_LARGE,
        "The file has {size:,} bytes; at most {limit:,} are read.",
        "Split it into smaller files.",
    ),
    "empty": (Reason.EMPTY_FILE, "The file is empty.", "Write the whole JSON document into it."),
    "mark": (Reason.BYTE_ORDER_MARK, "The file begins with a byte order mark (EF BB BF).", _SAVE_AS_UTF8),
    "utf8": (Reason.NOT_UTF8, "The byte {byte} at offset {offset} is not UTF-8.", _SAVE_AS_UTF8),
    "utf16": (Reason.NOT_UTF8, "The byte {byte} at offset 0 begins UTF-16; it is not UTF-8.", _SAVE_AS_UTF8),
    "markers": (
        Reason.CONFLICT_MARKERS,
        "Git conflict markers were committed: {about} in all, the first is {word}.",
        "Choose between the two sides, or take the file from a commit before the conflict; remove every marker line.",
    ),
    "truncated": (
        Reason.TRUNCATED,
        "The file ends in the middle of {about} that begins in line {first}.",
        "Write the whole file again; write under a temporary name and rename it, so that no half file is ever seen.",
    ),
    "duplicate": (
        Reason.DUPLICATE_KEY,
        "The key {found} stands twice in one object, first in line {first} and again in line {line}.",
        "Keep one of the two: most readers drop the first without a word.",
    ),
    "nan": (Reason.NOT_A_NUMBER, "JSON has no {word}.", "Write a number or null, or leave the entry out."),
    "wide": (
        Reason.NUMBER_OUT_OF_RANGE,
        f"The integer {{word}} does not fit 64 bits ({LEAST} to {GREATEST}).",
        f"{_AS_STRING}.",
    ),
    "infinite": (
        Reason.NUMBER_OUT_OF_RANGE,
        "The number {word} is too large for a double; readers would see infinity.",
        "Write a number between -1.7976931348623157e308 and 1.7976931348623157e308.",
    ),
    "digits": (
        Reason.NUMBER_LOSES_DIGITS,
        "The number {word} does not fit a double; readers would see {about}.",
        f"{_AS_STRING}; if not, write {{about}}.",
    ),
    "surrogate": (
        Reason.LONE_SURROGATE,
        "The string {found} holds {about}, one half of a surrogate pair.",
        "Write the character itself or both halves; a text that is cut in the middle of a character ends like this.",
    ),
    "deep": (
        Reason.TOO_DEEP,
        "Column {column}: here arrays and objects are nested more than {about} deep.",
        "Flatten the document.",
    ),
    "value": (
        Reason.NOT_JSON,
        "Column {column}: expected a value, found {found}.",
        "Write a value here: a string in double quotes, a number, true, false, null, an array or an object.",
    ),
    "key": (Reason.NOT_JSON, "Column {column}: expected a key in double quotes, found {found}.", _QUOTES),
    "colon": (
        Reason.NOT_JSON,
        "Column {column}: expected a colon after the key, found {found}.",
        'Write each entry of an object as "key": value.',
    ),
    "comma": (
        Reason.NOT_JSON,
        "Column {column}: expected a comma or {about}, found {found}.",
        'Put a comma between entries, close each bracket with its own kind, and write a quote inside a string as \\".',
    ),
    "last comma": (
        Reason.NOT_JSON,
        "Column {column}: {found} follows a comma.",
        "Remove the comma after the last entry.",
    ),
    "comment": (Reason.NOT_JSON, "Column {column}: {found} begins a comment.", "Remove it: JSON has no comments."),
    "quote": (Reason.NOT_JSON, "Column {column}: {found} does not quote a string in JSON.", _QUOTES),
    "word": (
        Reason.NOT_JSON,
        "Column {column}: {word} is neither a number nor true, false or null.",
        "Put text into double quotes; true, false and null are lowercase.",
    ),
    "number": (
        Reason.NOT_JSON,
        "Column {column}: {word} is not a number as JSON writes them.",
        "Write decimal digits, no leading zero or plus sign, and at least one digit on each side of the point.",
    ),
    "control": (
        Reason.NOT_JSON,
        "Column {column}: the control character {found} stands inside a string.",
        "Close the string before it, or write it as an escape: \\n for a line break, \\t for a tab.",
    ),
    "escape": (
        Reason.NOT_JSON,
        "Column {column}: a backslash before {found} is no escape in JSON.",
        "Write a backslash itself as \\\\, and a character by its number as \\u and four hexadecimal digits.",
    ),
    "trailing": (
        Reason.NOT_JSON,
        "Column {column}: the document has ended, but {found} follows.",
        "Keep one JSON document in the file.",
    ),
    "more": (Reason.NOT_JSON, "The file has {count:,} more problems, not listed.", "Solve the listed ones first."),
    "unknown": (Reason.NOT_JSON, "The file cannot be read as JSON.", "Write it again with a JSON library."),
}

_MARKER = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?=[ \r\n]|\Z)", re.MULTILINE)


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
        return Parsed(None, (_letter("large", file, size=len(data), limit=max_bytes),))
    value = _read(data, max_depth)
    if value is not _REFUSED:
        return Parsed(value)
    # Refused, and no reason found, would be a bug of ours; even then the file must not pass, nor stop the others.
    return Parsed(None, _explain(data, file, max_depth) or (_letter("unknown", file),))


def locate(data: bytes, pointers: Iterable[str]) -> dict[str, int]:
    """The line, from 1, of the value at each RFC 6901 pointer; where nothing is there, of its nearest parent.

    `data` must be JSON that `parse` accepts.
    """
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
    if repr(value) != text and decimal_fault(text, value):
        raise ValueError
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_decimal, parse_constant=_constant)


def _explain(data: bytes, file: str, max_depth: int) -> tuple[Problem, ...]:
    """Tier 3. Every problem up to and with the first syntax error, sorted; none if `data` is strict JSON."""
    if not data.strip(b" \t\n\r"):
        return (_letter("empty", file),)
    broken: Problem | None = None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        name = "utf16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf8"
        line = data.count(b"\n", 0, error.start) + 1
        broken = _letter(name, file, line, byte=f"0x{data[error.start]:02X}", offset=error.start)
        if error.reason != "unexpected end of data":
            return (broken,)
        # The end of the file cuts a character in two: a truncated file, if the text before says so as well.
        text = data[: error.start].decode("utf-8")
    scanner = Scanner(text, max_depth)
    if scanner.walk():
        scanner.faults[-1] = _markers(text, scanner.faults[-1])
    if broken and not any(one.name in ("truncated", "markers") for one in scanner.faults):
        return (broken,)
    problems = sorted(_problem(fault, text, file) for fault in scanner.faults)
    if scanner.next_fault:
        example = _problem(scanner.next_fault, text, file)
        more = _letter("more", file, example.line, count=scanner.left_out)
        problems.append(more._replace(reason=example.reason))
    return tuple(problems)


def _markers(text: str, fault: Fault) -> Fault:
    """Git's conflict markers, if there are any, say more than the syntax error that they are."""
    places = [one.start() for one in _MARKER.finditer(text)]
    if not places:
        return fault
    here = "\n" not in text[min(places[0], fault.place) : max(places[0], fault.place)]
    marker = text[places[0] : places[0] + 7]
    return Fault("markers", places[0], fault.pointer if here else "", marker, str(len(places)))


def _problem(fault: Fault, text: str, file: str) -> Problem:
    shown = quoted(fault.found) if fault.found != '"' else "a double quote"
    return _letter(
        fault.name,
        file,
        text.count("\n", 0, fault.place) + 1,
        fault.pointer,
        column=fault.place - text.rfind("\n", 0, fault.place),
        first=text.count("\n", 0, fault.first) + 1,
        found=shown,
        word=shown.replace('"', ""),
        about=fault.about,
    )


def _letter(name: str, file: str, line: int = 0, pointer: str = "", /, **words: Any) -> Problem:
    reason, message, remedy = _LETTERS[name]
    return Problem(file, line, pointer, reason, message.format(line=line, **words), remedy.format(**words))
