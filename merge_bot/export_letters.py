"""Pure. What is said about taking a frame's state out for other tools."""

from __future__ import annotations

from merge_bot.wording import printable


def is_there(place: str) -> str:
    return (
        f"{printable(place)} is there already, so nothing was written. Name another place, or overwrite it with "
        "--force."
    )


def no_file(place: str) -> str:
    return f"{printable(place)} is a folder, so no file can be written there. Nothing was written."


def no_folder(place: str) -> str:
    return (
        f"{printable(place)} is a file, so no folder can be made there. Nothing was written. A tar archive ends in "
        ".tar, an SQLite database in .sqlite or .db."
    )


def cannot_write(place: str, why: str) -> str:
    return f"{printable(place)} cannot be written: {why}. Nothing is left half-written under that name."


def no_library() -> str:
    return (
        "An SQLite database needs the library sqlite-utils, which is not installed. Install it with\n"
        "  pip install 'dreamcatcher[sqlite]'\n"
        "or export to a folder or a .tar, which need nothing."
    )
