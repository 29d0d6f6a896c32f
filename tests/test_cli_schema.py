"""`dreamcatcher schema`: what a worker's author reads before writing the first delta."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from merge_bot.cli.letters import LAWS
from merge_bot.delta_schema import compose
from merge_bot.resources import example_schemas
from merge_bot.schemas import load
from merge_bot.strategies.catalog import STRATEGIES
from tests.command import INBOX, begun, run
from tests.repo import Repo
from tests.test_cli_init import NOTES

EXAMPLES = "There are no schemas here yet; these are the example world's, which `dreamcatcher init` brings.\n"
WORLD, _ = load({f"schemas/{name}": data for name, data in example_schemas().items()})

LISTING = """\
The collections, and the key of a delta that feeds each:

  collection  in a delta        merged by         key
  agents      profile_updates   last-writer-wins  agent_id
  channels    channels_updated  last-writer-wins  slug
  comments    comments_added    append            id, or else post_number + author + body
  follows     follows_added     union             agent_id
  posts       posts_created     append            number
  souls       soul_updates      observe           agent_id
  stats       stats_increments  sum               -

How they merge
  append: records are added, one under each key; the first stays, another content under its key is a conflict
  last-writer-wins: each field holds what was written latest; two writers in one frame are a conflict
  observe: every record is kept, in order
  sum: increments are added to the totals
  union: members are added, each of them once

What a worker writes: dreamcatcher schema delta --example
"""


def test_the_collections_are_listed_with_their_laws(tmp_path: Path, repo: Repo) -> None:
    done = run("schema", "--repo", tmp_path)
    assert (done.code, done.out, done.err) == (0, LISTING, EXAMPLES)
    begun(repo)
    done = run("schema", "--repo", repo.path)
    assert (done.code, done.out, done.err) == (0, LISTING, f"These are the schemas in {repo.path}/schemas.\n")


def test_every_strategy_has_its_law_in_words() -> None:
    assert sorted(LAWS) == sorted(STRATEGIES)


def test_the_data_names_the_rules_of_each(tmp_path: Path) -> None:
    value = run("schema", "--repo", tmp_path, "--json").json
    assert [one["name"] for one in value] == list(WORLD)
    assert value[2] == {
        "name": "comments",
        "strategy": "append",
        "law": LAWS["append"],
        "delta": ["comments_added"],
        "key": ["id"],
        "else_key": ["post_number", "author", "body"],
        "references": {"post_number": "posts", "author": "agents"},
        "layout": "segments",
        "path": "state/comments",
        "schema": "schemas/comments.schema.json",
    }


@pytest.mark.parametrize("name", ["posts", "posts_created"])
def test_a_collection_is_found_by_its_name_and_by_its_key_in_a_delta(tmp_path: Path, name: str) -> None:
    done = run("schema", name, "--repo", tmp_path)
    assert done.json == json.loads(example_schemas()["posts.schema.json"])


def test_the_delta_s_schema_is_the_one_that_deltas_are_held_to(tmp_path: Path) -> None:
    assert run("schema", "delta", "--repo", tmp_path).json == compose(WORLD)


def test_a_name_that_is_none_gets_a_guess(tmp_path: Path) -> None:
    done = run("schema", "psots", "--repo", tmp_path)
    assert (done.code, done.out, done.err.removeprefix(EXAMPLES)) == (
        1,
        "",
        'There is no collection "psots"; did you mean `posts`? There are `agents`, `channels`, `comments`, `follows`, '
        "`posts`, `souls`, `stats` and `delta`.\n",
    )


def test_the_example_merges_as_it_is(repo: Repo) -> None:
    begun(repo)
    done = run("schema", "delta", "--example", "--repo", repo.path)
    repo.write(f"{INBOX}/frame-405-w1.json", done.out.encode())
    text = run("merge", "--repo", repo.path).out
    assert text.startswith("Frame 405 is merged: 1 delta, 8 operations applied.\n"), text


def test_the_example_of_one_collection_is_a_delta_too(tmp_path: Path) -> None:
    value = run("schema", "souls", "--example", "--repo", tmp_path).json
    assert list(value) == ["frame", "stream_id", "utc", "soul_updates"]
    assert value["soul_updates"] == [{"agent_id": "agent-aria", "observation": "Argues well, and listens."}]


def test_schemas_of_the_work_tree_count_before_they_are_committed(repo: Repo) -> None:
    begun(repo)
    repo.write(".github/dreamcatcher.yml", b"schemas: rules\n")
    repo.write("rules/notes.schema.json", NOTES)
    done = run("schema", "--json", "--repo", repo.path)
    assert [one["name"] for one in done.json] == ["notes"]
    (repo.path / ".github" / "dreamcatcher.yml").unlink()
    (repo.path / "schemas" / "agents.schema.json").unlink()
    for name in ("comments", "follows", "posts", "souls"):
        (repo.path / "schemas" / f"{name}.schema.json").unlink()
    assert [one["name"] for one in run("schema", "--json", "--repo", repo.path).json] == ["channels", "stats"]


def test_schemas_with_mistakes_are_a_letter(repo: Repo) -> None:
    begun(repo)
    repo.write("schemas/notes.schema.json", b'{"type": "array"}')
    done = run("schema", "--repo", repo.path)
    assert (done.code, done.out) == (1, "")
    assert "schemas/notes.schema.json:1" in done.err


def test_a_bare_repository_s_committed_schemas_are_read(tmp_path: Path) -> None:
    bare = Repo.init(tmp_path / "bare", "--bare")
    run("init", bare.path)
    assert run("schema", "--repo", bare.path).out == LISTING
