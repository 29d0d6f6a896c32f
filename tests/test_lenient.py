"""References that only warn, keys of two generations, and what stands among counters without being one."""

from __future__ import annotations

from merge_bot.audit import audit
from merge_bot.canonical import document
from merge_bot.schemas import load
from merge_bot.validate import Rules
from tests.world import INTEGER, STRINGS, TEXT, World, schema, written

AGENTS = schema("last-writer-wins", {"id": TEXT}, ["id"], key=["id"], layout="file")
WARNS = {"to": "agents", "on_missing": "warn"}


def posts(**references: object) -> dict[str, object]:
    properties = {"id": TEXT, "author": TEXT, "readers": STRINGS}
    return schema("append", properties, ["id"], key=["id"], layout="file", references=references)


def test_a_lenient_reference_to_nothing_enters_with_a_note_and_others_wait() -> None:
    world = World.of({"agents": AGENTS, "posts": posts(author=WARNS, readers={"to": "agents", "on_missing": "hold"})})
    ran = world.run(
        written(
            "w1", 1, posts=[{"id": "1", "author": "kai"}, {"id": "2", "author": "zoe"}, {"id": "3", "author": "x"}]
        ),
        written("w2", 2, posts=[{"id": "4", "readers": ["kai", "x"]}, {"id": "5", "author": "kai"}]),
        written("w3", 3, agents=[{"id": "kai"}]),
    )
    assert [one["id"] for one in world.value("state/posts.json")] == ["1", "2", "3", "5"]
    assert [one["record"]["id"] for one in world.parked] == ["4"]
    assert {one.stream_id: one.notes for one in ran.receipts} == {
        "w1": [
            '/posts/1: `author` names the string "zoe", which is not in `agents` (and 1 more reference like it); '
            'it was taken, because this reference says "on_missing": "warn"'
        ],
        "w2": [],
        "w3": [],
    }
    assert world.run(written("w1", 9, posts=[{"id": "6", "author": "kai"}])).receipts[0].notes == []


def test_what_waits_provides_nothing_to_a_lenient_reference() -> None:
    """`x` refers to what is not there and waits; that somebody names `x` is noted."""
    agents = schema(
        "last-writer-wins", {"id": TEXT, "of": TEXT}, ["id"], key=["id"], layout="file", references={"of": "agents"}
    )
    world = World.of({"agents": agents, "posts": posts(author=WARNS)})
    ran = world.run(written("w1", 1, posts=[{"id": "1", "author": "x"}], agents=[{"id": "x", "of": "nobody"}]))
    assert len(ran.receipts[0].notes) == 1


def test_the_audit_holds_nobody_to_a_lenient_reference() -> None:
    before = {"state/posts.json": [{"id": "1", "author": "gone", "readers": ["lost"]}]}
    world = World.of({"agents": AGENTS, "posts": posts(author=WARNS, readers="agents")}, before)
    problems = audit(world.files, world.paths, world.collections, world.rules).problems
    assert [one.pointer for one in problems] == ["/0/readers"]


TWO_KEYS = {"key": ["pk"], "else_key": ["id"], "layout": "file"}


def test_records_of_two_generations_have_one_key_or_the_other() -> None:
    ways = {"anyOf": [{"required": ["pk"]}, {"required": ["id", "title"]}]}
    notes = schema("append", {"pk": TEXT, "id": TEXT, "title": TEXT}, **TWO_KEYS) | ways
    world = World.of({"notes": notes}, {"state/notes.json": [{"id": "old", "title": "t"}]})
    ran = world.run(written("w1", 1, notes=[{"pk": "new"}]), written("w2", 2, notes=[{"title": "none"}]))
    assert sorted(ran.outcomes.values()) == ["applied", "quarantined"]
    assert world.value("state/notes.json") == [{"id": "old", "title": "t"}, {"pk": "new"}]
    assert audit(world.files, world.paths, world.collections, world.rules).problems == []


def test_a_way_that_asks_for_neither_key_is_a_mistake() -> None:
    for ways in ([{"required": ["pk"]}, {"required": ["title"]}], [{"required": ["pk"]}, True], []):
        notes = schema("append", {"pk": TEXT, "id": TEXT, "title": TEXT}, delta=["notes"], **TWO_KEYS)
        _, problems = load({"schemas/notes.schema.json": document(notes | ({"anyOf": ways} if ways else {}))})
        assert [one.pointer for one in problems] == ["/x-merge/else_key"]


def test_what_is_read_only_among_counters_is_kept_and_takes_no_increment() -> None:
    stats = schema("sum", {"updated": {"type": "string", "readOnly": True}, "posts": INTEGER})
    world = World.of({"stats": stats}, {"state/stats.json": {"updated": "today", "posts": 3}})
    ran = world.run(written("w1", 1, stats={"posts": 2}), written("w2", 2, stats={"updated": 1}))
    assert sorted(ran.outcomes.values()) == ["applied", "quarantined"]
    assert world.value("state/stats.json") == {"posts": 5, "updated": "today"}
    assert (
        Rules(world.collections).delta.is_valid(
            {"frame": 1, "stream_id": "w", "utc": "2026-03-25T03:14:22Z", "stats": {"updated": 1}}
        )
        is False
    )
