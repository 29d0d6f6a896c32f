"""The past as commands tell it: `log`, `show`, `diff`, `replay`, whole; and what they say where there is nothing."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from merge_bot.history import History
from merge_bot.manifest import Manifest
from merge_bot.manifest_schema import MANIFEST, manifest_schema
from tests import past
from tests.command import begun, deliver, delta, masked, run
from tests.past import FIRST, landing, manifest
from tests.repo import Repo

FRAMES = 12
ARIA = {"agent_id": "agent-aria", "name": "Aria", "bio": "rebel", "karma": 2}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    return past.story(tmp_path_factory.mktemp("past"), FRAMES)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """Frames 405 and 406: two workers disagree, one delta is half a file, one record waits, one delta is late."""
    repo = begun(Repo.init(tmp_path_factory.mktemp("two")))
    first = delta("w1", profile_updates=[ARIA], stats_increments={"total_posts": 1})
    waits = {"post_number": 999, "author": "agent-aria", "body": "lost"}
    bio = {"agent_id": "agent-aria", "bio": "scholar"}
    deliver(repo, first, delta("w2", utc="2026-03-25T03:14:23Z", profile_updates=[bio], comments_added=[waits]))
    repo.write("state/stream_deltas/frame-405-w3.json", first[:40])
    assert run("merge", "--repo", repo.path).code == 0
    kai = {"agent_id": "agent-kai", "name": "Kai"}
    sage = {"agent_id": "agent-aria", "bio": "sage", "karma": 3}
    deliver(repo, delta("w1", 406, "2026-03-25T04:14:22Z", profile_updates=[sage], stats_increments={"total_posts": 2}))
    deliver(repo, delta("w4", 405, "2026-03-25T03:44:22Z", profile_updates=[kai]))
    assert run("merge", "--repo", repo.path).code == 0
    return repo


def said(repo: Repo, *arguments: object) -> str:
    import re

    done = run(*arguments, "--repo", repo.path)
    assert (done.code, done.err) == (0, "")
    return re.sub(r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{6}Z)?(?=  |,)", "<now>", masked(done.out))


TEXTS: dict[str, tuple[list[object], str]] = {
    "log": (
        ["log"],
        """\
3 frames, the newest first.

  frame  when                 kind     deltas  workers  conflicts  late  quarantined  records              merged by
    406  <now>  merge         2        2          0     1            0  agents +1            Dream Catcher
    405  <now>  merge         2        2          1     0            1  agents +1, stats +1  Dream Catcher
    404  <now>  genesis       0        0          0     0            0  -                    Dream Catcher
""",
    ),
    "a page of the log": (
        ["log", "--limit", 1, "--before", 406],
        """\
1 frame, the newest first.

  frame  when                 kind   deltas  workers  conflicts  late  quarantined  records              merged by
    405  <now>  merge       2        2          1     0            1  agents +1, stats +1  Dream Catcher

Older ones: dreamcatcher log --before 405
""",
    ),
    "before everything": (["log", "--before", 404], "There is no frame before that: the oldest is 404.\n"),
    "a frame": (
        ["show", 405],
        """\
Frame 405 (merge) of <now>, in commit <commit>.

Records
  collection  records
  agents            1
  channels          0
  comments          0
  follows           0
  posts             0
  souls             0
  stats             1

  1 conflict open
  1 record parked

Manifest <sha256>
Merged by Dream Catcher <dreamcatcher@noreply.invalid>
""",
    ),
    "a collection": (
        ["show", 406, "--collection", "agents"],
        """\
agents as of frame 406.

  "agent-aria"  {"agent_id": "agent-aria", "bio": "sage", "karma": 5, "name": "Aria"}
  "agent-kai"  {"agent_id": "agent-kai", "name": "Kai"}
""",
    ),
    "an empty collection": (["show", 406, "--collection", "posts"], "posts as of frame 406.\n\nIt is empty.\n"),
    "a sum": (
        ["show", 406, "--collection", "stats"],
        """\
stats as of frame 406.

Now
  field        value  frame  set by             at
  total_posts      3    406  w1, and 1 earlier  2026-03-25T04:14:22Z

Its life
  frame 405  total_posts: 1
    by w1 at 2026-03-25T03:14:22.000001Z
    delta <short> at /stats_increments/total_posts
  frame 406  total_posts: 3, was 1 (wrote 2)
    by w1 at 2026-03-25T04:14:22Z
    delta <short> at /stats_increments/total_posts
""",
    ),
    "a late record": (
        ["show", 406, "--collection", "agents", "--key", "agent-kai"],
        """\
agents "agent-kai" as of frame 406.

Now
  field     value        frame  set by  at
  agent_id  "agent-kai"    406  w4      2026-03-25T03:44:22Z
  name      "Kai"          406  w4      2026-03-25T03:44:22Z

Its life
  frame 406  agent_id: "agent-kai"
    by w4 at 2026-03-25T03:44:22Z, late: of frame 405
    delta <short> at /profile_updates/0
  frame 406  name: "Kai"
    by w4 at 2026-03-25T03:44:22Z, late: of frame 405
    delta <short> at /profile_updates/0
""",
    ),
    "a difference": (
        ["diff", 405, 406],
        """\
From frame 405 to frame 406: 1 record added, 2 records changed.

By collection
  collection  added  changed  removed  fields
  agents          1        1        0       2
  stats           0        1        0       1

agents
  changed "agent-aria"
    bio: "scholar" → "sage"
    karma: 2 → 5 (+3)
  added "agent-kai"
    {"agent_id": "agent-kai", "name": "Kai"}

stats
  changed the whole
    total_posts: 1 → 3 (+2)

Conflicts settled
  agents "agent-aria", field bio
""",
    ),
    "one collection's difference": (
        ["diff", 404, 405, "--collection", "comments"],
        """\
From frame 404 to frame 405: no record differs.

Parked since
  comments from w2 at /comments_added/0
""",
    ),
    "workers": (
        ["diff", "--workers", 405],
        """\
Frame 405: 2 workers, 1 field on which they diverged.

What each brought
  worker  deltas  outcome  operations
  w1           1  applied  agents 1 conflict; stats 1 applied
  w2           1  applied  agents 1 applied; comments 1 parked

Where they diverged
  agents "agent-aria", field bio
    w1: "rebel"
    w2: "scholar"
    stands: "scholar"

Deltas of nobody known
  state/stream_deltas/frame-405-w3.json
""",
    ),
    "a replay": (
        ["replay", 405],
        "Frame 405 merged once more: 3 deltas, 13 files, every byte the same.\n\nManifest <sha256>\n",
    ),
    "a range": (
        ["replay", "--from", 404, "--to", 406],
        """\
2 frames merged once more: every byte the same.

  frame  deltas  files  result
    404       0      0  genesis
    405       3     13  the same
    406       2     14  the same

Not replayed
  Frame 404 is the genesis, which proves what was there before the first merge: there was nothing to merge.
""",
    ),
    "why a field is what it is": (
        ["replay", "--until-field", "agents/agent-aria/bio"],
        """\
agents/agent-aria/bio is "sage": w1 wrote it in frame 406.

How it came to that
  frame 405  bio: "scholar"
    by w2 at 2026-03-25T03:14:23Z
    delta <short> at /profile_updates/0
    merged once more: the same
  frame 406  bio: "sage", was "scholar"
    by w1 at 2026-03-25T04:14:22Z
    delta <short> at /profile_updates/0
    merged once more: the same
""",
    ),
}


@pytest.mark.parametrize("case", TEXTS)
def test_what_commands_say(two: Repo, case: str) -> None:
    arguments, text = TEXTS[case]
    assert said(two, *arguments) == text


FAULTS: dict[str, tuple[list[object], str]] = {
    "an unknown frame": (
        ["show", 999],
        "There is no frame 999. The frames here go from 404 to 406 (`dreamcatcher log` lists them).",
    ),
    "a frame before the first": (
        ["replay", 7],
        "There is no frame 7. The frames here go from 404 to 406 (`dreamcatcher log` lists them).",
    ),
    "the open frame": (
        ["diff", 405, 407],
        "There is no frame 407. The frames here go from 404 to 406 (`dreamcatcher log` lists them).",
    ),
    "a range upside down": (
        ["diff", 406, 405],
        "The range is upside down: it begins at frame 406 and ends at frame 405. Turn the two round.",
    ),
    "another": (
        ["replay", "--from", 406, "--to", 405],
        "The range is upside down: it begins at frame 406 and ends at frame 405. Turn the two round.",
    ),
    "a range that ends nowhere": (
        ["replay", "--to", 500],
        "There is no frame 500. The frames here go from 404 to 406 (`dreamcatcher log` lists them).",
    ),
    "an unknown collection": (
        ["show", 405, "--collection", "agent"],
        'There is no collection "agent" in that frame. There are `agents`, `channels`, `comments`, `follows`, `posts`, '
        "`souls` and `stats`.",
    ),
    "an unknown record": (
        ["show", 405, "--collection", "agents", "--key", "agent-kai"],
        'There is no `agents` "agent-kai" as of frame 405, and no frame up to then wrote one.',
    ),
    "no field": (
        ["replay", "--until-field", "agents"],
        '"agents" does not name a field. Write COLLECTION/KEY/FIELD, agents/agent-42/banned say; of a sum '
        "COLLECTION/COUNTER, stats/total_posts say.",
    ),
    "an unknown field": (
        ["replay", "--until-field", "agents/agent-aria/banned"],
        'No frame wrote the field `banned` of `agents` "agent-aria". Those that were: `agent_id`, `bio`, `karma` and '
        "`name`.",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_not_there_gets_a_letter(two: Repo, case: str) -> None:
    arguments, letter = FAULTS[case]
    done = run(*arguments, "--repo", two.path)
    assert (done.code, done.out, done.err) == (1, "", f"{letter}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", 405, "--key", "x"],
        ["diff", 405],
        ["diff", 404, 405, "--workers", 405],
        ["replay"],
        ["replay", 405, "--to", 406],
    ],
)
def test_commands_that_make_no_sense(two: Repo, arguments: list[object]) -> None:
    done = run(*arguments, "--repo", two.path)
    assert (done.code, done.out) == (1, "")
    assert "Usage: dreamcatcher" in done.err


@pytest.mark.parametrize("command", [["log"], ["show", 1], ["diff", 1, 2], ["replay", 1], ["replay", "--to", 3]])
def test_a_repository_without_frames(repo: Repo, command: list[object]) -> None:
    assert "refs/heads/main has no commit yet" in run(*command, "--repo", repo.path).err
    repo.commit({"README.md": b"hello"})
    done = run(*command, "--repo", repo.path)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "There are no frames on refs/heads/main: it has no state/_meta.json. Run `dreamcatcher init` to begin, or "
        "name another branch with --branch.\n"
    )


def test_the_log_counts_what_the_files_say(world: Repo) -> None:
    rows = run("log", "--repo", world.path, "--limit", 100, "--json").json
    assert [row["frame"] for row in rows] == list(range(FIRST + FRAMES - 1, FIRST - 2, -1))
    for row in rows[:-1]:
        of, before = manifest(world, row["frame"]), manifest(world, row["frame"] - 1)
        outcomes = Counter(one["outcome"] for one in of["deltas"])
        merged = [one["stream_id"] for one in of["deltas"] if one["outcome"] in ("applied", "late")]
        receipts = past.lines(world, "HEAD", f"state/frames/000/{row['frame']:06d}/receipts.jsonl")
        met = [
            one
            for receipt in receipts
            for one in receipt.get("operations", ())
            if one["outcome"] in ("conflict", "held")
        ]
        assert row == {
            "frame": of["frame"],
            "kind": "merge",
            "time": of["time"],
            "commit": landing(world, of["frame"]),
            "merged_by": "Dream Catcher <dreamcatcher@noreply.invalid>",
            "deltas": len(merged),
            "workers": len(set(merged)),
            "records": of["counts"],
            "added": {name: new for name, n in of["counts"].items() if (new := n - before["counts"][name])},
            "conflicts": len(met),
            "late": outcomes["late"],
            "quarantined": outcomes["quarantined"],
            "manifest": row["manifest"],
        }  # fmt: skip


def test_the_state_as_of_each_frame_is_what_was_there(world: Repo) -> None:
    with History(world.path) as history:
        for frame in (FIRST - 1, FIRST + 3, FIRST + FRAMES - 1):
            state = history.state(frame)
            found: dict[str, dict[str, list[object]]] = {name: {} for name in state.collections}
            for name in state.collections:
                for key, record in state.records(name):
                    found[name].setdefault(key, []).append(record)
                for key, ones in found[name].items():
                    one = state.record(name, key)
                    assert one == ones[0] if len(ones) == 1 and not isinstance(one, list) else one == ones
                    ones.sort(key=past.document)
                assert state.record(name, "nobody") is None or name in ("words", "stats", "scores")
            assert found == past.values(world, landing(world, frame))


HARM: dict[str, Callable[[dict[str, object]], object]] = {
    "no frame": lambda one: {name: value for name, value in one.items() if name != "frame"},
    "a digest in capitals": lambda one: {**one, "previous": "A" * 64},
    "a key too many": lambda one: {**one, "extra": 1},
    "a number of no frame": lambda one: {**one, "frame": -1},
    "a row without a digest": lambda one: {**one, "deltas": [{"outcome": "applied", "source": "x"}]},
    "an unknown kind": lambda one: {**one, "kind": "magic"},
    "not an object": lambda one: [],
    "another frame's": lambda one: {**one, "frame": 7},
}


@pytest.mark.parametrize("harm", HARM)
def test_a_manifest_that_breaks_its_schema_stops_everything(two: Repo, tmp_path: Path, harm: str) -> None:
    """Also where the clock names its digest: whoever wrote both still wrote no manifest."""
    from hashlib import sha256

    shutil.copytree(two.path, tmp_path / "copy")
    repo = Repo(tmp_path / "copy")
    path = "state/frames/000/000406/manifest.json"
    data = past.document(HARM[harm](json.loads((repo.path / path).read_bytes())))
    meta = json.loads((repo.path / "state/_meta.json").read_bytes()) | {"manifest": sha256(data).hexdigest()}
    repo.commit({path: data, "state/_meta.json": past.document(meta)})
    for command in (["log"], ["merge"], ["replay", 406]):
        done = run(*command, "--repo", repo.path)
        assert done.code == 1
        assert path in done.err and "The state cannot be read" in done.err


def test_the_schema_and_the_manifest_name_the_same_fields() -> None:
    assert set(MANIFEST["properties"]) == set(Manifest._fields)
    assert set(MANIFEST["required"]) <= set(Manifest._fields)
    assert manifest_schema().fault() is None
