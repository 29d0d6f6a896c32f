"""Pure. What is said about a repository's own rules, its schemas and settings: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from merge_bot.findings import Problem
from merge_bot.messages import Letter, meant
from merge_bot.wording import kinds, listed, named, place, printable, quoted, shown, violation

if TYPE_CHECKING:
    from merge_bot.json_schema import Finding

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


# --- schemas and their x-merge ---


def collection(name: str) -> str:
    return f"the collection {named(name)}"


def not_a_schema_file(path: str) -> Letter:
    return (
        f"{quoted(path)} does not name a collection.",
        "Call it NAME.schema.json, where NAME has lowercase letters, digits and _, and begins with a letter.",
    )


def reserved_collection(name: str) -> Letter:
    return f"{named(name)} is a name that the merge uses itself.", "Give the collection another name."


def two_schemas(name: str, other: str) -> Letter:
    return f"There is a second schema of {named(name)}: {printable(other)}.", "Keep one of them."


def schema_is_no_object(found: Any) -> Letter:
    return f"Expected a JSON Schema, which is an object, found {shown(found)}.", ""


def other_dialect(found: Any, dialect: str) -> Letter:
    return (
        f"Only JSON Schema 2020-12 is read, found {shown(found)}.",
        f'Write "$schema": "{dialect}", or leave it out.',
    )


def not_a_json_schema(finding: Finding, near: str | None) -> Letter:
    if finding.path[-1:] == ("type",) and isinstance(finding.found, str):
        said = f"{quoted(finding.found)} is not a type"
        return f"Not valid JSON Schema: {said}{meant(near)}", f"The types are {', '.join(TYPES)}."
    return f"Not valid JSON Schema: {violation(finding)}.", ""


def nested_id() -> Letter:
    return "An $id inside a schema would change what its references mean.", "Leave it out."


def remote_reference(found: Any) -> Letter:
    return (
        f"A schema may refer to itself only, found {shown(found)}; nothing is fetched.",
        'Copy what is meant into "$defs", and refer to it as "#/$defs/NAME".',
    )


def dangling_schema_reference(found: str) -> Letter:
    return f"{quoted(found)} refers to nothing in this schema.", ""


def unusable_pattern(found: str) -> Letter:
    return (
        f"{quoted(found)} is not a regular expression that can be used.",
        "They run in bounded time, without lookaround, backreferences or huge repetitions; else as in JavaScript.",
    )


def unusable_schema(text: str) -> Letter:
    return f"The schema cannot be compiled: {printable(text[:200])}", ""


def record_is_no_object() -> Letter:
    return "A schema describes one record, and a record is an object.", 'Write "type": "object" at the top.'


def no_x_merge() -> Letter:
    return (
        "The schema does not say how its collection merges.",
        'Add "x-merge": {"strategy": "append", "delta": ["NAME_added"], "key": ["id"]}, or another strategy.',
    )


def x_merge_elsewhere() -> Letter:
    return (
        "x-merge is read at the top of a schema and on its top-level properties, nowhere deeper.",
        "Take it out, or make the value a top-level property.",
    )


def broken_x_merge(finding: Finding, near: str | None) -> Letter:
    if finding.keyword == "additionalProperties":
        return (
            f"{named(str(finding.path[-1]))} is not a key of x-merge{meant(near)}",
            "" if near else f"Its keys are {', '.join(finding.expected)}.",
        )
    return f"x-merge: {violation(finding)}.", ""


def unknown_strategy(found: str, near: str | None, known: Iterable[str]) -> Letter:
    return f"{quoted(found)} is not a strategy{meant(near)}", f"The strategies are {listed(known)}."


def unknown_layout(found: str, strategy: str, known: Iterable[str]) -> Letter:
    return f"{quoted(found)} is not a layout of {strategy}.", f"Write {listed(known, 'or')}, or leave it out."


def needs_key(strategy: str, layout: str) -> Letter:
    return (
        f"Strategy {strategy} in layout {layout} needs a key.",
        'Name the property that tells records apart: "key": ["id"].',
    )


def needs_sections() -> Letter:
    return (
        "The document does not say which sections it has.",
        'Name them in their order: "sections": [{"name": "aims", "owner": "ann"}, {"name": "notes"}].',
    )


def takes_no(strategy: str, what: str) -> Letter:
    return f"Strategy {strategy} takes no {what}.", "Leave it out."


def no_such_property(name: str, near: str | None) -> Letter:
    return f"{named(name)} is not one of the schema's top-level properties{meant(near)}", ""


def key_type(name: str) -> Letter:
    return (
        f"A key is made of strings and integers, but {named(name)} may be something else.",
        'Give the property "type": "string" or "type": "integer", one type and no other.',
    )


def key_not_required(missing: Sequence[str], what: str) -> Letter:
    return (
        f"A record may lack {listed(missing)}, and would then have no {what}.",
        f'Add {listed(missing)} to "required".',
    )


def key_twice(name: str) -> Letter:
    return f"{named(name)} stands twice in one key.", "Keep one."


def only_for(key: str, only: str) -> Letter:
    return f"{named(key)} means something only for {only}.", "Leave it out."


def unknown_shape(found: str, strategy: str, known: Iterable[str]) -> Letter:
    return f"{quoted(found)} is not a shape of {strategy}.", f"Write {listed(known, 'or')}, or leave it out."


def object_needs_one_key() -> Letter:
    return (
        '"shape": "object" keeps entities by their key, so the key must be one property.',
        'Write one property into "key", or "shape": "array".',
    )


def unsafe_path(path: str, why: str) -> Letter:
    return f"The path {quoted(path)} cannot be used: {why}.", ""


def path_in_use(path: str, by: str) -> Letter:
    return f"The path {quoted(path)} belongs to {by}.", "Choose another path."


def paths_overlap(path: str, other: str, collection: str) -> Letter:
    return (
        f"The path {quoted(path)} overlaps with {quoted(other)} of the collection {named(collection)}.",
        "Give each collection a file or a folder of its own.",
    )


def pointers_overlap(path: str, collection: str) -> Letter:
    return (
        f"The collection {named(collection)} keeps its records at the same place of {quoted(path)}, or around it.",
        'Two collections can share a file if their "pointer"s name different places, such as "/posts" and "/comments".',
    )


def delta_key_taken(key: str, by: str) -> Letter:
    return f"The delta key {named(key)} belongs to {by}.", "Choose another: each key of a delta feeds one collection."


def property_strategy(found: str, known: Iterable[str]) -> Letter:
    return f"{quoted(found)} is not a strategy of a property.", f"Write {listed(known, 'or')}."


def key_cannot_merge(name: str) -> Letter:
    return f"{named(name)} is the key, which never changes.", "Take its x-merge out."


def reserved_property(name: str) -> Letter:
    return (
        f"{named(name)} is no field: an operation says there what it was computed from.",
        "Give the property another name.",
    )


def must_be_numbers(name: str, *, may_stand_aside: bool = False) -> Letter:
    aside = ' If it is no counter, "readOnly": true leaves it alone.' if may_stand_aside else ""
    return f"{named(name)} is summed, so it must be a number.", f'Write "type": "integer" or "type": "number".{aside}'


def must_be_array(name: str) -> Letter:
    return f"{named(name)} is a set that grows, so it must be an array.", 'Write "type": "array".'


def counted_not(key: str) -> Letter:
    return f"A counter that the merge keeps by counting has no {named(key)}.", 'Leave it out, or "counts".'


def counts_by_what() -> Letter:
    return (
        "The counter of an entity has to say which records are its own.",
        'Name the field that refers to the entity: {"counts": "comments", "by": "author"}.',
    )


def must_be_whole(name: str) -> Letter:
    return f"{named(name)} counts records, so it must be an integer.", 'Write "type": "integer".'


def counter_required(name: str) -> Letter:
    return (
        f"{named(name)} may not be required: the merge writes it when there is something to count.",
        'Take it out of "required".',
    )


def cannot_count(found: str, near: str | None) -> Letter:
    return f"There is no collection {named(found)} to count{meant(near)}", ""


def not_countable(target: str, strategy: str) -> Letter:
    return f"{named(target)} ({strategy}) cannot be counted here.", "Count a collection that keeps records."


def not_countable_by(target: str, field: str, holder: str) -> Letter:
    return (
        f"The records of {named(target)} can be counted for {named(holder)} only by a field that refers to it and "
        f"holds one value, which {named(field)} is not.",
        f'In the schema of {named(target)}, an append or observe collection, write "references": '
        f'{{{quoted(field)}: {quoted(holder)}}}, without "on_missing".',
    )


def unknown_target(found: str, near: str | None) -> Letter:
    return f"There is no collection {named(found)} to refer to{meant(near)}", ""


def not_referable(target: str) -> Letter:
    return (
        f"{named(target)} cannot be referred to.",
        "A reference names one record: the collection must be append or last-writer-wins, with a key of one property.",
    )


def reference_type(name: str, found: Any, target: str, key: str, wanted: str) -> Letter:
    said = f"may be {kinds(found)}" if found else "has no type"
    return (
        f"{named(name)} {said}, but the key {named(key)} of {named(target)} is {kinds(wanted)}.",
        "Give both the same type.",
    )


# --- settings


def settings_refused(file: str, problems: Iterable[Problem]) -> str:
    lines = [f"  line {one.line}: {one.message}" if one.line else f"  {one.message}" for one in problems]
    return "\n".join([f"The settings in {printable(file)} cannot be used, so nothing was done:", *lines])


SETTINGS_NOT_UTF8 = "This is not UTF-8. Save the file as UTF-8."


def settings_too_large(size: int, limit: int) -> str:
    return f"The file has {size:,} bytes; at most {limit:,} are read."


def not_yaml(why: str) -> str:
    return f"This is not YAML: {printable(why[:200])}."


def setting_twice(key: str, first: int) -> str:
    return f"{named(key)} stands twice, first in line {first}. Keep one."


def unknown_setting(at: Sequence[str | int], near: str | None) -> str:
    of = f" of {named(place(at[:-1]))}" if len(at) > 1 else ""
    return f"{named(str(at[-1]))} is not a setting{of}{meant(near)}"


_SETTING_FAULTS = {
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "tuple_type": "a list",
    "string_type": "text",
    "int_type": "a whole number",
    "literal_error": "{expected}",
    "greater_than_equal": "at least {ge:,}",
    "less_than_equal": "at most {le:,}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
}


def bad_setting(at: Sequence[str | int], fault: str, bounds: dict[str, Any], text: str, found: Any) -> str:
    """`fault`, `bounds` and `text` are pydantic's."""
    wanted = _SETTING_FAULTS.get(fault)
    said = f"expected {wanted.format(**bounds)}" if wanted else text
    return f"{place(at) or 'The file'}: {said}, found {shown(found)}."


def setting_author(text: str) -> str:
    return f"The author's name {quoted(text)} must be one line without < and >."


def setting_email(text: str) -> str:
    return f"{quoted(text)} is not an e-mail address."


def setting_path(path: str, why: str) -> str:
    return f"The path {quoted(path)} cannot be used: {why}."


def setting_folders(schemas: str, state: str) -> str:
    return f"schemas ({quoted(schemas)}) and state ({quoted(state)}) must lie apart, neither inside the other."


def setting_envelope_key(key: str) -> str:
    return f"{named(key)} is a key of every delta's envelope; it can be neither ignored nor an alias."


def setting_both(keys: Iterable[str]) -> str:
    return f"delta: {listed(keys)} cannot be both ignored and an alias."
