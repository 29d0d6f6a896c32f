"""Pure. The audit of derived counters: each held against the records that it counts, by reading all of them."""

from __future__ import annotations

from collections.abc import Container, Iterator

from merge_bot import audit_letters as letters
from merge_bot.collection import Collections
from merge_bot.counting import Derived, derived, misstated, true_counts
from merge_bot.errors import UnreadableState
from merge_bot.findings import Problem, Reason
from merge_bot.layouts.base import Opening
from merge_bot.layouts.entities import EntitiesStore
from merge_bot.paths import Paths
from merge_bot.state import Files
from merge_bot.strict_json import pointer


def audit_counters(
    files: Files, paths: Paths, collections: Collections, untrusted: Container[str] = ()
) -> Iterator[Problem]:
    """The counters that say something else than there is. Those of `untrusted` collections are left alone: the next
    merge counts them anew. What cannot be read is for others to name.
    """
    for rules in collections.values():
        for counter in derived(rules) if rules.name not in untrusted else ():
            try:
                true = true_counts(files, collections, counter)
                for key, stands, count in misstated(files, collections, counter, true):
                    letter = letters.miscounts(counter.name, stands, counter.counts, count)
                    path, place = _place(files, paths, collections, counter, key)
                    yield Problem(path, 0, place, Reason.COUNTS_DISAGREE, *letter)
            except UnreadableState:
                continue


def _place(files: Files, paths: Paths, collections: Collections, counter: Derived, key: str) -> tuple[str, str]:
    """The file and the JSON pointer of a counter; of an array's record, those of the array."""
    rules = collections[counter.holder]
    if rules.layout == "entities":
        found = EntitiesStore(Opening(rules, files, paths, 0)).path_of(key)
        return found or rules.path, pointer(counter.name)
    if counter.by is None:
        return rules.path, rules.pointer + pointer(counter.name)
    return rules.path, rules.pointer + (pointer(key, counter.name) if rules.shape == "object" else "")
