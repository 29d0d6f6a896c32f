"""Pure. What is said about conflicts: the policies that settle them, and the decisions of people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from merge_bot.findings import Problem
from merge_bot.messages import Letter, listing, meant
from merge_bot.wording import counted, listed, named, printable, quoted, shown

# --- policies

POLICIES = 'Write "latest", "first", "hold", "max", "min", or {"prefer-worker": ["w1", "w2"]}.'


def unknown_policy(found: Any, near: str | None) -> Letter:
    if isinstance(found, str):
        return f"{quoted(found)} is not a policy{meant(near)}", POLICIES
    return f"Expected a policy, found {shown(found)}.", POLICIES


def prefer_nobody(found: Any) -> Letter:
    return (
        f"prefer-worker takes the names of workers, the preferred one first, found {shown(found)}.",
        'Write {"prefer-worker": ["w1", "w2"]}.',
    )


def not_a_worker(found: Any) -> Letter:
    return f"{shown(found)} is not a worker's id.", "Write the stream_id as it stands in the worker's deltas."


def worker_twice(found: str) -> Letter:
    return f"{named(found)} stands twice in one list.", "Keep the first."


def no_order(name: str, policy: str) -> Letter:
    return (
        f"{named(name)} holds neither numbers nor text, so none of its values is the {policy}.",
        "Choose another policy.",
    )


def policy_of_no_collection(name: str, near: str | None) -> str:
    return f"conflicts: there is no collection {named(name)}{meant(near)}"


def policy_of_other_strategy(name: str, strategy: str) -> str:
    return f"conflicts: {named(name)} merges by {strategy}, whose conflicts no policy settles. Leave it out."


def policy_of_no_field(collection: str, name: str, near: str | None) -> str:
    return f"conflicts: {named(collection)} has no field {named(name)}{meant(near)}"


def policy_of_adding_field(collection: str, name: str) -> str:
    return f"conflicts: {named(name)} of {named(collection)} is never in conflict: it is the key, or adds up."


def policy_unordered(collection: str, letter: Letter) -> str:
    return f"conflicts: {named(collection)}: {' '.join(letter)}"


def policy_known(names: Iterable[str]) -> str:
    return f"The collections are {listed(names)}."


# --- resolutions


def no_open_conflict(collection: str, key: str, name: str, asked: int, frame: int | None) -> str:
    where = f"{named(collection)} {quoted(key)}, field {named(name)}"
    if frame is None:
        return f"There is no open conflict of {where}: a later write has settled it, or it was resolved before."
    return (
        f"The conflict of {where} is no longer that of frame {asked}: frame {frame} brought another one. "
        "`dreamcatcher conflicts show` has its values; decide again."
    )


def resolved_already() -> str:
    return "Another request of this frame resolved it first."


def record_stays() -> str:
    return (
        "Of two records under one key the one that was merged first stays. That can be confirmed, by a resolution "
        "without a value; the other one needs a key of its own."
    )


def no_value(name: str) -> str:
    return f'The resolution has to say what {named(name)} is to hold: "value".'


def not_overwritten(collection: str, name: str) -> str:
    return f"{named(name)} of {named(collection)} is no longer a field of which one write stands, so none can be set."


def does_not_fit(collection: str, name: str) -> str:
    return f"The value does not fit the schema of {named(collection)}, field {named(name)}. Resolve it with another."


# --- the command


def nothing_open(collection: str, key: str, field: str | None, near: Sequence[str]) -> str:
    where = f"{named(collection)} {quoted(key)}" + (f", field {named(field)}" if field else "")
    others = f" Open there: {listed(near[:10])}." if near else ""
    return f"There is no open conflict of {where}.{others} `dreamcatcher conflicts list` shows all."


def value_is_no_json(value: str, problems: Iterable[Problem]) -> str:
    return f"--value {quoted(value)} is not JSON; text stands in quotes: --value '\"A sage.\"'.\n{listing(problems)}"


def not_a_candidate(worker: str, names: Sequence[str]) -> str:
    return f"{named(worker)} wrote nothing to this field. The candidates are {listed(names)}."


def asked_to_resolve(collection: str, key: str, field: str, value: Any) -> str:
    return f"Asked: {named(collection)} {quoted(key)}, field {named(field)}, comes to {shown(value)}."


# --- the policy step

STEP = "the answer of policy-step"
STEP_ANSWERS_OTHERWISE = (
    'It answers with a delta that holds decisions alone: {"_control": [{"op": "resolve", "collection": …, "key": …, '
    '"field": …, "frame": …, "value": …}]}, or with nothing.'
)
_UNTOUCHED = "The frame is merged all the same, and its conflicts stay open."


def step_decided(count: int, of: int, paths: Sequence[str]) -> str:
    where = listed([printable(one) for one in paths])
    return f"policy-step decided {count:,} of {counted(of, 'open conflict')}: {where}. The next merge takes it."


def step_has_no_folder(folder: str) -> str:
    return f"policy-step was not run: there is no folder {printable(folder)} to run it in. {_UNTOUCHED}"


def step_wrong(command: str, what: str) -> str:
    return f"What policy-step ({shown(command)}) answered cannot be used. {what}\n{_UNTOUCHED}"


def step_too_slow(command: str, seconds: int) -> str:
    return (
        f"policy-step ({shown(command)}) took longer than {seconds:,} seconds and was ended (policy-step: seconds). "
        f"{_UNTOUCHED}"
    )


def step_too_long(command: str, limit: int) -> str:
    return f"policy-step ({shown(command)}) answered with more than {limit:,} bytes (max-delta-bytes). {_UNTOUCHED}"


def step_failed(command: str, code: int, said: str) -> str:
    last = printable(said.strip()[-1_000:])
    return f"policy-step ({shown(command)}) ended with code {code}. {_UNTOUCHED}" + (
        f"\nIt said: {last}" if last else ""
    )
