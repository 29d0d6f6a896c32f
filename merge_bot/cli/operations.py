"""JSON objects that commands are given, in a file or on standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from merge_bot.cli import letters

STANDARD_INPUT = "standard input"


def content_of(file: str | None) -> tuple[bytes, str]:
    """The bytes of a file (None or `-`: standard input), and its name for letters. Raises DreamcatcherError."""
    from merge_bot.errors import DreamcatcherError

    if file in (None, "-"):
        return sys.stdin.buffer.read(), STANDARD_INPUT
    try:
        return Path(str(file)).read_bytes(), str(file)
    except OSError as error:
        raise DreamcatcherError(letters.unreadable_operations(str(file), error.strerror or str(error))) from None


def object_in(data: bytes, name: str) -> dict[str, Any]:
    """The object in these bytes; its `_meta` is an object, if there is one. Raises DeltaRejected if it is not so."""
    from merge_bot import messages, worker_letters
    from merge_bot.errors import DeltaRejected
    from merge_bot.findings import Problem, Reason
    from merge_bot.strict_json import locate, parse

    parsed = parse(data, name)
    problems = list(parsed.problems)
    if not problems and not isinstance(parsed.value, dict):
        problems = [Problem(name, 1, "", Reason.NOT_AN_OBJECT, *messages.delta_is_no_object(parsed.value))]
    elif not problems and not isinstance(meta := parsed.value.get("_meta", {}), dict):
        letter = messages.record_is_no_record(meta, '{"run": "…"}')
        problems = [Problem(name, locate(data, ["/_meta"])["/_meta"], "/_meta", Reason.BAD_META, *letter)]
    if problems:
        raise DeltaRejected(worker_letters.rejected(worker_letters.WHOLE, problems), problems)
    document: dict[str, Any] = parsed.value
    return document
