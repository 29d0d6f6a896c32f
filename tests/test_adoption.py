"""Adoption: what is made of JSON state and deltas that were there before, each guess with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from merge_bot.adoption.adopt import Adoption, adopt, with_delta_settings
from merge_bot.adoption.drafts import Draft
from merge_bot.adoption.evidence import read
from merge_bot.audit import audit
from merge_bot.cli.adopting import settings_text
from merge_bot.errors import SchemaError
from merge_bot.paths import Paths
from merge_bot.schemas import load
from merge_bot.settings import Settings
from merge_bot.state import MemoryFiles
from merge_bot.validate import Rules
from tests.command import run
from tests.repo import Repo

AGENTS = {
    f"agent-{name}": {"name": name, "karma": 5, "tags": ["a", "b"], "posts": 3} for name in ("aria", "kai", "zoe")
}
POSTS = [
    {"number": 11, "title": "One", "author": "agent-aria"},
    {"number": 12, "title": "Two", "author": "agent-kai"},
    {"number": 13, "title": "Drei ü", "author": "agent-zoe"},
    {"number": 10, "title": "Null", "author": "agent-gone"},
]


def delta(stream: str = "w1", frame: int = 7, **content: Any) -> dict[str, Any]:
    return {"frame": frame, "stream_id": stream, "utc": "2026-03-25T03:14:22Z", **content}


def adopted(states: Mapping[str, Any], *deltas: dict[str, Any], own: Mapping[str, Any] | None = None) -> Adoption:
    files = [(f"state/{name}", json.dumps(value, indent=2).encode()) for name, value in states.items()]
    files += [(f"old/frame-{one['frame']}-{one['stream_id']}.json", json.dumps(one).encode()) for one in deltas]
    schemas = {f"schemas/{name}.schema.json": json.dumps(one).encode() for name, one in (own or {}).items()}
    return adopt(read(files), Settings(), schemas)


def rules(adoption: Adoption, name: str) -> dict[str, Any]:
    (one,) = [one for one in adoption.collections if one.name == name]
    found: dict[str, Any] = json.loads(one.schema)["x-merge"]
    return found


def guesses(adoption: Adoption, name: str) -> list[str]:
    (one,) = [one for one in adoption.collections if one.name == name]
    return [guess.what for guess in one.guesses]


def test_objects_by_key_are_entities_with_counters_sets_and_references() -> None:
    states = {"agents.json": {"agents": AGENTS, "_meta": {"count": 3}}, "log.json": {"posts": POSTS}}
    updates = delta(profile_updates=[{"agent_id": "agent-kai", "karma": 1, "name": "Kai"}], posts_created=[])
    adoption = adopted(states, updates)
    assert rules(adoption, "agents") == {
        "strategy": "last-writer-wins",
        "delta": ["profile_updates"],
        "key": ["agent_id"],
        "layout": "file",
        "path": "state/agents.json",
        "pointer": "/agents",
        "shape": "object",
    }
    assert rules(adoption, "posts") == {
        "strategy": "append",
        "delta": ["posts_added"],
        "key": ["number"],
        "references": {"author": {"to": "agents", "on_missing": "warn"}},
        "layout": "file",
        "path": "state/log.json",
        "pointer": "/posts",
    }
    (agents,) = [json.loads(one.schema) for one in adoption.collections if one.name == "agents"]
    own = {name: one["x-merge"]["strategy"] for name, one in agents["properties"].items() if "x-merge" in one}
    assert own == {"karma": "sum", "tags": "union"}
    assert agents["required"] == ["agent_id"]
    assert guesses(adoption, "agents") == [
        "last-writer-wins by `agent_id`",
        "`karma` counted up (sum)",
        "`tags` growing (union)",
    ]
    assert guesses(adoption, "posts") == [
        "append by `number`",
        "fed by `posts_added`",
        "refers by `author` to `agents` (3 of 4 values are there)",
    ]
    assert [(one.path, one.pointer) for one in adoption.left] == [("state/agents.json", "")]
    assert adoption.ignored == {"posts_created": "always empty; a collection is fed by an array of objects, or by an "
                                "object of increments"}  # fmt: skip
    assert (adoption.accepted, adoption.refused) == (["old/frame-7-w1.json"], {})


def test_deltas_that_bring_totals_make_no_counter() -> None:
    states = {"agents.json": AGENTS}
    adoption = adopted(states, delta(agents_updated=[{"agent_id": "agent-kai", "karma": 6, "name": "Kai"}]))
    assert "`karma` counted up (sum)" not in guesses(adoption, "agents")


def test_a_key_that_the_records_repeat_is_used_and_may_be_an_integer() -> None:
    value = {str(one): {"slug": f"s{one}", "place": one, "of": "x"} for one in range(3)}
    adoption = adopted({"things.json": value})
    (things,) = adoption.collections
    assert json.loads(things.schema)["x-merge"]["key"] == ["place"]
    assert json.loads(things.schema)["properties"]["place"] == {"type": "integer"}


def test_counters_keep_what_stands_among_them() -> None:
    adoption = adopted(
        {"stats.json": {"total": 4, "users": 2, "updated": "today"}}, delta(stats_increments={"total": 1})
    )
    (stats,) = adoption.collections
    schema = json.loads(stats.schema)
    assert schema["x-merge"] == {
        "strategy": "sum", "delta": ["stats_increments"], "layout": "file", "path": "state/stats.json",
    }  # fmt: skip
    assert schema["properties"]["updated"] == {"type": "string", "readOnly": True}
    assert "required" not in schema


def test_a_name_may_say_that_an_object_is_one_of_counters() -> None:
    for name, found in (("stats", ["stats"]), ("things", [])):
        adoption = adopted({"all.json": {name: {"total": 4, "note": "x", "by": "y"}}})
        assert [one.name for one in adoption.collections] == found


def test_files_that_are_an_entity_each_are_left_alone() -> None:
    one = {"name": "x", "karma": 3, "posts": 4}
    states = {f"agents/{name}.json": one | {"id": name} for name in "abc"} | {"agents/posts.json": {"posts": POSTS}}
    adoption = adopted(states)
    assert [one.name for one in adoption.collections] == ["posts"]
    assert [(one.path, one.why[:35]) for one in adoption.left] == [
        (f"state/agents/{name}.json", "one of 3 files here that look alike") for name in "abc"
    ]


def test_state_and_deltas_with_keys_of_their_own_get_both() -> None:
    old = [{"id": f"a{one}", "title": "t"} for one in range(3)]
    adoption = adopted({"state.json": {"notes": old}}, delta(notes_created=[{"pk": "x", "title": "t"}]))
    assert (rules(adoption, "notes")["key"], rules(adoption, "notes")["else_key"]) == (["pk"], ["id"])
    assert adoption.refused == {}


def test_without_a_key_everything_is_kept_and_with_a_time_two_fields_may_be_one() -> None:
    same = [{"who": "a", "said": "x"}, {"who": "a", "said": "x"}]
    assert rules(adopted({"log.json": same}), "log")["strategy"] == "observe"
    at = "2026-03-25T03:14:{:02d}Z"
    timed = [{"who": ("a", "b")[one % 2], "at": at.format(one // 2), "text": "…" * 80} for one in range(40)]
    assert rules(adopted({"log.json": timed}), "log")["key"] == ["who", "at"]
    few = adopted({"log.json": timed[:20]})
    assert rules(few, "log")["strategy"] == "observe"


def test_short_records_that_are_there_once_are_a_set() -> None:
    follows = [{"a": "kai", "b": "zoe"}, {"a": "kai", "b": "aria"}, {"a": "zoe", "b": "aria"}]
    assert rules(adopted({"follows.json": {"follows": follows}}), "follows")["strategy"] == "union"


def test_the_name_of_the_deltas_key_says_that_records_change() -> None:
    posts = delta(posts_updated=[{"number": 11, "title": "New", "author": "x"}])
    assert rules(adopted({"posts.json": POSTS}, posts), "posts")["strategy"] == "last-writer-wins"


def test_an_empty_array_is_what_the_deltas_say() -> None:
    assert adopted({"posts.json": {"posts": []}}).collections == []
    adoption = adopted({"posts.json": {"posts": []}}, delta(posts_created=POSTS))
    assert (rules(adoption, "posts")["key"], rules(adoption, "posts")["pointer"]) == (["number"], "/posts")


def test_records_that_only_deltas_know_are_a_new_collection_and_other_keys_are_left_aside() -> None:
    adoption = adopted({}, delta(reviews_created=[{"user": "kai", "stars": 5}], mood="good", seen=["a"], score=3))
    (reviews,) = adoption.collections
    assert (reviews.name, reviews.path, reviews.strategy) == ("reviews", None, "observe")
    assert {key: why.partition(";")[0] for key, why in adoption.ignored.items()} == {
        "mood": "a string", "score": "a number", "seen": "an array of single values",
    }  # fmt: skip
    assert adoption.refused == {}


def test_other_names_of_the_envelope_are_told_by_what_they_hold() -> None:
    one = {"tick": 7, "worker": "w1", "completed_at": "2026-03-25T03:14:22Z", "begun": "03:14", "notes": []}
    data = json.dumps(one).encode()
    adoption = adopt(read([("old/frame-7-w1.json", data)]), Settings(), {})
    assert adoption.aliases == {"tick": "frame", "worker": "stream_id", "completed_at": "utc"}
    assert adoption.refused == {}


def test_other_names_of_one_thing_are_aliases() -> None:
    agents = {f"agent-{one}": {"name": one, "bio": "…"} for one in "abcdef"}
    state = [{"post_number": one, "author": f"agent-{one}", "at": "x"} for one in "abcdef"]
    fed = [{"post": one, "agent": f"agent-{one}", "kind": "reply", "note_id": f"NOTE_{one}"} for one in "abc"]
    fed += [{"post_number": "a", "author": "agent-a", "id": f"NOTE_{one}"} for one in range(4)]
    adoption = adopted({"agents.json": agents, "notes.json": state}, delta(notes_added=fed))
    (notes,) = [json.loads(one.schema) for one in adoption.collections if one.name == "notes"]
    aliases = {name: one["x-aliases"] for name, one in notes["properties"].items() if "x-aliases" in one}
    assert aliases == {"author": ["agent"], "id": ["note_id"], "post_number": ["post"]}
    assert notes["required"] == ["author", "post_number"]
    assert adoption.refused == {}


def test_bare_values_are_the_key_or_an_id_like_them() -> None:
    adoption = adopted({"posts.json": POSTS}, delta(posts_created=[14, {**POSTS[0], "number": 15}]))
    (posts,) = [json.loads(one.schema) for one in adoption.collections]
    assert (posts["properties"]["number"]["x-coerce"], posts["required"]) == (["bare"], ["number"])
    log = [{"who": "kai", "said": "x"}] * 3
    adoption = adopted({"log.json": log}, delta(log_added=["LINE_1", {"who": "kai", "line_id": "LINE_2"}]))
    (lines,) = [json.loads(one.schema) for one in adoption.collections]
    assert lines["properties"]["line_id"]["x-coerce"] == ["bare"]
    assert adoption.refused == {}
    adoption = adopted({"log.json": log}, delta(log_added=["other", {"who": "kai", "line_id": "LINE_2"}]))
    assert list(adoption.refused) == ["old/frame-7-w1.json"]


def test_a_delta_that_cannot_enter_is_named_with_its_reasons() -> None:
    adoption = adopted(
        {"posts.json": POSTS}, delta(posts_created=[POSTS[0]]), delta("w2", posts_created=[True, POSTS[1]])
    )
    assert adoption.accepted == ["old/frame-7-w1.json"]
    ((path, problems),) = adoption.refused.items()
    assert (path, problems[0].pointer) == ("old/frame-7-w2.json", "/posts_created/0")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([1, {"id": 1}], "an array in which 1 of 2 entries are no objects"),
        (["a", "b"], "an array of 2 single values"),
        ([], "an empty array"),
        ("text", "a single value"),
        ({f"k{one}": [{"a": 1}] for one in range(9)}, "9 arrays by key"),
        ({"one": {"x": {"y": {"z": {"deep": {"id": 1}}}}}}, "nested more than 4 deep"),
        ({"_meta": {"count": 1}, "note": "x"}, "`_meta` and `note`"),
    ],
)
def test_what_is_no_collection_is_left_alone_with_the_reason(value: Any, why: str) -> None:
    adoption = adopted({"odd.json": value})
    assert adoption.collections == []
    assert [one.why for one in adoption.left if one.why.startswith(why)]


def test_what_a_schema_describes_already_is_left_to_it() -> None:
    mine = {
        "type": "object",
        "properties": {"number": {"type": "integer"}},
        "required": ["number"],
        "x-merge": {"strategy": "append", "delta": ["new_posts"], "key": ["number"], "layout": "file",
                    "path": "state/log.json", "pointer": "/posts"},
    }  # fmt: skip
    more = {"posts": POSTS, "people": [{"id": 1}, {"id": 2}]}
    adoption = adopted({"log.json": more}, delta(new_posts=POSTS), own={"posts": mine})
    assert [one.name for one in adoption.collections] == ["people"]
    assert [one.why for one in adoption.left] == ["described already by the schema of `posts`"]
    with pytest.raises(SchemaError):
        adopted({"log.json": more}, own={"posts": {"type": "object"}})


def test_a_path_that_cannot_be_adopted_is_left_with_the_reason() -> None:
    adoption = adopted({"odd:name.json": POSTS, "conflicts.json": POSTS})
    assert adoption.collections == []
    assert sorted(one.path for one in adoption.left) == ["state/conflicts.json", "state/odd:name.json"]


def test_what_does_not_satisfy_its_schema_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from merge_bot.adoption import adopt as module

    right = module.shape_of

    def wrong(draft: Draft) -> dict[str, Any]:
        shape = right(draft)
        return shape if draft.name == "agents" else shape | {"required": ["number", "nowhere"]}

    monkeypatch.setattr(module, "shape_of", wrong)
    adoption = adopted({"agents.json": AGENTS, "posts.json": POSTS}, delta(posts_created=POSTS))
    assert [one.name for one in adoption.collections] == ["agents"]
    why = "no schema was found that it satisfies: The record does not fit its schema: `nowhere` is missing."
    assert [(one.path, one.why) for one in adoption.left] == [("state/posts.json", why)]
    assert adoption.ignored == {"posts_created": why}


def test_two_parts_of_one_name_get_two() -> None:
    adoption = adopted({"a.json": {"posts": POSTS}, "b.json": {"posts": POSTS}, "frames.json": POSTS})
    assert [one.name for one in adoption.collections] == ["posts", "posts_of_b", "frames_of_frames"]


# --- the command


STATES = {
    "state/agents.json": json.dumps({"agents": AGENTS, "_meta": {"count": 3}}, indent=4).encode(),
    "state/log.json": json.dumps({"posts": POSTS, "next": 14}, indent=2, ensure_ascii=True).encode() + b"\n",
}
OLD = json.dumps(delta(posts_created=[{"number": 14, "title": "Vier é", "author": "agent-kai"}], mood="x")).encode()


@pytest.fixture
def world(repo: Repo) -> Repo:
    repo.commit({**STATES, "old/frame-7-w1.json": OLD})
    return repo


def test_adopted_files_stay_and_take_records_in_their_own_style(world: Repo) -> None:
    done = run("init", "--adopt", world.path / "state", world.path / "old")
    assert (done.code, done.err) == (0, "")
    assert world.status == []
    assert {path: (world.path / path).read_bytes() for path in STATES} == STATES
    for command in ("check", "verify", "merge"):
        assert run(command, "--repo", world.path).code == 0
    assert {path: (world.path / path).read_bytes() for path in STATES} == STATES
    world.write("state/stream_deltas/frame-8-w1.json", OLD.replace(b'"frame": 7', b'"frame": 8'))
    assert run("merge", "--repo", world.path).code == 0
    assert (world.path / "state/agents.json").read_bytes() == STATES["state/agents.json"]
    after = {"posts": [*POSTS, {"number": 14, "title": "Vier é", "author": "agent-kai"}], "next": 14}
    assert (world.path / "state/log.json").read_bytes() == json.dumps(after, indent=2).encode() + b"\n"
    assert run("verify", "--repo", world.path).code == run("check", "--repo", world.path).code == 0
    assert run("replay", "--repo", world.path, "8").code == 0


PAGE = """\
Dry run, nothing was written. In <repo> this would open frame 8.

Collections, and why
  agents: last-writer-wins, in state/agents.json at /agents, 3 records, fed by `agents_updated`
    last-writer-wins by `agent_id`: 3 objects that look alike, each under its key; the records do not repeat it, so \
the name is made up. Where deltas call the key otherwise: rename it in "key", "properties" and "required".
    fed by `agents_updated`: no delta was given that feeds it, so the name is made up. Another: "delta" in x-merge.
    `karma` counted up (sum): numbers with a name for counting, so deltas bring increments. Where they bring totals: \
remove the property's x-merge.
    `tags` growing (union): lists that never hold anything twice, so members are added and none is taken away. Where \
deltas replace the list: remove the property's x-merge.
  posts: append, in state/log.json at /posts, 4 records, fed by `posts_created`
    append by `number`: each of the 4 records here and 1 in the deltas has it. Another key: change "key" in x-merge. \
Records that change later: "strategy": "last-writer-wins".
    refers by `author` to `agents` (3 of 4 values are there): what is missing is noted, and nothing \
waits ("on_missing": "warn"). To let records wait for what they name: "on_missing": "hold". No reference at all: \
remove it.

Left as they are
  state/agents.json
    `_meta`: single values or notes; a collection is an array of objects, objects by key, or counters.
  state/log.json
    `next`: single values or notes; a collection is an array of objects, objects by key, or counters.

Keys of the deltas that no collection takes
  key   why
  mood  a string; a collection is fed by an array of objects, or by an object of increments

Would be written
  file                                   what it is
  .github/dreamcatcher.yml               settings: each one explained; set is what the adopted deltas need
  .github/workflows/dreamcatcher.yml     workflow: merges when deltas are pushed
  schemas/agents.schema.json             collection agents, last-writer-wins
  schemas/posts.schema.json              collection posts, append
  state/.gitattributes                   keeps line ends, marks generated files
  state/_meta.json                       the clock: which frame is open
  state/frames/000/000007/manifest.json  the genesis: what the first frame builds on
  state/stream_deltas/.gitignore         keeps the inbox, where deltas wait

Also
  The first frame to be merged is 8, because the newest of the deltas is of frame 7. (--frame)
  1 of the 1 delta would enter. None is merged now: what is committed before the first frame is no inbox. To merge \
one, put it into the inbox.

To write it: the same command without --dry-run
"""


def test_everything_is_shown_before_it_is_written(world: Repo) -> None:
    done = run("init", "--adopt", world.path / "state", world.path / "old", "--dry-run")
    assert done.out.replace(str(world.path), "<repo>") == PAGE
    assert world.status == []
    data = run("init", "--adopt", world.path, "--dry-run", "--json", "--frame", 3).json
    assert (data["open_frame"], data["adoption"]["ignored"].keys()) == (3, {"mood"})
    assert [one["name"] for one in data["adoption"]["collections"]] == ["agents", "posts"]


def test_settings_of_ones_own_stay_and_what_they_lack_is_said(world: Repo) -> None:
    world.commit({".github/dreamcatcher.yml": b"grace-seconds: 5\n"})
    done = run("init", "--adopt", world.path / "state", world.path / "old")
    assert (world.path / ".github/dreamcatcher.yml").read_bytes() == b"grace-seconds: 5\n"
    assert "add to it:" in done.out
    assert "  ignore:\n    - mood" in done.out


MARKERS = b'{\n<<<<<<< HEAD\n  "a": 1\n=======\n  "a": 2\n>>>>>>> x\n}\n'


def test_what_cannot_be_read_stops_it_and_every_file_is_named(world: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    from merge_bot.cli import adopting

    world.commit({"state/bad.json": MARKERS, "state/huge.json": b"[" + b" " * 3000 + b"]", "state/no.json": b"no"})
    monkeypatch.setattr(adopting, "MAX_BYTES", 2000)
    done = run("init", "--adopt", world.path / "state")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "Not everything that was to be adopted can be read, so nothing was written. "
        "Mend these files or leave them out.\n"
        "  state/bad.json:2\n"
        "    Git conflict markers were committed: 3 in all, the first is <<<<<<<.\n"
        "    Choose between the two sides, or take the file from a commit before the conflict; remove every marker "
        "line.\n"
        "  state/huge.json\n"
        "    The file has 3,002 bytes; at most 2,000 are looked at.\n"
        "    A file that is rewritten whole in each frame should be far smaller: split it, or leave it out.\n"
        "  state/no.json:1\n"
        "    Column 1: no is neither a number nor true, false or null.\n"
        "    Put text into double quotes; true, false and null are lowercase.\n"
    )
    assert world.status == []


def test_links_and_hidden_folders_are_not_looked_into(world: Repo, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(MARKERS)
    (world.path / "old/link.json").symlink_to(tmp_path / "bad.json")
    (world.path / ".hidden").mkdir()
    (world.path / ".hidden/bad.json").write_bytes(MARKERS)
    done = run("init", "--adopt", world.path, "--dry-run", "--json")
    assert (done.code, [one["path"] for one in done.json["adoption"]["left"]]) == (0, sorted(STATES))


def test_state_outside_the_repository_is_refused_and_deltas_there_are_evidence(world: Repo, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "frame-7-w1.json").write_bytes(OLD)
    assert run("init", "--adopt", world.path / "state", outside, "--dry-run").code == 0
    (outside / "posts.json").write_bytes(b"[]")
    done = run("init", "--adopt", world.path / "state", outside, "--dry-run")
    assert done.code == 1
    assert "lies outside of the repository" in done.err


def test_outside_of_any_repository_nothing_is_adopted(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/posts.json").write_bytes(b"[]")
    for options in ([], ["--dry-run"]):
        done = run("init", "--adopt", tmp_path / "state", *options)
        assert done.code == 1
        assert "lies in no git repository" in done.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["posts.json", "state"]


def test_what_is_begun_already_is_not_begun_again(world: Repo) -> None:
    assert run("init", "--adopt", world.path / "state").code == 0
    before = world.head
    assert run("init", "--adopt", world.path / "state").code == 1
    assert world.head == before


def test_what_nobody_committed_is_not_adopted(world: Repo) -> None:
    world.write("state/log.json", STATES["state/log.json"].replace(b"One", b"Uno"))
    done = run("init", "--adopt", world.path / "state")
    assert done.code == 1
    assert "state/log.json" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--adopt"], "Say what to adopt"),
        (["--adopt", "{repo}/nothing"], "does not exist"),
        (["--adopt", "{repo}/empty"], "There is no JSON file in"),
        (["{repo}", "{repo}"], "One folder at a time"),
    ],
)
def test_what_cannot_be_asked_for(world: Repo, arguments: list[str], said: str) -> None:
    (world.path / "empty").mkdir()
    done = run("init", *(one.format(repo=world.path) for one in arguments))
    assert done.code == 1
    assert said in done.err


FIELDS = st.sampled_from(["id", "pk", "number", "author", "agent_id", "at", "tags", "karma", "posts", "_meta", "x"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 30), st.floats(-2, 2, allow_nan=False),
    st.sampled_from(["a", "b", "", "ü", "2026-03-25T03:14:22Z"]),
)  # fmt: skip
RECORDS = st.lists(st.dictionaries(FIELDS, SCALARS | st.lists(SCALARS, max_size=2), max_size=4), max_size=5)
PARTS = st.recursive(
    SCALARS | RECORDS | st.dictionaries(st.sampled_from("abc"), st.dictionaries(FIELDS, SCALARS, max_size=3)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
KEYS = st.sampled_from(
    ["posts_created", "agents_updated", "number_increments", "x", "karma", "_meta", "utc", "tags_added"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(st.sampled_from(["agents.json", "posts.json", "log.json", "_meta.json"]), PARTS, max_size=3),
    st.lists(st.dictionaries(KEYS, PARTS, max_size=3), max_size=3),
)
@example({"agents.json": {"kai": {"id": None}}}, [{"posts_created": [{}]}])
@example({"log.json": {"karma": 1}}, [{"number_increments": {}}])
def test_whatever_is_there_the_schemas_load_and_the_state_satisfies_them(
    states: dict[str, Any], contents: list[dict[str, Any]]
) -> None:
    deltas = [delta(f"w{place}") | one for place, one in enumerate(contents)]
    adoption = adopted(states, *deltas)
    files = {one.schema_path: one.schema for one in adoption.collections}
    collections, problems = load(files)
    assert problems == []
    state = MemoryFiles({f"state/{name}": json.dumps(value, indent=2).encode() for name, value in states.items()})
    assert audit(state, Paths(), collections, Rules(collections)).problems == []
    text = settings_text(b"", adoption)
    assert Settings.load(text, "settings") == with_delta_settings(Settings(), adoption.aliases, adoption.ignored)
    assert len(adoption.accepted) + len(adoption.refused) == len(deltas)
