"""Open conflicts are decided: by whom, to what, and that late and later writes find the decision as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import permutations, product
from pathlib import Path
from typing import Any

import pytest

from merge_bot.canonical import compact
from merge_bot.collection import Policy
from merge_bot.delta import Origin
from merge_bot.history import History
from merge_bot.strategies.clocks import Write
from merge_bot.strategies.policies import settle
from tests.command import begun, delta, run
from tests.repo import Repo
from tests.test_control import asks, merge, outcomes


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    """At the end of each test every frame is proven, and every one replays to the same bytes."""
    repo = begun(Repo(tmp_path))
    yield repo
    with History(str(repo.path)) as history:
        assert history.verify().findings == []
        assert [one for one in range(405, history.newest + 1) if history.replay(one).same is not True] == []


def says(stream: str, bio: Any, frame: int = 405, second: int = 0, **more: Any) -> bytes:
    change = {"agent_id": "aria", "name": "Aria", "bio": bio, **more}
    return delta(stream, frame, f"2026-03-25T03:10:{second:02d}Z", profile_updates=[change])


def decides(value: Any = None, frame: int = 405, name: str = "bio", **more: Any) -> dict[str, Any]:
    request = {"op": "resolve", "collection": "agents", "key": "aria", "field": name, "frame": frame, "value": value}
    return {**request, **more}


def state(repo: Repo, path: str) -> Any:
    return json.loads(repo.git("show", f"HEAD:state/{path}"))


def bio(repo: Repo) -> Any:
    return state(repo, "agents/aria.json").get("bio")


def hold(repo: Repo) -> None:
    schema = json.loads(repo.git("show", "HEAD:schemas/agents.schema.json"))
    schema["x-merge"]["on_conflict"] = "hold"
    repo.commit({"schemas/agents.schema.json": json.dumps(schema).encode()})


def test_a_resolution_sets_the_value_and_closes_the_conflict(repo: Repo) -> None:
    merge(repo, says("w1", "a"), says("w2", "b", second=1))
    assert bio(repo) == "b"
    (receipt,) = merge(repo, asks(406, decides("c")))
    assert (bio(repo), state(repo, "conflicts.json")) == ("c", {})
    assert receipt["counts"] == {"applied": 1}
    (told,) = receipt["operations"]
    assert (told["outcome"], told["reason"], told["detail"]) == (
        "applied", "resolved", {"op": "resolve", "collection": "agents", "key": "aria", "field": "bio", "value": "c"},
    )  # fmt: skip
    clock = state(repo, "_control/clocks/agents/aria.json")["bio"]
    assert (clock["by"], clock["frame"], clock["resolves"], clock["resolved"]) == ("operator", 406, True, 406)
    with History(str(repo.path)) as history:
        (event,) = history.blame("agents", "aria").fields["bio"]
    assert (event.frame, event.origin and event.origin.stream_id, event.before) == (406, "operator", "b")


def test_what_is_held_is_freed_by_nothing_else(repo: Repo) -> None:
    hold(repo)
    merge(repo, says("w0", "o"))
    merge(repo, says("w1", "a", 406), says("w2", "b", 406, 1))
    merge(repo, says("w3", "c", 407, 2))
    assert bio(repo) == "o"
    merge(repo, asks(408, decides("b", 406)))
    assert (bio(repo), state(repo, "conflicts.json")) == ("b", {})
    merge(repo, says("w1", "late", 406, 3), says("w1", "next", 409, 4))
    assert (bio(repo), state(repo, "conflicts.json")) == ("next", {})
    merge(repo, says("w4", "other", 409, 5))
    assert (bio(repo), list(state(repo, "conflicts.json"))) == ("b", ["agents"])


def test_what_was_written_in_its_frame_and_before_loses_also_when_it_comes_late(repo: Repo) -> None:
    merge(repo, says("w1", "a"), says("w2", "b", second=1))
    merge(repo, says("w3", "d", 406, 59), asks(406, decides("c")))
    assert bio(repo) == "c"
    receipts = merge(repo, says("w4", "e", 405, 58), says("w5", "f", 406, 57))
    assert (bio(repo), state(repo, "conflicts.json")) == ("c", {})
    assert {one["operations"][0]["outcome"] for one in receipts} == {"superseded"}
    merge(repo, says("w4", "g", 408, 0))
    assert bio(repo) == "c"  # by its clock, a later frame's write is older
    merge(repo, delta("w4", 409, "2026-03-25T03:40:00Z", profile_updates=[{"agent_id": "aria", "bio": "h"}]))
    assert bio(repo) == "h"


def test_a_condition_of_the_frame_that_resolves_is_told_what_was_decided(repo: Repo) -> None:
    merge(repo, says("w1", "a"), says("w2", "b", second=1))
    receipts = merge(repo, says("w3", "d", 406, 2, _expect={"bio": "b"}), asks(406, decides("c"), seconds=59))
    (told,) = (one["operations"][0] for one in receipts if one["stream_id"] == "w3")
    assert (bio(repo), told["reason"]) == ("c", "not_as_expected")
    assert (told["detail"]["fields"]["bio"]["stands"], told["detail"]["fields"]["bio"]["by"]) == ("c", "operator")


def test_of_two_records_under_one_key_the_first_is_confirmed(repo: Repo) -> None:
    post = {"number": 1, "title": "a", "channel": "c", "author": "aria"}
    merge(repo, says("w0", "x"), delta("w9", channels_updated=[{"slug": "c", "name": "C"}]))
    merge(repo, delta("w1", 406, posts_created=[post]), delta("w2", 406, posts_created=[{**post, "title": "b"}]))
    ((key, fields),) = state(repo, "conflicts.json")["posts"].items()
    request = {"op": "resolve", "collection": "posts", "key": key, "field": "*", "frame": fields["*"]["frame"]}
    told = merge(repo, asks(407, {**request, "value": 1}))
    assert outcomes(told) == ["operator: applied; resolve refused cannot_be_set"]
    told = merge(repo, asks(408, request))
    assert outcomes(told) == ["operator: applied; resolve applied resolved"]
    assert state(repo, "conflicts.json") == {}


@pytest.mark.parametrize(
    ("request_", "stream", "outcome"),
    [
        (decides("c"), "w1", "refused not_an_operator"),
        (decides("c", frame=404), "operator", "refused no_open_conflict"),
        (decides("c", name="name"), "operator", "refused no_open_conflict"),
        (decides("c", collection="agent"), "operator", "refused no_open_conflict"),
        (decides(3), "operator", "refused cannot_be_set"),
        ({name: one for name, one in decides().items() if name != "value"}, "operator", "refused cannot_be_set"),
    ],
)
def test_what_cannot_be_decided_changes_nothing(
    repo: Repo, request_: dict[str, Any], stream: str, outcome: str
) -> None:
    merge(repo, says("w1", "a"), says("w2", "b", second=1))
    before = state(repo, "conflicts.json")
    assert outcomes(merge(repo, asks(406, request_, stream=stream))) == [f"{stream}: applied; resolve {outcome}"]
    assert (bio(repo), state(repo, "conflicts.json")) == ("b", before)


def test_of_two_decisions_in_one_frame_the_first_by_rank_counts(repo: Repo) -> None:
    merge(repo, says("w1", "a"), says("w2", "b", second=1))
    told = merge(repo, asks(406, decides("c"), decides("e")))
    assert outcomes(told) == ["operator: applied; resolve applied resolved; resolve refused decided_before"]
    assert bio(repo) == "c"


def test_a_conflict_that_a_later_write_settled_is_no_longer_open(repo: Repo) -> None:
    merge(repo, says("w1", "a"), says("w2", "b", second=1))
    merge(repo, says("w1", "c", 406, 2))
    told = merge(repo, asks(407, decides("d")))
    assert (outcomes(told), bio(repo)) == (["operator: applied; resolve refused no_open_conflict"], "c")


# --- order


def write(stream: str, frame: int, instant: int, value: Any, resolves: bool = False) -> Write:
    origin = Origin(instant, stream, f"{stream}{frame}{instant}", frame, f"2026-03-25T03:00:{instant:02d}Z")
    clock = origin._replace(instant=1_774_407_600_000_000 + instant * 1_000_000)
    return Write(clock, 0, value, frame, resolves=resolves)


WRITES = [
    write("w1", 5, 9, "a"), write("w2", 6, 1, "b"), write("op", 6, 2, "R", resolves=True),
    write("w3", 7, 4, "c"), write("w4", 7, 3, "d"), write("w1", 6, 30, "e"),
]  # fmt: skip


IN_STEP = [write(one.origin.stream_id, one.origin.frame, one.origin.frame * 6 + at, one.value, one.resolves)
           for at, one in enumerate(WRITES)]  # fmt: skip
"""The same, with no clock that runs against the frames."""


@pytest.mark.parametrize(
    ("name", "writes", "stands"),
    [
        ("latest", IN_STEP, "d"), ("first", IN_STEP, "c"), ("hold", IN_STEP, "R"), ("max", IN_STEP, "d"),
        ("first", WRITES, "d"), ("hold", WRITES, "R"), ("max", WRITES, "d"), ("min", WRITES, "c"),
    ],
)  # fmt: skip
def test_in_any_order_and_in_any_runs_a_resolution_leaves_the_same_value(
    name: str, writes: list[Write], stands: str
) -> None:
    values = set()
    for runs in [*product(range(3), repeat=len(writes)), *permutations(range(len(writes)))]:
        value, clock = "before", None
        for run_ in range(len(writes)):
            group = sorted(
                (one for one, its in zip(writes, runs, strict=True) if its == run_), key=lambda one: one.rank
            )
            if group:
                settled = settle(Policy(name), value, clock, group)
                value, clock = settled.value, settled.clock
        values.add(compact(value))
    assert values == {compact(stands)}


# --- the command


def test_the_command_lists_shows_and_decides(repo: Repo) -> None:
    here = ("--repo", repo.path)
    assert run("conflicts", "list", *here).out == "0 open conflicts.\n"
    merge(repo, says("w1", "a"), says("w2", "b", second=1))
    page = (
        'agents "aria", field bio\n'
        '    w1 at 2026-03-25T03:10:00Z: "a"\n'
        '    w2 at 2026-03-25T03:10:01Z: "b"\n'
        '    stands: "b" (the latest write)\n'
    )
    assert page in run("conflicts", "list", *here).out
    assert page in run("conflicts", "show", "agents", "aria", *here).out
    assert "0 open" in run("conflicts", "list", "--collection", "posts", *here).out
    (one,) = run("conflicts", "show", "agents", "aria", "bio", "--json", *here).json
    assert (one["collection"], one["field"], one["value"], one["policy"]) == ("agents", "bio", "b", "latest")
    done = run("conflicts", "resolve", "agents", "aria", "bio", "--take", "w1", *here)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith('Asked: `agents` "aria", field `bio`, comes to the string "a".\n')
    assert run("merge", *here).code == 0
    assert (bio(repo), run("conflicts", "list", *here).out) == ("a", "0 open conflicts.\n")


@pytest.mark.parametrize(("options", "value"), [(("--value", '"x"'), "x"), (("--keep",), "b"), (("--take", "w2"), "b")])
def test_what_it_asks_is_decided(repo: Repo, options: tuple[str, ...], value: str) -> None:
    merge(repo, says("w1", "a"), says("w2", "b", second=1))
    said = run("conflicts", "resolve", "agents", "aria", "bio", *options, "--json", "--repo", repo.path)
    assert said.json["asked"] == [decides(value)]
    assert run("merge", "--repo", repo.path).code == 0
    assert (bio(repo), state(repo, "conflicts.json")) == (value, {})


@pytest.mark.parametrize(
    ("arguments", "letter"),
    [
        (("show", "agents", "zoe"), 'There is no open conflict of `agents` "zoe". Open there: `aria`.'),
        (("resolve", "agents", "aria", "name", "--keep"), "field `name`. Open there: `bio`."),
        (("resolve", "agents", "aria", "bio", "--take", "w3"), "`w3` wrote nothing to this field. The candidates are"),
        (("resolve", "agents", "aria", "bio", "--value", "sage"), '--value "sage" is not JSON; text stands in quotes'),
        (("resolve", "agents", "aria", "bio"), "one of --value, --take and --keep"),
        (("resolve", "agents", "aria", "bio", "--keep", "--take", "w1"), "one of --value, --take and --keep"),
    ],
)
def test_a_mistake_is_told(repo: Repo, arguments: tuple[str, ...], letter: str) -> None:
    merge(repo, says("w1", "a"), says("w2", "b", second=1))
    said = run("conflicts", *arguments, "--repo", repo.path)
    assert (said.code, said.out) == (1, "")
    assert letter in said.err


def test_a_decision_that_comes_as_of_the_conflict_s_own_frame_closes_it_too(repo: Repo) -> None:
    merge(repo, says("w1", "a"), says("w2", "b", second=1))
    assert outcomes(merge(repo, asks(405, decides("c")))) == ["operator: late; resolve applied resolved"]
    assert (bio(repo), state(repo, "conflicts.json")) == ("c", {})
