"""Pure. What is said about the past: frames that are not there, clones that do not reach them, bytes that changed."""

from __future__ import annotations

from collections.abc import Sequence

from merge_bot.wording import listed, named, printable, quoted


def no_frames(ref: str, meta: str) -> str:
    return (
        f"There are no frames on {printable(ref)}: it has no {printable(meta)}. Run `dreamcatcher init` to begin, or "
        "name another branch with --branch."
    )


def unknown_frame(frame: int, oldest: int, newest: int) -> str:
    return f"There is no frame {frame}. The frames here go from {oldest} to {newest} (`dreamcatcher log` lists them)."


def upside_down(first: int, last: int) -> str:
    return f"The range is upside down: it begins at frame {first} and ends at frame {last}. Turn the two round."


def no_landing(frame: int, ref: str) -> str:
    return (
        f"Frame {frame} is in the chain, but no commit of {printable(ref)} holds the state right after it: the history "
        "was rewritten since, or several frames came in as one commit. The frames around it can be read."
    )


def manifest_missing(path: str, frame: int) -> str:
    return (
        f"{printable(path)}, the manifest of frame {frame}, is neither in the newest commit nor in the one in which it "
        "landed. `dreamcatcher verify` tells what else is wrong."
    )


def no_collection(name: str, known: Sequence[str]) -> str:
    return f"There is no collection {quoted(name)} in that frame. There are {listed(known)}."


def no_record(collection: str, key: str, frame: int) -> str:
    return f"There is no {named(collection)} {quoted(key)} as of frame {frame}, and no frame up to then wrote one."
