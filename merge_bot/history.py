"""The past: which frames there are, where each landed on the branch, and the state as of any of them.

A frame is known by its manifest, not by a commit: squash and rebase merges make commits of their own. Frame N's
*landing* is the commit of the branch in which `_meta.json` first names N's manifest, and the tree of that commit is
the state as of frame N. A shallow clone is deepened as far as a question needs.

    history = History("path/to/repository")
    history.state(405).record("agents", "agent-aria")
    for change in history.diff(404, 405).changes: …
    history.replay(405).same
    history.blame("agents", "agent-aria").fields["bio"]
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Collection as Items
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from merge_bot import history_letters as letters
from merge_bot import letters as merge_letters
from merge_bot import schemas
from merge_bot.clone import Clone
from merge_bot.collection import Collection, Collections
from merge_bot.commit_files import CommitFiles
from merge_bot.errors import RepositoryError, SchemaError, UnreadableState
from merge_bot.git import Repository
from merge_bot.landings import Landing, Landings, read_clock
from merge_bot.manifest import Manifest, parse_manifest
from merge_bot.past_state import State
from merge_bot.paths import Paths
from merge_bot.settings import SETTINGS_PATH
from merge_bot.state import Meta, read_meta
from merge_bot.tree import Entry

if TYPE_CHECKING:
    from merge_bot.blame import Life
    from merge_bot.contributions import Workers
    from merge_bot.diff import Diff
    from merge_bot.export import Exported
    from merge_bot.preview import Preview
    from merge_bot.replay import Replayed
    from merge_bot.rollback import Rolled
    from merge_bot.verify import Verified

__all__ = ["History", "Landing", "State", "collection_of"]

_REMEMBERED = 64
T = TypeVar("T")


@dataclass
class History:
    """The frames of one branch. `source` is a path (str or PathLike), a `Clone`, or an open `Repository`.

    `branch` defaults to the one that is checked out. Close it, or use it as a context manager; what it was given
    open stays open. Raises RepositoryError where there are no frames.
    """

    source: str | os.PathLike[str] | Clone | Repository = "."
    branch: str | None = None
    settings_path: str = SETTINGS_PATH
    _remembered: dict[tuple[str, int], Any] = field(default_factory=dict, init=False, repr=False)
    _manifests: dict[int, Manifest] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._own: Clone | None = None
        if isinstance(self.source, Clone):
            self.repository, ref = self.source.repository, self.source.ref
            self.settings_path = self.source.settings_path
        elif isinstance(self.source, Repository):
            self.repository = self.source
            ref = _full(self.branch) or self.repository.head_branch() or "HEAD"
        else:
            self._own = Clone.open(os.fspath(self.source), self.branch)
            self.repository, ref = self._own.repository, self._own.ref
        tip = self.repository.resolve(ref)
        if tip is None:
            raise RepositoryError(merge_letters.no_commit(ref))
        self.ref = ref
        self.files = CommitFiles(self.repository, tip)

    def __enter__(self) -> History:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what this opened itself."""
        if self._own is not None:
            self._own.repository.close()

    @property
    def tip(self) -> str:
        """The branch's newest commit, as it was when the history was opened."""
        return self.files.commit

    @cached_property
    def paths(self) -> Paths:
        from merge_bot.collect import read_settings

        return Paths(read_settings(self.files, self.settings_path).state)

    @cached_property
    def meta(self) -> Meta:
        """The clock at the tip. Raises RepositoryError where there are no frames."""
        meta = read_meta(self.files, self.paths)
        if meta is None:
            raise RepositoryError(letters.no_frames(self.ref, self.paths.meta))
        return meta

    @property
    def newest(self) -> int:
        """The number of the newest frame."""
        return self.meta.frame - 1

    @cached_property
    def oldest(self) -> int:
        """The number of the first frame. Its manifest has none before it."""
        for thousand, folder in sorted(self.files.folder(self.paths.frames).items()):
            for name in sorted(self.files.entries(folder.id) if folder.is_tree else ()):
                path = f"{self.paths.frames}/{thousand}/{name}/manifest.json"
                if name.isdecimal() and (data := self.files.read(path)) is not None:
                    number = int(name)
                    if parse_manifest(data, path, number).previous is None:
                        return number
                    break
            break
        return self._landings.oldest()  # the first frames' folders were pruned, so every landing is read

    def frames(self, before: int | None = None) -> Iterator[Manifest]:
        """Every frame's manifest, the newest first; `before` begins below that number. Raises as `manifest`."""
        start = self.newest if before is None else min(before - 1, self.newest)
        for number in range(start, self.oldest - 1, -1):
            yield self.manifest(number)

    def manifest(self, frame: int) -> Manifest:
        """Frame `frame`'s proof, held against the digest that the clock named when it landed.

        Read from the tip, or from the landing commit where the frame's folder was pruned. Raises RepositoryError for
        an unknown frame, or one that this clone does not reach; UnreadableState if it is damaged.
        """
        if frame not in self._manifests:
            self._manifests[frame] = self._read_manifest(frame)
        return self._manifests[frame]

    def landing(self, frame: int) -> Landing:
        """Where the frame came to the branch. Raises RepositoryError if it is unknown or cannot be reached."""
        self.check_number(frame)
        found = self._landings.find(frame)
        if found is None and self.repository.is_shallow:
            self._deepen_to(frame)
            found = self._landings.find(frame)
        if found is None:
            raise RepositoryError(letters.no_landing(frame, self.ref))
        return found

    def landing_if_any(self, frame: int) -> Landing | None:
        """Where the frame came to the branch; None where no commit of this clone holds the state right after it."""
        return self._landings.find(frame)

    def standing(self, frame: int) -> str:
        """A commit that holds the state right after `frame`: its landing.

        Of several frames that came in as one commit only the last has one. For the others the state is merged once
        more from the archives and proven by the manifest; no ref names that commit. Raises as `landing`.
        """
        from merge_bot.replay import standing

        self.check_number(frame)
        return standing(self, frame)

    def state(self, frame: int) -> State:
        """The state as of `frame`. Raises as `manifest` and `standing`; SchemaError."""
        files = CommitFiles(self.repository, self.standing(frame))
        return State(frame, files, self.paths, self.collections(frame))

    def frame_of(self, commit: str) -> int | None:
        """The newest frame as of a commit; None where there was none yet."""
        data = CommitFiles(self.repository, commit).read(self.paths.meta)
        clock = read_clock(data, self.paths.meta) if data is not None else None
        return clock["frame"] - 1 if isinstance(clock, dict) and isinstance(clock.get("frame"), int) else None

    def collections(self, frame: int) -> Collections:
        """The collections by the schemas that the frame was merged with."""
        return self._collections(tuple(sorted(self.manifest(frame).schemas.items())))

    def diff(self, before: int, after: int) -> Diff:
        """What changed from frame `before` to frame `after`, by collection, record and field."""
        from merge_bot.diff import diff

        old, new = self.state(before), self.state(after)
        return diff(old.files, new.files, old.collections, new.collections, self.paths)

    def replay(self, frame: int) -> Replayed:
        """Merge the frame's archived deltas once more, and say whether every byte is the same."""
        from merge_bot.replay import replay

        return replay(self, frame)

    def verify(self, since: int | None = None, *, jobs: int = 1) -> Verified:
        """Prove every frame from `since` (None: the first) on, and the live state; what is wrong is named.

        More than one of `jobs` are forked processes, for programs that have no threads.
        """
        from merge_bot.verify import verify

        return verify(self, since, jobs=jobs)

    def export(self, frame: int, to: str | os.PathLike[str], *, force: bool = False) -> Exported:
        """Write the state as of a frame to a folder, a .tar or an SQLite database. Raises ExportFailed."""
        from merge_bot.export import export

        return export(self, frame, to, force=force)

    def workers(self, frame: int) -> Workers:
        """What each worker of the frame brought, and where they diverged."""
        from merge_bot.contributions import contributions

        return contributions(self, frame)

    def blame(self, collection: str, key: str = "", frame: int | None = None) -> Life:
        """A record's whole life up to `frame` (None: the newest): which delta of which worker set each field."""
        from merge_bot.blame import blame

        return blame(self, collection, key, self.newest if frame is None else frame)

    def preview(
        self, now: datetime, more: Iterable[bytes] = (), without: Items[str] = (), branch: str | None = None
    ) -> Preview:
        """What the next merge would do with `more` deltas, and none of the workers `without`; see `preview.preview`."""
        from merge_bot.preview import preview

        return preview(Clone(self.repository, self.ref, self.settings_path), now, more, without, branch)

    def rollback(self, frame: int, now: datetime, *, requeue: bool = False, dry_run: bool = False) -> Rolled:
        """Make the state of `frame` the newest frame, as a commit on the branch; open a new history to see it."""
        from merge_bot.rollback import roll_back

        clone = Clone(self.repository, self.ref, self.settings_path)
        return roll_back(clone, frame, now, requeue=requeue, dry_run=dry_run)

    def bring(self, frames: Iterable[int]) -> None:
        """Have at hand, by one fetch if need be, the deltas of these frames that lie on delta branches alone."""
        from merge_bot.kept import bring

        bring(self.repository, (row for frame in frames for row in self.manifest(frame).deltas))

    def archived(self, frame: int, path: str) -> bytes | None:
        """The bytes of a file of the frame's folder, found as `archived_entry` finds it."""
        entry = self.archived_entry(frame, path)
        return self.repository.read_blob(entry.id) if entry and entry.is_file else None

    def archived_entry(self, frame: int, path: str) -> Entry | None:
        """A file of the frame's folder: at the tip, or where it was pruned, in the commit with which the frame came."""
        if (entry := self.files.entry(path)) is not None:
            return entry
        while frame < self.newest and not self.repository.is_shallow and self.landing_if_any(frame) is None:
            frame += 1
        return CommitFiles(self.repository, self.landing(frame).commit).entry(path)

    def remember(self, name: tuple[str, int], make: Callable[[], T]) -> T:
        """What `make` gave for this name before; of many names the ones that were asked for last."""
        found: T = self._remembered.pop(name) if name in self._remembered else make()
        self._remembered[name] = found
        if len(self._remembered) > _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        return found

    def check_number(self, frame: int) -> None:
        """Raises RepositoryError unless there is, or once was, a frame of this number."""
        if not self.oldest <= frame <= self.newest:
            raise RepositoryError(letters.unknown_frame(frame, self.oldest, self.newest))

    # --- inside

    @cached_property
    def _landings(self) -> Landings:
        return Landings(self.repository, self.tip, self.newest, self.paths.meta)

    def _read_manifest(self, frame: int) -> Manifest:
        self.check_number(frame)
        path = self.paths.manifest(frame)
        expected = self.meta.manifest if frame == self.newest else None
        data = self.files.read(path)
        found = self._landings.find(frame) if expected is None else None
        if found is not None:
            expected = found.digest
        elif expected is None:
            expected = self._named_after(frame)
        if data is None and found is not None:
            data = CommitFiles(self.repository, found.commit).read(path)
        if data is None:
            raise UnreadableState(letters.manifest_missing(path, frame))
        return parse_manifest(data, path, frame, expected)

    def _named_after(self, frame: int) -> str | None:
        """The digest that the chain gives for a frame without a landing; None where a shallow clone cannot tell."""
        known = frame + 1
        while known < self.newest and known not in self._manifests and self.landing_if_any(known) is None:
            if self.repository.is_shallow:
                return None
            known += 1
        for one in range(known, frame, -1):  # from the newer to the older, so that each finds the one after it
            self.manifest(one)
        return self._manifests[frame + 1].previous

    def _deepen_to(self, frame: int) -> None:
        """Fetch the history down to the frame's landing. Raises RepositoryError if there is no more to be had."""
        following = self.manifest(frame + 1) if frame < self.newest else None
        wanted = following.landed if following and following.landed else self.manifest(frame).base
        self.repository.deepen_until(wanted, tip=self.tip)

    def _collections(self, ids: tuple[tuple[str, str], ...]) -> Collections:
        if ids not in self._loaded:
            contents = self.repository.read_blobs({blob for _, blob in ids})
            found, problems = schemas.load({path: contents[blob] for path, blob in ids}, state=self.paths.state)
            if problems:
                raise SchemaError(merge_letters.problems_in("The schemas cannot be used", problems))
            self._loaded[ids] = found
        return self._loaded[ids]

    @cached_property
    def _loaded(self) -> dict[tuple[tuple[str, str], ...], Collections]:
        return {}


def collection_of(collections: Mapping[str, Collection], name: str) -> Collection:
    """The collection of this name. Raises RepositoryError, with those that there are."""
    if name not in collections:
        raise RepositoryError(letters.no_collection(name, sorted(collections)))
    return collections[name]


def _full(branch: str | None) -> str | None:
    return branch if branch is None or branch.startswith("refs/") else f"refs/heads/{branch}"
