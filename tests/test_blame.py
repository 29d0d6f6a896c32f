"""Blame: each field's value is the work of the delta that really set it, says an oracle that reads plain files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from merge_bot.errors import RepositoryError
from merge_bot.history import History
from tests import past
from tests.past import ALL, FIRST, begin, key_of, landing, made, manifest, merge, put, values
from tests.repo import Repo

FRAMES = 12
LAST = FIRST + FRAMES - 1
GENESIS = ("genesis", None)
By = tuple[Any, Any]


class Write(NamedTuple):
    """One operation, in the order that ranks writes."""

    instant: float
    stream: str
    delta: str
    index: int
    frame: int
    entered: int
    collection: str
    record: Any

    @property
    def rank(self) -> tuple[float, str, str, int]:
        return self[:4]

    @property
    def by(self) -> By:
        return (self.entered, self.delta)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    return past.story(tmp_path_factory.mktemp("past"), FRAMES)


@pytest.fixture(scope="module")
def writes(world: Repo) -> list[Write]:
    """Every operation that entered a frame, with the frame: what was parked entered when it no longer was."""
    waits = {
        frame: {(one["delta"], one["index"]) for one in past.lines(world, landing(world, frame), "state/parked.jsonl")}
        for frame in range(FIRST, LAST + 1)
    }
    found = []
    for frame in range(FIRST, LAST + 1):
        for row in manifest(world, frame)["deltas"]:
            if row["outcome"] not in ("applied", "late"):
                continue
            data = (world.path / row["file"]).read_bytes()
            assert sha256(data).hexdigest() == row["delta"]
            value = json.loads(data)
            instant = datetime.fromisoformat(value["utc"]).timestamp()
            records = [
                (name, record)
                for name, content in value.items()
                if name in ALL
                for record in (content if isinstance(content, list) else [{k: v} for k, v in content.items()])
            ]
            for index, (name, record) in enumerate(records):
                after = [one for one in waits if one >= frame and (row["delta"], index) not in waits[one]]
                if after:
                    origin = (instant, value["stream_id"], row["delta"], index, value["frame"])
                    found.append(Write(*origin, min(after), name, record))
    return sorted(found)


def expected(
    name: str,
    key: str,
    now: Any,
    before: Any,
    writes: list[Write],
    rules: dict[str, Any] | None = None,
    key_of: Callable[[str, Any], str] = key_of,
) -> dict[str, list[By]]:
    """Who stands behind each field of a record (of sets and observations behind each member's content)."""
    ours = [one for one in writes if one.collection == name and key_of(name, one.record) == key]
    ours.sort(key=lambda one: (one.entered, one.rank))
    rules = rules or ALL[name]
    rule = rules["x-merge"]["strategy"]
    if rule == "append":
        return {"*": [ours[0].by if before is None else GENESIS]}
    if rule in ("observe", "union"):
        return {"*": _members(rule, ours)}
    if rule == "sum":
        there: list[By] = [GENESIS] if before else []
        return {
            field: (there if field == "a" else []) + [one.by for one in ours if field in one.record] for field in now
        }
    keys = set(rules["x-merge"]["key"])
    return {field: _field(field in keys, field, rules, ours, before or {}) for field in now}


def _members(rule: str, ours: list[Write]) -> list[By]:
    seen, by = set(), []
    for one in ours:
        content = json.dumps(one.record, sort_keys=True)
        if rule == "observe" or content not in seen:
            by.append((one.entered, (one.delta, content)))
        seen.add(content)
    return by


def _field(is_key: bool, field: str, rules: dict[str, Any], ours: list[Write], before: dict[str, Any]) -> list[By]:
    there = [GENESIS] if field in before else []
    wrote = [one for one in ours if field in one.record]
    rule = rules["properties"].get(field, {}).get("x-merge", {})
    if is_key:
        return there or [min(ours, key=lambda one: (one.entered, one.rank)).by]
    if rule.get("strategy") == "sum":
        return there + [one.by for one in wrote]
    if rule.get("strategy") == "union":
        by, known = list(there), set(before.get(field, ()))
        for _, group in groupby(wrote, key=lambda one: one.entered):
            ones = list(group)
            by += [one.by for one in ones if (one is wrote[0] and not there) or not known.issuperset(one.record[field])]
            known |= {member for one in ones for member in one.record[field]}
        return by
    if rule.get("on_conflict") == "hold":
        stands = None
        ranked = sorted(wrote, key=lambda one: (one.frame, one.rank))
        for _, group in groupby(ranked, key=lambda one: one.frame):
            ones = list(group)
            if len({one.stream for one in ones}) > 1 and len({one.record[field] for one in ones}) > 1:
                break
            stands = ones[-1]
        return [stands.by] if stands else there
    return [max(wrote, key=lambda one: one.rank).by] if wrote else there


@pytest.mark.parametrize("last", [FIRST + 4, LAST])
def test_every_field_is_the_work_of_the_delta_that_set_it(world: Repo, writes: list[Write], last: int) -> None:
    so_far = [one for one in writes if one.entered <= last]
    at_first, now = values(world, landing(world, FIRST - 1)), values(world, landing(world, last))
    compared: Counter[str] = Counter()
    with History(world.path) as history:
        for name, records in now.items():
            many = ALL[name]["x-merge"]["strategy"] in ("observe", "union")
            for key, ones in records.items():
                before = at_first[name].get(key, [None])[0]
                life = history.blame(name, key, last)
                found = {
                    field: [(one.kind, None) if one.origin is None else (one.frame, one.origin.digest) for one in by]
                    for field, by in life.fields.items()
                }
                wanted = expected(name, key, ones[0], before, so_far)
                if many:
                    life_of = life.fields["*"]
                    contents = [json.dumps(one.value, sort_keys=True) for one in life_of]
                    found = {
                        "*": [
                            (one.frame, (one.origin.digest, content))
                            for one, content in zip(life_of, contents, strict=True)
                            if one.origin
                        ]
                    }
                    found = {field: sorted(by, key=str) for field, by in found.items()}
                    wanted = {field: sorted(by, key=str) for field, by in wanted.items()}
                assert found == wanted, (name, key)
                assert sorted(life.record, key=past.document) == ones if many else [life.record] == ones
                compared[name] += 1
    assert set(compared) == set(ALL) and compared.total() > 30


def test_a_life_is_told_from_the_beginning(tmp_path: Path) -> None:
    repo = begin(Repo.init(tmp_path / "repo"))
    put(repo, "frame-5-w1.json", made("w1", 5, 2, agents=[{"id": "kai", "bio": "a", "karma": 2}]))
    put(repo, "frame-5-w2.json", made("w2", 5, 1, agents=[{"id": "kai", "bio": "b"}]))
    merge(repo, 5)
    put(repo, "frame-5-w3.late.json", made("w3", 5, 0, "late", agents=[{"id": "kai", "bio": "c"}]))
    put(repo, "frame-6-w1.json", made("w1", 6, 1, agents=[{"id": "kai", "karma": 3}]))
    merge(repo, 6)
    with History(repo.path) as history:
        events = history.blame("agents", "kai").events
    told = [
        (one.frame, one.field, one.wrote, one.value, one.before, one.origin and one.origin.stream_id, one.late)
        for one in events
        if one.kind == "merge"
    ]
    assert told == [
        (5, "bio", "b", "b", told[0][4], "w2", False),
        (5, "karma", 2, 3, 1, "w1", False),
        (6, "bio", "c", "c", "b", "w3", True),
        (6, "karma", 3, 6, 3, "w1", False),
    ]
    assert "before" not in next(one for one in events if one.field == "bio").as_json()
    assert {one.field: one.value for one in events if one.kind == "genesis"} == {
        "id": "kai", "name": "Kai", "mood": "calm", "karma": 1,
    }  # fmt: skip


def test_of_a_record_that_never_was_it_says_so(world: Repo) -> None:
    with History(world.path) as history, pytest.raises(RepositoryError) as caught:
        history.blame("agents", "nobody")
    assert str(caught.value) == (
        f'There is no `agents` "nobody" as of frame {LAST}, and no frame up to then wrote one.'
    )


def test_what_a_rollback_brought_back_is_the_work_of_who_had_set_it(tmp_path: Path) -> None:
    from merge_bot.clone import Clone
    from merge_bot.rollback import roll_back

    repo = begin(Repo.init(tmp_path / "repo"))
    for frame, bio in ((5, "a"), (6, "b")):
        log = [{"id": bio, "t": bio}]
        agents = [{"id": "kai", "bio": bio, "karma": frame, "tags": [bio]}]
        put(repo, f"frame-{frame}-w{frame}.json", made(f"w{frame}", frame, 1, agents=agents, log=log))
        merge(repo, frame)
    with Clone.open(str(repo.path)) as clone:
        roll_back(clone, 5, past.NOON)
    with History(repo.path) as history:
        life = history.blame("agents", "kai")
        assert life.record == history.state(5).record("agents", "kai")
        behind = {name: [one.origin and one.origin.stream_id for one in by] for name, by in life.fields.items()}
        assert behind == {
            "id": [None], "name": [None], "mood": [None], "bio": ["w5"], "karma": [None, "w5"], "tags": ["w5"],
        }  # fmt: skip
        assert [(one.frame, one.value) for one in life.events if one.kind == "rollback" and one.field == "bio"] == [
            (7, "a")
        ]
        gone = history.blame("log", '[0,"b"]')
        assert (gone.record, gone.fields, [one.frame for one in gone.events]) == (None, {}, [6, 7])


def test_what_is_parked_counts_from_the_frame_that_lets_it_in(tmp_path: Path) -> None:
    repo = begin(Repo.init(tmp_path / "repo"))
    put(repo, "frame-5-w1.json", made("w1", 5, 2, agents=[{"id": "kai", "karma": 10, "friend": "zoe"}]))
    put(repo, "frame-5-w2.json", made("w2", 5, 1, agents=[{"id": "kai", "karma": 100}]))
    merge(repo, 5)
    put(repo, "frame-6-w3.json", made("w3", 6, 1, agents=[{"id": "zoe", "name": "Zoe"}]))
    merge(repo, 6)
    with History(repo.path) as history:
        behind = {
            frame: [
                (one.frame, one.origin and one.origin.stream_id, one.late)
                for one in history.blame("agents", "kai", frame).fields["karma"]
            ]
            for frame in (5, 6)
        }
    assert behind[5] == [(4, None, False), (5, "w2", False)]
    assert behind[6] == [*behind[5], (6, "w1", True)]
