"""`dreamcatcher check`: every problem at once, each with its place, and nothing changed."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from merge_bot.cli.check import __doc__ as described
from merge_bot.cli.letters import NO_RULES
from merge_bot.delta import format_utc
from tests.command import INBOX, begun, deliver, delta, listing, masked, run
from tests.repo import Repo
from tests.test_cli_merge import FIRST, SECOND

KAI = {"profile_updates": [{"agent_id": "agent-kai", "name": "Kai"}]}


@pytest.fixture
def world(repo: Repo) -> Repo:
    """A repository with one merged frame."""
    deliver(begun(repo), FIRST, SECOND)
    assert run("merge", "--repo", repo.path).code == 0
    return repo


def test_a_sound_repository_is_in_order(world: Repo) -> None:
    deliver(world, delta("w1", 406, **KAI))
    before = listing(world.path)
    done = run("check", "--repo", world.path)
    text = "Everything is in order: 1 delta, 7 schemas, 7 records of the state in 7 files.\n"
    assert (done.code, done.out, done.err) == (0, text, "")
    assert listing(world.path) == before


def test_everything_that_is_wrong_is_named_at_once(world: Repo) -> None:
    landed = world.head
    world.commit({"state/stats.json": b'{\n  "total_posts": "1"\n}\n'})
    world.write("state/channels.json", b"{}\n")
    (world.path / "state/souls/agent-aria.jsonl").unlink()
    world.write(f"{INBOX}/frame-406-w1.json", b'{"frame": 406,\n')
    world.write(f"{INBOX}/frame-406-w2.json", delta("w3", 406, **KAI))
    os.mkfifo(world.path / INBOX / "pipe")
    (world.path / INBOX / "frame-406-w4.json").symlink_to("frame-406-w2.json")
    before = world.status
    done = run("check", "--repo", world.path)
    assert (done.code, done.err) == (1, "")
    undo = "To undo that: git checkout -- {}. To make the change, write it as a delta."
    half = "Write the whole file again; write under a temporary name and rename it, so that no half file is ever seen."
    assert masked(done.out.replace(landed, "<landed>")) == (
        "  state/channels.json\n"
        "    The file was changed in the work tree and that is not committed; only the merge writes here.\n"
        f"    {undo.format('state/channels.json')}\n"
        "  state/posts/000/000405.jsonl:1 at /channel\n"
        '    There is no record the string "philosophy" in `channels`.\n'
        "    Write it into `channels`.\n"
        "  state/souls/agent-aria.jsonl\n"
        "    The file was removed in the work tree and that is not committed; only the merge writes here.\n"
        f"    {undo.format('state/souls/agent-aria.jsonl')}\n"
        "  state/stats.json\n"
        "    The file was changed by another hand since the newest frame; a merge would stop.\n"
        "    To undo that: git checkout <landed> -- state/stats.json (git rm state/stats.json if it was added), "
        "and commit. To make the change, write it as a delta.\n"
        "  state/stats.json:2 at /total_posts\n"
        '    The record does not fit its schema: total_posts: expected an integer, found the string "1".\n'
        "    If the schema became stricter, loosen it again, or write the missing fields in a delta.\n"
        "  state/stream_deltas/frame-406-w1.json:1\n"
        "    The file ends in the middle of an object that begins in line 1.\n"
        f"    {half}\n"
        "  state/stream_deltas/frame-406-w2.json\n"
        "    The file's name says otherwise than its content: frame 406 of `w3`.\n"
        '    If the content is right, name it "frame-406-w3.json".\n'
        "  state/stream_deltas/frame-406-w4.json\n"
        "    This is a symbolic link; a delta is a plain file (mode 100644).\n"
        "    Write the delta itself in its place; links are not followed.\n"
        "  state/stream_deltas/pipe\n"
        "    state/stream_deltas/pipe is a FIFO, not a delta file, so it was not taken.\n\n"
        "9 problems in 8 files.\n"
    )
    assert world.status == before


@pytest.mark.parametrize(
    ("path", "data", "first"),
    [
        ("schemas/agents.schema.json", b'{"type": "array"}', "schemas/agents.schema.json:1 at /type"),
        (".github/dreamcatcher.yml", b"a: 1\ngrace: 2\n", ".github/dreamcatcher.yml:1"),
        (".github/dreamcatcher.yml", b"schemas: empty\n", "empty"),
    ],
)
def test_rules_at_fault_come_alone(world: Repo, path: str, data: bytes, first: str) -> None:
    """Uncommitted ones count: that is when their author wants to know."""
    world.write(path, data)
    deliver(world, delta("w1", 406, nonsense=1))
    done = run("check", "--repo", world.path)
    assert done.code == 1
    assert done.out.startswith(f"  {first}\n"), done.out
    assert f"Not checked\n  {NO_RULES}\n" in done.out
    assert "nonsense" not in done.out


def test_new_schemas_are_what_deltas_are_held_to(world: Repo) -> None:
    schema = json.loads((world.path / "schemas/agents.schema.json").read_bytes())
    schema["properties"]["mood"] = {"type": "string"}
    deliver(world, delta("w1", 406, profile_updates=[{"agent_id": "agent-kai", "mood": "calm"}]))
    assert run("check", "--repo", world.path).code == 1
    world.write("schemas/agents.schema.json", json.dumps(schema).encode())
    assert run("check", "--repo", world.path).code == 0


def test_a_repository_without_a_frame_is_checked_as_far_as_it_goes(repo: Repo) -> None:
    begun(repo)
    repo.git("rm", "--quiet", "-r", "state")
    repo.commit({})
    done = run("check", "--repo", repo.path)
    assert (done.code, done.out) == (
        0,
        "Not checked\n  The state: no frame is open yet (`dreamcatcher init` opens the first).\n\n"
        "Everything is in order: 0 deltas, 7 schemas.\n",
    )


def test_damage_to_the_clock_and_the_chain_is_named(world: Repo) -> None:
    meta = json.loads((world.path / "state/_meta.json").read_bytes())
    world.commit({"state/_meta.json": json.dumps(meta | {"manifest": "0" * 64}).encode()})
    text = run("check", "--repo", world.path).out
    assert "  state/frames/000/000405/manifest.json\n    The manifest of frame 405 is not the one" in text
    world.commit({"state/_meta.json": b'{"frame": "406"}'})
    text = run("check", "--repo", world.path).out
    assert "  state/_meta.json\n    This cannot be read as the clock of the frames.\n" in text
    world.commit({"state/_meta.json": b"{"})
    assert "  state/_meta.json:1\n" in run("check", "--repo", world.path).out


def test_a_delta_is_checked_before_it_is_sent(world: Repo) -> None:
    good, bad = world.path / "good.json", world.path / "bad.json"
    good.write_bytes(delta("w1", 406, **KAI))
    bad.write_bytes(delta("w1", 406, profile_update=[]))
    done = run("check", "--repo", world.path, good)
    assert (done.code, done.out) == (0, "Everything is in order: 1 delta, 7 schemas.\n")
    done = run("check", "--repo", world.path, good, bad)
    assert (done.code, masked(done.out, world.path)) == (
        1,
        "  <repo>/bad.json:1 at /profile_update\n"
        "    profile_update: unknown key; did you mean `profile_updates`?\n\n"
        "1 problem in 1 file.\n",
    )


def test_standard_input_and_folders_stand_for_deltas(world: Repo) -> None:
    done = run("check", "--repo", world.path, "-", stdin=b"{")
    assert (done.code, done.out.splitlines()[0]) == (1, "  -:1")
    world.write("out/a.json", delta("w1", 406, **KAI))
    world.write("out/b.json", b"")
    world.write("out/notes.txt", b"?")
    done = run("check", "--repo", world.path, world.path / "out", "--json")
    assert (done.code, done.json["checked"]["deltas"]) == (1, 2)
    assert [one["reason"] for one in done.json["problems"]] == ["empty_file"]


def test_what_works_but_may_not_be_meant_is_a_warning(world: Repo) -> None:
    soon = format_utc(datetime.now(UTC) + timedelta(days=1))
    path = f"{INBOX}/frame-406-w2.json"
    world.write(path, delta("w1", 500, utc=soon, **KAI))
    done = run("check", "--repo", world.path, world.path / path)
    assert done.code == 0
    assert done.out.replace(soon, "<soon>").replace("86,399", "86,400") == (
        "Warnings\n"
        f"  {path}\n"
        "    The file's name says otherwise than its content: frame 500 of `w1`.\n"
        '    If the content is right, name it "frame-500-w1.json".\n'
        f"  {path} at /frame\n"
        "    Frame 500 is not open yet; frame 406 is. The delta would be held until then.\n"
        "    If it is for now, write 406.\n"
        f"  {path} at /utc\n"
        "    The delta's utc <soon> lies 86,400 seconds in the future of the merge's clock.\n"
        "    Set the worker's clock (or take utc from it, not from a model), and write the delta again.\n\n"
        "Everything is in order: 1 delta, 7 schemas.\n"
    )


def test_the_data_is_what_its_description_says(world: Repo) -> None:
    world.write(f"{INBOX}/frame-406-w1.json", b'{"frame": 406}')
    value = run("check", "--repo", world.path, "--json").json
    assert list(value) == [line.split()[0] for line in (described or "").splitlines() if line.startswith("    ")]
    assert (value["ok"], value["warnings"]) == (False, [])
    assert value["checked"] == {"schemas": 7, "deltas": 1, "files": 7, "records": 7}
    assert value["problems"][0] == {
        "file": f"{INBOX}/frame-406-w1.json",
        "line": 1,
        "pointer": "",
        "reason": "missing_key",
        "message": "`stream_id` is missing.",
        "remedy": "Write the worker's id: 1 to 64 letters, digits, _ and -, beginning with a letter or digit.",
    }


def test_a_file_that_is_not_there_is_a_letter(world: Repo) -> None:
    done = run("check", "--repo", world.path, "nowhere.json")
    assert (done.code, done.out, done.err) == (
        1,
        "",
        "nowhere.json cannot be read: No such file or directory. Nothing was checked.\n",
    )


def test_a_bare_repository_is_checked_as_it_is_committed(world: Repo) -> None:
    world.commit({f"{INBOX}/frame-406-w1.json": b"{"})
    world.git("clone", "--quiet", "--bare", ".", "../bare")
    done = run("check", "--repo", world.path.parent / "bare")
    assert (done.code, done.out.splitlines()[-1]) == (1, "1 problem in 1 file.")
