"""The model's papers: its mutants, their table and the code name the same things, and its checker can say no.

That the model itself holds is `make model`, which needs rumur and a C compiler.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from model.check import Found, Job, disagreements, jobs
from model.protocol import Mutant, Table, mutants, properties, read_model, read_table, variant
from model.tools import CannotCheck, find

ROOT = Path(__file__).parent.parent
MODEL, TABLE = read_model(), read_table()


def functions(path: Path) -> set[str]:
    """Functions and methods of a module, as `name` and `Class.name`."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return found


def test_model_and_table_name_the_same_mutants_and_invariants() -> None:
    assert disagreements(MODEL, TABLE) == []
    assert len(mutants(MODEL)) >= 22
    assert len(properties(MODEL, "invariant")) == 8
    assert len(properties(MODEL, "cover")) >= 24


@pytest.mark.parametrize("mutant", TABLE.mutants, ids=lambda one: one.name)
def test_every_mutant_stands_for_a_guard_that_the_code_has(mutant: Mutant) -> None:
    assert mutant.guards and mutant.breaks
    for guard in mutant.guards:
        path, _, function = guard.partition("::")
        assert function in functions(ROOT / path), guard


def test_disagreements_are_named() -> None:
    one = Mutant("no_fence", ("a::b",), ("no_zombie_applied", "exactly_once"))
    assert disagreements("  no_fence: 0;\n  other: 0;\n", Table((one,), {"no_zombie_applied": "no_fence"})) == [
        "mutants: other",
        "invariants: no_zombie_applied",
        "invariants that mutants break: exactly_once",
        "no_fence is to break no_zombie_applied alone, and is not said to break it",
    ]


def test_a_variant_has_one_guard_off_and_the_invariants_asked_for() -> None:
    changed = variant(MODEL, "no_fence", ["edits_kept"])
    assert properties(changed, "invariant") == ["edits_kept"]
    assert properties(changed, "cover") == []
    assert "\n  no_fence: 1;\n" in changed
    assert mutants(changed) == [one for one in mutants(MODEL) if one != "no_fence"]
    whole = variant(MODEL, None, properties(MODEL, "invariant"), covers=True)
    assert whole == MODEL
    with pytest.raises(ValueError, match="no_such"):
        variant(MODEL, "no_such", [])


def test_every_mutant_is_run_against_what_it_breaks_and_every_invariant_is_needed() -> None:
    asked = list(jobs(MODEL, TABLE, short=False))
    assert {(one.mutant, one.breaks) for one in asked if one.breaks} == {
        (one.name, name) for one in TABLE.mutants for name in one.breaks
    }
    everything = set(properties(MODEL, "invariant"))
    assert {one.mutant: everything - set(one.invariants) for one in asked if one.mutant and not one.breaks} == {
        mutant: {name} for name, mutant in TABLE.only.items()
    }
    assert [one for one in jobs(MODEL, TABLE, short=True) if not one.breaks] == [
        Job(None, tuple(properties(MODEL, "invariant")))
    ]


@pytest.mark.parametrize(
    ("job", "broken", "unmet", "why"),
    [
        (Job(None, ("a",)), None, (), None),
        (Job(None, ("a",)), "a", (), "a broke, and it should have been nothing"),
        (Job(None, ("a",)), None, ("it happens",), "never reached: it happens"),
        (Job("m", ("a",), "a"), "a", (), None),
        (Job("m", ("a",), "a"), None, (), "nothing broke, and it should have been a"),
        (Job("m", ("a",), "a"), "something else", (), "something else broke, and it should have been a"),
    ],
)
def test_a_run_is_judged_by_what_it_was_to_break(
    job: Job, broken: str | None, unmet: tuple[str, ...], why: str | None
) -> None:
    assert Found(broken, unmet, 1, 0.1, "").wrong(job) == why


def test_where_the_model_cannot_be_checked_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotCheck, match=r"no C compiler here.+On Debian and Ubuntu: apt install gcc libc6-dev"):
        find(tmp_path)
    compiler = tmp_path / "gcc"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    with pytest.raises(CannotCheck, match="rumur is not installed, and this is no Debian or Ubuntu"):
        find(tmp_path)
