"""Mutated deltas, settings, schemas, state and manifests. `make fuzz` tries many more, and lets coverage lead."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from merge_bot.errors import UnreadableState
from tests import fuzz
from tests.command import begun, deliver, delta, run
from tests.repo import Repo

ENDS = {
    "a_delta": {"applied", "quarantined"},
    "settings_file": {"loaded", "letter"},
    "a_schema": {"merged", "refused"},
    "a_state_file": {"landed", "letter"},
    "a_manifest": {"read", "letter"},
    "a_committed_file": {"merge 0", "merge 1", "verify 1"},
}
"""How inputs must end, some of them each way: else nothing was tried."""
SLOW = {"a_committed_file": 10}
"""How many times fewer inputs are tried of what takes long."""


@pytest.mark.parametrize("one", fuzz.ALL, ids=lambda one: one.__name__)
def test_it_lands_or_stops_with_a_letter(one: Callable[[], None]) -> None:
    fuzz.TRIED.clear()
    usual = settings.default.max_examples == settings.get_profile("usual").max_examples
    most = settings.default.max_examples // SLOW.get(one.__name__, 1)
    # Usually the same inputs each time, so that what fails was changed just now; `make fuzz` always tries others.
    settings(max_examples=most, derandomize=usual, suppress_health_check=list(HealthCheck))(one)()
    ((what, ends),) = fuzz.TRIED.items()
    print(f"{what}: {ends.total():,} tried: {', '.join(f'{count:,} {end}' for end, count in ends.most_common())}")
    assert set(ends) >= ENDS[one.__name__]


CLOCKS, PARKED = "state/_control/clocks/agents/agent-kai.json", "state/parked.jsonl"
CLOCK = {"at": "2026-03-25T03:00:01Z", "by": "w2", "delta": "a" * 64, "frame": 404, "index": 5}


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: one for key, one in value.items() if key != name}


@pytest.mark.parametrize(
    ("bio", "place"),
    [
        ("append", "/agent-kai/bio"),
        ([], "/agent-kai/bio"),
        (without(CLOCK, "at"), "/agent-kai/bio"),
        (without(CLOCK, "delta"), "/agent-kai/bio"),
        (CLOCK | {"frame": "404"}, "/agent-kai/bio"),
        (CLOCK | {"at": {}}, "/agent-kai/bio"),
        (CLOCK | {"index": None}, "/agent-kai/bio"),
        (CLOCK | {"resolved": "x"}, "/agent-kai/bio"),
        (CLOCK | {"others": [CLOCK]}, "/agent-kai/bio"),
        ({"writes": {}}, "/agent-kai/bio"),
        ({"writes": [{"value": 1}]}, "/agent-kai/bio"),
    ],
)
def test_a_clock_that_is_none_stops_the_frame(bio: Any, place: str) -> None:
    with pytest.raises(UnreadableState, match=f"(?s)clocks/agents.*{place}.*Expected the clock of a field here"):
        fuzz.run_with(CLOCKS, json.dumps({"bio": bio}).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"delta": 4}, {"stream_id": []}, {"frame": "4"}, {"index": {}}, {"pointer": []}, {"record": 4}, {"utc": 4},
        {"waits_for": 4}, {"waits_for": [[]]}, {"since": None}, {"collection": 1}, {"reason": "none"},
    ],
    ids=str,
)  # fmt: skip
def test_a_parked_record_that_is_none_stops_the_frame(change: dict[str, Any]) -> None:
    rows = [json.loads(line) for line in fuzz.files()[PARKED].splitlines()]
    with pytest.raises(UnreadableState, match=r"(?s)state/parked\.jsonl.*Expected parked records here"):
        fuzz.run_with(PARKED, b"".join(json.dumps(one | change).encode() + b"\n" for one in rows))


def test_an_edit_that_is_no_record_is_refused_as_any(tmp_path: Path) -> None:
    clone = begun(Repo.init(tmp_path))
    agents = [{"agent_id": one, "name": one} for one in ("a", "b")]
    deliver(clone, delta("w1", profile_updates=agents, follows_added=[{"agent_id": "a", "follows": "b"}]))
    assert run("merge", "--repo", clone.path).code == 0
    clone.commit({"state/follows/a.json": b'["b"]\n'})
    for command in ("merge", "verify", "status"):
        said = run(command, "--repo", clone.path)
        assert said.code == 1 and "state/follows/a.json" in said.out + said.err, (command, said)


def test_work_without_end_is_seen() -> None:
    def act() -> str:
        while True:
            len("")

    with pytest.raises(fuzz.TooMuchWork, match="2 bytes took more than"):
        fuzz.tried("nothing", b"{}", act)
