"""The README's numbers are those of the results, and the results are whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import claims, paper
from tests.benchmarks.repositories import ROOT

README = " ".join((ROOT / "README.md").read_text("utf-8").split())
CLAIMS: dict[str, Callable[[Any], Iterator[str]]] = {
    "full": claims.of_frames,
    "xl": claims.of_large,
    "branches": claims.of_branches,
    "growth": claims.of_growth,
    "contention": claims.of_contention,
    "peers": claims.of_peers,
    "keys": claims.of_keys,
    "fetching": claims.of_fetching,
}


def results(name: str) -> Any:
    return json.loads((paper.RESULTS / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("name", [name for name in CLAIMS if (paper.RESULTS / f"{name}.json").exists()])
def test_the_readme_says_what_was_measured(name: str) -> None:
    said = list(CLAIMS[name](results(name)))
    assert said
    assert [sentence for sentence in said if sentence not in README] == [], "put these into the README"


def test_every_report_lies_beside_its_numbers_and_says_how_it_was_made() -> None:
    reports = sorted(paper.RESULTS.glob("*.md"))
    others = {"files": "files_of_a_pull_request", "fetching": "fetching", "keys": "keys"}
    assert {file.stem for file in reports} <= {*CLAIMS, *others}
    for file in reports:
        text, found = file.read_text("utf-8"), json.loads(file.with_suffix(".json").read_text("utf-8"))
        if file.stem in others:
            assert f"`python -m tests.benchmarks.{others[file.stem]}`" in text
            continue
        for command in [found["command"]] if "command" in found else [size["command"] for size in found["sizes"]]:
            assert f"Written by `{command}`" in text


@pytest.mark.parametrize("name", ["peers", "contention"])
def test_a_plot_stands_in_its_report(name: str) -> None:
    assert (f"({name}.svg)" in (paper.RESULTS / f"{name}.md").read_text("utf-8")) == Path(
        paper.RESULTS, f"{name}.svg"
    ).exists()
