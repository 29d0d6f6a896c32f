"""The peers' runner works for those that need nothing installed, and the judge sees each kind of wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.generator import Shape
from tests.benchmarks.peers import __main__ as runner
from tests.benchmarks.peers import catalog, report
from tests.benchmarks.peers.__main__ import Bounds
from tests.benchmarks.peers.judge import Verdict, judge
from tests.benchmarks.peers.work import work
from tests.benchmarks.plain import State

NEEDING_NOTHING = [entry for entry in catalog.ENTRIES if not entry.needs]
WORK = work(Shape(3, 20, 1))


def peers_of(file: Path, size: str) -> list[dict[str, Any]]:
    sizes = json.loads(file.read_text("utf-8"))["sizes"]
    return next(one["peers"] for one in sizes if one["name"] == size)


def test_those_that_need_nothing_are_run_and_held_against_what_is_expected(tmp_path: Path) -> None:
    names = [entry.name for entry in NEEDING_NOTHING]
    assert runner.main(
        ["--sizes", "tiny", "--runs", "1", "--output", str(tmp_path / "peers"), "--peers", *names]
    ) == 0  # fmt: skip
    said = {one["peer"]: one for one in peers_of(tmp_path / "peers.json", "tiny")}
    right = Verdict(counters={})
    wrong = {name: Verdict(**one["wrong"]) for name, one in said.items()}
    assert [name for name, verdict in wrong.items() if verdict == right] == ["dreamcatcher", "SQLite, digests"]
    assert wrong["plain Python"] == wrong["SQLite"]
    assert wrong["plain Python"].twice > 0
    assert wrong["git merge"].lost > 0
    assert wrong["git merge, union"].unreadable.endswith("is no JSON any more")
    assert all(one["memory"] > 10_000_000 and one["processor"] > 0 for one in said.values())
    text = (tmp_path / "peers.md").read_text("utf-8")
    assert [name for name in names if f"| {name} |" not in text] == []


def test_a_peer_that_is_not_installed_is_told_of(tmp_path: Path) -> None:
    nowhere = catalog.Entry("nowhere", "nowhere:Nowhere", "", "", "", ("no-such-distribution",))
    measured = runner.measure("tiny", [nowhere], Bounds(runs=1), tmp_path)
    assert list(report.rows(measured))[1] == (
        "nowhere", *[""] * 6,
        "not run: no-such-distribution is not installed (make bench-peers installs it)",
    )  # fmt: skip


def test_a_peer_that_fails_is_told_of_with_its_last_words(tmp_path: Path) -> None:
    nowhere = catalog.Entry("nowhere", "nowhere:Nowhere", "", "", "")
    measured = runner.measure("tiny", [nowhere], Bounds(runs=1), tmp_path)
    assert measured[0].missing == "prepare failed: KeyError: 'nowhere'"


def test_a_peer_that_takes_too_long_is_told_of(tmp_path: Path) -> None:
    entry = catalog.BY_NAME["plain Python"]
    measured = runner.measure("tiny", [entry], Bounds(runs=1, most=0.001), tmp_path)
    assert measured[0].missing == "prepare took more than 1.66667e-05 minutes"


def test_who_copies_the_state_for_each_worker_is_not_run_where_that_is_too_much() -> None:
    assert [entry.name for entry in catalog.ENTRIES if entry.too_much(runner.SIZES["L"])] == [
        "Automerge", "git merge", "git merge, union",
    ]  # fmt: skip
    assert [entry.name for entry in catalog.ENTRIES if entry.too_much(runner.SIZES["large"])] == []


def test_who_is_slow_is_run_once_and_held_against_the_first_run(tmp_path: Path) -> None:
    entries = [catalog.BY_NAME["plain Python"], catalog.BY_NAME["SQLite"]]
    measured = runner.measure("tiny", entries, Bounds(runs=2, slow=0), tmp_path)
    assert [len(one.costs) for one in measured] == [1, 1]
    more = report.Measured("tiny", entries[0], [report.Cost(2.0, 2.0, 1, 1.0), report.Cost(9.0, 9.0, 1, 1.0)])
    once = report.Measured("tiny", entries[1], [report.Cost(3.0, 3.0, 1, 1.0)])
    assert report.ratio(once, more, "seconds") == "1.50"


def test_a_size_is_added_to_what_the_report_has(tmp_path: Path) -> None:
    one = report.Measured("small", catalog.BY_NAME["SQLite"], [report.Cost(1.0, 1.0, 5, 0.5)], Verdict(counters={}))
    two = report.Measured("small", catalog.BY_NAME["Loro"], missing="loro is not installed")
    output = tmp_path / "peers"
    runner.write([report.Size("small", runner.SIZES["small"], "a command", {"cores": 9}, [one, two])], output)
    before = json.loads(output.with_suffix(".json").read_text("utf-8"))["sizes"]
    options = ["--peers", "dreamcatcher", "--runs", "1", "--output", str(output), "--add", "--sizes", "tiny"]
    assert runner.main(options) == 0
    after = json.loads(output.with_suffix(".json").read_text("utf-8"))["sizes"]
    assert after[:1] == before
    assert [size["name"] for size in after] == ["small", "tiny"]
    assert "(cores 9)" in output.with_suffix(".md").read_text("utf-8")


def _without_a_post(state: State) -> None:
    del state["posts"][0]


def _with_a_soul_twice(state: State) -> None:
    souls = next(iter(state["souls"].values()))
    souls.append(souls[0])


def _with_a_comment_on_nothing(state: State) -> None:
    state["comments"].append(state["comments"][0] | {"id": "new", "post_number": 5_000_000_000})


def _with_a_comment_of_nobody(state: State) -> None:
    state["comments"].append(state["comments"][0] | {"id": "nobody wrote this"})


def _with_an_old_bio(state: State) -> None:
    next(iter(state["agents"].values()))["bio"] = "old"


def _with_other_karma(state: State) -> None:
    next(iter(state["agents"].values()))["karma"] += 1


def _with_another_total(state: State) -> None:
    state["stats"]["total_posts"] -= 2


def _without_an_agent(state: State) -> None:
    state["agents"].popitem()


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda state: None, Verdict(counters={})),
        (_without_a_post, Verdict(lost=1, counters={})),
        (_without_an_agent, Verdict(lost=1, counters={})),
        (_with_a_soul_twice, Verdict(twice=1, counters={})),
        (_with_a_comment_on_nothing, Verdict(dangling=1, counters={})),
        (_with_a_comment_of_nobody, Verdict(other=1, counters={})),
        (_with_an_old_bio, Verdict(fields=1, counters={})),
        (_with_other_karma, Verdict(karma=1, counters={})),
        (_with_another_total, Verdict(counters={"total_posts": -2})),
    ],
)
def test_the_judge_sees(change: Callable[[State], None], verdict: Verdict) -> None:
    expected = WORK.expected()
    found = deepcopy(expected)
    change(found)
    assert judge(expected, found) == verdict


def test_what_is_wrong_is_said_in_words() -> None:
    verdict = Verdict(1, 2, 3, 4, 5, 6, {"total_posts": -7, "total_comments": 8})
    assert list(verdict.words()) == [
        "1 records lost",
        "2 records twice",
        "3 records that refer to nothing",
        "4 records that should not be there",
        "5 profile fields not the latest",
        "6 karma sums wrong",
        "counters off: total_comments +8, total_posts -7",
    ]
    assert list(Verdict(unreadable="x").words()) == ["unreadable: x"]
    assert list(Verdict(counters={}).words()) == []
