"""What would let a refused delta enter, what `check` says of it, and the repaired delta beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from merge_bot.delta import Delta
from merge_bot.repair import beside, proposals, repaired
from merge_bot.validate import Rules, given, validate
from tests.command import begun, delta, run
from tests.repo import Repo
from tests.world import INTEGER, STRINGS, TEXT, collections_of, schema

AGENTS = schema("last-writer-wins", {"id": TEXT}, ["id"], key=["id"], layout="file")
POSTS = schema(
    "append", {"number": INTEGER, "author": TEXT, "tags": STRINGS}, ["number", "author"], key=["number"],
    references={"author": "agents"},
)  # fmt: skip
NOTES = schema("append", {"id": TEXT, "text": TEXT}, ["id"], key=["id"]) | {"additionalProperties": False}
RULES = Rules(collections_of({"agents": AGENTS, "posts": POSTS, "notes": NOTES}))
WHERE = "schemas/posts.schema.json"


def mended(**operations: Any) -> tuple[dict[str, Any], list[Any]] | None:
    """The operations of the repaired delta, and what is proposed."""
    made = repaired(given("frame-405-w1.json", delta("w1", **operations)), RULES)
    if made is None:
        return None
    value = json.loads(made.data)
    assert isinstance(validate(given(made.path, made.data), RULES), Delta)
    return {key: value[key] for key in operations}, [(path, *rest) for path, *rest in proposals(made)]


KAI = {"number": 1, "author": "kai"}


@pytest.mark.parametrize(
    ("said", "read", "proposed"),
    [
        ([{"number": 1, "agent": "kai"}], [KAI], [(WHERE, "author", "x-aliases", ["agent"])]),
        ([{"discussion": 1, "agent": "kai"}, KAI | {"number": 2}], [KAI, KAI | {"number": 2}],
         [(WHERE, "author", "x-aliases", ["agent"]), (WHERE, "number", "x-aliases", ["discussion"])]),
        ([{"number": "1", "author": "kai"}], [KAI], [(WHERE, "number", "x-coerce", ["digits"])]),
        ([{"number": 1.0, "author": "kai"}], [KAI], [(WHERE, "number", "x-coerce", ["whole"])]),
        ([{"number": 1, "author": 7, "tags": "x"}], [{"number": 1, "author": "7", "tags": ["x"]}],
         [(WHERE, "author", "x-coerce", ["text"]), (WHERE, "tags", "x-coerce", ["list"])]),
    ],
)  # fmt: skip
def test_other_names_and_forms_that_would_help(said: Any, read: Any, proposed: Any) -> None:
    assert mended(posts=said) == ({"posts": read}, proposed)


def test_a_bare_value_is_the_key_and_a_closed_schema_tells_what_is_meant() -> None:
    assert mended(notes=["n1", {"id": "n2", "txt": "x"}]) == (
        {"notes": [{"id": "n1"}, {"id": "n2", "text": "x"}]},
        [
            ("schemas/notes.schema.json", "id", "x-coerce", ["bare"]),
            ("schemas/notes.schema.json", "text", "x-aliases", ["txt"]),
        ],
    )


@pytest.mark.parametrize(
    "operations",
    [
        {"posts": [{"number": 1}]},
        {"posts": [{"number": 1, "colour": "kai"}]},
        {"posts": [KAI, 5]},
        {"posts": 22},
        {"posts": [{"number": 1, "agent": "kai"}], "unknown": 1},
        {"posts": [{"number": 1, "agent": "kai", "agents": "zoe"}]},
        {"posts": [{"number": "one", "author": "kai"}]},
    ],
)
def test_nothing_is_proposed_that_does_not_let_the_delta_enter(operations: dict[str, Any]) -> None:
    assert mended(**operations) is None


def test_a_delta_that_is_none_is_left_to_its_letters() -> None:
    for data in (b"no", b"[]", b"{}", delta("w1", posts=[KAI])):
        assert repaired(given("frame-405-w1.json", data), RULES) is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/frame-7-w1.json", "a/frame-7-w1.fixed.json"),
        ("frame-7-w1.run-2.json", "frame-7-w1.run-2-fixed.json"),
        (f"frame-7-w1.{'x' * 80}.json", f"frame-7-w1.{'x' * 70}-fixed.json"),
        ("/in/mine.json", "/in/mine.fixed.json"),
        ("-", "-.fixed.json"),
    ],
)
def test_the_repaired_delta_has_a_name_that_a_delta_can_have(path: str, name: str) -> None:
    assert beside(path) == name


# --- the command

COMMENT = {"id": "c1", "post_number": 6195, "agent": "kai", "body": "Yes."}


@pytest.fixture
def world(repo: Repo) -> Repo:
    return begun(repo)


def refused(world: Repo) -> bytes:
    data = json.dumps(
        {"frame": 405, "stream_id": "w1", "utc": "2026-03-25T03:14:22Z", "comments_added": [COMMENT]}, indent=4
    ).encode()
    world.write("state/stream_deltas/frame-405-w1.json", data)
    return data


def test_check_says_which_names_would_have_let_a_delta_enter_and_fix_writes_it_so(world: Repo) -> None:
    data = refused(world)
    done = run("check", "--repo", world.path)
    assert done.code == 1
    said = (
        "Would enter, if the schemas said so\n"
        "  state/stream_deltas/frame-405-w1.json\n"
        '    "x-aliases": ["agent"] at the property `author` of schemas/comments.schema.json\n'
        "    Or repair the delta: dreamcatcher check --fix state/stream_deltas/frame-405-w1.json\n"
    )
    assert said in done.out
    place = world.path / "state/stream_deltas/frame-405-w1.fixed.json"
    assert not place.exists()
    done = run("check", "--repo", world.path, "--fix", "--json")
    assert done.json["repairs"]["state/stream_deltas/frame-405-w1.json"] == {
        "rules": [
            {
                "schema": "schemas/comments.schema.json",
                "property": "author",
                "keyword": "x-aliases",
                "values": ["agent"],
            }
        ],
        "written": str(place),
    }
    assert place.read_bytes() == data.replace(b'"agent"', b'"author"')
    assert (world.path / "state/stream_deltas/frame-405-w1.json").read_bytes() == data
    assert run("check", "--repo", world.path, place).code == 0
    assert run("check", "--repo", world.path, "--fix").code == 1  # the same is there already


def test_what_is_there_is_never_written_over(world: Repo) -> None:
    refused(world)
    place = world.write("state/stream_deltas/frame-405-w1.fixed.json", b"mine")
    done = run("check", "--repo", world.path, "--fix", world.path / "state/stream_deltas/frame-405-w1.json")
    assert (done.code, done.err) == (
        1,
        f"{place} is there already and says something else, so nothing was written over it. Move it away.\n",
    )
    assert place.read_bytes() == b"mine"


def test_a_file_elsewhere_is_repaired_there_and_standard_input_nowhere(world: Repo, tmp_path: Path) -> None:
    data = refused(world)
    elsewhere = tmp_path / "mine.json"
    elsewhere.write_bytes(data)
    done = run("check", "--repo", world.path, "--fix", elsewhere)
    assert f"Repaired in {tmp_path / 'mine.fixed.json'}; this one stays as it is." in done.out
    assert (tmp_path / "mine.fixed.json").read_bytes() == data.replace(b'"agent"', b'"author"')
    before = sorted(tmp_path.iterdir())
    done = run("check", "--repo", world.path, "--fix", "-", stdin=data)
    assert "Write it to a file" in done.out
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_read_otherwise_is_told_of_a_delta_that_enters(world: Repo) -> None:
    refused(world)
    path = world.path / "schemas/comments.schema.json"
    rules = json.loads(path.read_text())
    rules["properties"]["author"]["x-aliases"] = ["agent"]
    path.write_text(json.dumps(rules))
    done = run("check", "--repo", world.path)
    assert (done.code, done.out) == (
        0,
        "Read otherwise than written\n"
        "  state/stream_deltas/frame-405-w1.json\n"
        "    /comments_added/0: `agent` was read as `author`, by x-aliases\n"
        "\nEverything is in order: 1 delta, 7 schemas, 0 records of the state in 0 files.\n",
    )
