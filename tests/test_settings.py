"""Settings are all optional; whatever is wrong in the file is told at once, each with its line."""

from __future__ import annotations

from textwrap import dedent

import pytest

from merge_bot.collection import Collection, Collections
from merge_bot.errors import SettingsError
from merge_bot.settings import Author, DeltaSettings, Settings
from merge_bot.settings_file import PARTS
from merge_bot.validate import Rules
from tests.world import as_data

HEAD = "The settings in dreamcatcher.yml cannot be used, so nothing was done:\n"


def refused(data: bytes) -> str:
    with pytest.raises(SettingsError) as raised:
        Settings.load(data, "dreamcatcher.yml")
    text = str(raised.value)
    assert text.startswith(HEAD)
    return text.removeprefix(HEAD)


def test_defaults() -> None:
    defaults = Settings()
    assert as_data(defaults) == {
        "state": "state",
        "schemas": "schemas",
        "grace-seconds": 30,
        "clock-tolerance-seconds": 300,
        "max-delta-bytes": 1_048_576,
        "max-delta-operations": 100_000,
        "max-validation-seconds": 60,
        "max-frame-deltas": 20_000,
        "keep-frames": 0,
        "archive": "frame",
        "enrolment": "open",
        "workers": {},
        "operators": ["operator"],
        "policy-step": {"command": "", "seconds": 60, "stream": "policy"},
        "lease": {"silent-frames": 20, "silent-seconds": 3600},
        "conflicts": {},
        "breaker": 10,
        "foreign-edits": "auto",
        "alarms": {
            "pending-seconds": 7200,
            "silent-seconds": 604_800,
            "fallbacks": 3,
            "parked-seconds": 604_800,
            "odd-files": True,
            "exit-code": 0,
        },
        "delta": {"aliases": {}, "ignore": []},
        "author": {"name": "Dream Catcher", "email": "dreamcatcher@noreply.invalid"},
    }
    assert defaults.inbox == "state/stream_deltas"


def test_a_file_may_say_what_there_is_to_set_and_nothing_else() -> None:
    for place, part in PARTS.items():
        name = "_".join(place).replace("-", "_")
        assert list(part.__annotations__) == list((getattr(Settings(), name) if name else Settings())._fields)


@pytest.mark.parametrize("data", [None, b"", b"# nothing yet\n", b"---\n", b"delta:\n", b"delta:\n  ignore:\n"])
def test_a_file_that_says_nothing_changes_nothing(data: bytes | None) -> None:
    assert Settings.load(data) == Settings()


def test_everything_can_be_set() -> None:
    settings = Settings.load(
        b"""\
state: data/world
schemas: data/schemas
grace-seconds: 0
clock-tolerance-seconds: 60
max-delta-bytes: 100000000
delta:
  aliases: {completed_at: utc, worker: stream_id}
  ignore: [stream_type, "engine"]
author: {name: "Merge, Bot", email: bot@example.org}
"""
    )
    assert settings == Settings(
        state="data/world",
        schemas="data/schemas",
        grace_seconds=0,
        clock_tolerance_seconds=60,
        max_delta_bytes=100_000_000,
        delta=DeltaSettings(aliases={"completed_at": "utc", "worker": "stream_id"}, ignore=("stream_type", "engine")),
        author=Author(name="Merge, Bot", email="bot@example.org"),
    )
    assert settings.inbox == "data/world/stream_deltas"


MISTAKES = [
    ("unknown key", b"grace-second: 3", "line 1: `grace-second` is not a setting; did you mean `grace-seconds`?"),
    ("snake case", b"\ngrace_seconds: 3", "line 2: `grace_seconds` is not a setting; did you mean `grace-seconds`?"),
    ("nothing near", b"zzz: 3", "line 1: `zzz` is not a setting."),
    ("deeper", b"delta:\n  ignor: [a]", "line 2: `ignor` is not a setting of `delta`; did you mean `ignore`?"),
    ("twice", b"state: a\nstate: b", "line 2: `state` stands twice, first in line 1. Keep one."),
    (
        "text for a number",
        b"grace-seconds: '3'",
        'line 1: grace-seconds: expected a whole number, found the string "3".',
    ),
    ("true for a number", b"grace-seconds: yes", "line 1: grace-seconds: expected a whole number, found true."),
    ("fraction", b"grace-seconds: 1.5", "line 1: grace-seconds: expected a whole number, found the number 1.5."),
    ("negative", b"grace-seconds: -1", "line 1: grace-seconds: expected at least 0, found the integer -1."),
    ("too long", b"grace-seconds: 86401", "line 1: grace-seconds: expected at most 86,400, found the integer 86401."),
    ("small", b"max-delta-bytes: 1023", "line 1: max-delta-bytes: expected at least 1,024, found the integer 1023."),
    ("no as a name", b"state: no", "line 1: state: expected text, found false."),
    ("a list", b"- state", "line 1: The file: expected keys with values, found an array of 1."),
    ("part no mapping", b"author: me", 'line 1: author: expected keys with values, found the string "me".'),
    (
        "path that leaves",
        b"state: ../x",
        'line 1: The path "../x" cannot be used: '
        "no part of it may be . or .., end with a dot, or have a blank at an end.",
    ),
    ("git's folder", b"state: .Git/x", 'line 1: The path ".Git/x" cannot be used: no part of it may be .git.'),
    (
        "absolute",
        b"schemas: /x",
        'line 1: The path "/x" cannot be used: it must be relative, without a slash at an end or two in a row.',
    ),
    (
        "schemas in state",
        b"schemas: State/schemas",
        'line 1: schemas ("State/schemas") and state ("state") must lie apart, neither inside the other.',
    ),
    (
        "alias of nothing",
        b"delta:\n  aliases:\n    done: utcc",
        "line 3: delta.aliases.done: expected 'frame', 'stream_id', 'utc' or '_meta', found the string \"utcc\".",
    ),
    (
        "alias that is an envelope key",
        b"delta:\n  aliases:\n    utc: frame",
        "line 3: `utc` is a key of every delta's envelope; it can be neither ignored nor an alias.",
    ),
    (
        "ignored envelope",
        b"delta:\n  ignore:\n    - a\n    - frame",
        "line 4: `frame` is a key of every delta's envelope; it can be neither ignored nor an alias.",
    ),
    (
        "ignored and alias",
        b"delta:\n  ignore: [a]\n  aliases: {a: utc}",
        "line 1: delta: `a` cannot be both ignored and an alias.",
    ),
    (
        "no worker's id",
        b"operators:\n  - ann\n  - ann@home",
        'line 3: "ann@home" is not a worker\'s id: 1 to 64 letters, digits, _ and -, the first a letter or digit.',
    ),
    (
        "enrolment of another kind",
        b"enrolment: closed",
        "line 1: enrolment: expected 'open' or 'listed', found the string \"closed\".",
    ),
    (
        "a list that is not asked for",
        b"workers:\n  w1: [a]",
        "line 1: workers says who may write, but enrolment is open, so everybody may. Add `enrolment: listed`, "
        "or leave workers out.",
    ),
    (
        "a worker's list",
        b"enrolment: listed\nworkers:\n  w1: posts",
        'line 3: workers.w1: expected a list, found the string "posts".',
    ),
    (
        "no silence",
        b"lease:\n  silent-frames: 0",
        "line 2: lease.silent-frames: expected at least 1, found the integer 0.",
    ),
    ("email", b"author:\n  email: a b@c", 'line 2: "a b@c" is not an e-mail address.'),
    (
        "line break in a name",
        b'author: {name: "a\\nb"}',
        'line 1: The author\'s name "a\\nb" must be one line without < and >.',
    ),
    (
        "syntax",
        b"state: a\nb: [1,\n",
        "line 3: This is not YAML: while parsing a flow node, expected the node content, but found '<stream end>'.",
    ),
    ("two values", b"a: b: c", "line 1: This is not YAML: mapping values are not allowed here."),
    (
        "tab",
        b"\tx: 1",
        "line 1: This is not YAML: while scanning for the next token, "
        "found character '\\t' that cannot start any token.",
    ),
    (
        "two documents",
        b"state: a\n---\nstate: b\n",
        "line 2: This is not YAML: expected a single document in the stream, but found another document.",
    ),
    (
        "an object of Python's",
        b"state: !!python/object/apply:os.getcwd []",
        "line 1: state: expected text, found an empty array.",
    ),
    (
        "a tag on a scalar",
        b"state: !!python/name:os.getcwd x",
        "line 1: This is not YAML: "
        "could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os.getcwd'.",
    ),
    ("no such day", b"state: 2026-99-99", "line 1: This is not YAML: month must be in 1..12."),
    ("alias of YAML", b"delta: &a {ignore: [x]}\nauthor: *a", "line 1: This is not YAML: aliases are not read."),
    ("not UTF-8", b"state: a\nschemas: \xff", "line 2: This is not UTF-8. Save the file as UTF-8."),
    (
        "a zero byte",
        b"state: \x00",
        "This is not YAML: unacceptable character #x0000: special characters are not allowed.",
    ),
    ("deep", b"[" * 10_000, "This is not YAML: nested too deeply."),
    ("long", b"#" * 65_537, "The file has 65,537 bytes; at most 65,536 are read."),
]


@pytest.mark.parametrize(("data", "problem"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_mistakes(data: bytes, problem: str) -> None:
    assert refused(data) == f"  {problem}"


def test_all_mistakes_at_once() -> None:
    data = b"grace-second: 3\nstate: ../x\nstate: y\ndelta:\n  aliases: {done: utcc}\n  ignore: [3]\n"
    problems = """
      line 1: `grace-second` is not a setting; did you mean `grace-seconds`?
      line 2: The path "../x" cannot be used: no part of it may be . or .., end with a dot, or have a blank at an end.
      line 3: `state` stands twice, first in line 2. Keep one.
      line 5: delta.aliases.done: expected 'frame', 'stream_id', 'utc' or '_meta', found the string "utcc".
      line 6: delta.ignore[0]: expected text, found the integer 3.
    """
    assert dedent(refused(data)) == dedent(problems).strip()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        setattr(Settings(), "state", "x")  # noqa: B010


@pytest.mark.parametrize("delta", [DeltaSettings(ignore=("a_added",)), DeltaSettings(aliases={"a_added": "utc"})])
def test_a_key_that_feeds_a_collection_cannot_be_left_aside(delta: DeltaSettings) -> None:
    collection = Collection("a", "append", ("a_added",), "segments", "state/a", {"type": "object"})
    with pytest.raises(SettingsError) as raised:
        Rules(Collections({"a": collection}), Settings(delta=delta))
    assert str(raised.value) == "delta: `a_added` feeds the collection `a`, so it can be neither ignored nor an alias."
