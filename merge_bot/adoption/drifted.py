"""Pure. Where the deltas call a field otherwise than the state does, or write a record as a bare value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from merge_bot.adoption import letters
from merge_bot.adoption.drafts import Draft
from merge_bot.adoption.evidence import Record, singular
from merge_bot.adoption.keys import rank
from merge_bot.collection import APPEND, LAST_WRITER_WINS, SUM

_PREFIX = 4  # characters that ids of one kind have in common


def settle(draft: Draft, drafts: Sequence[Draft]) -> None:
    """Find other names and bare values in what the deltas bring to a draft, and read them so from now on."""
    if draft.strategy == SUM or not draft.fed:
        return
    for other, name in _aliases(draft, drafts).items():
        draft.aliases.setdefault(name, []).append(other)
        draft.fed = [_renamed(one, other, name) for one in draft.fed]
    if draft.aliases:
        draft.guesses.append(letters.other_names(draft.aliases))
    if (field := _bare(draft)) is not None:
        draft.bare_as = field
        draft.guesses.append(letters.bare(draft.bare[0], field, len(draft.bare)))
        draft.fed += [{field: one} for one in draft.bare]


def _renamed(record: Record, other: str, name: str) -> Record:
    return {name if one == other else one: value for one, value in record.items()}


class _Fields:
    """Of each field: in which of the deltas' records it stands, and the kinds of value that it has anywhere."""

    def __init__(self, draft: Draft) -> None:
        self.in_state = {name for one in draft.state for name in one}
        self.rows: dict[str, set[int]] = {}
        self.kinds: dict[str, set[type]] = {}
        for row, record in enumerate(draft.fed):
            for name in record:
                self.rows.setdefault(name, set()).add(row)
        for record in draft.records:
            for name, value in record.items():
                self.kinds.setdefault(name, set()).add(type(value))

    def may_be(self, other: str, name: str) -> bool:
        """Whether no record of the deltas has both, and both hold one and the same kind of value."""
        apart = self.rows[other].isdisjoint(self.rows.get(name, set()))
        return apart and self.kinds[other] | self.kinds[name] in ({str}, {int})


def _aliases(draft: Draft, drafts: Sequence[Draft]) -> dict[str, str]:
    """Other name → field, for fields that are never beside each other and mean one thing."""
    fields = _Fields(draft)
    new = sorted(fields.rows.keys() - fields.in_state)
    found: dict[str, str] = {}
    for other in new:
        ways = [name for name in sorted(fields.in_state) if fields.may_be(other, name)]
        same = [name for name in ways if _same_words(other, name)]
        theirs = _names_of_keys(draft, other, drafts) if ways and not same else set()
        alike = same or [name for name in ways if theirs and theirs & _names_of_keys(draft, name, drafts)]
        count = len(fields.rows[other])
        ids = [one for one in new if len(fields.rows[one]) > count and fields.may_be(other, one)]
        ids = [one for one in ids if not alike and _both_ids(draft, other, one)]
        if len(alike) == 1:
            found[other] = alike[0]
        elif ids:
            found[other] = max(ids, key=lambda one: len(fields.rows[one]))
    return {other: name for other, name in found.items() if name not in found}


def _same_words(other: str, name: str) -> bool:
    """discussion and discussion_number, but not `type` and `post_type_name_of_old`: half of the words at least."""
    mine, theirs = (set(map(singular, re.split(r"[^a-z0-9]+", one.lower()))) for one in (other, name))
    return mine < theirs and 2 * len(mine) >= len(theirs)


def _names_of_keys(draft: Draft, field: str, drafts: Iterable[Draft]) -> set[str]:
    """The collections of which most values of a field are keys; of numbers none, because they are keys of anything."""
    values = {one[field] for one in draft.records if isinstance(one.get(field), str)}
    found = set()
    for target in drafts:
        if target.strategy in (APPEND, LAST_WRITER_WINS) and len(target.key.fields) == 1:
            keys = {one.get(target.key.fields[0]) for one in target.records}
            if len(values & keys) >= 3 and 2 * len(values & keys) >= len(values):
                found.add(target.name)
    return found


def _both_ids(draft: Draft, other: str, name: str) -> bool:
    """Whether both fields sound like keys, and their values begin alike."""
    if rank(other, draft.name) is None or rank(name, draft.name) is None:
        return False
    return _begin_alike([one[field] for one in draft.fed for field in (other, name) if field in one])


def _begin_alike(values: Sequence[Any]) -> bool:
    return (
        all(isinstance(one, str) and len(one) > _PREFIX for one in values)
        and len({one[:_PREFIX] for one in values}) == 1
    )


def _bare(draft: Draft) -> str | None:
    """The field that bare values among the records are: the key, or an id whose values begin like them."""
    kinds = {type(one) for one in draft.bare}
    if kinds not in ({str}, {int}):
        return None
    (kind,) = kinds
    if len(draft.key.fields) == 1 and not draft.key.other:
        key = draft.key.fields[0]
        return key if all(type(one.get(key)) is kind for one in draft.records) else None
    if draft.key.fields:
        return None
    counts = Counter(name for one in draft.fed for name in one if rank(name, draft.name) is not None)
    for name, _ in counts.most_common():
        if _begin_alike([*(one[name] for one in draft.records if name in one), *draft.bare]):
            return name
    return None
