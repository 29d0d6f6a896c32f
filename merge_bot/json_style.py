"""Pure. The style of a JSON file that others wrote: indentation, escapes, order of keys, line ends.

A file that the merge began is canonical. One that was there before keeps what its readers and its diffs are used to:
keys stay in their order, new ones come last. What no style can say (numbers spelled oddly, arrays of which some stand
in one line) becomes the nearest style when the file is first written.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import orjson

from merge_bot.canonical import document

_BLANKS = b" \t\r\n"
_FIRST_INDENT = re.compile(rb"[\[{]\r?\n([ \t]+)")
_INDENTS = re.compile(rb"^(?:  )+", re.MULTILINE)  # a JSON string holds no line break, so these indent and nothing else
_BEYOND_ASCII = re.compile("[^\x00-\x7e]+")


class Style(NamedTuple):
    """How a file is written. `indent` is one step of it, None where all stands in one line.

    `item` and `colon` separate in one line. `head` and `tail` are the blanks around the document.
    """

    indent: bytes | None = b"  "
    in_ascii: bool = False
    in_order: bool = True
    item: str = ","
    colon: str = ":"
    line_end: bytes = b"\n"
    head: bytes = b""
    tail: bytes = b"\n"

    def written(self, value: Any) -> bytes:
        """`value` as a file of this style."""
        order = orjson.OPT_SORT_KEYS if self.in_order else 0
        if self.indent is None:
            separators = (self.item, self.colon)
            text = json.dumps(value, ensure_ascii=False, separators=separators, sort_keys=self.in_order)
            data = text.encode()
        else:
            data, step = orjson.dumps(value, option=orjson.OPT_INDENT_2 | order), self.indent
            if step != b"  ":
                data = _INDENTS.sub(lambda blanks: step * (len(blanks[0]) // 2), data)
        if self.in_ascii and not data.isascii():
            data = _BEYOND_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], data.decode()).encode()
        if self.line_end != b"\n":
            data = data.replace(b"\n", self.line_end)
        return self.head + data + self.tail


CANONICAL = Style()


def style_of(data: bytes, value: Any) -> Style:
    """The style of the file that `data` is; `value` is what it says."""
    if document(value) == data:
        return CANONICAL
    body = data.strip(_BLANKS)
    start = data.find(body)
    first = _FIRST_INDENT.match(body)
    style = Style(
        indent=first[1] if first else b"  " if not value else None,
        in_ascii=body.isascii() and rb"\u" in body,
        line_end=b"\r\n" if b"\r\n" in body else b"\n",
        head=data[:start],
        tail=data[start + len(body) :],
    )
    spaced = style._replace(item=", ", colon=": ")
    ways = [style] if style.indent is not None else [spaced, style] if b'": ' in body else [style, spaced]
    for way in (one._replace(in_order=in_order) for in_order in (True, False) for one in ways):
        if not value or way.written(value) == data:
            return way
    return ways[0]._replace(in_order=False)


def is_kept(data: bytes, value: Any) -> bool:
    """Whether writing `value` in its style gives `data` again, byte for byte."""
    return style_of(data, value).written(value) == data
