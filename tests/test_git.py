"""Reading: finding a repository, its objects, its history; and how git is run at all."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from merge_bot.errors import GitFailed, RepositoryError
from merge_bot.git import Identity, Repository, process
from merge_bot.tree import Entry
from tests.repo import BRANCH, Repo

MakeRepo = Callable[..., Repo]
HOSTILE = [
    "in/two\nlines.json",
    'in/"quoted".json',
    "in/back\\slash",
    "in/ blank ",
    "in/:100644 100644 x y M",
    "in/\udcff\udcfe.json",
    "in/ünï.json",
    "in/*.json",
    "in/:(glob)x",
    "in/-n",
    "in/\ttab",
]


# --- finding a repository


def test_open_finds_a_work_tree_from_a_folder_inside_it(repo: Repo) -> None:
    repo.commit({"a/b/c": b"1"})
    with Repository.open(repo.path / "a" / "b") as found:
        assert (found.work_tree, found.git_dir, found.common_dir) == (repo.path, repo.path / ".git", repo.path / ".git")
        assert (found.object_format, found.is_shallow, found.head_branch()) == ("sha1", False, BRANCH)


def test_open_finds_the_repository_from_inside_its_git_folder(repo: Repo) -> None:
    with Repository.open(repo.path / ".git" / "refs") as found:
        assert (found.work_tree, found.git_dir) == (repo.path, repo.path / ".git")


def test_open_finds_a_bare_repository(make_repo: MakeRepo) -> None:
    bare = make_repo("bare.git", "--bare")
    with Repository.open(bare.path) as found:
        assert (found.work_tree, found.git_dir, found.resolve(BRANCH)) == (None, bare.path, None)
        tip = found.write_commit(None, {"a": b"1"}, "first\n", Identity("N", "e@x"), 0)
        assert found.compare_and_swap(BRANCH, tip, None)
        assert found.untracked_and_changed(tip, "a").changed == {}
        assert not found.repair()
        with pytest.raises(RepositoryError, match="is a bare repository"):
            found.index_add({})
    assert bare.git("show", "main:a") == "1"


def test_open_finds_a_linked_work_tree(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a": b"1"})
    repo.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "linked"))
    with Repository.open(tmp_path / "linked") as found, repo.opened() as main:
        assert found.work_tree == tmp_path / "linked"
        assert found.git_dir == repo.path / ".git" / "worktrees" / "linked"
        assert found.common_dir == repo.path / ".git"
        assert found.head_branch() == "refs/heads/side"
        assert found.checked_out_elsewhere(BRANCH) == repo.path
        assert found.checked_out_elsewhere("refs/heads/side") is None
        assert main.checked_out_elsewhere("refs/heads/side") == tmp_path / "linked"
        assert main.checked_out_elsewhere(BRANCH) is None


def test_a_repository_with_sha256_ids(make_repo: MakeRepo) -> None:
    repo = make_repo("long", "--object-format=sha256")
    base = repo.commit({"in/a": b"1"})
    with repo.opened() as found:
        assert found.object_format == "sha256"
        tip = found.write_commit(
            base, {"in/b": b"2", "in/c": found.entry_at(base, "in/a")}, "x\n", Identity("N", "e"), 0
        )
        assert found.compare_and_swap(BRANCH, tip, base)
        found.fast_forward(base, tip, {})
        assert {change.path: change.new_id for change in found.log_changes(base, tip, "in")} == {
            "in/b": hashlib.sha256(b"blob 1\x002").hexdigest(),
            "in/c": hashlib.sha256(b"blob 1\x001").hexdigest(),
        }
    assert (repo.status, len(tip)) == ([], 64)


def test_no_repository_gets_a_letter(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError) as caught:
        Repository.open(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is not in a git repository. Change to one, give its folder, or make one with `git init`."
    )
    for missing in ("nowhere", "file/below"):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(RepositoryError) as caught:
            Repository.open(tmp_path / missing)
        assert str(caught.value) == (
            f"There is no folder {tmp_path / missing}. "
            "Give the folder of a git repository, or make one with `git init`."
        )


def test_no_git_gets_a_letter(repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RepositoryError, match=r"The program `git` was not found\. Install git 2\.36 or newer"):
        Repository.open(repo.path)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_a_repository_of_another_user_needs_trust(repo: Repo) -> None:
    tip = repo.commit({"a": b"1"})
    for place in [repo.path, *repo.path.rglob("*")]:
        os.chown(place, 12345, 12345)
    with pytest.raises(RepositoryError) as caught:
        Repository.open(repo.path)
    assert str(caught.value) == (
        f"The repository {repo.path} belongs to another user, so git refuses to work in it (dubious ownership).\n"
        f"If you trust it, say so: git config --global --add safe.directory {repo.path}"
    )
    with Repository.open(repo.path, trust=True) as found:
        assert found.resolve("main") == tip
        new = found.write_commit(tip, {"b": b"2"}, "x\n", Identity("N", "e"), 0)
        assert found.compare_and_swap(BRANCH, new, tip)
        found.fast_forward(tip, new, {})
    assert (repo.path / "b").read_bytes() == b"2"


# --- how git is run


def test_what_the_environment_points_to_is_not_touched(
    repo: Repo, make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tip = repo.commit({"a": b"1"})
    other = make_repo("other")
    other.commit({"b": b"2"})
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "objects"))
    monkeypatch.setenv("GIT_GLOB_PATHSPECS", "1")
    monkeypatch.setenv("GIT_NAMESPACE", "elsewhere")
    with repo.opened() as found:
        assert (found.work_tree, found.resolve("HEAD")) == (repo.path, tip)
        assert [change.path for change in found.log_changes(None, tip, "a")] == ["a"]
        new = found.write_commit(tip, {"a": b"3"}, "x\n", Identity("N", "e"), 0)
        assert found.compare_and_swap(BRANCH, new, tip)
        found.fast_forward(tip, new, {})
    monkeypatch.undo()
    assert (repo.head, repo.status, (repo.path / "a").read_bytes()) == (new, [], b"3")
    assert sorted(tmp_path.iterdir()) == [other.path, repo.path]


def test_settings_that_the_environment_brings_are_kept(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    for at, (key, value) in enumerate({"user.name": "Someone", "user.email": "someone@example.com"}.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{at}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{at}", value)
    with repo.opened() as found:
        assert found.identity() == ("Someone", "someone@example.com")


def test_identity_is_none_where_nobody_is_set(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    with repo.opened() as found:
        assert found.identity() == Identity("Tester", "tester@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    with repo.opened() as found:
        assert found.identity() is None


def test_hooks_do_not_run(repo: Repo, tmp_path: Path) -> None:
    tip = repo.commit({"a": b"1"})
    for name in ("reference-transaction", "post-index-change", "post-checkout", "pre-auto-gc"):
        hook = repo.write(f".git/hooks/{name}", f"#!/bin/sh\necho {name} >> {tmp_path}/ran\n".encode())
        hook.chmod(0o755)
    with repo.opened() as found:
        new = found.write_commit(tip, {"a": b"2"}, "x\n", Identity("N", "e"), 0)
        assert found.compare_and_swap(BRANCH, new, tip)
        found.fast_forward(tip, new, {})
    assert not (tmp_path / "ran").exists()
    repo.commit({"a": b"3"})
    assert (tmp_path / "ran").exists()


def test_every_command_is_logged_before_it_runs_and_can_be_replayed(
    repo: Repo, caplog: pytest.LogCaptureFixture
) -> None:
    tip = repo.commit({"it's here": b"1"})
    with caplog.at_level(logging.DEBUG, "merge_bot.git"), repo.opened() as found:
        found.changed_paths(tip, tip, "it's here")
    lines = [record.getMessage() for record in caplog.records]
    (line,) = [line for line in lines if "diff-tree" in line]
    assert line.startswith("$ git diff-tree -r --raw -z ")
    done = subprocess.run(shlex.split(line)[1:], cwd=repo.path, capture_output=True, check=True)
    assert done.stdout == b""


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("https://user:token@example.com/x.git", "https://***@example.com/x.git"),
        ("https://ghs_abc@example.com/x.git", "https://***@example.com/x.git"),
        ("-c http.extraheader=AUTHORIZATION: basic QUJDOkRFRg== fetch", "-c http.extraheader=AUTHORIZATION: *** fetch"),
        ("authorization: Bearer abc.def", "authorization: ***"),
        ("ghp_0123456789abcdefghij", "***"),
        ("github_pat_0123456789abcdefghij", "***"),
        ("https://example.com/a@b", "https://example.com/a@b"),
    ],
)
def test_secrets_are_masked(secret: str, shown: str) -> None:
    assert process.letters.masked(secret) == shown


def test_secrets_are_masked_in_what_git_said() -> None:
    said = process.letters.said(b"old\n" * 20 + b"fatal: https://user:hunter2@example.com \x1b[31mred\xff\n\n")
    assert said.splitlines()[-1] == r"  fatal: https://***@example.com \u001b[31mred\xff"
    assert len(said.splitlines()) == 11


def test_git_speaks_plainly_asks_nothing_and_locks_nothing_to_read(repo: Repo) -> None:
    with repo.opened() as found:
        for writes in (False, True):
            told = found.git.run("-c", "alias.told=!env", "told", writes=writes).out.decode().splitlines()
            assert {"LC_ALL=C", "GIT_TERMINAL_PROMPT=0"} <= {*told}
            assert ("GIT_OPTIONAL_LOCKS=0" in told) is not writes


def test_secrets_are_masked_in_the_log_and_in_the_letter(repo: Repo, caplog: pytest.LogCaptureFixture) -> None:
    repo.commit({"a": b"1"})
    secret = "https://user:hunter2@127.0.0.1:1/x.git"
    with repo.opened() as found:
        repo.write(".git/shallow", repo.head.encode() + b"\n")
        with caplog.at_level(logging.DEBUG, "merge_bot.git"), pytest.raises(GitFailed) as caught:
            found.deepen_until("1" * 40, secret)
    assert "hunter2" not in caplog.text + str(caught.value)
    assert "https://***@127.0.0.1:1/x.git" in caplog.text
    assert "https://***@127.0.0.1:1/x.git" in str(caught.value)


def test_a_failed_command_gets_a_letter(repo: Repo) -> None:
    tip = repo.commit({"a": b"1"})
    with repo.opened() as found, pytest.raises(GitFailed) as caught:
        found.changed_paths(tip, "nowhere", "")
    assert str(caught.value) == (
        "A git command failed with exit code 128:\n"
        "  $ git diff-tree -r --raw -z --no-abbrev --no-renames --ignore-submodules=none --end-of-options "
        f"{tip} nowhere\n"
        "  fatal: ambiguous argument 'nowhere': unknown revision or path not in the working tree.\n"
        "  Use '--' to separate paths from revisions, like this:\n"
        "  'git <command> [<revision>...] -- [<file>...]'\n"
        f"Run it by hand in {repo.path} to see more. If it names a lock file, see to it that no other git "
        "is running there, and delete that file."
    )


def test_an_interrupt_ends_the_processes(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    tip = repo.commit({"a": b"1"})
    started: list[subprocess.Popen[bytes]] = []
    spawn = process._spawn

    def watched(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(spawn(*arguments, **options))  # type: ignore[arg-type]
        return started[-1]

    monkeypatch.setattr(process, "_spawn", watched)

    def interrupted():  # type: ignore[no-untyped-def]
        yield "b", b"2"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), repo.opened() as found:
        found.read_blob(repo.files()["a"])
        found.write_commit(tip, interrupted(), "x\n", Identity("N", "e"), 0)
    assert len(started) == 4
    assert [one.poll() is None for one in started] == [False] * len(started)
    assert (repo.refs(), list(repo.path.glob(".git/fast_import_crash_*"))) == ([BRANCH], [])


# --- objects


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


# --- history


def versions(repository: Repository, base: str | None, tip: str, folder: str = "in") -> set[tuple[str, bytes]]:
    changes = repository.log_changes(base, tip, folder)
    sides = {(change.path, change.new_id) for change in changes if change.new_mode != "000000"}
    return {(path, repository.read_blob(blob)) for path, blob in sides}


def test_versions_that_were_overwritten_or_removed_are_seen(repo: Repo) -> None:
    base = repo.commit({"in/old": b"0", "out/x": b"0"})
    repo.commit({"in/a": b"1"})
    repo.commit({"in/a": b"2"})
    repo.commit({"in/a": None, "out/y": b"1"})
    tip = repo.commit({"in/old": None})
    with repo.opened() as found:
        assert versions(found, base, tip) == {("in/a", b"1"), ("in/a", b"2")}
        gone = [change for change in found.log_changes(base, tip, "in") if change.new_mode == "000000"]
        assert [(change.path, set(change.new_id)) for change in gone] == [("in/old", {"0"}), ("in/a", {"0"})]
        assert [change.commit for change in gone] == [tip, repo.git("rev-parse", f"{tip}~1")]
        assert gone[0].committed == int(repo.git("log", "-1", "--format=%ct", tip))
        assert versions(found, None, tip) == {("in/a", b"1"), ("in/a", b"2"), ("in/old", b"0")}
        assert found.log_changes(base, tip, "nowhere") == []
        assert found.log_changes(tip, tip, "in") == []


def test_versions_on_a_side_branch_that_the_merge_dropped_are_seen(repo: Repo) -> None:
    base = repo.commit({"in/a": b"0"})
    repo.git("checkout", "--quiet", "-b", "side")
    repo.commit({"in/a": b"side 1"})
    repo.commit({"in/a": b"0"})
    repo.git("checkout", "--quiet", "main")
    repo.commit({"elsewhere": b"1"})
    repo.git("merge", "--quiet", "--no-ff", "-m", "merge", "side")
    with repo.opened() as found:
        assert versions(found, base, repo.head) == {("in/a", b"side 1"), ("in/a", b"0")}


def test_what_only_a_merge_commit_holds_is_seen(repo: Repo) -> None:
    base = repo.commit({"in/a": b"0"})
    repo.git("checkout", "--quiet", "-b", "side")
    repo.commit({"in/side": b"1"})
    repo.git("checkout", "--quiet", "main")
    repo.commit({"in/main": b"1"})
    repo.git("merge", "--quiet", "--no-commit", "side")
    repo.write("in/evil", b"2")
    repo.git("add", ".")
    repo.commit()
    repo.commit({"in/evil": None})
    with repo.opened() as found:
        assert versions(found, base, repo.head) == {("in/side", b"1"), ("in/main", b"1"), ("in/evil", b"2")}


def test_octopus_merges_and_other_roots(repo: Repo) -> None:
    base = repo.commit({"in/a": b"0"})
    for name in ("one", "two"):
        repo.git("checkout", "--quiet", "-b", name, base)
        repo.commit({f"in/{name}": b"first"})
        repo.commit({f"in/{name}": b"second"})
    repo.git("checkout", "--quiet", "--orphan", "root")
    repo.git("rm", "-rfq", ".")
    repo.commit({"in/root": b"of its own"})
    repo.git("checkout", "--quiet", "main")
    repo.commit({"in/a": b"1"})
    repo.git("merge", "--quiet", "--allow-unrelated-histories", "-m", "x", "one", "two")
    repo.git("merge", "--quiet", "--allow-unrelated-histories", "-m", "y", "root")
    with repo.opened() as found:
        assert versions(found, base, repo.head) == {
            ("in/a", b"1"), ("in/one", b"first"), ("in/one", b"second"), ("in/two", b"first"), ("in/two", b"second"),
            ("in/root", b"of its own"),
        }  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_no_version_is_missed_in_random_histories(make_repo: MakeRepo, seed: int) -> None:
    """Against the plain meaning: every file of every commit that the tip has and the base has not."""
    chance = random.Random(seed)
    repo = make_repo()
    stream, trees, parents = [], [dict[str, int]()], [list[int]()]
    for number in range(1, 40):
        above = sorted({chance.randrange(max(0, number - 6), number) for _ in range(chance.choice((1, 1, 2, 2, 3)))})
        above = [one for one in above if one]
        tree = dict(trees[chance.choice(above)]) if above else {}
        for _ in range(chance.choice((0, 1, 1, 2))):
            tree[f"in/{chance.randrange(4)}"] = chance.randrange(1000)
        if chance.random() < 0.3:
            tree.pop(f"in/{chance.randrange(4)}", None)
        trees.append(tree)
        parents.append(above)
        lines = [
            f"commit refs/heads/b{number}\nmark :{number}\ncommitter N <e> {chance.randrange(10**9)} +0000\ndata 0"
        ]
        lines += [f"{'merge' if at else 'from'} :{one}" for at, one in enumerate(above)]
        lines += ["deleteall"]
        lines += [f"M 100644 inline {path}\ndata {len(str(value))}\n{value}" for path, value in tree.items()]
        stream.append("\n".join(lines) + "\n")
    repo.git("fast-import", "--quiet", "--force", stdin="".join(stream).encode())

    def reached(number: int) -> set[int]:
        return {number}.union(*(reached(one) for one in parents[number]))

    for _ in range(6):
        base, tip = chance.randrange(1, 39), 39
        old = {version for one in reached(base) for version in trees[one].items()}
        new = {version for one in reached(tip) - reached(base) for version in trees[one].items()}
        with repo.opened() as found:
            ids = {name: found.resolve(f"b{name}") for name in (base, tip)}
            seen = {(path, int(data)) for path, data in versions(found, ids[base], ids[tip] or "")}
        assert new - old - seen == set()


@pytest.mark.parametrize(
    "setting",
    [
        "log.follow=true", "log.showRoot=false", "log.showSignature=true", "log.diffMerges=off", "diff.renames=copies",
        "diff.relative=true", "core.abbrev=4", "color.ui=always", "diff.noprefix=true", "log.decorate=full",
        "format.pretty=fuller", "diff.ignoreSubmodules=all", "core.quotePath=true", "log.date=relative",
    ],
)  # fmt: skip
def test_settings_of_the_user_change_nothing(repo: Repo, setting: str) -> None:
    repo.commit({"in/a": b"content that is long enough to be a rename"})
    repo.git("checkout", "--quiet", "-b", "side")
    repo.commit({"in/ü": b"1"})
    repo.git("checkout", "--quiet", "main")
    repo.git("mv", "in/a", "in/b")
    repo.commit()
    repo.git("merge", "--quiet", "--no-commit", "side")
    repo.write("in/evil", b"2")
    repo.git("add", ".")
    repo.commit()
    repo.commit({"in/evil": None})
    unsigned = repo.git("cat-file", "commit", "HEAD")
    signed = unsigned.replace("\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n -----END PGP SIGNATURE-----\n\n", 1)
    tip = repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed.encode())
    repo.git("notes", "add", "-m", "a note", tip)

    def everything() -> object:
        with Repository.open(repo.path / "in") as found:
            return (
                found.log_changes(None, tip, "in"),
                found.log_changes(None, tip, "in/b"),
                found.last_change(tip, "in/b"),
                found.changed_paths(f"{tip}~2", tip, "in"),
            )

    plain = everything()
    repo.git("config", *setting.split("="))
    assert everything() == plain
    assert len(plain[0]) == 10  # type: ignore[index]


def test_hostile_names_survive_every_way(repo: Repo) -> None:
    base = repo.commit({"other": b"0"})
    with repo.opened() as found:
        changes: dict[str, bytes] = {path: path.encode("utf-8", "surrogateescape") for path in HOSTILE}
        tip = found.write_commit(base, changes, "x\n", Identity("N", "e"), 0)
        assert versions(found, base, tip) == set(changes.items())
        assert {path: status for status, path in found.changed_paths(base, tip, "in")} == dict.fromkeys(changes, "A")
        for path in changes:
            assert [change.path for change in found.log_changes(base, tip, path)] == [path]
            assert found.last_change(tip, path) == (tip, "N <e>", "1970-01-01T00:00:00Z")
            entry = found.entry_at(tip, path)
            assert entry is not None and found.read_blob(entry.id) == changes[path]
        assert found.compare_and_swap(BRANCH, tip, base)
        found.fast_forward(base, tip, {})
        assert repo.status == []
        local = found.untracked_and_changed(base, "in")
        assert {path: one.read() for path, one in local.changed.items()} == changes
        removed = found.write_commit(tip, dict.fromkeys(changes), "x\n", Identity("N", "e"), 0)
        assert found.compare_and_swap(BRANCH, removed, tip)
        found.fast_forward(tip, removed, {path: one.id for path, one in local.changed.items()})
    assert (repo.status, repo.files()) == ([], {"other": repo.files()["other"]})
    assert not (repo.path / "in").exists() or list((repo.path / "in").iterdir()) == []


def test_last_change_names_who_and_when(repo: Repo) -> None:
    first = repo.commit({"a": b"1"})
    second = repo.commit({"b": b"1"})
    with repo.opened() as found:
        assert found.last_change(second, "a") == (first, "Tester <tester@example.com>", "2026-03-25T03:01:00Z")
        assert found.last_change(second, "c") is None


def test_changed_paths_of_commits_and_trees(repo: Repo) -> None:
    first = repo.commit({"s/a": b"1", "s/b": b"1", "t": b"1", "s/c": b"same"})
    second = repo.commit({"s/a": b"2", "s/b": None, "t": b"2", "s/d": b"same"})
    with repo.opened() as found:
        assert found.changed_paths(first, second, "s") == [("M", "s/a"), ("D", "s/b"), ("A", "s/d")]
        assert found.changed_paths(found.commit_tree(first), found.commit_tree(second), "")[-1] == ("M", "t")


# --- shallow clones


@pytest.fixture
def origin(repo: Repo) -> Repo:
    """200 commits; since the tenth, a side branch with two versions of one file was merged near the end."""
    for number in range(10):
        repo.commit({"in/a": b"%d" % number})
    repo.git("branch", "side")
    stream = ""
    for number in range(10, 200):
        stream += f"commit {BRANCH}\ncommitter N <e> {number} +0000\ndata 0\n"
        stream += f"from {BRANCH}^0\n" if number == 10 else ""
        stream += f"M 100644 inline in/a\ndata 3\n{number:03d}\n"
    repo.git("fast-import", "--quiet", stdin=stream.encode())
    repo.git("reset", "--quiet", "--hard")
    repo.git("checkout", "--quiet", "side")
    repo.commit({"in/side": b"first"})
    repo.commit({"in/side": b"second"})
    repo.git("checkout", "--quiet", "main")
    repo.git("merge", "--quiet", "-m", "merge", "side")
    repo.commit({"in/a": b"last"})
    return repo


def clone(origin: Repo, path: Path, *options: str) -> Repo:
    subprocess.run(["git", "clone", "--quiet", *options, f"file://{origin.path}", str(path)], check=True)
    return Repo(path)


def test_a_shallow_clone_is_deepened_until_nothing_is_missing(origin: Repo, tmp_path: Path) -> None:
    shallow = clone(origin, tmp_path / "shallow", "--depth=1")
    base = origin.git("rev-parse", "HEAD~100")
    origin.commit({"in/a": b"meanwhile"})
    tracked = shallow.git("for-each-ref")
    with shallow.opened() as found, origin.opened() as whole:
        assert found.is_shallow and not found.has_commit(base)
        found.deepen_until(base, ref="main")
        assert found.has_commit(base)
        assert versions(found, base, "HEAD") == versions(whole, base, "HEAD~1")
        assert ("in/side", b"first") in versions(found, base, "HEAD")
    assert shallow.git("for-each-ref") == tracked


def test_having_the_commit_is_not_enough_when_a_side_branch_is_cut_off(origin: Repo, tmp_path: Path) -> None:
    base = origin.git("rev-parse", "HEAD~3")
    shallow = clone(origin, tmp_path / "shallow", "--depth=4")
    origin.git("tag", "base", base)
    shallow.git("fetch", "--quiet", "--depth=3", "origin", "main")
    shallow.git("fetch", "--quiet", "--depth=1", "origin", "tag", "base")
    with shallow.opened() as found:
        assert found.has_commit(base)
        assert ("in/side", b"first") not in versions(found, base, "HEAD")
        found.deepen_until(base)
        assert ("in/side", b"first") in versions(found, base, "HEAD")


def test_deepening_a_full_clone_does_nothing(origin: Repo, tmp_path: Path) -> None:
    full = clone(origin, tmp_path / "full")
    full.git("remote", "remove", "origin")
    with full.opened() as found:
        found.deepen_until(origin.git("rev-parse", "HEAD~100"))
        found.deepen_until(None)
        with pytest.raises(RepositoryError) as caught:
            found.deepen_until("1" * 40)
    assert str(caught.value) == (
        f"The history is needed back to commit {'1' * 40}, to read every delta since, but this clone does not reach "
        "there and origin has no more. Fetch it (git fetch --unshallow), or start from a full clone "
        "(fetch-depth: 0 in actions/checkout)."
    )


def test_a_remote_that_has_no_more_is_no_endless_loop(origin: Repo, tmp_path: Path) -> None:
    shallow = clone(origin, tmp_path / "shallow", "--depth=2")
    again = clone(shallow, tmp_path / "again", "--depth=1")
    with again.opened() as found, pytest.raises(RepositoryError, match="origin has no more"):
        found.deepen_until(origin.git("rev-parse", "HEAD~100"))


def test_the_whole_history_can_be_asked_for(origin: Repo, tmp_path: Path) -> None:
    shallow = clone(origin, tmp_path / "shallow", "--depth=1")
    with shallow.opened() as found, origin.opened() as whole:
        found.deepen_until(None)
        assert versions(found, None, "HEAD") == versions(whole, None, "HEAD")
