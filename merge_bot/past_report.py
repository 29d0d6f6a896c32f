"""Pure. The past as pages for people: frames, differences, replays, lives of records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from merge_bot.conflicts import WHOLE_RECORD
from merge_bot.counting import COUNT
from merge_bot.diff import ABSENT, Change, Diff
from merge_bot.page import Item, Page, Table, some, value_text
from merge_bot.wording import counted, printable, quoted

if TYPE_CHECKING:
    from merge_bot.blame import Event, Life
    from merge_bot.contributions import Workers
    from merge_bot.replay import Replayed


# --- diff


def diff_page(diff: Diff, title: str) -> Page:
    """`title` says between what: "From frame 404 to frame 405"."""
    counts = diff.counts
    totals = {kind: sum(of[kind] for of in counts.values()) for kind in ("added", "changed", "removed")}
    said = [f"{counted(count, 'record')} {kind}" for kind, count in totals.items() if count]
    page = Page(f"{title}: {', '.join(said) if said else 'no record differs'}.")
    if counts:
        rows = [[name, *(f"{of[kind]:,}" for kind in (*totals, "fields"))] for name, of in sorted(counts.items())]
        page.add("By collection", [Table(["collection", *totals, "fields"], rows)])
    for name in sorted(counts):
        page.add(name, some([change_item(one) for one in diff.changes if one.collection == name]))
    page.add("Conflicts opened", some([Item(_where(*one)) for one in diff.opened]), "doubt")
    page.add("Conflicts settled", some([Item(_where(*one)) for one in diff.closed]), "good")
    for what, ones, tone in (("Parked since", diff.parked, "doubt"), ("No longer parked", diff.released, "good")):
        heads = [f"{one.operation.collection} from {one.operation.origin.stream_id}" for one in ones]
        items = [Item(f"{head} at {printable(one.operation.pointer)}") for head, one in zip(heads, ones, strict=True)]
        page.add(what, some(items), "doubt" if tone == "doubt" else "good")
    return page


def change_item(change: Change) -> Item:
    """One changed record in words."""
    name = quoted(change.key) if change.key else "the whole" if change.kind == "changed" else ""
    if change.kind != "changed":
        record = change.after if change.kind == "added" else change.before
        return Item(f"{change.kind} {name}".rstrip(), [value_text(record)])
    return Item(f"changed {name}", list(field_lines(change.fields)))


def field_lines(fields: Mapping[str, tuple[Any, Any]]) -> Iterator[str]:
    for name, (before, after) in fields.items():
        if before is ABSENT:
            yield f"{printable(name)}: {value_text(after)} (new)"
        elif after is ABSENT:
            yield f"{printable(name)}: gone, was {value_text(before)}"
        elif _is_number(before) and _is_number(after):
            yield f"{printable(name)}: {value_text(before)} → {value_text(after)} ({after - before:+g})"
        else:
            yield f"{printable(name)}: {value_text(before)} → {value_text(after)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _where(collection: str, key: str, name: str) -> str:
    return f"{collection} {quoted(key)}{'' if name == WHOLE_RECORD else f', field {printable(name)}'}"


# --- workers


def workers_page(found: Workers) -> Page:
    page = Page(f"Frame {found.frame}: {counted(len(found.workers), 'worker')}, "
                f"{counted(len(found.diverged), 'field')} on which they diverged.")  # fmt: skip
    rows = []
    for one in found.workers:
        done = [f"{name} {_counts(counts)}" for name, counts in sorted(one.operations.items())]
        outcomes = ", ".join(sorted({str(row["outcome"]) for row in one.deltas}))
        rows.append([one.worker, f"{len(one.deltas):,}", outcomes, "; ".join(done) or "-"])
    if rows:
        page.add("What each brought", [Table(["worker", "deltas", "outcome", "operations"], rows)])
    items = []
    for split in found.diverged:
        lines = [f"{worker}: {value_text(value)}" for worker, value in split.values.items()]
        items.append(
            Item(_where(split.collection, split.key, split.field), [*lines, f"stands: {value_text(split.stands)}"])
        )
    page.add("Where they diverged", some(items), "doubt")
    page.add("Deltas of nobody known", some([Item(printable(str(row["source"]))) for row in found.unnamed]), "doubt")
    return page


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items()))


# --- replay


def replay_page(done: Sequence[Replayed]) -> Page:
    same = sum(one.same is True for one in done)
    wrong = [one for one in done if one.same is False]
    merged = same + len(wrong)
    if wrong:
        page = Page(f"{counted(len(wrong), 'frame')} of {merged:,} did not come out the same.", tone="bad")
    elif len(done) == 1 and same:
        one = done[0]
        page = Page(
            f"Frame {one.frame} merged once more: {counted(one.deltas, 'delta')}, {counted(one.files, 'file')}, "
            "every byte the same.", tone="good",
        )  # fmt: skip
        page.closing = [f"Manifest {one.manifest}"]
        return page
    elif not merged and len(done) == 1:
        return Page(done[0].note)
    else:
        page = Page(f"{counted(same, 'frame')} merged once more: every byte the same.", tone="good")
    rows = [[str(one.frame), f"{one.deltas:,}", f"{one.files:,}", _verdict(one)] for one in done]
    page.add("", [Table(["frame", "deltas", "files", "result"], rows)])
    for one in wrong:
        page.add(f"Frame {one.frame} came out otherwise", some([Item(printable(path)) for path in one.differs]), "bad")
    page.add("Not replayed", [Item(one.note) for one in done if one.note])
    return page


def _verdict(one: Replayed) -> str:
    return one.kind if one.same is None else "the same" if one.same else f"{counted(len(one.differs), 'file')} differ"


# --- the life of a record


def life_page(life: Life, frame: int) -> Page:
    what = f"{life.collection} {quoted(life.key)}" if life.key else life.collection
    page = Page(f"{what} as of frame {frame}{'' if life.record is not None else ': not there any more'}.")
    if isinstance(life.record, dict):
        rows = [[name, value_text(value), *_behind(life.fields.get(name) or life.fields.get(WHOLE_RECORD))]
                for name, value in sorted(life.record.items())]  # fmt: skip
        page.add("Now", [Table(["field", "value", "frame", "set by", "at"], rows)])
    elif life.record is not None:
        page.add("Now", some([Item(value_text(one)) for one in life.record]))
    page.add("Its life", [event_item(one) for one in life.events])
    return page


def _behind(events: Sequence[Event] | None) -> list[str]:
    if not events:
        return ["", "", ""]
    last = events[-1]
    others = f", and {len(events) - 1:,} earlier" if len(events) > 1 else ""
    who = last.origin.stream_id if last.origin else last.kind
    return [str(last.frame), who + others, last.origin.utc if last.origin else ""]


def event_item(event: Event) -> Item:
    """One event: what the field became, by whom, what it had been."""
    name = "" if event.field == WHOLE_RECORD else f"{printable(event.field)}: "
    return Item(f"frame {event.frame}  {name}{_happened(event)}", list(_source(event)))


def _happened(event: Event) -> str:
    if event.value is ABSENT:
        return f"gone, was {value_text(event.before)}"
    said = value_text(event.value)
    if event.before is not ABSENT and event.before is not None:
        said += f", was {value_text(event.before)}"
    if event.wrote is not ABSENT and event.wrote != event.value:
        said += f" (wrote {value_text(event.wrote)})"
    return said


def _source(event: Event) -> Iterator[str]:
    if event.origin is None:
        yield {"genesis": "older than the first frame", "rollback": "brought back by a rollback", COUNT: "counted"}.get(
            event.kind, "by no delta of this frame"
        )
        return
    late = f", late: of frame {event.origin.frame}" if event.late else ""
    at = f" at {printable(event.pointer)}" if event.pointer else ""
    yield f"by {event.origin.stream_id} at {event.origin.utc}{late}"
    yield f"delta {event.origin.digest[:12]}{at}"


def until_page(path: str, events: Iterable[Event], replays: Mapping[int, Replayed]) -> Page:
    """Why a field has its value: each frame that touched it, merged once more."""
    found = list(events)
    last = found[-1]
    who = f"{last.origin.stream_id} wrote it" if last.origin else f"the {last.kind} brought it"
    value = "is not there" if last.value is ABSENT else f"is {value_text(last.value)}"
    page = Page(f"{printable(path)} {value}: {who} in frame {last.frame}.")
    items = []
    for one in found:
        item, done = event_item(one), replays.get(one.frame)
        proof = [] if done is None or done.same is None else [f"merged once more: {_verdict(done)}"]
        items.append(Item(item.head, [*item.lines, *proof]))
    page.add("How it came to that", items)
    return page
