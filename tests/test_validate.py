"""What is wrong with a delta is told at once, so that its author can mend it; what is right becomes operations."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given as whenever
from hypothesis import settings

from merge_bot.collection import Collections
from merge_bot.delta import Candidate, Delta, Operation, Origin
from merge_bot.explain import MAX_PROBLEMS, MAX_RECORDS
from merge_bot.findings import Reason, Recover, Rejection
from merge_bot.messages import listing
from merge_bot.schemas import load
from merge_bot.settings import DeltaSettings, Settings
from merge_bot.validate import Rules, check_name, given, validate
from tests.random_deltas import EXAMPLE, deltas

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "realworld" / "deltas-rappterbook"
FILE = "frame-405-w1.json"
UTC = "2026-03-25T03:14:22.000001Z"
ENVELOPE = {"frame": 405, "stream_id": "w1", "utc": UTC}


def collections(**schemas: dict[str, Any]) -> Collections:
    found, problems = load({f"{name}.schema.json": json.dumps(one).encode() for name, one in schemas.items()})
    assert problems == []
    return found


WORLD, _ = load({one.name: one.read_bytes() for one in (ROOT / "schemas").glob("*.schema.json")})
RULES = Rules(WORLD)


def refused(delta: Any, rules: Rules = RULES) -> Rejection:
    verdict = validate(given(FILE, delta), rules)
    assert isinstance(verdict, Rejection), verdict
    return verdict


def entered(delta: Any, rules: Rules = RULES) -> Delta:
    verdict = validate(given(FILE, delta), rules)
    assert isinstance(verdict, Delta), listing(verdict.problems)
    return verdict


def letter(rejection: Rejection) -> str:
    return dedent(listing(rejection.problems)).replace(f"{FILE}:", "line ")


KEYS = (
    "The keys of a delta are frame, stream_id, utc, _meta, profile_updates, channels_updated, comments_added, "
    "follows_added, posts_created, soul_updates, stats_increments. "
    "The repository's settings can have others ignored (delta: ignore)."
)
COMMENT = {"post_number": 6195, "author": "agent-kai", "body": "Yes."}
POST = {"number": 6201, "title": "On frames", "channel": "philosophy", "author": "agent-aria"}

LETTERS: list[tuple[str, Any, str]] = [
    (
        "nothing but an object",
        {},
        """
        line 1
          `frame` is missing.
          Write the number of the open frame, as _meta.json in the state folder names it: "frame": 405.
        line 1
          `stream_id` is missing.
          Write the worker's id: 1 to 64 letters, digits, _ and -, beginning with a letter or digit.
        line 1
          `utc` is missing.
          Write the real time with its offset: "utc": "2026-03-25T03:14:22.000001Z".
        """,
    ),
    (
        "a frame in quotes",
        {**ENVELOPE, "frame": "405"},
        """
        line 2 at /frame
          frame: expected an integer, found the string "405".
          Write it without the quotes: 405.
        """,
    ),
    (
        "a frame with a fraction",
        {**ENVELOPE, "frame": 405.0},
        """
        line 2 at /frame
          frame: expected an integer, found the number 405.0.
          Write it without a fraction: 405.
        """,
    ),
    (
        "a frame below zero",
        {**ENVELOPE, "frame": -1},
        """
        line 2 at /frame
          frame: expected an integer from 0 to 10^15, found the integer -1.
          Write the number of the open frame, as _meta.json in the state folder names it: "frame": 405.
        """,
    ),
    (
        "a frame that is a date",
        {**ENVELOPE, "frame": "20260416"},
        """
        line 2 at /frame
          frame: expected an integer, found the string "20260416".
          Write it without the quotes: 20260416.
        """,
    ),
    (
        "true for a frame",
        {**ENVELOPE, "frame": True},
        """
        line 2 at /frame
          frame: expected an integer from 0 to 10^15, found true.
          Write the number of the open frame, as _meta.json in the state folder names it: "frame": 405.
        """,
    ),
    (
        "a huge frame",
        {**ENVELOPE, "frame": 10**15 + 1},
        """
        line 2 at /frame
          frame: expected an integer from 0 to 10^15, found the integer 1000000000000001.
          Write the number of the open frame, as _meta.json in the state folder names it: "frame": 405.
        """,
    ),
    (
        "a stream that is a path",
        {**ENVELOPE, "stream_id": "../w1"},
        """
        line 3 at /stream_id
          stream_id: the string "../w1" is not a worker's id.
          Write the worker's id: 1 to 64 letters, digits, _ and -, beginning with a letter or digit.
        """,
    ),
    (
        "a stream that is empty",
        {**ENVELOPE, "stream_id": ""},
        """
        line 3 at /stream_id
          stream_id: the string "" is not a worker's id.
          Write the worker's id: 1 to 64 letters, digits, _ and -, beginning with a letter or digit.
        """,
    ),
    (
        "a stream that is a number",
        {**ENVELOPE, "stream_id": 3},
        """
        line 3 at /stream_id
          stream_id: the integer 3 is not a worker's id.
          Write the worker's id: 1 to 64 letters, digits, _ and -, beginning with a letter or digit.
        """,
    ),
    (
        "no time",
        {**ENVELOPE, "utc": ""},
        """
        line 4 at /utc
          utc: expected a time such as 2026-03-25T03:14:22.000001Z, found the string "".
          Write the real time with its offset: "utc": "2026-03-25T03:14:22.000001Z".
        """,
    ),
    (
        "a time without an offset",
        {**ENVELOPE, "utc": "2026-03-25T03:14:22"},
        """
        line 4 at /utc
          utc: "2026-03-25T03:14:22" has no offset, so it names no instant.
          If it is UTC, end it with a Z: "2026-03-25T03:14:22Z".
        """,
    ),
    (
        "words for a time",
        {**ENVELOPE, "utc": "yesterday"},
        """
        line 4 at /utc
          utc: expected a time such as 2026-03-25T03:14:22.000001Z, found the string "yesterday".
          Write the real time with its offset: "utc": "2026-03-25T03:14:22.000001Z".
        """,
    ),
    (
        "a time that is none",
        {**ENVELOPE, "utc": "2026-02-30T03:14:22Z"},
        """
        line 4 at /utc
          utc: expected a time such as 2026-03-25T03:14:22.000001Z, found the string "2026-02-30T03:14:22Z".
          Write the real time with its offset: "utc": "2026-03-25T03:14:22.000001Z".
        """,
    ),
    (
        "a number for a time",
        {**ENVELOPE, "utc": 1774408462},
        """
        line 4 at /utc
          utc: expected a time such as 2026-03-25T03:14:22.000001Z, found the integer 1774408462.
          Write the real time with its offset: "utc": "2026-03-25T03:14:22.000001Z".
        """,
    ),
    (
        "meta no object",
        {**ENVELOPE, "_meta": "ok"},
        """
        line 5 at /_meta
          _meta: expected an object, found the string "ok".
        """,
    ),
    (
        "meta",
        {**ENVELOPE, "_meta": {"status": "done", "epoch": 1.0, "run": "a b"}},
        """
        line 6 at /_meta/status
          _meta.status: expected one of "ok", "fallback", found the string "done".
        line 7 at /_meta/epoch
          _meta.epoch: expected an integer, found the number 1.0.
          Write it as an integer, without a fraction: 1.
        line 8 at /_meta/run
          _meta.run: expected text that matches "^[A-Za-z0-9_.:/-]{1,128}$", found the string "a b".
        """,
    ),
    (
        "a fallback that has something",
        {**ENVELOPE, "_meta": {"status": "fallback"}, "posts_created": [POST]},
        """
        line 6 at /_meta/status
          _meta.status: "fallback" says that there is nothing, but the delta holds 1 operation.
          Write "ok", or leave the operations out: those of a fallback would be dropped.
        """,
    ),
    (
        "a key misspelt",
        {**ENVELOPE, "post_created": [POST]},
        """
        line 5 at /post_created
          post_created: unknown key; did you mean `posts_created`?
        """,
    ),
    (
        "keys unknown",
        {**ENVELOPE, "reactions_added": 22, "errors": []},
        """
        line 5 at /reactions_added
          reactions_added: unknown key.
          KEYS
        line 6 at /errors
          errors: unknown key.
        """,
    ),
    (
        "another name of utc",
        {"frame": 405, "stream_id": "w1", "completed_at": UTC},
        """
        line 1
          `utc` is missing.
          Write the real time with its offset: "utc": "2026-03-25T03:14:22.000001Z".
        line 4 at /completed_at
          completed_at: unknown key; did you mean `utc`?
          Or the repository's settings alias it (delta: aliases).
        """,
    ),
    (
        "another case",
        {"frame": 405, "streamId": "w1", "utc": UTC},
        """
        line 1
          `stream_id` is missing.
          Write the worker's id: 1 to 64 letters, digits, _ and -, beginning with a letter or digit.
        line 3 at /streamId
          streamId: unknown key; did you mean `stream_id`?
          Or the repository's settings alias it (delta: aliases).
        """,
    ),
    (
        "an object for an array",
        {**ENVELOPE, "soul_updates": {"agent-aria": "Doubts."}},
        """
        line 5 at /soul_updates
          soul_updates: expected an array of records, found an object.
          Write "soul_updates": [{"agent_id": "agent-aria", "observation": "Argues well, and listens."}].
        """,
    ),
    (
        "an array for increments",
        {**ENVELOPE, "stats_increments": [{"total_posts": 1}]},
        """
        line 5 at /stats_increments
          stats_increments: expected an object of increments, found an array of 1.
          Write "stats_increments": {"total_agents": 1}.
        """,
    ),
    (
        "posts as numbers",
        {**ENVELOPE, "posts_created": [6495]},
        """
        line 6 at /posts_created/0
          posts_created[0]: expected an object, found the integer 6495.
          Write a record such as {"number": 6201, "title": "On debt", "channel": "philosophy", "author": "agent-aria"}.
        """,
    ),
    (
        "comments as ids",
        {**ENVELOPE, "comments_added": ["DC_a", "DC_b", "DC_c"]},
        """
        line 6 at /comments_added/0
          comments_added[0]: expected an object, found the string "DC_a" (2 more like this).
          Write a record such as {"post_number": 6201, "author": "agent-kai", "body": "A promise, to begin with."}.
        """,
    ),
    (
        "an integer in quotes",
        {**ENVELOPE, "comments_added": [COMMENT, {**COMMENT, "post_number": "6195"}]},
        """
        line 12 at /comments_added/1/post_number
          comments_added[1].post_number: expected an integer, found the string "6195".
          Write it without the quotes: 6195.
        """,
    ),
    (
        "an integer with a fraction",
        {**ENVELOPE, "comments_added": [{**COMMENT, "post_number": 6195.0}]},
        """
        line 7 at /comments_added/0/post_number
          comments_added[0].post_number: expected an integer, found the number 6195.0.
          Write it as an integer, without a fraction: 6195.
        """,
    ),
    (
        "agent for author",
        {**ENVELOPE, "comments_added": [{"post_number": 6195, "agent": "kai", "body": "Yes."}]},
        """
        line 6 at /comments_added/0
          comments_added[0]: the record has no key: it lacks `author`.
          Records are told apart by `id`, or else by `post_number`, `author` and `body`.
        line 8 at /comments_added/0/agent
          comments_added[0].agent: unknown key; did you mean `author`?
        """,
    ),
    (
        "another number",
        {**ENVELOPE, "comments_added": [{"discussion": 6195, "author": "kai", "body": "Yes."}]},
        """
        line 6 at /comments_added/0
          comments_added[0]: the record has no key: it lacks `post_number`.
          Records are told apart by `id`, or else by `post_number`, `author` and `body`.
        line 7 at /comments_added/0/discussion
          comments_added[0].discussion: unknown key; did you mean `post_number`?
        """,
    ),
    (
        "a key that is empty",
        {**ENVELOPE, "comments_added": [{**COMMENT, "id": ""}]},
        """
        line 10 at /comments_added/0/id
          comments_added[0].id: the key is empty, and would name nothing.
          Fill `id` in, or leave it out.
        """,
    ),
    (
        "a key that is null",
        {**ENVELOPE, "comments_added": [{**COMMENT, "author": None}]},
        """
        line 6 at /comments_added/0
          comments_added[0]: the record has no key: it lacks `author`.
          Records are told apart by `id`, or else by `post_number`, `author` and `body`.
        """,
    ),
    (
        "with a key, without its author",
        {**ENVELOPE, "comments_added": [{"id": "1", "post_number": 1, "body": "b"}]},
        """
        line 6 at /comments_added/0
          comments_added[0]: `author` is missing.
          The `agent_id` of the agent who wrote the comment.
        """,
    ),
    (
        "an entity without a key",
        {**ENVELOPE, "profile_updates": [{"bio": "rebel"}]},
        """
        line 6 at /profile_updates/0
          profile_updates[0]: the record has no key: it lacks `agent_id`.
          Records are told apart by `agent_id`.
        """,
    ),
    (
        "an unknown field",
        {**ENVELOPE, "posts_created": [{**POST, "mood": "calm", "titel": "x"}]},
        """
        line 11 at /posts_created/0/mood
          posts_created[0].mood: unknown key.
          The keys there are number, title, channel, author, body, created_at.
        line 12 at /posts_created/0/titel
          posts_created[0].titel: unknown key.
        """,
    ),
    (
        "a counter misspelt",
        {**ENVELOPE, "stats_increments": {"total_post": 1, "zzz": 1, "total_comments": "1"}},
        """
        line 6 at /stats_increments/total_post
          stats_increments.total_post: unknown key; did you mean `total_posts`?
        line 7 at /stats_increments/zzz
          stats_increments.zzz: unknown key.
          The keys there are total_agents, total_channels, total_posts, total_comments, total_observations, total_follows, total_reactions.
        line 8 at /stats_increments/total_comments
          stats_increments.total_comments: expected an integer, found the string "1".
          Write it without the quotes: 1.
        """,  # noqa: E501
    ),
    (
        "inside a field",
        {**ENVELOPE, "profile_updates": [{"agent_id": "a", "tags": ["x", 3, ""], "status": "gone"}]},
        """
        line 10 at /profile_updates/0/tags/1
          profile_updates[0].tags[1]: expected a string, found the integer 3.
          Words that describe the agent. In a delta, the tags to add; the ones already there stay.
        line 11 at /profile_updates/0/tags/2
          profile_updates[0].tags[2]: must not be empty.
          Words that describe the agent. In a delta, the tags to add; the ones already there stay.
        line 13 at /profile_updates/0/status
          profile_updates[0].status: expected one of "active", "dormant", "retired", found the string "gone".
          Whether the agent takes part at present.
        """,
    ),
    (
        "an array",
        [1],
        """
        line 1
          A delta is a JSON object, found an array of 1.
          Begin it like this: {"frame": 405, "stream_id": "w1", "utc": "2026-03-25T03:14:22.000001Z"}.
        """,
    ),
    (
        "a string",
        "delta",
        """
        line 1
          A delta is a JSON object, found the string "delta".
          Begin it like this: {"frame": 405, "stream_id": "w1", "utc": "2026-03-25T03:14:22.000001Z"}.
        """,
    ),
    (
        "strict JSON",
        b'{"frame": 405, "frame": 406, "stream_id": "w1"}',
        """
        line 1 at /frame
          The key "frame" stands twice in one object, first in line 1 and again in line 1.
          Keep one of the two: most readers drop the first without a word.
        """,
    ),
    (
        "text that hides",
        {**ENVELOPE, "\u202e`x`\n::error::": "\x1b[31m", "posts_created": [{**POST, "title": 7, "a\tb": 1}]},
        r"""
        line 5 at /\u202e`x`\n::error::
          ["\u202e`x`\n::error::"]: unknown key.
          KEYS
        line 9 at /posts_created/0/title
          posts_created[0].title: expected a string, found the integer 7.
          The headline.
        line 12 at /posts_created/0/a\tb
          posts_created[0]["a\tb"]: unknown key.
          The keys there are number, title, channel, author, body, created_at.
        """,
    ),
]


@pytest.mark.parametrize(("delta", "text"), [row[1:] for row in LETTERS], ids=[row[0] for row in LETTERS])
def test_letters(delta: Any, text: str) -> None:
    raw = delta if isinstance(delta, bytes) else json.dumps(delta, indent=1, ensure_ascii=False).encode()
    assert letter(refused(raw)) == dedent(text).strip().replace("KEYS", KEYS)


def test_refused_bytes_are_not_the_authors_to_mend_twice() -> None:
    """What could be read of the envelope travels with the rejection, each part only if it is well formed."""
    rejection = refused({**ENVELOPE, "zzz": 1})
    assert (rejection.frame, rejection.stream_id, rejection.utc, rejection.recover) == (
        405,
        "w1",
        UTC,
        Recover.RESUBMIT,
    )
    rejection = refused({"frame": "405", "stream_id": "../", "utc": "noon"})
    assert (rejection.frame, rejection.stream_id, rejection.utc) == (None, None, None)


REASONS = [
    ("missing_key", {"frame": 1, "stream_id": "a"}),
    ("unknown_key", {**ENVELOPE, "zzz": 1}),
    ("unknown_key", {**ENVELOPE, "posts_created": [{**POST, "zzz": 1}]}),
    ("bad_frame", {**ENVELOPE, "frame": None}),
    ("bad_stream_id", {**ENVELOPE, "stream_id": None}),
    ("bad_utc", {**ENVELOPE, "utc": None}),
    ("bad_meta", {**ENVELOPE, "_meta": None}),
    ("bad_meta", {**ENVELOPE, "_meta": {"epoch": 1.0}}),
    ("schema_violation", {**ENVELOPE, "posts_created": [{**POST, "title": ""}]}),
    ("schema_violation", {**ENVELOPE, "posts_created": None}),
    ("no_key", {**ENVELOPE, "posts_created": [{key: one for key, one in POST.items() if key != "number"}]}),
    ("not_an_object", []),
    ("empty_file", b""),
    ("byte_order_mark", b"\xef\xbb\xbf{}"),
    ("not_utf8", b'{"a": "\xff"}'),
    ("truncated", b'{"frame": 1'),
    ("not_a_number", b'{"frame": NaN}'),
    ("number_out_of_range", b'{"frame": 18446744073709551616}'),
    ("number_out_of_range", b'{"frame": 1e400}'),
    ("lone_surrogate", b'{"frame": "\\ud800"}'),
    ("too_deep", b"[" * 65 + b"]" * 65),
    ("conflict_markers", b'{\n<<<<<<< ours\n"frame": 1\n=======\n"frame": 2\n>>>>>>> theirs\n}'),
]


@pytest.mark.parametrize(("reason", "delta"), REASONS)
def test_reasons(reason: str, delta: Any) -> None:
    raw = delta if isinstance(delta, bytes) else json.dumps(delta).encode()
    assert [one.reason for one in refused(raw).problems] == [reason]


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("120000", "This is a symbolic link; a delta is a plain file (mode 100644).\n"
                   "  Write the delta itself in its place; links are not followed."),
        ("100755", "This is an executable file; a delta is a plain file (mode 100644).\n"
                   '  git update-index --chmod=-x "frame-405-w1.json", and commit.'),
        ("160000", "This is a submodule; a delta is a plain file (mode 100644).\n"
                   "  Write the delta itself in its place."),
        ("40000", "This is a folder; a delta is a plain file (mode 100644).\n"
                  "  Deltas lie in the inbox itself, not in folders below it."),
        ("100664", 'This is of git\'s file mode "100664"; a delta is a plain file (mode 100644).\n'
                   "  Write the delta as a plain file."),
    ],
)  # fmt: skip
def test_other_kinds_of_files(mode: str, text: str) -> None:
    verdict = validate(Candidate(FILE, "", mode, 0, None, "0" * 64), RULES)
    assert isinstance(verdict, Rejection)
    assert [one.reason for one in verdict.problems] == [Reason.NOT_A_REGULAR_FILE]
    assert letter(verdict) == f"{FILE}\n  {text}"


def test_size() -> None:
    rules = Rules(WORLD, Settings(max_delta_bytes=1024))
    fits = json.dumps(ENVELOPE).encode().ljust(1024)
    entered(fits, rules)
    for verdict in (refused(fits + b" ", rules), validate(Candidate(FILE, "", "100644", 1025, None, "0" * 64), rules)):
        assert isinstance(verdict, Rejection)
        assert [one.reason for one in verdict.problems] == [Reason.TOO_LARGE]
        assert letter(verdict) == (
            f"{FILE}\n  The file has 1,025 bytes; at most 1,024 are read.\n  Write several deltas (each with a "
            "`_meta.run` of its own), or raise max-delta-bytes in the settings."
        )


# --- settings: aliases and ignored keys

ALIASING = Rules(
    WORLD, Settings(delta=DeltaSettings(aliases={"completed_at": "utc", "done": "utc"}, ignore=("engine", "errors")))
)


def test_aliases_and_ignored_keys() -> None:
    delta = entered({"frame": 405, "engine": [], "stream_id": "w1", "completed_at": UTC, "errors": {"x": 1}}, ALIASING)
    assert (delta.frame, delta.stream_id, delta.utc, delta.is_empty) == (405, "w1", UTC, True)


def test_a_problem_is_told_under_the_name_that_stands_in_the_file() -> None:
    assert letter(refused({"frame": 405, "stream_id": "w1", "completed_at": "2026-03-25T03:14:22"}, ALIASING)) == (
        'line 4 at /completed_at\n  completed_at: "2026-03-25T03:14:22" has no offset, so it names no instant.\n'
        '  If it is UTC, end it with a Z: "2026-03-25T03:14:22Z".'
    )


def test_a_key_and_its_alias() -> None:
    rejection = refused({**ENVELOPE, "completed_at": UTC}, ALIASING)
    assert (
        letter(rejection)
        == "line 4 at /utc\n  utc: `utc` and `completed_at` both stand for `utc`.\n  Keep one of them."
    )
    assert [one.reason for one in rejection.problems] == [Reason.ALIAS_CLASH]
    assert "`completed_at` and `done` both stand for `utc`" in letter(
        refused({"frame": 405, "stream_id": "w1", "completed_at": UTC, "done": UTC}, ALIASING)
    )


# --- what is right becomes operations


def test_operations() -> None:
    rules = Rules(
        collections(
            notes={
                "type": "object",
                "x-merge": {"strategy": "append", "delta": ["notes_added", "notes_kept"], "key": ["id"]},
                "properties": {"id": {"type": "integer"}},
                "required": ["id"],
            },
            counts={"type": "object", "x-merge": {"strategy": "sum", "delta": ["counts"]}},
        )
    )
    raw = json.dumps(
        {
            "notes_kept": [{"id": 3}, {"id": 1}],
            "frame": 405,
            "counts": {"a/b": 2, "c~d": -1.5},
            "_meta": {"status": "ok", "epoch": 7, "run": "r1", "model": "x"},
            "stream_id": "w1",
            "notes_added": [{"id": 3}],
            "utc": "2026-03-25T04:14:22.000001+01:00",
        }
    ).encode()
    delta = entered(raw, rules)
    candidate = given(FILE, raw)
    origin = Origin(1774408462000001, "w1", candidate.digest, 405, "2026-03-25T04:14:22.000001+01:00")
    assert delta.candidate == candidate
    assert (delta.status, delta.epoch, delta.run, delta.origin) == ("ok", 7, "r1", origin)
    assert {name: list(ones) for name, ones in delta.operations.items()} == {
        "notes": [
            Operation(origin, 0, "notes", "/notes_kept/0", {"id": 3}),
            Operation(origin, 1, "notes", "/notes_kept/1", {"id": 1}),
            Operation(origin, 4, "notes", "/notes_added/0", {"id": 3}),
        ],
        "counts": [
            Operation(origin, 2, "counts", "/counts/a~1b", {"a/b": 2}),
            Operation(origin, 3, "counts", "/counts/c~0d", {"c~d": -1.5}),
        ],
    }


def test_the_protocols_own_example_enters() -> None:
    delta = entered(EXAMPLE)
    assert {name: len(ones) for name, ones in delta.operations.items()} == {
        "posts": 1, "comments": 1, "souls": 1, "follows": 1, "agents": 1, "channels": 1, "stats": 1,
    }  # fmt: skip


def test_an_empty_fallback_enters() -> None:
    delta = entered({**ENVELOPE, "posts_created": [], "stats_increments": {}, "_meta": {"status": "fallback"}})
    assert delta.is_fallback and delta.is_empty


NULLABLE = Rules(
    collections(
        notes={
            "type": "object",
            "x-merge": {"strategy": "append", "delta": ["n"], "key": ["id"], "else_key": ["by", {"hash": "what"}]},
            "properties": {"id": {"type": "integer"}, "by": {"type": "integer"}, "what": {}},
            "required": ["by", "what"],
        },
        lists={
            "type": "object",
            "x-merge": {"strategy": "observe", "delta": ["l"], "references": {"notes": "notes"}},
            "properties": {"notes": {"type": "array", "items": {"type": "integer"}}},
        },
    )
)


def test_a_null_in_a_key_is_no_key_even_where_the_schema_takes_it() -> None:
    entered({**ENVELOPE, "n": [{"by": 1, "what": 0}, {"id": 1, "by": 1, "what": None}]}, NULLABLE)
    assert letter(refused({**ENVELOPE, "n": [{"by": 1, "what": None}]}, NULLABLE)) == (
        "line 6 at /n/0\n  n[0]: the record has no key: it lacks `what`.\n"
        "  Records are told apart by `id`, or else by `by` and `what`."
    )


def test_references_are_integers_by_their_spelling_too() -> None:
    entered({**ENVELOPE, "l": [{"notes": [1, 2]}, {}]}, NULLABLE)
    assert letter(refused({**ENVELOPE, "l": [{"notes": [1, 2.0]}]}, NULLABLE)) == (
        "line 9 at /l/0/notes/1\n  l[0].notes[1]: expected an integer, found the number 2.0.\n"
        "  Write it as an integer, without a fraction: 2."
    )


# --- deltas as language models really wrote them

OF_THAT_SYSTEM = Rules(
    WORLD,
    Settings.load(
        b"""
delta:
  aliases: {completed_at: utc}
  ignore: [stream_type, engine, agents_activated, discussions_engaged, soul_files_updated, observations,
           seed_evolution, errors]
"""
    ),
)
DRIFTED = [
    ("frame-10-solo", ["no_key /comments_added/0", "unknown_key /comments_added/0/discussion",
                       "unknown_key /comments_added/0/comment_id", "unknown_key /reactions_added"]),
    ("frame-109-solo2", ["schema_violation /posts_created/0", "schema_violation /comments_added/0",
                         "unknown_key /reactions_added"]),
    ("frame-138-solo-b", ["schema_violation /posts_created/0", "schema_violation /comments_added/0",
                          "unknown_key /reactions_added"]),
    ("frame-192-solo-b", ["schema_violation /comments_added/0", "schema_violation /comments_added/0",
                          "unknown_key /comments_added/0/discussion", "unknown_key /comments_added/2/type",
                          "unknown_key /reactions_added_count"]),
    ("frame-300-solo", ["schema_violation /comments_added/0", "schema_violation /comments_added/0",
                        "unknown_key /comments_added/0/discussion", "unknown_key /comments_added/0/type",
                        "unknown_key /reactions_added"]),
    ("frame-473-stream-1", ["no_key /comments_added/0", "unknown_key /comments_added/0/discussion",
                            "unknown_key /comments_added/0/agent", "unknown_key /comments_added/0/type",
                            "unknown_key /reactions_added"]),
    ("frame-474-stream-2", ["no_key /comments_added/0", "unknown_key /comments_added/0/discussion",
                            "unknown_key /comments_added/0/agent", "unknown_key /comments_added/0/type",
                            "unknown_key /reactions_added"]),
]  # fmt: skip
real = pytest.mark.skipif(not REAL.is_dir(), reason="the real deltas are not here")


@real
@pytest.mark.parametrize(("name", "problems"), DRIFTED)
def test_real_deltas_are_refused_for_what_drifted(name: str, problems: list[str]) -> None:
    rejection = refused((REAL / f"{name}.json").read_bytes(), OF_THAT_SYSTEM)
    assert [f"{one.reason} {one.pointer}" for one in rejection.problems] == problems
    assert f"frame-{rejection.frame}-{rejection.stream_id}" == name and rejection.utc is not None


@real
def test_letters_to_the_authors_of_real_deltas() -> None:
    first = refused((REAL / "frame-138-solo-b.json").read_bytes(), OF_THAT_SYSTEM)
    assert letter(first) == dedent(
        """
        line 19 at /posts_created/0
          posts_created[0]: expected an object, found the integer 6714.
          Write a record such as {"number": 6201, "title": "On debt", "channel": "philosophy", "author": "agent-aria"}.
        line 21 at /comments_added/0
          comments_added[0]: expected an object, found the string "DC_kwDORPJAUs4A97Sp" (14 more like this).
          Write a record such as {"post_number": 6201, "author": "agent-kai", "body": "A promise, to begin with."}.
        line 37 at /reactions_added
          reactions_added: unknown key.
          KEYS
        """
    ).strip().replace("KEYS", KEYS)
    second = refused((REAL / "frame-473-stream-1.json").read_bytes(), OF_THAT_SYSTEM)
    assert letter(second) == dedent(
        """
        line 104 at /comments_added/0
          comments_added[0]: the record has no key: it lacks `post_number`, `author` and `body` (37 more like this).
          Records are told apart by `id`, or else by `post_number`, `author` and `body`.
        line 105 at /comments_added/0/discussion
          comments_added[0].discussion: unknown key; did you mean `post_number`? (37 more like this).
        line 106 at /comments_added/0/agent
          comments_added[0].agent: unknown key; did you mean `author`? (37 more like this).
        line 107 at /comments_added/0/type
          comments_added[0].type: unknown key (37 more like this).
          The keys there are id, post_number, author, body, reply_to, created_at.
        line 295 at /reactions_added
          reactions_added: unknown key.
          KEYS
        """
    ).strip().replace("KEYS", KEYS)


# --- hostile deltas

MANY = 5_000
HOSTILE = [
    ("records", {"comments_added": [{"post_number": f"x{at}"} for at in range(MANY)]}),
    ("keys", {f"key{at}x": at for at in range(MANY)}),
    ("keys of a record", {"comments_added": [{f"key{at}x": at for at in range(MANY)}]}),
    ("keys of records", {"comments_added": [{f"key{at}x{of}": 1 for at in range(50)} for of in range(300)]}),
    ("items", {"profile_updates": [{"agent_id": "a", "tags": list(range(MANY))}]}),
    ("counters", {"stats_increments": {f"key{at}": "x" for at in range(MANY)}}),
    ("a long key", {"comments_added": [{"k" * 500_000: {"k" * 100_000: 1}}]}),
    ("a long key above", {"k" * 500_000: 1}),
    ("a long string", {"comments_added": [{"post_number": "7" * 500_000, "author": "\u202e\x1b" * 9999, "body": ""}]}),
    ("numbers", {"posts_created": [{**POST, "number": 1e300}, {**POST, "number": -0.0}, {**POST, "number": 0.1}]}),
]  # fmt: skip


@pytest.mark.parametrize("content", [row[1] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_letters_stay_short_and_visible(content: dict[str, Any]) -> None:
    problems = refused(json.dumps({**ENVELOPE, **content}).encode()).problems
    assert 1 <= len(problems) <= MAX_PROBLEMS + 1
    for one in problems:
        assert len(one.message) < 1000 and len(one.remedy) < 1000 and len(one.pointer) <= 1000
        assert (one.message + one.remedy).isprintable()


def test_what_is_left_out_of_a_letter_is_said() -> None:
    (first, *_, last) = refused({**ENVELOPE, "posts_created": [{"title": at} for at in range(1_000)]}).problems
    assert (first.line, last.line) == (1, 7)
    assert first.message == f"1,000 records are wrong; the first {MAX_RECORDS} of them are described here."
    assert last.message == "posts_created[0].title: expected a string, found the integer 0 (199 more like this)."
    (first, *_) = refused({**ENVELOPE, "posts_created": [{**POST, f"k{at}": 1} for at in range(150)]}).problems
    assert first.message == "there are 50 more problems than are listed here."


@settings(max_examples=300, deadline=None)
@whenever(deltas())
def test_whatever_is_written_gets_a_delta_or_a_letter(delta: Any) -> None:
    raw = json.dumps(delta, ensure_ascii=False).encode()
    verdict = validate(given(FILE, raw), RULES)
    if isinstance(verdict, Delta):
        assert RULES.delta.is_valid(delta)
        listed = sorted((one.index, one.pointer) for ones in verdict.operations.values() for one in ones)
        assert [index for index, _ in listed] == list(range(len(listed)))
        return
    assert verdict.problems
    for one in verdict.problems:
        assert one.file == FILE and one.line == 1 and one.message
        assert "the delta does not satisfy its schema" not in one.message


# --- names


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("state/stream_deltas/frame-405-w1.json", None),
        ("frame-405-w1.run-2.json", None),
        ("frame-406-w1.json", 'name_disagrees If the content is right, name it "frame-405-w1.json".'),
        ("frame-405-W1.json", 'name_disagrees If the content is right, name it "frame-405-w1.json".'),
        ("frame-405-w2.r.json", 'name_disagrees If the content is right, name it "frame-405-w1.r.json".'),
        ("frame-405-w1 2.json", 'not_a_delta_file Name it "frame-405-w1.json".'),
        ("frame-0405-w1.json", 'not_a_delta_file Name it "frame-405-w1.json".'),
        ("frame-405-w1.json\n", 'not_a_delta_file Name it "frame-405-w1.json".'),
        ("frame-٤٠٥-w1.json", 'not_a_delta_file Name it "frame-405-w1.json".'),
        ("notes.txt", 'not_a_delta_file Name it "frame-405-w1.json".'),
    ],
)
def test_names(path: str, said: str | None) -> None:
    problem = check_name(path, entered(ENVELOPE))
    assert (problem and f"{problem.reason} {problem.remedy}") == said


# --- entities, and a worker's own check


def test_entity_problems() -> None:
    agent = {"agent_id": "a", "name": "A", "tags": ["x"]}
    assert RULES.entity_problems(WORLD["agents"], agent) == []
    problems = RULES.entity_problems(WORLD["agents"], {"agent_id": "a", "tags": ["x", 1], "mood": 1})
    assert sorted(problems) == [
        ("mood", "unknown key"),
        ("name", "`name` is missing"),
        ("tags", "expected a string, found the integer 1"),
    ]
    assert RULES.entity_problems(WORLD["stats"], {"total_posts": 3}) == []


def test_a_worker_sees_its_own_mistakes_before_anything_is_written() -> None:
    assert [
        one.reason for one in refused({**ENVELOPE, "stats_increments": {"total_posts": float("nan")}}).problems
    ] == [Reason.NOT_A_NUMBER]
    assert refused({**ENVELOPE, "stream_id": "\ud800"}).problems
    with pytest.raises(TypeError):
        given(FILE, {**ENVELOPE, "posts_created": {1, 2}})


def test_a_good_delta_costs_no_heavy_import() -> None:
    script = f"""
import sys
from pathlib import Path
from merge_bot.schemas import load
from merge_bot.validate import Rules, given, validate
files = {{one.name: one.read_bytes() for one in Path("schemas").glob("*.schema.json")}}
delta = validate(given("x", {ENVELOPE!r}), Rules(load(files)[0]))
heavy = {{"jsonschema", "pydantic", "yaml", "github", "requests", "rich", "merge_bot.explain"}}
print(delta.frame, sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "405 []\n"
