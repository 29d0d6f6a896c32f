"""Blame for state: a record's whole life, which delta of which worker set each field, when, and what it replaced.

The frames that touched the record are found by git; in each of them the record before and after is held against the
operations that entered the frame. Whose write stands in a last-writer-wins field, its clock tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from merge_bot import history_letters as letters
from merge_bot.canonical import compact
from merge_bot.collection import APPEND, LAST_WRITER_WINS, OBSERVE, SUM, UNION, Collection
from merge_bot.commit_files import CommitFiles
from merge_bot.conflicts import WHOLE_RECORD
from merge_bot.contributions import entered
from merge_bot.counting import COUNT
from merge_bot.delta import Operation, Origin
from merge_bot.diff import ABSENT
from merge_bot.errors import RepositoryError
from merge_bot.grounds import clock_rules
from merge_bot.layouts.base import WHOLE, Opening
from merge_bot.layouts.catalog import open_store
from merge_bot.layouts.entities import EntitiesStore
from merge_bot.layouts.segments import SegmentsStore
from merge_bot.manifest import MERGE, ROLLBACK
from merge_bot.paths import Paths
from merge_bot.records import files_of, record_of, records_in
from merge_bot.replay import before as before_it
from merge_bot.retention import ARCHIVES
from merge_bot.state import Files
from merge_bot.strategies.clocks import read_clocks, standing

if TYPE_CHECKING:
    from merge_bot.history import History

_BATCH = 64
_GOES_BACK = b'"kind": "%s"' % ROLLBACK.encode()


@dataclass(frozen=True, slots=True)
class Event:
    """One field (`*`: the whole record, or one member) in one frame.

    `wrote` is what the delta said, `value` and `before` what the field held after and before the frame (`ABSENT`:
    nothing). `origin` is the delta; None where no delta of this repository did it: state that is older than the first
    frame, or was brought back by a rollback, or (kind `count`) a derived counter.
    """

    frame: int
    kind: str
    field: str
    wrote: Any
    value: Any
    before: Any
    origin: Origin | None = None
    pointer: str = ""

    @property
    def late(self) -> bool:
        """Whether the delta was of an older frame than the one that merged it."""
        return self.origin is not None and self.origin.frame < self.frame

    def as_json(self) -> dict[str, Any]:
        """{frame, kind, field, late, pointer, delta, stream_id, utc} and those of wrote, value, before that are."""
        one: dict[str, Any] = {"frame": self.frame, "kind": self.kind, "field": self.field, "late": self.late}
        one |= {name: getattr(self, name) for name in ("wrote", "value", "before") if getattr(self, name) is not ABSENT}
        of = self.origin
        one |= {"delta": of and of.digest, "stream_id": of and of.stream_id, "utc": of and of.utc}
        return one | {"pointer": self.pointer}


@dataclass(slots=True)
class Life:
    """A record's life. `record` is what it is now, `events` everything that happened to it, the oldest first.

    `fields` names for each field the events that made its value: one where the last write counts, every contribution
    where values add up.
    """

    collection: str
    key: str
    record: Any
    events: list[Event] = field(default_factory=list)
    fields: dict[str, list[Event]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "collection": self.collection,
            "key": self.key,
            "record": self.record,
            "fields": {name: [one.as_json() for one in ones] for name, ones in sorted(self.fields.items())},
            "events": [one.as_json() for one in self.events],
        }


def blame(history: History, collection: str, key: str, frame: int) -> Life:
    """The life of a record up to `frame`. Raises RepositoryError if there is, and was, none."""
    from merge_bot.history import collection_of

    state = history.state(frame)
    rules = collection_of(state.collections, collection)
    life = Life(collection, key, record_of(state.files, state.paths, rules, key))
    history.landing(history.oldest)  # of a shallow clone nothing may be missing
    values: dict[str, list[tuple[Any, list[Event]]]] = {}
    touched = _frames(history, state.files, rules, key, frame)
    history.bring(touched)
    behind: dict[int, dict[str, list[Event]]] = {}  # who stood behind the fields right after each of these frames
    for number in sorted({*touched, *_rollbacks(history, touched[0], frame)}):
        events = list(_events(history, number, collection, key)) if number in touched else []
        life.events += events
        back = history.manifest(number).rollback
        if back is None:
            for event in events:
                _enter(life, values, event, rules)
        else:  # everything is again the work of those who had done it then
            life.fields = dict(behind[max(one for one in behind if one <= back["to"])])
        behind[number] = dict(life.fields)
    if life.record is None and not life.events:
        raise RepositoryError(letters.no_record(collection, key, frame))
    return life


def _enter(life: Life, values: dict[str, list[tuple[Any, list[Event]]]], event: Event, rules: Collection) -> None:
    """Say who stands behind the field after an event; a value that came back has its earlier authors again."""
    adds = rules.strategy in (SUM, UNION, OBSERVE) or rules.rule(event.field).strategy in (SUM, UNION)
    earlier = values.setdefault(event.field, [])
    if event.origin is None and event.kind != "genesis":
        same = (ones for value, ones in reversed(earlier) if _alike(value, event.value))
        behind = next(same, [event])
    else:
        behind = [*life.fields.get(event.field, []), event] if adds else [event]
    earlier.append((event.value, behind))
    life.fields[event.field] = behind
    if event.value is ABSENT:
        del life.fields[event.field]


# --- which frames touched the record


def _frames(history: History, files: CommitFiles, rules: Collection, key: str, last: int) -> list[int]:
    """The frames up to `last` whose commits changed the files that hold the record or its clocks, and the first."""
    found = {history.oldest}
    paths = list(_paths(files, history.paths, rules, key))
    changes = history.repository.landings(files.commit, paths) if paths else []
    for commit in {change.commit for _, change in changes}:
        number = history.frame_of(commit)
        while number is not None and history.oldest <= number and number not in found:
            found.add(number)
            number -= 1
            if number in found or history.landing_if_any(number) is not None:
                break  # frames before it without a commit of their own came in with it
    # Another hand's commit is of the frame before the one that took it in.
    found |= {number + 1 for number in found if number < last and history.manifest(number + 1).edits}
    return sorted(one for one in found if one <= last)


def _rollbacks(history: History, first: int, last: int) -> Iterator[int]:
    """The rollbacks among these frames. They consume nothing, so that a frame with an archive is none; of the others,
    the manifests' bytes say which are worth reading."""
    for start in range(first + 1, last + 1, _BATCH):
        numbers = range(start, min(start + _BATCH, last + 1))
        paths = {one: history.paths.manifest(one) for one in numbers if not _has_archive(history, one)}
        there = history.files.read_many(paths.values())
        for number, path in paths.items():
            if _GOES_BACK in there.get(path, _GOES_BACK) and history.manifest(number).rollback is not None:
                yield number


def _has_archive(history: History, frame: int) -> bool:
    return not history.files.folder(history.paths.frame(frame)).keys().isdisjoint(ARCHIVES)


def _paths(files: Files, paths: Paths, rules: Collection, key: str) -> Iterator[str]:
    """Where the record and its clocks lie."""
    if rules.layout == "file":
        yield rules.path
        yield clock_rules(rules, paths).path
        return
    if rules.layout == "segments" and rules.strategy == OBSERVE:
        yield from (
            path for path in files_of(files, rules) if any(one == key for one, _ in records_in(files, rules, [path]))
        )
        return
    for one in (rules, clock_rules(rules, paths)):
        store = open_store(Opening(one, files, paths, 0))
        if isinstance(store, EntitiesStore | SegmentsStore) and (path := store.path_of(key)):
            yield path


# --- what happened in one of them


@dataclass(slots=True)
class _Step:
    """A record before and after one frame, with the clocks of both sides and the operations on it."""

    frame: int
    kind: str
    before: Any
    after: Any
    clocks: tuple[Mapping[str, Any], Mapping[str, Any]]
    operations: Sequence[Operation]

    def event(self, name: str, value: Any, before: Any, by: Operation | None = None, wrote: Any = ABSENT) -> Event:
        origin, pointer = (by.origin, by.pointer) if by else (None, "")
        return Event(self.frame, self.kind, name, value if wrote is ABSENT else wrote, value, before, origin, pointer)


def _events(history: History, number: int, collection: str, key: str) -> Iterable[Event]:
    manifest = history.manifest(number)
    rules = history.collections(number).get(collection)
    if rules is None:
        return []
    after = CommitFiles(history.repository, history.standing(number))
    there = history.standing(number - 1) if manifest.edits else None
    before = None
    if number > history.oldest:
        before = CommitFiles(history.repository, there or before_it(history, manifest))
    sides = [_look(files, history.paths, rules, key) if files else (None, {}) for files in (before, after)]
    operations: Sequence[Operation] = ()
    if manifest.kind == MERGE:
        operations = [one for one in entered(history, manifest) if _is_on(one, rules, key)]
    step = _Step(number, manifest.kind, sides[0][0], sides[1][0], (sides[0][1], sides[1][1]), operations)
    return list(_BY_STRATEGY[rules.strategy](step, rules))


def _look(files: CommitFiles, paths: Paths, rules: Collection, key: str) -> tuple[Any, Mapping[str, Any]]:
    record = record_of(files, paths, rules, key)
    if rules.strategy != LAST_WRITER_WINS:
        return record, {}
    of_clocks = clock_rules(rules, paths)
    clocks = open_store(Opening(of_clocks, files, paths, 0))
    return record, read_clocks(clocks, {key}, of_clocks.path).get(key, {})


def _is_on(operation: Operation, rules: Collection, key: str) -> bool:
    if operation.collection != rules.name:
        return False
    whole = rules.strategy == SUM or (rules.strategy == UNION and rules.layout == "file")
    return key == (WHOLE if whole else rules.key_of(operation.record) or "")


def _of_entity(step: _Step, rules: Collection) -> Iterator[Event]:
    before, after = step.before or {}, step.after or {}
    by_rank = {(one.origin.digest, one.index): one for one in step.operations}
    keys = {part.name for part in rules.key}
    for name in sorted({*before, *after, *(one for write in step.operations for one in write.record)}):
        was, now = before.get(name, ABSENT), after.get(name, ABSENT)
        if rules.counts(name) is not None:
            yield from _counted(step, name, was, now)
            continue
        if name in keys or rules.rule(name).strategy in (SUM, UNION):
            yield from _added_up(step, name, was, now, first_only=name in keys)
            continue
        old, new = (standing(value, clock.get(name)) for value, clock in zip((was, now), step.clocks, strict=True))
        moved = new is not None and (old is None or (old.origin.digest, old.index) != (new.origin.digest, new.index))
        if moved and new is not None:
            by = by_rank.get((new.origin.digest, new.index))
            yield Event(step.frame, step.kind, name, new.value, now, was, new.origin, by.pointer if by else "")
        elif not _alike(was, now):
            yield step.event(name, now, was)


def _added_up(step: _Step, name: str, was: Any, now: Any, *, first_only: bool = False) -> Iterator[Event]:
    """Each operation that brought something to a field which adds; of a key field, the one that made the record."""
    known = [compact(one) for one in was] if isinstance(was, list) else []
    by = [one for one in step.operations if name in one.record]
    if first_only:
        by = by[:1] if was is ABSENT else []
    for one in by:
        wrote = one.record[name]
        made_it = first_only or (was is ABSENT and one is by[0])
        if not isinstance(wrote, list) or made_it or any(compact(member) not in known for member in wrote):
            yield step.event(name, now, was, one, wrote)
    if not by and not _alike(was, now):
        yield step.event(name, now, was)


def _of_sum(step: _Step, rules: Collection) -> Iterator[Event]:
    before, after = step.before or {}, step.after or {}
    for name in sorted({*before, *after}):
        of = _added_up if rules.counts(name) is None else _counted
        yield from of(step, name, before.get(name, ABSENT), after.get(name, ABSENT))


def _counted(step: _Step, name: str, was: Any, now: Any) -> Iterator[Event]:
    """A derived counter is nobody's: the merge counted."""
    if not _alike(was, now):
        event = step.event(name, now, was)
        yield replace(event, kind=COUNT) if step.kind == MERGE else event


def _of_append(step: _Step, rules: Collection) -> Iterator[Event]:
    was = ABSENT if step.before is None else step.before
    now = ABSENT if step.after is None else step.after
    if not _alike(was, now):
        yield step.event(
            WHOLE_RECORD, now, was, next((one for one in step.operations if _alike(one.record, now)), None)
        )


def _of_members(step: _Step, rules: Collection) -> Iterator[Event]:
    """Sets and observations: a member an event; of equal ones in a set the first counts."""
    left = [compact(one) for one in step.before or []]
    by: dict[bytes, list[Operation]] = {}
    for one in step.operations:
        by.setdefault(compact(one.record), []).append(one)
    for member in step.after or []:
        content = compact(member)
        if content in left:
            left.remove(content)
        else:
            writers = by.get(content, [])
            yield step.event(WHOLE_RECORD, member, ABSENT, writers.pop(0) if writers else None)
    for member in step.before or [] if left else []:
        if compact(member) in left:
            left.remove(compact(member))
            yield step.event(WHOLE_RECORD, ABSENT, member)


_BY_STRATEGY = {
    LAST_WRITER_WINS: _of_entity, SUM: _of_sum, APPEND: _of_append, UNION: _of_members, OBSERVE: _of_members,
}  # fmt: skip


def _alike(one: Any, other: Any) -> bool:
    return one is other or (one is not ABSENT and other is not ABSENT and compact(one) == compact(other))


def field_events(history: History, path: str) -> list[Event]:
    """What happened to `COLLECTION/KEY/FIELD` (of a sum `COLLECTION/COUNTER`), the oldest first.

    A key may hold slashes; in a field's name `~1` stands for one and `~0` for `~`. Raises RepositoryError.
    """
    collection, _, rest = path.partition("/")
    key, _, name = rest.rpartition("/")
    name = name.replace("~1", "/").replace("~0", "~")
    if not name:
        raise RepositoryError(letters.no_field_path(path))
    life = blame(history, collection, key, history.newest)
    events = [one for one in life.events if one.field in (name, WHOLE_RECORD) and _says(one, name)]
    if not events:
        known = sorted({one.field for one in life.events} - {WHOLE_RECORD})
        raise RepositoryError(letters.no_field(collection, key, name, known))
    return events


def _says(event: Event, name: str) -> bool:
    sides = (event.value, event.before)
    return event.field == name or any(isinstance(one, dict) and name in one for one in sides)
