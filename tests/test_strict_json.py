"""Strict JSON: the conformance corpus, every letter word for word, and the three tiers held to one verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from merge_bot import canonical, json_faults, strict_json
from merge_bot.findings import Problem, Reason
from merge_bot.json_scanner import MAX_FAULTS
from merge_bot.strict_json import Parsed, locate, parse, pointer
from merge_bot.wording import quoted
from tests.json_corpus import ACCEPT, EITHER, LETTERS, REJECT, REWRITE, Accept, Reject

CORRUPTED = Path(__file__).parents[2] / "shared" / "realworld" / "corrupted"

# What Python's own reader lets through, and we do not.
STRICTER = {
    Reason.DUPLICATE_KEY,
    Reason.NOT_A_NUMBER,
    Reason.NUMBER_OUT_OF_RANGE,
    Reason.NUMBER_LOSES_DIGITS,
    Reason.LONE_SURROGATE,
    Reason.TOO_DEEP,
}


def text(problem: Problem) -> str:
    return f"{problem.line} {problem.pointer!r} {problem.reason}: {problem.message} {problem.remedy}"


def texts(data: bytes, **limits: Any) -> list[str]:
    return [text(one) for one in parse(data, "d.json", **limits).problems]


def readable(data: bytes) -> bool:
    """Whether Python's own, lenient reader takes the bytes."""
    try:
        json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return True


def hold(data: bytes, max_depth: int = strict_json.MAX_DEPTH) -> Parsed:
    """`parse`, after every invariant that holds for any bytes."""
    parsed = parse(data, "d.json", max_depth=max_depth)
    quick, slow = strict_json._read(data, max_depth), strict_json._accept(data, max_depth)
    refused = quick is strict_json._REFUSED
    assert refused == (slow is strict_json._REFUSED)
    assert repr(quick) == repr(slow) or refused
    assert refused == bool(json_faults.found(data, "d.json", max_depth)) == bool(parsed.problems)
    if refused:
        assert parsed.value is None
        assert list(parsed.problems[:MAX_FAULTS]) == sorted(parsed.problems[:MAX_FAULTS])
        assert readable(data) <= ({one.reason for one in parsed.problems} <= STRICTER)
    else:
        assert repr(parsed.value) == repr(json.loads(data))
        assert readable(canonical.document(parsed.value))
    for one in parsed.problems:
        assert one.file == "d.json"
        assert 0 <= one.line <= data.count(b"\n") + 1
        assert one.message.isprintable() and one.remedy.isprintable()
        assert len(one.message) < 600 and len(one.pointer) <= 1000
        one.pointer.encode("utf-8")
    return parsed


# The corpus.


@pytest.mark.parametrize("row", ACCEPT, ids=lambda row: row.name)
def test_corpus_accepts(row: Accept) -> None:
    parsed = hold(row.data)
    assert parsed.problems == ()
    assert repr(parsed.value) == repr(json.loads(row.data) if row.name.startswith("64 ") else row.value)


@pytest.mark.parametrize("row", REJECT, ids=lambda row: row.name)
def test_corpus_rejects(row: Reject) -> None:
    (problem,) = hold(row.data).problems
    assert (problem.line, problem.pointer, problem.reason) == (row.line, row.pointer, row.reason)
    assert not readable(row.data) or row.reason is Reason.NOT_A_NUMBER


@pytest.mark.parametrize(("name", "data", "reason"), EITHER, ids=[row[0] for row in EITHER])
def test_corpus_takes_a_stand(name: str, data: bytes, reason: Reason | None) -> None:
    assert [one.reason for one in hold(data).problems] == ([reason] if reason else [])


# The letters.


@pytest.mark.parametrize("name", LETTERS)
def test_letter(name: str) -> None:
    data, expected = LETTERS[name]
    assert texts(data) == [expected]


def test_every_letter_is_tested() -> None:
    apart = {"large", "more", "unknown"}
    assert set(LETTERS) | apart == set(json_faults._LETTERS)


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (
            b'{"a": 1,\n"a": 2,\n"a": 3}',
            [
                'The key "a" stands twice in one object, first in line 1 and again in line 2.',
                'The key "a" stands twice in one object, first in line 1 and again in line 3.',
            ],
        ),
        (b"[.5]", ["Column 2: .5 is not a number as JSON writes them."]),
        (b"[+1]", ["Column 2: +1 is not a number as JSON writes them."]),
        (b"[-x]", ["Column 2: -x is not a number as JSON writes them."]),
        ("[é]".encode(), ['Column 2: expected a value, found "é".']),
        ("[1\uff12]".encode(), ['Column 3: expected a comma or ], found "\uff12".']),
        (b"\n[1,\r\n \x0c]", ['Column 2: expected a value, found "\\f".']),
        (b'{"a": "\xf0\x9f', ["The file ends in the middle of a string that begins in line 1."]),
        (b'{"a": {"b": 1}\n', ["The file ends in the middle of an object that begins in line 1."]),
        (b"\n\n[[1], nul", ["The file ends in the middle of a value that begins in line 3."]),
    ],
)
def test_messages(data: bytes, messages: list[str]) -> None:
    assert [one.message for one in hold(data).problems] == messages


def test_size_is_checked_before_anything_is_read() -> None:
    assert texts(b"[1,", max_bytes=3) == [
        f"1 '/1' truncated: The file ends in the middle of an array that begins in line 1. {REWRITE}"
    ]
    assert texts(b"[1,\xff", max_bytes=3) == [
        "0 '' too_large: The file has 4 bytes; at most 3 are read. Split it into smaller files."
    ]
    assert parse(b"[1]", "d.json", max_bytes=3) == Parsed([1])
    assert texts(b"1", max_bytes=0)[0].startswith("0 '' too_large")


def test_refusal_without_an_explanation_is_still_a_refusal() -> None:
    """orjson writes 254 levels; a greater `max_depth` cannot be granted, and must not be granted by mistake."""
    assert texts(b"[" * 255 + b"]" * 255, max_depth=300) == [
        "0 '' not_json: The file cannot be read as JSON. Write it again with a JSON library."
    ]


def test_problems_are_gathered_and_sorted() -> None:
    data = b"""\xef\xbb\xbf{
      "z": NaN, "a": [1e400, "\\ud800", 1.00000000000000000001],
      "z": -9223372036854775809,
      "\\udc00": {"b": Infinity},
      "b/~": {"c": 1, "c": 2},
      "d": [1,]
    }"""
    assert [(one.line, one.pointer, one.reason) for one in hold(data).problems] == [
        (1, "", Reason.BYTE_ORDER_MARK),
        (2, "/a/0", Reason.NUMBER_OUT_OF_RANGE),
        (2, "/a/1", Reason.LONE_SURROGATE),
        (2, "/a/2", Reason.NUMBER_LOSES_DIGITS),
        (2, "/z", Reason.NOT_A_NUMBER),
        (3, "/z", Reason.DUPLICATE_KEY),
        (3, "/z", Reason.NUMBER_OUT_OF_RANGE),
        (4, "", Reason.LONE_SURROGATE),  # a pointer with half a pair in it could not be written down
        (4, "", Reason.NOT_A_NUMBER),
        (5, "/b~1~0/c", Reason.DUPLICATE_KEY),
        (6, "/d", Reason.NOT_JSON),
    ]


def test_problems_have_a_limit() -> None:
    def many(count: int, end: bytes = b"]") -> list[tuple[int, Reason, str]]:
        found = hold(b"[" + b",\n".join([b"NaN"] * count) + end).problems
        return [(one.line, one.reason, one.message) for one in found]

    listed = [(line, Reason.NOT_A_NUMBER, "JSON has no NaN.") for line in range(1, MAX_FAULTS + 1)]
    cut = (60, Reason.TRUNCATED, "The file ends in the middle of an array that begins in line 1.")
    more = (51, Reason.NOT_A_NUMBER, "The file has 10 more problems, not listed.")
    assert many(50) == listed
    assert many(60) == [*listed, more]
    assert many(60, b"") == [*listed, cut, more]


def test_file_text_in_a_letter_is_short_and_prints() -> None:
    key = '\x1b[31m\u202e"\\\u2028' + "k" * 5000
    spelt = json.dumps(key).encode()
    (problem,) = hold(b"{" + spelt + b":1," + spelt + b":2}").problems
    assert problem.message == f"The key {quoted(key)} stands twice in one object, first in line 1 and again in line 1."
    assert problem.pointer == ""  # too long to be of use; the parent's stands in


# Depth.


def nested(depth: int, inner: str, space: str) -> Iterator[bytes]:
    """Texts of exactly this depth around `inner`: arrays, objects, and both in turn."""
    array, entry = ("[" + space, space + "]"), ('{"a":' + space, space + "}")
    for kinds in ((array,), (entry,), (array, entry)):
        pairs = [kinds[level % len(kinds)] for level in range(depth)]
        yield ("".join(one[0] for one in pairs) + inner + "".join(one[1] for one in reversed(pairs))).encode()


@pytest.mark.parametrize("max_depth", [1, 2, 3, 64, 250])
@pytest.mark.parametrize("space", ["", " ", "\n"])
@pytest.mark.parametrize(("inner", "own"), [("1", 0), ('" [{[{ "', 0), ("[]", 1), ("{}", 1), ('["",[],0]', 2)])
def test_depth_counts_containers(max_depth: int, space: str, inner: str, own: int) -> None:
    for data in nested(max_depth - own, inner, space) if max_depth >= own else ():
        assert hold(data, max_depth).problems == ()
        assert hold(orjson.dumps(orjson.loads(data)), max_depth).problems == ()
        assert hold(canonical.document(orjson.loads(data)), max_depth).problems == ()
    for data in nested(max_depth + 1 - own, inner, space):
        assert [one.reason for one in hold(data, max_depth).problems] == [Reason.TOO_DEEP]
        if max_depth < 250:
            document = canonical.document(orjson.loads(data))
            assert [one.reason for one in hold(document, max_depth).problems] == [Reason.TOO_DEEP]


def test_depth_is_not_hidden_by_what_stands_beside() -> None:
    deep = b"[" * 64 + b"]" * 64
    wide = b"[" + b",".join([b'"' + b" " * 130 + b'"'] * 20) + b"]"
    assert hold(b"[" + wide + b"," + deep[1:-1] + b"]").problems == ()
    assert [one.pointer for one in hold(b'{"w":' + wide + b',"d":' + deep + b"}").problems] == ["/d" + "/0" * 63]


# Truncation: what an interrupted writer leaves.


def test_every_beginning_of_a_file_is_truncated() -> None:
    data = '{"é":[1.5e-3,true,null,"\\u00e9\\n😀"],\r\n"b":{"c":-0.5,"d":[[],{}]}}'.encode()
    for size in range(1, len(data)):
        assert [one.reason for one in hold(data[:size]).problems] == [Reason.TRUNCATED], data[:size]


# Real files.

REAL = {
    "101fad79-channels.json": (96, "/_meta", 6),
    "101fad79-ghost_memory.json": (287, "/snapshots/12", 12),
    "101fad79-stats.json": (2, "", 6),
    "bd18c6c9-channels.json": (96, "/_meta", 3),
    "bd18c6c9-ghost_memory.json": (287, "/snapshots/12", 6),
    "bd18c6c9-stats.json": (2, "", 3),
}


@pytest.mark.skipif(not CORRUPTED.exists(), reason="the real files are not here")
@pytest.mark.parametrize("name", REAL)
def test_real_conflict_markers(name: str) -> None:
    line, place, count = REAL[name]
    (problem,) = hold((CORRUPTED / name).read_bytes()).problems
    assert (problem.line, problem.pointer, problem.reason) == (line, place, Reason.CONFLICT_MARKERS)
    assert problem.message == f"Git conflict markers were committed: {count} in all, the first is <<<<<<<."


@pytest.mark.skipif(not CORRUPTED.exists(), reason="the real files are not here")
def test_real_file_that_lost_records_is_json_all_the_same() -> None:
    assert hold((CORRUPTED / "438c7c54-posted_log-after-bad-merge.json").read_bytes()).problems == ()


# Pointers and lines.


def test_pointer() -> None:
    assert pointer() == ""
    assert pointer("") == "/"
    assert pointer("posts", 0, "a/b", "~", "~1", "é") == "/posts/0/a~1b/~0/~01/é"


def test_locate() -> None:
    data = b'\n{\n "a": [1,\n  [],\n  {"x": 1, "~1/": 2}],\n "0": {\n"": {"b":\n\n4}}}'
    lines = {
        "": 2,
        "/a": 3,
        "/a/0": 3,
        "/a/1": 4,
        "/a/2": 5,
        "/a/2/~01~1": 5,
        "/0": 6,
        "/0/": 7,
        "/0//b": 9,
        # not there: the nearest parent's
        "/b": 2,
        "/b/c/d": 2,
        "/a/3": 3,
        "/a/01": 3,
        "/a/-": 3,
        "/a/1/0": 4,
        "/a/0/x": 3,
        "/0//c": 7,
        "no pointer": 2,
    }
    assert locate(data, lines) == lines
    assert locate(data, []) == {}
    assert locate(b"1", ["", "/a"]) == {"": 1, "/a": 1}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["", "a", "b", "0", "a/b", "~1", "é"]) | st.text('ab~/\\"\n', max_size=3), inner
        )
    ),
    max_leaves=12,
)


@given(values, st.data())
def test_locate_finds_every_value(value: Any, data: st.DataObject) -> None:
    lines: dict[str, int] = {}
    chunks: list[str] = []

    def write(one: Any, place: str) -> None:
        chunks.append(data.draw(st.sampled_from(["", " ", "\n", "\n\n"])))
        lines[place] = "".join(chunks).count("\n") + 1
        if isinstance(one, dict):
            chunks.append("{")
            for index, (key, inner) in enumerate(one.items()):
                chunks.append(f"{',' if index else ''}{json.dumps(key)}:")
                write(inner, place + pointer(key))
            chunks.append("\n}")
        elif isinstance(one, list):
            chunks.append("[")
            for index, inner in enumerate(one):
                chunks.append("," if index else "")
                write(inner, place + pointer(index))
            chunks.append("\n]")
        else:
            chunks.append(json.dumps(one))

    write(value, "")
    assert locate("".join(chunks).encode(), lines) == lines


# The tiers agree, whatever the bytes.

spellings = st.builds(
    lambda value, indent, ascii, separators: json.dumps(
        value, indent=indent, ensure_ascii=ascii, separators=separators
    ).encode(),
    values,
    st.sampled_from([None, 0, 1, 2, "\t"]),
    st.booleans(),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\r\n", " : ")]),
)
WORDS = rb"""
[ ] { } , : " \ ' / // /* \u \ud83d \ude00 \u0061 \n 00 ff a b "a" "a": {"a":1} [[[ ]]]
0 1 9 - + . e E5 -0 0.1 1.10 1e400 1e-400 18446744073709551616 123456789012345678901 1e99999999999999999999
0.30000000000000004 0.300000000000000041 true fals null NaN -Infinity inf None
"""
BYTES = b" ", b"\n", b"\r", b"\t", b"\x0c", b"\x00", b"\x7f", b"\xff", b"\xc3", b"\xa9", b"\xc2\xa0", b"\xed\xa0\x80"
LINES = b"\xef\xbb\xbf", b"\n<<<<<<< HEAD\n", b"\n=======\n", b"  " * 6
fragments = st.sampled_from([*WORDS.split(), *BYTES, *LINES])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = draw(spellings)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.sampled_from([start, start + 1, start + 2, len(data)]) | st.integers(start, len(data)))
        data = data[:start] + draw(fragments | st.just(data[start:end]).map(lambda one: one * 2)) + data[end:]
    return data


@given(
    st.binary(max_size=40) | st.lists(fragments, max_size=12).map(b"".join) | mutated(), st.sampled_from([1, 2, 3, 64])
)
@settings(max_examples=1500, deadline=None)
@example(b'{"a":1,"\\u0061":2}', 64)
@example(b"[1.0,1.00,1e0]", 64)
@example(b'"\\ud83d\\ud83d\\ude00"', 64)
def test_tiers_agree_on_any_bytes(data: bytes, max_depth: int) -> None:
    hold(data, max_depth)


@given(values)
@settings(max_examples=300, deadline=None)
def test_own_spellings_need_the_fast_tier_only(value: Any) -> None:
    for data in (canonical.document(value), canonical.compact(value), canonical.line(value), orjson.dumps(value)):
        read = orjson.loads(data)
        assert strict_json._proven(data, read, orjson.dumps(read, option=orjson.OPT_INDENT_2))
        assert hold(data) == Parsed(read)


@pytest.mark.parametrize("row", [row for row in (*REJECT, *EITHER) if row[2]], ids=lambda row: row[0])
def test_fast_tier_proves_nothing_that_is_refused(row: Reject | tuple[str, bytes, Reason]) -> None:
    data, reason = row[1], row[2]
    try:
        read = orjson.loads(data)
        shown = orjson.dumps(read, option=orjson.OPT_INDENT_2)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return
    assert not strict_json._proven(data, read, shown) or reason is Reason.TOO_DEEP


@given(values, st.integers(1, 10**6))
@settings(max_examples=300, deadline=None)
@example([-1.9407905506681063e-122], 25)  # cut in its exponent it would not survive a round trip
def test_a_cut_file_is_never_accepted_as_another(value: Any, size: int) -> None:
    """Whatever is left of a document in brackets, no reader may take it for a whole one."""
    data = json.dumps([value]).encode()
    cut = data[: size % len(data)]
    assert [one.reason for one in hold(cut).problems] == [Reason.TRUNCATED if cut else Reason.EMPTY_FILE]
