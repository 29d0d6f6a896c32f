"""Workflow commands: how they are written, and how no other text can become one.

The runner reads commands out of plain output, and much of that is text that workers wrote. How it reads is taken from
its source: https://github.com/actions/runner/tree/258d6c857db3519913f7deb6004b60172f8043ae/src
"""

from __future__ import annotations

import io
import re
from typing import Literal, TextIO

_LINE_END = re.compile(r"\r\n|\r|\n")


def annotation(
    level: Literal["error", "warning", "notice"], message: str, *, file: str = "", line: int = 0, title: str = ""
) -> str:
    """A workflow command that shows `message` at a place, as one line without its end."""
    properties = {"file": file, "line": str(line) if line and file else "", "title": title}
    listed = ",".join(f"{name}={_escaped_property(text)}" for name, text in properties.items() if text)
    return f"::{level}{' ' if listed else ''}{listed}::{_escaped_data(message)}"


def mask(secret: str) -> str:
    """A workflow command that makes the runner hide `secret` in everything that is printed from here on."""
    return f"::add-mask::{_escaped_data(secret)}"


def neutralise(text: str) -> str:
    """`text` with every line made unable to start a workflow command; its line ends stay what they are.

    The runner takes `::` after leading blanks, and the older `##[` anywhere in a line; it ends lines at a bare
    carriage return as well (ActionCommand.TryParseV2 and TryParse). A visible blank breaks both: the runner
    compares by culture, which overlooks invisible characters.
    """
    pieces = _LINE_END.split(text)
    ends = [*_LINE_END.findall(text), ""]
    return "".join(_inert(piece) + end for piece, end in zip(pieces, ends, strict=True))


class NeutralStream(io.TextIOBase):
    """A text stream that hands on whole lines, neutralised: put in place of `sys.stdout` and `sys.stderr`.

    A line is held until it is complete, because a command may come in several writes. `close` hands on the rest
    and leaves the stream below open; `command` is the one way past the guard, for annotations.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._held = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base class says None, readers expect a name
        return "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        whole, end, self._held = (self._held + text).rpartition("\n")
        if end:
            self._put(neutralise(whole) + end)
        return len(text)

    def command(self, line: str) -> None:
        """Writes a workflow command of our own, on a line by itself."""
        if self._held:
            self.write("\n")
        self._put(_LINE_END.sub(" ", line) + "\n")

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        if not self.closed:
            if self._held:
                self.write("\n")
            self.flush()
        super().close()

    def _put(self, text: str) -> None:
        self._stream.write(text.encode(errors="backslashreplace").decode())


def _inert(line: str) -> str:
    body = line.lstrip()
    if body.startswith("::"):
        line = f"{line[: len(line) - len(body)]}: :{body[2:]}"
    return line.replace("##[", "## [")


def _escaped_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped_data(text).replace(":", "%3A").replace(",", "%2C")
