"""Pure but for reading: the model as text. Its mutants and properties, the table that ties them to guards, variants."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
_MUTANT = re.compile(r"^  ([a-z_]+): 0;$", re.M)
_PROPERTY = re.compile(r'^(invariant|cover) "([^"]+)"(?:[^;"]|"[^"]*")*;\n', re.M)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A guard that can be switched off. `guard` is `path::function`, several if need be; `breaks` are invariants."""

    name: str
    guards: tuple[str, ...]
    breaks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What README.md says: every mutant, and for each invariant the mutant that breaks it and nothing else."""

    mutants: tuple[Mutant, ...]
    only: dict[str, str]


def read_model() -> str:
    return (FOLDER / "protocol.m").read_text("utf-8")


def read_table() -> Table:
    """Parse the two tables of README.md: | invariant | …, whose last cell names a mutant, and | mutant | …."""
    rows: dict[str, list[list[str]]] = {"invariant": [], "mutant": []}
    kind = ""
    for line in (FOLDER / "README.md").read_text("utf-8").splitlines():
        cells = [one.strip() for one in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            kind = ""
        elif not kind:
            kind = cells[0]
        elif kind in rows and not set(line) <= set("|-: "):
            rows[kind].append(cells)
    mutants = tuple(Mutant(_names(row[0])[0], _names(row[2]), _names(row[3])) for row in rows["mutant"])
    return Table(mutants, {_names(row[0])[0]: _names(row[-1])[0] for row in rows["invariant"]})


def _names(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def mutants(model: str) -> list[str]:
    """The guards that can be switched off, in the order of the model."""
    return _MUTANT.findall(model)


def properties(model: str, kind: str) -> list[str]:
    """The names of the model's invariants, or covers."""
    return [name for found, name in _PROPERTY.findall(model) if found == kind]


def variant(model: str, mutant: str | None, invariants: Collection[str], *, covers: bool = False) -> str:
    """The model with one guard off (None: with all of them on), holding it to these invariants alone.

    Raises ValueError for a mutant that the model does not have.
    """
    if mutant is not None:
        if mutant not in mutants(model):
            raise ValueError(mutant)
        model = model.replace(f"\n  {mutant}: 0;\n", f"\n  {mutant}: 1;\n")

    def kept(match: re.Match[str]) -> str:
        wanted = match[2] in invariants if match[1] == "invariant" else covers
        return match[0] if wanted else ""

    return _PROPERTY.sub(kept, model)
