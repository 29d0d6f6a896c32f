"""Pure. Where each value of a JSON text stands, and where the text is not strict: the slow half of `strict_json`.

One walk from left to right, with a stack of its own, so that no nesting can exhaust Python's. Duplicate keys, bad
numbers and lone surrogates are gathered; the first syntax error ends the walk, because what follows is guesswork.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from math import isinf
from typing import NamedTuple, NoReturn

from merge_bot.strict_json import escape

MAX_FAULTS = 50
LEAST, GREATEST = -(2**63), 2**64 - 1
_MAX_POINTER = 1000

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*+')
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{0,3})?")
_WORD = re.compile(r"[-+.0-9A-Za-z_$]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<decimal>(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")
_NUMBER_BEGUN = re.compile(r"-|-?(?:0|[1-9][0-9]*)(?:\.|(?:\.[0-9]+)?[eE][-+]?)")
_NOT_FINITE = re.compile(r"[-+]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LITERALS = ("true", "false", "null")
_HINTS = {"/": "comment", "#": "comment", **dict.fromkeys("'`\u2018\u2019\u201c\u201d", "quote")}


class Fault(NamedTuple):
    """One thing wrong, by the name of its letter. `place` and `first`, an earlier place, are positions in the text.

    `found` is the text's own words, unescaped; `about` a word of ours that the letter needs beside them.
    """

    name: str
    place: int
    pointer: str
    found: str = ""
    about: str = ""
    first: int = 0


def decimal_fault(text: str, value: float) -> str | None:
    """What is wrong with a JSON number whose double is `value`; None if it survives the round trip."""
    if isinf(value):
        return "infinite"
    if value == 0:  # apart, because Decimal has a least and a greatest exponent: 0e99999999999999999999
        return "digits" if re.match("[-0.]*[1-9]", text) else None
    return None if Decimal(text) == Decimal(repr(value)) else "digits"


class _Stop(Exception):
    """A syntax error ends the walk."""


class _Container(NamedTuple):
    """An open array or object: where it begins, and the places of the keys seen so far (None for an array)."""

    begin: int
    keys: dict[str, int] | None

    @property
    def close(self) -> str:
        return "]" if self.keys is None else "}"


class Scanner:
    """A walk over one text. `path` leads to the current value; `faults` fill on the way, in the text's order.

    Beyond `MAX_FAULTS` the gathered ones are only counted, in `left_out`; `next_fault` is the first of those.
    """

    def __init__(self, text: str, max_depth: int) -> None:
        self.text = text
        self.max_depth = max_depth
        self.begin = int(text.startswith("\ufeff"))
        self.end = len(text.rstrip(" \t\n\r"))
        self.path: list[str] = []
        self.open: list[_Container] = []
        self.faults: list[Fault] = []
        self.next_fault: Fault | None = None
        self.left_out = 0

    def walk(self) -> bool:
        """Walk to the end; whether a syntax error, then the last of `faults`, came before it."""
        if self.begin:
            self.report("mark", 0)
        try:
            for _ in self.values() if self.end > self.begin else ():
                pass
        except _Stop:
            return True
        return False

    def values(self) -> Iterator[int]:
        """The position of each value, a container's before its contents'. Raises _Stop at a syntax error."""
        place: int | None = self.begin
        while place is not None:
            place = self.skip(place)
            yield place
            if not self.text.startswith(("[", "{"), place):
                place = self.after(self.scalar(place))
                continue
            if len(self.open) == self.max_depth:
                self.stop("deep", place, about=str(self.max_depth))
            self.open.append(_Container(place, {} if self.text[place] == "{" else None))
            place = self.first(place + 1)

    def first(self, place: int) -> int | None:
        """From behind an opening bracket to the next value; None at the end of the document."""
        place = self.skip(place)
        container = self.open[-1]
        if self.text.startswith(container.close, place):
            self.open.pop()
            return self.after(place + 1)
        if container.keys is not None:
            return self.key(place, container.keys)
        self.path.append("0")
        return place

    def after(self, place: int) -> int | None:
        """From behind a value to the next one; None at the end of the document."""
        place = self.skip(place)
        while self.open and self.text.startswith(self.open[-1].close, place):
            self.open.pop()
            self.path.pop()
            place = self.skip(place + 1)
        if not self.open:
            return self.stop("trailing", place) if place < self.end else None
        container = self.open[-1]
        if not self.text.startswith(",", place):
            self.stop("comma", place, about=container.close)
        place = self.skip(place + 1)
        last = self.path.pop()
        if self.text.startswith(container.close, place):
            self.stop("last comma", place)
        if container.keys is not None:
            return self.key(place, container.keys)
        self.path.append(str(int(last) + 1))
        return place

    def key(self, place: int, keys: dict[str, int]) -> int:
        """From a key to its value."""
        if not self.text.startswith('"', place):
            self.stop(_HINTS.get(self.text[place : place + 1], "key"), place)
        after, name = self.string(place)
        self.path.append(name)
        if name in keys:
            self.report("duplicate", place, name, first=keys[name])
        else:
            keys[name] = place
        after = self.skip(after)
        if not self.text.startswith(":", after):
            self.stop("colon", after)
        return after + 1

    def string(self, place: int) -> tuple[int, str]:
        """The place behind a string, and its value."""
        stop = _match(_STRING, self.text, place)
        if not self.text.startswith('"', stop):
            if max(stop, _match(_ESCAPE, self.text, stop)) >= self.end:
                self.truncated("a string", place)
            if self.text[stop] != "\\":
                self.stop("control", stop)
            self.stop("escape", stop, self.text[stop + 1 : stop + (6 if self.text[stop + 1] == "u" else 2)])
        raw = self.text[place : stop + 1]
        if "\\" not in raw:
            return stop + 1, raw[1:-1]
        value: str = json.loads(raw)
        if half := _SURROGATE.search(value):
            self.report("surrogate", place, value, f"\\u{ord(half.group()):04x}")
        return stop + 1, value

    def scalar(self, place: int) -> int:
        """The place behind a string, a number or a literal."""
        if self.text.startswith('"', place):
            return self.string(place)[0]
        after = _match(_WORD, self.text, place)
        word = self.text[place:after]
        if number := _NUMBER.fullmatch(word):
            if not self.open or after < self.end:  # else the file ends here, and further digits may be missing
                self.number(place, word, number["decimal"] != "")
        elif _NOT_FINITE.fullmatch(word):
            self.report("nan", place, word)
        elif not word:
            self.stop(_HINTS.get(self.text[place : place + 1], "value"), place)
        elif word not in _LITERALS:
            begun = _NUMBER_BEGUN.fullmatch(word) or any(one.startswith(word) for one in _LITERALS)
            if begun and after >= self.end:
                self.truncated("a value", place)
            self.stop("number" if word[0] in "+-.0123456789" else "word", place)
        return after

    def number(self, place: int, word: str, decimal: bool) -> None:
        if not decimal:
            # 64 bits never need more than 20 characters; int() is slow on a million, and refuses past a limit.
            if len(word) > 20 or not LEAST <= int(word) <= GREATEST:
                self.report("wide", place, word)
        elif fault := decimal_fault(word, float(word)):
            self.report(fault, place, word, repr(float(word)))

    def skip(self, place: int) -> int:
        return _match(_SPACE, self.text, place)

    def report(self, name: str, place: int, found: str = "", about: str = "", first: int = 0) -> None:
        """Note a fault, and walk on."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(name, place, self.pointer(), found, about, first))
        else:
            self.next_fault = self.next_fault or Fault(name, place, self.pointer(), found, about, first)
            self.left_out += 1

    def stop(self, name: str, place: int, found: str | None = None, about: str = "") -> NoReturn:
        """Note a syntax error, and end the walk; where the text has ended, something is missing rather than wrong."""
        if place >= self.end:
            container = self.open[-1]
            self.truncated("an array" if container.keys is None else "an object", container.begin)
        if found is None:
            found = self.text[place : max(_match(_WORD, self.text, place), place + 1)]
        self.faults.append(Fault(name, place, self.pointer(), found, about))
        raise _Stop

    def truncated(self, what: str, begin: int) -> NoReturn:
        self.faults.append(Fault("truncated", self.end, self.pointer(), "", what, begin))
        raise _Stop

    def pointer(self) -> str:
        """Where the walk is; of a place whose pointer is too long or cannot be written in UTF-8, the nearest parent."""
        found = ""
        for part in self.path:
            longer = f"{found}/{escape(part)}"
            if len(longer) > _MAX_POINTER or _SURROGATE.search(part):
                break
            found = longer
        return found


def _match(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Where a match that begins at `place` ends; `place` itself if there is none."""
    found = pattern.match(text, place)
    return found.end() if found else place
