"""Pure. Drafts of collections: which parts of the state, which keys of the deltas, how they merge, and why so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from merge_bot.adoption import letters
from merge_bot.adoption.evidence import Feed, Record, singular
from merge_bot.adoption.keys import Key, choose, is_set, key_of_object
from merge_bot.adoption.letters import Guess
from merge_bot.adoption.shapes import ARRAY, COUNTERS, OBJECT, Container
from merge_bot.collection import APPEND, LAST_WRITER_WINS, OBSERVE, SUM, UNION
from merge_bot.schemas import RESERVED

_ENDING = re.compile(
    r"_(created|added|new|posted|appended|updates?|updated|changes?|changed|edits?|edited|upserts?|upserted|set"
    r"|increments?|incremented|deltas?)\Z"
)
_UPDATES = re.compile(r"_(updates?|updated|changes?|changed|edits?|edited|upserts?|upserted|set)\Z")
_DEFAULT_ENDING = {SUM: "increments", LAST_WRITER_WINS: "updated"}


@dataclass(slots=True)
class Draft:
    """A collection as it would be. `path` is None where nothing of it is in the state yet.

    `state` and `fed` are the records there and in the deltas, those of an object with their key as a field; `bare` is
    what stands among the latter without being a record, and `bare_as` the field that it is.
    """

    name: str
    strategy: str
    path: str | None = None
    pointer: str = ""
    shape: str = ARRAY
    delta_keys: list[str] = field(default_factory=list)
    key: Key = field(default_factory=Key)
    integer_key: bool = False
    state: list[Record] = field(default_factory=list)
    fed: list[Record] = field(default_factory=list)
    counters: Record = field(default_factory=dict)
    bare: list[Any] = field(default_factory=list)
    bare_as: str | None = None
    aliases: dict[str, list[str]] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    guesses: list[Guess] = field(default_factory=list)
    field_guesses: list[Guess] = field(default_factory=list)

    @property
    def records(self) -> list[Record]:
        return [*self.state, *self.fed]


def drafts(
    containers: Sequence[Container], feeds: Mapping[str, Feed], taken: Iterable[str], taken_keys: Iterable[str] = ()
) -> list[Draft]:
    """A draft for each container and for each key of the deltas that feeds none of them.

    `taken` are names of collections in use, `taken_keys` keys of deltas.
    """
    names = {*taken, *RESERVED}
    fed_by = _matches(containers, feeds)
    made = []
    for container in containers:
        draft = _of_container(container, [feeds[key] for key in fed_by.get(id(container), [])])
        if draft is not None:
            draft.name = _free(draft.name, container.path, names)
            made.append(draft)
    used = {key for keys in fed_by.values() for key in keys}
    for key, feed in feeds.items():
        if key not in used and feed.is_lists and feed.records and not feed.bare:
            made.append(_of_feed(feed, _free(_stem(key), "new", names)))
            used.add(key)
    _name_keys(made, {*feeds, *taken_keys})
    return made


def _free(name: str, path: str, names: set[str]) -> str:
    stem = re.sub(r"[^a-z0-9]+", "_", path.rpartition("/")[2].removesuffix(".json").lower()).strip("_")
    ways = [name, f"{name}_of_{stem}", *(f"{name}_{number}" for number in range(2, 1000))]
    free = next(one for one in ways if one not in names)
    names.add(free)
    return free


def _stem(key: str) -> str:
    return _ENDING.sub("", re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_")) or key


# --- which key of the deltas feeds what


def _matches(containers: Sequence[Container], feeds: Mapping[str, Feed]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for key, feed in feeds.items():
        able = [one for one in containers if _could_feed(feed, one)]
        named = [one for one in able if singular(_stem(key)) == singular(one.name)]
        chosen = named or sorted(
            (one for one in able if _likeness(feed, one) >= 0.5), key=lambda one: -_likeness(feed, one)
        )
        if chosen:
            found.setdefault(id(chosen[0]), []).append(key)
    return found


def _could_feed(feed: Feed, container: Container) -> bool:
    return feed.is_counters if container.shape == COUNTERS else feed.is_lists and bool(feed.records)


def _likeness(feed: Feed, container: Container) -> float:
    """From 0 to 1: how much the records look like the container's, by their fields or by whom they name."""
    if container.shape == COUNTERS:
        names = {name for _, value in feed.values for name in value}
        return len(names & container.value.keys()) / len(names) if names else 0.0
    theirs = {name for one in container.records for name in one}
    mine = {name for one in feed.records for name in one}
    if not theirs or container.shape == ARRAY:
        return len(mine & theirs) / len(mine | theirs) if theirs else 0.0
    named = max((sum(str(one.get(name)) in container.value for one in feed.records) for name in mine), default=0)
    others = [name for name in mine if name in theirs]
    return named / len(feed.records) if 2 * len(others) >= len(mine) - 1 > 0 else 0.0


def _name_keys(made: Sequence[Draft], taken: set[str]) -> None:
    """A key of the deltas for each draft that none feeds yet."""
    for draft in made:
        if not draft.delta_keys:
            wanted = f"{draft.name}_{_DEFAULT_ENDING.get(draft.strategy, 'added')}"
            key = next(one for one in (wanted, *(f"{wanted}_{n}" for n in range(2, 1000))) if one not in taken)
            taken.add(key)
            draft.delta_keys.append(key)
            draft.guesses.append(letters.unfed(key))


# --- what each becomes


def _of_container(container: Container, feeds: Sequence[Feed]) -> Draft | None:
    """None for an empty array that no delta tells more of."""
    fed = [record for feed in feeds for record in feed.records]
    draft = Draft(container.name, APPEND, container.path, container.pointer, container.shape, fed=fed)
    draft.delta_keys = [feed.key for feed in feeds]
    draft.bare = [one for feed in feeds for one in feed.bare]
    if container.shape == COUNTERS:
        draft.strategy, draft.shape, draft.counters = SUM, OBJECT, container.value
        draft.guesses.append(letters.counters(container.value))
    elif container.shape == OBJECT:
        _object(draft, container.value)
    elif not container.value and not fed:
        return None
    else:
        _array(draft, container.records, any(_UPDATES.search(feed.key) for feed in feeds))
    return draft


def _object(draft: Draft, value: dict[str, Record]) -> None:
    field_name, is_integer = key_of_object(draft.name, value, draft.fed)
    repeated = any(field_name in one for one in value.values())
    draft.strategy, draft.key, draft.integer_key = LAST_WRITER_WINS, Key((field_name,)), is_integer
    draft.state = [{field_name: int(key) if is_integer else key, **one} for key, one in value.items()]
    draft.guesses.append(letters.object_by_key(len(value), field_name, repeated=repeated))


def _array(draft: Draft, state: list[Record], updates: bool) -> None:
    draft.state = state
    draft.key = choose(draft.name, state, draft.fed)
    if updates and len(draft.key.fields) == 1 and not draft.key.other:
        draft.strategy = LAST_WRITER_WINS
        draft.guesses.append(letters.updated(draft.delta_keys, draft.key.fields[0]))
    elif draft.key.other:
        draft.guesses.append(letters.two_keys(draft.key.fields[0], draft.key.other[0]))
    elif draft.key.fields:
        draft.guesses.append(letters.keyed(draft.key.fields, len(state), len(draft.fed)))
    else:
        draft.strategy = UNION if is_set(draft.records) else OBSERVE
        draft.guesses.append(letters.a_set() if draft.strategy == UNION else letters.keyless(bool(draft.fed)))


def _of_feed(feed: Feed, name: str) -> Draft:
    draft = Draft(name, APPEND, delta_keys=[feed.key], fed=feed.records)
    _array(draft, [], updates=False)
    draft.guesses.insert(0, letters.only_in_deltas(feed.key, name))
    return draft


_ADDED_UP = re.compile(
    r"(^|_)(count|karma|points|score|votes?|likes|balance|tally|views|total)\Z|^(total|num)_|[a-z]Count\Z"
)


def merged_properties(draft: Draft, properties: Mapping[str, Any]) -> dict[str, str]:
    """Which properties of an entity have a strategy of their own: numbers that are counted up, lists that are sets."""
    if draft.strategy != LAST_WRITER_WINS:
        return {}
    found: dict[str, str] = {}
    for name, schema in properties.items():
        if name in draft.key.fields:
            continue
        values = [one[name] for one in draft.state if name in one]
        if (
            schema.get("type") in ("integer", "number")
            and _ADDED_UP.search(name)
            and not _absolute(draft, name, values)
        ):
            found[name] = SUM
        elif schema.get("type") == "array" and any(values) and all(_is_plain_set(one) for one in values):
            found[name] = UNION
    return found


def _absolute(draft: Draft, name: str, values: Sequence[Any]) -> bool:
    """Whether the deltas say totals, not increments: as large as what is there."""
    said = [abs(one[name]) for one in draft.fed if isinstance(one.get(name), int | float)]
    return bool(said) and bool(values) and 2 * sum(said) / len(said) >= sum(map(abs, values)) / len(values) > 1


def _is_plain_set(value: Sequence[Any]) -> bool:
    return all(isinstance(one, str) for one in value) and len(set(value)) == len(value)
