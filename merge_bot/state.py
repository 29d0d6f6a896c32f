"""Pure. The canonical state as the merge sees it: the files of one commit, and how each kind is read.

Unreadable state stops the merge: no reader here falls back to an empty value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

from merge_bot import letters, strict_json
from merge_bot.errors import UnreadableState
from merge_bot.paths import Paths
from merge_bot.tree import FILE, TREE, Entry, edited, object_id

_DEPTH = 250


class Stored(Protocol):
    """The content of a finished file that is written elsewhere, and no longer held here."""

    @property
    def entry(self) -> Entry:
        """What the file is in a tree."""

    @property
    def sha256(self) -> str:
        """The digest of the content, in hex."""


Content = bytes | Stored


class Files(Protocol):
    """The files of one commit. Paths are relative to the repository's root, with `/`."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None if there is no such file."""

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The bytes of those of `paths` that exist, in one batch."""

    def expect(self, paths: Iterable[str]) -> None:
        """These files are read soon: an implementation may begin to."""

    def folder(self, path: str) -> Mapping[str, Entry]:
        """A folder's entries by name; empty if there is no such folder."""

    def folders(self, paths: Iterable[str]) -> dict[str, Mapping[str, Entry]]:
        """`folder` of each path, all in one batch."""

    def entry(self, path: str) -> Entry | None:
        """What lies at a path, None if nothing does."""

    def entries(self, tree: str) -> Mapping[str, Entry]:
        """The entries of a tree id that `entry` or `folder` gave."""


class MemoryFiles:
    """Files held in a dict: the reference meaning of `Files`."""

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        self.files = dict(files or {})
        self._folders: dict[str, str] = {}

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        return {path: self.files[path] for path in paths if path in self.files}

    def expect(self, paths: Iterable[str]) -> None:
        """Nothing is quicker to read than what is in memory."""

    def folder(self, path: str) -> Mapping[str, Entry]:
        names = {name[len(path) + 1 :].partition("/")[0] for name in self.files if name.startswith(path + "/")}
        return {name: entry for name in sorted(names) if (entry := self.entry(f"{path}/{name}"))}

    def folders(self, paths: Iterable[str]) -> dict[str, Mapping[str, Entry]]:
        return {path: self.folder(path) for path in paths}

    def entry(self, path: str) -> Entry | None:
        if path in self.files:
            return Entry(FILE, object_id("blob", self.files[path]))
        below = {
            name[len(path) + 1 :]: Entry(FILE, object_id("blob", data))
            for name, data in self.files.items()
            if name.startswith(path + "/")
        }
        if not below:
            return None
        tree = edited(None, below, self.entries)
        self._folders[tree] = path
        return Entry(TREE, tree)

    def entries(self, tree: str) -> Mapping[str, Entry]:
        return self.folder(self._folders[tree])


class Overlay:
    """Files with further ones laid over them (None: one that is gone). Ids of trees are the lower files' alone."""

    def __init__(self, below: Files, above: Mapping[str, bytes | None]) -> None:
        self._below = below
        self._above = MemoryFiles({path: data for path, data in above.items() if data is not None})
        self._gone = above.keys() - self._above.files.keys()

    def read(self, path: str) -> bytes | None:
        data = self._above.read(path)
        return self._below.read(path) if data is None and path not in self._gone else data

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        return {path: data for path in paths if (data := self.read(path)) is not None}

    def expect(self, paths: Iterable[str]) -> None:
        self._below.expect(path for path in paths if self._above.entry(path) is None)

    def folder(self, path: str) -> Mapping[str, Entry]:
        both = {**self._below.folder(path), **self._above.folder(path)}
        return {name: entry for name, entry in both.items() if f"{path}/{name}" not in self._gone}

    def folders(self, paths: Iterable[str]) -> dict[str, Mapping[str, Entry]]:
        return {path: {**below, **self._above.folder(path)} for path, below in self._below.folders(paths).items()}

    def entry(self, path: str) -> Entry | None:
        return self._above.entry(path) or (None if path in self._gone else self._below.entry(path))

    def entries(self, tree: str) -> Mapping[str, Entry]:
        return self._below.entries(tree)


def read_json(files: Files, path: str, missing: Any = None) -> Any:
    """The value of a JSON file of the state; `missing` if there is no such file.

    Raises UnreadableState, naming file and line, if it is there and cannot be read.
    """
    data = files.read(path)
    return missing if data is None else parse_json(data, path)


def parse_json(data: bytes, path: str) -> Any:
    """The value of a JSON file of the state. Raises UnreadableState with file and line."""
    parsed = strict_json.parse(data, path, max_depth=_DEPTH)
    if parsed.problems:
        raise UnreadableState(letters.unreadable_state(parsed.problems))
    return parsed.value


def parse_lines(data: bytes, path: str) -> list[dict[str, Any]]:
    """The records of a `.jsonl` file of the state, each an object. Raises UnreadableState with file and line."""
    if data and not data.endswith(b"\n"):
        raise UnreadableState(letters.unreadable_lines(path, data.count(b"\n") + 1, "the last line is cut off"))
    lines = data.split(b"\n")[:-1]
    try:
        records: list[Any] = orjson.loads(b"[" + b",".join(lines) + b"]")
        if len(records) == len(lines) and all(type(record) is dict for record in records):
            return records
    except orjson.JSONDecodeError:
        pass
    for number, one in enumerate(lines, start=1):
        try:
            record = orjson.loads(one)
        except orjson.JSONDecodeError as error:
            raise UnreadableState(letters.unreadable_lines(path, number, error.msg)) from None
        if type(record) is not dict:
            raise UnreadableState(letters.unreadable_lines(path, number, "each line holds one object"))
    raise UnreadableState(letters.unreadable_lines(path, 1, "lines and records do not match"))


def count_lines(data: bytes, path: str) -> int:
    """How many records a `.jsonl` file of the state holds, none of them read: each line begins and ends as an object.

    Raises UnreadableState with file and line if one does not, as where a conflict marker was committed.
    """
    ends = data.count(b"\n")
    if data.startswith(b"{") and data.endswith(b"}\n") and data.count(b"}\n{") == ends - 1:
        return ends
    return len(parse_lines(data, path))


class Meta(NamedTuple):
    """`_meta.json`: the open frame, as of when, and the digest of the newest manifest."""

    frame: int
    as_of: str
    manifest: str

    def as_json(self) -> dict[str, Any]:
        return {"frame": self.frame, "as_of": self.as_of, "manifest": self.manifest}


def read_meta(files: Files, paths: Paths) -> Meta | None:
    """The frame clock; None where there is none yet. Raises UnreadableState if it is damaged."""
    value = read_json(files, paths.meta)
    if value is None:
        return None
    match value:
        case {"frame": int(frame), "as_of": str(as_of), "manifest": str(manifest)} if type(frame) is int and frame >= 1:
            return Meta(frame, as_of, manifest)
    raise UnreadableState(letters.wrong_shape(paths.meta, 'an object with "frame", "as_of" and "manifest"'))
