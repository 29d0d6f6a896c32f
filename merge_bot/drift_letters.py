"""Pure. What is said where deltas and rules have drifted apart, and something was taken nevertheless."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from merge_bot.messages import Letter
from merge_bot.wording import counted, listed, named, printable, quoted, shown


def refers_to_nothing(field: str, target: str, value: Any, pointer: str, count: int) -> str:
    """A note of a receipt: a lenient reference was taken though it names nothing."""
    others = f" (and {counted(count - 1, 'more reference')} like it)" if count > 1 else ""
    return (
        f"{printable(pointer[:200])}: {named(field)} names {shown(value)}, which is not in {named(target)}{others}; "
        'it was taken, because this reference says "on_missing": "warn"'
    )


def read_otherwise(pointer: str, name: str, alias: str | None, form: str | None, said: Any, count: int) -> str:
    """A note of a receipt: a record was read by another name or form than it was written in."""
    where = printable(pointer[:200])
    others = f" (and {counted(count - 1, 'more record')} like it)" if count > 1 else ""
    if alias is not None:
        return f"{where}: {named(alias)} was read as {named(name)}{others}, by x-aliases"
    return f"{where}: {shown(said)} was read as {named(name)}{others}, by x-coerce {quoted(form or '')}"


# --- mistakes in schemas


def not_a_list_of_names(keyword: str) -> Letter:
    return (
        f"{named(keyword)} must be an array of strings, each there once.",
        f'For example: "{keyword}": ["author_id"].',
    )


def alias_is_property(name: str) -> Letter:
    return (
        f"{named(name)} is a property of its own, so it cannot be another name of this one.",
        "Leave the alias out, or the property.",
    )


def alias_twice(name: str, other: str) -> Letter:
    return f"{named(name)} is already another name of {named(other)}.", "Keep one of the two."


def unknown_form(form: str, known: Iterable[str]) -> Letter:
    return f"{quoted(form)} is not a form that values can be read from.", f"The forms are {listed(known)}."


def form_of_type(form: str, types: Sequence[str]) -> Letter:
    return f"{named(form)} is for properties of type {listed(types, 'or')} alone.", "Leave it out, or correct the type."


def bare_twice(other: str) -> Letter:
    return (
        f"A bare value is read as {named(other)} already, so it cannot be read as this one too.",
        f"Write {named('bare')} at one property.",
    )


def no_bare_sum() -> Letter:
    return "The increments of a sum are an object; a bare value names no counter.", "Leave it out."


def elsewhere(keyword: str) -> Letter:
    return (
        f"{named(keyword)} means something only at a property of the record itself.",
        "Move it there, or leave it out.",
    )
