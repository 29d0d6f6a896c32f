"""Real merges through every interleaving, to a bounded depth: whole, they keep every invariant of the model; with any
one guard off, they break what the model's mutant of that name breaks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.protocol import read_table
from tests.explorer import Broken, Explorer, Scenario
from tests.explorer_mutants import MUTANTS
from tests.explorer_scenarios import DEEP, SCENARIOS

MEMORY = Path("/dev/shm")
TABLE = {one.name: one for one in read_table().mutants}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in memory, where there is such a thing."""
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    if not MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="dreamcatcher-") as place:
        yield Path(place)


def explore(folder: Path, name: str, scenario: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    with Explorer(folder / "repository", scenario) as explorer:
        found = explorer.explore()
    with capsys.disabled():
        print(
            f"\n{name}: {found.interleavings:,} interleavings, {found.steps:,} steps, {found.worlds:,} worlds", end=" "
        )
    assert found.reached >= scenario.reaches


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_interleaving_keeps_every_invariant(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    explore(folder, name, SCENARIOS[name], capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", DEEP)
def test_every_interleaving_of_larger_worlds(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    explore(folder, name, DEEP[name], capsys)


@pytest.mark.parametrize("name", MUTANTS)
def test_without_its_guard_the_code_breaks_what_the_model_breaks(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate, scenario = MUTANTS[name]
    with Explorer(folder / "repository", SCENARIOS[scenario]) as explorer:
        mutate(monkeypatch, explorer)
        with pytest.raises(Broken) as broken:
            explorer.explore()
    assert broken.value.invariant in TABLE[name].breaks, str(broken.value)


def test_every_mutant_of_the_model_is_made_in_the_code() -> None:
    assert list(MUTANTS) == list(TABLE)
