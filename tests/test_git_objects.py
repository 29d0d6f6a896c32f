"""Objects: read through one process, however many, whatever becomes of it."""

from __future__ import annotations

import hashlib
import random

import pytest

from merge_bot.errors import GitFailed, RepositoryError
from merge_bot.git import Entry, Identity
from merge_bot.git.process import Running
from tests.repo import BRANCH, Repo


def test_objects_round_trip(repo: Repo) -> None:
    tip = repo.commit({"a/b": b"one", "c": b""})
    repo.path.joinpath("link").symlink_to("c")
    repo.path.joinpath("run").write_bytes(b"#!")
    repo.path.joinpath("run").chmod(0o755)
    repo.git("add", ".")
    tip = repo.commit()
    ids = repo.files()
    with repo.opened() as found:
        assert found.read_blob(ids["a/b"]) == b"one"
        assert found.read_blobs([ids["a/b"], ids["c"], ids["a/b"]]) == {ids["a/b"]: b"one", ids["c"]: b""}
        assert found.sizes([ids["a/b"], ids["c"], "0" * 40]) == {ids["a/b"]: 3, ids["c"]: 0, "0" * 40: None}
        assert found.digest_blob(ids["a/b"]) == hashlib.sha256(b"one").hexdigest()
        assert found.commit_tree(tip) == repo.git("rev-parse", f"{tip}^{{tree}}")
        assert found.read_tree(found.commit_tree(tip)) == {
            "a": Entry("040000", repo.git("rev-parse", f"{tip}:a")),
            "c": Entry("100644", ids["c"]),
            "link": Entry("120000", ids["link"]),
            "run": Entry("100755", ids["run"]),
        }
        assert found.entry_at(tip, "a/b") == Entry("100644", ids["a/b"])
        assert found.entry_at(tip, "") == Entry("040000", found.commit_tree(tip))
        for nothing in ("b", "a/x", "a/b/c", "link/x", "a/", "/a", "\ud800"):
            assert found.entry_at(tip, nothing) is None
        assert found.read_blobs([]) == {}


def test_thousands_of_objects_are_read_without_a_standstill(repo: Repo) -> None:
    blobs = [b"%d" % number * 400 for number in range(5000)] + [b"x" * 5_000_000]
    repo.commit()
    with repo.opened() as found:
        pairs = ((f"in/{number}", blob) for number, blob in enumerate(blobs))
        tip = found.write_commit(repo.head, pairs, "x\n", Identity("N", "e"), 0)
        ids = {path: entry.id for path, entry in found.read_tree(found.entry_at(tip, "in").id).items()}  # type: ignore[union-attr]
        wanted = [ids[str(number)] for number in range(len(blobs))]
        sizes = found.sizes(wanted)
        contents = found.read_blobs(wanted)
        assert [sizes[one] for one in wanted] == [len(blob) for blob in blobs]
        assert [contents[one] for one in wanted] == blobs
        assert found.digest_blob(wanted[-1]) == hashlib.sha256(blobs[-1]).hexdigest()
        assert found.read_blob(wanted[0]) == blobs[0]


def test_objects_that_are_written_meanwhile_are_found(repo: Repo) -> None:
    repo.commit({"a": b"1"})
    with repo.opened() as found:
        assert found.sizes(["d00491fd7e5bb6fa28c517a0bb32b8b506539d4d"]).popitem()[1] is None
        tip = repo.commit({"b": b"1\n"})
        assert found.read_blob("d00491fd7e5bb6fa28c517a0bb32b8b506539d4d") == b"1\n"
        assert found.resolve("main") == tip
        repo.git("repack", "-adq")
        assert found.read_blob(repo.files()["a"]) == b"1"


def test_the_process_beside_is_replaced_when_it_dies(repo: Repo) -> None:
    repo.commit({"a": b"1"})
    with repo.opened() as found:
        for _ in range(3):
            assert found.read_blob(repo.files()["a"]) == b"1"
            beside = found._objects._process
            assert beside is not None
            beside._process.kill()


def test_it_is_replaced_too_while_its_death_is_not_known_yet(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pipes are closed a moment before it can be waited for."""
    repo.commit({"a": b"1"})
    with repo.opened() as found:
        found.read_blob(repo.files()["a"])
        beside = found._objects._process
        assert beside is not None
        beside._process.kill()
        beside._process.wait()
        monkeypatch.setattr(Running, "ended", False)
        assert found.read_blob(repo.files()["a"]) == b"1"
        assert found._objects._process is not beside


@pytest.mark.parametrize("name", ["", "0" * 40, "no such", "x\ninfo HEAD", "nul\0", "\ud800", "--help"])
def test_names_of_nothing(repo: Repo, name: str) -> None:
    tip = repo.commit({"a": b"1"})
    with repo.opened() as found:
        assert (found.resolve(name), found.has_commit(name), found.sizes([name, tip])) == (
            None,
            False,
            {name: None, tip: len(repo.git("cat-file", "commit", tip).encode()) + 1},
        )
        with pytest.raises(RepositoryError, match="is not in the repository, though something in it names it"):
            found.read_blob(name)
        assert found.resolve("HEAD") == tip


def test_objects_of_another_kind_and_damaged_ones_get_a_letter(repo: Repo) -> None:
    tip = repo.commit({"a": random.Random(1).randbytes(100_000), "b": b"2"})
    with repo.opened() as found:
        with pytest.raises(RepositoryError) as caught:
            found.read_blob(tip)
        assert str(caught.value) == (
            f"Object {tip} is a commit, where a blob was expected. `git fsck` tells if it is damaged."
        )
        blob = repo.files()["a"]
        loose = repo.path / ".git" / "objects" / blob[:2] / blob[2:]
        loose.chmod(0o644)
        for damaged, error in ((loose.read_bytes()[:50_000], GitFailed), (b"damaged", RepositoryError)):
            loose.write_bytes(damaged)
            with pytest.raises(error, match=f"{blob}"):
                found.read_blob(blob)
        assert found.read_blob(repo.files()["b"]) == b"2"


def test_resolve_and_ancestors(repo: Repo) -> None:
    first = repo.commit({"a": b"1"})
    second = repo.commit({"a": b"2"})
    repo.git("tag", "-a", "-m", "x", "v1", first)
    with repo.opened() as found:
        assert [found.resolve(name) for name in ("HEAD", "main", BRANCH, second, "v1", "main:a")] == [
            second, second, second, second, first, None,
        ]  # fmt: skip
        assert [found.has_commit(name) for name in (first, found.commit_tree(first))] == [True, False]
        assert found.is_ancestor(first, second) and found.is_ancestor(first, first)
        assert not found.is_ancestor(second, first)
        assert not found.is_ancestor("0" * 40, first)
        repo.git("checkout", "--quiet", "--detach")
        assert found.head_branch() is None
    with pytest.raises(RepositoryError):
        found.commit_tree("0" * 40)


def test_replaced_objects_are_read_as_they_were_committed(repo: Repo) -> None:
    repo.commit({"a": b"true", "b": b"false"})
    ids = repo.files()
    repo.git("replace", ids["a"], ids["b"])
    with repo.opened() as found:
        assert found.read_blob(ids["a"]) == b"true"
