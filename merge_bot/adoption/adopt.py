"""Pure. Adoption as a whole: from documents and deltas to schemas, settings and reasons, proven before they are shown.

The proof is that of `dreamcatcher check`: the audit reads the state under the new schemas, and every delta is
validated. A collection whose records do not satisfy its schema is left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from merge_bot import schemas
from merge_bot.adoption import letters
from merge_bot.adoption.drafts import Draft, drafts, merged_properties
from merge_bot.adoption.drifted import settle
from merge_bot.adoption.envelope import aliases
from merge_bot.adoption.evidence import Document, Evidence, Feed, feeds
from merge_bot.adoption.letters import Guess
from merge_bot.adoption.references import references
from merge_bot.adoption.schema import composed, shape_of
from merge_bot.adoption.shapes import COUNTERS, Container, Left, families, look
from merge_bot.audit import audit
from merge_bot.collection import SUM, UNION, Collection, Collections
from merge_bot.delta import FILE_NAME, MAX_FRAME
from merge_bot.errors import SchemaError
from merge_bot.findings import Problem, Rejection
from merge_bot.json_style import is_kept
from merge_bot.letters import problems_in
from merge_bot.paths import Paths
from merge_bot.safe_path import inside
from merge_bot.settings import DeltaSettings, Settings
from merge_bot.state import MemoryFiles
from merge_bot.validate import Rules, given, validate

_LONGEST = 200  # what the settings take for a key


@dataclass(slots=True)
class Adopted:
    """A collection as it was found: its schema file, how many records it has, and each guess."""

    name: str
    strategy: str
    path: str | None
    pointer: str
    records: int
    schema_path: str
    schema: bytes
    delta_keys: list[str]
    guesses: list[Guess]


@dataclass(slots=True)
class Adoption:
    """What adopting would write, and why. `aliases` and `ignored` are for the settings' part `delta`.

    `refused` are deltas that would not enter as they are; `newest` is the greatest frame that a delta names.
    """

    collections: list[Adopted] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    refused: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    newest: int | None = None
    restyled: list[str] = field(default_factory=list)


def adopt(evidence: Evidence, settings: Settings, own: Mapping[str, bytes]) -> Adoption:
    """Schemas for what `evidence` shows and the schema files that are there (path → bytes) do not describe yet.

    Raises SchemaError if those cannot be used.
    """
    known, problems = schemas.load(own, state=settings.state)
    if problems:
        raise SchemaError(problems_in("The schemas cannot be used", problems), problems)
    result = Adoption()
    containers = list(_containers(evidence.states, settings, known, result))
    result.aliases = aliases(evidence.deltas, settings.delta.aliases)
    envelope = {*schemas.ENVELOPE, *result.aliases, *settings.delta.aliases, *settings.delta.ignore}
    by_key = feeds(evidence.deltas, dict.fromkeys([*envelope, *known.by_delta_key]))
    made = drafts(containers, by_key, known, known.by_delta_key)
    for draft in made:
        settle(draft, made)
    fed = {key for draft in made for key in draft.delta_keys}
    result.left += [Left(one.path, one.pointer, letters.empty()) for one in containers if _unused(one, made)]
    result.ignored = {key: _why(feed) for key, feed in by_key.items() if key not in fed and 0 < len(key) <= _LONGEST}
    _prove(evidence, settings, own, made, by_key, result)
    result.newest = _newest(evidence.deltas, {**settings.delta.aliases, **result.aliases})
    paths = {one.path for one in result.collections}
    result.restyled = [one.path for one in evidence.states if one.path in paths and not is_kept(one.data, one.value)]
    return result


def _containers(
    states: Sequence[Document], settings: Settings, known: Collections, result: Adoption
) -> Iterable[Container]:
    paths = Paths(settings.state)
    own = (paths.meta, paths.conflicts, paths.inbox, paths.frames, paths.control, settings.schemas, ".github")
    entities = families(states)
    for document in states:
        if any(inside(document.path, one) for one in own):
            result.left.append(Left(document.path, "", letters.in_use(document.path)))
            continue
        if document.path in entities:
            result.left.append(Left(document.path, "", letters.one_of_many(entities[document.path])))
            continue
        for found in look(document):
            if isinstance(found, Left):
                result.left.append(found)
            elif there := [one for one in known.values() if _overlaps(one, found)]:
                result.left.append(Left(found.path, found.pointer, letters.described(there[0].name)))
            else:
                yield found


def _overlaps(one: Collection, found: Container) -> bool:
    if not (inside(found.path, one.path) or inside(one.path, found.path)):
        return False
    return f"{one.pointer}/".startswith(f"{found.pointer}/") or f"{found.pointer}/".startswith(f"{one.pointer}/")


def _unused(container: Container, made: Sequence[Draft]) -> bool:
    return container.shape != COUNTERS and not any(
        (one.path, one.pointer) == (container.path, container.pointer) for one in made
    )


def _why(feed: Feed) -> str:
    return letters.ignored([value for _, value in feed.values])


def _newest(deltas: Iterable[Document], names: Mapping[str, str]) -> int | None:
    """The greatest frame that a delta names."""
    keys = ["frame", *(key for key, target in names.items() if target == "frame")]
    frames = [one.value[key] for one in deltas for key in keys if type(one.value.get(key)) is int]
    return max((one for one in frames if 0 <= one < MAX_FRAME), default=None)


# --- schemas, and whether they hold


def _prove(
    evidence: Evidence,
    settings: Settings,
    own: Mapping[str, bytes],
    made: list[Draft],
    by_key: Mapping[str, Feed],
    result: Adoption,
) -> None:
    """Compose the schemas, and drop the drafts that fail, until what is left holds."""
    states = MemoryFiles({one.path: one.data for one in evidence.states})
    while True:
        files = {f"{settings.schemas}/{one.name}{schemas.ENDING}": _composed(one, made) for one in made}
        every, problems = schemas.load({**own, **files}, state=settings.state)
        collections = Collections({one.name: every[one.name] for one in made if one.name in every})
        faults = {one.file.rpartition("/")[2].removesuffix(schemas.ENDING): one.message for one in reversed(problems)}
        if not faults and made:
            found = audit(states, Paths(settings.state), collections, Rules(collections)).problems
            faults = {name: one.message for one in reversed(found) for name in _whose(one, made)}
        if not faults:
            break
        why = letters.undescribed(next(iter(faults.values())))
        for draft in [one for one in made if one.name in faults] or list(made):
            made.remove(draft)
            said = letters.undescribed(faults[draft.name]) if draft.name in faults else why
            result.left.append(Left(draft.path or "", draft.pointer, said))
            result.ignored |= {key: said for key in draft.delta_keys if key in by_key}
    for draft in made:
        schema_path = f"{settings.schemas}/{draft.name}{schemas.ENDING}"
        result.collections.append(
            Adopted(
                draft.name, draft.strategy, draft.path, draft.pointer, len(draft.state) or len(draft.counters),
                schema_path, files[schema_path], draft.delta_keys, [*draft.guesses, *draft.field_guesses],
            )
        )  # fmt: skip
    _judge(evidence.deltas, settings, every, result)


def _composed(draft: Draft, made: Sequence[Draft]) -> bytes:
    shape = shape_of(draft)
    matches = references(draft, made, shape["properties"])
    draft.references = {one.field: one.target for one in matches}
    properties = merged_properties(draft, shape["properties"])
    draft.field_guesses = [letters.refers(matches)] if matches else []
    for strategy in (SUM, UNION):
        if fields := [name for name, one in properties.items() if one == strategy]:
            draft.field_guesses.append(letters.adds_up(fields, strategy))
    return composed(draft, shape, draft.path)


def _whose(problem: Problem, made: Sequence[Draft]) -> list[str]:
    here = [one for one in made if one.path == problem.file and f"{problem.pointer}/".startswith(f"{one.pointer}/")]
    return [one.name for one in here or made if one.path == problem.file] or [one.name for one in made]


def _judge(deltas: Iterable[Document], settings: Settings, collections: Collections, result: Adoption) -> None:
    """Whether each delta would enter under the new schemas and settings."""
    rules = Rules(collections, with_delta_settings(settings, result.aliases, result.ignored))
    for one in deltas:
        name = one.path.rpartition("/")[2]
        verdict = validate(given(one.path if FILE_NAME.match(name) else name, one.data), rules)
        if isinstance(verdict, Rejection):
            result.refused[one.path] = verdict.problems
        else:
            result.accepted.append(one.path)


def with_delta_settings(settings: Settings, aliases: Mapping[str, Any], ignored: Iterable[str]) -> Settings:
    """The settings with more aliases and ignored keys."""
    delta = DeltaSettings(
        aliases={**settings.delta.aliases, **aliases}, ignore=tuple(sorted({*settings.delta.ignore, *ignored}))
    )
    return settings._replace(delta=delta)
