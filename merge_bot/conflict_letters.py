"""Pure. What is said about conflicts: the policies that settle them, and the decisions of people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from merge_bot.messages import Letter, meant
from merge_bot.wording import listed, named, quoted, shown

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
