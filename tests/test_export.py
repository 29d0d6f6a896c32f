"""Export: the state as of a frame in files for other tools, the same bytes for the same frame, nothing overwritten."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from merge_bot.clone import Clone
from merge_bot.errors import ExportFailed
from merge_bot.export import export
from merge_bot.export_sqlite import write_tables
from merge_bot.history import History
from tests.command import begun, deliver, delta, run
from tests.random_frames import grown
from tests.repo import Repo
from tests.world import MORNING


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = begun(Repo(tmp_path / "repo"))
    deliver(
        repo,
        delta(
            "w1",
            profile_updates=[{"agent_id": "agent-aria", "name": "Aria", "tags": ["b", "a"]}],
            channels_updated=[{"slug": "a", "name": "A"}],
            posts_created=[{"number": 2, "title": "t", "channel": "a", "author": "agent-aria"}],
            stats_increments={"total_posts": 1},
        ),
        delta("w2", profile_updates=[{"agent_id": "agent-aria", "name": "Arya"}]),
        delta("w3", posts_created=[{"number": 3, "title": "t", "channel": "nowhere", "author": "agent-aria"}]),
    )
    with Clone.open(str(repo.path)) as clone:
        clone.merge(MORNING.replace(day=26))
    return repo


def read(folder: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_bytes()) for path in folder.iterdir()}


def test_a_folder_has_a_json_file_a_collection(repo: Repo, tmp_path: Path) -> None:
    said = run("export", 405, "--to", tmp_path / "out", "--repo", repo.path, "--json")
    assert (said.code, said.json["form"]) == (0, "folder")
    found = read(tmp_path / "out")
    assert {name: len(value) for name, value in found.items() if not name.startswith("_")} == said.json["records"]
    assert [one["agent_id"] for one in found["agents"]] == ["agent-aria"]
    assert found["posts"] == [{"number": 2, "title": "t", "channel": "a", "author": "agent-aria"}]
    assert found["stats"] == {"total_posts": 1}
    assert found["_frame"]["frame"] == 405
    assert found["_frame"]["commit"] == repo.head
    assert [one["record"]["number"] for one in found["_parked"]] == [3]
    assert list(found["_conflicts"]["agents"]["agent-aria"]) == ["name"]


def test_a_tar_of_the_same_frame_has_the_same_bytes(repo: Repo, tmp_path: Path) -> None:
    for name in ("one.tar", "two.tar"):
        assert run("export", 405, "--to", tmp_path / name, "--repo", repo.path).code == 0
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    run("export", 405, "--to", tmp_path / "out", "--repo", repo.path)
    with tarfile.open(tmp_path / "one.tar") as archive:
        inside = {one.name: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]
        assert {(one.uid, one.gid, one.mode, one.mtime) for one in archive} == {(0, 0, 0o644, 1774494000)}
    assert inside == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_a_database_has_a_table_a_collection(repo: Repo, tmp_path: Path) -> None:
    assert run("export", 405, "--to", tmp_path / "out.sqlite", "--repo", repo.path).code == 0
    with sqlite3.connect(tmp_path / "out.sqlite") as database:
        database.row_factory = sqlite3.Row
        rows = {
            name: [dict(row) for row in database.execute(f'SELECT * FROM "{name}"')]
            for (name,) in database.execute("SELECT name FROM sqlite_master").fetchall()
        }
    database.close()
    assert rows["posts"] == [{"number": 2, "title": "t", "channel": "a", "author": "agent-aria"}]
    assert rows["stats"] == [{"counter": "total_posts", "value": 1}]
    assert json.loads(rows["agents"][0]["tags"]) == ["a", "b"]
    assert [row["frame"] for row in rows["_frame"]] == [405]
    assert [(row["collection"], row["key"], row["field"]) for row in rows["_conflicts"]] == [
        ("agents", "agent-aria", "name")
    ]
    assert len(rows["_parked"]) == 1


def test_every_form_holds_every_record_of_every_strategy_and_layout(tmp_path: Path) -> None:
    grown(tmp_path / "repo", 6, 11)
    with History(str(tmp_path / "repo")) as history:
        counts = {name: count for name, count in history.manifest(6).counts.items() if count}
        for name in ("out", "out.tar", "out.sqlite"):
            done = export(history, 6, tmp_path / name)
            assert {one: count for one, count in done.records.items() if count} == counts
    assert {name: len(value) for name, value in read(tmp_path / "out").items() if name in counts} == counts


def test_nothing_is_overwritten_without_force(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    for name in ("one.tar", "one.sqlite"):
        (tmp_path / name).write_text("mine")
    os.symlink(tmp_path / "nowhere", tmp_path / "link.tar")
    for name in ("full", "one.tar", "one.sqlite", "link.tar"):
        said = run("export", 405, "--to", tmp_path / name, "--repo", repo.path)
        assert (said.code, said.err) == (
            1,
            f"{tmp_path / name} is there already, so nothing was written. "
            "Name another place, or overwrite it with --force.\n",
        )
    assert (tmp_path / "one.tar").read_text() == "mine"
    for name in ("full", "one.tar", "one.sqlite"):
        assert run("export", 405, "--to", tmp_path / name, "--force", "--repo", repo.path).code == 0
    assert (tmp_path / "full/mine").read_text() == "mine"
    assert (tmp_path / "one.sqlite").read_bytes().startswith(b"SQLite format 3")


def test_what_cannot_be_exported_leaves_nothing(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.tar").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for frame, name, start in (
        (405, "file", f"{tmp_path / 'file'} is a file"),
        (405, "folder.tar", f"{tmp_path / 'folder.tar'} is a folder"),
        (405, "file/below.tar", f"{tmp_path / 'file/below.tar'} cannot be written"),
        (999, "new", "There is no frame 999"),
    ):
        said = run("export", frame, "--to", tmp_path / name, "--repo", repo.path)
        assert (said.code, said.err[: len(start)]) == (1, start)
    assert sorted(tmp_path.rglob("*")) == before


def test_without_the_library_a_letter_says_what_to_install(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sqlite_utils", None)
    monkeypatch.delitem(sys.modules, "merge_bot.export_sqlite")
    with History(str(repo.path)) as history, pytest.raises(ExportFailed, match=r"pip install 'dreamcatcher\[sqlite\]'"):
        export(history, 405, tmp_path / "out.sqlite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["repo"]


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([], []),
        ([{}], [(None,)]),
        ([{"a": 1}, {"b": 2}], [(1, None), (None, 2)]),
        ([{"a": 1, "A": 2}], [(2, 1)]),
        ([{'"; DROP TABLE t; --': 1, "": 2, "[x]": 3}], [(2, 1, 3)]),
        ([{"n": 2**63}, {"n": -(2**63)}, {"n": 0.5}], [("9223372036854775808",), ("-9223372036854775808",), ("0.5",)]),
        ([{"n": 2**63 - 1}, {"n": True}, {"n": None}], [(2**63 - 1,), (1,), (None,)]),
        ([{"v": {"b": 1, "a": [None]}}], [('{"a":[null],"b":1}',)]),
        ([{"_more": "mine"}], [("mine",)]),
    ],
)
def test_rows_that_sqlite_would_stumble_over(tmp_path: Path, rows: list[Any], wanted: list[Any]) -> None:
    assert write_tables(tmp_path / "a.db", [("t", lambda: iter(rows))]) == {"t": len(rows)}
    with sqlite3.connect(tmp_path / "a.db") as database:
        assert database.execute("SELECT * FROM t").fetchall() == wanted
    database.close()


def test_more_fields_than_columns(tmp_path: Path) -> None:
    rows = [{f"f{number:05}": number for number in range(2500)}]
    write_tables(tmp_path / "a.db", [("t", lambda: iter(rows))])
    with sqlite3.connect(tmp_path / "a.db") as database:
        (row,) = database.execute("SELECT f00000, f00899, _more FROM t").fetchall()
    database.close()
    assert (row[0], row[1], len(json.loads(row[2]))) == (0, 899, 1600)
