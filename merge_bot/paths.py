"""Pure. Where things lie in a user's repository: every path that the merge reads or writes has its one place here."""

from __future__ import annotations

from typing import NamedTuple

GENERATED_MARKS = """\
* -text
_control/** linguist-generated
_control/**/*.keys binary linguist-generated
frames/** linguist-generated
"""

INBOX_IGNORE = """\
# Deltas that are being written right now. They get their name when they are whole.
.*.tmp
"""


def numbered(frame: int) -> str:
    """A frame's place in folders of a thousand: 405 is 000/000405."""
    return f"{frame // 1000:03d}/{frame:06d}"


class Paths(NamedTuple):
    """Repository paths below one state folder (`state` unless the settings say otherwise)."""

    state: str = "state"

    @property
    def meta(self) -> str:
        return f"{self.state}/_meta.json"

    @property
    def attributes(self) -> str:
        return f"{self.state}/.gitattributes"

    @property
    def inbox(self) -> str:
        return f"{self.state}/stream_deltas"

    @property
    def inbox_ignore(self) -> str:
        """Keeps the empty inbox in git, and half-written files out of it."""
        return f"{self.inbox}/.gitignore"

    @property
    def frames(self) -> str:
        return f"{self.state}/frames"

    @property
    def conflicts(self) -> str:
        return f"{self.state}/conflicts.json"

    @property
    def parked(self) -> str:
        return f"{self.state}/parked.jsonl"

    @property
    def control(self) -> str:
        return f"{self.state}/_control"

    @property
    def workers(self) -> str:
        return f"{self.control}/workers.json"

    def frame(self, number: int) -> str:
        """The folder of merged frame `number`, never changed afterwards."""
        return f"{self.frames}/{numbered(number)}"

    def manifest(self, number: int) -> str:
        return f"{self.frame(number)}/manifest.json"

    def receipts(self, number: int) -> str:
        return f"{self.frame(number)}/receipts.jsonl"

    def ledger(self, number: int) -> str:
        """The line-a-delta record of frame `number`, whenever its deltas were merged."""
        return f"{self.control}/ledger/{numbered(number)}.jsonl"

    def keys(self, collection: str) -> str:
        """The folder of a segmented collection's key files: a segment's own under its number, and runs of many."""
        return f"{self.control}/keys/{collection}"

    def clocks(self, collection: str) -> str:
        """Clocks of written fields: a folder beside layout `entities`, with `.json` a file beside layout `file`."""
        return f"{self.control}/clocks/{collection}"

    def outside_the_digest(self) -> frozenset[str]:
        """Names directly below the state folder that the state tree leaves out."""
        return frozenset({"stream_deltas", "frames", "_meta.json"})
