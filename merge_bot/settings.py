"""Pure. The settings in `.github/dreamcatcher.yml`: every one has a default. What a file may say: `settings_file`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from merge_bot.collection import Policy
from merge_bot.paths import Paths

SETTINGS_PATH = ".github/dreamcatcher.yml"
_SAYS_NOTHING = re.compile(rb"(?: *(?:#[\t -~]*)?\n)*")  # blank lines and comments, as in the template
_SHORT = 16 * 1024  # bytes; a longer file is judged, which also refuses one that is too long


class DeltaSettings(NamedTuple):
    """How deltas that were not written for us are read: other names of envelope keys, and keys to leave aside."""

    aliases: Mapping[str, str] = {}
    ignore: tuple[str, ...] = ()


class Lease(NamedTuple):
    """When a lease counts as silent, so that others may reclaim it: after so many frames, or so many seconds."""

    silent_frames: int = 20
    silent_seconds: int = 3600


class PolicyStep(NamedTuple):
    """A command that is asked about open conflicts after each merge; "": none. It decides as worker `stream`."""

    command: str = ""
    seconds: int = 60
    stream: str = "policy"


class Alarms(NamedTuple):
    """What may be so for how long, in seconds, or how often in a row, until it is said aloud; 0 or false: never.

    With an exit code, `status` and the action end with that where there is an alarm, and nothing worse.
    """

    pending_seconds: int = 7200
    silent_seconds: int = 604_800
    fallbacks: int = 3
    parked_seconds: int = 604_800
    odd_files: bool = True
    exit_code: int = 0


class Author(NamedTuple):
    """Who the merge commit names as its author and committer."""

    name: str = "Dream Catcher"
    email: str = "dreamcatcher@noreply.invalid"


class Settings(NamedTuple):
    """What a repository can choose. `Settings()` is all defaults."""

    state: str = "state"
    schemas: str = "schemas"
    grace_seconds: int = 30
    clock_tolerance_seconds: int = 300
    max_delta_bytes: int = 1_048_576
    max_delta_operations: int = 100_000
    max_validation_seconds: int = 60  # of one delta
    max_frame_deltas: int = 20_000  # more become further frames
    keep_frames: int = 0  # frames whose archives stay in the tree; 0: all
    archive: Literal["frame", "branches"] = "frame"  # branches: what came by a delta branch is kept there alone
    enrolment: Literal["open", "listed"] = "open"
    workers: Mapping[str, tuple[str, ...]] = {}
    operators: tuple[str, ...] = ("operator",)
    lease: Lease = Lease()
    conflicts: Mapping[str, Mapping[str, Policy]] = {}  # policies by field, see `policy`
    policy_step: PolicyStep = PolicyStep()
    breaker: int = 10  # bad deltas in a row that disable a worker; 0: never
    foreign_edits: Literal["auto", "refuse", "adopt", "revert"] = "auto"  # auto: adopt by pull request, else refuse
    alarms: Alarms = Alarms()
    delta: DeltaSettings = DeltaSettings()
    author: Author = Author()

    @property
    def inbox(self) -> str:
        """The folder that deltas lie in until they are merged."""
        return Paths(self.state).inbox

    @classmethod
    def load(cls, data: bytes | None, file: str = SETTINGS_PATH) -> Settings:
        """The settings in `data`, all defaults if there is no file. Raises SettingsError, which names every mistake."""
        if data is None or (len(data) < _SHORT and _SAYS_NOTHING.fullmatch(data)):
            return cls()
        from merge_bot.settings_file import judged  # with pydantic and YAML: as much as all else that a merge loads

        return judged(data, file)
