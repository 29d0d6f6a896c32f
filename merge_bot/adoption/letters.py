"""Pure. What an adoption says: what it took each thing for, why, and what to write if it is something else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from merge_bot.collection import SUM
from merge_bot.findings import Problem, Reason
from merge_bot.wording import counted, listed, named, printable, shown

_WAYS = ((dict, "an object"), (str, "a string"), (bool, "true or false"), (int | float, "a number"))


class Guess(NamedTuple):
    """What was taken for what, why, and how to change it."""

    what: str
    why: str
    change: str = ""

    @property
    def text(self) -> str:
        return f"{self.what}: {self.why}.{f' {self.change}.' if self.change else ''}"


# --- what became of a part of the state


def keyed(key: Sequence[str], state: int, fed: int) -> Guess:
    where = " and ".join(
        text for count, text in ((state, counted(state, "record") + " here"), (fed, f"{fed:,} in the deltas")) if count
    )
    own = "has its own" if len(key) == 1 else "has its own together"
    return Guess(
        f"append by {listed(key)}",
        f"each of the {where} {own if not fed else 'has it'}",
        'Another key: change "key" in x-merge. Records that change later: "strategy": "last-writer-wins"',
    )


def two_keys(new: str, old: str) -> Guess:
    return Guess(
        f"append by {named(new)}, older records by {named(old)}",
        f"the deltas' records have {named(new)}, those in the state have {named(old)}",
        'Once every record has one of them: make it the "key", and leave "else_key" and "anyOf" out',
    )


def keyless(has_deltas: bool) -> Guess:
    among = " in the state and in the deltas alike" if has_deltas else ""
    return Guess(
        "observe: everything is kept",
        f"no field tells the records apart{among}, so a record that comes twice in two deltas is there twice",
        'Where a field does: "strategy": "append" and "key": [that field]',
    )


def a_set() -> Guess:
    return Guess(
        "a set (union)",
        "short records, all of one form, none there twice, and no field that would be a key",
        'Members are kept sorted, so the first merge may reorder them. To keep doubles: "strategy": "observe"',
    )


def updated(keys: Sequence[str], key: str) -> Guess:
    return Guess(
        f"last-writer-wins by {named(key)}",
        f"the deltas' key {listed(keys)} speaks of updates",
        'Where records never change: "strategy": "append"',
    )


def object_by_key(count: int, key: str, *, repeated: bool) -> Guess:
    why = "records repeat it under this name" if repeated else "the records do not repeat it, so the name is made up"
    return Guess(
        f"last-writer-wins by {named(key)}",
        f"{count:,} objects that look alike, each under its key; {why}",
        'Where deltas call the key otherwise: rename it in "key", "properties" and "required"',
    )


def counters(value: Mapping[str, Any]) -> Guess:
    others = [name for name, one in value.items() if not isinstance(one, int | float) or isinstance(one, bool)]
    aside = f"; {listed(others)} is none and stays as it is" if others else ""
    return Guess(
        "counters (sum)",
        f"an object of numbers{aside}",
        'Deltas bring increments, not totals. A number that nobody counts up: give it "readOnly": true',
    )


def unfed(key: str) -> Guess:
    return Guess(
        f"fed by {named(key)}",
        "no delta was given that feeds it, so the name is made up",
        'Another: "delta" in x-merge',
    )


def only_in_deltas(key: str, name: str) -> Guess:
    return Guess(
        f"a new collection for {named(key)}",
        f"nothing in the state looks like its records, so they are kept in state/{name}/",
        f"Not wanted: remove this schema, and add {named(key)} to delta.ignore in the settings",
    )


def refers(matches: Iterable[tuple[str, str, int, int]]) -> Guess:
    """Of (field, collection, hits, values): so many of the different values are keys of that collection."""
    ways = [
        f"{named(field)} to {named(target)} ({'all' if hits == values else f'{hits:,} of'} {values:,} values are there)"
        for field, target, hits, values in matches
    ]
    return Guess(
        f"refers by {', '.join(ways)}",
        'what is missing is noted, and nothing waits ("on_missing": "warn")',
        'To let records wait for what they name: "on_missing": "hold". No reference at all: remove it',
    )


def adds_up(fields: Sequence[str], strategy: str) -> Guess:
    if strategy == SUM:
        return Guess(
            f"{listed(fields)} counted up (sum)",
            "numbers with a name for counting, so deltas bring increments",
            "Where they bring totals: remove the property's x-merge",
        )
    return Guess(
        f"{listed(fields)} growing (union)",
        "lists that never hold anything twice, so members are added and none is taken away",
        "Where deltas replace the list: remove the property's x-merge",
    )


def other_names(aliases: Mapping[str, Sequence[str]]) -> Guess:
    ways = [f"{listed(others)} for {named(name)}" for name, others in aliases.items()]
    return Guess(
        f"other names: {', '.join(ways)}",
        "never beside each other, and their values or their words are alike (x-aliases)",
        "Two different things: remove the alias",
    )


def bare(value: Any, name: str, count: int) -> Guess:
    return Guess(
        f"bare values as {named(name)}",
        f"{counted(count, 'entry').replace('entrys', 'entries')} of the deltas, such as {shown(value)}, are no objects "
        "(x-coerce); so no other field is required",
        'To refuse them: remove "bare", and list what a record must have in "required"',
    )


# --- what is left alone


def mixed(others: int, count: int) -> str:
    return f"an array in which {others:,} of {count:,} entries are no objects; a collection's records all are"


def no_records(value: Sequence[Any]) -> str:
    return (
        f"an array of {len(value):,} single values, the first is {shown(value[0])}; a collection's records are objects"
    )


def empty() -> str:
    return "an empty array, and no delta says what would stand in it"


def one_of_many(count: int) -> str:
    return (
        f"one of {count:,} files here that look alike, each an entity; that is the layout `entities`, which is not "
        "guessed: write its schema by hand"
    )


def single() -> str:
    return "a single value"


def lists_by_key(count: int) -> str:
    return f"{count:,} arrays by key; no layout keeps records like that"


def beside(names: str) -> str:
    return f"{names}: single values or notes; a collection is an array of objects, objects by key, or counters"


def too_deep(depth: int) -> str:
    return f"nested more than {depth} deep"


def described(name: str) -> str:
    return f"described already by the schema of {named(name)}"


def undescribed(problem: str) -> str:
    return f"no schema was found that it satisfies: {problem}"


def in_use(path: str) -> str:
    return f"{printable(path)} is a path that the merge uses itself"


# --- keys of the deltas that are left aside


def ignored(values: Sequence[Any]) -> str:
    ways = sorted({_way(one) for one in values} - {"nothing"}) or ["always empty"]
    if len(ways) > 1:
        return f"written in different ways: {', '.join(ways)}"
    return f"{ways[0]}; a collection is fed by an array of objects, or by an object of increments"


def _way(value: Any) -> str:
    if isinstance(value, list):
        kinds_inside = {"objects" if isinstance(one, dict) else "single values" for one in value}
        return f"an array of {' and '.join(sorted(kinds_inside))}" if value else "nothing"
    return next((word for kind, word in _WAYS if isinstance(value, kind)), "nothing")


def aliased(key: str, target: str) -> str:
    return f"{named(key)} is read as {named(target)}, which no delta has"


# --- remarks


def style_lost(path: str) -> str:
    return (
        f"{printable(path)} is laid out in a way that cannot be written again exactly; the first merge that changes a "
        "record of it lays it out anew (once), in the nearest style."
    )


def from_frame(frame: int, newest: int) -> str:
    return f"The first frame to be merged is {frame}, because the newest of the deltas is of frame {newest}. (--frame)"


def deltas_stay(accepted: int, count: int) -> str:
    return (
        f"{accepted:,} of the {counted(count, 'delta')} would enter. None is merged now: what is committed before the "
        "first frame is no inbox. To merge one, put it into the inbox."
    )


def settings_to_add(path: str, text: str) -> str:
    return f"{printable(path)} is yours and stays as it is. For deltas like these, add to it:\n{text}"


def no_collections(paths: Sequence[str], folder: str) -> str:
    return (
        f"{listed(paths)} {'holds' if len(paths) == 1 else 'hold'} no collection. The merge leaves them alone; but "
        f"what lies in {printable(folder)}/ is state, so a change of them by other hands stops the next merge."
    )


# --- what stands against it

UNREADABLE = (
    "Not everything that was to be adopted can be read, so nothing was written. Mend these files or leave them out."
)
SETTINGS_NOTE = "# What the deltas that were adopted need."
ALIASED = "another name of"


def no_work_tree(folder: str) -> str:
    return f"{printable(folder)} is a bare repository; adopt in a clone of it, where the state's files lie."


def nothing_there(places: Sequence[str]) -> str:
    return f"There is no JSON file in {listed(places)}, so there is nothing to adopt."


def outside(path: str, root: str) -> Problem:
    return Problem(
        path, 0, "", Reason.MISPLACED_FILE, f"This is state, but it lies outside of the repository {printable(root)}.",
        "State is adopted where it is: move the file into the repository and commit it, or name only deltas outside.",
    )  # fmt: skip


def too_large(path: str, size: int, limit: int) -> Problem:
    return Problem(
        path, 0, "", Reason.TOO_LARGE, f"The file has {size:,} bytes; at most {limit:,} are looked at.",
        "A file that is rewritten whole in each frame should be far smaller: split it, or leave it out.",
    )  # fmt: skip


def too_many(path: str, limit: int) -> Problem:
    return Problem(
        path, 0, "", Reason.TOO_LARGE, f"There are more than {limit:,} JSON files.", "Name the folders that matter."
    )
