"""Pure. The report of a run: what became of every delta, as a page for people and as data for programs.

The data (`merge --json`) is stable; keys are added, never changed:

    dry_run     whether nothing was written
    operation   "pushed", or "none" (a dry run, or nothing was pending); pull requests: "created", "updated", "merged"
    frame       the merged frame; null if nothing was pending
    open_frame  the frame that is open after this run
    commit      the merge commit; null if there is none
    manifest    the digest of the frame's manifest; null if nothing was pending
    deltas      how many deltas ended how: {"applied": 5, "quarantined": 1}
    operations  the same for operations, by collection: {"posts": {"applied": 25, "duplicate": 1}}
    receipts    one for each delta, as in receipts.jsonl
    conflicts   those that this frame opened: collection, key, field, frame, policy, value, candidates
    parked      every record that waits after this frame, as in parked.jsonl
    held        deltas that wait for their frame to open: source, frame
    left        how many deltas come in the next frame, because one takes only so many
    missing     workers of the frames just before of whom nothing came for this one, not even a fallback
    remarks     what else there is to know, in words
    edits       of a frame that adopts or reverts what another hand changed: those files, as in its manifest
    earlier     the frames that this run published before this one, each as all of this
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from merge_bot.canonical import spelled
from merge_bot.conflicts import WHOLE_RECORD, Conflict
from merge_bot.control_schema import CONTROL
from merge_bot.decisions_report import decision_lines, disabled_items
from merge_bot.delta import FILE_NAME, Candidate
from merge_bot.edits_report import edit_items, edits_headline
from merge_bot.findings import Outcome, Problem, Reason, Receipt
from merge_bot.page import Item, Page, Table, some, value_text
from merge_bot.parked import Parked
from merge_bot.receipts import receipt_json
from merge_bot.wording import counted, printable, quoted

if TYPE_CHECKING:
    from merge_bot.frame import Result
    from merge_bot.snapshot import Frame

MANY_PROBLEMS = 8
MANY_WAITS = 5
MAX_SENTENCE = 600
_COLUMNS = (Outcome.DUPLICATE, Outcome.SUPERSEDED, Outcome.CONFLICT, Outcome.HELD, Outcome.PARKED)


def as_data(
    result: Result, *, dry_run: bool, remarks: Sequence[str] = (), earlier: Sequence[Result] = ()
) -> dict[str, Any]:
    """A run as the data that the head of this file describes."""
    frame = result.frame
    return {
        "dry_run": dry_run,
        "operation": result.published.operation,
        "frame": frame.number if frame else None,
        "open_frame": _open_after(result, dry_run),
        "commit": result.published.commit,
        "manifest": frame.manifest.digest if frame else None,
        "deltas": dict(sorted(Counter(one.outcome.value for one in frame.receipts).items())) if frame else {},
        "operations": operations_of(frame) if frame else {},
        "receipts": [receipt_json(one) for one in frame.receipts] if frame else [],
        "conflicts": [conflict_data(one) for one in frame.conflicts] if frame else [],
        "parked": [one.as_json() for one in frame.parked] if frame else [],
        "held": [{"source": spelled(one.path), "frame": _named_frame(one)} for one in result.held],
        "left": result.left,
        "missing": list(result.missing),
        "remarks": list(remarks),
        "edits": list(frame.manifest.edits or ()) if frame else [],
        "earlier": [as_data(one, dry_run=dry_run) for one in earlier],
    }


def as_page(result: Result, *, dry_run: bool, remarks: Sequence[str] = (), earlier: Sequence[Result] = ()) -> Page:
    """A run as people read it. `remarks` are sentences about what lies around the run, `earlier` the frames that it
    published before this one.
    """
    frame = result.frame
    page = Page(_headline(result, dry_run))
    page.add("Before that", some([_earlier(one, dry_run) for one in earlier]))
    if frame:
        page.tone = "good"
        page.add("Changed by another hand", some(list(edit_items(frame))), "doubt")
        page.add("By collection", _by_collection(frame))
        page.add(_title("conflict", frame.conflicts), some([conflict_item(one) for one in frame.conflicts]), "doubt")
        page.add(_parked_title(frame), some(parked_items(frame.parked)), "doubt")
        decisions = [Item(_source(one), lines) for one in frame.receipts if (lines := list(decision_lines(one)))]
        page.add("Decisions", some(decisions))
        page.add("Disabled: too many bad deltas in a row", some(disabled_items(frame.manifest.control)), "bad")
        for title, receipts, tone in _by_outcome(frame):
            page.add(title, some(receipts), tone)
    held = [Item(printable(one.path), [f"waits until frame {_named_frame(one)} opens"]) for one in result.held]
    page.add(f"{_deltas(len(held))} held for a later frame", some(held))
    page.add(
        "Missing: of these workers nothing came, not even a fallback",
        some([Item(one) for one in result.missing]),
        "doubt",
    )
    if result.left:
        page.add("More than one frame takes", [Item(f"{_deltas(result.left)} {_come(result.left)} next")])
    page.add("Also", some([Item(one) for one in remarks]), "doubt")
    page.closing = list(_closing(result, dry_run))
    return page


def operations_of(frame: Frame) -> dict[str, dict[str, int]]:
    """How many operations ended how, by collection; none is missing, none is counted twice."""
    counts = {name: Counter({Outcome.APPLIED.value: count}) for name, count in frame.applied.items() if count}
    for receipt in frame.receipts:
        for one in receipt.operations:
            counts.setdefault(one.collection, Counter())[one.outcome.value] += 1
    return {name: dict(sorted(counts[name].items())) for name in sorted(counts)}


def _open_after(result: Result, dry_run: bool) -> int:
    landed = result.published.operation in ("pushed", "merged")
    return result.open_frame + (1 if landed and not dry_run and result.frame else 0)


def _named_frame(candidate: Candidate) -> int | None:
    named = FILE_NAME.match(candidate.path.rpartition("/")[2])
    return int(named["frame"]) if named else None


def _deltas(count: int) -> str:
    return counted(count, "delta")


def _title(what: str, found: Sequence[Any], rest: str = "") -> str:
    return f"{counted(len(found), what)}{rest}"


# --- the head and the foot


def _headline(result: Result, dry_run: bool) -> str:
    if result.frame is None:
        waits = f"{_deltas(len(result.held))} for a later frame" if result.held else "no delta"
        return f"Nothing to merge: frame {result.open_frame} is open, {waits} {_wait(len(result.held))}."
    frame = result.frame
    if frame.manifest.edits is not None:
        return f"{_begin(result, dry_run)}: {edits_headline(frame)}."
    outcomes = Counter(receipt.outcome for receipt in frame.receipts)
    parts = [_deltas(frame.merged_deltas), f"{counted(frame.applied.total(), 'operation')} applied"]
    parts += [
        f"{outcomes[one]:,} {one}" for one in (Outcome.QUARANTINED, Outcome.FENCED, Outcome.FALLBACK) if outcomes[one]
    ]
    if frame.conflicts:
        parts.append(counted(len(frame.conflicts), "conflict"))
    if frame.parked:
        parts.append(f"{len(frame.parked):,} parked")
    return f"{_begin(result, dry_run)}: {', '.join(parts)}."


def _earlier(result: Result, dry_run: bool) -> Item:
    lines = [] if result.frame is None else [line for item in edit_items(result.frame) for line in _lines_of(item)]
    return Item(_headline(result, dry_run), lines)


def _lines_of(item: Item) -> list[str]:
    return [item.head, *(f"  {line}" for line in item.lines)]


def _begin(result: Result, dry_run: bool) -> str:
    assert result.frame is not None
    number, published = result.frame.number, result.published
    if dry_run:
        return f"Dry run, nothing was written. Frame {number} would be merged"
    if published.number is None or published.operation == "merged":
        return f"Frame {number} is merged"
    done = "waits" if published.operation == "none" else "is proposed"
    return f"Frame {number} {done} in pull request #{published.number}"


def _come(count: int) -> str:
    return "come" if count > 1 else "comes"


def _wait(count: int) -> str:
    return "wait" if count > 1 else "waits"


def _closing(result: Result, dry_run: bool) -> Iterator[str]:
    if result.frame is None:
        return
    if dry_run:
        yield "To merge it: dreamcatcher merge"
    elif result.published.operation in ("created", "updated", "none"):
        yield f"Merge it, and frame {result.open_frame + 1} opens: {printable(result.published.url)}"
    elif result.published.commit:
        yield f"Commit {result.published.commit}; look at it: git show --stat {result.published.commit[:12]}"
        yield f"Frame {_open_after(result, dry_run)} is open."


# --- what happened inside


def _by_collection(frame: Frame) -> list[Table]:
    operations = operations_of(frame)
    shown = [one for one in _COLUMNS if any(one.value in counts for counts in operations.values())]
    rows = [
        [name, *(f"{counts.get(one.value, 0):,}" for one in (Outcome.APPLIED, *shown))]
        for name, counts in operations.items()
        if name != CONTROL
    ]
    return [Table(["collection", "applied", *(one.value for one in shown)], rows)] if rows else []


_POLICIES = {
    "latest": "the latest write",
    "hold": "as before this frame; held until somebody resolves it",
    "first": "the first write",
    "max": "the greatest value",
    "min": "the least value",
    "prefer-worker": "of the preferred worker",
}


def conflict_item(conflict: Conflict) -> Item:
    """Every value with who wrote it and when, and which of them stands."""
    entry = conflict.entry
    what = "two records under one key" if conflict.field == WHOLE_RECORD else f"field {printable(conflict.field)}"
    stands, candidates = value_text(entry["value"]), entry["candidates"]
    rows = [f"{one['stream_id']} at {one['utc']}: {value_text(one['value'])}" for one in candidates]
    policy = _POLICIES.get(entry["policy"], entry["policy"])
    if conflict.field == WHOLE_RECORD:
        policy = "the record that came first"
    lines = [*(one.head if isinstance(one, Item) else one for one in some(rows)), f"stands: {stands} ({policy})"]
    return Item(f"{conflict.collection} {quoted(conflict.key)}, {what}", lines)


def conflict_data(conflict: Conflict) -> dict[str, Any]:
    """A conflict as programs read it."""
    return {"collection": conflict.collection, "key": conflict.key, "field": conflict.field, **conflict.entry}


def _parked_title(frame: Frame) -> str:
    new = sum(one.since == frame.number for one in frame.parked)
    older = len(frame.parked) - new
    also = f", {older:,} of them since an earlier frame" if older else ""
    return f"{counted(len(frame.parked), 'record')} parked, waiting for what each needs{also}"


def parked_items(parked: Iterable[Parked]) -> list[Item]:
    """Records that wait, the newest first, each with what it waits for."""
    ranked = sorted(parked, key=lambda one: -one.since)
    return [Item(f"{_whose(one)}, since frame {one.since}", list(waits_for(one))) for one in ranked]


def _whose(parked: Parked) -> str:
    operation = parked.operation
    return f"{operation.collection} from {operation.origin.stream_id} at {printable(operation.pointer)}"


def waits_for(parked: Parked) -> Iterator[str]:
    """What a parked record waits for, a line each."""
    for one in parked.waits_for[:MANY_WAITS]:
        if "collection" in one:
            yield f"waits for {one['collection']} {value_text(one['key'])}"
        else:
            where = f"{printable(str(one['field']))}: " if one.get("field") else ""
            yield f"waits until it fits its schema: {where}{printable(str(one.get('problem')))}"


def _by_outcome(frame: Frame) -> Iterator[tuple[str, list[Item], Any]]:
    """The deltas that were not simply applied, by what became of them."""
    kept_as = {(row["delta"], row["source"]): row.get("file") for row in frame.manifest.deltas}
    by_outcome: dict[Outcome, list[Receipt]] = {}
    for receipt in frame.receipts:
        by_outcome.setdefault(receipt.outcome, []).append(receipt)
    quarantined = [one for one in by_outcome.get(Outcome.QUARANTINED, []) if frame.manifest.edits is None]
    items = [quarantined_item(one, kept_as.get((one.digest, spelled(one.source)))) for one in quarantined]
    yield f"{_deltas(len(items))} quarantined, bytes kept", items, "bad"
    fenced = by_outcome.get(Outcome.FENCED, [])
    items = [quarantined_item(one, kept_as.get((one.digest, spelled(one.source)))) for one in fenced]
    yield f"{_deltas(len(items))} fenced, not of the lease that is held; bytes kept", items, "bad"
    late = [Item(f"{_source(one)}: of frame {one.frame}") for one in by_outcome.get(Outcome.LATE, ())]
    yield f"{_deltas(len(late))} late, merged now", late, "plain"
    empty = [Item(_source(one)) for one in by_outcome.get(Outcome.FALLBACK, ())]
    yield f"{counted(len(empty), 'fallback')}: these workers tried and had nothing", empty, "doubt"
    for outcome, word in ((Outcome.SUPERSEDED, "superseded"), (Outcome.DUPLICATE, "arrived before")):
        others = [Item(_source(one), [printable(note) for note in one.notes]) for one in by_outcome.get(outcome, ())]
        yield f"{_deltas(len(others))} {word}, not counted again", others, "plain"
    released = Counter(
        one.stream_id or "" for one in frame.receipts if one.reason == Reason.WAS_PARKED for _ in range(_total(one))
    )
    items = [Item(f"{counted(count, 'record')} of {name}") for name, count in sorted(released.items())]
    yield "No longer parked", items, "good"
    merged = by_outcome.get(Outcome.APPLIED, []) + by_outcome.get(Outcome.LATE, [])
    noted = [Item(_source(one), [printable(note) for note in one.notes]) for one in merged if one.notes]
    yield "Notes", noted, "doubt"


def _source(receipt: Receipt) -> str:
    return printable(receipt.source)


def _total(receipt: Receipt) -> int:
    return sum(receipt.counts.values())


def quarantined_item(receipt: Receipt, kept: object) -> Item:
    """A refused delta with its letters: where, what is wrong, what to do."""
    lines = [line for problem in receipt.problems[:MANY_PROBLEMS] for line in problem_lines(problem, receipt.source)]
    if len(receipt.problems) > MANY_PROBLEMS:
        lines.append(f"and {counted(len(receipt.problems) - MANY_PROBLEMS, 'more problem')}")
    if kept:
        lines.append(f"kept as {printable(str(kept))}")
    return Item(_source(receipt), lines)


def problem_lines(problem: Problem, file: str = "") -> Iterable[str]:
    """A problem's place (its file only where it is not `file`), what is wrong, and what to do."""
    places = [] if problem.file == file else [printable(problem.file)]
    places += [f"line {problem.line}"] if problem.line else []
    places += [printable(problem.pointer)] if problem.pointer else []
    where = ", ".join(places)
    yield f"{where}: {_sentence(problem.message)}" if where else _sentence(problem.message)
    if problem.remedy:
        yield f"  {_sentence(problem.remedy)}"


def _sentence(text: str) -> str:
    return printable(text if len(text) <= MAX_SENTENCE else f"{text[:MAX_SENTENCE]}…")
