"""Pure. What the worker library says to the worker's author: what happened, why, what to do now."""

from __future__ import annotations

from collections.abc import Iterable

from merge_bot.findings import Problem
from merge_bot.messages import Letter, listing, meant
from merge_bot.wording import listed, named, printable, quoted

_REMEDIES = {
    "bytes": "Write text: value.decode().",
    "date": "Write text: value.isoformat().",
    "datetime": "Write text: value.isoformat().",
    "Decimal": "Write an integer or a float, or text if every digit matters.",
    "frozenset": "Write a list: sorted(value).",
    "set": "Write a list: sorted(value).",
}
_VERBS = {
    "append": "add",
    "observe": "observe",
    "sum": "increment",
    "union": "union",
    "last-writer-wins": "set",
}


# --- values


def no_word_for(value: object) -> Letter:
    kind = type(value).__name__
    return (
        f"JSON has no word for a Python {printable(kind)}.",
        _REMEDIES.get(kind, "Write text, numbers, True, False, None, lists and dicts."),
    )


def key_is_no_text(key: object) -> Letter:
    return f"A key is a Python {printable(type(key).__name__)}, but JSON's keys are text.", "Write str(key)."


def lone_surrogate(found: str, what: str = "The text") -> Letter:
    return (
        f"{what} holds {printable(found)}, one half of a surrogate pair.",
        "Write the whole character; a text that is cut in the middle of one ends like this.",
    )


def too_large_integer() -> Letter:
    return "The integer does not fit 64 bits.", "If every digit matters, write it as text: str(value)."


def too_deep(limit: int) -> Letter:
    return f"Lists and dicts are nested more than {limit} deep here, or one holds itself.", "Flatten the value."


def no_dict(found: object) -> Letter:
    return (
        f"The operations are a Python {printable(type(found).__name__)}, not a dict.",
        'Write a dict of lists by delta key: {"posts_created": [{…}]}.',
    )


def envelope_key(key: str) -> Letter:
    return f"{named(key)} is no collection's key: the library writes it itself.", "Leave it out of the operations."


def naive_time() -> Letter:
    return "The datetime has no time zone, so it names no instant.", "Write datetime.now(UTC), or leave `utc` out."


# --- deltas


def rejected(what: str, problems: Iterable[Problem]) -> str:
    return f"{what}\n{listing(problems)}"


WHOLE = "The delta cannot be merged as it is, so it was not written:"


def one_call(call: str) -> str:
    return f"{call} cannot be merged as it is, so it was not taken into the delta:"


def too_much(size: int, limit: int) -> Letter:
    return (
        f"With it the delta would have about {size:,} bytes; at most {limit:,} are read.",
        "End the block here, and go on in a second one with a `run` of its own.",
    )


# --- collections and verbs


def call(verb: str, collection: object) -> str:
    return f"w.{verb}({quoted(collection) if isinstance(collection, str) else '…'}, …)"


def unknown_collection(found: object, near: str | None, known: Iterable[str]) -> Letter:
    if isinstance(found, str):
        said = f"There is no collection {quoted(found)}{meant(near)}"
    else:
        said = f"A collection is named by text, not by a Python {printable(type(found).__name__)}."
    return said, f"The collections are {listed(known)}."


def other_verb(collection: str, strategy: str) -> Letter:
    verb = _VERBS[strategy]
    return f"{named(collection)} merges by {strategy}.", f"Use {call(verb, collection)}."


def several_key_fields(collection: str, fields: Iterable[str]) -> Letter:
    return f"The key of {named(collection)} is made of {listed(fields)}.", "Give each of them by its name."


def given_twice(fields: Iterable[str]) -> Letter:
    return f"{listed(fields)} came twice in one call.", "Give each field once."


def sum_out_of_range(counter: str) -> Letter:
    return (
        f"The increments to {named(counter)} add up to a number that JSON readers cannot keep exactly.",
        "Give smaller increments, or integers.",
    )


# --- updates


def not_a_change(found: object) -> Letter:
    return (
        f"The function returned a Python {printable(type(found).__name__)}, not a dict.",
        "Return the entity as it should be, or only the fields that change; None changes nothing.",
    )


def key_changed(name: str) -> Letter:
    return f"{named(name)} is the key, which never changes.", "Return it as it came, or leave it out."


def set_shrinks(name: str) -> Letter:
    return f"{named(name)} is a set that only grows, and members are missing.", "Return it with what is new beside."


def no_difference(name: str) -> Letter:
    return f"{named(name)} would change by a number that JSON readers cannot keep exactly.", "Round it."


def update_not_merged(call: str, seconds: float, delta: str) -> str:
    return (
        f"{call} was delivered (delta {delta}), but no merge took it in within {seconds:g} seconds. It still counts "
        "when one does; its receipt will say whether what it was computed from was there (dreamcatcher receipts)."
    )


def update_lost(call: str, attempts: int) -> str:
    return (
        f"{call} was computed {attempts} times, and each time another write came first. Nothing of it was set. "
        "Call it again, or let fewer workers write this entity."
    )


def update_refused(call: str, outcome: str, problems: Iterable[Problem]) -> str:
    return f"{call} did not enter the state: its delta is {outcome}.\n{listing(problems)}".rstrip()


def update_waits(call: str, outcome: str, frame: int) -> str:
    return (
        f"{call} was merged in frame {frame}, but is {outcome}, so it does not stand yet. Computing it again would not "
        "help; dreamcatcher receipts says what it waits for."
    )


def update_half_overwritten(call: str, frame: int) -> str:
    return (
        f"{call} entered frame {frame}, and an unconditional write of the same frame overwrote it; what it added to "
        "sums and sets counts. It was not computed again, because that would add twice."
    )


# --- places


def no_root(root: str) -> str:
    return f"There is no folder {printable(root)}. Give the root of the repository: root=…"


def not_a_folder(path: str, *, link: bool) -> str:
    what = "a symbolic link, which git would not follow" if link else "not a folder"
    return (
        f"{printable(path)} is {what}, so no delta can be delivered there and nothing was written. "
        "Move it away; the folder is made when it is missing."
    )


def not_a_file(path: str) -> str:
    return f"{printable(path)} is no regular file, so the delta was not written in its place. Move it away."


def unreadable(path: str, error: OSError) -> str:
    return f"{printable(path)} cannot be read: {error.strerror}."


def not_delivered(path: str, error: OSError) -> str:
    return f"The delta could not be written to {printable(path)}: {error.strerror}. Nothing half-written stands there."


def slot_taken(path: str, *, fallback: bool) -> str:
    if fallback:
        return f"{printable(path)} is there already, and a fallback takes no delta's place. Nothing was written."
    return (
        f"{printable(path)} holds a delta already, so nothing was written in its place. If this is other work, give "
        'it a run of its own (run="…"); if it is the same work done again, say replace=True: only the newer one counts.'
    )


def no_clock(path: str) -> str:
    return (
        f"There is no {printable(path)}, so no frame is open. If this is not the root of the repository, give it "
        "(root=…); if it is, run `dreamcatcher init` there."
    )


def no_schemas(folder: str) -> str:
    return (
        f"There is no schema in the folder {printable(folder)}, so there is no collection to write to. Add "
        "<collection>.schema.json there (`dreamcatcher init` brings examples)."
    )


def not_entered() -> str:
    return "The worker is not at work: use it inside of its block, `with Worker(…) as w:`."


def not_left() -> str:
    return "The worker has left no file: it does so when its block ends."


def entered_twice() -> str:
    return "The worker is at work already. Make a second one: Worker(…)."


def no_fallback(error: BaseException) -> str:
    return f"No fallback delta could be left: {error}"


def stale(frame: int, as_of: str, age: float, max_age: float, behind: int, is_live: bool) -> str:
    """Why a reader's copy is too old for it."""
    what = "1 delta waits" if behind == 1 else f"{behind:,} deltas wait" if behind else "Nothing waits"
    if not is_live:
        remedy = "Bring the clone up to date (git pull), or read on the remote: Worker(…, push=True)."
    else:
        remedy = "Wait for the next merge, or start one (dreamcatcher merge --remote …)."
    where = "" if is_live else " in this clone"
    return (
        f"The newest frame{where} is frame {frame} of {as_of}, {age:,.0f} seconds ago; at most {max_age:,.0f} were "
        f"wanted. {what} behind it{'' if is_live else ' here'}.\n{remedy}"
    )
