"""Pure. What an audit says about the state: what is wrong in a file, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from merge_bot.messages import Letter
from merge_bot.wording import counted, named, printable, quoted, shown

RESTORE = (
    "Something other than the merge damaged it. Restore it from the last good commit "
    "(git log -- FILE, then git checkout COMMIT -- FILE) and commit that."
)


def no_line(why: str) -> Letter:
    return f"Not a line of JSON: {why}.", RESTORE


def wrong_shape(wanted: str, found: Any) -> Letter:
    return f"Expected {wanted} here, found {shown(found)}.", RESTORE


def unusable(what: str) -> Letter:
    return f"This cannot be read as {what}.", RESTORE


def misfit(problem: str) -> Letter:
    return (
        f"The record does not fit its schema: {problem}.",
        "If the schema became stricter, loosen it again, or write the missing fields in a delta.",
    )


def no_key(collection: str) -> Letter:
    return (
        f"The record lacks the key fields of {named(collection)}, so nothing can refer to it or find it again.",
        "Records older than the rules may lack them; the merge leaves those alone.",
    )


def key_twice(key: str, first: str) -> Letter:
    return f"The key {quoted(key)} is there twice; it stands first in {printable(first)}.", RESTORE


def member_twice(first: int) -> Letter:
    return f"The set has this member twice; it stands first at position {first}.", RESTORE


def dangling(collection: str, value: Any, count: int) -> Letter:
    others = f" {counted(count, 'record')} refer to it." if count > 1 else ""
    return f"There is no record {shown(value)} in {named(collection)}.{others}", f"Write it into {named(collection)}."


def wrong_name(right: str) -> Letter:
    return f"The file is not named for the key that it holds: that would be {quoted(right)}.", RESTORE


def mixed_keys() -> Letter:
    return "The file holds records of more than one key.", RESTORE


def stray(collection: str) -> Letter:
    return (
        f"This is no file of the collection {named(collection)}, though it lies in its folder.",
        "Move it elsewhere: only the merge writes here.",
    )


def no_plain_file() -> Letter:
    return "This is a link or an executable file; the state is plain files.", RESTORE


def keys_disagree(segment: str) -> Letter:
    return (
        f"The key file does not hold the keys of {printable(segment)}, record by record.",
        "Remove the key file, commit that, and merge with the setting `foreign-edits: adopt`: it is made anew.",
    )


def keys_missing(path: str) -> Letter:
    return f"The segment's key file is missing: {printable(path)}.", RESTORE


def keys_of_nothing() -> Letter:
    return "The key file belongs to no segment.", RESTORE


def keys_of_no_segment(segments: Sequence[str]) -> Letter:
    more = f" and {len(segments) - 1:,} more" if len(segments) > 1 else ""
    return f"The key file holds keys of a segment that is not there: {printable(segments[0])}{more}.", RESTORE


def keys_twice(segment: str, other: str) -> Letter:
    return f"The key file covers segment {printable(segment)}, which {printable(other)} covers already.", RESTORE


def keys_unreadable() -> Letter:
    return "This cannot be read as a key file of several segments.", RESTORE


def counts_disagree(collection: str, said: int, found: int) -> Letter:
    return (
        f"The manifest says that {named(collection)} has {counted(said, 'record')}, but there are {found:,}.",
        RESTORE,
    )


def miscounts(counter: str, stands: Any, collection: str, count: int) -> Letter:
    says = "is not there" if stands is None else f"says {stands:,}" if type(stands) is int else f"says {shown(stands)}"
    return (
        f"{named(counter)} {says}, but of {named(collection)} there {'is' if count == 1 else 'are'} "
        f"{counted(count, 'record')} to count.",
        RESTORE,
    )


def manifest_missing(frame: int) -> Letter:
    return f"The manifest of frame {frame} is missing, though the one after it names it.", RESTORE


def manifest_changed(frame: int) -> Letter:
    return f"The manifest of frame {frame} is not the one that the frame after it names.", RESTORE


def foreign_edit(path: str, landed: str | None) -> Letter:
    file = printable(path)
    how = f"git checkout {landed} -- {file} (git rm {file} if it was added), and commit" if landed else RESTORE
    return (
        "The file was changed by another hand since the newest frame; a merge would stop.",
        f"To undo that: {how}. To make the change, write it as a delta.",
    )


def not_the_manifests_state(frame: int) -> Letter:
    return f"The state is not what frame {frame}'s manifest names, and no later commit explains it.", RESTORE


def uncommitted_edit(path: str, *, gone: bool) -> Letter:
    return (
        f"The file was {'removed' if gone else 'changed'} in the work tree and that is not committed; "
        "only the merge writes here.",
        f"To undo that: git checkout -- {printable(path)}. To make the change, write it as a delta.",
    )
