"""Frames that an older tool merged: manifests without what was added since, made by an older version of the rules."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from merge_bot import manifest, replay
from merge_bot.history import History
from merge_bot.manifest import RULES_VERSION, Manifest
from merge_bot.verify import verify
from tests.command import run
from tests.past import FIRST, begin, made, merge, put
from tests.repo import Repo

ADDED = {"landed", "rollback", "kept_from", "marks", "control", "rolled_back"}
OLDER, NEWER = (FIRST, FIRST + 1), (FIRST + 2, FIRST + 3)
THEN, NOW = RULES_VERSION, RULES_VERSION + 1


def older(**fields: Any) -> Manifest:
    """A manifest as it was written before anything was added."""
    return Manifest(**{name: value for name, value in fields.items() if name not in ADDED})


def frame(repo: Repo, number: int) -> None:
    agents = [{"id": "kai", "bio": f"in {number}"}]
    put(repo, f"frame-{number}-w1.json", made("w1", number, 2, agents=agents, log=[{"id": str(number), "t": "x"}]))
    put(repo, f"frame-{number}-w2.json", made("w2", number, 1)[:-5])
    merge(repo, number)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repo = begin(Repo.init(tmp_path_factory.mktemp("older") / "repo"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("merge_bot.snapshot.Manifest", older)
        for number in OLDER:
            frame(repo, number)
        patch.setattr("merge_bot.snapshot.Manifest", partial(Manifest, rules=NOW))
        patch.setattr(manifest, "RULES_VERSION", NOW)
        for number in NEWER:
            frame(repo, number)
    return repo.path


@pytest.fixture(autouse=True)
def newer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tool as it is after the rules changed."""
    for module in (manifest, replay):  # both are loaded by now, so that neither keeps what is only true here
        monkeypatch.setattr(module, "RULES_VERSION", NOW)
    monkeypatch.setattr("merge_bot.snapshot.Manifest", partial(Manifest, rules=NOW))
    yield


def told(repo: Path, number: int) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Repo(repo).git("show", f"HEAD:state/frames/000/{number:06d}/manifest.json"))
    return content


def test_the_manifests_are_of_both_kinds(place: Path) -> None:
    assert [told(place, one)["rules"] for one in (*OLDER, *NEWER)] == [THEN, THEN, NOW, NOW]
    assert [sorted(ADDED & told(place, one).keys()) for one in (*OLDER, *NEWER)] == [[], [], ["landed"], ["landed"]]


def test_verify_passes(place: Path) -> None:
    with History(place) as history:
        found = verify(history)
    assert (found.findings, found.notes, found.frames) == ([], [], 5)


def test_a_frame_of_older_rules_is_held_against_its_digests_and_says_so(place: Path) -> None:
    said = run("replay", OLDER[1], "--repo", place)
    assert (said.code, said.out) == (
        0,
        f"Frame {OLDER[1]} was merged by merge rules version {THEN}; these are version {NOW}, which may merge the same "
        "deltas otherwise. So it was held against its digests instead, and agrees with them all. To replay it, use the "
        "version of Dream Catcher of its time.\n",
    )
    said = run("replay", "--from", FIRST, "--repo", place, "--json")
    assert (said.code, [(one["frame"], one["same"]) for one in said.json]) == (
        0, [(OLDER[0], None), (OLDER[1], None), (NEWER[0], True), (NEWER[1], True)],
    )  # fmt: skip


def test_one_that_does_not_agree_is_a_finding(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path / "copy")
    repo = Repo(tmp_path / "copy")
    path = next(path for path in repo.files("HEAD") if f"{OLDER[0]:06d}/deltas/" in path)
    repo.commit({path: b"{}"})
    said = run("replay", OLDER[0], "--repo", repo.path, "--json")
    assert (said.code, said.json[0]["same"], said.json[0]["differs"]) == (1, False, [path])
    assert "does not agree with them all" in said.json[0]["note"]


def test_everything_else_reads_older_frames_like_any(place: Path) -> None:
    with History(place) as history:
        assert [one.frame for one in history.frames()] == [*reversed(NEWER), *reversed(OLDER), FIRST - 1]
        assert [history.state(one).record("agents", "kai")["bio"] for one in OLDER] == ["in 5", "in 6"]
        assert history.diff(*OLDER).as_json()["changes"]
        assert [one.frame for one in history.blame("agents", "kai").events if one.field == "bio"] == [*OLDER, *NEWER]
        assert [one.worker for one in history.workers(OLDER[0]).workers] == ["w1"]
    assert run("log", "--repo", place).code == 0


def test_an_older_tool_says_that_a_newer_one_is_needed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "RULES_VERSION", THEN)
    said = run("replay", NEWER[1], "--repo", place)
    assert said.code == 1
    assert f"rules version {NOW}" in said.err.replace("merge rules", "rules")
