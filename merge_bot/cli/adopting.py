"""`init --adopt`: the files that an adoption looks at, and what it says of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merge_bot.adoption import letters
from merge_bot.page import Item, Page, Table, some
from merge_bot.safe_path import inside
from merge_bot.wording import counted, listed, printable

if TYPE_CHECKING:
    from merge_bot.adoption.adopt import Adoption
    from merge_bot.clone import Clone
    from merge_bot.findings import Problem

MAX_BYTES = 64 * 1024 * 1024
MAX_FILES = 20_000
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def adoption_of(clone: Clone, places: Sequence[str]) -> Adoption:
    """What adopting the JSON files at `places` would bring. Raises DreamcatcherError if one cannot be read."""
    from merge_bot.adoption.adopt import adopt
    from merge_bot.adoption.evidence import read
    from merge_bot.cli.around import local_rules
    from merge_bot.errors import RepositoryError, UnreadableState
    from merge_bot.messages import listing

    root = clone.repository.work_tree
    if root is None:
        raise RepositoryError(letters.no_work_tree(str(clone.repository.git_dir)))
    settings, own = local_rules(clone)
    problems: list[Problem] = []
    evidence = read(_contents(places, Path(os.path.realpath(root)), problems))
    outside = [one.path for one in evidence.states if os.path.isabs(one.path)]
    problems += evidence.problems + [letters.outside(path, str(root)) for path in outside]
    if problems:
        raise UnreadableState(f"{letters.UNREADABLE}\n{listing(sorted(problems))}", problems)
    if not evidence.states and not evidence.deltas:
        raise UnreadableState(letters.nothing_there(places))
    return adopt(evidence, settings, own)


def _contents(places: Sequence[str], root: Path, problems: list[Problem]) -> Iterator[tuple[str, bytes]]:
    """(repository path, bytes) of each file; what lies outside of the repository goes by its absolute path."""
    seen: set[str] = set()
    for place in places:
        if not os.path.lexists(place):
            raise click.BadParameter(f"{printable(place)} does not exist.")
        for file in _files(Path(os.path.realpath(place))):
            path = str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
            if path in seen:
                continue
            seen.add(path)
            if len(seen) > MAX_FILES:
                problems.append(letters.too_many(place, MAX_FILES))
                return
            size = file.stat().st_size
            if size > MAX_BYTES:
                problems.append(letters.too_large(path, size, MAX_BYTES))
            else:
                yield path, file.read_bytes()


def _files(place: Path) -> Iterator[Path]:
    """The JSON files at a place: itself, or all below it but what is hidden or linked."""
    if not place.is_dir():
        yield place
        return
    for folder, folders, names in os.walk(place):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in sorted(names):
            file = Path(folder, name)
            if name.endswith(".json") and file.is_file() and not file.is_symlink():
                yield file


def settings_text(template: bytes, adoption: Adoption) -> bytes:
    """The settings file of a new adoption: the template, and below it what the deltas need."""
    added = settings_part(adoption)
    return template + (f"\n{letters.SETTINGS_NOTE}\n{added}".encode() if added else b"")


def settings_part(adoption: Adoption) -> str:
    """The part `delta` of the settings as YAML, "" if none is needed."""
    lines = ["  aliases:", *(f"    {_yaml(key)}: {target}" for key, target in sorted(adoption.aliases.items()))]
    lines = lines if adoption.aliases else []
    if adoption.ignored:
        lines += ["  ignore:", *(f"    - {_yaml(key)}" for key in sorted(adoption.ignored))]
    return "\n".join(["delta:", *lines, ""]) if lines else ""


def _yaml(key: str) -> str:
    """A key as YAML takes it for that string and nothing else: plain words as they are, the rest quoted and escaped."""
    if _PLAIN.fullmatch(key) and key.lower() not in _YAML_WORDS:
        return key
    return "".join(
        ['"', *(one if one.isprintable() and one not in '"\\' else f"\\U{ord(one):08x}" for one in key), '"']
    )


# --- what is said


def as_data(adoption: Adoption) -> dict[str, Any]:
    """The adoption for programs."""
    return {
        "collections": [
            {
                "name": one.name,
                "strategy": one.strategy,
                "path": one.path,
                "pointer": one.pointer,
                "records": one.records,
                "delta": one.delta_keys,
                "schema": one.schema_path,
                "guesses": [guess._asdict() for guess in one.guesses],
            }
            for one in adoption.collections
        ],
        "left": [{"path": one.path, "pointer": one.pointer, "why": one.why} for one in adoption.left],
        "aliases": adoption.aliases,
        "ignored": adoption.ignored,
        "accepted": adoption.accepted,
        "refused": {path: [one.message for one in problems] for path, problems in adoption.refused.items()},
    }


def add_to(page: Page, adoption: Adoption) -> None:
    """What became of everything that was looked at."""
    items = []
    for one in adoption.collections:
        where = f"in {_place(one.path, one.pointer)}, " if one.path else ""
        head = f"{one.name}: {one.strategy}, {where}{counted(one.records, _unit(one.strategy))}"
        items.append(Item(f"{head}, fed by {listed(one.delta_keys)}", [guess.text for guess in one.guesses]))
    page.add("Collections, and why", items)
    left = [Item(_place(one.path, one.pointer), [f"{one.why}."]) for one in adoption.left]
    page.add("Left as they are", some(left))
    aside = [
        *_aside(adoption.aliases, letters.ALIASED),
        *((printable(key), why) for key, why in adoption.ignored.items()),
    ]
    page.add("Keys of the deltas that no collection takes", [Table(("key", "why"), aside)] if aside else [])
    refused = [Item(printable(path), _letters(problems)) for path, problems in adoption.refused.items()]
    page.add("Deltas that would not enter as they are", some(refused), tone="doubt")


def _place(path: str | None, pointer: str) -> str:
    return f"{printable(path or '')} at {printable(pointer)}" if pointer else printable(path or "")


def _unit(strategy: str) -> str:
    return "counter" if strategy == "sum" else "record"


def _aside(aliases: Mapping[str, str], text: str) -> Iterator[tuple[str, str]]:
    yield from ((printable(key), f"{text} {target}") for key, target in aliases.items())


def _letters(problems: Sequence[Problem]) -> list[str]:
    more = [f"and {len(problems) - 3:,} more"] if len(problems) > 3 else []
    return [*(one.message for one in problems[:3]), *more]


def remarks(adoption: Adoption, frame: int, asked: bool, folder: str, settings: str | None) -> Iterator[str]:
    """What else there is to know. `asked` says that the frame was given, `settings` is the path of one's own,
    `folder` the state's."""
    if adoption.newest is not None and not asked:
        yield letters.from_frame(frame, adoption.newest)
    if adoption.accepted or adoption.refused:
        yield letters.deltas_stay(len(adoption.accepted), len(adoption.accepted) + len(adoption.refused))
    yield from (letters.style_lost(path) for path in adoption.restyled)
    kept = {one.path for one in adoption.collections}
    idle = sorted({one.path for one in adoption.left if inside(one.path, folder)} - kept)
    if idle:
        yield letters.no_collections(idle, folder)
    if settings is not None and (part := settings_part(adoption)):
        yield letters.settings_to_add(settings, part)
