"""Pure. A frame as its pull request's title, body and labels: the pull request is the review.

Whatever workers wrote stands in fenced blocks and code spans alone, where no mention, link, image, closing word or
HTML acts, and nothing of it in the title. So do the workers' names: `GH-1` would refer to an issue, forty hex digits to
a commit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from merge_bot.decisions_report import decision_lines, disabled_items
from merge_bot.delta import STREAM_ID
from merge_bot.edits_report import edit_items, edits_headline
from merge_bot.findings import REFUSED_OUTCOMES, Outcome, Receipt
from merge_bot.markdown import escaped, fenced
from merge_bot.page import Item, body_lines
from merge_bot.proposal import LABEL, Place, Words
from merge_bot.report import conflict_item, operations_of, parked_items, quarantined_item
from merge_bot.wording import counted, printable

if TYPE_CHECKING:
    from merge_bot.snapshot import Frame

BODY_LIMIT = 65_536  # GitHub says characters; bytes are what is safe
_PICTURED = 12
_PLAIN = re.compile(r"[A-Za-z0-9_./-]{1,100}\Z")
_MERGED = (Outcome.APPLIED, Outcome.LATE)
_UNREADABLE = "(unreadable)"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the body that can be cut: `parts` of `what`, and how some of them are shown under the title."""

    title: str
    what: str
    parts: Sequence[str]
    shown: Callable[[Sequence[str]], str] = field(default=lambda parts: fenced("\n".join(parts)))

    @property
    def size(self) -> int:
        """How many bytes the whole section takes."""
        return _size(self._text(len(self.parts)))

    def fitted(self, room: int) -> str:
        """As many parts as fit into `room` bytes, and how many more there are; "" if not even that fits."""
        low, high = 0, len(self.parts)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if _size(self._text(middle)) <= room else (low, middle - 1)
        text = self._text(low)
        return text if _size(text) <= room else ""

    def _text(self, count: int) -> str:
        left = len(self.parts) - count
        more = f"\n\nand {counted(left, f'more {self.what}')}" if left and count else ""
        body = self.shown(self.parts[:count]) if count else f"{counted(left, self.what)}, too long to be shown here"
        return f"\n#### {self.title}\n\n{body}{more}\n"


def describe(frame: Frame, place: Place, labels: Sequence[str] = ()) -> Words:
    """The words about a frame; only `body` has text of workers, within `BODY_LIMIT` bytes. `labels` are added."""
    number, deltas = frame.number, counted(frame.merged_deltas, "delta")
    title = f"merge frame {number}: {deltas}, {counted(frame.applied.total(), 'operation')}"
    if frame.manifest.edits is not None:
        files = counted(len(frame.manifest.edits), "file")
        title = f"{frame.manifest.kind} frame {number}: {files} changed by another hand"
    return Words(title, _body(frame, place), (*labels_of(frame), *labels))


def labels_of(frame: Frame) -> tuple[str, ...]:
    """What a list of pull requests shows at a glance."""
    about = {
        "conflicts": bool(frame.conflicts),
        "parked": any(one.since == frame.number for one in frame.parked),
        "quarantined": frame.count(*REFUSED_OUTCOMES) > 0,
    }
    return (LABEL, *(f"{LABEL}: {name}" for name, there in about.items() if there))


def _body(frame: Frame, place: Place) -> str:
    begin = f"{place.marker.line()}\n{_headline(frame)}\n\n{_compare(frame, place)}\n"
    return fitted(begin, _sections(frame, place), proof(frame))


def fitted(begin: str, parts: Iterable[Section], end: str) -> str:
    """A body within `BODY_LIMIT` bytes: sections between what has to be there, cut as far as they must be."""
    sections = [one for one in parts if one.parts]
    room = BODY_LIMIT - _size(begin) - _size(end)
    texts: dict[int, str] = {}
    # A fair share each, the smallest first: what they leave is shared by those that need more.
    for done, (at, section) in enumerate(sorted(enumerate(sections), key=lambda pair: pair[1].size)):
        texts[at] = section.fitted(room // (len(sections) - done))
        room -= _size(texts[at])
    return begin + "".join(texts[at] for at in sorted(texts)) + end


def _headline(frame: Frame) -> str:
    if frame.manifest.edits is not None:
        return f"**Frame {frame.number}: {edits_headline(frame)}.**"
    outcomes = Counter(receipt.outcome for receipt in frame.receipts)
    parts = [counted(frame.merged_deltas, "delta"), f"{counted(frame.applied.total(), 'operation')} applied"]
    parts += [counted(len(frame.conflicts), "conflict")] if frame.conflicts else []
    parts += [f"{len(frame.parked):,} parked"] if frame.parked else []
    shown = (Outcome.QUARANTINED, Outcome.FENCED, Outcome.LATE, Outcome.SUPERSEDED, Outcome.DUPLICATE, Outcome.FALLBACK)
    parts += [f"{outcomes[one]:,} {one}" for one in shown if outcomes[one]]
    return f"**Frame {frame.number}: {', '.join(parts)}.**"


def _compare(frame: Frame, place: Place) -> str:
    return (
        f"{made_from(frame, place)} Each run makes it anew, with everything that waits by then; edit nothing here. "
        "Merge it in any way. Close it to say no to exactly these deltas."
    )


def made_from(frame: Frame, place: Place) -> str:
    """A sentence that leads to the commit before and to what changes."""
    base, head = frame.base, place.marker.commit
    where = f"commit {base[:12]} of {code(place.base)}"
    if place.web_url:
        where = f"[{base[:12]}]({place.web_url}/commit/{quote(base, safe='')}) of {code(place.base)}"
        where += f" ([what changes]({place.web_url}/compare/{quote(base, safe='')}...{quote(head, safe='')}))"
    return f"Made from {where}."


def _sections(frame: Frame, place: Place) -> Iterator[Section]:
    operations = operations_of(frame)
    columns = [one for one in Outcome if any(one.value in counts for counts in operations.values())]
    rows = [[code(name), *(counts.get(one.value, 0) for one in columns)] for name, counts in operations.items()]
    edits = [_item(one) for one in edit_items(frame)]
    yield Section("Changed by another hand", "file", edits)
    yield Section("By collection", "collection", _rows(rows), _table(["collection", *columns]))
    yield Section("By worker", "worker", _rows(_by_worker(frame.receipts)), _table(_WORKER_COLUMNS))
    yield Section("The web", "picture", [_picture(frame, place)], "\n".join)
    conflicts = [_item(conflict_item(one)) for one in frame.conflicts]
    yield Section(counted(len(conflicts), "conflict").capitalize(), "conflict", conflicts)
    kept_as = {(row["delta"], row["source"]): row.get("file") for row in frame.manifest.deltas}
    decided = [Item(printable(one.source), lines) for one in frame.receipts if (lines := list(decision_lines(one)))]
    yield Section("Decisions", "delta", [_item(one) for one in decided])
    disabled = [_item(one) for one in disabled_items(frame.manifest.control)]
    yield Section("Disabled: too many bad deltas in a row", "worker", disabled)
    refused = [one for one in frame.receipts if one.outcome in REFUSED_OUTCOMES]
    items = [_item(quarantined_item(one, kept_as.get((one.digest, one.source)))) for one in refused]
    yield Section(f"{counted(len(items), 'delta')} quarantined, bytes kept", "delta", items)
    parked = [_item(one) for one in parked_items(frame.parked)]
    yield Section(f"{counted(len(parked), 'record')} parked, each with what it waits for", "record", parked)
    noted = [
        Item(printable(one.source), [printable(note) for note in one.notes]) for one in frame.receipts if one.notes
    ]
    yield Section("Notes", "note", [_item(one) for one in noted])
    held = [printable(one.path) for one in frame.held]
    yield Section(f"{counted(len(held), 'delta')} held for a later frame", "delta", held)


def proof(frame: Frame) -> str:
    """What the frame is known by, and how to hold the branch against it."""
    lines = [f"manifest    {frame.manifest.digest}", f"state tree  {frame.manifest.state_tree}"]
    return f"\n#### To verify\n\n{fenced(chr(10).join(lines))}\n\nAfter merging: `dreamcatcher check`\n"


# --- workers


_WORKER_COLUMNS = ["worker", "deltas", "applied", "duplicate", "conflict", "parked", "quarantined"]


def _by_worker(receipts: Iterable[Receipt]) -> list[list[object]]:
    deltas: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = {}
    for receipt in receipts:
        name = _worker(receipt)
        counts.setdefault(name, Counter()).update(receipt.counts)
        deltas[name] += receipt.source != "parked"
        refused[name] += receipt.outcome in REFUSED_OUTCOMES
    shown = ("applied", "duplicate", "conflict", "parked")
    return [[code(name), deltas[name], *(counts[name][one] for one in shown), refused[name]] for name in sorted(counts)]


def _worker(receipt: Receipt) -> str:
    name = receipt.stream_id or ""
    return name if STREAM_ID.match(name) else _UNREADABLE


def _picture(frame: Frame, place: Place) -> str:
    """Workers into the frame, as a mermaid flowchart; its names have letters, digits, dashes and underscores alone."""
    merged: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for receipt in frame.receipts:
        if receipt.source != "parked":
            (refused if receipt.outcome in REFUSED_OUTCOMES else merged)[_worker(receipt)] += 1
    names = sorted({*merged, *refused}, key=lambda name: (-merged[name], name))
    lines = ["flowchart LR", f'  frame(["frame {frame.number}"])']
    for at, name in enumerate(names[:_PICTURED]):
        lines.append(f'  w{at}["{name}"]')
        if merged[name]:
            lines.append(f'  w{at} -->|"{counted(merged[name], "delta")}"| frame')
        if refused[name]:
            lines.append(f'  w{at} -. "{refused[name]:,} quarantined" .-x frame')
    if len(names) > _PICTURED:
        rest = names[_PICTURED:]
        lines.append(f'  rest["{counted(len(rest), "more worker")}"] --> frame')
    base = place.base if _PLAIN.match(place.base) else "base"
    lines.append(f'  frame ==> base[("{base}")]')
    return "```mermaid\n" + "\n".join(lines) + "\n```"


# --- Markdown


def code(text: str) -> str:
    """A code span that its text cannot leave, also in a table."""
    plain = printable(text).replace("|", "¦")
    longest = max((len(run) for run in re.findall(r"`+", plain)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{ticks}{pad}{plain}{pad}{ticks}"


def _rows(rows: Iterable[Sequence[object]]) -> list[str]:
    return [f"| {' | '.join(f'{one:,}' if isinstance(one, int) else str(one) for one in row)} |" for row in rows]


def _table(columns: Sequence[str]) -> Callable[[Sequence[str]], str]:
    head = f"| {' | '.join(escaped(str(one)) for one in columns)} |\n| --- |{' ---: |' * (len(columns) - 1)}\n"
    return lambda rows: head + "\n".join(rows)


def _item(item: Item) -> str:
    return "\n".join(body_lines([item]))


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
