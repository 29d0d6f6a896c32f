"""Pure. Who wins a conflict: how a schema or the settings say it, and every mistake in saying it.

A policy is written "latest", "first", "hold", "max", "min", or {"prefer-worker": [names]}. It stands in a schema's
`x-merge` as `on_conflict`, of a collection or of a property; the settings' `conflicts` take precedence, by collection,
or by field with `*` for all others: {agents: first, rooms: {topic: hold, "*": max}}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from merge_bot import conflict_letters as letters
from merge_bot.collection import (
    FIRST,
    HOLD,
    LAST_WRITER_WINS,
    LATEST,
    MAX,
    MIN,
    PREFER_WORKER,
    Collection,
    Collections,
    Policy,
    PropertyRule,
)
from merge_bot.delta import STREAM_ID
from merge_bot.errors import SettingsError
from merge_bot.guess import nearest
from merge_bot.messages import Letter

EVERY = "*"
PLAIN = (LATEST, FIRST, HOLD, MAX, MIN)
_ORDERED = ("integer", "number", "string", "null")


def read_policy(value: Any) -> tuple[Policy, Letter | None]:
    """The policy that a JSON value names, and what is wrong with it."""
    if isinstance(value, str) and value in PLAIN:
        return Policy(value), None
    if not (isinstance(value, Mapping) and list(value) == [PREFER_WORKER]):
        near = nearest(value, (*PLAIN, PREFER_WORKER)) if isinstance(value, str) else None
        return Policy(), letters.unknown_policy(value, near)
    workers = value[PREFER_WORKER]
    if not isinstance(workers, list | tuple) or not workers:
        return Policy(), letters.prefer_nobody(workers)
    for place, one in enumerate(workers):
        if not isinstance(one, str) or not STREAM_ID.match(one):
            return Policy(), letters.not_a_worker(one)
        if one in workers[:place]:
            return Policy(), letters.worker_twice(one)
    return Policy(PREFER_WORKER, tuple(workers)), None


def unordered(policy: Policy, name: str, schema: Any) -> Letter | None:
    """Why a field of this schema has no greatest value, if the policy asks for one."""
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    kinds = kind if isinstance(kind, list) else [kind]
    if policy.name not in (MAX, MIN) or kind is None or any(one in _ORDERED[:3] for one in kinds):
        return None
    return letters.no_order(name, policy.name)


def policy_fault(value: Any, name: str, schema: Any) -> Letter | None:
    """What is wrong with a policy that a field of this schema gives itself."""
    policy, letter = read_policy(value)
    return letter or unordered(policy, name, schema)


def read_policies(value: Any) -> tuple[dict[str, Policy], Letter | None]:
    """What the settings say of one collection: policies by field, `*` for all others; and what is wrong with it."""
    if not isinstance(value, Mapping) or list(value) == [PREFER_WORKER]:
        policy, letter = read_policy(value)
        return {EVERY: policy}, letter
    found = {}
    for name, one in value.items():
        found[str(name)], letter = read_policy(one)
        if letter:
            return {}, letter
    return found, None


def with_policies(collections: Collections, wanted: Mapping[str, Mapping[str, Policy]]) -> Collections:
    """The collections with the settings' policies in the place of their own. Raises SettingsError."""
    if not wanted:
        return collections
    wrong = [one for name, policies in wanted.items() for one in _mistakes(collections, name, policies)]
    if wrong:
        raise SettingsError("\n".join(wrong))
    changed = {name: _with(one, wanted[name]) if name in wanted else one for name, one in collections.items()}
    return Collections(changed)


def _mistakes(collections: Collections, name: str, policies: Mapping[str, Policy]) -> list[str]:
    if name not in collections:
        return [letters.policy_of_no_collection(name, nearest(name, collections))]
    rules = collections[name]
    if rules.strategy != LAST_WRITER_WINS:
        return [letters.policy_of_other_strategy(name, rules.strategy)]
    properties = rules.schema.get("properties", {})
    wrong = []
    for field, policy in policies.items():
        if field == EVERY:
            continue
        if field not in properties and rules.schema.get("additionalProperties") is False:
            wrong.append(letters.policy_of_no_field(name, field, nearest(field, properties)))
        elif not rules.is_overwritten(field):
            wrong.append(letters.policy_of_adding_field(name, field))
        elif letter := unordered(policy, field, properties.get(field)):
            wrong.append(letters.policy_unordered(name, letter))
    return wrong


def _with(rules: Collection, policies: Mapping[str, Policy]) -> Collection:
    every = policies.get(EVERY)
    properties = dict(rules.properties)
    for name, rule in rules.properties.items():
        properties[name] = rule._replace(on_conflict=policies.get(name, every or rule.on_conflict))
    for name, policy in policies.items():
        if name != EVERY:
            properties[name] = properties.get(name, PropertyRule())._replace(on_conflict=policy)
    return replace(rules, on_conflict=every or rules.on_conflict, properties=properties)
