"""Finding a repository, and how git is run at all."""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from merge_bot.errors import GitFailed, RepositoryError
from merge_bot.git import Identity, Repository, process
from tests.repo import BRANCH, Repo

MakeRepo = Callable[..., Repo]


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


HEADS = {
    "plain": ((), True),
    "of a name with slashes": (("symbolic-ref", "HEAD", "refs/heads/a/ä"), True),
    "packed": (("pack-refs", "--all"), True),
    "a branch that is another's name": (("symbolic-ref", "refs/heads/other", BRANCH), False),
    "no branch": (("checkout", "--quiet", "--detach"), False),
    "a name beyond refs/heads": (("symbolic-ref", "HEAD", "refs/remotes/a/b"), False),
}


@pytest.mark.parametrize(("how", "without_git"), HEADS.values(), ids=HEADS)
def test_the_branch_that_is_checked_out_is_git_s_and_mostly_known_without_asking(
    repo: Repo, caplog: pytest.LogCaptureFixture, how: tuple[str, ...], without_git: bool
) -> None:
    repo.commit({"a": b"1"})
    if how:
        repo.git(*how)
    if "refs/heads/other" in how:
        (repo.path / ".git" / "HEAD").write_text("ref: refs/heads/other\n")
    with repo.opened() as found, caplog.at_level(logging.DEBUG, "merge_bot.git"):
        assert (found.head_branch() or "") == repo.git("symbolic-ref", "--quiet", "HEAD", check=False)
    assert [one.getMessage() for one in caplog.records] == ([] if without_git else ["$ git symbolic-ref --quiet HEAD"])


def test_where_refs_are_kept_in_a_reftable_git_is_asked(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    with repo.opened() as found:
        (repo.path / ".git" / "HEAD").write_text("ref: refs/heads/.invalid\n")
        monkeypatch.setattr(
            process.Git, "run", lambda *told, **_: asked.append(told[1:]) or process.Finished(1, b"", b"")
        )
        assert found.head_branch() is None
    assert asked == [("symbolic-ref", "--quiet", "HEAD")]


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


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Every git process from now on."""
    begun: list[subprocess.Popen[bytes]] = []
    spawn = process._spawn

    def watched(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        begun.append(spawn(*arguments, **options))  # type: ignore[arg-type]
        return begun[-1]

    monkeypatch.setattr(process, "_spawn", watched)
    return begun


def test_something_can_be_done_while_git_looks(repo: Repo, started: list[subprocess.Popen[bytes]]) -> None:
    repo.commit({"a": b"1"})
    seen: list[int | None] = []
    Repository.open(repo.path, meanwhile=lambda: seen.append(started[-1].returncode)).close()
    assert seen == [None]

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Repository.open(repo.path, meanwhile=interrupted)
    assert len(started) == 2 and started[-1].returncode is not None


def test_an_interrupt_ends_the_processes(repo: Repo, started: list[subprocess.Popen[bytes]]) -> None:
    tip = repo.commit({"a": b"1"})

    def interrupted():  # type: ignore[no-untyped-def]
        yield "b", b"2"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), repo.opened() as found:
        found.read_blob(repo.files()["a"])
        found.write_commit(tip, interrupted(), "x\n", Identity("N", "e"), 0)
    assert len(started) == 2
    assert [one.poll() is None for one in started] == [False] * len(started)
    assert (repo.refs(), list(repo.path.glob(".git/objects/pack/tmp_*"))) == ([BRANCH], [])
