"""A delta made ready to leave: a whole one as it is, byte for byte, or operations with an envelope put around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from merge_bot import submit_letters, worker_letters
from merge_bot.canonical import digest
from merge_bot.control_schema import CONTROL, is_about_leases
from merge_bot.delta import format_utc
from merge_bot.errors import DeltaRejected
from merge_bot.findings import Problem, Reason, Rejection
from merge_bot.strict_json import parse
from merge_bot.validate import Rules, given, validate
from merge_bot.writer import delta_name

ENVELOPE = ("frame", "stream_id", "utc")
_META = "_meta"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delta's bytes under the file name that they should have. Its SHA-256 is its identity."""

    worker: str
    frame: int
    name: str
    data: bytes

    @property
    def digest(self) -> str:
        return digest(self.data)


def is_whole(content: bytes) -> bool:
    """Whether the bytes have an envelope of their own, so that nobody has to be asked which frame is open."""
    value = parse(content, "").value
    return isinstance(value, dict) and "frame" in value


def needs_epoch(content: bytes) -> bool:
    """Whether the bytes are to be under a lease, if their worker has one: all but requests about leases themselves."""
    value = parse(content, "").value
    return not (isinstance(value, dict) and is_about_leases(value))


def pack(
    content: bytes,
    worker: str,
    frame: int | None,
    run: str | None,
    now: datetime,
    rules: Rules,
    epoch: int | None = None,
) -> Parcel:
    """Make `content` a delta of this worker: what its envelope lacks is filled in, anything else stays as it is.

    Held to `rules` by the bot's own validation; where they know no collection, only the JSON and the envelope are.
    Raises DeltaRejected, which lists every problem.
    """
    parsed = parse(content, "delta", max_bytes=rules.max_bytes)
    if parsed.problems or not isinstance(parsed.value, dict):
        verdict = validate(given("delta", content), rules)
        raise _refused(verdict.problems if isinstance(verdict, Rejection) else parsed.problems)
    document = rules.read(parsed.value).document
    lacks: dict[str, Any] = {"frame": frame, "stream_id": worker, "utc": format_utc(now)}
    lacks = {name: value for name, value in lacks.items() if name not in document}
    meta = document.get(_META, {})
    if lacks and isinstance(meta, Mapping):
        known = {"run": run or None, "epoch": epoch}
        more = {name: one for name, one in known.items() if one is not None and name not in meta}
        lacks |= {_META: {**meta, **more}} if more else {}
    data = (given("delta", {**lacks, **parsed.value, **lacks}).data or b"") if lacks else content
    document = {**document, **lacks}
    own = (document["frame"], document["stream_id"], _run_of(document))
    name = delta_name(*own)
    problems = [
        *_problems(name, data, document, rules),
        *_not_as_asked(name, own, worker, frame, None if lacks else run),
    ]
    if problems:
        raise _refused(problems)
    return Parcel(worker, document["frame"], name, data)


def _problems(name: str, data: bytes, document: Mapping[str, Any], rules: Rules) -> tuple[Problem, ...]:
    candidate = given(name, data)
    if not rules.collections:
        if candidate.size > rules.max_bytes:
            return _rejected(candidate.path, data, rules)
        data = (
            given(name, {key: one for key, one in document.items() if key in (*ENVELOPE, _META, CONTROL)}).data or b""
        )
    return _rejected(name, data, rules)


def _rejected(name: str, data: bytes, rules: Rules) -> tuple[Problem, ...]:
    verdict = validate(given(name, data), rules)
    return verdict.problems if isinstance(verdict, Rejection) else ()


def _not_as_asked(
    name: str, own: tuple[Any, Any, Any], worker: str, frame: int | None, run: str | None
) -> list[Problem]:
    """Where the delta's own envelope says something else than the one who submits it."""
    found = []
    if own[0] != frame and frame is not None:
        found.append(Problem(name, 0, "/frame", Reason.BAD_FRAME, *submit_letters.other_frame(own[0], frame)))
    if own[1] != worker:
        letter = submit_letters.other_worker(own[1], worker)
        found.append(Problem(name, 0, "/stream_id", Reason.STREAM_NOT_OF_BRANCH, *letter))
    if own[2] != run and run is not None:
        found.append(Problem(name, 0, "/_meta/run", Reason.BAD_META, *submit_letters.other_run(own[2], run)))
    return found


def _run_of(document: Mapping[str, Any]) -> Any:
    meta = document.get(_META)
    return meta.get("run") if isinstance(meta, Mapping) else None


def _refused(problems: tuple[Problem, ...] | list[Problem]) -> DeltaRejected:
    return DeltaRejected(worker_letters.rejected(worker_letters.WHOLE, problems), problems)
