"""Pure. Receipts of a frame: one line a delta, with every operation that was not simply applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from merge_bot import drift_letters, letters
from merge_bot.canonical import fields_of, line, spelled
from merge_bot.collection import APPEND, SUM, Collections
from merge_bot.control import Decision
from merge_bot.delta import Delta, Operation, Origin
from merge_bot.findings import OperationReceipt, Outcome, Problem, Reason, Receipt, Recover
from merge_bot.lenient import Unresolved
from merge_bot.merge import Merged

Constant = TypeVar("Constant", Outcome, Reason, Recover)


def receipts_of(
    frame: int,
    admitted: Iterable[Delta],
    settled: Iterable[Receipt],
    merged: Merged,
    collections: Collections,
    decisions: Iterable[Decision] = (),
) -> list[Receipt]:
    """Every receipt of the frame, by digest: the admitted deltas', the settled ones', and those of released records."""
    receipts = {delta.digest: _receipt(frame, delta) for delta in admitted}
    released = Counter(operation.origin for operation in merged.released)
    for origin, count in released.items():
        if origin.digest not in receipts:
            receipts[origin.digest] = _released(origin, count)
    for loss in merged.losses:
        receipt = receipts[loss.operation.origin.digest]
        _move(receipt, loss.operation, loss.outcome, loss.reason, loss.recover, loss.detail)
    for violation in merged.newly_parked:
        receipt = receipts[violation.operation.origin.digest]
        detail = {"waits_for": violation.waits_for}
        _move(receipt, violation.operation, Outcome.PARKED, violation.reason, Recover.WAIT_FOR_TARGET, detail)
    for delta in admitted:
        _note_doubtful_counters(receipts[delta.digest], delta, collections)
    for decision in decisions:
        receipt = receipts[decision.request.origin.digest]
        receipt.operations.append(decision.receipt())
        counts = Counter(receipt.counts) + Counter([decision.outcome.value])
        receipt.counts = dict(sorted(counts.items()))
    for (digest, name, target), ones in _by_delta(merged.unresolved).items():
        receipts[digest].notes.append(
            drift_letters.refers_to_nothing(name, target, ones[0].value, ones[0].pointer, len(ones))
        )
    everything = [*receipts.values(), *settled]
    return sorted(everything, key=lambda one: (one.digest, one.source, one.outcome))


def _receipt(frame: int, delta: Delta) -> Receipt:
    late = delta.frame < frame
    return Receipt(
        digest=delta.digest,
        source=delta.candidate.path,
        outcome=Outcome.LATE if late else Outcome.APPLIED,
        reason=Reason.LATE_FRAME if late else None,
        frame=delta.frame,
        stream_id=delta.stream_id,
        utc=delta.utc,
        counts={Outcome.APPLIED.value: sum(map(len, delta.operations.values()))},
        notes=list(delta.notes),
    )


def _released(origin: Origin, count: int) -> Receipt:
    return Receipt(
        digest=origin.digest,
        source="parked",
        outcome=Outcome.APPLIED,
        reason=Reason.WAS_PARKED,
        frame=origin.frame,
        stream_id=origin.stream_id,
        utc=origin.utc,
        counts={Outcome.APPLIED.value: count},
    )


def _move(
    receipt: Receipt,
    operation: Operation,
    outcome: Outcome,
    reason: Reason,
    recover: Recover,
    detail: Mapping[str, Any],
) -> None:
    """Count an operation under another outcome than applied."""
    if not operation.resolves:  # a decision, counted among the delta's decisions
        counts = receipt.counts
        counts[outcome.value] = counts.get(outcome.value, 0) + 1
        counts[Outcome.APPLIED.value] = counts.get(Outcome.APPLIED.value, 0) - 1
        receipt.counts = {name: count for name, count in sorted(counts.items()) if count > 0}
    receipt.operations.append(
        OperationReceipt(operation.collection, operation.pointer, outcome, reason, recover, detail)
    )


def _by_delta(unresolved: Iterable[Unresolved]) -> dict[tuple[str, str, str], list[Unresolved]]:
    found: dict[tuple[str, str, str], list[Unresolved]] = {}
    for one in unresolved:
        found.setdefault((one.digest, one.field, one.target), []).append(one)
    return found


def _note_doubtful_counters(receipt: Receipt, delta: Delta, collections: Collections) -> None:
    """A duplicate record whose delta also incremented counters: the counter now says more than there is."""
    duplicates = [
        one
        for one in receipt.operations
        if one.outcome in (Outcome.DUPLICATE, Outcome.CONFLICT) and collections[one.collection].strategy == APPEND
    ]
    counters = [
        name
        for name, ones in delta.operations.items()
        if collections[name].strategy == SUM
        and any(collections[name].counts(counter) is None for one in ones for counter in one.record)
    ]
    if duplicates and counters:
        receipt.notes.append(letters.counters_in_doubt(len(duplicates), counters))


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """A receipt as it stands in `receipts.jsonl`: empty parts left out."""
    value = fields_of(receipt)
    value["source"] = spelled(receipt.source)
    value["operations"] = [_filled(zip(one._fields, one, strict=True)) for one in receipt.operations]
    value["problems"] = [{**one._asdict(), "file": spelled(one.file)} for one in receipt.problems]
    return _filled(value.items())


def _filled(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: one for name, one in fields if one or one in (0, "")}


def receipts_bytes(receipts: Iterable[Receipt]) -> bytes:
    return b"".join(line(receipt_json(one)) for one in receipts)


def receipt_from(value: Mapping[str, Any]) -> Receipt:
    """A receipt from its line in `receipts.jsonl`: the inverse of `receipt_json`. Raises KeyError, TypeError."""
    operations = [
        OperationReceipt(
            one["collection"],
            one.get("pointer", ""),
            _constant(Outcome, one["outcome"]),
            _constant(Reason, one["reason"]),
            _constant(Recover, one["recover"]),
            one.get("detail", {}),
        )
        for one in value.get("operations", ())
    ]
    problems = tuple(
        Problem(**{"line": 0, "pointer": "", "remedy": "", **one, "reason": _constant(Reason, one["reason"])})
        for one in value.get("problems", ())
    )
    reason = value.get("reason")
    return Receipt(
        digest=value["digest"],
        source=value["source"],
        outcome=_constant(Outcome, value["outcome"]),
        frame=value.get("frame"),
        stream_id=value.get("stream_id"),
        utc=value.get("utc"),
        reason=None if reason is None else _constant(Reason, reason),
        recover=_constant(Recover, value["recover"]),
        counts=dict(value.get("counts", {})),
        operations=operations,
        problems=problems,
        notes=list(value.get("notes", ())),
    )


def _constant(kind: type[Constant], word: Any) -> Constant:
    """A constant; a word that a newer version wrote, as it is: it compares like one."""
    try:
        return kind(word)
    except ValueError:
        return word  # type: ignore[no-any-return]
