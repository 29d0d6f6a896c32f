"""Workers that push at once: what is counted is what happened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import contention
from tests.benchmarks.contention import BRANCHES, RETRIES, UNTIL_IN, Measured, Round, play


@pytest.fixture(autouse=True)
def over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file:http")


def test_on_branches_of_their_own_all_push_once(tmp_path: Path) -> None:
    found = play(BRANCHES, 3, tmp_path)
    assert (found.pushes, found.lost) == (3, 0)


def test_on_one_branch_all_get_in_with_more_pushes(tmp_path: Path) -> None:
    found = play(UNTIL_IN, 3, tmp_path)
    assert found.lost == 0
    assert 3 < found.pushes <= 6


def test_who_gives_up_loses_its_delta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(contention.MOST, RETRIES, 1)
    found = play(RETRIES, 3, tmp_path)
    assert (found.pushes, found.lost) == (3, 2)


def test_a_report_holds_each_way_and_number(tmp_path: Path) -> None:
    output = tmp_path / "contention"
    assert contention.main(
        ["--workers", "1", "2", "--most-until-in", "1", "--runs", "1", "--output", str(output)]
    ) == 0  # fmt: skip
    cases = json.loads(output.with_suffix(".json").read_text("utf-8"))["cases"]
    assert [(one["way"], one["workers"]) for one in cases] == [
        (UNTIL_IN, 1), (RETRIES, 1), (RETRIES, 2), (BRANCHES, 1), (BRANCHES, 2),
    ]  # fmt: skip
    assert all(one["lost"] == 0 for one in cases)


def test_medians_stand_in_the_table_and_what_was_not_measured_is_empty() -> None:
    rounds = [Round(5, 1.0, 1, 0.1), Round(7, 3.0, 2, 0.3), Round(9, 2.0, 0, 0.2)]
    assert list(contention.rows([Measured(RETRIES, 4, rounds)]))[1] == (
        "4", "", "", "7", "2.00", "1", "", "", "", "",
    )  # fmt: skip
