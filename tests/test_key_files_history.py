"""Key files over real frames: replay, verify, rollback, edits by other hands, and repositories older than runs."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from merge_bot.history import History
from merge_bot.layouts import key_files
from merge_bot.manifest import RULES_VERSION, Manifest
from merge_bot.verify import verify
from tests.command import run
from tests.past import FIRST, begin, made, merge, put
from tests.repo import Repo
from tests.world import INTEGER, TEXT, schema

SCHEMAS = {"posts": schema("append", {"n": INTEGER, "t": TEXT}, ["n"], key=["n"], layout="segments")}
FOLDER = "state/_control/keys/posts"
FRAMES = range(FIRST, FIRST + 11)


@pytest.fixture(autouse=True, scope="module")
def few() -> Any:
    """Three are many here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_files, "FAN", 3)
        yield


def frame(repo: Repo, number: int, *posts: int) -> None:
    put(repo, f"frame-{number}-w1.json", made("w1", number, 1, posts=[{"n": one} for one in posts]))
    merge(repo, number)


def keys(repo: Repo, rev: str = "HEAD") -> list[str]:
    return [path.removeprefix(f"{FOLDER}/") for path in repo.files(rev) if path.startswith(FOLDER)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repo = begin(Repo.init(tmp_path_factory.mktemp("keys") / "repo"), SCHEMAS, {})
    for number in FRAMES:
        frame(repo, number, number * 10, number * 10 + 1)
    return repo.path


@pytest.fixture
def repo(place: Path, tmp_path: Path) -> Repo:
    shutil.copytree(place, tmp_path / "copy", symlinks=True)
    return Repo(tmp_path / "copy")


def test_every_frame_replays_and_the_whole_is_proven(repo: Repo) -> None:
    assert keys(repo) == ["000/000014.keys", "000/000015.keys", "000005-000013.keys"]
    with History(repo.path) as history:
        assert [history.replay(number).same for number in FRAMES] == [True] * len(FRAMES)
        assert verify(history).findings == []
    attributes = repo.git("check-attr", "binary", "linguist-generated", "--", f"{FOLDER}/000005-000013.keys")
    assert [row.rpartition(": ")[2] for row in attributes.splitlines()] == ["set", "set"]


def test_duplicates_and_conflicts_are_found_in_runs_and_beside_them(repo: Repo) -> None:
    posts = [{"n": 50}, {"n": 101, "t": "other"}, {"n": 150}, {"n": 999}]
    put(repo, "frame-16-w1.json", made("w1", 16, 1, posts=posts))
    merge(repo, 16)
    (receipt,) = map(json.loads, repo.git("show", "HEAD:state/frames/000/000016/receipts.jsonl").splitlines())
    assert [(one["outcome"], one["detail"]["key"]) for one in receipt["operations"]] == [
        ("duplicate", "[0,50]"), ("conflict", "[0,101]"), ("duplicate", "[0,150]"),
    ]  # fmt: skip
    assert repo.git("show", "HEAD:state/posts/000/000016.jsonl") == '{"n":999}'


@pytest.mark.parametrize("back_to", [FIRST + 3, FIRST + 1])
def test_after_a_rollback_the_key_files_are_those_of_then(repo: Repo, back_to: int) -> None:
    then = next(one for one in repo.git("rev-list", "HEAD").split() if _newest(repo, one) == back_to)
    assert run("rollback", back_to, "--repo", repo.path).code == 0
    assert keys(repo) == keys(repo, then) != []
    for number in range(17, 21):
        frame(repo, number, 100, number * 10)  # 100 is not in the state of then
    with History(repo.path) as history:
        assert verify(history).findings == []
        assert [history.replay(number).same for number in range(16, 21)] == [True] * 5
        there = {record["n"] for _, record in history.state(20).records("posts")}
    assert {100, 170, 180, 190, 200} <= there


def _newest(repo: Repo, rev: str) -> int:
    return int(json.loads(repo.git("show", f"{rev}:state/_meta.json"))["frame"]) - 1


def adopted(repo: Repo, changes: dict[str, bytes | None]) -> None:
    repo.commit({".github/dreamcatcher.yml": b"foreign-edits: adopt\n"})
    repo.commit(changes)
    assert run("merge", "--repo", repo.path).code == 0
    with History(repo.path) as history:
        assert verify(history).findings == []
        assert (history.manifest(16).kind, history.replay(16).same) == ("adopt", True)


def test_a_record_added_by_hand_to_an_old_segment_enters_its_run(repo: Repo) -> None:
    path, before = "state/posts/000/000006.jsonl", keys(repo)
    adopted(repo, {path: repo.git("show", f"HEAD:{path}").encode() + b'\n{"n":777}\n'})
    assert keys(repo) == before
    frame(repo, 17, 777, 60, 778)
    assert repo.git("show", "HEAD:state/posts/000/000017.jsonl") == '{"n":778}'


@pytest.mark.parametrize("jobs", [1, 2])
def test_wrong_hashes_under_a_manifest_that_proves_them_are_found_and_made_anew(
    repo: Repo, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a bug of ours would write them: no digest is wrong then, and only the records tell."""
    path, whole = f"{FOLDER}/000014-000016.keys", key_files.KeyFile.as_bytes
    with monkeypatch.context() as patch:
        patch.setattr(key_files.KeyFile, "as_bytes", lambda one: whole(one)[:-8] + b"\0" * 8)
        frame(repo, 16, 160, 161)
    assert path.removeprefix(f"{FOLDER}/") in keys(repo)
    with History(repo.path) as history:
        found = verify(history, jobs=jobs).findings
    assert [(one.path, one.reason, one.commit) for one in found] == [(path, "keys_disagree", repo.head)]
    repo.commit({path: None, ".github/dreamcatcher.yml": b"foreign-edits: adopt\n"})
    assert run("merge", "--repo", repo.path).code == 0
    assert path.removeprefix(f"{FOLDER}/") in keys(repo)
    with History(repo.path) as history:
        assert verify(history, jobs=jobs).findings == []
        assert history.replay(17).same


def test_a_repository_of_single_key_files_goes_on_and_is_put_in_order(tmp_path: Path) -> None:
    repo = begin(Repo.init(tmp_path / "repo"), SCHEMAS, {})
    older = range(FIRST, FIRST + 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_files, "MOST_FILES", 0)
        patch.setattr("merge_bot.snapshot.Manifest", partial(Manifest, rules=RULES_VERSION - 1))
        for number in older:
            frame(repo, number, number)
    assert keys(repo) == [f"000/{number:06d}.keys" for number in older]
    frame(repo, 13, 5, 13)
    assert keys(repo) == ["000005-000013.keys"]
    with History(repo.path) as history:
        assert verify(history).findings == []
        assert [history.replay(number).same for number in (*older, 13)] == [None] * 8 + [True]
        assert [record["n"] for _, record in history.state(13).records("posts")] == [*older, 13]
