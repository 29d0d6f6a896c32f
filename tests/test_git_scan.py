"""What lies in the work tree and nobody committed yet."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pytest

from merge_bot.git import Content, files, scan
from tests.repo import AUTHOR, BRANCH, Repo


def test_scan_names_what_is_new_changed_gone_and_odd(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    tip = repo.commit({"in/same": b"1", "in/changed": b"1", "in/gone": b"1", "in/deep/same": b"1", "in/mode": b"1",
                       "in/to-link": b"same", "in/to-folder": b"1", "out": b"1", "in/.gitkeep": b""})  # fmt: skip
    repo.write("in/changed", b"22")
    repo.write("in/new.json", b"333")
    repo.write("in/deep/er/new", b"4")
    repo.write("in/.new.json.tmp", b"half")
    repo.write("in/.deep.tmp/x", b"half")
    repo.write("in/.gitignore", b"*")
    repo.write("in/.hidden", b"5")
    repo.write("in/new.tmp", b"6")
    repo.write("in/nested/.git/config", b"")
    repo.write("in/nested/file", b"7")
    repo.write("out", b"2")
    (repo.path / "in/gone").unlink()
    (repo.path / "in/.gitkeep").unlink()
    (repo.path / "in/mode").chmod(0o755)
    (repo.path / "in/link").symlink_to("/etc/passwd")
    (repo.path / "in/folder-link").symlink_to("deep")
    (repo.path / "in/to-link").unlink()
    (repo.path / "in/to-link").symlink_to("same")
    (repo.path / "in/to-folder").unlink()
    repo.write("in/to-folder/x", b"8")
    os.mkfifo(repo.path / "in/fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(repo.path / "in")  # the names of sockets are short
        listening.bind("socket")
        with repo.opened() as found:
            local = found.untracked_and_changed(tip, "in")
    assert {path: (one.mode, one.size, one.read()) for path, one in local.changed.items()} == {
        "in/changed": ("100644", 2, b"22"),
        "in/new.json": ("100644", 3, b"333"),
        "in/deep/er/new": ("100644", 1, b"4"),
        "in/.hidden": ("100644", 1, b"5"),
        "in/new.tmp": ("100644", 1, b"6"),
        "in/nested/file": ("100644", 1, b"7"),
        "in/mode": ("100755", 1, b"1"),
        "in/link": ("120000", 11, b"/etc/passwd"),
        "in/folder-link": ("120000", 4, b"deep"),
        "in/to-link": ("120000", 4, b"same"),
        "in/to-folder/x": ("100644", 1, b"8"),
    }
    assert local.deleted == ["in/gone", "in/to-folder"]
    assert local.odd == {
        "in/fifo": "a FIFO", "in/socket": "a socket", "in/nested/.git": "a git repository inside this one",
    }  # fmt: skip
    assert sorted(local.folders) == ["in/deep", "in/deep/er", "in/nested", "in/to-folder"]


def test_scan_without_a_commit_and_of_nothing(repo: Repo) -> None:
    repo.write("in/a", b"1")
    with repo.opened() as found:
        assert list(found.untracked_and_changed(None, "in").changed) == ["in/a"]
        assert found.untracked_and_changed(None, "nowhere") == scan.LocalFiles()
        tip = repo.commit({"in/b": b"1"})
        assert found.untracked_and_changed(tip, "nowhere") == scan.LocalFiles()


def test_scan_does_not_follow_a_link_in_place_of_the_folder(repo: Repo) -> None:
    tip = repo.commit({"state/in/a": b"1", "elsewhere/in/b": b"1"})
    subprocess.run(["rm", "-r", repo.path / "state"], check=True)
    (repo.path / "state").symlink_to("elsewhere")
    with repo.opened() as found:
        local = found.untracked_and_changed(tip, "state/in")
    assert (local.changed, local.deleted, local.odd) == ({}, ["state/in/a"], {"state/in": "not a folder"})


def test_scan_takes_bytes_as_they_lie_there(repo: Repo) -> None:
    tip = repo.commit({".gitattributes": b"* text eol=lf filter=shout\n", "in/a": b"1\n"})
    repo.git("config", "filter.shout.clean", "tr a-z A-Z")
    repo.git("config", "core.autocrlf", "true")
    repo.write("in/a", b"1\r\n")
    with repo.opened() as found:
        local = found.untracked_and_changed(tip, "in")
        assert local.changed["in/a"].read() == b"1\r\n"
        made = found.write_commit(tip, {"in/a": Content("100644", b"1\r\n")}, "x\n", AUTHOR, 0)
        assert local.changed["in/a"].id == repo.files(made)["in/a"]


def test_exec_bits_mean_nothing_where_the_file_system_has_none(repo: Repo) -> None:
    repo.write("in/run", b"1").chmod(0o755)
    repo.git("add", ".")
    tip = repo.commit()
    repo.git("config", "core.fileMode", "false")
    (repo.path / "in/run").chmod(0o644)
    with repo.opened() as found:
        assert found.untracked_and_changed(tip, "in").changed == {}
        repo.write("in/run", b"2")
        assert found.untracked_and_changed(tip, "in").changed["in/run"].mode == "100755"


def test_scan_bears_files_that_vanish_change_or_turn_into_something_else(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gone", "growing", "swapped", "kept", "grown"):
        repo.write(f"in/{name}", name.encode())
    tip = repo.commit({"x": b"1"})
    look = files.look
    pieces = files.pieces

    def meddling_look(path: bytes) -> os.stat_result | None:
        info = look(path)
        if path.endswith(b"/in/gone"):
            os.unlink(path)
        if path.endswith(b"/in/swapped"):
            os.unlink(path)
            os.mkfifo(path)
        return info

    def meddling_pieces(file: BinaryIO, path: str = "in/growing") -> Iterator[bytes]:
        for piece in pieces(file):
            if piece.startswith(b"growing"):
                with (repo.path / path).open("ab") as more:
                    more.write(b"more")
            yield piece

    monkeypatch.setattr(files, "look", meddling_look)
    monkeypatch.setattr(files, "pieces", meddling_pieces)
    with repo.opened() as found:
        local = found.untracked_and_changed(tip, "in")
        assert list(local.changed) == ["in/grown", "in/kept"]
        assert local.odd == {"in/growing": "a file that is being written"}
        repo.write("in/grown", b"growing")
        monkeypatch.setattr(files, "pieces", lambda file: meddling_pieces(file, "in/grown"))
        assert local.changed["in/grown"].read() is None
        os.unlink(repo.path / "in/kept")
        assert local.changed["in/kept"].read() is None


def test_scan_names_what_may_not_be_read(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's refusal is played, because root, who runs this in containers, may read everything."""
    tip = repo.commit({"x": b"1"})
    repo.write("in/secret", b"1")
    repo.write("in/closed/x", b"1")
    refused = {os.fsencode(repo.path / path) for path in ("in/secret", "in/closed")}
    for name in ("open", "listdir"):
        function = getattr(os, name)

        def refusing(path: bytes, *rest: int, function: Callable[..., object] = function) -> object:
            if path in refused:
                raise PermissionError
            return function(path, *rest)

        monkeypatch.setattr(os, name, refusing)
    with repo.opened() as found:
        local = found.untracked_and_changed(tip, "in")
    assert local.changed == {}
    assert local.odd == {"in/secret": "a file that we may not read", "in/closed": "a folder that we may not read"}


def test_index_add_makes_committed_files_clean_and_touches_nothing_else(repo: Repo) -> None:
    tip = repo.commit({"a": b"1", "staged": b"1", "edited": b"1"})
    repo.write("staged", b"2")
    repo.git("add", "staged")
    repo.write("edited", b"2")
    repo.write("in/new\nname", b"1")
    repo.write("in/over", b"1")
    with repo.opened() as found:
        local = found.untracked_and_changed(tip, "in")
        changes = {path: one.read() for path, one in local.changed.items()}
        new = found.write_commit(tip, changes, "deltas\n", AUTHOR, 0)
        repo.write("in/over", b"written meanwhile")
        found.announce(tip, new, {}, index_only=True)
        assert found.compare_and_swap(BRANCH, new, tip)
        found.index_add({path: found.entry_at(new, path) for path in changes})
        found.arrived()
        assert not found.repair()
    assert repo.status == [" M edited", " M in/over", "M  staged"]
