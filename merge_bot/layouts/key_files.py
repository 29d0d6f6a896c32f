"""Pure. Key files: the first eight bytes of the SHA-256 of each record's key, for the segments of one collection.

A frame writes the key file of its own segment, `keys/posts/000/000405.keys`: the hashes in line order. Sixteen that
cover about as many segments become one, a *run*, `keys/posts/000400-000415.keys`: a table of segments and their numbers
of records, an empty line, then the hashes of one segment after the other. So N frames leave some 15·log16(N) files to
read, and a hash is written 1 + log16(N) times at most. A file with more than `LIGHT` hashes is left as it is: what one
frame writes has a bound, and so has a file.

Law: each line of each segment has its hash in one key file, at its place, and nothing else is in any. Which files there
are is a function of those before and of what is added. A hash is a filter, not an identity.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress, groupby
from typing import Any, NamedTuple

from merge_bot import letters
from merge_bot.canonical import KEY_BYTES
from merge_bot.collection import Collection
from merge_bot.errors import UnreadableState
from merge_bot.layouts.base import Change
from merge_bot.layouts.key_scan import Scan
from merge_bot.paths import Paths, numbered
from merge_bot.state import Files, parse_lines

FAN = 16
"""So many key files of one kind become one."""
NOTHING: set[int] = set()
FEW = 4096  # hashes that are worth remembering that they were looked up
LIGHT = 1 << 16
"""The most hashes that a file may hold to be put together with others: half a megabyte."""
MOST_FILES, MOST_HASHES = 256, FAN * LIGHT
"""What one frame takes away and writes for this at most: a repository full of small key files is put in order over
several frames, each of which can be reviewed."""

SEGMENT, KEYS = ".jsonl", ".keys"
_RUN = re.compile(r"[0-9]+-[0-9]+\.keys")
_AT_ONCE = 32  # segments without a key file that are held at once


@dataclass(slots=True, eq=False)
class KeyFile:
    """One key file: the segments that it covers, how many records each has, and the hashes of all, one after the other.

    `was` is how many of the hashes stood in key files before this frame. `stored` if there is a file at its path,
    `changed` if that is not what is here.
    """

    path: str
    names: list[str]
    sizes: list[int]
    hashes: array[int]
    was: int = 0
    stored: bool = False
    changed: bool = True

    def as_bytes(self) -> bytes:
        if not is_run(self.path.rpartition("/")[2]):
            return self.hashes.tobytes()
        rows = zip(map(_number, self.names), self.sizes, strict=True)
        return b"".join([*(b"%d %d\n" % row for row in rows), b"\n", self.hashes.tobytes()])

    @property
    def tier(self) -> int:
        """How often its segments can be divided by `FAN`."""
        tier, left = 0, len(self.names)
        while left >= FAN:
            tier, left = tier + 1, left // FAN
        return tier

    @property
    def is_light(self) -> bool:
        """Whether it may be put together with others."""
        return len(self.hashes) <= LIGHT and all(map(_is_numbered, self.names))

    @property
    def parts(self) -> Iterator[tuple[str, array[int]]]:
        """Each segment's hashes."""
        for name, end, size in zip(self.names, accumulate(self.sizes), self.sizes, strict=True):
            yield name, self.hashes[end - size : end]

    def set_parts(self, parts: Mapping[str, array[int]]) -> None:
        self.names, self.sizes = list(parts), list(map(len, parts.values()))
        self.hashes, self.changed = array("Q"), True
        for part in parts.values():
            self.hashes.extend(part)

    def hits(self, probe: set[int]) -> Iterator[tuple[str, Hit]]:
        """The segments that have one of these hashes."""
        if probe.isdisjoint(self.hashes):
            return
        ends = list(accumulate(self.sizes))
        places = compress(range(len(self.hashes)), map(probe.__contains__, self.hashes))
        for at, ones in groupby(places, lambda place: bisect_right(ends, place)):
            yield self.names[at], Hit(self.sizes[at], [place - ends[at] + self.sizes[at] for place in ones])


class Hit(NamedTuple):
    """A segment that has what was asked for: how many records it has, and the lines (from 0) whose hashes are hit."""

    size: int
    lines: list[int]


class KeyFiles:
    """The key files of one collection, read in one batch; those that are missing are made up from the segments."""

    def __init__(self, rules: Collection, files: Files, paths: Paths) -> None:
        """Raises UnreadableState for what cannot be read, and for segments that are not there or covered twice."""
        self._rules, self._files, self._folder = rules, files, paths.keys(rules.name)
        self._known: dict[str, KeyFile] = {}
        self._holders: dict[str, KeyFile] = {}
        self._left: set[str] = set()
        self._asked: set[int] = set()
        self._found: dict[str, set[int]] = {}
        self._read()

    def present(self, probe: set[int], soon: set[int] = NOTHING) -> set[int]:
        """Those of the hashes that some record's key has; those in `soon` are asked for later, and looked up with them.

        Looking goes through all hashes, so what was looked up is remembered, unless it is much.
        """
        if len(probe) > FEW:
            return set().union(*(probe.intersection(one.hashes) for one in self._known.values()))
        if not probe <= self._asked:
            wanted = (probe | soon) - self._asked
            scan = Scan(wanted)
            for path, one in self._known.items():
                if found := scan.among(one.hashes):
                    self._found[path] = self._found.get(path, set()) | found
            self._asked |= wanted
        return set().union(*(probe & found for found in self._found.values()))

    def hits(self, probe: set[int]) -> dict[str, Hit]:
        """By segment (000/000405) in order, where these hashes are."""
        places = list(self._known.values())
        if len(probe) <= FEW:
            self.present(probe)
            places = [self._known[path] for path, found in self._found.items() if not probe.isdisjoint(found)]
        return dict(sorted(hit for one in places for hit in one.hits(probe)))

    def add(self, name: str, hashes: array[int]) -> None:
        """Records that a segment gets after those that it has."""
        one = self._holders.get(name)
        self.put(name, dict(one.parts)[name] + hashes if one else hashes)

    def put(self, name: str, hashes: array[int]) -> None:
        """The hashes of a segment, in line order, whatever was known of it."""
        self._asked, self._found = set(), {}
        one = self._holders.get(name)
        if one is None:
            self._enter(KeyFile(self._path(name), [name], [len(hashes)], hashes))
        else:
            one.set_parts({**dict(one.parts), name: hashes})

    def compact(self) -> None:
        """Put together what has become many; the oldest go first."""
        self._asked, self._found = set(), {}
        light: dict[int, list[KeyFile]] = {}
        for one in sorted(self._known.values(), key=_first):
            if one.is_light:
                light.setdefault(one.tier, []).append(one)
        files, hashes, tier = MOST_FILES, MOST_HASHES, 0
        while any(other >= tier for other in light):
            while len(group := light.get(tier, [])[:FAN]) == FAN:
                files -= sum(one.stored for one in group)
                hashes -= sum(len(one.hashes) for one in group)
                if min(files, hashes) < 0:
                    return
                del light[tier][:FAN]
                made = self._together(group)
                if made.is_light:
                    insort(light.setdefault(made.tier, []), made, key=_first)
            tier += 1

    def changes(self) -> Iterator[Change]:
        """The files that are to be written, and (without bytes) those that are to go."""
        for path, one in sorted(self._known.items()):
            if one.changed:
                yield Change(path, one.as_bytes(), one.was, len(one.hashes))
        yield from (Change(path, None, 0, 0) for path in sorted(self._left - self._known.keys()))

    def _together(self, group: list[KeyFile]) -> KeyFile:
        for one in group:
            del self._known[one.path]
            for name in one.names:
                del self._holders[name]
        self._left.update(one.path for one in group if one.stored)
        parts = dict(sorted((part for one in group for part in one.parts), key=lambda part: _number(part[0])))
        names = list(parts)
        path = run_path(self._folder, _number(names[0]), _number(names[-1]))
        made = KeyFile(path, [], [], array("Q"), sum(one.was for one in group))
        made.set_parts(parts)
        self._enter(made)
        return made

    # --- reading

    def _read(self) -> None:
        names = list(segment_names(self._files, self._rules.path))
        there = set(names)
        singles = {one: self._path(one) for one in names_in(self._files, self._folder, KEYS) if one in there}
        runs = run_paths(self._files, self._folder)
        contents = self._files.read_many([*singles.values(), *runs])
        for path in runs:
            one = parse_run(contents.pop(path), path)
            if strangers := [name for name in one.names if name not in there]:
                raise UnreadableState(letters.keys_of_nothing(path, strangers[0]))
            self._enter(one)
        for name, path in singles.items():
            self._enter(_single(contents.pop(path), path, name))
        missing = [name for name in names if name not in self._holders]
        for start in range(0, len(missing), _AT_ONCE):
            self._make_up(missing[start : start + _AT_ONCE])

    def _make_up(self, names: list[str]) -> None:
        """The key files of segments that have none, from their records."""
        paths = {f"{self._rules.path}/{name}{SEGMENT}": name for name in names}
        for path, data in self._files.read_many(paths).items():
            self.put(paths[path], hashes_of(self._rules, parse_lines(data, path)))

    def _enter(self, one: KeyFile) -> None:
        self._known[one.path] = one
        for name in one.names:
            if name in self._holders:
                raise UnreadableState(letters.keys_twice(one.path, name, self._holders[name].path))
            self._holders[name] = one

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}{KEYS}"


# --- places and bytes


def segment_names(files: Files, folder: str) -> Iterator[str]:
    """The segments of a collection whose folder this is: 000/000405."""
    return names_in(files, folder, SEGMENT)


def names_in(files: Files, folder: str, ending: str) -> Iterator[str]:
    """What the files with this ending are called that lie in folders of a thousand (000/000405), in order.

    Raises UnreadableState for what is no plain file.
    """
    for thousand, entry in sorted(files.folder(folder).items()):
        for name, one in sorted(files.folder(f"{folder}/{thousand}").items()) if entry.is_tree else ():
            if name.endswith(ending):
                if not one.is_file:
                    raise UnreadableState(letters.wrong_shape(f"{folder}/{thousand}/{name}", "a plain file"))
                yield f"{thousand}/{name.removesuffix(ending)}"


def run_paths(files: Files, folder: str) -> list[str]:
    """The paths of the runs in a folder of key files. Raises UnreadableState for what is no plain file."""
    runs = {f"{folder}/{name}": one for name, one in sorted(files.folder(folder).items()) if is_run(name)}
    for path, one in runs.items():
        if not one.is_file:
            raise UnreadableState(letters.wrong_shape(path, "a plain file"))
    return list(runs)


def is_run(name: str) -> bool:
    """Whether a file of this name covers several segments."""
    return _RUN.fullmatch(name) is not None


def run_path(folder: str, first: int, last: int) -> str:
    return f"{folder}/{first:06d}-{last:06d}{KEYS}"


def parse_run(data: bytes, path: str) -> KeyFile:
    """The run in these bytes. Raises UnreadableState if they are not what a run's are."""
    head, _, body = data.partition(b"\n\n")
    try:
        rows = [(int(number), int(size)) for number, size in (row.split(b" ") for row in head.split(b"\n"))]
    except ValueError:
        rows = []
    numbers, sizes = [number for number, _ in rows], [size for _, size in rows]
    if (
        not rows
        or b"\n".join(b"%d %d" % row for row in rows) != head
        or sorted({*numbers, -1}) != [-1, *numbers]
        or min(sizes) < 0
        or sum(sizes) * KEY_BYTES != len(body)
        or run_path(path.rpartition("/")[0], numbers[0], numbers[-1]) != path
    ):
        raise UnreadableState(letters.wrong_shape(path, "a table of segments and the key hashes of all their records"))
    hashes = array("Q", body)
    return KeyFile(path, list(map(numbered, numbers)), sizes, hashes, len(hashes), stored=True, changed=False)


def _single(data: bytes, path: str, name: str) -> KeyFile:
    if len(data) % KEY_BYTES:
        raise UnreadableState(letters.wrong_shape(path, "whole key hashes"))
    hashes = array("Q", data)
    return KeyFile(path, [name], [len(hashes)], hashes, len(hashes), stored=True, changed=False)


def hashes_of(rules: Collection, records: Sequence[Mapping[str, Any]]) -> array[int]:
    """The hashes of a segment that holds these records."""
    marks: Any = rules.marks_of(records)
    return array("Q", marks)


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])


def _is_numbered(name: str) -> bool:
    """Whether a segment is called as the merge calls it, and not by other hands."""
    number = name.rpartition("/")[2]
    return number.isascii() and number.isdecimal() and name == numbered(int(number))


def _first(one: KeyFile) -> tuple[bool, int, str]:
    name = one.names[0]
    return (True, _number(name), name) if _is_numbered(name) else (False, 0, name)
