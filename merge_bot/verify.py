"""Verify: the chain of frames from any one to the newest, and the live state that it proves. Reads only.

Every digest, every archive, every receipt, no frame missing or twice; the ledger agrees with the archives, the key
files are complete, the counts are true. A chain is held by its newest end: the clock names the newest manifest, and
each manifest names the one before. What is wrong goes by frame, file and the commit that made it so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from merge_bot import history_letters, schemas
from merge_bot import verify_letters as letters
from merge_bot.audit_books import audit_books
from merge_bot.audit_counters import audit_counters
from merge_bot.audit_places import Audit
from merge_bot.canonical import digest, document
from merge_bot.collection import Collections
from merge_bot.commit_files import CommitFiles
from merge_bot.edits import live_state_tree
from merge_bot.errors import ProcessEnded, RepositoryError, UnreadableState
from merge_bot.findings import Reason
from merge_bot.history import History
from merge_bot.kept import bring
from merge_bot.manifest import GENESIS, MERGE, Manifest, parse_manifest, read_manifest
from merge_bot.messages import Letter
from merge_bot.processes import spread
from merge_bot.progress import Progress, silent
from merge_bot.state import Meta, parse_json, read_meta
from merge_bot.tree import FILE, Entry
from merge_bot.verify_books import Books
from merge_bot.verify_frame import Finding, finding
from merge_bot.verify_work import Link, Work
from merge_bot.verify_workers import Standing

_BATCH = 256
_NOTHING = Entry(FILE, "")
_NAMED = 200  # findings for which the commit is looked up: each is a walk through history

# Of what the audit finds: not what rules that people may change at any time make of records that were always there.
_OURS = frozenset({Reason.KEYS_DISAGREE, Reason.MISSING_FILE})


@dataclass(slots=True)
class Verified:
    """What was walked, and everything wrong, by frame. `notes` say what could not be looked at."""

    first: int = 0
    newest: int = 0
    frames: int = 0
    deltas: int = 0
    records: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.findings


def verify(history: History, since: int | None = None, progress: Progress = silent, jobs: int = 1) -> Verified:
    """Walk from frame `since` (None: the genesis) to the newest, in `jobs` processes.

    What is found, and its order, does not depend on `jobs`.

    Raises RepositoryError where there are no frames, for an unknown one, and where a shallow clone cannot be deepened.
    """
    work = _Verifier(history, since, progress)
    work.run(jobs)
    found = work.found
    found.findings = list(_each_once(sorted(found.findings, key=work.order)))
    found.findings[:_NAMED] = [work.named(one) for one in found.findings[:_NAMED]]
    return found


class _Verifier:
    def __init__(self, history: History, since: int | None, progress: Progress) -> None:
        self.found = Verified()
        self._repository, self._tip, self._paths = history.repository, history.files, history.paths
        self._history, self._since, self._progress = history, since, progress
        self._numbers = self._folders()
        self._landings: dict[int, dict[str, str]] = {}  # frame → the manifest's digest → the commit

    def run(self, jobs: int) -> None:
        if self._repository.is_shallow:
            self._repository.deepen_until(self._reach(), tip=self._tip.commit)
        self._find_landings()
        newest, expected = self._clock()
        oldest = min(self._numbers, default=newest)
        if self._since is not None and not oldest <= self._since <= newest:
            raise RepositoryError(history_letters.unknown_frame(self._since, oldest, newest))
        chain = self._chain(newest, expected)
        self.found.first, self.found.newest, self.found.frames = min(chain, default=newest), newest, len(chain)
        self._walk(chain, newest, jobs)
        books, standing = Books(self._paths, self.found.first), Standing(self._paths)
        for number in sorted(chain):
            books.tell(chain[number].manifest)
            standing.tell(chain[number].manifest)
            self.found.deltas += len(chain[number].manifest.deltas)
        self.found.findings += [finding(*one) for one in books.wrong(self._tip)]
        self.found.findings += [finding(*one) for one in standing.wrong(self._tip)]
        if newest in chain:
            self._held_against(chain[newest].manifest, chain[newest].landing)

    # --- what there is

    def _clock(self) -> tuple[int, str | None]:
        """The newest frame, and what its manifest's digest has to be. Raises RepositoryError where there are no frames.

        A clock is right if it once came to the branch together with the manifest that it names.
        """
        data, top = self._tip.read(self._paths.meta), max(self._numbers, default=0)
        if data is None and not self._numbers:
            raise RepositoryError(history_letters.no_frames(self._history.ref, self._paths.meta))
        try:
            meta = read_meta(self._tip, self._paths)
        except UnreadableState as error:
            self._add(top, self._paths.meta, Reason.CHAIN_BROKEN, letters.clock_unreadable(str(error)))
            return top, None
        newest = meta.frame - 1 if meta else top
        manifest = self._from_history(newest, meta.manifest) if meta else None
        if manifest is None or meta is None:
            self._add(top, self._paths.meta, Reason.CHAIN_BROKEN, letters.clock_disagrees(top))
            return top, None
        if data != document(Meta(newest + 1, manifest.time, meta.manifest).as_json()):
            self._add(newest, self._paths.meta, Reason.DIGEST_DIFFERS, letters.clock_disagrees(newest))
        return newest, meta.manifest

    def _folders(self) -> set[int]:
        """The frames that have a folder."""
        return {
            int(name)
            for thousand, entry in self._tip.folder(self._paths.frames).items()
            for name, one in (self._tip.entries(entry.id).items() if entry.is_tree else ())
            if one.is_tree and name.isdecimal() and self._paths.frame(int(name)).endswith(f"/{thousand}/{name}")
        }

    def _reach(self) -> str | None:
        """The commit down to which history is needed; None is all of it."""
        if self._since is None:
            return None
        try:
            return read_manifest(self._tip, self._paths, self._since).base
        except UnreadableState:
            return None

    def _find_landings(self) -> None:
        """Every clock that the branch ever showed. The oldest commit that names a manifest is where it landed."""
        changes = [one for _, one in self._repository.landings(self._tip.commit, [self._paths.meta]) if one.blob]
        blobs = self._repository.read_blobs({str(one.blob) for one in changes})
        for one in changes:
            try:
                value = parse_json(blobs[str(one.blob)], self._paths.meta)
            except UnreadableState:
                continue
            match value:
                case {"frame": int(following), "manifest": str(named)}:
                    self._landings.setdefault(following - 1, {})[named] = one.commit

    # --- the chain

    def _chain(self, newest: int, expected: str | None) -> dict[int, Link]:
        """The manifests that can be trusted; from history those that are missing or changed at the tip."""
        chain: dict[int, Link] = {}
        contents = self._manifests()
        following, beginning = "the clock", min(self._numbers, default=0)
        for number in range(newest, (self._since or 0) - 1, -1):
            manifest = self._manifest(number, contents.get(number), expected, following)
            expected, following = manifest.previous if manifest else None, f"frame {number}"
            if manifest is None:
                if number <= beginning and number - 1 not in self._landings:
                    break
                continue
            chain[number] = Link(manifest, self._landings.get(number, {}).get(digest(manifest.as_bytes())))
            if chain[number].landing is None:
                self.found.notes.append(letters.no_landing(number))
            if expected is None:
                beginning = number
                if manifest.kind != GENESIS:
                    self._add(number, self._paths.manifest(number), Reason.CHAIN_BROKEN, letters.no_beginning(number))
                break
        for stray in sorted(one for one in self._numbers if not beginning <= one <= newest):
            letter = letters.no_place_in_the_chain(stray)
            self._add(stray, self._paths.frame(stray), Reason.MISPLACED_FILE, letter)
        return chain

    def _manifests(self) -> dict[int, bytes]:
        wanted = sorted(one for one in self._numbers if self._since is None or one >= self._since)
        found: dict[int, bytes] = {}
        for start in range(0, len(wanted), _BATCH):
            paths = {self._paths.manifest(one): one for one in wanted[start : start + _BATCH]}
            found |= {paths[path]: data for path, data in self._tip.read_many(paths).items()}
        return found

    def _manifest(self, number: int, data: bytes | None, expected: str | None, following: str) -> Manifest | None:
        """The manifest of a frame, as the one after it names it; from history if that at the tip is another."""
        path, landed = self._paths.manifest(number), self._landings.get(number, {})
        if data is None:
            self._add(number, path, Reason.MISSING_FILE, letters.manifest_missing(number))
        elif digest(data) != expected if expected else landed and digest(data) not in landed:
            self._add(number, path, Reason.DIGEST_DIFFERS, letters.manifest_changed(number, following))
        else:
            try:
                return parse_manifest(data, path, number)
            except UnreadableState as error:
                self._add(number, path, Reason.CHAIN_BROKEN, letters.manifest_unreadable(str(error)))
                return None
        return self._from_history(number, expected)

    def _from_history(self, number: int, expected: str | None) -> Manifest | None:
        """A manifest as it came to the branch; None if it never did."""
        path = self._paths.manifest(number)
        for named, commit in self._landings.get(number, {}).items():
            data = CommitFiles(self._repository, commit).read(path)
            if data is not None and digest(data) == named and named == (expected or named):
                with suppress(UnreadableState):
                    return parse_manifest(data, path, number)
        return None

    # --- the frames, and the live state

    def _walk(self, chain: dict[int, Link], newest: int, jobs: int) -> None:
        """Every frame, and every file of the live state: its key files are complete and its counts true."""
        rules = self._collections(chain[newest].manifest) if newest in chain else Collections({})
        on_branches = (row for link in chain.values() for row in link.manifest.deltas if "commit" in row)
        brought = bring(self._repository, on_branches)
        work = Work(self._repository, self._tip, self._paths, chain, rules, brought)
        state = Audit(records=Counter(dict.fromkeys(rules, 0)))
        state.add(work.strays)
        try:
            with spread(jobs, len(work), work.here(), work.there) as answers:
                for _, done in zip(self._progress(range(len(work)), "verify"), answers, strict=True):
                    self.found.findings += done.findings
                    if done.state is not None:
                        state.add(done.state)
        except ProcessEnded as problem:
            raise RepositoryError(letters.process_ended(jobs)) from problem
        if newest in chain:
            self._live(chain[newest].manifest, rules, state)

    def _collections(self, newest: Manifest) -> Collections:
        contents = self._repository.read_blobs(set(newest.schemas.values()))
        rules, _ = schemas.load(
            {path: contents[blob] for path, blob in newest.schemas.items()}, state=self._paths.state
        )
        return rules

    def _live(self, newest: Manifest, rules: Collections, state: Audit) -> None:
        self.found.records = dict(state.records)
        for one in state.problems:
            if one.reason in _OURS or one.file.startswith(f"{self._paths.control}/"):
                self._add(newest.frame, one.file, one.reason, (one.message, one.remedy))
        for one in audit_books(self._tip, self._paths):
            self._add(newest.frame, one.file, one.reason, (one.message, one.remedy))
        if newest.kind == MERGE:  # after any other frame the next merge counts anew
            for one in audit_counters(self._tip, self._paths, rules):
                self._add(newest.frame, one.file, one.reason, (one.message, one.remedy))
        for name, count in newest.counts.items():
            if name in rules and state.records[name] != count:
                letter = letters.miscounted(name, count, state.records[name])
                self._add(newest.frame, rules[name].path, Reason.COUNTS_DISAGREE, letter)

    def _held_against(self, newest: Manifest, landing: str | None) -> None:
        wrong = [path for path, blob in newest.adopted.items() if (self._tip.entry(path) or _NOTHING).id != blob]
        if live_state_tree(self._tip, self._paths) != newest.state_tree:
            outside = tuple(f"{self._paths.state}/{name}/" for name in self._paths.outside_the_digest())
            since = landing or newest.base or self._tip.commit
            changed = self._repository.changed_paths(since, self._tip.commit, self._paths.state)
            wrong += [path for _, path in changed if not f"{path}/".startswith(outside)]
            if not wrong and not self.found.findings:
                letter = letters.not_the_newest_state(newest.frame)
                self._add(newest.frame, self._paths.state, Reason.FOREIGN_EDIT, letter)
        for path in wrong:
            self._add(newest.frame, path, Reason.FOREIGN_EDIT, letters.foreign_edit())

    def _add(self, frame: int, path: str, reason: Reason, letter: Letter) -> None:
        self.found.findings.append(finding(frame, path, reason, letter))

    def order(self, one: Finding) -> tuple[int, bool, Finding]:
        """By frame; of one frame the manifest first, because everything else is held against it."""
        return one.frame, one.path != self._paths.manifest(one.frame), one

    def named(self, one: Finding) -> Finding:
        """The finding with the commit that made it so: the newest that changed the file."""
        last = self._repository.last_change(one.commit or self._tip.commit, one.path)
        return replace(one, commit=last.commit, author=last.author, date=last.date) if last else one


def _each_once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The first finding of each file: what a damaged one makes of everything else says nothing new."""
    seen: set[str] = set()
    for one in findings:
        if one.path not in seen or one.reason == Reason.MERGED_TWICE:
            seen.add(one.path)
            yield one
