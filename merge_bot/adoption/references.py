"""Pure. Which fields refer to which collection, by what they hold: values that are keys over there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from merge_bot.adoption.drafts import Draft
from merge_bot.adoption.evidence import is_word, singular
from merge_bot.collection import APPEND, LAST_WRITER_WINS

_FEW = 3


class Match(NamedTuple):
    """A field's values against the keys of a collection: `hits` of `values` different ones are keys there."""

    field: str
    target: str
    hits: int
    values: int


def references(draft: Draft, drafts: Sequence[Draft], properties: Mapping[str, Any]) -> list[Match]:
    """The references of one draft, at most one a field."""
    found = []
    for field, schema in properties.items():
        kind = schema.get("items", {}).get("type") if schema.get("type") == "array" else schema.get("type")
        if kind not in ("string", "integer") or field in (*draft.key.fields, *draft.key.other):
            continue
        values = _values(draft, field)
        matches = [_match(draft, field, values, one) for one in drafts if _referable(one, kind)]
        good = [one for one in matches if one is not None]
        if good:
            found.append(max(good, key=lambda one: (one.hits, one.target)))
    return found


def _values(draft: Draft, field: str) -> set[Any]:
    found: set[Any] = set()
    for record in draft.records:
        value = record.get(field)
        found.update(one for one in (value if isinstance(value, list) else [value]) if is_word(one))
    return found


def _referable(draft: Draft, kind: str) -> bool:
    if draft.strategy not in (APPEND, LAST_WRITER_WINS) or len(draft.key.fields) != 1:
        return False
    records = draft.records
    return bool(records) and all(
        isinstance(one[draft.key.fields[0]], int if kind == "integer" else str)
        for one in records
        if draft.key.fields[0] in one
    )


def _match(draft: Draft, field: str, values: set[Any], target: Draft) -> Match | None:
    key = target.key.fields[0]
    keys = {one[key] for one in target.records if key in one}
    hits = len(values & keys)
    match = Match(field, target.name, hits, len(values))
    if not hits or (target is draft and _own(draft, field, key)):
        return None
    if _sounds(field, target.name, key):
        return match if 2 * hits >= len(values) else None
    # Small numbers are keys of everything, so a number refers only where its name says so.
    strong = len(keys) >= _FEW and hits >= _FEW and 10 * hits >= 7 * len(values)
    return match if strong and all(isinstance(one, str) for one in values) else None


def _own(draft: Draft, field: str, key: str) -> bool:
    """Whether a field says its record's own key once more."""
    both = [one for one in draft.records if key in one and field in one]
    return 2 * len([one for one in both if one[key] == one[field]]) >= len(both)


def _sounds(field: str, name: str, key: str) -> bool:
    """Whether a field is named for a collection or for its key: author_id no, post_number and channel yes."""
    words = {singular(one) for one in re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", field).lower())}
    own: set[str] = {singular(one) for one in name.split("_")} | ({key.lower()} - {"id", "key", "name", "pk"})
    return not words.isdisjoint(own)
