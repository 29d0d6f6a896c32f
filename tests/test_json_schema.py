"""The judge and the explainer agree, their time is bounded, and nothing is fetched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from merge_bot.delta_schema import compose
from merge_bot.json_schema import DIALECT, MAX_FINDINGS, Schema, is_pattern
from merge_bot.schemas import load
from merge_bot.wording import violation
from tests.random_deltas import EXAMPLE, deltas

SCHEMAS = Path(__file__).parent.parent / "schemas"
DELTA = compose(load({one.name: one.read_bytes() for one in SCHEMAS.glob("*.schema.json")})[0])
NESTED = Schema({"properties": {"a": {"items": {"properties": {"b": {"type": "integer"}}}}}})

ROWS = [
    ("type", {"type": "integer"}, "6495", 'expected an integer, found the string "6495"'),
    ("types", {"type": ["string", "null"]}, 6495, "expected a string or null, found the integer 6495"),
    ("enum", {"enum": ["a", 1]}, "b", 'expected one of "a", 1, found the string "b"'),
    ("const", {"const": {"a": 1}}, [], 'expected {"a": 1}, found an empty array'),
    ("required", {"required": ["a"]}, {}, "`a` is missing"),
    ("unknown", {"additionalProperties": False}, {"a": 1}, "unknown key"),
    ("empty", {"minLength": 3}, "", "must not be empty"),
    ("short", {"minLength": 3}, "ab", 'expected at least 3 characters, found the string "ab"'),
    ("long", {"maxLength": 1}, "ab", "expected at most 1 character, found 2"),
    ("long in code points", {"maxLength": 1}, "🜁🜁", "expected at most 1 character, found 2"),
    ("small", {"minimum": 1}, 0, "expected at least 1, found the integer 0"),
    ("large", {"maximum": 1}, 1.5, "expected at most 1, found the number 1.5"),
    ("at the lower end", {"exclusiveMinimum": 1}, 1, "expected more than 1, found the integer 1"),
    ("at the upper end", {"exclusiveMaximum": 1}, 1, "expected less than 1, found the integer 1"),
    ("no multiple", {"multipleOf": 2}, 3, "expected a multiple of 2, found the integer 3"),
    ("few", {"minItems": 2}, [1], "expected at least 2 items, found an array of 1"),
    ("many", {"maxItems": 1}, [1, 2], "expected at most 1 item, found an array of 2"),
    ("few keys", {"minProperties": 1}, {}, "expected at least 1 key, found 0"),
    ("many keys", {"maxProperties": 1}, {"a": 1, "b": 2}, "expected at most 1 key, found 2"),
    ("twice", {"uniqueItems": True}, [1, 1], "expected every item once, but some stand there twice"),
    ("pattern", {"pattern": "^[a-z]+$"}, "A", 'expected text that matches "^[a-z]+$", found the string "A"'),
    ("ECMA's digits", {"pattern": r"^\d$"}, "٣", 'expected text that matches "^\\\\d$", found the string "٣"'),
    (
        "a name",
        {"propertyNames": {"pattern": "^[a-z]$"}},
        {"A": 1},
        'expected text that matches "^[a-z]$", found the string "A"',
    ),
    ("never", {"properties": {"a": False}}, {"a": 1}, "nothing may stand here"),
    (
        "no alternative of type",
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        1,
        "expected a string or null, found the integer 1",
    ),
    (
        "no alternative",
        {"anyOf": [{"type": "string"}, {"type": "object", "required": ["hash"]}]},
        {},
        "fits none of the alternatives: `hash` is missing",
    ),
    (
        "both alternatives",
        {"oneOf": [{}, {"type": "integer"}]},
        1,
        "fits more than one of the alternatives of oneOf, found the integer 1",
    ),
    ("not", {"not": {"type": "integer"}}, 1, "not: 1 should not be valid under {'type': 'integer'}"),
    (
        "by a pattern",
        {"patternProperties": {"^a": {"type": "string"}}},
        {"ab": 1},
        "expected a string, found the integer 1",
    ),
    (
        "by a further key",
        {"additionalProperties": {"type": "string"}},
        {"ab": 1},
        "expected a string, found the integer 1",
    ),
    (
        "unevaluated",
        {"properties": {"a": {}}, "unevaluatedProperties": False},
        {"a": 1, "b": 2},
        "unevaluatedProperties: Unevaluated properties are not allowed ('b' was unexpected)",
    ),
]


@pytest.mark.parametrize(("schema", "value", "said"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_is_wrong_is_said_once(schema: dict[str, Any], value: Any, said: str) -> None:
    assert [violation(one) for one in Schema(schema).findings(value)] == [said]


def test_findings_lead_to_their_value() -> None:
    (finding,) = NESTED.findings({"a": [{"b": 1}, {"b": "x"}]})
    assert (finding.path, finding.found) == (("a", 1, "b"), "x")


def test_a_valid_value_has_no_findings() -> None:
    assert Schema(DELTA).findings(EXAMPLE) == []


def test_findings_are_bounded() -> None:
    assert len(Schema({"items": {"type": "string"}}).findings([1] * 10_000)) == MAX_FINDINGS


EVIL = "a" * 100_000 + "!"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, EVIL),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, {EVIL: 1}),
        ({"additionalProperties": {"type": "string"}, "patternProperties": {"^(a+)+$": {}}}, {EVIL: 1}),
        ({"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False}, {EVIL: 1}),
        ({"propertyNames": {"pattern": "^(a+)+$"}}, {EVIL: 1}),
        ({"uniqueItems": True}, [*({"n": [one]} for one in range(20_000)), {"n": [0]}]),
    ],
)
def test_hostile_values_end(schema: dict[str, Any], value: Any) -> None:
    """Each of these takes Python's `re`, or a comparison of all pairs, hours or longer."""
    assert len(Schema(schema).findings(value)) == 1


@pytest.mark.parametrize("text", ["^(?=a)", "(a)\\1", "(?<!a)b", "(", "[z-a]", "x{1000}{1000}"])
def test_patterns_that_cannot_be_bounded_are_no_patterns(text: str) -> None:
    assert not is_pattern(text)


@pytest.mark.parametrize("text", ["^[a-z]+$", r"^\d{4}$", r"\p{L}", "(?:a|b)*", ""])
def test_patterns(text: str) -> None:
    assert is_pattern(text)


def test_endless_recursion_is_judged_and_explained() -> None:
    schema = Schema({"allOf": [{"$ref": "#"}, {"type": "object"}]})
    assert {violation(one) for one in schema.findings(3)} == {'type: 3 is not of type "object"'}


def test_nothing_is_fetched() -> None:
    assert "Retrieval is disabled" in (Schema({"$ref": "http://127.0.0.1:9/x.json"}).fault() or "")
    assert Schema({"$ref": DIALECT}).fault() is None


@settings(max_examples=200, deadline=None)
@given(deltas())
def test_judge_and_reference_agree(delta: Any) -> None:
    schema = Schema(DELTA)
    valid = jsonschema.Draft202012Validator(DELTA).is_valid(delta)
    assert schema.is_valid(delta) is valid
    assert (schema.findings(delta) == []) is valid


def test_an_interrupt_while_the_library_begins_is_heard_when_it_has_begun() -> None:
    """Raised within, it was a panic of the library, and the program ended with a traceback."""
    script = """
import os, signal, sys
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "jsonschema_rs":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
from merge_bot.json_schema import load
try:
    load()
except KeyboardInterrupt:
    print("jsonschema_rs" in sys.modules, signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True set()\n", "")
