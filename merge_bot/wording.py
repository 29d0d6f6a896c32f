"""Pure. How values, names and places in other people's files enter a sentence, and what a schema asked of them.

Everything shown is short, and nothing in it is invisible.

Escaping for Markdown, for the terminal and for workflow commands is done where the text leaves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merge_bot.json_schema import Finding

MAX_SHOWN = 80
MANY = 12
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")


def quoted(text: str) -> str:
    """A string in JSON's quotes, at most `MAX_SHOWN` characters of it, with nothing in it that a reader cannot see."""
    seen = "".join(one if one.isprintable() and one not in '"\\' else json.dumps(one)[1:-1] for one in text[:MAX_SHOWN])
    return f'"{seen}"' if len(text) <= MAX_SHOWN else f'"{seen}…" ({len(text):,} characters)'


def named(text: str) -> str:
    """A key or a name, in backticks where it is a plain one."""
    return f"`{text}`" if _PLAIN_NAME.match(text) else quoted(text)


def listed(texts: Iterable[str], joiner: str = "and") -> str:
    """`a`, `b` and `c`; of many only the first."""
    words = [named(one) for one in texts]
    if len(words) > MANY:
        words = [*words[: MANY - 1], f"{len(words) - MANY + 1} more"]
    return f"{', '.join(words[:-1])} {joiner} {words[-1]}" if len(words) > 1 else "".join(words)


def shown(found: Any) -> str:
    """A JSON value as a sentence names it: the string "6195", the integer 6495, an array of 3."""
    if isinstance(found, str):
        return f"the string {quoted(found)}"
    if found is None or isinstance(found, bool):
        return json.dumps(found)
    if isinstance(found, int | float):
        return f"the {'integer' if isinstance(found, int) else 'number'} {str(found)[:MAX_SHOWN]}"
    if isinstance(found, list | tuple):
        return f"an array of {len(found):,}" if found else "an empty array"
    return "an object" if found else "an empty object"


def place(parts: Sequence[str | int]) -> str:
    """A JSON pointer's parts as people write them: comments_added[3].post_number."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_NAME.match(part) and "." not in part:
            text += f".{part}" if text else part
        else:
            text += f"[{quoted(part)}]"
    return text if len(text) <= 4 * MAX_SHOWN else f"{text[: 4 * MAX_SHOWN]}…"


def printable(text: str) -> str:
    """A file name or a pointer with nothing in it that a reader cannot see."""
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


_KINDS = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}


def kinds(expected: Any) -> str:
    """JSON Schema's `type` in words."""
    return " or ".join(_KINDS.get(one, str(one)) for one in ([expected] if isinstance(expected, str) else expected))


def counted(number: Any, thing: str) -> str:
    """1 record, 2 records."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def age(seconds: int) -> str:
    """A time span in the unit that people would say it in."""
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return counted(seconds // size, unit)
    return counted(max(seconds, 0), "second")


def _enum(expected: Any, found: Any) -> str:
    words = [json.dumps(one, ensure_ascii=False) for one in expected[:MANY]] + ["…"] * (len(expected) > MANY)
    return f"expected one of {', '.join(words)}, found {shown(found)}"


def _at_least_characters(expected: Any, found: Any) -> str:
    if found == "":
        return "must not be empty"
    return f"expected at least {counted(expected, 'character')}, found {shown(found)}"


_VIOLATIONS: Mapping[str, Callable[[Any, Any], str]] = {
    "type": lambda expected, found: f"expected {kinds(expected)}, found {shown(found)}",
    "enum": _enum,
    "const": lambda expected, found: f"expected {json.dumps(expected)[:MAX_SHOWN]}, found {shown(found)}",
    "required": lambda expected, found: f"{named(expected)} is missing",
    "additionalProperties": lambda expected, found: "unknown key",
    "minLength": _at_least_characters,
    "maxLength": lambda expected, found: f"expected at most {counted(expected, 'character')}, found {len(found):,}",
    "minimum": lambda expected, found: f"expected at least {expected}, found {shown(found)}",
    "maximum": lambda expected, found: f"expected at most {expected}, found {shown(found)}",
    "exclusiveMinimum": lambda expected, found: f"expected more than {expected}, found {shown(found)}",
    "exclusiveMaximum": lambda expected, found: f"expected less than {expected}, found {shown(found)}",
    "multipleOf": lambda expected, found: f"expected a multiple of {expected}, found {shown(found)}",
    "minItems": lambda expected, found: f"expected at least {counted(expected, 'item')}, found {shown(found)}",
    "maxItems": lambda expected, found: f"expected at most {counted(expected, 'item')}, found {shown(found)}",
    "minProperties": lambda expected, found: f"expected at least {counted(expected, 'key')}, found {len(found):,}",
    "maxProperties": lambda expected, found: f"expected at most {counted(expected, 'key')}, found {len(found):,}",
    "uniqueItems": lambda expected, found: "expected every item once, but some stand there twice",
    "pattern": lambda expected, found: f"expected text that matches {quoted(expected)}, found {shown(found)}",
    "false": lambda expected, found: "nothing may stand here",
}


def violation(finding: Finding) -> str:
    """What one keyword of a schema asks for, and what was found."""
    if finding.keyword in ("anyOf", "oneOf"):
        return _alternatives(finding)
    say = _VIOLATIONS.get(finding.keyword)
    if say and finding.expected is not None:
        return say(finding.expected, finding.found)
    return f"{finding.keyword}: {printable(finding.text[: 2 * MAX_SHOWN])}"


def _alternatives(finding: Finding) -> str:
    """Alternatives that differ in type alone are one sentence; of others, what each misses."""
    branches = finding.branches
    if not branches:
        return f"fits more than one of the alternatives of {finding.keyword}, found {shown(finding.found)}"
    here = [one for branch in branches for one in branch if len(branch) == 1 and one.path == finding.path]
    if len(here) == len(branches) and all(one.keyword == "type" for one in here):
        return f"expected {' or '.join(kinds(one.expected) for one in here)}, found {shown(finding.found)}"
    # The alternatives of another type were not meant.
    other_type = [any(one.keyword == "type" and one.path == finding.path for one in branch) for branch in branches]
    close = [branch for branch, other in zip(branches, other_type, strict=True) if not other]
    said = [f"{place(one.path[len(finding.path) :])} {violation(one)}".strip() for one, *_ in (close or branches)[:3]]
    return f"fits none of the alternatives: {'; or '.join(said)}"
