"""Pure. What keeps bytes from being strict JSON, as letters: the explaining tier of `strict_json`."""

from __future__ import annotations

import re
from typing import Any, Final

from merge_bot.findings import Problem, Reason
from merge_bot.json_scanner import GREATEST, LEAST, Fault, Scanner
from merge_bot.wording import quoted

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


def too_large(data: bytes, file: str, limit: int) -> tuple[Problem, ...]:
    """The file is not read at all."""
    return (_letter("large", file, size=len(data), limit=limit),)


def explain(data: bytes, file: str, max_depth: int) -> tuple[Problem, ...]:
    """Every problem up to and with the first syntax error, sorted.

    Where none is found, the file is refused all the same: that would be a bug of ours, and even then it must not pass,
    nor stop the others.
    """
    return found(data, file, max_depth) or (_letter("unknown", file),)


def found(data: bytes, file: str, max_depth: int) -> tuple[Problem, ...]:
    """As `explain`; none if `data` is strict JSON."""
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
