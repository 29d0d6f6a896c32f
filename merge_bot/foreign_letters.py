"""Pure. What is said about taking in, or undoing, what another hand changed in the state."""

from __future__ import annotations

from collections.abc import Sequence

from merge_bot.findings import Problem, Reason
from merge_bot.wording import counted, named, printable, quoted

_MANY = 20


def cannot(way: str, problems: Sequence[str]) -> str:
    """The lines that a letter about foreign edits says beside what changed."""
    shown = [f"  {one}" for one in problems[:_MANY]]
    if len(problems) > _MANY:
        shown.append(f"  and {len(problems) - _MANY:,} more")
    what = "taken in" if way == "adopt" else "undone"
    return "\n".join([f"The settings say foreign-edits: {way}, but this cannot be {what}:", *shown])


def books(path: str) -> str:
    return f"{printable(path)} is kept by the merge for itself, and is never taken over from anybody else"


def no_plain_file(path: str) -> str:
    return f"{printable(path)} is no plain file (mode 100644)"


def file_removed(path: str) -> str:
    return f"{printable(path)} was removed, and a collection never gets smaller"


def record_removed(collection: str, key: str) -> str:
    return f"{_record(collection, key)} was removed, and a collection never gets smaller"


def field_removed(collection: str, key: str, name: str) -> str:
    return f"{_record(collection, key)} lost its field {named(name)}, and the merge only adds"


def misfit(collection: str, key: str, problem: str) -> str:
    return f"{_record(collection, key)} does not fit its schema: {printable(problem)}"


def no_key(collection: str) -> str:
    return f"{printable(collection)} got a record without its key fields"


def twice(collection: str, key: str) -> str:
    return f"{_record(collection, key)} stands there twice"


def dangling(collection: str, key: str, target: str, value: object) -> str:
    return f"{_record(collection, key)} refers to {printable(target)} {printable(str(value))}, which is not there"


def misplaced(path: str, collection: str) -> str:
    return f"{printable(path)} is no name that a file of {printable(collection)} can have"


def unreadable(letter: str) -> Sequence[str]:
    """The places of a letter about unreadable state."""
    lines = [line.strip() for line in letter.splitlines()[1:3]]
    return [" ".join(line for line in lines if line)]


def nobody_knows() -> str:
    return (
        "no commit holds the state that the newest frame's manifest proves, and merging that frame anew gives another"
    )


def _record(collection: str, key: str) -> str:
    return f"{printable(collection)} {quoted(key)}" if key else printable(collection)


def reverted(path: str, author: str, commit: str, date: str, frame: int) -> Problem:
    """The letter beside reverted bytes."""
    by = f" by {printable(author)} in {commit[:10]} on {date}" if commit else ""
    return Problem(
        path, 0, "", Reason.FOREIGN_EDIT,
        f"The file was changed{by}, and only the merge writes there; frame {frame} put back what it had proven.",
        "If the change was meant, write it as a delta: its bytes are kept beside this receipt.",
    )  # fmt: skip


def adopted_note(author: str, commit: str, date: str) -> str:
    return f"changed by {printable(author)} in {commit[:10]} on {date}" if commit else "nobody knows who changed it"


def commit_message(kind: str, frame: int, files: int, digest: str) -> str:
    """Subject and trailers of the commit: no path and no name of anybody's."""
    what = "taken in" if kind == "adopt" else "undone"
    subject = f"{kind} frame {frame}: {counted(files, 'file')} changed by another hand, {what}"
    return f"{subject}\n\nDreamcatcher-Frame: {frame}\nDreamcatcher-Manifest: {digest}\n"


def not_undone(frame: int) -> str:
    return (
        f"Undoing what another hand changed does not give the state that frame {frame}'s manifest proves, so nothing "
        "was written. Please report it, with the output of `dreamcatcher verify`."
    )
