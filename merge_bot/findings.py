"""Pure. The three wrongs that are values (rejection, conflict, violation), the constants they carry, and receipts.

Programs match on the constants (`Reason`, `Outcome`, `Recover`), never on text. Sentences live in `messages`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Outcome(StrEnum):
    """What became of a delta, or of one operation in it."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    CONFLICT = "conflict"
    HELD = "held"
    PARKED = "parked"
    LATE = "late"
    FENCED = "fenced"
    QUARANTINED = "quarantined"
    FALLBACK = "fallback"
    UNDONE = "undone"
    DROPPED = "dropped"
    AMENDED = "amended"
    REFUSED = "refused"


REFUSED_OUTCOMES = frozenset({Outcome.QUARANTINED, Outcome.FENCED})
"""Outcomes of deltas that may not enter: their bytes are kept in quarantine."""


class Recover(StrEnum):
    """What the writer can do about it."""

    NONE = "none"
    RESUBMIT = "resubmit"
    REFETCH_AND_RECOMPUTE = "refetch_and_recompute"
    CLAIM_AGAIN = "claim_again"
    FIX_SCHEMA = "fix_schema"
    WAIT_FOR_TARGET = "wait_for_target"
    ASK_OPERATOR = "ask_operator"


class Reason(StrEnum):
    """Why. One constant for each thing that can be wrong; new ones are added, old ones never change meaning."""

    # the bytes
    NOT_UTF8 = "not_utf8"
    BYTE_ORDER_MARK = "byte_order_mark"
    EMPTY_FILE = "empty_file"
    NOT_JSON = "not_json"
    TRUNCATED = "truncated"
    CONFLICT_MARKERS = "conflict_markers"
    DUPLICATE_KEY = "duplicate_key"
    NOT_A_NUMBER = "not_a_number"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    NUMBER_LOSES_DIGITS = "number_loses_digits"
    LONE_SURROGATE = "lone_surrogate"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    TOO_MANY_OPERATIONS = "too_many_operations"
    # the file
    NOT_A_REGULAR_FILE = "not_a_regular_file"
    NOT_A_DELTA_FILE = "not_a_delta_file"
    NAME_DISAGREES = "name_disagrees"
    # the envelope
    NOT_AN_OBJECT = "not_an_object"
    MISSING_KEY = "missing_key"
    UNKNOWN_KEY = "unknown_key"
    ALIAS_CLASH = "alias_clash"
    BAD_FRAME = "bad_frame"
    BAD_STREAM_ID = "bad_stream_id"
    BAD_UTC = "bad_utc"
    BAD_META = "bad_meta"
    BAD_CONTROL = "bad_control"
    # the records
    SCHEMA_VIOLATION = "schema_violation"
    NO_KEY = "no_key"
    VALIDATION_TOO_SLOW = "validation_too_slow"
    # the rules
    BAD_SCHEMA = "bad_schema"
    BAD_SETTINGS = "bad_settings"
    # the state
    DUPLICATE_RECORD = "duplicate_record"
    KEYS_DISAGREE = "keys_disagree"
    COUNTS_DISAGREE = "counts_disagree"
    MISPLACED_FILE = "misplaced_file"
    MISSING_FILE = "missing_file"
    FOREIGN_EDIT = "foreign_edit"
    # admission
    STREAM_ID_DIFFERS_IN_CASE = "stream_id_differs_in_case"
    CLOCK_AHEAD = "clock_ahead"
    FUTURE_FRAME = "future_frame"
    LATE_FRAME = "late_frame"
    ALREADY_MERGED = "already_merged"
    SAME_BYTES = "same_bytes"
    SLOT_REUSED = "slot_reused"
    SLOT_ALREADY_MERGED = "slot_already_merged"
    NEWER_VERSION = "newer_version"
    NOTHING_TO_SAY = "nothing_to_say"
    STREAM_NOT_OF_BRANCH = "stream_not_of_branch"
    BRANCH_REWOUND = "branch_rewound"
    NO_EPOCH = "no_epoch"
    OTHER_EPOCH = "other_epoch"
    BAD_SECTION = "bad_section"
    NOT_ENROLLED = "not_enrolled"
    COLLECTION_NOT_ALLOWED = "collection_not_allowed"
    WORKER_DISABLED = "worker_disabled"
    # the merge
    SAME_RECORD = "same_record"
    SAME_KEY_OTHER_CONTENT = "same_key_other_content"
    OLDER_WRITE = "older_write"
    CONCURRENT_WRITE = "concurrent_write"
    HELD_FOR_RESOLUTION = "held_for_resolution"
    NOT_AS_EXPECTED = "not_as_expected"
    WRITTEN_SINCE = "written_since"
    DANGLING_REFERENCE = "dangling_reference"
    INCOMPLETE_ENTITY = "incomplete_entity"
    DERIVED_COUNTER = "derived_counter"
    SUM_OUT_OF_RANGE = "sum_out_of_range"
    WAS_PARKED = "was_parked"
    # decisions
    NOT_AN_OPERATOR = "not_an_operator"
    NOT_IN_QUARANTINE = "not_in_quarantine"
    NOT_UNDONE = "not_undone"
    DECIDED_BEFORE = "decided_before"
    ARRIVED_AGAIN = "arrived_again"
    BYTES_NOT_AT_HAND = "bytes_not_at_hand"
    PUT_UP_AGAIN = "put_up_again"
    DROPPED = "dropped"
    AMENDED = "amended"
    BAD_AMENDMENT = "bad_amendment"
    CLAIMED = "claimed"
    RELEASED = "released"
    RECLAIMED = "reclaimed"
    LEASE_HELD = "lease_held"
    NOT_SILENT = "not_silent"
    ENABLED = "enabled"
    NOT_DISABLED = "not_disabled"
    # the chain
    CHAIN_BROKEN = "chain_broken"
    DIGEST_DIFFERS = "digest_differs"
    BOOKS_DISAGREE = "books_disagree"
    MERGED_TWICE = "merged_twice"
    RESOLVED = "resolved"
    NO_OPEN_CONFLICT = "no_open_conflict"
    CANNOT_BE_SET = "cannot_be_set"
    # going back
    ROLLED_BACK = "rolled_back"
    RESTORED = "restored"


class Problem(NamedTuple):
    """One thing wrong at one place.

    `file` is a repository path or a name that the reader knows; `pointer` is an RFC 6901 JSON pointer ("" is the
    whole document); `line` counts from 1, 0 when there is none.
    """

    file: str
    line: int
    pointer: str
    reason: Reason
    message: str
    remedy: str = ""


class Rejection(NamedTuple):
    """A delta that may not enter: whole, kept, explained, never fatal to the frame.

    `frame`, `stream_id` and `utc` are what could still be read of its envelope, each only if it was well formed.
    """

    problems: tuple[Problem, ...]
    recover: Recover = Recover.RESUBMIT
    frame: int | None = None
    stream_id: str | None = None
    utc: str | None = None


class OperationReceipt(NamedTuple):
    """One operation that was not simply applied. `pointer` is its place in the delta."""

    collection: str
    pointer: str
    outcome: Outcome
    reason: Reason
    recover: Recover
    detail: Mapping[str, Any] = {}  # of a tuple with names


@dataclass(slots=True)
class Receipt:
    """What became of one delta: counts by outcome, and each operation that was not simply applied."""

    digest: str
    source: str
    outcome: Outcome
    frame: int | None = None
    stream_id: str | None = None
    utc: str | None = None
    reason: Reason | None = None
    recover: Recover = Recover.NONE
    counts: dict[str, int] = field(default_factory=dict)
    operations: list[OperationReceipt] = field(default_factory=list)
    problems: tuple[Problem, ...] = ()
    notes: list[str] = field(default_factory=list)
