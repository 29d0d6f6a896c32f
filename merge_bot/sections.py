"""Pure. A document of sections: one Markdown file that many authors write, each his own part of it.

The file is a line of Markdown that no reader sees, `<!-- section: NAME -->`, the section's text byte for byte, a line
feed; then the next section. So it can be read back exactly, and the bytes of a section that nobody wrote to are those
that were there. The sections stand in the order that the schema declares; those that it names no longer come last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from merge_bot.collection import Section
from merge_bot.errors import UnreadableState
from merge_bot.messages import Letter
from merge_bot.wording import named, printable, quoted

NAME, TEXT = "section", "text"
ENDING = ".md"
_MARK = re.compile(r"^<!-- section: (.*) -->$", re.MULTILINE)


def parsed(data: bytes, path: str) -> dict[str, dict[str, str]]:
    """{section: {"text": …}} in the order of the file. Raises UnreadableState if it is no such document."""
    try:
        document = data.decode()
    except UnicodeDecodeError as error:
        raise UnreadableState(unreadable(path, "it is not UTF-8")) from error
    marks = list(_MARK.finditer(document))
    starts = [mark.start() for mark in marks]
    if document and (not marks or starts[0] or not document.endswith("\n")):
        raise UnreadableState(unreadable(path, "it does not begin with a section, or is cut off"))
    found: dict[str, dict[str, str]] = {}
    for at, mark in enumerate(marks):
        text = document[mark.end() + 1 : starts[at + 1] if at + 1 < len(starts) else len(document)]
        if mark[1] in found or not text.endswith("\n"):
            raise UnreadableState(unreadable(path, f"the section {quoted(mark[1])} is there twice, or cut off"))
        found[mark[1]] = {TEXT: text[:-1]}
    return found


class SectionsStyle(NamedTuple):
    """How such a document is written; `order` names the declared sections."""

    order: tuple[str, ...]

    def written(self, value: Mapping[str, Mapping[str, str]]) -> bytes:
        names = [one for one in self.order if one in value]
        names += [one for one in value if one not in self.order]
        return "".join(f"<!-- section: {one} -->\n{value[one][TEXT]}\n" for one in names).encode()


def fault(sections: Sequence[Section], stream_id: str, record: Mapping[str, Any]) -> tuple[str, Letter] | None:
    """Why a worker may not write this: (the field at fault, the letter); None if it may."""
    declared = {one.name: one for one in sections}
    section = declared.get(record[NAME])
    if section is None:
        return NAME, no_section(record[NAME], sorted(declared))
    if section.owner is not None and section.owner != stream_id:
        return NAME, not_the_owner(section.name, section.owner, stream_id)
    if mark := _MARK.search(record[TEXT]):
        return TEXT, marked(mark[0])
    return None


def mistakes(
    schema: Mapping[str, Any], rules: Mapping[str, Any], path: str
) -> Iterator[tuple[tuple[str | int, ...], Letter]]:
    """What is wrong with a schema of sections, beside what is wrong with any."""
    properties = schema.get("properties", {})
    plain = all(isinstance(one, dict) and one.get("type") == "string" for one in properties.values())
    whole = set(schema.get("required", [])) == {NAME, TEXT} and schema.get("additionalProperties") is False
    if set(properties) != {NAME, TEXT} or not plain or not whole:
        yield (), unlike_sections()
    if not path.endswith(ENDING):
        yield ("x-merge", "path"), no_markdown(path)
    names = [one["name"] for one in rules["sections"]]
    for position, name in enumerate(names):
        if name in names[:position]:
            yield ("x-merge", "sections", position), declared_twice(name)


# --- letters


def unreadable(path: str, why: str) -> str:
    return (
        f"{printable(path)} cannot be read as a document of sections: {why}. Restore it from the last good commit "
        "(git log -- FILE, then git checkout COMMIT -- FILE), commit that, and merge again. The pending deltas wait. A "
        "document that was there before gets a line <!-- section: NAME --> before each section, from its first byte on."
    )


def no_section(found: str, known: Sequence[str]) -> Letter:
    return (
        f"There is no section {quoted(found)}.",
        f"Write one of {', '.join(map(named, known))}, or declare it in the schema's x-merge.",
    )


def not_the_owner(section: str, owner: str, stream_id: str) -> Letter:
    return (
        f"The section {named(section)} is {named(owner)}'s alone, and {named(stream_id)} wrote to it.",
        f"Let {named(owner)} write it, or let the schema name another owner, or none.",
    )


def marked(line: str) -> Letter:
    return (
        f"A line of the text would begin a section: {quoted(line)}.",
        "Leave that line out; write to the other section by an operation of its own.",
    )


def unlike_sections() -> Letter:
    return (
        "An operation on a document names a section and gives its text, and nothing else.",
        'Write "properties": {"section": {"type": "string"}, "text": {"type": "string"}}, both of them in "required", '
        'and "additionalProperties": false.',
    )


def no_markdown(path: str) -> Letter:
    return f"A document of sections is a Markdown file, which {quoted(path)} is not.", "Let the path end in .md."


def declared_twice(name: str) -> Letter:
    return f"The section {named(name)} is declared twice.", "Keep one."
