"""Pure. What is said about deltas, each a letter: what happened, why, what to do now. (Rules: `rule_messages`.)"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from merge_bot.findings import Problem
from merge_bot.wording import MAX_SHOWN, counted, listed, named, printable, quoted, shown, violation

if TYPE_CHECKING:
    from merge_bot.json_schema import Finding

_DAY_AND_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?")
_EXACT = 10**15  # doubles hold every integer up to here
Letter = tuple[str, str]
"""What is wrong, and what to do about it ("" where the first says it all)."""


def meant(word: str | None) -> str:
    """A guess at what a name was meant to be."""
    return f"; did you mean {named(word)}?" if word else "."


def listing(problems: Iterable[Problem]) -> str:
    """Problems as the lines of a letter: where, what is wrong, what to do."""
    lines = []
    for one in problems:
        where = f"{printable(one.file)}:{one.line}" if one.line else printable(one.file)
        lines.append(f"  {where}{f' at {printable(one.pointer)}' if one.pointer else ''}")
        lines.append(f"    {one.message}")
        lines += [f"    {one.remedy}"] if one.remedy else []
    return "\n".join(lines)


def not_a_regular_file(mode: str, path: str) -> Letter:
    what = {
        "120000": ("a symbolic link", "Write the delta itself in its place; links are not followed."),
        "100755": ("an executable file", f"git update-index --chmod=-x {quoted(path)}, and commit."),
        "160000": ("a submodule", "Write the delta itself in its place."),
        "040000": ("a folder", "Deltas lie in the inbox itself, not in folders below it."),
    }
    kind, remedy = what.get(mode.zfill(6), (f"of git's file mode {quoted(mode)}", "Write the delta as a plain file."))
    return f"This is {kind}; a delta is a plain file (mode 100644).", remedy


def too_large(size: int, limit: int) -> Letter:
    return (
        f"The file has {size:,} bytes; at most {limit:,} are read.",
        "Write several deltas (each with a `_meta.run` of its own), or raise max-delta-bytes in the settings.",
    )


def too_many_operations(count: int, limit: int) -> Letter:
    return (
        f"The delta holds {count:,} operations; at most {limit:,} are taken.",
        "Write several deltas (each with a `_meta.run` of its own), or raise max-delta-operations in the settings.",
    )


def too_slow(seconds: int) -> Letter:
    return (
        f"Holding the delta to its schemas took longer than {counted(seconds, 'second')}, so it was left out.",
        "Look for a `pattern` or `uniqueItems` in the schemas that its values make slow; write several smaller deltas, "
        "or raise max-validation-seconds in the settings.",
    )


def delta_is_no_object(found: Any) -> Letter:
    return (
        f"A delta is a JSON object, found {shown(found)}.",
        'Begin it like this: {"frame": 405, "stream_id": "w1", "utc": "2026-03-25T03:14:22.000001Z"}.',
    )


def alias_clash(target: str, keys: Sequence[str]) -> Letter:
    return f"{listed(keys)} both stand for {named(target)}", "Keep one of them."


def missing_key(key: str) -> Letter:
    return f"{named(key)} is missing", _ENVELOPE_RULES[key]


def unknown_key(near: str | None, known: Iterable[str]) -> Letter:
    """`known` is empty where the keys were listed before."""
    if near in _ENVELOPE_RULES:
        return f"unknown key; did you mean {named(near)}?", "Or the repository's settings alias it (delta: aliases)."
    if near:
        return f"unknown key; did you mean {named(near)}?", ""
    keys = ", ".join(known)
    remedy = f"The keys of a delta are {keys}. The repository's settings can have others ignored (delta: ignore)."
    return "unknown key", remedy if keys else ""


_ENVELOPE_RULES = {
    "frame": 'Write the number of the open frame, as _meta.json in the state folder names it: "frame": 405.',
    "stream_id": "Write the worker's id: 1 to 64 letters, digits, _ and -, beginning with a letter or digit.",
    "utc": 'Write the real time with its offset: "utc": "2026-03-25T03:14:22.000001Z".',
}


def bad_frame(found: Any) -> Letter:
    if isinstance(found, float) and 0 <= found <= _EXACT and found.is_integer():
        return f"expected an integer, found {shown(found)}", f"Write it without a fraction: {int(found)}."
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 16:
        return f"expected an integer, found {shown(found)}", f"Write it without the quotes: {int(found)}."
    return f"expected an integer from 0 to 10^15, found {shown(found)}", _ENVELOPE_RULES["frame"]


def bad_stream_id(found: Any) -> Letter:
    return f"{shown(found)} is not a worker's id", _ENVELOPE_RULES["stream_id"]


def bad_utc(found: Any) -> Letter:
    if isinstance(found, str) and _DAY_AND_TIME.fullmatch(found):
        return f"{quoted(found)} has no offset, so it names no instant", f'If it is UTC, end it with a Z: "{found}Z".'
    return f"expected a time such as 2026-03-25T03:14:22.000001Z, found {shown(found)}", _ENVELOPE_RULES["utc"]


def fallback_with_operations(count: int) -> Letter:
    return (
        f'"fallback" says that there is nothing, but the delta holds {counted(count, "operation")}',
        'Write "ok", or leave the operations out: those of a fallback would be dropped.',
    )


def control_is_no_array(found: Any) -> Letter:
    return f"expected an array of requests, found {shown(found)}", 'Write "_control": [{"op": "…", …}].'


def too_many_requests(count: int, limit: int) -> Letter:
    return f"{count:,} requests; at most {limit:,} are taken in one delta", "Write several deltas."


def request_is_no_object(found: Any) -> Letter:
    return f"expected an object, found {shown(found)}", 'Write a request such as {"op": "…", …}.'


def unknown_operation(is_there: bool, found: Any, near: str | None, known: Iterable[str]) -> Letter:
    what = f"{shown(found)} is no operation" if is_there else "it does not say which operation: `op` is missing"
    remedy = f"Did you mean {named(near)}?" if near else f"The operations are {', '.join(known)}."
    return what, remedy


def not_an_array(key: str, found: Any, example: str) -> Letter:
    return f"expected an array of records, found {shown(found)}", f'Write "{key}": [{example}].'


def not_increments(key: str, found: Any, example: str) -> Letter:
    return f"expected an object of increments, found {shown(found)}", f'Write "{key}": {example}.'


def record_is_no_record(found: Any, example: str) -> Letter:
    return f"expected an object, found {shown(found)}", f"Write a record such as {example}."


def no_key(missing: Sequence[str], key: Sequence[str], else_key: Sequence[str]) -> Letter:
    ways = listed(key) + (f", or else by {listed(else_key)}" if else_key else "")
    return f"the record has no key: it lacks {listed(missing)}", f"Records are told apart by {ways}."


def empty_key(name: str, optional: bool) -> Letter:
    return (
        "the key is empty, and would name nothing",
        f"Fill {named(name)} in{', or leave it out' if optional else ''}.",
    )


def unknown_field(near: str | None, known: Sequence[str]) -> Letter:
    if near:
        return f"unknown key; did you mean {named(near)}?", ""
    return "unknown key", f"The keys there are {', '.join(known)}." if known else ""


def fractional_key(found: float) -> Letter:
    right = f": {int(found)}" if abs(found) <= _EXACT else ""
    return f"expected an integer, found {shown(found)}", f"Write it as an integer, without a fraction{right}."


def base_not_read_yet(base: int, frame: int) -> Letter:
    return (
        f"a delta of frame {frame} cannot have been computed from frame {base}, which was not merged then",
        f"Write the frame whose state was read, one less than the open frame: {max(frame - 1, 0)}.",
    )


def nothing_to_expect(collection: str, strategy: str) -> Letter:
    return (
        f"{named(collection)} merges by {strategy}, which overwrites nothing: there is nothing to expect",
        "Leave `_expect` out; it is for fields of which the last writer wins.",
    )


def key_expected(name: str) -> Letter:
    return f"{named(name)} is the key, which never changes", "Leave it out of `_expect`."


def sum_expected(name: str, strategy: str) -> Letter:
    return (
        f"{named(name)} merges by {strategy}, whatever it was before, so it cannot be expected",
        "Leave it out of `_expect`.",
    )


def violated(finding: Finding, about: str = "") -> Letter:
    """`about` is the schema's own description of what belongs there."""
    quotes = isinstance(finding.found, str) and finding.found.isascii() and finding.found.isdigit()
    if finding.keyword == "type" and finding.expected == "integer" and quotes and len(finding.found) < 16:
        return violation(finding), f"Write it without the quotes: {int(finding.found)}."
    return violation(finding), printable(about[: 4 * MAX_SHOWN])


def and_more(count: int) -> str:
    return f" ({count:,} more like this)" if count else ""


def more_records(described: int, wrong: int) -> Letter:
    return (
        f"{wrong:,} records are wrong; the first {described:,} of them are described here",
        "The others may have other faults: check the delta again once these are mended.",
    )


def more_problems(count: int) -> Letter:
    return f"there are {count:,} more problems than are listed here", ""


def unexplained() -> Letter:
    return "the delta does not satisfy its schema (dreamcatcher schema delta)", ""


def name_disagrees(frame: int, stream_id: str, right: str) -> Letter:
    return (
        f"The file's name says otherwise than its content: frame {frame} of {named(stream_id)}.",
        f"If the content is right, name it {quoted(right)}.",
    )


def not_a_delta_name(right: str) -> Letter:
    return "The file's name is not that of a delta.", f"Name it {quoted(right)}."


def stream_not_of_branch(stream_id: str, worker: str) -> Letter:
    return (
        f"The delta says that it is of {named(stream_id)}, but it came by the branch of {named(worker)}.",
        f"Each worker writes to its own branch: submit it with --worker {stream_id}, or correct its stream_id.",
    )


def branch_rewound(worker: str) -> Letter:
    return (
        f"The branch deltas/{worker} was rewound or replaced: what was merged from it before is no longer in it. So "
        "nothing that came with that may enter.",
        "A delta branch only grows. Nothing that was merged is lost; submit this delta once more, and it counts "
        "(give it a new utc if it was the newest one there). To forbid it: a ruleset for deltas/** that blocks force "
        "pushes and deletions.",
    )


def setting_feeds(key: str, collection: str) -> str:
    return f"delta: {named(key)} feeds the collection {named(collection)}, so it can be neither ignored nor an alias."
