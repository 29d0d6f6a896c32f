"""Who works on what: a split that every worker computes alike, and of which one more worker moves only its share."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merge_bot.assignment import assigned, numbered, owner_among
from merge_bot.clone import Clone
from tests.command import begun, deliver, delta, run
from tests.repo import Repo
from tests.world import MORNING

KEYS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=40)
WORKERS = st.lists(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,5}", fullmatch=True), min_size=1, max_size=8, unique=True)


def owners(keys: list[str], workers: list[str]) -> dict[str, str]:
    return {key: worker for worker, ones in assigned(keys, workers).items() for key in ones}


@given(KEYS, WORKERS)
def test_every_key_is_someones_once_in_whatever_order_keys_and_workers_are_named(
    keys: list[str], workers: list[str]
) -> None:
    shares = assigned(keys, workers)
    assert list(shares) == workers
    assert sorted(key for ones in shares.values() for key in ones) == sorted(set(keys))
    assert owners(keys[::-1], workers[::-1]) == owners(keys, workers)


@given(KEYS, WORKERS, st.data())
def test_a_worker_that_joins_takes_its_share_and_moves_nothing_else(
    keys: list[str], workers: list[str], data: st.DataObject
) -> None:
    new = data.draw(st.sampled_from(workers))
    before = owners(keys, [one for one in workers if one != new]) if len(workers) > 1 else {}
    after = owners(keys, workers)
    assert {key: one for key, one in after.items() if one != new} == {
        key: one for key, one in before.items() if after[key] != new
    }


def test_the_shares_are_about_equal() -> None:
    shares = assigned((f"agent-{number}" for number in range(20_000)), numbered(5))
    assert all(abs(len(keys) - 4_000) < 250 for keys in shares.values()), {one: len(shares[one]) for one in shares}


def test_whose_a_key_is_can_be_computed_from_what_is_documented() -> None:
    workers = ["ann", "kai", "zoë"]
    for key in ("agent-aria", "", "日本", "a\nb"):
        expected = max(workers, key=lambda worker: sha256(f"{worker}\n{key}".encode()).digest())
        assert owner_among(workers)(key) == expected


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = begun(Repo(tmp_path / "repo"))
    first = [{"agent_id": f"agent-{number}", "name": "n"} for number in range(1, 5)]
    soul = {"agent_id": "agent-1", "observation": "twice"}
    deliver(repo, delta("w1", profile_updates=first, soul_updates=[soul, soul]))
    with Clone.open(str(repo.path)) as clone:
        clone.merge(MORNING.replace(day=26))
    deliver(repo, delta("w1", frame=406, profile_updates=[{"agent_id": "agent-5", "name": "n"}]))
    with Clone.open(str(repo.path)) as clone:
        clone.merge(MORNING.replace(day=27))
    return repo


def test_the_split_as_a_table_and_for_programs(repo: Repo) -> None:
    done = run("assign", "--of", "agents", "--workers", "2", "--repo", repo.path)
    assert (done.code, done.out, done.err) == (
        0,
        "agents as of frame 406: 5 keys over 2 workers.\n"
        "\n"
        "  worker  keys  which\n"
        '  w1         2  "agent-1", "agent-3"\n'
        '  w2         3  "agent-2", "agent-4", "agent-5"\n',
        "",
    )
    before = run("assign", "--of", "agents", "--workers", "2", "--frame", "405", "--json", "--repo", repo.path).json
    assert before == {
        "frame": 405,
        "collection": "agents",
        "workers": {"w1": ["agent-1", "agent-3"], "w2": ["agent-2", "agent-4"]},
    }


def test_one_workers_keys_are_lines_for_a_shell(repo: Repo) -> None:
    arguments = ("assign", "--of", "agents", "--workers", "w2,w1", "--worker", "w1", "--repo", repo.path)
    assert run(*arguments).out == "agent-1\nagent-3\n"
    assert run(*arguments, "--json").json == {
        "frame": 406,
        "collection": "agents",
        "worker": "w1",
        "keys": ["agent-1", "agent-3"],
    }


def test_several_records_under_one_key_are_one_key_and_an_empty_collection_is_empty(repo: Repo) -> None:
    souls = run("assign", "--of", "souls", "--workers", "1", "--json", "--repo", repo.path).json
    assert souls["workers"] == {"w1": ["agent-1"]}
    done = run("assign", "--of", "posts", "--workers", "2", "--repo", repo.path)
    assert done.out.splitlines()[0] == "posts as of frame 406: 0 keys over 2 workers."


@pytest.mark.parametrize(
    ("arguments", "letter"),
    [
        (["--of", "agent", "--workers", "2"], 'There is no collection "agent" in that frame.'),
        (["--of", "stats", "--workers", "2"], 'The records of "stats" have no key, so there is nothing to split'),
        (["--of", "agents", "--workers", "0"], "0 workers: give a number from 1 to 10,000."),
        (["--of", "agents", "--workers", "20000"], "20000 workers: give a number from 1 to 10,000."),
        (["--of", "agents", "--workers", "w1,,w2"], "'' is no name of a worker"),
        (["--of", "agents", "--workers", "w1,W1"], "'W1' is named twice"),
        (["--of", "agents", "--workers", "2", "--worker", "w3"], "--worker 'w3' is none of --workers: w1, w2."),
        (["--of", "agents", "--workers", "2", "--frame", "9"], "There is no frame 9."),
    ],
)
def test_what_cannot_be_split_is_said(repo: Repo, arguments: list[str], letter: str) -> None:
    done = run("assign", *arguments, "--repo", repo.path)
    assert (done.code, done.out) == (1, "")
    assert letter in " ".join(done.err.split()), done.err


def test_a_key_of_a_stranger_is_one_line(repo: Repo) -> None:
    name = "a\nb\x1b[31m"
    deliver(repo, delta("w1", frame=407, profile_updates=[{"agent_id": name, "name": "n"}]))
    with Clone.open(str(repo.path)) as clone:
        clone.merge(MORNING.replace(day=28))
    out = run("assign", "--of", "agents", "--workers", "1", "--worker", "w1", "--repo", repo.path).out
    assert len(out.splitlines()) == 6
    assert "\x1b" not in out
    shares = json.loads(run("assign", "--of", "agents", "--workers", "1", "--json", "--repo", repo.path).out)
    assert name in shares["workers"]["w1"]
