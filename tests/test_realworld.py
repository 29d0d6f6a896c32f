"""Deltas and state of systems that ran this protocol before, as they really were. Skipped where they do not lie."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from merge_bot.clone import Clone
from merge_bot.findings import Outcome, Reason
from merge_bot.frame import Result
from merge_bot.git import Repository
from merge_bot.resources import example_schemas
from tests.command import run
from tests.repo import Repo

REAL = Path(__file__).parent.parent.parent / "shared" / "realworld"
NOW = datetime(2026, 4, 10, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the real data does not lie beside this checkout")

OTHER_KEYS = [
    "stream_type", "engine", "agents_activated", "reactions_added", "reactions_added_count", "discussions_engaged",
    "soul_files_updated", "observations", "seed_evolution", "errors",
]  # fmt: skip
SETTINGS = f"delta:\n  aliases: {{completed_at: utc}}\n  ignore: {json.dumps(OTHER_KEYS)}\n"
LIBRARY = {
    "x-merge": {"strategy": "append", "key": ["pk"], "layout": "file", "path": "state.json"},
    "type": "object",
    "properties": {"pk": {"type": "string"}},
    "required": ["pk"],
}


def merged(root: Path, files: dict[str, bytes], deltas: Path, frame: int) -> Result:
    """A repository with these files and a genesis, and everything in `deltas` merged into it."""
    Repository.create(root).close()
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    with Clone.open(str(root)) as clone:
        commit_everything(clone, files)
        clone.begin(clone.plan({}, {}, NOW, frame), NOW)
        for path in deltas.iterdir():
            shutil.copy(path, root / "state" / "stream_deltas" / path.name)
        result = clone.merge(NOW)
        status = clone.repository.untracked_and_changed(clone.tip, "state")
        assert (status.changed, status.deleted) == ({}, [])
        return result


def commit_everything(clone: Clone, files: dict[str, bytes]) -> None:
    repository = clone.repository
    commit = repository.write_commit(None, files, "what was there before\n", clone.author(), 0)
    assert repository.compare_and_swap(clone.ref, commit, None)
    repository.index_add({path: repository.entry_at(commit, path) for path in files})


def test_every_real_delta_has_a_receipt_and_each_drift_a_letter(tmp_path: Path) -> None:
    files = {f"schemas/{name}": data for name, data in example_schemas().items()}
    files[".github/dreamcatcher.yml"] = SETTINGS.encode()
    deltas = REAL / "deltas-rappterbook"
    result = merged(tmp_path / "repo", files, deltas, 500)
    assert result.frame is not None
    receipts = {Path(receipt.source).name: receipt for receipt in result.frame.receipts}
    assert receipts.keys() == {path.name for path in deltas.iterdir()}
    assert {name: receipt.outcome for name, receipt in receipts.items()} == dict.fromkeys(receipts, Outcome.QUARANTINED)
    reasons = {name: {problem.reason for problem in receipt.problems} for name, receipt in receipts.items()}
    assert reasons["frame-138-solo-b.json"] == {Reason.SCHEMA_VIOLATION}
    assert Reason.NO_KEY in reasons["frame-473-stream-1.json"] | reasons["frame-474-stream-2.json"]
    for receipt in receipts.values():
        for problem in receipt.problems:
            assert problem.line
            assert problem.remedy or "did you mean" in problem.message
    kept = {path.read_bytes() for path in (tmp_path / "repo/state/frames/000/000500/quarantine").iterdir()}
    assert kept == {path.read_bytes() for path in deltas.iterdir()}


def test_a_schema_in_the_words_of_the_deltas_takes_the_well_formed_ones(tmp_path: Path) -> None:
    """The same deltas under schemas of their own shape: posts enter, except where they are bare numbers."""
    post = {
        "x-merge": {"strategy": "append", "delta": ["posts_created"], "key": ["number"]},
        "type": "object",
        "properties": {"number": {"type": "integer"}},
        "required": ["number"],
    }
    files = {"schemas/posts.schema.json": json.dumps(post).encode()}
    ignore = [*OTHER_KEYS, "comments_added"]
    files[".github/dreamcatcher.yml"] = SETTINGS.replace(json.dumps(OTHER_KEYS), json.dumps(ignore)).encode()
    deltas = REAL / "deltas-rappterbook"
    result = merged(tmp_path / "repo", files, deltas, 500)
    assert result.frame is not None
    good, bare = set(), set()
    for path in deltas.iterdir():
        posts = json.loads(path.read_text())["posts_created"]
        (good if all(isinstance(one, dict) for one in posts) else bare).add(path.name)
    outcomes = {Path(one.source).name: one.outcome for one in result.frame.receipts}
    assert outcomes == dict.fromkeys(good, Outcome.LATE) | dict.fromkeys(bare, Outcome.QUARANTINED)
    numbers = {one["number"] for name in good for one in json.loads((deltas / name).read_text())["posts_created"]}
    segment = tmp_path / "repo/state/posts/000/000500.jsonl"
    assert {json.loads(line)["number"] for line in segment.read_text().splitlines()} == numbers


@pytest.mark.parametrize("case", ["2026-04-05-7bbae7f4", "2026-04-05-ef2fe6e9"])
def test_the_keys_that_we_add_are_those_of_the_deltas(tmp_path: Path, case: str) -> None:
    """Real merges by another implementation: articles and threads in one file, by JSON pointer."""
    before = (REAL / "rar" / case / "state_before.json").read_bytes()
    after = json.loads((REAL / "rar" / case / "state_after.json").read_bytes())
    files = {
        "state.json": before,
        ".github/dreamcatcher.yml": SETTINGS.replace('"errors"', '"errors", "reviews_created"').encode(),
    }
    for name in ("articles", "threads"):
        rules: dict[str, Any] = LIBRARY | {
            "x-merge": LIBRARY["x-merge"] | {"delta": [f"{name}_created"], "pointer": f"/{name}"}  # type: ignore[operator]
        }
        files[f"schemas/{name}.schema.json"] = json.dumps(rules).encode()
    deltas = REAL / "rar" / case / "deltas"
    result = merged(tmp_path / "repo", files, deltas, 45)
    assert result.frame is not None
    assert result.frame.count(Outcome.QUARANTINED) == 0
    ours = json.loads((tmp_path / "repo" / "state.json").read_text())
    old = json.loads(before)
    for name in ("articles", "threads"):
        written = {one["pk"] for path in deltas.iterdir() for one in json.loads(path.read_text())[f"{name}_created"]}
        assert keys(ours[name]) - keys(old[name]) == written - keys(old[name])
        assert keys(after[name]) - keys(old[name]) <= written
        assert ours[name][: len(old[name])] == old[name]
    assert {name: value for name, value in ours.items() if name not in ("articles", "threads")} == {
        name: value for name, value in old.items() if name not in ("articles", "threads")
    }


@pytest.mark.parametrize("name", sorted(path.name for path in (REAL / "corrupted").glob("*.json")))
def test_corrupted_state_stops_the_merge_and_names_the_line(name: str) -> None:
    from merge_bot.errors import UnreadableState
    from merge_bot.state import parse_json

    data = (REAL / "corrupted" / name).read_bytes()
    try:
        json.loads(data)
    except ValueError:
        with pytest.raises(UnreadableState, match=rf"{name}:\d+"):
            parse_json(data, name)
    else:
        assert parse_json(data, name) == json.loads(data)


def adopted(root: Path, files: dict[str, Path], deltas: Path) -> Repo:
    """A repository with these files, and all that `init --adopt` makes of them and of the deltas."""
    repo = Repo.init(root)
    repo.commit({path: place.read_bytes() for path, place in files.items()})
    done = run("init", "--adopt", *(root / path for path in files), deltas)
    assert (done.code, done.err) == (0, "")
    for command in ("check", "verify", "merge"):
        assert run(command, "--repo", root).code == 0
    assert repo.status == []
    assert {path: (root / path).read_bytes() for path in files} == {
        path: place.read_bytes() for path, place in files.items()
    }
    return repo


def test_a_social_network_is_adopted_as_it_is_and_takes_its_deltas(tmp_path: Path) -> None:
    state, deltas = REAL / "state-rappterbook", REAL / "deltas-rappterbook"
    files = {f"state/{path.name}": path for path in sorted(state.iterdir())}
    repo = adopted(tmp_path / "repo", files, deltas)
    names = {path.name.removesuffix(".schema.json") for path in (repo.path / "schemas").iterdir()}
    assert names == {"agents", "channels", "comments", "posts", "stats"}
    rules = {name: json.loads((repo.path / f"schemas/{name}.schema.json").read_text())["x-merge"] for name in names}
    assert {name: one["strategy"] for name, one in rules.items()} == {
        "agents": "last-writer-wins",
        "channels": "last-writer-wins",
        "comments": "observe",
        "posts": "append",
        "stats": "sum",
    }
    assert {name: one["to"] for name, one in rules["posts"]["references"].items()} == {
        "author": "agents",
        "channel": "channels",
        "voters": "agents",
    }
    for path in sorted(deltas.iterdir()):
        shutil.copy(path, repo.path / "state/stream_deltas" / path.name)
    assert run("merge", "--repo", repo.path).code == 0
    for command in ("check", "verify"):
        assert run(command, "--repo", repo.path).code == 0
    ledger = [
        json.loads(line) for path in (repo.path / "state/_control/ledger").rglob("*.jsonl") for line in path.open()
    ]
    assert {one["outcome"] for one in ledger} == {"late"} and len(ledger) == len(list(deltas.iterdir()))
    text = files["state/posted_log.json"].read_text()
    log, before = json.loads((repo.path / "state/posted_log.json").read_text()), json.loads(text)
    assert log["posts"][: len(before["posts"])] == before["posts"]
    assert len(log["posts"]) > len(before["posts"])
    assert (repo.path / "state/posted_log.json").read_text() == json.dumps(log, indent=2) + "\n"
    others = [path for path in files if path != "state/posted_log.json"]
    assert [path for path in others if (repo.path / path).read_bytes() != files[path].read_bytes()] == []


@pytest.mark.parametrize("case", ["2026-04-05-7bbae7f4", "2026-04-05-ef2fe6e9"])
def test_several_collections_of_one_file_are_adopted_and_gain_what_the_deltas_bring(tmp_path: Path, case: str) -> None:
    before, deltas = REAL / "rar" / case / "state_before.json", REAL / "rar" / case / "deltas"
    repo = adopted(tmp_path / "repo", {"state.json": before}, deltas)
    for path in deltas.iterdir():
        shutil.copy(path, repo.path / "state/stream_deltas" / path.name)
    assert run("merge", "--repo", repo.path).code == 0
    assert run("check", "--repo", repo.path).code == run("verify", "--repo", repo.path).code == 0
    ours, old = json.loads((repo.path / "state.json").read_text()), json.loads(before.read_text())
    for name in ("articles", "threads"):
        written = {one["pk"] for path in deltas.iterdir() for one in json.loads(path.read_text())[f"{name}_created"]}
        assert ours[name][: len(old[name])] == old[name]
        assert keys(ours[name]) - keys(old[name]) == written - keys(old[name])
    assert {name: value for name, value in ours.items() if name not in ("articles", "threads")} == {
        name: value for name, value in old.items() if name not in ("articles", "threads")
    }


def keys(records: list[dict[str, Any]]) -> set[str]:
    return {one["pk"] for one in records if "pk" in one}
