"""Edits by other hands: refused with who, when and which records; taken in; or undone and kept. Never in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from merge_bot.history import History
from tests.command import INBOX, begun, deliver, delta, masked, run
from tests.repo import Repo
from tests.test_action_remote import Job, job
from tests.test_cli_merge import FIRST, SECOND

__all__ = ["job"]

ARIA = "state/agents/agent-aria.json"
KAI = "state/agents/agent-kai.json"
POSTS = "state/posts/000/000405.jsonl"
KEYS = "state/_control/keys/posts/000/000405.keys"
LEDGER = "state/_control/ledger/000/000405.jsonl"
POST = {"number": 6202, "title": "by hand", "channel": "philosophy", "author": "agent-kai"}


@pytest.fixture
def world(repo: Repo) -> Repo:
    """Frame 405: two agents, a post, a conflict about a bio; a delta of frame 406 waits."""
    deliver(begun(repo), FIRST, SECOND)
    assert run("merge", "--repo", repo.path).code == 0
    repo.commit({f"{INBOX}/frame-406-w1.json": delta("w1", 406, stats_increments={"total_posts": 1})})
    return repo


def say(repo: Repo, way: str) -> None:
    repo.commit({".github/dreamcatcher.yml": f"foreign-edits: {way}\n".encode()})


def read(repo: Repo, path: str) -> Any:
    return json.loads(repo.git("show", f"HEAD:{path}"))


def edit(repo: Repo, path: str, **fields: Any) -> str:
    """Change fields of an entity's file by hand, in somebody's own style; the commit."""
    value = {**read(repo, path), **fields}
    return repo.commit({path: json.dumps(value, indent=1).encode()}, "by hand")


def lines(repo: Repo, path: str) -> list[Any]:
    return [json.loads(line) for line in repo.git("show", f"HEAD:{path}").splitlines()]


def settled(repo: Repo, *arguments: object) -> dict[str, Any]:
    """What a merge did, and proof that all of it holds together."""
    done = run("merge", "--repo", repo.path, "--json", *arguments)
    assert done.code == 0, done.err
    sound(repo)
    value: dict[str, Any] = done.json
    return value


def sound(repo: Repo) -> None:
    verified = run("verify", "--repo", repo.path)
    assert verified.code == 0, verified.out
    with History(repo.path) as history:
        assert [history.replay(one.frame).differs for one in history.frames() if one.kind != "genesis"] == [
            [] for one in history.frames() if one.kind != "genesis"
        ]
    assert repo.status == []


def manifest(repo: Repo, frame: int) -> Any:
    return read(repo, f"state/frames/000/{frame:06d}/manifest.json")


# --- refuse


def test_a_refused_edit_is_told_by_file_record_hand_and_time(world: Repo) -> None:
    landed = world.git("log", "-1", "--format=%H", "--", "state/_meta.json")
    by = edit(world, ARIA, bio="sage", mood="calm")
    head = world.head
    done = run("merge", "--repo", world.path)
    assert (done.code, done.out, world.head) == (1, "", head)
    assert done.err == (
        "The state was changed by another hand, so nothing was merged and nothing was written.\n"
        f"  {ARIA}: changed, by Tester <tester@example.com> in {by[:10]} on 2026-03-25T03:02:00Z\n"
        '    agents "agent-aria", bio: "scholar" → "sage"\n'
        '    agents "agent-aria", mood: nothing → "calm"\n'
        f"Only the merge writes these files. To undo the change: git checkout {landed} -- PATH, commit, and merge "
        "again\n"
        "(git rm PATH for an added file). To make it, write it as a delta. The pending deltas wait.\n"
        "The settings can have such changes taken in (foreign-edits: adopt) or undone and kept (foreign-edits: "
        "revert).\n"
    )


@pytest.mark.parametrize("way", ["auto", "refuse"])
def test_by_commits_an_edit_stops_the_merge_unless_settings_say_otherwise(world: Repo, way: str) -> None:
    say(world, way)
    edit(world, ARIA, bio="sage")
    assert run("merge", "--repo", world.path).code == 1
    assert run("status", "--repo", world.path).code == 1


def test_a_merged_frame_that_was_changed_stops_the_merge(world: Repo) -> None:
    path = "state/frames/000/000405/receipts.jsonl"
    world.commit({path: b"{}\n"})
    done = run("merge", "--repo", world.path)
    assert done.code == 1
    assert f"  {path}: changed, by Tester <tester@example.com>" in done.err


# --- adopt


def test_an_adopted_edit_is_a_frame_and_the_run_goes_on(world: Repo) -> None:
    say(world, "adopt")
    before, by = world.files()[ARIA], edit(world, ARIA, bio="sage")
    value = settled(world)
    (adopted,) = value["earlier"]
    assert (adopted["frame"], value["frame"], value["deltas"]) == (406, 407, {"late": 1})
    row = {
        "path": ARIA, "before": before, "after": world.files(by)[ARIA], "commit": by, "outcome": "applied",
        "author": "Tester <tester@example.com>", "date": "2026-03-25T03:03:00Z",
    }  # fmt: skip
    assert [{name: one for name, one in edit.items() if name != "delta"} for edit in adopted["edits"]] == [row]
    assert (manifest(world, 406)["kind"], manifest(world, 406)["edits"]) == ("adopt", adopted["edits"])
    assert read(world, ARIA)["bio"] == "sage"
    clock = read(world, "state/_control/clocks/agents/agent-aria.json")["bio"]
    assert (clock["at"], clock["by"], clock["frame"]) == (
        "2026-03-25T03:03:00.000000Z",
        "Tester <tester@example.com>",
        406,
    )
    assert "state/conflicts.json" in world.files()
    assert read(world, "state/conflicts.json") == {}, "the person has decided"
    (receipt,) = lines(world, "state/frames/000/000406/receipts.jsonl")
    assert (receipt["source"], receipt["outcome"], receipt["reason"]) == (ARIA, "applied", "foreign_edit")
    assert receipt["notes"] == [f"changed by Tester <tester@example.com> in {by[:10]} on 2026-03-25T03:03:00Z"]


def test_the_page_says_what_was_taken_in_before(world: Repo) -> None:
    say(world, "adopt")
    edit(world, ARIA, bio="sage")
    text = masked(run("merge", "--repo", world.path).out)
    assert text.startswith(
        "Frame 407 is merged: 1 delta, 1 operation applied, 1 parked.\n\n"
        "Before that\n"
        "  Frame 406 is merged: 1 file that another hand had changed, taken in.\n"
        "    state/agents/agent-aria.json: changed\n"
        "      by Tester <tester@example.com> in "
    )


@pytest.mark.parametrize(("utc", "bio"), [("2026-03-25T03:02:59Z", "sage"), ("2026-03-25T03:03:01Z", "poet")])
def test_after_an_adoption_only_a_later_write_changes_the_field(world: Repo, utc: str, bio: str) -> None:
    say(world, "adopt")
    edit(world, ARIA, bio="sage")  # at 03:03:00
    settled(world)
    deliver(world, delta("w3", 404, utc, profile_updates=[{"agent_id": "agent-aria", "bio": bio or "x"}]))
    if bio == "sage":
        deliver(world, delta("w3", 404, utc, profile_updates=[{"agent_id": "agent-aria", "bio": "older"}]))
    value = settled(world)
    assert read(world, ARIA)["bio"] == bio
    if bio == "sage":
        (lost,) = value["receipts"][0]["operations"]
        assert lost["detail"]["fields"]["bio"]["by"] == "Tester <tester@example.com>"


def test_records_added_to_a_segment_are_known_by_their_keys(world: Repo) -> None:
    say(world, "adopt")
    data = world.git("show", f"HEAD:{POSTS}") + "\n" + json.dumps(POST) + "\n"
    world.commit({POSTS: data.encode()})
    value = settled(world)
    assert value["earlier"][0]["edits"][0]["path"] == POSTS
    assert len((world.path / KEYS).read_bytes()) == 16
    assert manifest(world, 406)["counts"]["posts"] == 2
    deliver(world, delta("w5", 408, posts_created=[POST | {"title": "again"}]))
    assert settled(world)["receipts"][0]["operations"][0]["outcome"] == "conflict"


def test_a_file_that_is_no_collection_s_is_taken_in_as_it_is(world: Repo) -> None:
    say(world, "adopt")
    world.commit({"state/README.md": b"What is this?\n"})
    assert [one["path"] for one in settled(world)["earlier"][0]["edits"]] == ["state/README.md"]


def test_a_counter_and_an_entity_that_were_written_by_hand_are_counted(world: Repo) -> None:
    say(world, "adopt")
    new = json.dumps({"agent_id": "agent-zoe", "name": "Zoe"}).encode()
    world.commit({"state/stats.json": b'{"total_posts": 7, "total_comments": 1}', "state/agents/agent-zoe.json": new})
    settled(world)
    counts = manifest(world, 406)["counts"]
    assert (counts["stats"], counts["agents"]) == (2, 3)
    assert read(world, "state/stats.json")["total_posts"] == 8


BOOKS = "{} is kept by the merge for itself, and is never taken over from anybody else"
BAD = {
    "another type": (
        {ARIA: b'{"agent_id": "agent-aria", "name": "Aria", "bio": 7, "karma": 2}'},
        'agents "agent-aria" does not fit its schema: bio: expected a string, found the integer 7',
    ),
    "a missing field": ({KAI: b'{"agent_id": "agent-kai"}'}, 'agents "agent-kai" lost its field `name`'),
    "half a file": ({ARIA: b'{"agent_id": "agent-aria", '}, "state/agents/agent-aria.json:1"),
    "conflict markers": ({ARIA: b"<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n"}, "state/agents/agent-aria.json:1"),
    "a file gone": ({KAI: None}, "state/agents/agent-kai.json was removed, and a collection never gets smaller"),
    "records gone": ({POSTS: b""}, 'posts "[0,6201]" was removed, and a collection never gets smaller'),
    "a key twice": (
        {"state/posts/000/000404.jsonl": json.dumps(POST | {"number": 6201}).encode() + b"\n"},
        'posts "[0,6201]" stands there twice',
    ),
    "refers to nothing": (
        {POSTS: b"+" + json.dumps(POST | {"author": "nobody"}).encode()},
        'posts "[0,6202]" refers to agents nobody, which is not there',
    ),
    "no key": ({POSTS: b'+{"title": "t"}'}, "posts got a record without its key fields"),
    "a name of another": (
        {"state/agents/x.json": b'{"agent_id": "agent-x", "name": "X"}'},
        "state/agents/x.json is no name that a file of agents can have",
    ),
    "a segment of the future": (
        {"state/posts/000/000999.jsonl": json.dumps(POST).encode() + b"\n"},
        "state/posts/000/000999.jsonl is no name that a file of posts can have",
    ),
    "a ledger": ({LEDGER: b""}, BOOKS.format(LEDGER)),
    "workers": ({"state/_control/workers.json": b"{}\n"}, BOOKS.format("state/_control/workers.json")),
    "an archive": (
        {"state/frames/000/000405/receipts.jsonl": b"{}\n"},
        BOOKS.format("state/frames/000/000405/receipts.jsonl"),
    ),
    "parked records": ({"state/parked.jsonl": b""}, BOOKS.format("state/parked.jsonl")),
    "conflicts": ({"state/conflicts.json": b"{}\n"}, BOOKS.format("state/conflicts.json")),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_breaks_the_rules_is_not_taken_in(world: Repo, name: str) -> None:
    say(world, "adopt")
    files, why = BAD[name]
    changes = {
        path: data if data is None or not data.startswith(b"+") else (world.path / path).read_bytes() + data[1:] + b"\n"
        for path, data in files.items()
    }
    head = world.commit(changes)
    done = run("merge", "--repo", world.path)
    assert (done.code, done.out, world.head) == (1, "", head)
    assert "The settings say foreign-edits: adopt, but this cannot be taken in:\n  " in done.err
    assert why in done.err
    assert next(iter(files)) in done.err


def test_a_link_is_not_taken_in(world: Repo) -> None:
    say(world, "adopt")
    (world.path / KAI).unlink()
    (world.path / KAI).symlink_to("agent-aria.json")
    world.git("add", KAI)
    world.commit()
    done = run("merge", "--repo", world.path)
    assert done.code == 1
    assert f"{KAI} is no plain file (mode 100644)" in done.err


# --- revert


@pytest.mark.parametrize("name", BAD)
def test_a_reverted_edit_is_undone_and_kept(world: Repo, name: str) -> None:
    say(world, "revert")
    before = world.files()
    files, _ = BAD[name]
    world.commit({path: data and data.removeprefix(b"+") for path, data in files.items()})
    value = settled(world)
    (reverted,) = value["earlier"]
    assert manifest(world, 406)["kind"] == "revert"
    for row in reverted["edits"]:
        path = row["path"]
        assert world.files("HEAD~1").get(path) == before.get(path)
        data = files[path]
        if data is None:
            assert "file" not in row
        else:
            assert (world.path / row["file"]).read_bytes() == data.removeprefix(b"+")
    receipts = lines(world, "state/frames/000/000406/receipts.jsonl")
    assert [(one["outcome"], one["reason"], one["recover"]) for one in receipts] == [
        ("quarantined", "foreign_edit", "resubmit") for _ in files
    ]
    assert (
        "only the merge writes there; frame 406 put back what it had proven." in receipts[0]["problems"][0]["message"]
    )


def test_the_state_after_a_revert_is_the_state_before(world: Repo) -> None:
    say(world, "revert")
    tree = manifest(world, 405)["state_tree"]
    edit(world, ARIA, bio="sage")
    world.commit({"state/notes.md": b"mine\n", KAI: None})
    settled(world)
    assert manifest(world, 406)["state_tree"] == tree
    assert "state/notes.md" not in world.files()


# --- what is more


def test_a_dry_run_says_what_would_be_taken_in_and_writes_nothing(world: Repo) -> None:
    say(world, "adopt")
    head = edit(world, ARIA, bio="sage")
    done = run("merge", "--repo", world.path, "--dry-run")
    assert (done.code, world.head) == (0, head)
    assert done.out.startswith(
        "Dry run, nothing was written. Frame 406 would be merged: 1 file that another hand had changed, taken in.\n"
    )


def test_a_rollback_goes_back_before_an_adoption(world: Repo) -> None:
    say(world, "adopt")
    edit(world, ARIA, bio="sage")
    settled(world)
    assert run("rollback", 405, "--repo", world.path).code == 0
    assert read(world, ARIA)["bio"] == "scholar"
    sound(world)


def test_blame_names_whoever_wrote_it(world: Repo) -> None:
    say(world, "adopt")
    edit(world, ARIA, bio="sage")
    settled(world)
    text = run("replay", "--repo", world.path, "--until-field", "agents/agent-aria/bio").out
    assert text.startswith('agents/agent-aria/bio is "sage": Tester <tester@example.com> wrote it in frame 406.')


def test_blame_tells_what_an_adoption_brought_to_a_counter(world: Repo) -> None:
    say(world, "adopt")
    world.commit({"state/stats.json": b'{"total_posts": 7}'})
    settled(world)
    with History(world.path) as history:
        events = history.blame("stats").events
    assert [(one.frame, one.kind, one.before, one.value) for one in events if one.kind == "adopt"] == [
        (406, "adopt", 1, 7)
    ]


def test_frames_of_every_kind_are_followed_by_an_edit(world: Repo) -> None:
    """An adoption on a rollback, a revert on an adoption, an adoption on a revert."""
    assert run("rollback", 404, "--repo", world.path).code == 0
    say(world, "adopt")
    world.commit({"state/a.md": b"1"})
    settled(world)
    say(world, "revert")
    world.commit({"state/a.md": b"2"})
    settled(world)
    say(world, "adopt")
    world.commit({"state/a.md": b"3"})
    value = settled(world)
    assert [one["edits"][0]["path"] for one in value["earlier"]] == ["state/a.md"]


def test_an_edit_that_came_together_with_its_frame_is_told_from_it(world: Repo) -> None:
    """A squash merge of a pull request on whose branch somebody had changed a file: no commit has the frame alone."""
    say(world, "adopt")
    world.git("switch", "--quiet", "-c", "proposal")
    assert run("merge", "--repo", world.path).code == 0
    edit(world, ARIA, bio="sage")
    world.git("switch", "--quiet", "main")
    world.git("merge", "--quiet", "--squash", "proposal")
    world.commit()
    deliver(world, delta("w1", 407, stats_increments={"total_posts": 1}))
    value = settled_after_squash(world)
    (adopted,) = value["earlier"]
    assert [one["path"] for one in adopted["edits"]] == [ARIA]
    assert read(world, ARIA)["bio"] == "sage"
    assert read(world, "state/stats.json")["total_posts"] == 3


def settled_after_squash(repo: Repo) -> dict[str, Any]:
    done = run("merge", "--repo", repo.path, "--json")
    assert done.code == 0, done.err
    with History(repo.path) as history:
        assert [history.replay(number).differs for number in (407, 408)] == [[], []]
    value: dict[str, Any] = done.json
    return value


def test_a_proposed_frame_takes_in_what_a_person_changed_and_the_deltas_wait_for_the_next(job: Job) -> None:
    """By pull request adoption is what is done, and each pull request has one frame."""
    person, everybody = job.hub.person, job.hub.server.repo
    job.hub.deliver(w1=FIRST)
    assert job.step().code == 0
    everybody.git("push", "--quiet", str(person.path), "+main:main")
    person.git("reset", "--quiet", "--hard", "main")
    edit(person, ARIA, bio="sage")
    person.git("push", "--quiet", "--force", str(everybody.path), "main")
    job.hub.deliver(w2=delta("w2", stats_increments={"total_posts": 1}))
    assert job.step().code == 1, "by commits it stops"
    assert job.step(INPUT_MODE="pull-request").code == 0
    (proposed,) = job.hub.github.pulls.values()
    assert proposed.title == "adopt frame 406: 1 file changed by another hand"
    assert "Changed by another hand" in proposed.body and ARIA in proposed.body
    assert job.step(INPUT_MODE="pull-request").code == 0
    assert len(job.hub.github.pulls) == 1, "the same edit is proposed once"
    job.hub.github.merge(1, "squash")
    assert job.step(INPUT_MODE="pull-request").code == 0
    assert job.hub.github.pulls[2].title == "merge frame 407: 1 delta, 1 operation"
    job.hub.github.merge(2, "merge")
    assert job.step(INPUT_MODE="pull-request").code == 0
    assert json.loads(everybody.git("show", f"main:{ARIA}"))["bio"] == "sage"
    assert run("verify", "--repo", everybody.path, "--branch", "main").code == 0


def test_without_the_ledger_of_edits_verify_names_the_file(world: Repo, tmp_path: Path) -> None:
    """The manifest's word about what was there before is held against the frame before."""
    say(world, "adopt")
    edit(world, ARIA, bio="sage")
    settled(world)
    path = "state/frames/000/000406/manifest.json"
    forged = manifest(world, 406)
    forged["edits"][0]["before"] = forged["edits"][0]["after"]
    world.commit({path: json.dumps(forged).encode()})
    done = run("verify", "--repo", world.path)
    assert done.code == 1
    assert path in done.out
