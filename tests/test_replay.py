"""Replay: every frame, merged once more from its archive, comes out the same to the last byte, or is named."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from merge_bot.errors import DreamcatcherError, UnreadableState
from merge_bot.history import History
from merge_bot.manifest import RULES_VERSION
from tests import past
from tests.past import ALL, FIRST, begin, content, landing, made, manifest, merge, put, rules
from tests.repo import Repo

FRAMES = 12


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    return past.story(tmp_path_factory.mktemp("past"), FRAMES)


@pytest.fixture
def copy(world: Repo, tmp_path: Path) -> Repo:
    """The same past, to do harm to."""
    shutil.copytree(world.path, tmp_path / "copy", symlinks=True)
    return Repo(tmp_path / "copy")


def test_every_frame_comes_out_the_same(world: Repo) -> None:
    with History(world.path) as history:
        for frame in range(FIRST, FIRST + FRAMES):
            done = history.replay(frame)
            assert (done.frame, done.same, done.differs) == (frame, True, [])
            assert done.deltas == len(manifest(world, frame)["deltas"]) > 0


def test_the_past_is_rich_enough(world: Repo) -> None:
    """What no frame held is not proven by the test above."""
    rows = [row for frame in range(FIRST, FIRST + FRAMES) for row in manifest(world, frame)["deltas"]]
    assert {row["outcome"] for row in rows} == {
        "applied", "late", "quarantined", "duplicate", "superseded", "fallback",
    }  # fmt: skip
    assert {row.get("mode") for row in rows} == {None, "100755", "120000"}
    assert sum(row.get("gone", False) for row in rows) >= 3
    receipts = [
        receipt
        for frame in range(FIRST, FIRST + FRAMES)
        for receipt in past.lines(world, "HEAD", f"state/frames/000/{frame:06d}/receipts.jsonl")
    ]
    operations = Counter(one["outcome"] for receipt in receipts for one in receipt.get("operations", ()))
    assert set(operations) == {"conflict", "duplicate", "held", "parked", "superseded"}
    assert any(receipt.get("reason") == "was_parked" for receipt in receipts)
    assert len({manifest(world, frame)["schemas"]["schemas/rooms.schema.json"] for frame in (FIRST, FIRST + 11)}) == 2


def test_each_manifest_names_where_the_frame_before_landed(world: Repo) -> None:
    for frame in range(FIRST, FIRST + FRAMES):
        before = world.git("log", "-1", "--format=%H", f"--grep=^Dreamcatcher-Frame: {frame - 1}$", "HEAD")
        assert manifest(world, frame)["landed"] == before


def test_what_landed_otherwise_is_named(tmp_path: Path) -> None:
    """Somebody amends the merge commit: the clock still names the manifest, but the file is another."""
    repo = begin(Repo.init(tmp_path / "repo"))
    put(repo, "frame-5-w1.json", made("w1", 5, 1, stats={"a": 1}))
    merge(repo, 5)
    repo.write("state/stats.json", b'{\n  "a": 7.5\n}\n')
    repo.git("commit", "--quiet", "--amend", "--all", "--no-edit")
    with History(repo.path) as history:
        done = history.replay(5)
    assert (done.same, done.differs) == (False, ["state/stats.json"])


def test_the_genesis_has_nothing_to_merge(world: Repo) -> None:
    with History(world.path) as history:
        done = history.replay(FIRST - 1)
    assert (done.same, done.kind) == (None, "genesis")
    assert done.note.startswith("Frame 4 is the genesis, which proves what was there before the first merge")


def test_a_changed_byte_in_an_archived_delta_is_named(copy: Repo) -> None:
    (row,) = [row for row in manifest(copy, 7)["deltas"] if row["outcome"] == "applied"][:1]
    data = bytearray((copy.path / row["file"]).read_bytes())
    data[-3] ^= 1
    copy.commit({row["file"]: bytes(data)})
    with History(copy.path) as history, pytest.raises(UnreadableState) as caught:
        history.replay(7)
    assert str(caught.value).startswith(
        f"{row['file']}, a delta that frame 7 consumed, is not what it was: the manifest"
    )
    assert row["delta"] in str(caught.value)


def test_a_removed_delta_is_read_from_the_commit_in_which_its_frame_landed(copy: Repo) -> None:
    """Pruned archives stay reachable; that one is missing from the tree is for `verify` to say."""
    copy.git("rm", "--quiet", "-r", "state/frames/000/000007")
    copy.commit()
    with History(copy.path) as history:
        assert history.replay(7).same


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda one: {**one, "time": "2026-03-25T12:07:00.000001Z"},
            "The manifest is not the one that the clock names",
        ),
        (lambda one: {**one, "counts": {}}, "The manifest is not the one that the clock names"),
    ],
)
def test_a_changed_manifest_is_named(copy: Repo, change, said: str) -> None:  # type: ignore[no-untyped-def]
    path = "state/frames/000/000007/manifest.json"
    copy.commit({path: past.document(change(manifest(copy, 7)))})
    with History(copy.path) as history, pytest.raises(UnreadableState) as caught:
        history.replay(7)
    assert path in str(caught.value) and said in str(caught.value)


def test_schemas_are_those_of_the_frame_s_own_time(tmp_path: Path) -> None:
    """A collection that is gone by now, and one that merges otherwise by now, replay as they were."""
    repo = begin(Repo.init(tmp_path / "repo"))
    put(repo, "frame-5-w1.json", made("w1", 5, 1, words=[{"word": "a"}], rooms=[{"slug": "a", "topic": "x"}]))
    put(repo, "frame-5-w2.json", made("w2", 5, 2, rooms=[{"slug": "a", "topic": "y"}]))
    merge(repo, 5)
    held = ALL["rooms"] | {"x-merge": ALL["rooms"]["x-merge"] | {"on_conflict": "hold"}}
    repo.commit({**rules({"rooms": held}), "schemas/words.schema.json": None})
    put(repo, "frame-6-w1.json", made("w1", 6, 1, rooms=[{"slug": "b", "topic": "x"}]))
    put(repo, "frame-6-w2.json", made("w2", 6, 2, rooms=[{"slug": "b", "topic": "y"}]))
    merge(repo, 6)
    with History(repo.path) as history:
        assert [history.replay(frame).same for frame in (5, 6)] == [True, True]
        assert "words" in history.collections(5) and "words" not in history.collections(6)
        assert list(history.state(5).records("words")) == [("", {"word": "a"})]


def test_an_older_manifest_without_its_newer_fields_is_replayed(tmp_path: Path) -> None:
    """The genesis chain of an older tool: no `landed`, and rows without `gone`."""
    repo = begin(Repo.init(tmp_path / "repo"))
    put(repo, "frame-5-w1.json", made("w1", 5, 1, stats={"a": 1}))
    merge(repo, 5)
    path, meta = "state/frames/000/000005/manifest.json", json.loads((repo.path / "state/_meta.json").read_bytes())
    older = past.document({name: one for name, one in manifest(repo, 5).items() if name != "landed"})
    repo.write(path, older)
    from hashlib import sha256

    repo.write("state/_meta.json", past.document(meta | {"manifest": sha256(older).hexdigest()}))
    repo.git("commit", "--quiet", "--amend", "--all", "--no-edit")
    with History(repo.path) as history:
        assert history.manifest(5).landed is None
        assert history.replay(5).same
    put(repo, "frame-6-w1.json", made("w1", 6, 1, stats={"a": 1}))
    merge(repo, 6)


def test_frames_of_other_merge_rules_are_not_replayed(copy: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merge_bot.replay.RULES_VERSION", RULES_VERSION + 1)
    with History(copy.path) as history:
        done = history.replay(7)
    assert done.same is None
    versions = f"version {RULES_VERSION}; these are version {RULES_VERSION + 1}"
    assert done.note.startswith(f"Frame 7 was merged by merge rules {versions}, which may merge")


def test_a_shallow_clone_fetches_what_it_lacks(world: Repo, tmp_path: Path) -> None:
    world.git("clone", "--quiet", "--depth=2", f"file://{world.path}", str(tmp_path / "shallow"))
    with History(tmp_path / "shallow") as history:
        assert history.replay(9).same
        assert history.state(FIRST).commit == landing(world, FIRST)


def test_a_shallow_clone_that_cannot_fetch_says_what_to_do(world: Repo, tmp_path: Path) -> None:
    world.git("clone", "--quiet", "--depth=2", f"file://{world.path}", str(tmp_path / "shallow"))
    shallow = Repo(tmp_path / "shallow")
    shallow.git("remote", "set-url", "origin", f"file://{tmp_path / 'nowhere'}")
    with History(shallow.path) as history, pytest.raises(DreamcatcherError) as caught:
        history.replay(7)
    assert "fetch" in str(caught.value)


def test_squash_and_rebase_make_no_difference(tmp_path: Path) -> None:
    """A frame is known by its manifest: the commit in which it came to the branch is another than the merge made."""
    import random

    repo = begin(Repo.init(tmp_path / "repo"))
    for frame in (5, 6):
        repo.git("switch", "--quiet", "--create", f"work-{frame}")
        put(repo, f"frame-{frame}-w1.json", made("w1", frame, 1, **content(random.Random(frame))))
        merge(repo, frame)
        repo.git("switch", "--quiet", "main")
        repo.git("merge", "--quiet", "--squash", f"work-{frame}")
        repo.commit(message=f"squashed {frame}")
        repo.git("branch", "-D", f"work-{frame}")
    with History(repo.path) as history:
        assert history.replay(6).same
        assert repo.git("log", "-1", "--format=%s", history.landing(5).commit) == "squashed 5"
        assert history.manifest(6).landed == history.landing(5).commit


def test_a_frame_landed_in_the_merge_that_brought_it(tmp_path: Path) -> None:
    """Not on the side branch: until then the branch did not have it."""
    repo = begin(Repo.init(tmp_path / "repo"))
    repo.git("switch", "--quiet", "--create", "side")
    put(repo, "frame-5-w1.json", made("w1", 5, 1, stats={"a": 1}))
    merge(repo, 5)
    repo.git("switch", "--quiet", "main")
    repo.commit({"README.md": b"meanwhile"})
    repo.git("merge", "--quiet", "--no-ff", "--message", "merged", "side")
    merged = repo.head
    repo.commit({"README.md": b"afterwards"})
    with History(repo.path) as history:
        assert history.landing(5).commit == merged
        assert history.replay(5).same
    put(repo, "frame-6-w1.json", made("w1", 6, 1, stats={"a": 1}))
    merge(repo, 6)
    assert manifest(repo, 6)["landed"] == merged


def test_a_frame_that_was_reverted_and_brought_back_landed_when_it_first_came(tmp_path: Path) -> None:
    repo = begin(Repo.init(tmp_path / "repo"))
    put(repo, "frame-5-w1.json", made("w1", 5, 1, stats={"a": 1}))
    merge(repo, 5)
    first = repo.head
    repo.git("revert", "--no-edit", "HEAD")
    with History(repo.path) as history:
        assert history.newest == 4
    repo.git("revert", "--no-edit", "HEAD")
    with History(repo.path) as history:
        assert history.landing(5).commit == first
        assert history.replay(5).same
