"""Objects that are read from packs without git: the same as git reads, or left to git."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import BinaryIO

import pytest

from merge_bot.errors import GitFailed, RepositoryError
from merge_bot.git import deflate, files, objects, packs
from merge_bot.git.packs import Packs
from tests.repo import Repo

MakeRepo = Callable[..., Repo]
NOISE = Random(2).randbytes(200_000)
SIZES = (0, 1, 15, 16, 2047, 2048, 16_384, 40_000, 200_000)
FILES = {f"f{size}": NOISE[:size] for size in SIZES} | {"text": b"word " * 50_000}
LIKE = b"".join(b"%d\n" % number for number in range(20_000))


def of(repo: Repo, object_format: str = "sha1") -> Packs:
    return Packs(repo.path / ".git/objects", object_format)


def pack_of(repo: Repo, ending: str) -> Path:
    (path,) = (repo.path / ".git/objects/pack").glob(f"*.{ending}")
    path.chmod(0o644)
    return path


@pytest.fixture(params=["zlib", "isa-l"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "isal.isal_zlib", raising=False)
    if request.param == "isa-l":
        deflate.quicken()
        assert "isal.isal_zlib" in sys.modules


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_what_lies_whole_in_a_pack_is_read_as_git_reads_it(make_repo: MakeRepo, object_format: str) -> None:
    repo = make_repo("repo", f"--object-format={object_format}")
    commit = repo.commit(FILES)
    repo.git("repack", "-adq", "--depth=0")
    found = of(repo, object_format)
    for path, blob in repo.files().items():
        assert (found.size(blob), found.read(blob, "blob")) == (len(FILES[path]), FILES[path])
        assert found.read(blob, "tree") is None
    tree = repo.git("rev-parse", f"{commit}^{{tree}}")
    assert (found.read(commit, "commit") or b"").startswith(b"tree %s\n" % tree.encode())
    assert found.size(tree) == int(repo.git("cat-file", "-s", tree))
    assert found.read("f" * len(tree), "blob") is None
    found.close()


def test_a_difference_to_another_object_is_left_to_git(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_SOME", 1)
    contents = {"a": LIKE, "b": LIKE + b"more\n", "c": LIKE + b"and more\n"}
    repo.commit(contents)
    repo.git("repack", "-adfq")
    found = of(repo)
    here = {path for path, blob in repo.files().items() if found.has(blob)}
    assert len(here) == 1
    found.close()
    with repo.opened() as opened:
        ids = repo.files()
        assert opened.read_blobs(ids.values()) == {ids[path]: data for path, data in contents.items()}
        assert opened.sizes(ids.values()) == {ids[path]: len(data) for path, data in contents.items()}
        assert not opened.lie_ready(ids.values())
        assert opened.lie_ready([ids[path] for path in here])


def test_git_is_not_asked_for_many_objects_that_lie_whole(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit({f"f{number}": b"%d" % number for number in range(40)})
    repo.git("repack", "-adq", "--depth=0")
    ids = list(repo.files().values())
    with repo.opened() as opened:
        monkeypatch.setattr(objects.Objects, "_talk", None)
        assert sorted(opened.read_blobs(ids).values()) == sorted(b"%d" % number for number in range(40))
        assert set(opened.sizes(ids).values()) == {1, 2}
        with pytest.raises(TypeError):
            opened.read_blobs(ids[: objects._SOME - 1])


@pytest.mark.parametrize("some", [1, 2])
def test_no_object_stands_for_another_one(repo: Repo, some: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_SOME", some)
    repo.commit({"a": b"old", "b": b"new"})
    repo.git("repack", "-adq")
    ids = repo.files()
    repo.git("replace", ids["a"], ids["b"])
    with repo.opened() as opened:
        assert opened.read_blobs([ids["a"]]) == {ids["a"]: b"old"}


def test_where_packs_are_many_all_is_left_to_git(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = []
    for number in range(3):
        repo.commit({f"f{number}": b"%d" % number})
        repo.git("repack", "-dq")
        blobs.append(repo.files()[f"f{number}"])
    found = of(repo)
    assert [found.read(blob, "blob") for blob in (*blobs, *blobs)] == [b"0", b"1", b"2"] * 2
    found.close()
    monkeypatch.setattr(packs, "_MOST", 2)
    assert not any(of(repo).has(blob) for blob in blobs)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("place", ["content", "cut off", "size"])
def test_of_a_damaged_pack_git_says_what_is_wrong(repo: Repo, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_SOME", 1)
    repo.commit({"a": b"text " * 10_000})
    repo.git("repack", "-adq")
    blob = repo.files()["a"]
    pack = pack_of(repo, "pack")
    data = bytearray(pack.read_bytes())
    (row,) = (one for one in repo.git("verify-pack", "-v", str(pack)).splitlines() if one.startswith(blob))
    begin = int(row.split()[4])
    if place == "content":
        data[begin + 20] ^= 255
    elif place == "size":
        data[begin + 1] ^= 1
    pack.write_bytes(data[: begin + 20] if place == "cut off" else data)
    found = of(repo)
    assert found.read(blob, "blob") is None
    found.close()
    with repo.opened() as opened, pytest.raises((RepositoryError, GitFailed)):
        opened.read_blobs([blob])


@pytest.mark.parametrize("damage", ["empty", "short", "version", "cut off"])
def test_an_index_that_cannot_be_read_is_none(repo: Repo, damage: str) -> None:
    repo.commit(FILES)
    repo.git("repack", "-adq")
    ids = repo.files()
    index = pack_of(repo, "idx")
    data = index.read_bytes()
    damaged = {"empty": b"", "short": data[:500], "version": data[:7] + b"\x03" + data[8:], "cut off": data[:1100]}
    index.write_bytes(damaged[damage])
    found = of(repo)
    assert not any(found.has(blob) for blob in ids.values())
    found.close()


@pytest.mark.parametrize("ending", [b".idx", b".pack"])
def test_a_pack_that_we_may_not_read_is_left_to_git(repo: Repo, ending: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit(FILES)
    repo.git("repack", "-adq", "--depth=0")
    ids = repo.files()
    opened = files.open_regular

    def refused(path: bytes) -> BinaryIO | None:
        if path.endswith(ending):
            raise PermissionError(path)
        return opened(path)

    monkeypatch.setattr(files, "open_regular", refused)
    found = of(repo)
    assert not any(found.has(blob) for blob in ids.values())
    found.close()


def test_a_place_that_no_file_has_is_left_to_git(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit(FILES)
    repo.git("repack", "-adq", "--depth=0")
    found, blob = of(repo), repo.files()["text"]
    for place in (1 << 40, 1 << 63, (1 << 64) - 1):
        monkeypatch.setattr(packs._Index, "offset", lambda self, name, place=place: place)
        assert (found.has(blob), found.read(blob, "blob")) == (False, None)
    found.close()


def test_what_is_inflated_has_the_size_that_was_said() -> None:
    stream = zlib.compress(b"a" * 1000)
    assert deflate.inflated([stream[:5], stream[5:] + b"more"], 1000) == b"a" * 1000
    for size in (0, 999, 1001):
        assert deflate.inflated([stream], size) is None
    assert deflate.inflated([stream[:-1]], 1000) is None
    assert deflate.inflated([b"nothing"], 1000) is None
    assert deflate.inflated([], 0) is None
