"""A worker's way to the inbox: compose a delta, hold it to what the bot will hold it to, put it in whole or not at all.

The rules are read from the work tree: `.github/dreamcatcher.yml` and the schemas. What only refused deltas need, and
the settings where there is no file of them, is never loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merge_bot import delivery, letters, schemas, worker_letters
from merge_bot.collection import Collections
from merge_bot.control_schema import CONTROL
from merge_bot.delta import MAX_FRAME, STREAM_ID, format_utc
from merge_bot.errors import DeltaRejected, DreamcatcherError, RepositoryError, SchemaError
from merge_bot.findings import Problem, Reason, Rejection
from merge_bot.paths import Paths
from merge_bot.plain import plain
from merge_bot.state import MemoryFiles, read_meta
from merge_bot.strict_json import parse, pointer
from merge_bot.validate import Rules, given, validate
from merge_bot.workers import Workers

if TYPE_CHECKING:
    from merge_bot.settings import Settings

# The defaults of `settings`, which takes longer to load than a delta to write.
SETTINGS_PATH = ".github/dreamcatcher.yml"
SCHEMAS = "schemas"
ENVELOPE = ("frame", "stream_id", "utc", "_meta")


def write_delta(
    frame: int,
    deltas: Mapping[str, Any],
    *,
    stream_id: str,
    root: str | os.PathLike[str] = ".",
    utc: str | datetime | None = None,
    run: str | None = None,
    epoch: int | None = None,
    status: str | None = None,
    check: bool = True,
    replace: bool = False,
) -> Path:
    """Write one delta into the inbox of the repository at `root`, whole or not at all. Returns the file's path.

    `deltas` holds the operations by delta key: `{"posts_created": [{…}], "stats_increments": {"total_posts": 1}}`.
    `utc` is when (RFC 3339 with an offset, or an aware datetime), by default now, to the microsecond. `run` names this
    run of the worker: a second run in the same frame needs another name, a retry the same. `epoch` and `status`
    ("fallback": I tried and have nothing) go into `_meta` as they are.

    The delta is held to the settings and schemas in the work tree by the bot's own validation, and DeltaRejected
    lists everything that is wrong. Where there are no schemas, or with `check=False`, that is the JSON and the
    envelope alone. A delta that already stands in the same slot is not overwritten (SlotTaken) unless it says nothing,
    or `replace` says that this one takes its place; a fallback takes no delta's place.

    Also raises DeliveryFailed if the file system refuses, SchemaError and SettingsError if the rules cannot be used.
    """
    meta = {"status": status, "epoch": epoch, "run": run or None}
    return Desk.open(root).write(
        frame,
        stream_id,
        deltas,
        {name: one for name, one in meta.items() if one is not None},
        utc=utc,
        check=check,
        replace=replace,
    )


@dataclass(frozen=True, slots=True)
class Desk:
    """What a worker needs of a repository: its rules, its clock, its inbox. `schemas` is the folder they came from."""

    root: Path
    paths: Paths
    schemas: Path
    rules: Rules

    @classmethod
    def open(cls, root: str | os.PathLike[str]) -> Desk:
        """Read the rules under `root` as they are now. Raises RepositoryError, SettingsError, SchemaError."""
        folder = Path(root)
        if not folder.is_dir():
            raise RepositoryError(worker_letters.no_root(str(folder)))
        data = _read(folder / SETTINGS_PATH)
        settings = _settings(data) if data is not None else None
        state, schemas_folder = (settings.state, settings.schemas) if settings else (Paths().state, SCHEMAS)
        return cls(
            folder, Paths(state), folder / schemas_folder, _rules(data, state, _schema_files(folder, schemas_folder))
        )

    @property
    def collections(self) -> Collections:
        return self.rules.collections

    def open_frame(self) -> int:
        """The frame that is open now. Raises RepositoryError where there is no clock, UnreadableState if damaged."""
        data = _read(self.root / self.paths.meta)
        meta = read_meta(MemoryFiles({self.paths.meta: data}), self.paths) if data is not None else None
        if meta is None:
            raise RepositoryError(worker_letters.no_clock(str(self.root / self.paths.meta)))
        return meta.frame

    def epoch(self, stream_id: str) -> int | None:
        """The epoch that a worker's delta needs, as this copy knows it; see `Workers.epoch_of`."""
        data = _read(self.root / self.paths.workers)
        if data is None:
            return None
        return Workers.read(MemoryFiles({self.paths.workers: data}), self.paths).epoch_of(stream_id)

    def write(
        self,
        frame: int,
        stream_id: str,
        deltas: Mapping[str, Any],
        meta: Mapping[str, Any],
        *,
        utc: str | datetime | None = None,
        check: bool = True,
        replace: bool = False,
    ) -> Path:
        """Check and deliver one delta; see `write_delta`."""
        name = delta_name(frame, stream_id, meta.get("run"))
        data = self.encode(name, frame, stream_id, deltas, meta, utc=utc, check=check)
        return delivery.deliver(self.root, self.paths.inbox, name, data, replace=replace)

    def encode(
        self,
        name: str,
        frame: int,
        stream_id: str,
        deltas: Mapping[str, Any],
        meta: Mapping[str, Any],
        *,
        utc: str | datetime | None = None,
        check: bool = True,
    ) -> bytes:
        """The bytes of a delta that may enter. Raises DeltaRejected, which lists every problem."""
        problems: list[Problem] = []
        operations = _operations(deltas, name, problems)
        envelope = {"frame": frame, "stream_id": stream_id, "utc": _utc(utc, name, problems)}
        document = plain({**envelope, **operations, **({"_meta": dict(meta)} if meta else {})}, name, problems)
        data = given(name, document).data or b""
        problems += unknown_of(self._problems(name, document, data, check), problems)
        if problems:
            raise DeltaRejected(worker_letters.rejected(worker_letters.WHOLE, problems), problems)
        return data

    def _problems(self, name: str, document: Mapping[str, Any], data: bytes, check: bool) -> Iterable[Problem]:
        if not check or not self.collections:
            if found := parse(data, name, max_bytes=self.rules.max_bytes).problems:
                return found
            data = given(name, {key: one for key, one in document.items() if key in (*ENVELOPE, CONTROL)}).data or b""
        verdict = validate(given(name, data), self.rules)
        return verdict.problems if isinstance(verdict, Rejection) else ()


def delta_name(frame: object, stream_id: object, run: object = None) -> str:
    """The file name of a delta; where its envelope is wrong, so that there is none, a word for it."""
    fits = type(frame) is int and 0 <= frame <= MAX_FRAME and isinstance(stream_id, str) and STREAM_ID.match(stream_id)
    if not fits:
        return "delta"
    assert isinstance(frame, int) and isinstance(stream_id, str)
    return delivery.slot_name(frame, stream_id, run if isinstance(run, str) else None)


def unknown_of(problems: Iterable[Problem], known: Iterable[Problem]) -> list[Problem]:
    """Those of `problems` that are not about values known to be wrong, without lines: there is no file yet."""
    told = {one.pointer for one in known}
    keys = {where.rpartition("/")[0] for where in told}  # a value that is no JSON may have been a record's key
    return [
        one._replace(line=0)
        for one in problems
        if one.pointer not in told and not (one.reason == Reason.NO_KEY and one.pointer in keys)
    ]


def _operations(deltas: object, name: str, problems: list[Problem]) -> dict[Any, Any]:
    if not isinstance(deltas, Mapping):
        problems.append(Problem(name, 0, "", Reason.NOT_AN_OBJECT, *worker_letters.no_dict(deltas)))
        return {}
    for key in ENVELOPE:
        if key in deltas:
            letter = worker_letters.envelope_key(key)
            problems.append(Problem(name, 0, pointer(key), Reason.UNKNOWN_KEY, *letter))
    return dict(deltas)


def _utc(utc: object, name: str, problems: list[Problem]) -> object:
    if utc is None:
        utc = datetime.now(UTC)
    if not isinstance(utc, datetime):
        return utc
    if utc.utcoffset() is None:
        problems.append(Problem(name, 0, "/utc", Reason.BAD_UTC, *worker_letters.naive_time()))
        return ""
    return format_utc(utc)


def _read(path: Path) -> bytes | None:
    """A file's bytes, None if there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DreamcatcherError(worker_letters.unreadable(str(path), error)) from error


def _schema_files(root: Path, folder: str) -> tuple[tuple[str, bytes], ...]:
    """(repository path, bytes) of each schema in the work tree."""
    try:
        names = sorted(name for name in os.listdir(root / folder) if name.endswith(schemas.ENDING))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise DreamcatcherError(worker_letters.unreadable(str(root / folder), error)) from error
    return tuple((f"{folder}/{name}", data) for name in names if (data := _read(root / folder / name)) is not None)


@lru_cache(maxsize=4)
def _settings(data: bytes) -> Settings:
    from merge_bot.settings import Settings

    return Settings.load(data)


@lru_cache(maxsize=4)
def _rules(settings: bytes | None, state: str, files: tuple[tuple[str, bytes], ...]) -> Rules:
    """The rules in these bytes, compiled. Kept, because a process often writes more than one delta."""
    collections, problems = schemas.load(dict(files), state=state)
    if problems:
        raise SchemaError(letters.problems_in("The schemas cannot be used", problems))
    return Rules(collections, _settings(settings) if settings is not None else None)
