"""Pure. The ledger held against the frames: what each consumed, merged once, undid or brought back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from merge_bot import verify_letters as letters
from merge_bot.admit import Moment, ledger_frame
from merge_bot.audit_files import lines_of, walk
from merge_bot.delta import Candidate
from merge_bot.findings import Outcome, Reason
from merge_bot.ledger import FILLS_ITS_SLOT
from merge_bot.manifest import Manifest
from merge_bot.messages import Letter
from merge_bot.paths import Paths
from merge_bot.state import Files


class Entry(NamedTuple):
    """What the ledger should say of a delta: its outcome, and the frame that settled it."""

    outcome: str
    merged_in: int


class Wrong(NamedTuple):
    """Something wrong, and of which frame."""

    frame: int
    path: str
    reason: Reason
    letter: Letter


class Books:
    """What the ledger should hold, told frame by frame, the oldest first."""

    def __init__(self, paths: Paths, since: int) -> None:
        self._paths, self._since = paths, since
        self._due: dict[tuple[int, str], Entry] = {}
        self._twice: list[Wrong] = []

    def tell(self, manifest: Manifest) -> None:
        """Enter what one frame did."""
        number = manifest.frame
        for row in manifest.deltas:
            if row["outcome"] == Outcome.DUPLICATE:
                continue
            candidate = Candidate(row["source"], "", "", 0, None, row["delta"])
            place = (ledger_frame(candidate, row.get("frame"), Moment(number, 0, 0)), str(row["delta"]))
            before = self._due.get(place)
            if before and before.outcome in FILLS_ITS_SLOT:
                letter = letters.merged_twice(place[1], before.merged_in, number)
                self._twice.append(Wrong(number, self._paths.manifest(number), Reason.MERGED_TWICE, letter))
            self._due[place] = Entry(row["outcome"], number)
        for one in manifest.control or ():
            settled = {"drop": Outcome.DROPPED, "amend": Outcome.AMENDED}.get(one["op"])
            if settled is not None:
                self._due.update({(frame, one["delta"]): Entry(settled, number) for frame in one["ledger"]})
            for frame in one.get("filed", ()):
                self._due[frame, one["amended"]] = Entry(Outcome.AMENDED, number)
        if manifest.rollback is not None:
            for row in manifest.rollback["undone"]:
                self._due[row["frame"], row["delta"]] = Entry(Outcome.UNDONE, number)
            for row in manifest.rollback["restored"]:
                self._due[row["frame"], row["delta"]] = Entry(row["outcome"], row["merged_in"])

    def wrong(self, files: Files) -> Iterator[Wrong]:
        """What the ledger in `files` says otherwise, and what was merged twice."""
        yield from self._twice
        due = {place: one for place, one in self._due.items() if one.merged_in >= self._since}
        seen: set[tuple[int, str]] = set()
        for frame, path in self._files(files):
            for line in lines_of(files.read(path) or b"", path).value:
                if not isinstance(line, dict):
                    continue  # a file that cannot be read is told of elsewhere
                said = Entry(str(line.get("outcome")), _number(line.get("merged_in")))
                place = (frame, str(line.get("delta")))
                seen.add(place)
                if place in due and due[place] != said:
                    letter = letters.ledger_disagrees(place[1], said, due[place])
                    yield Wrong(due[place].merged_in, path, Reason.BOOKS_DISAGREE, letter)
                elif place not in due and said.merged_in >= self._since:
                    letter = letters.ledger_invents(place[1], said.merged_in)
                    yield Wrong(said.merged_in, path, Reason.BOOKS_DISAGREE, letter)
        for frame, delta in due.keys() - seen:
            merged_in = due[frame, delta].merged_in
            letter = letters.ledger_lacks(delta, merged_in)
            yield Wrong(merged_in, self._paths.ledger(frame), Reason.BOOKS_DISAGREE, letter)

    def _files(self, files: Files) -> Iterable[tuple[int, str]]:
        """The ledger's files that may tell of these frames: late deltas stand in those of older ones."""
        late = {frame for frame, _ in self._due}
        for path, _ in walk(files, f"{self._paths.control}/ledger"):
            name = path.rpartition("/")[2].removesuffix(".jsonl")
            if name.isdecimal() and (int(name) >= self._since or int(name) in late):
                yield int(name), path


def _number(value: object) -> int:
    return value if isinstance(value, int) else -1
