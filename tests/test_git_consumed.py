"""Consumed inbox files leave the work tree, while workers write the next ones under the same names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from merge_bot.git import checkout, consumed, files
from merge_bot.tree import object_id
from tests.move import Move, tree


def test_an_overwritten_inbox_file_survives_for_the_next_merge(move: Move) -> None:
    repo = move.repo
    repo.write("in/one", b"a newer delta")
    assert move.in_the_way() == []
    move.go()
    assert (repo.status, tree(repo)) == (["?? in/one"], move.after | {"in/one": b"a newer delta"})
    assert [ref for ref in repo.refs() if "dreamcatcher" in ref] == []
    with repo.opened() as found:
        assert list(found.untracked_and_changed(move.new, "in").changed) == ["in/one"]


def test_an_inbox_file_that_is_something_else_now_is_left_there(move: Move) -> None:
    repo = move.repo
    for path in ("in/one", "in/two"):
        (repo.path / path).unlink()
    (repo.path / "in/one").symlink_to("two")
    repo.write("in/two/x", b"1")
    assert move.in_the_way() == []
    move.go()
    assert repo.status == ["?? in/one", "?? in/two/x"]
    assert tree(repo) == move.after | {"in/one": b"two", "in/two/x": b"1"}


WHEN = ["before the look", "after the look", "after the rename", "before read-tree"]


@pytest.mark.parametrize("when", WHEN)
def test_a_worker_that_overwrites_at_any_moment_loses_nothing(
    move: Move, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    repo = move.repo
    place = repo.path / "in/one"

    def overwrite() -> None:
        (repo.path / "in/.one.tmp").write_bytes(b"newer")
        os.replace(repo.path / "in/.one.tmp", place)

    holds, rename, write_index = consumed._holds, files.rename, checkout.Checkout._write
    done = []

    def once() -> None:
        if not done:
            done.append(True)
            overwrite()

    def meddling_holds(path: bytes, object_format: str) -> str | None:
        if when == "before the look" and path == os.fsencode(place):
            once()
        found = holds(path, object_format)
        if when == "after the look" and path == os.fsencode(place):
            once()
        return found

    def meddling_rename(source: bytes, target: bytes) -> bool:
        moved = rename(source, target)
        if when == "after the rename" and source == os.fsencode(place):
            once()
        return moved

    def meddling_write(self: checkout.Checkout, *arguments: str, **options: object) -> None:
        if when == "before read-tree" and arguments[0] == "update-index":
            write_index(self, *arguments, **options)  # type: ignore[arg-type]
            once()
            return
        write_index(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(consumed, "_holds", meddling_holds)
    monkeypatch.setattr(files, "rename", meddling_rename)
    monkeypatch.setattr(checkout.Checkout, "_write", meddling_write)
    move.go()
    assert done
    assert (repo.status, tree(repo)) == (["?? in/one"], move.after | {"in/one": b"newer"})


def test_a_version_that_was_taken_aside_never_goes_back_over_a_newer_one(
    move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = move.repo
    place = repo.path / "in/one"
    versions = iter([b"second", b"third"])
    holds, rename = consumed._holds, files.rename

    def meddling_holds(path: bytes, object_format: str) -> str | None:
        found = holds(path, object_format)
        if path == os.fsencode(place) and found == move.consumed["in/one"]:
            place.write_bytes(next(versions))
        return found

    def meddling_rename(source: bytes, target: bytes) -> bool:
        moved = rename(source, target)
        if source == os.fsencode(place):
            place.write_bytes(next(versions))
        return moved

    monkeypatch.setattr(consumed, "_holds", meddling_holds)
    monkeypatch.setattr(files, "rename", meddling_rename)
    move.go()
    (spare,) = set(tree(repo)) - set(move.after) - {"in/one"}
    assert tree(repo) == move.after | {"in/one": b"third", spare: b"second"}
    assert spare.startswith("in/one.") and sorted(repo.status) == ["?? in/one", f"?? {spare}"]


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    place = os.fsencode(tmp_path)
    files.write_durably(place + b"/file", b"1")
    os.symlink(b"file", place + b"/link")
    os.mkfifo(place + b"/fifo")
    for name in (b"link", b"fifo", b"", b"nothing", b"file/below"):
        assert files.open_regular(place + b"/" + name) is None
    with files.open_regular(place + b"/file") or open(os.devnull, "rb") as file:
        assert b"".join(files.pieces(file)) == b"1"


def test_what_was_left_aside_is_decided_before_another_file_is_taken(tmp_path: Path) -> None:
    place = os.fsencode(tmp_path / "delta.json")
    blob = object_id("blob", b"merged")
    spare = tmp_path / f"delta.{object_id('blob', b'other')[:12]}.json"
    for _ in range(2):  # the second time, the spare name has this very content already
        files.write_durably(place, b"merged")
        files.write_durably(consumed.aside_of(place), b"other")
        consumed.take_away(place, blob, "sha1")
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {spare.name: b"other"}
    spare.write_bytes(b"something else under that name")
    files.write_durably(place, b"merged")
    files.write_durably(consumed.aside_of(place), b"other")
    consumed.take_away(place, blob, "sha1")
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"other", b"something else under that name"]


def test_giving_back_works_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refused)
    source, target = os.fsencode(tmp_path / "a"), os.fsencode(tmp_path / "b")
    files.write_durably(source, b"1")
    assert files.give_back(source, target) and files.read(target) == b"1"
    files.write_durably(source, b"2")
    assert not files.give_back(source, target)
    assert (files.read(source), files.read(target)) == (b"2", b"1")
