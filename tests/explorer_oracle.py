"""What a branch says, read file by file from its tip, and which of the protocol's invariants it breaks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from merge_bot.git import Repository
from merge_bot.tree import object_id

INBOX = "state/stream_deltas/"
IN_THE_STATE = {"applied", "late"}


@dataclass(frozen=True, slots=True)
class Written:
    """A delta that was committed: for which frame, its digest and blob, where, and the epoch in its bytes."""

    name: str
    frame: int
    digest: str
    blob: str
    place: str
    epoch: int | None


@dataclass(slots=True)
class Branch:
    """A commit of the branch.

    `notes` are (note, frame) of each record; `outcomes` each delta's, duplicates left out, with the frame of each;
    `requests` are the outcomes of a delta's `_control` operations; `frames` name each manifest that is there; `pending`
    are blobs that lie in the inbox, or did since the base of the newest frame that looked into it; `edits` are what
    other hands had left, and where a frame that undid that kept it (None: it did not); `blobs` are all by path.
    """

    clock: int = 0
    bio: str | None = None
    notes: list[tuple[str, int]] = field(default_factory=list)
    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    requests: dict[str, dict[str, int]] = field(default_factory=dict)
    frames: dict[int, str] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)
    marks: dict[str, str] = field(default_factory=dict)
    edits: list[tuple[str, str | None]] = field(default_factory=list)
    blobs: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, repository: Repository, tip: str) -> Branch:
        branch, newest = cls(), {}
        for path, blob in _files(repository, repository.commit_tree(tip)):
            if path.startswith(INBOX):
                branch.pending.add(blob)
                continue
            branch.blobs[path] = blob
            name, _, rest = path.removeprefix("state/").partition("/")
            if not path.startswith("state/") or not (rest or name == "_meta.json"):
                continue
            data = repository.read_blob(blob)
            if name == "_meta.json":
                branch.clock = json.loads(data)["frame"]
            elif name == "notes":
                number = int(rest.rpartition("/")[2].partition(".")[0])
                branch.notes += [(json.loads(line)["note"], number) for line in data.splitlines()]
            elif path == "state/agents/a.json":
                branch.bio = json.loads(data)["bio"]
            elif path.endswith("/receipts.jsonl"):
                branch._take_in(data, int(rest.split("/")[1]))
            elif path.endswith("/manifest.json"):
                branch.frames[int(rest.split("/")[1])] = blob
                manifest = json.loads(data)
                if manifest["kind"] in ("genesis", "merge"):
                    newest[int(rest.split("/")[1])] = manifest["base"]
                undone = manifest["kind"] == "revert"
                branch.edits += [
                    (one["after"], one.get("file", "") if undone else None) for one in manifest.get("edits", ())
                ]
            elif path == "state/_control/workers.json":
                branch.marks = {who: one.get("watermark", "") for who, one in json.loads(data).items()}
        branch._look_back(repository, newest[max(newest)], tip)
        return branch

    def _take_in(self, receipts: bytes, number: int) -> None:
        for line in receipts.splitlines():
            receipt: dict[str, Any] = json.loads(line)
            if receipt["outcome"] != "duplicate":
                self.outcomes.setdefault(receipt["digest"], {}).setdefault(receipt["outcome"], number)
            for one in receipt.get("operations", ()):
                if one["collection"] == "_control":
                    self.requests.setdefault(receipt["digest"], {}).setdefault(one["outcome"], number)

    def _look_back(self, repository: Repository, base: str | None, tip: str) -> None:
        """Add what lay in the inbox at any commit since the newest frame's base."""
        span = tip if base is None else f"{base}..{tip}"
        for commit in repository.git.run("rev-list", span).out.decode().split():
            for path, blob in _files(repository, repository.commit_tree(commit), only=INBOX):
                if path.startswith(INBOX):
                    self.pending.add(blob)

    def count(self, name: str) -> int:
        return sum(note == name for note, _ in self.notes)

    def has_edit(self, content: bytes) -> bool:
        """Whether a person's edit is in the state, or a frame took it in, or undid it and kept its bytes."""
        blob = object_id("blob", content)
        kept = any(one == blob and (place is None or self.blobs.get(place) == blob) for one, place in self.edits)
        return kept or self.blobs.get("state/agents/a.json") == blob

    def granted(self, digest: str) -> bool:
        """Whether a request of this delta was granted."""
        return "applied" in self.requests.get(digest, {})


def _files(repository: Repository, tree: str, folder: str = "", only: str = "") -> Iterator[tuple[str, str]]:
    for name, entry in repository.read_tree(tree).items():
        path = f"{folder}{name}"
        if not entry.is_tree:
            yield path, entry.id
        elif only.startswith(f"{path}/") or f"{path}/".startswith(only):
            yield from _files(repository, entry.id, f"{path}/", only)


def broken(
    branch: Branch,
    written: Iterable[Written],
    landed: Iterable[tuple[int, str]],
    scripts: Mapping[str, Any],
    delta_branch: str,
) -> str | None:
    """The name of the first invariant of the model that this branch breaks; None if it keeps them all."""
    deltas = {one.name: one for one in written}
    asked = {
        "exactly_once": _exactly_once(branch, scripts),
        "nothing_lost": all(_accounted(branch, one, delta_branch) for one in deltas.values()),
        "receipts_true": all(_is_true(branch, one, scripts) for one in deltas.values()),
        "no_zombie_applied": not any(_is_zombie(branch, one, deltas, scripts) for one in deltas.values()),
        "no_living_fenced": not any(_lived(branch, one, deltas, scripts) for one in deltas.values()),
        "frames_never_fork": dict(landed) == branch.frames and branch.clock == max(branch.frames) + 1
        and len(dict(landed)) == len(list(landed)),
    }  # fmt: skip
    return next((name for name, holds in asked.items() if not holds), None)


def _exactly_once(branch: Branch, scripts: Mapping[str, Any]) -> bool:
    counts = Counter(note for note, _ in branch.notes)
    slots = Counter(scripts[name].slot_of or name for name in counts)
    return max((*counts.values(), *slots.values()), default=0) <= 1


def _accounted(branch: Branch, one: Written, delta_branch: str) -> bool:
    waits_there = one.place == "branch" and branch.marks.get("peer", "") != delta_branch
    return bool(branch.outcomes.get(one.digest)) or one.blob in branch.pending or waits_there


def _is_true(branch: Branch, one: Written, scripts: Mapping[str, Any]) -> bool:
    if scripts[one.name].control is not None:
        return True
    said = not IN_THE_STATE.isdisjoint(branch.outcomes.get(one.digest, {}))
    return said == (branch.count(one.name) > 0)


def _ended(branch: Branch, process: str, deltas: Mapping[str, Written], scripts: Mapping[str, Any]) -> int | None:
    """In which frame somebody ended this process's lease, meaning that one; None if nobody did."""
    frames = [
        branch.requests.get(one.digest, {}).get("applied")
        for one in deltas.values()
        if scripts[one.name].ends == process
    ]
    return min((number for number in frames if number is not None), default=None)


def _is_zombie(branch: Branch, one: Written, deltas: Mapping[str, Written], scripts: Mapping[str, Any]) -> bool:
    ended = _ended(branch, scripts[one.name].by, deltas, scripts)
    return ended is not None and any(name == one.name and number > ended for name, number in branch.notes)


def _lived(branch: Branch, one: Written, deltas: Mapping[str, Written], scripts: Mapping[str, Any]) -> bool:
    """Whether a delta that had the right epoch was fenced though nobody had ended its writer's lease before."""
    fenced = branch.outcomes.get(one.digest, {}).get("fenced")
    if fenced is None or not one.epoch:
        return False
    ended = _ended(branch, scripts[one.name].by, deltas, scripts)
    return ended is None or ended >= fenced
