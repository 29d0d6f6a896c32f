"""The audit as rows: a sound state, one thing damaged in it, and every word that is said about that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from merge_bot.audit import audit
from merge_bot.audit_books import audit_books, audit_manifests
from merge_bot.canonical import document, line
from merge_bot.manifest import MERGE, Manifest
from merge_bot.messages import listing
from merge_bot.state import MemoryFiles, Meta
from tests.world import INTEGER, TEXT, World, schema, written

THING = {"id": TEXT, "n": INTEGER}
RULES = {
    "agents": schema("last-writer-wins", {"id": TEXT, "name": TEXT}, ["id", "name"], key=["id"], layout="entities"),
    "posts": schema(
        "append",
        {"id": INTEGER, "by": TEXT, "with": {"type": "array", "items": TEXT}},
        ["id", "by"],
        key=["id"],
        layout="segments",
        references={"by": "agents", "with": "agents"},
    ),
    "souls": schema("observe", {"id": TEXT, "saw": TEXT}, ["id", "saw"], key=["id"], layout="entities"),
    "follows": schema("union", {"id": TEXT, "to": TEXT}, ["id", "to"], key=["id"], layout="entities"),
    "stats": schema("sum", {"total": INTEGER}, layout="file"),
    "things": schema(
        "last-writer-wins", THING, ["id", "n"], key=["id"], layout="file", path="state/log.json", pointer="/a/things",
        shape="object",
    ),
    "notes": schema(
        "append", THING, ["id", "n"], key=["id"], layout="file", path="state/log.json", pointer="/a/notes"
    ),
    "tags": schema("union", {"t": TEXT}, ["t"], layout="file"),
}  # fmt: skip


@pytest.fixture(scope="module")
def sound() -> World:
    """A state after two frames, in every layout, with a conflict and a parked record."""
    world = World.of(RULES)
    world.run(
        written(
            "w1",
            1,
            agents=[{"id": "Aria", "name": "Aria"}, {"id": "kai", "name": "Kai"}],
            posts=[{"id": 1, "by": "kai", "with": ["Aria", "kai"]}, {"id": 2, "by": "Aria"}, {"id": 3, "by": "nobody"}],
            souls=[{"id": "kai", "saw": "one"}, {"id": "kai", "saw": "two"}],
            follows=[{"id": "kai", "to": "Aria"}, {"id": "kai", "to": "kai"}],
            stats={"total": 2},
            things=[{"id": "x", "n": 1}],
            notes=[{"id": "a", "n": 1}, {"id": "b", "n": 2}],
            tags=[{"t": "a"}, {"t": "b"}],
        ),
        written("w2", 2, agents=[{"id": "kai", "name": "K."}]),
    )
    world.run(written("w1", 3, frame=6, posts=[{"id": 4, "by": "Aria"}]))
    assert world.conflicts and world.parked
    return world


def found(world: World, damage: dict[str, bytes | None] | None = None) -> str:
    """What is said about the state with these files changed or gone."""
    files = {**world.files.files, **(damage or {})}
    kept = MemoryFiles({path: data for path, data in files.items() if data is not None})
    problems = audit(kept, world.paths, world.collections, world.rules).problems
    return listing(sorted([*problems, *audit_books(kept, world.paths)]))


def test_a_sound_state_is_in_order_and_counted(sound: World) -> None:
    result = audit(sound.files, sound.paths, sound.collections, sound.rules)
    assert found(sound) == ""
    assert dict(result.records) == {
        "agents": 2,
        "follows": 2,
        "notes": 2,
        "posts": 3,
        "souls": 2,
        "stats": 1,
        "tags": 2,
        "things": 1,
    }
    assert result.files == 10


AGENT = "state/agents/kai.json"
POSTS, KEYS = "state/posts/000/000005.jsonl", "state/_control/keys/posts/000/000005.keys"
RESTORE = (
    "    Something other than the merge damaged it. Restore it from the last good commit "
    "(git log -- FILE, then git checkout COMMIT -- FILE) and commit that."
)
FIRST, SECOND = line({"by": "kai", "id": 1, "with": ["Aria", "kai"]}), line({"by": "Aria", "id": 2})
LOG = {"a": {"notes": [{"id": "a", "n": 1}, {"id": "b", "n": 2}], "things": {"x": {"n": 1}}}}


def log(**changes: Any) -> bytes:
    return document({"a": {**LOG["a"], **changes}})


ROWS: list[tuple[str, dict[str, bytes | None], str]] = [
    (
        "conflict markers in an entity",
        {AGENT: b'{\n<<<<<<< HEAD\n  "id": "kai"\n=======\n>>>>>>> x\n}\n'},
        f"""\
  {AGENT}:2
    Git conflict markers were committed: 3 in all, the first is <<<<<<<.
    Choose between the two sides, or take the file from a commit before the conflict; remove every marker line.""",
    ),
    (
        "an entity that does not fit its schema",
        {AGENT: document({"id": "kai", "name": 3})},
        f"""\
  {AGENT}:3 at /name
    The record does not fit its schema: name: expected a string, found the integer 3.
    If the schema became stricter, loosen it again, or write the missing fields in a delta.""",
    ),
    (
        "an entity without what it needs",
        {AGENT: document({"id": "kai"})},
        f"""\
  {AGENT}
    The record does not fit its schema: `name` is missing.
    If the schema became stricter, loosen it again, or write the missing fields in a delta.""",
    ),
    (
        "an entity under another's name, so that it is there twice",
        {"state/agents/other.json": document({"id": "kai", "name": "Kai"})},
        f"""\
  state/agents/other.json
    The key "kai" is there twice; it stands first in state/agents/kai.json.
{RESTORE}
  state/agents/other.json
    The file is not named for the key that it holds: that would be "kai.json".
{RESTORE}""",
    ),
    (
        "an entity that is an array",
        {AGENT: b"[]\n"},
        f"""\
  {AGENT}
    Expected an object here, found an empty array.
{RESTORE}
  {POSTS}:1 at /by
    There is no record the string "kai" in `agents`. 2 records refer to it.
    Write it into `agents`.""",
    ),
    (
        "files that belong to no collection",
        {"state/agents/notes.txt": b"?", "state/posts/000/000005.json": b"{}"},
        """\
  state/agents/notes.txt
    This is no file of the collection `agents`, though it lies in its folder.
    Move it elsewhere: only the merge writes here.
  state/posts/000/000005.json
    This is no file of the collection `posts`, though it lies in its folder.
    Move it elsewhere: only the merge writes here.""",
    ),
    (
        "a segment with a line that is cut off",
        {POSTS: FIRST + SECOND[:-5]},
        f"""\
  {POSTS}:2
    Not a line of JSON: it is cut off.
{RESTORE}""",
    ),
    (
        "a segment with damaged lines: each of them, and the line numbers of the others stay right",
        {POSTS: b"{\n[1]\n" + line({"by": "kai", "id": "2"})},
        f"""\
  {POSTS}:1
    Not a line of JSON: unexpected end of data.
{RESTORE}
  {POSTS}:2
    Expected an object here, found an array of 1.
{RESTORE}
  {POSTS}:3 at /id
    The record does not fit its schema: id: expected an integer, found the string "2".
    If the schema became stricter, loosen it again, or write the missing fields in a delta.""",
    ),
    (
        "a record twice, and one in another segment again",
        {POSTS: FIRST + FIRST, "state/posts/000/000004.jsonl": line({"by": "Aria", "id": 4}), KEYS: None},
        f"""\
  state/posts/000/000004.jsonl
    The segment's key file is missing: state/_control/keys/posts/000/000004.keys.
{RESTORE}
  {POSTS}
    The segment's key file is missing: {KEYS}.
{RESTORE}
  {POSTS}:2
    The key "[0,1]" is there twice; it stands first in {POSTS}:1.
{RESTORE}
  state/posts/000/000006.jsonl:1
    The key "[0,4]" is there twice; it stands first in state/posts/000/000004.jsonl:1.
{RESTORE}""",
    ),
    (
        "a key file of other keys, and one of no segment",
        {KEYS: b"\0" * 16, "state/_control/keys/posts/000/000009.keys": b""},
        f"""\
  {KEYS}
    The key file does not hold the keys of {POSTS}, record by record.
    Remove the key file, commit that, and merge with the setting `foreign-edits: adopt`: it is made anew.
  state/_control/keys/posts/000/000009.keys
    The key file belongs to no segment.
{RESTORE}""",
    ),
    (
        "references to nothing, one word for each missing thing",
        {"state/agents/%41ria.json": None},
        f"""\
  {POSTS}:1 at /with
    There is no record the string "Aria" in `agents`. 3 records refer to it.
    Write it into `agents`.""",
    ),
    (
        "observations and sets of another key than the file's",
        {
            "state/souls/kai.jsonl": line({"id": "kai", "saw": "one"}) + line({"id": "aria", "saw": "two"}),
            "state/follows/kai.json": document([{"id": "aria", "to": "kai"}]),
        },
        f"""\
  state/follows/kai.json
    The file is not named for the key that it holds: that would be "aria.json".
{RESTORE}
  state/souls/kai.jsonl
    The file holds records of more than one key.
{RESTORE}""",
    ),
    (
        "a member twice",
        {"state/tags.json": document([{"t": "a"}, {"t": "b"}, {"t": "a"}]), "state/follows/kai.json": b"{}\n"},
        f"""\
  state/follows/kai.json
    Expected an array here, found an empty object.
{RESTORE}
  state/tags.json:8 at /2
    The set has this member twice; it stands first at position 0.
{RESTORE}""",
    ),
    (
        "counters that are no numbers",
        {"state/stats.json": document({"total": "2"})},
        """\
  state/stats.json:2 at /total
    The record does not fit its schema: total: expected an integer, found the string "2".
    If the schema became stricter, loosen it again, or write the missing fields in a delta.""",
    ),
    (
        "collections that share a file: each has its own part",
        {
            "state/log.json": log(
                notes=[{"id": "a", "n": 1}, {"n": 2}, {"id": "a", "n": 3}, 4], things={"x": {}, "y": 1}
            )
        },
        f"""\
  state/log.json:8 at /a/notes/1
    The record lacks the key fields of `notes`, so nothing can refer to it or find it again.
    Records older than the rules may lack them; the merge leaves those alone.
  state/log.json:8 at /a/notes/1
    The record does not fit its schema: `id` is missing.
    If the schema became stricter, loosen it again, or write the missing fields in a delta.
  state/log.json:11 at /a/notes/2
    The key "[0,\\"a\\"]" is there twice; it stands first in state/log.json at /a/notes/0.
{RESTORE}
  state/log.json:15 at /a/notes/3
    Expected an object here, found the integer 4.
{RESTORE}
  state/log.json:18 at /a/things/x
    The record does not fit its schema: `n` is missing.
    If the schema became stricter, loosen it again, or write the missing fields in a delta.
  state/log.json:19 at /a/things/y
    Expected an object here, found the integer 1.
{RESTORE}""",
    ),
    (
        "a part that is of another shape",
        {"state/log.json": log(notes={}, things=[])},
        f"""\
  state/log.json:3 at /a/notes
    Expected an array here, found an empty object.
{RESTORE}
  state/log.json:4 at /a/things
    Expected an object here, found an empty array.
{RESTORE}""",
    ),
    (
        "books that cannot be read as what they are",
        {
            "state/conflicts.json": b"[]\n",
            "state/parked.jsonl": b"{}\n",
            "state/_control/workers.json": b'{"w1": {"tallies": 3}}\n',
            "state/_control/ledger/000/000005.jsonl": b'{"delta": 1}\n',
            "state/_control/clocks/agents/kai.json": b"{",
            "state/_control/clocks/things.json": b"[]\n",
        },
        f"""\
  state/_control/clocks/agents/kai.json:1
    The file ends in the middle of an object that begins in line 1.
    Write the whole file again; write under a temporary name and rename it, so that no half file is ever seen.
  state/_control/clocks/things.json
    This cannot be read as clocks.
{RESTORE}
  state/_control/ledger/000/000005.jsonl
    This cannot be read as a ledger.
{RESTORE}
  state/_control/workers.json
    This cannot be read as workers.
{RESTORE}
  state/conflicts.json
    This cannot be read as open conflicts.
{RESTORE}
  state/parked.jsonl
    This cannot be read as parked records.
{RESTORE}""",
    ),
]


@pytest.mark.parametrize(("damage", "said"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_damage_is_named(sound: World, damage: dict[str, bytes | None], said: str) -> None:
    assert set(damage) - set(sound.files.files) == {path for path in damage if path not in sound.files.files}
    assert found(sound, damage) == said


def manifests(*, change: dict[int, dict[str, Any]] | None = None) -> tuple[dict[str, bytes], Meta]:
    """Frames 3 to 5, each naming the one before; `change` alters what is written of some."""
    files: dict[str, bytes] = {}
    previous = None
    for frame in (3, 4, 5):
        manifest = Manifest(frame, MERGE, "2026-03-25T03:00:00Z", None, "0" * 40, {"agents": frame}, previous=previous)
        previous = manifest.digest
        value = json.loads(manifest.as_bytes()) | (change or {}).get(frame, {})
        files[f"state/frames/000/{frame:06}/manifest.json"] = document(value)
    assert previous
    return files, Meta(6, "2026-03-25T03:00:00Z", previous)


def manifests_say(files: dict[str, bytes], meta: Meta, agents: int = 5) -> str:
    return listing(audit_manifests(MemoryFiles(files), World.of({}).paths, meta, {"agents": agents}))


def test_a_whole_chain_of_manifests_is_in_order() -> None:
    assert manifests_say(*manifests()) == ""


def test_each_manifest_is_held_to_the_one_after_it() -> None:
    files, meta = manifests(change={4: {"time": "2027-03-25T03:00:00Z"}})
    assert manifests_say(files, meta) == (
        "  state/frames/000/000004/manifest.json\n"
        f"    The manifest of frame 4 is not the one that the frame after it names.\n{RESTORE}"
    )


def test_a_missing_or_unreadable_manifest_ends_the_chain() -> None:
    files, meta = manifests()
    del files["state/frames/000/000004/manifest.json"]
    assert manifests_say(files, meta) == (
        "  state/frames/000/000004/manifest.json\n"
        f"    The manifest of frame 4 is missing, though the one after it names it.\n{RESTORE}"
    )
    files["state/frames/000/000004/manifest.json"] = b"{"
    assert manifests_say(files, meta).startswith(
        "  state/frames/000/000004/manifest.json\n"
        f"    The manifest of frame 4 is not the one that the frame after it names.\n{RESTORE}\n"
        "  state/frames/000/000004/manifest.json:1\n    The file ends"
    )


def test_counts_that_are_not_what_is_there() -> None:
    assert manifests_say(*manifests(), agents=4) == (
        "  state/frames/000/000005/manifest.json at /counts/agents\n"
        f"    The manifest says that `agents` has 5 records, but there are 4.\n{RESTORE}"
    )
