"""Collect: everything that a frame is made from, at one base commit. Bytes and where they came from, nothing parsed.

Settings, schemas and state come from git objects of the base commit, never from files of a work tree. Before
anything is merged, the live state is held against the newest manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from merge_bot import letters, schemas
from merge_bot.collection import Collections
from merge_bot.commit_files import CommitFiles
from merge_bot.delta import Candidate
from merge_bot.edits import Edits, archive_edits, find_edits, told_records
from merge_bot.errors import ForeignEdit, GuardError, RepositoryError, SchemaError
from merge_bot.git import Repository
from merge_bot.manifest import GENESIS, MERGE, Manifest, read_manifest
from merge_bot.paths import Paths
from merge_bot.policy import with_policies
from merge_bot.settings import SETTINGS_PATH, Settings
from merge_bot.state import Files, Meta, parse_json, read_meta
from merge_bot.transports.base import MUCH, Span, Transport
from merge_bot.validate import Rules


class Base(NamedTuple):
    """One commit, read as Dream Catcher's: its settings, schemas, clock and newest manifest."""

    commit: str
    files: CommitFiles
    settings: Settings
    settings_id: str | None
    schema_ids: dict[str, str]
    paths: Paths
    collections: Collections
    rules: Rules
    meta: Meta
    manifest: Manifest


class Collected(NamedTuple):
    """What a frame is made from. `landed` is the commit in which the frame before came to the branch, if known."""

    base: Base
    candidates: Sequence[Candidate]
    transport: Transport
    landed: str | None = None


def read_settings(files: Files, path: str = SETTINGS_PATH) -> Settings:
    """The settings of a commit, defaults where there is no file. Raises SettingsError."""
    return Settings.load(files.read(path), path)


def settings_and(files: CommitFiles, path: str, then: Callable[[CommitFiles, Settings], Iterable[str]]) -> Settings:
    """The settings, and what is read `then` brought with them, where contents stay elsewhere until they are read.

    Where the state and the schemas lie is in the settings, so the usual places are looked into first. Raises as
    `read_settings`.
    """
    usual = Settings()
    files.ahead([path, *then(files, usual)])
    settings = read_settings(files, path)
    if (settings.state, settings.schemas) != (usual.state, usual.schemas):
        files.ahead(then(files, settings))
    return settings


def read_schemas(files: Files, settings: Settings) -> tuple[Collections, dict[str, str]]:
    """The collections of a commit, and each schema file's blob id. Raises SchemaError listing every problem."""
    entries = files.folder(settings.schemas)
    ids = {
        f"{settings.schemas}/{name}": entry.id
        for name, entry in sorted(entries.items())
        if name.endswith(".schema.json") and entry.is_file
    }
    collections, problems = schemas.load(files.read_many(ids), state=settings.state)
    if problems:
        raise SchemaError(letters.problems_in("The schemas cannot be used", problems))
    if not collections:
        raise SchemaError(letters.no_schemas(settings.schemas))
    return with_policies(collections, settings.conflicts), ids


def open_base(repository: Repository, commit: str, settings_path: str = SETTINGS_PATH) -> Base:
    """Read a commit as the base of a frame. Raises as `read_base`, and ForeignEdit if canonical state is not what the
    newest manifest proves.
    """
    base = read_base(repository, commit, settings_path)
    _refuse_foreign_edits(repository, base)
    return base


def read_base(repository: Repository, commit: str, settings_path: str = SETTINGS_PATH) -> Base:
    """Read a commit as Dream Catcher's, whoever wrote its state.

    Raises RepositoryError where there is no genesis, SettingsError, SchemaError, UnreadableState.
    """
    files = CommitFiles(repository, commit)
    settings = read_settings(files, settings_path)
    paths = Paths(settings.state)
    meta = read_meta(files, paths)
    if meta is None:
        raise RepositoryError(letters.no_genesis(paths.meta))
    manifest = read_manifest(files, paths, meta.frame - 1, meta.manifest)
    collections, ids = read_schemas(files, settings)
    rules = Rules(collections, settings)
    settings_entry = files.entry(settings_path)
    settings_id = settings_entry.id if settings_entry else None
    return Base(commit, files, settings, settings_id, ids, paths, collections, rules, meta, manifest)


def _refuse_foreign_edits(repository: Repository, base: Base) -> None:
    """Raises ForeignEdit if canonical state is not what the newest manifest proves."""
    found = find_edits(repository, base.files, base.paths, base.manifest)
    if found is not None:
        raise foreign_edit(base, found)


def foreign_edit(base: Base, found: Edits, why: str = "") -> ForeignEdit:
    """The letter about changes by other hands: which files and records, who, when, and what to do."""
    changed = [(one.status, one.path) for one in found.files]
    who = {one.path: one if one.commit else None for one in found.files}
    records = told_records(found, base.files, base.collections, base.paths)
    return ForeignEdit(letters.foreign_edit(changed, who, records, found.landed, base.manifest.frame, why))


def _merges(base: Base) -> Iterator[Manifest]:
    """The manifests of the frames that looked into the inbox, the newest first: other kinds than merges do not."""
    manifest = base.manifest
    while True:
        if manifest.kind in (GENESIS, MERGE):
            yield manifest
        manifest = read_manifest(base.files, base.paths, manifest.frame - 1, manifest.previous)


def _since(repository: Repository, base: Base) -> tuple[str | None, frozenset[str]]:
    """The commit down to which every version is still to be read, and the blobs that were consumed since.

    It is the newest frame's base. Where the frame came in squashed, that commit may be nobody's any more; then it is
    the base of the newest frame before of which there is one. Raises RepositoryError.
    """
    known: set[str] = set()
    for manifest in _merges(base):
        known |= {str(one["blob"]) for one in manifest.deltas if one.get("blob")}
        try:
            repository.deepen_until(manifest.base, tip=base.commit)
            return manifest.base, frozenset(known)
        except RepositoryError:
            if repository.is_shallow or manifest.previous is None:
                raise
    raise AssertionError("a chain begins with a frame that has none before it")


def _landed(repository: Repository, base: Base) -> str | None:
    """The commit in which the newest frame came to the branch, if known.

    Raises GuardError if the clock has gone back since, or if that commit has no history before it though there are
    frames before.
    """
    landings = [one for _, one in repository.landings(base.commit, [base.paths.meta], 2)]
    if not landings:
        return None
    newest = landings[0]
    for one in landings[1:]:
        clock = parse_json(repository.read_blob(one.blob), base.paths.meta) if one.blob else None
        if isinstance(clock, dict) and isinstance(clock.get("frame"), int) and clock["frame"] > base.meta.frame:
            raise GuardError(letters.clock_went_back(clock["frame"], base.meta.frame, newest))
    begins = not repository.is_shallow and base.manifest.previous is not None
    if begins and b"\nparent " not in repository.read_commits([newest.commit])[newest.commit].partition(b"\n\n")[0]:
        raise GuardError(letters.no_history(newest, base.manifest.frame))
    return newest.commit


def prove_history(repository: Repository, base: Base) -> str | None:
    """The commit in which the newest frame came to the branch, if known.

    Raises GuardError if the branch's history is not one that merges have made, ForeignEdit if a merged frame was
    changed.
    """
    landed = _landed(repository, base)
    if found := archive_edits(repository, base.files, base.paths, landed):
        raise foreign_edit(base, found)
    return landed


def collect(repository: Repository, base: Base, transport: Transport) -> Collected:
    """Everything pending at `base`.

    Raises RepositoryError if the history does not reach back far enough, and as `prove_history`.
    """
    since, known = _since(repository, base)
    span = Span(since, base.commit, known, base.settings.max_delta_bytes, MUCH)
    landed = prove_history(repository, base)
    return Collected(base, transport.receive(span), transport, landed)
