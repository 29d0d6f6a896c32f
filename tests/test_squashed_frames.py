"""Several frames that came to the branch as one commit: all but the last have no commit of their own, and nobody has
the commits that they were merged onto. The same frames before they were squashed say what is right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from merge_bot.clone import Clone
from merge_bot.errors import RepositoryError, UnreadableState
from merge_bot.history import History
from merge_bot.rollback import roll_back
from merge_bot.verify import verify
from tests.command import run
from tests.past import FIRST, NOON, begin, made, merge, put
from tests.repo import Repo

LAST = FIRST + 4
SQUASHED = range(FIRST + 1, LAST)  # these came in as one commit, and the last of them is where it landed


def frame(repo: Repo, number: int) -> None:
    agents = [{"id": "kai", "bio": f"in {number}", "karma": number}]
    content: dict[str, Any] = {"agents": agents, "log": [{"id": str(number), "t": "x"}], "stats": {"a": 1}}
    put(repo, f"frame-{number}-w1.json", made("w1", number, 2, **content))
    put(
        repo, f"frame-{number}-w2.json", made("w2", number, 1, agents=[{"id": "kai", "bio": "no"}], seen=[{"saw": "x"}])
    )
    put(repo, f"frame-{number}-w3.json", made("w3", number, 1)[:-9])
    merge(repo, number)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`as-it-was`: five frames, each with its commit; `squashed`: a fresh clone of what was made of it."""
    place = tmp_path_factory.mktemp("squashed")
    repo = begin(Repo.init(place / "work"))
    for number in SQUASHED:
        frame(repo, number - 1)
    before = repo.head
    frame(repo, SQUASHED[-1])
    repo.git("clone", "--quiet", str(repo.path), str(place / "as-it-was"))
    first = repo.git("log", "-1", "--format=%H", f"--grep=^Dreamcatcher-Frame: {FIRST}$")
    assert before != first
    repo.git("reset", "--quiet", "--hard", repo.git("commit-tree", "HEAD^{tree}", "-p", first, "-m", "squashed"))
    frame(repo, LAST)
    repo.git("clone", "--quiet", "--no-local", str(repo.path), str(place / "squashed"))
    return place


@pytest.fixture
def both(place: Path) -> Iterator[tuple[History, History]]:
    with History(place / "as-it-was") as whole, History(place / "squashed") as squashed:
        yield whole, squashed


def test_the_fresh_clone_has_none_of_their_commits(both: tuple[History, History]) -> None:
    whole, squashed = both
    assert [squashed.landing_if_any(one) is None for one in SQUASHED] == [True, True, False]
    for one in SQUASHED:
        assert not squashed.repository.has_commit(str(whole.manifest(one).base))
        with pytest.raises(RepositoryError):
            squashed.repository.read_commits([str(whole.manifest(one).base)])


def test_the_state_as_of_each_is_had_all_the_same(both: tuple[History, History]) -> None:
    whole, squashed = both
    for number in SQUASHED:
        assert squashed.manifest(number) == whole.manifest(number)
        one, other = whole.state(number), squashed.state(number)
        assert one.files.entry("state") == other.files.entry("state")
        for name in one.collections:
            assert list(other.records(name)) == list(one.records(name))


def test_differences_workers_and_lives_are_the_same(both: tuple[History, History]) -> None:
    whole, squashed = both
    for number in SQUASHED:
        assert squashed.diff(number - 1, number).as_json() == whole.diff(number - 1, number).as_json()
        assert squashed.workers(number).as_json() == whole.workers(number).as_json()
        for collection, key in (("agents", "kai"), ("stats", ""), ("log", f'[0,"{number}"]'), ("seen", "")):
            wanted = whole.blame(collection, key, number).as_json()
            assert squashed.blame(collection, key, number).as_json() == wanted


def test_each_replays_to_the_same_bytes(place: Path) -> None:
    said = run("replay", "--from", FIRST, "--repo", place / "squashed", "--json")
    assert [(one["frame"], one["same"], one["note"]) for one in said.json] == [
        (number, True, "") for number in range(FIRST, LAST + 1)
    ]


def test_a_change_in_the_archive_of_one_is_found_by_its_replay(place: Path, tmp_path: Path) -> None:
    repo = Repo(tmp_path / "clone")
    Repo(place).git("clone", "--quiet", str(place / "squashed"), str(repo.path))
    path = next(path for path in repo.files("HEAD") if f"{SQUASHED[0]:06d}/deltas/" in path)
    repo.commit({path: b"{}"})
    with History(repo.path) as history, pytest.raises(UnreadableState):
        history.state(SQUASHED[0])
    said = run("show", SQUASHED[0], "--repo", repo.path)
    assert (said.code, path in said.err) == (1, True)


def test_its_manifest_is_held_against_the_chain(place: Path, tmp_path: Path) -> None:
    repo = Repo(tmp_path / "clone")
    Repo(place).git("clone", "--quiet", str(place / "squashed"), str(repo.path))
    path = f"state/frames/000/{SQUASHED[0]:06d}/manifest.json"
    manifest = json.loads(repo.git("show", f"HEAD:{path}"))
    repo.commit({path: json.dumps(manifest | {"time": "2026-03-25T13:00:00.000000Z"}).encode()})
    with History(repo.path) as history, pytest.raises(UnreadableState):
        history.manifest(SQUASHED[0])


def test_verify_says_what_could_not_be_looked_at(place: Path) -> None:
    with History(place / "squashed") as history:
        found = verify(history)
    assert (found.findings, [one.split(" has ")[0] for one in found.notes]) == (
        [], [f"Frame {SQUASHED[1]}", f"Frame {SQUASHED[0]}"],
    )  # fmt: skip


def test_commands_tell_it(place: Path, tmp_path: Path) -> None:
    squashed, number = place / "squashed", SQUASHED[0]
    said = run("show", number, "--repo", squashed)
    assert said.out.splitlines()[0] == (
        f"Frame {number} (merge) of 2026-03-25T12:0{number}:00.000000Z, which came in with later ones as one commit "
        "(its state was merged once more, and proven)."
    )
    assert run("show", number, "--repo", squashed, "--json").json["commit"] is None
    assert run("log", "--repo", squashed).code == 0
    assert run("export", number, "--repo", squashed, "--to", tmp_path / "squashed").code == 0
    assert run("export", number, "--repo", place / "as-it-was", "--to", tmp_path / "whole").code == 0
    exported = [files_in(tmp_path / name) for name in ("squashed", "whole")]
    assert exported[0] == exported[1] != {}


def files_in(folder: Path) -> dict[str, Any]:
    """Every file of an export, but for the commit that it names."""
    found = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    return {name: {**one, "commit": ""} if "commit" in one else one for name, one in found.items()}


@pytest.mark.parametrize("how", [(), ("--depth=1",)])
def test_a_fresh_clone_merges_on_and_takes_nothing_in_twice(place: Path, tmp_path: Path, how: tuple[str, ...]) -> None:
    """What the newest frame was merged onto is gone, so everything since an older one is looked through."""
    squashed = Repo(tmp_path / "origin")
    Repo(place).git("clone", "--quiet", "--no-local", str(place / "squashed"), str(squashed.path))
    squashed.git("reset", "--quiet", "--hard", squashed.git("log", "-1", "--format=%H", "--grep=^squashed$"))
    repo = Repo(tmp_path / "clone")
    Repo(place).git("clone", "--quiet", "--no-local", *how, f"file://{squashed.path}", str(repo.path))
    name = f"frame-{LAST}-w1.r.json"
    for bio in ("first", "second"):  # an overwritten version is still found
        put(repo, name, made("w1", LAST, 1, "r" + bio, agents=[{"id": "kai", "bio": bio}]))
        repo.git("add", "state")
        repo.commit()
    with Clone.open(str(repo.path)) as clone:
        done = clone.merge(NOON + timedelta(minutes=LAST))
    assert done.frame is not None and done.frame.number == LAST
    assert [one.source for one in done.frame.receipts] == [f"state/stream_deltas/{name}"] * 2
    with History(repo.path) as history:
        assert verify(history).findings == []
        assert verify(history, SQUASHED[1]).findings == []
        assert history.replay(LAST).same


def test_one_of_them_can_be_gone_back_to(place: Path, tmp_path: Path) -> None:
    repo = Repo(tmp_path / "clone")
    Repo(place).git("clone", "--quiet", "--no-local", str(place / "squashed"), str(repo.path))
    repo.git("config", "gc.auto", "0")
    with Clone.open(str(repo.path)) as clone:
        roll_back(clone, SQUASHED[0], NOON + timedelta(hours=1))
    repo.git("gc", "--quiet", "--prune=now")
    with History(repo.path) as history:
        assert verify(history).findings == []
        assert history.diff(SQUASHED[0], history.newest).changes == []
        assert history.replay(history.newest).same


def test_nothing_is_left_in_the_repository_that_gc_would_keep(place: Path) -> None:
    with History(place / "squashed") as history:
        history.state(SQUASHED[0])
    assert Repo(place / "squashed").git("for-each-ref", "refs/dreamcatcher/") == ""


def test_where_the_state_cannot_be_proven_it_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from merge_bot import replay

    monkeypatch.setattr(replay, "RULES_VERSION", replay.RULES_VERSION + 1)
    said = run("show", SQUASHED[0], "--repo", place / "squashed")
    assert (said.code, said.err) == (
        1,
        f"Frame {SQUASHED[0]} is in the chain, but no commit of refs/heads/main holds the state right after it: the "
        "history was rewritten since, or several frames came in as one commit, and merging it once more did not give "
        "it back. The frames around it can be read.\n",
    )


def test_a_state_that_its_manifest_does_not_prove_is_not_shown(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from merge_bot import replay

    again = replay.merge_again

    def otherwise(*given: Any) -> Any:
        merged = again(*given)
        return merged and replace(merged, manifest=merged.manifest._replace(state_tree="0" * 40))

    monkeypatch.setattr(replay, "merge_again", otherwise)
    with History(place / "squashed") as history, pytest.raises(RepositoryError, match="did not give it back"):
        history.state(SQUASHED[0])


def test_after_a_rebase_nothing_is_taken_in_twice_either(place: Path, tmp_path: Path) -> None:
    """Every delta of the frames stands in the history once more, under commits that no manifest names."""
    repo = Repo(tmp_path / "origin")
    Repo(place).git("clone", "--quiet", str(place / "as-it-was"), str(repo.path))
    commits = repo.git("rev-list", "--first-parent", "--reverse", "HEAD").splitlines()
    first = next(one for one in commits if f"merge frame {FIRST}:" in repo.git("log", "-1", "--format=%s", one))
    tip = first
    for commit in commits[commits.index(first) + 1 :]:
        tip = repo.git("commit-tree", f"{commit}^{{tree}}", "-p", tip, "-m", "rebased")
    repo.git("reset", "--quiet", "--hard", tip)
    clone = Repo(tmp_path / "clone")
    repo.git("clone", "--quiet", "--no-local", str(repo.path), str(clone.path))
    put(clone, f"frame-{LAST}-w1.json", made("w1", LAST, 1, stats={"a": 1}))
    with Clone.open(str(clone.path)) as opened:
        done = opened.merge(NOON + timedelta(minutes=LAST))
    assert done.frame is not None
    assert [one.source for one in done.frame.receipts] == [f"state/stream_deltas/frame-{LAST}-w1.json"]
