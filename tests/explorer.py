"""Every interleaving of workers, merges and a person, to a bounded depth: real code, real git, one step at a time.

A merge takes two steps: it reads (base commit, inbox, delta branches), and later it makes a frame of that and pushes.
In between everybody else may go on, a push or its reply may be lost, and the merge may fall. Since a commit's id says
all that came before, going back to an earlier world is setting two refs; worlds that were seen are not gone through
again, and how many ways lead through them is counted.

What is asked of the branch (`tests/explorer_oracle.py`) is read from its files by other means than the merge's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from merge_bot import collect, foreign, frame
from merge_bot.canonical import digest, document
from merge_bot.clone import Clone
from merge_bot.delta import Candidate, file_name, format_utc
from merge_bot.errors import ForeignEdit, RemoteUnreachable
from merge_bot.genesis import genesis
from merge_bot.git import Repository
from merge_bot.git.remote import Pushed, Remote
from merge_bot.history import History
from merge_bot.paths import Paths
from merge_bot.publish.base import Published, Publisher
from merge_bot.publish.commit import CommitPublisher
from merge_bot.publish.push import PushPublisher
from merge_bot.snapshot import Frame
from merge_bot.state import MemoryFiles
from merge_bot.transports.base import Span, Transport
from merge_bot.transports.branches import REFS, BranchesTransport
from merge_bot.transports.inbox import InboxTransport
from merge_bot.transports.several import Several
from merge_bot.tree import Entry, object_id
from tests.explorer_oracle import IN_THE_STATE, Branch, Written, broken
from tests.repo import AUTHOR, BRANCH, Repo
from tests.world import schema

NOW = datetime(2026, 3, 25, 4, tzinfo=UTC)
PATHS = Paths()
PEER = f"{REFS}peer"
PERSON = "state/agents/a.json"
MINE = document({"id": "a", "bio": "mine"})
_TEXT = {"type": "string"}
SCHEMAS = {
    "notes": schema("observe", {"note": _TEXT}, layout="segments", delta=["notes"]),
    "agents": schema(
        "last-writer-wins", {"id": _TEXT, "bio": _TEXT}, ["id"], key=["id"], layout="entities", delta=["agents"]
    ),
}


@dataclass(frozen=True, slots=True)
class Script:
    """One delta that somebody writes at any moment after `after`: named, with what it says.

    `slot_of` names another whose slot it shares; `ahead` is how many frames it writes ahead of the open one; `ends` is
    the process whose lease it means to end, `by` the process that writes it.
    """

    name: str
    stream: str = "w"
    run: str = ""
    place: str = "inbox"
    epoch: int | None = None
    control: Mapping[str, Any] | None = None
    after: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    slot_of: str = ""
    ahead: int = 0
    ends: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Who does what: deltas, names of those whose bytes come again, how often merges are started, and what may fail.

    `edit`: a person edits the state, and that is what becomes of it (`refuse`, `adopt`, `revert`); `claimed`: worker w
    begins with a lease; `remote`: merges push to a remote, which may lose pushes and replies. `reaches` is what has to
    happen on some way, or nothing is proved by it.
    """

    deltas: tuple[Script, ...]
    copies: tuple[str, ...] = ()
    starts: tuple[int, ...] = (2, 2)
    faults: int = 0
    edit: str = ""
    claimed: bool = False
    remote: bool = False
    reaches: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Run:
    """One merge: `idle`, `read`, `made` (a frame that settles an edit) or `unsure`.

    `left` counts how often it may still begin; `first` is what it read when it began, also if it had to begin anew
    after a lost race.
    """

    left: int
    phase: str = "idle"
    base: str = ""
    branch: str = ""
    first: str = ""
    work: Any = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class World:
    tip: str
    branch: str
    runs: tuple[Run, ...]
    faults: int
    did: frozenset[str] = frozenset()
    written: frozenset[Written] = frozenset()
    landed: tuple[tuple[int, str], ...] = ()


@dataclass(slots=True)
class Explored:
    """How much was gone through: different worlds, steps between them, and ways through all of them to an end.

    `reached` are the outcomes of deltas that came to be, and what happened to merges.
    """

    worlds: int = 0
    steps: int = 0
    interleavings: int = 0
    reached: set[str] = field(default_factory=set)


class Broken(AssertionError):
    """An invariant does not hold. `invariant` is its name; the text tells the way there."""

    def __init__(self, invariant: str, trail: Sequence[str]) -> None:
        super().__init__(f"{invariant} is broken:\n  " + "\n  ".join(trail))
        self.invariant = invariant


class Suspended(Exception):
    """A push whose end is not known: the merge stands still here until its next step."""


class Anew(Exception):
    """The race was lost: the merge stands still before it reads anew."""


class Pinned:
    """A transport whose deltas were received in an earlier step."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._received: Sequence[Candidate] | None = None

    def send(self, name: str, data: bytes) -> None:
        raise TypeError("deltas are sent before the merges begin")

    def receive(self, span: Span) -> Sequence[Candidate]:
        if self._received is None:
            self._received = self._transport.receive(span)
        return self._received

    def settle(self, consumed: Iterable[Candidate], held: Iterable[Candidate]) -> Mapping[str, bytes | Entry | None]:
        return self._transport.settle(consumed, held)

    def marks(self) -> Mapping[str, str]:
        return self._transport.marks()


class Watched:
    """A publisher whose frame is remembered, because the merge may have to push it once more."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.frame: Frame | None = None

    def publish(self, frame: Frame) -> Published:
        self.frame = frame
        return self._publisher.publish(frame)


class Unreliable(Remote):
    """A remote that loses the next push (`lost`), or its reply (`unheard`)."""

    fate = "heard"

    def push(self, new: str, ref: str, old: str | None) -> Pushed:
        if self.fate == "lost":
            raise RemoteUnreachable("the push was lost")
        pushed = super().push(new, ref, old)
        if self.fate == "unheard":
            raise RemoteUnreachable("the reply was lost")
        return pushed


class Impatience:
    """Stands still instead of waiting."""

    budget = 0.0

    def wait(self) -> bool:
        raise Suspended


class Explorer:
    """One scenario in a repository of its own below `folder`."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.scenario = scenario
        self.path = Repo.init(folder, "--bare").path
        self.repository = Repository.open(folder)
        self.scripts = {one.name: one for one in scenario.deltas}
        self.running: Run | None = None
        self._reached: set[str] = set()
        self._trail: list[str] = []
        self._bases: dict[str, collect.Base] = {}
        self._branches: dict[str, Branch] = {}
        self._at: tuple[str, str] = ("", "")
        self.first = self._begin()

    def __enter__(self) -> Explorer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.repository.close()

    # --- all ways

    def explore(self) -> Explored:
        """Go every way. Raises Broken at the first world in which an invariant does not hold."""
        explored = Explored(reached=self._reached)
        ways: dict[World, int] = {}

        def follow(world: World) -> int:
            if world in ways:
                return ways[world]
            explored.worlds += 1
            count = 0
            for label, act in self.actions(world):
                self._trail.append(label)
                self._go_to(world)
                explored.steps += 1
                count += follow(self._judged(act(), world))
                self._trail.pop()
            ways[world] = count or 1
            return ways[world]

        explored.interleavings = follow(self.first)
        return explored

    def actions(self, world: World) -> Iterator[tuple[str, Callable[[], World]]]:
        """What may happen next, and what then does."""
        for script in self.scenario.deltas:
            if script.name not in world.did and self._may_write(script, world):
                yield f"{script.name} is written", lambda one=script: self._write(world, one)  # type: ignore[misc]
        for one in world.written:
            if one.name in self.scenario.copies and f"copy of {one.name}" not in world.did:
                yield f"{one.name} comes again", lambda one=one: self._copy(world, one)  # type: ignore[misc]
        if self.scenario.edit and "edit" not in world.did:
            yield "a person edits the state", lambda: self._edit(world)
        for number, run in enumerate(world.runs):
            if run not in world.runs[:number]:  # of two merges that are alike one goes first
                yield from self._merging(world, number, run)

    def _merging(self, world: World, number: int, run: Run) -> Iterator[tuple[str, Callable[[], World]]]:
        who = f"merge {number}"
        if run.phase == "idle":
            if run.left and self._something_waits(world):
                yield f"{who} reads", lambda: self._read(world, number, run)
            return
        if run.phase == "read":
            yield f"{who} pushes", lambda: self._push(world, number, run, "heard")
            if world.faults and self.scenario.remote:
                yield f"{who} pushes, and that is lost", lambda: self._push(world, number, run, "lost")
                yield f"{who} pushes, and the reply is lost", lambda: self._push(world, number, run, "unheard")
        else:
            verb = "pushes" if run.phase == "made" else "asks what came of its push"
            yield f"{who} {verb}", lambda: self._ask(world, number, run)
        if world.faults:
            yield f"{who} falls", lambda: self._rest(replace(world, faults=world.faults - 1), number, run)

    def _something_waits(self, world: World) -> bool:
        branch = self.branch(world.tip)
        edited = "edit" in world.did and branch.bio == "mine" and not branch.edits
        return edited or bool(branch.pending) or branch.marks.get("peer", "") != world.branch

    # --- workers and a person

    def _may_write(self, script: Script, world: World) -> bool:
        if not all(name in world.did for name in script.after):
            return False
        branch = self.branch(world.tip)
        done = {one.name for one in world.written if branch.count(one.name) or branch.granted(one.digest)}
        return done.issuperset(script.applied)

    def _write(self, world: World, script: Script) -> World:
        meta = {name: value for name, value in (("epoch", script.epoch), ("run", script.run)) if value}
        shared = next((one.frame for one in world.written if one.name == script.slot_of), None)
        number = shared if shared is not None else self.branch(world.tip).clock + script.ahead
        order = list(self.scripts).index(script.name)
        content: dict[str, Any] = {
            "frame": number,
            "stream_id": script.stream,
            "utc": format_utc(NOW - timedelta(minutes=60 - order)),
        }
        if script.control is not None:
            content["_control"] = [dict(script.control)]
        else:
            content |= {"notes": [{"note": script.name}], "agents": [{"id": "a", "bio": script.name}]}
        data = document(content | ({"_meta": meta} if meta else {}))
        name = file_name(number, script.stream, script.run or None)
        written = Written(script.name, number, digest(data), object_id("blob", data), script.place, script.epoch)
        world = replace(world, did=world.did | {script.name}, written=world.written | {written})
        if script.place == "branch":
            commit = self.repository.write_commit(None, {name: data}, "delta", AUTHOR, 1)
            self.repository.compare_and_swap(PEER, commit, None)
            self._at = (self._at[0], commit)
            return replace(world, branch=commit)
        return self._commit(world, {f"{PATHS.inbox}/{name}": data})

    def _copy(self, world: World, one: Written) -> World:
        name = file_name(one.frame, self.scripts[one.name].stream, "again")
        world = replace(world, did=world.did | {f"copy of {one.name}"})
        return self._commit(world, {f"{PATHS.inbox}/{name}": Entry("100644", one.blob)})

    def _edit(self, world: World) -> World:
        return self._commit(replace(world, did=world.did | {"edit"}), {PERSON: MINE})

    def _commit(self, world: World, changes: Mapping[str, bytes | Entry | None]) -> World:
        commit = self.repository.write_commit(world.tip, changes, "by hand", AUTHOR, 1)
        assert self.repository.compare_and_swap(BRANCH, commit, world.tip)
        return self._looked(world)

    # --- merges

    def _read(self, world: World, number: int, run: Run) -> World:
        run = replace(run, left=run.left - 1)
        try:
            base = self.base(world.tip)
        except ForeignEdit:
            return self._with(world, number, self._settled(world, number, run))
        branches = BranchesTransport(self.repository, PATHS)
        pinned = Pinned(Several({"inbox": InboxTransport(self.repository, PATHS), "branches": branches}))
        collect.collect(self.repository, base, pinned)
        first = run.first or world.tip
        now = replace(run, phase="read", base=world.tip, branch=world.branch, first=first, work=pinned)
        return self._with(world, number, now)

    def _settled(self, world: World, number: int, run: Run) -> Run:
        """The state was edited: the merge stops, or makes a frame of that."""
        if self.scenario.edit == "refuse":
            self._reached.add("stopped")
            return run
        base = collect.read_base(self.repository, world.tip)
        found = foreign.edits_of(History(Clone(self.repository, BRANCH)), base)
        assert found is not None
        now = NOW + timedelta(seconds=10 * number + run.left)
        made = foreign.settled_frame(self.repository, base, found, self.scenario.edit, now)
        return replace(run, phase="made", base=world.tip, work=made)

    def _push(self, world: World, number: int, run: Run, fate: str) -> World:
        faults = world.faults - (fate != "heard")
        world, publisher = replace(world, faults=faults), Watched(self._publisher(fate))
        bases = iter([self.base(run.base)])

        def tip() -> collect.Base:
            for base in bases:
                return base
            raise Anew

        self.running = run
        now = NOW + timedelta(seconds=10 * number + run.left)
        try:
            result = frame.run_until_settled(tip, self.repository, run.work, publisher, now)
        except Anew:
            self._reached.add("contended")
            return self._with(self._looked(world), number, Run(run.left, first=run.first))
        except Suspended:
            return self._with(self._looked(world), number, replace(run, phase="unsure", work=publisher.frame))
        if result.held:
            self._reached.add("held")
        return self._rest(self._told(world, result.published, publisher.frame), number, run)

    def _ask(self, world: World, number: int, run: Run) -> World:
        published = self._publisher("heard").publish(run.work)
        if published.operation == "contended":
            return self._with(self._looked(world), number, Run(run.left, first=run.first))
        self._reached.add("recovered" if run.phase == "unsure" else "settled")
        return self._rest(self._told(world, published, run.work), number, run)

    def _publisher(self, fate: str) -> Publisher:
        if not self.scenario.remote:
            return CommitPublisher(self.repository, BRANCH, AUTHOR)
        remote = Unreliable(self.repository, str(self.path))
        remote.fate = fate
        return PushPublisher(remote, BRANCH, AUTHOR, Impatience)  # type: ignore[arg-type]

    def _told(self, world: World, published: Published, made: Frame | None) -> World:
        """Whoever ran the merge is told what the frame's receipts say."""
        world = self._looked(world)
        if published.operation == "pushed" and made is not None:
            said = self.branch(world.tip).outcomes
            here = [one for one in made.receipts if one.outcome in IN_THE_STATE]
            if any(one.outcome not in said.get(one.digest, ()) for one in here):
                raise Broken("told_true", self._trail)
        return world

    def _rest(self, world: World, number: int, run: Run) -> World:
        return self._with(world, number, Run(run.left))

    @staticmethod
    def _with(world: World, number: int, run: Run) -> World:
        runs = tuple(run if place == number else one for place, one in enumerate(world.runs))
        return replace(world, runs=runs)

    # --- the repository

    def base(self, tip: str) -> collect.Base:
        if tip not in self._bases:
            self._bases[tip] = collect.open_base(self.repository, tip)
        return self._bases[tip]

    def branch(self, tip: str) -> Branch:
        if tip not in self._branches:
            self._branches[tip] = Branch.read(self.repository, tip)
        return self._branches[tip]

    def _looked(self, world: World) -> World:
        """The world with the branch as it is now."""
        tip = self.repository.resolve(BRANCH)
        assert tip is not None
        self._at = (tip, self._at[1])
        newest = self.branch(tip).frames
        landed = tuple(sorted({*world.landed, *newest.items()}))
        return replace(world, tip=tip, landed=landed)

    def _judged(self, world: World, before: World) -> World:
        if world.tip != before.tip:
            self._reached.update(*self.branch(world.tip).outcomes.values())
            invariant = broken(self.branch(world.tip), world.written, world.landed, self.scripts, world.branch)
            if invariant is None and "edit" in world.did and not self.branch(world.tip).has_edit(MINE):
                invariant = "edits_kept"
            if invariant is not None:
                raise Broken(invariant, self._trail)
        return world

    def _go_to(self, world: World) -> None:
        for ref, wanted, at in zip((BRANCH, PEER), (world.tip, world.branch), self._at, strict=True):
            if wanted != at:
                place = self.path / ref
                place.parent.mkdir(parents=True, exist_ok=True)
                place.unlink(missing_ok=True) if not wanted else place.write_text(f"{wanted}\n")
        self._at = (world.tip, world.branch)

    def _begin(self) -> World:
        wanted = {f"schemas/{name}.schema.json": json.dumps(one).encode() for name, one in SCHEMAS.items()}
        files = dict(genesis(MemoryFiles(), wanted, None, NOW - timedelta(days=1)).files)
        tip = self.repository.write_commit(None, files, "genesis", AUTHOR, 1)
        self.repository.compare_and_swap(BRANCH, tip, None)
        world = World(tip, "", tuple(Run(left) for left in self.scenario.starts), self.scenario.faults)
        self._at = (tip, "")
        if self.scenario.claimed:
            world = self._commit(world, dict([_claimed()]))
            inbox = InboxTransport(self.repository, PATHS)
            publisher = CommitPublisher(self.repository, BRANCH, AUTHOR)
            frame.run_frame(self.repository, self.base(world.tip), inbox, publisher, NOW - timedelta(hours=2))
        return self._looked(world)


def _claimed() -> tuple[str, bytes]:
    utc = format_utc(NOW - timedelta(hours=3))
    data = document({"frame": 1, "stream_id": "w", "utc": utc, "_control": [{"op": "claim"}]})
    return f"{PATHS.inbox}/{file_name(1, 'w', 'first')}", data
