"""Pure. The delta: an immutable file that says what one run of one worker changed.

Its identity is the SHA-256 of its bytes. Operations are ordered by (instant, stream_id, digest, index); on real
data (frame, utc) is not unique, so nothing relies on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from merge_bot.findings import Reason

STREAM_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
FILE_NAME = re.compile(
    r"frame-(?P<frame>0|[1-9][0-9]{0,17})-(?P<stream_id>[A-Za-z0-9][A-Za-z0-9_-]{0,63})(?:\.(?P<suffix>[A-Za-z0-9_-]{1,80}))?\.json\Z"
)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_FRAME = 10**15


class Origin(NamedTuple):
    """Where an operation comes from, in the order that ranks writes: (instant, stream_id, digest).

    `instant` is microseconds since 1970-01-01T00:00:00Z; `frame` is the delta's own frame.
    """

    instant: int
    stream_id: str
    digest: str
    frame: int
    utc: str


class Condition(NamedTuple):
    """What an operation was computed from, and has to find unchanged.

    `expect` is the value that each field had (None: none, or null); `base` is the frame whose state was read, after
    which no field that the operation writes may have been written.
    """

    expect: Mapping[str, Any]
    base: int | None = None

    @property
    def needs_entity(self) -> bool:
        """Whether it can hold only where there is an entity already."""
        return any(value is not None for value in self.expect.values())


class Operation(NamedTuple):
    """One change. `record` is the record, or {counter: increment} for a sum; `condition` says when it may count,
    `resolves` that it settles an open conflict.
    """

    origin: Origin
    index: int  # type: ignore[assignment]  # in the place of tuple.index, which nobody needs
    collection: str
    pointer: str
    record: Any
    condition: Condition | None = None
    resolves: bool = False

    @property
    def brings(self) -> bool:
        """Whether its record may be the first under its key, so that others can refer to it."""
        return self.condition is None or not self.condition.needs_entity

    @property
    def rank(self) -> tuple[Origin, int]:
        """What orders operations: (instant, stream_id, digest), then the place in the delta."""
        return (self.origin, self.index)


class Request(NamedTuple):
    """A `_control` operation: what somebody asks the merge to decide. `content` is the whole object, `op` included."""

    origin: Origin
    index: int  # type: ignore[assignment]  # in the place of tuple.index, which nobody needs
    pointer: str
    content: Mapping[str, Any]

    @property
    def op(self) -> str:
        """The operation's name."""
        return str(self.content["op"])


class Candidate(NamedTuple):
    """Bytes that arrived, and from where; nothing parsed yet.

    `path` is the repository path (or a name) it came under, `blob` its git object id, `mode` its git file mode.
    `data` is None when it was not read: not a regular file, or larger than the limit; or
    not yet, then `digest` is "". `at_tip` says that the file
    still lies where it came from; False for a version that was overwritten or removed before the merge. `worker` is
    whose delta branch it came from, which takes only its own worker's deltas, and `commit` the commit there that
    brought it; `refused` is why nothing from there may enter. `arrived` is when it was committed, in seconds since
    1970; None if that is not known.
    """

    path: str
    blob: str
    mode: str
    size: int
    data: bytes | None
    digest: str
    at_tip: bool = True
    transport: str = "inbox"
    worker: str | None = None
    refused: Reason | None = None
    commit: str | None = None
    arrived: int | None = None


@dataclass(slots=True)
class Delta:
    """A delta that passed validation.

    `operations` holds each collection's operations in document order, those of records that enter whole as a batch;
    `control` what it asks the merge to decide. `notes` say what was read otherwise than it was written.
    """

    candidate: Candidate
    frame: int
    stream_id: str
    utc: str
    instant: int
    operations: dict[str, Any] = field(default_factory=dict)
    status: str = "ok"
    run: str | None = None
    epoch: int | None = None
    control: list[Request] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        return self.candidate.digest

    @property
    def origin(self) -> Origin:
        return Origin(self.instant, self.stream_id, self.digest, self.frame, self.utc)

    @property
    def slot(self) -> tuple[int, str, str | None]:
        """What one run of one worker may fill once."""
        return (self.frame, self.stream_id, self.run)

    @property
    def is_empty(self) -> bool:
        return not any(self.operations.values()) and not self.control

    @property
    def is_fallback(self) -> bool:
        """It says "I tried and have nothing", and fills no slot."""
        return self.status == "fallback"


def parse_utc(text: str) -> int | None:
    """Microseconds since the epoch of an RFC 3339 time with an offset; None if it is not one.

    Digits below the microsecond are cut off. A time without an offset names no instant, so it is not accepted.
    """
    match = _RFC3339.match(text)
    if not match:
        return None
    day, time, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{'+00:00' if offset in 'Zz' else offset}")
        whole = (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None
    return whole + int((fraction or "0")[:6].ljust(6, "0"))


def instant_of(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def format_utc(moment: datetime) -> str:
    """An aware datetime as RFC 3339 in UTC with microseconds: 2026-03-25T03:14:22.000001Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant_text(instant: int) -> str:
    """Microseconds since 1970 as `format_utc` writes them."""
    return format_utc(_EPOCH + timedelta(microseconds=instant))


def file_name(frame: int, stream_id: str, suffix: str | None = None) -> str:
    """The name under which a delta lies in the inbox: frame-405-w1.json, with a run frame-405-w1.RUN.json."""
    return f"frame-{frame}-{stream_id}.{suffix}.json" if suffix else f"frame-{frame}-{stream_id}.json"
