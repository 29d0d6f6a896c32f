"""Derived counters: kept by the merge, exact whatever befalls the records, at the cost of the frame."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from merge_bot import counting
from merge_bot.canonical import document
from merge_bot.history import History
from merge_bot.verify import verify
from tests.command import run
from tests.past import begin, made, merge, put, rules
from tests.repo import Repo
from tests.world import INTEGER, TEXT, schema

COUNTED_AGENTS = schema(
    "last-writer-wins",
    {"id": TEXT, "bio": TEXT, "said": INTEGER | {"x-merge": {"counts": "comments", "by": "author"}}},
    ["id"],
    key=["id"],
)
ALL: dict[str, dict[str, Any]] = {
    "agents": COUNTED_AGENTS,
    "comments": schema(
        "append", {"n": INTEGER, "author": TEXT, "text": TEXT}, ["n", "author"], key=["n"],
        references={"author": "agents"},
    ),
    "stats": schema(
        "sum",
        {
            "total_comments": INTEGER | {"x-merge": {"counts": "comments"}},
            "total_agents": INTEGER | {"x-merge": {"counts": "agents"}},
            "likes": INTEGER,
        },
    ),
}  # fmt: skip
PLAIN = ALL | {
    "agents": schema("last-writer-wins", {"id": TEXT, "bio": TEXT, "said": INTEGER}, ["id"], key=["id"]),
    "stats": schema("sum", {"total_comments": INTEGER, "total_agents": INTEGER, "likes": INTEGER}),
}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return begin(Repo.init(tmp_path / "repo"), ALL, {})


def frame(repo: Repo, number: int, **deltas: dict[str, Any]) -> None:
    for stream, content in deltas.items():
        put(repo, f"frame-{number}-{stream}.json", made(stream, number, 1, **content))
    merge(repo, number)


def comments(*numbers: int, author: str = "kai", text: str = "t") -> list[dict[str, Any]]:
    return [{"n": one, "author": author, "text": text} for one in numbers]


def state(repo: Repo) -> tuple[dict[str, int], dict[str, int]]:
    """The sums, and `said` of each agent."""
    path = repo.path / "state/stats.json"
    said = {one.stem: json.loads(one.read_text()).get("said", 0) for one in repo.path.glob("state/agents/*.json")}
    return (json.loads(path.read_text()) if path.exists() else {}), said


def receipts(repo: Repo, number: int) -> list[dict[str, Any]]:
    path = repo.path / f"state/frames/000/{number:06d}/receipts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_counter_says_what_there_is_also_of_duplicates_conflicts_and_what_waits(repo: Repo) -> None:
    frame(
        repo, 5,
        w1={"agents": [{"id": "kai"}], "comments": comments(1, 2)},
        w2={"comments": [*comments(2), *comments(1, text="other"), *comments(3, author="zoe")]},
    )  # fmt: skip
    assert state(repo) == ({"total_agents": 1, "total_comments": 2}, {"kai": 2})
    frame(repo, 6, w1={"agents": [{"id": "zoe"}], "comments": comments(2, 4)})  # releases 3
    assert state(repo) == ({"total_agents": 2, "total_comments": 4}, {"kai": 3, "zoe": 1})
    frame(repo, 7, w1={"stats": {"likes": 2}})
    assert state(repo) == ({"total_agents": 2, "total_comments": 4, "likes": 2}, {"kai": 3, "zoe": 1})
    with History(str(repo.path)) as history:
        assert verify(history).findings == []
        assert [history.replay(number).same for number in (5, 6, 7)] == [True, True, True]


def test_what_workers_write_to_it_is_ignored_and_their_receipts_say_so(repo: Repo) -> None:
    frame(
        repo, 5,
        w1={"agents": [{"id": "kai", "said": 40, "bio": "b"}], "stats": {"total_comments": 7, "likes": 1}},
        w2={"comments": comments(1)},
    )  # fmt: skip
    assert state(repo) == ({"total_agents": 1, "total_comments": 1, "likes": 1}, {"kai": 1})
    assert json.loads((repo.path / "state/agents/kai.json").read_text()) == {"id": "kai", "bio": "b", "said": 1}
    (receipt,) = [one for one in receipts(repo, 5) if one["stream_id"] == "w1"]
    assert receipt["counts"] == {"applied": 1, "superseded": 2}
    assert receipt["operations"] == [
        {
            "collection": "agents", "pointer": "/agents/0", "outcome": "superseded", "reason": "derived_counter",
            "recover": "none",
            "detail": {"fields": {"said": {"wrote": 40, "counts": "comments", "reason": "derived_counter"}}},
        },
        {
            "collection": "stats", "pointer": "/stats/total_comments", "outcome": "superseded",
            "reason": "derived_counter", "recover": "none", "detail": {"counts": "comments"},
        },
    ]  # fmt: skip
    told = run("receipts", "--worker", "w1", "--repo", repo.path).out
    assert "agents at /agents/0, said: 40 is ignored, the merge counts `comments` itself\n" in told
    assert "stats at /stats/total_comments: not added, the merge counts `comments` itself\n" in told


def test_an_increment_alone_changes_nothing(repo: Repo) -> None:
    frame(repo, 5, w1={"agents": [{"id": "kai"}], "comments": comments(1)})
    frame(repo, 6, w1={"agents": [{"id": "kai", "said": 8}], "stats": {"total_comments": 9, "total_agents": 9}})
    assert state(repo) == ({"total_agents": 1, "total_comments": 1}, {"kai": 1})


def drifted(tmp_path: Path) -> Repo:
    """Two comments of one agent, and counters that workers added up to something else; then they are declared."""
    repo = begin(Repo.init(tmp_path / "repo"), PLAIN, {})
    frame(
        repo, 5,
        w1={"agents": [{"id": "kai", "said": 9}, {"id": "zoe", "said": 3}, {"id": "ann"}], "comments": comments(1, 2)},
        w2={"stats": {"total_comments": 5}},
    )  # fmt: skip
    repo.commit(rules(ALL))
    return repo


def test_one_that_is_declared_over_what_was_there_starts_from_the_true_count(tmp_path: Path) -> None:
    repo = drifted(tmp_path)
    assert run("check", "--repo", repo.path).code == 0  # the next merge counts anew, so nothing is wrong
    frame(repo, 6, w1={"comments": comments(3, author="ann")})
    assert state(repo) == ({"total_agents": 3, "total_comments": 3}, {"kai": 2, "zoe": 0, "ann": 1})
    with History(str(repo.path)) as history:
        assert verify(history).findings == []
        assert history.replay(6).same


def test_everything_is_read_once_and_then_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    before = counting.records_of

    def watched(files: Any, one: Any) -> Any:
        read.append(one.name)
        return before(files, one)

    monkeypatch.setattr(counting, "records_of", watched)
    repo = drifted(tmp_path)
    assert read == []
    frame(repo, 6, w1={"comments": comments(3)})
    assert Counter(read) == {"comments": 2, "agents": 2, "stats": 2}
    read.clear()
    frame(repo, 7, w1={"comments": comments(4), "agents": [{"id": "new"}]})
    assert read == []
    assert state(repo) == ({"total_agents": 4, "total_comments": 4}, {"kai": 4, "zoe": 0, "ann": 0, "new": 0})


def test_after_a_rollback_it_is_counted_anew(tmp_path: Path) -> None:
    """Also where the older state is of a time when workers added up."""
    repo = drifted(tmp_path)
    frame(repo, 6, w1={"comments": comments(3)})
    assert run("rollback", "5", "--repo", repo.path).code == 0
    assert state(repo) == ({"total_comments": 5}, {"kai": 9, "zoe": 3, "ann": 0})
    assert run("verify", "--repo", repo.path).code == 0
    frame(repo, 8, w1={"comments": comments(4)})
    assert state(repo) == ({"total_agents": 3, "total_comments": 3}, {"kai": 3, "zoe": 0, "ann": 0})


@pytest.mark.parametrize("command", ["check", "verify"])
def test_a_counter_that_says_something_else_is_found_by_counting(repo: Repo, command: str) -> None:
    frame(repo, 5, w1={"agents": [{"id": "kai"}], "comments": comments(1)})
    repo.commit({"state/stats.json": document({"total_comments": 3, "total_agents": 1})})
    repo.commit({"state/agents/kai.json": document({"id": "kai"})})
    told = run(command, "--json", "--repo", repo.path).out
    if command == "check":
        assert "`total_comments` says 3, but of `comments` there is 1 record to count." in told
        assert "`said` is not there, but of `comments` there is 1 record to count." in told
    else:  # verify names each file once, and that another hand changed it comes first
        assert "state/stats.json" in told and "state/agents/kai.json" in told


def test_what_is_no_record_is_counted_for_nobody(tmp_path: Path) -> None:
    there = {**ALL["comments"], "x-merge": {**ALL["comments"]["x-merge"], "layout": "file", "path": "state/said.json"}}
    before = {"state/said.json": document([7, {"n": 1, "author": "kai", "text": "t"}])}
    repo = begin(Repo.init(tmp_path / "repo"), ALL | {"comments": there}, before)
    frame(repo, 5, w1={"agents": [{"id": "kai"}], "comments": comments(2)})
    assert state(repo)[1] == {"kai": 2}
    assert "Traceback" not in run("check", "--repo", repo.path).err


def test_blame_says_that_the_merge_counted(repo: Repo) -> None:
    frame(repo, 5, w1={"agents": [{"id": "kai"}], "comments": comments(1), "stats": {"total_comments": 9}})
    told = run("replay", "--until-field", "agents/kai/said", "--repo", repo.path).out
    assert told.startswith("agents/kai/said is 1: the count brought it in frame 5.\n")
    assert "  frame 5  said: 1\n    counted\n" in told
    assert run("show", "5", "--collection", "stats", "--repo", repo.path).code == 0


def test_random_frames_leave_true_counts_and_replay(tmp_path: Path) -> None:
    repo, dice = begin(Repo.init(tmp_path / "repo"), ALL, {}), Random(5)
    for number in range(5, 15):
        deltas: dict[str, dict[str, Any]] = {}
        for stream in dice.sample(["w1", "w2", "w3"], 2):
            names = ["kai", "zoe", "ann", "bob"]
            deltas[stream] = {
                "agents": [{"id": dice.choice(names), "said": 5, "bio": dice.choice("ab")}],
                "comments": [
                    {"n": dice.randint(1, 40), "author": dice.choice(names), "text": dice.choice("ab")}
                    for _ in range(4)
                ],
                "stats": {"likes": 1, "total_comments": 1},
            }
        frame(repo, number, **deltas)
        files = repo.path.glob("state/comments/*/*.jsonl")
        there = [json.loads(line) for one in files for line in one.read_text().splitlines()]
        sums, said = state(repo)
        assert sums["total_comments"] == len(there)
        assert sums["total_agents"] == len(said)
        assert {name: one for name, one in said.items() if one} == Counter(one["author"] for one in there)
    with History(str(repo.path)) as history:
        assert verify(history).findings == []
        assert all(history.replay(number).same for number in range(5, 15))


def agents(**said: Any) -> dict[str, Any]:
    return {"agents": schema("last-writer-wins", {"id": TEXT, "said": said}, ["id"], key=["id"])}


@pytest.mark.parametrize(
    ("schemas", "place", "letter"),
    [
        (
            {"stats": schema("sum", {"a": INTEGER | {"x-merge": {"counts": "comment"}}})},
            "/properties/a/x-merge/counts", "There is no collection `comment` to count; did you mean `comments`?",
        ),
        (
            {"stats": schema("sum", {"a": INTEGER | {"x-merge": {"counts": "stats"}}})},
            "/properties/a/x-merge/counts", "`stats` (sum) cannot be counted here.",
        ),
        (
            {"stats": schema("sum", {"a": INTEGER | {"x-merge": {"counts": "comments", "by": "author"}}})},
            "/properties/a/x-merge/by", "`by` means something only for properties of a last-writer-wins collection.",
        ),
        (
            {"stats": schema("sum", {"a": {"type": "number", "x-merge": {"counts": "comments"}}})},
            "/properties/a", "`a` counts records, so it must be an integer.",
        ),
        (
            {"stats": schema("sum", {"a": INTEGER | {"x-merge": {"count": "comments"}}})},
            "/properties/a/x-merge", "`x-merge` means something only for properties of a last-writer-wins collection.",
        ),
        (
            agents(type="integer", **{"x-merge": {"counts": "comments"}}),
            "/properties/said/x-merge", "The counter of an entity has to say which records are its own.",
        ),
        (
            agents(type="integer", **{"x-merge": {"by": "author"}}),
            "/properties/said/x-merge", "x-merge:",
        ),
        (
            agents(type="integer", **{"x-merge": {"counts": "comments", "by": "text"}}),
            "/properties/said/x-merge/counts",
            "The records of `comments` can be counted for `agents` only by a field that refers to it and holds one "
            "value, which `text` is not.",
        ),
        (
            agents(type="integer", **{"x-merge": {"counts": "comments", "by": "author", "strategy": "sum"}}),
            "/properties/said/x-merge/strategy", "A counter that the merge keeps by counting has no `strategy`.",
        ),
        (
            {"agents": {**COUNTED_AGENTS, "required": ["id", "said"]}},
            "/required", "`said` may not be required: the merge writes it when there is something to count.",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_found_when_schemas_load(tmp_path: Path, schemas: dict[str, Any], place: str, letter: str) -> None:
    repo = Repo.init(tmp_path / "repo")
    repo.commit(rules(ALL | schemas))
    problems = run("check", "--json", "--repo", repo.path).json["problems"]
    assert [one["pointer"] for one in problems] == [place], problems
    assert problems[0]["message"].startswith(letter), problems
