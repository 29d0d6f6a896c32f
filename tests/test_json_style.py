"""A JSON file's own style: told from its bytes, and written again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merge_bot.canonical import document
from merge_bot.json_style import CANONICAL, Style, is_kept, style_of

VALUE = {"z": [1, {"b": "é \x7f 🐙 \n\\u0041", "a": None}, [], {}], "a": {"10": 1.5, "9": True}, "": "x"}
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=4), below, max_size=4)
)


@pytest.mark.parametrize("indent", [None, 1, 2, 3, 4, "\t"])
@pytest.mark.parametrize("in_ascii", [True, False])
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("tail", ["", "\n", "\n\n", "\r\n"])
def test_what_python_writes_is_written_again_byte_for_byte(
    indent: Any, in_ascii: bool, in_order: bool, tail: str
) -> None:
    data = json.dumps(VALUE, indent=indent, ensure_ascii=in_ascii, sort_keys=in_order) + tail
    for text in (data, data.replace("\n", "\r\n")):
        assert style_of(text.encode(), VALUE).written(VALUE) == text.encode()


def test_compact_files_stay_compact() -> None:
    data = json.dumps(VALUE, separators=(",", ":")).encode()
    assert style_of(data, VALUE).written(VALUE) == data


@given(VALUES, st.sampled_from([None, 1, 2, 4, "\t"]), st.booleans())
def test_whatever_is_in_it(value: Any, indent: Any, in_ascii: bool) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=in_ascii).encode()
    again = style_of(data, value).written(value)
    assert json.loads(again) == value
    if isinstance(value, dict | list) and "\x7f" not in data.decode():
        assert again == data


def test_our_own_files_are_canonical_and_new_keys_go_to_their_place() -> None:
    assert style_of(document(VALUE), VALUE) is CANONICAL
    assert style_of(b'{\n    "a": 1,\n    "b": 2\n}', {"a": 1, "b": 2}).written({"b": 2, "aa": 1}) == (
        b'{\n    "aa": 1,\n    "b": 2\n}'
    )


@pytest.mark.parametrize("empty", ["[]", "{}", "[]\n", " {}\n"])
def test_an_empty_file_says_nothing_of_its_indentation_and_gets_ours(empty: str) -> None:
    style = style_of(empty.encode(), json.loads(empty))
    assert style.written({"b": 1, "a": 2}).strip() == b'{\n  "a": 2,\n  "b": 1\n}'


@pytest.mark.parametrize("data", [b'{"a": 1e0}', b'{"a":1, "b": 2}', b'{\n  "a": [1, 2]\n}', b'{"a": "\\/"}'])
def test_what_no_style_can_say_is_known(data: bytes) -> None:
    assert not is_kept(data, json.loads(data))
    assert is_kept(document(VALUE), VALUE)
    assert Style() == CANONICAL
