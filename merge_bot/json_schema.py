"""Pure. JSON Schema 2020-12: jsonschema_rs decides, jsonschema (the reference validator) explains what was refused.

Both work on hostile values, so time is bounded: regular expressions run on the linear engine alone (no lookaround, no
backreferences; ECMA's meaning), also when jsonschema explains, and nothing is ever fetched. Where the two differ,
jsonschema_rs is right, because it decides: what the reference validator would see otherwise is delegated to it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from itertools import islice
from typing import Any, NamedTuple

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_FINDINGS = 100
# Keyed by name here: the reference validator judges them by Python's `re`, which backtracks without end.
_LEFT_TO_THE_JUDGE = ("unevaluatedProperties", "unevaluatedItems")


class Finding(NamedTuple):
    """One keyword that a value breaks.

    `path` leads to the value; of `additionalProperties` to the key that is too much. `expected` is what the schema
    says; of `required` the missing name, of `additionalProperties` the names it knows. `found` is the value there,
    `text` the validator's own words, `branches` what each alternative of an `anyOf` or `oneOf` misses.
    """

    path: tuple[str | int, ...]
    keyword: str
    expected: Any
    found: Any
    text: str
    branches: tuple[tuple[Finding, ...], ...] = ()


class Schema:
    """A schema that judges values. Compiled when first needed; `fault` says whether it can be."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    @cached_property
    def judge(self) -> Any:
        return _compiled(dict(self.document))

    def fault(self) -> str | None:
        """Why the schema cannot be compiled, in the validator's words; None if it can."""
        load()
        from jsonschema_rs import ReferencingError, ValidationError

        try:
            _ = self.judge
        except (ReferencingError, ValidationError) as error:
            return str(error).splitlines()[0]
        return None

    def is_valid(self, value: Any) -> bool:
        """Whether `value` satisfies the schema."""
        return bool(self.judge.is_valid(value))

    def findings(self, value: Any) -> list[Finding]:
        """What keeps `value` from satisfying the schema: empty if and only if it does; at most `MAX_FINDINGS`."""
        if self.is_valid(value):
            return []
        found = self._by_the_reference(value)
        judged = islice(self.judge.iter_errors(value), MAX_FINDINGS)
        found += [one for one in map(_judged, judged) if not found or one.keyword in _LEFT_TO_THE_JUDGE]
        return found[:MAX_FINDINGS]

    @cached_property
    def _reference(self) -> Any:
        from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

        return _reference_class()(dict(self.document), registry=REGISTRY)

    def _by_the_reference(self, value: Any) -> list[Finding]:
        try:
            return [_referred(one) for one in islice(self._reference.iter_errors(value), MAX_FINDINGS)]
        except RecursionError:  # a schema that refers to itself without end; the judge copes
            return []


def load() -> None:
    """Load the compiled library, for when there is something to wait for anyway: it takes as long as a git process.

    Whoever wants this process to end is heard afterwards: an exception while the library begins would be its crash.
    """
    if "jsonschema_rs" not in sys.modules:
        with _unheard():
            import jsonschema_rs  # noqa: F401


@contextmanager
def _unheard() -> Iterator[None]:
    """Interrupts and requests to end wait meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def is_pattern(text: str) -> bool:
    """Whether the engine takes `text` as a regular expression."""
    try:
        _pattern(text)
    except ValueError:
        return False
    return True


def _compiled(schema: dict[str, Any]) -> Any:
    load()  # late: a worker that only reads a frame must not pay for it
    from jsonschema_rs import Draft202012Validator, RegexOptions

    return Draft202012Validator(schema, pattern_options=RegexOptions(), validate_formats=False, offline=True)


@cache
def _pattern(text: str) -> Any:
    return _compiled({"pattern": text})


def _judged(error: Any) -> Finding:
    return Finding(tuple(error.instance_path), error.kind.name, None, error.instance, error.message)


def _referred(error: Any) -> Finding:
    branches: dict[int, list[Finding]] = {}
    for one in error.context or ():
        branches.setdefault(one.schema_path[0], []).append(_referred(one))
    return Finding(
        tuple(error.absolute_path),
        error.validator or "false",
        error.validator_value,
        error.instance,
        error.message,
        tuple(map(tuple, branches.values())),
    )


@cache
def _reference_class() -> Any:
    """jsonschema's validator, with every keyword delegated that it would judge otherwise or without bound."""
    from jsonschema import Draft202012Validator, validators
    from jsonschema.exceptions import ValidationError

    def delegated(keyword: str) -> Any:
        def judge(validator: Any, expected: Any, instance: Any, schema: Any) -> Iterator[Any]:
            schemas = _pattern(expected) if keyword == "pattern" else _compiled({keyword: expected})
            if not schemas.is_valid(instance):
                yield ValidationError(f"breaks {keyword}")

        return judge

    def properties(validator: Any, known: Any, instance: Any, schema: Any) -> Iterator[Any]:
        for name, below in known.items() if isinstance(instance, dict) else ():
            if name in instance and below is False:  # the library forgets the path of these
                yield ValidationError(
                    "nothing", path=(name,), validator="false", validator_value="", instance=instance[name]
                )
            elif name in instance:
                yield from validator.descend(instance[name], below, path=name, schema_path=name)

    def pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[Any]:
        for pattern, below in patterns.items() if isinstance(instance, dict) else ():
            for name, value in instance.items():
                if _pattern(pattern).is_valid(name):
                    yield from validator.descend(value, below, path=name, schema_path=pattern)

    def additional_properties(validator: Any, below: Any, instance: Any, schema: Any) -> Iterator[Any]:
        known = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        for name, value in instance.items() if isinstance(instance, dict) else ():
            if name in known or any(_pattern(one).is_valid(name) for one in patterns):
                continue
            if below is False:
                yield ValidationError("unknown key", path=(name,), validator_value=tuple(known), instance=value)
            else:
                yield from validator.descend(value, below, path=name)

    def required(validator: Any, names: Any, instance: Any, schema: Any) -> Iterator[Any]:
        for name in names if isinstance(instance, dict) else ():
            if name not in instance:
                yield ValidationError("missing key", validator_value=name)

    def left_to_the_judge(validator: Any, expected: Any, instance: Any, schema: Any) -> Iterator[Any]:
        return iter(())

    extend: Any = validators.extend
    return extend(
        Draft202012Validator,
        {
            **{keyword: delegated(keyword) for keyword in ("pattern", "uniqueItems", "multipleOf")},
            **dict.fromkeys(_LEFT_TO_THE_JUDGE, left_to_the_judge),
            "properties": properties,
            "patternProperties": pattern_properties,
            "additionalProperties": additional_properties,
            "required": required,
        },
    )
