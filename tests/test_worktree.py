"""Working folders for workers: at the frame's commit, apart from each other, and nothing of anybody's overwritten."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from merge_bot.clone import Clone
from tests.command import begun, deliver, delta, run
from tests.repo import Repo
from tests.world import MORNING


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = begun(Repo(tmp_path / "world"))
    repo.git("config", "user.name", "n")
    repo.git("config", "user.email", "e@example.org")
    deliver(repo, delta("w1", stats_increments={"total_posts": 1}))
    with Clone.open(str(repo.path)) as clone:
        clone.merge(MORNING.replace(day=26))
    return repo


def tree(repo: Repo) -> Path:
    return repo.path.with_name("world.worktrees")


def test_each_worker_gets_a_folder_at_the_commit_of_the_newest_frame(repo: Repo) -> None:
    frame = repo.head
    repo.commit({"later.txt": b"after the frame"})
    done = run("worktree", "--workers", "2", "--repo", repo.path)
    assert (done.code, done.out, done.err) == (
        0,
        f"2 working folders at frame 405, commit {frame}.\n"
        "\n"
        "  name  frame  folder\n"
        f"  w1      405  {tree(repo)}/w1\n"
        f"  w2      405  {tree(repo)}/w2\n",
        "",
    )
    for name in ("w1", "w2"):
        folder = Repo(tree(repo) / name)
        assert (folder.head, folder.git("symbolic-ref", "HEAD"), folder.status) == (
            frame,
            f"refs/heads/worktrees/{name}",
            [],
        )
        assert not (folder.path / "later.txt").exists()
    assert repo.status == []


@pytest.mark.parametrize(("at", "wanted"), [("404", "HEAD~2"), ("main", "HEAD"), ("HEAD~1", "HEAD~1")])
def test_it_begins_where_it_is_told_to(repo: Repo, at: str, wanted: str) -> None:
    row = run("worktree", "ann", "--at", at, "--repo", repo.path, "--json").json["worktrees"][0]
    assert row["commit"] == repo.git("rev-parse", wanted) == Repo(tree(repo) / "ann").head


def test_a_folder_of_a_folder_lies_beside_the_others_and_where_one_says(repo: Repo, tmp_path: Path) -> None:
    run("worktree", "ann", "--repo", repo.path)
    run("worktree", "kai", "--repo", tree(repo) / "ann")
    run("worktree", "add", "list", "--in", tmp_path / "elsewhere", "--repo", repo.path)
    rows = run("worktree", "list", "--json", "--repo", repo.path).json["worktrees"]
    assert {row["name"]: row["path"] for row in rows} == {
        "ann": str(tree(repo) / "ann"),
        "kai": str(tree(repo) / "kai"),
        "list": str(tmp_path / "elsewhere" / "list"),
    }


def test_nothing_is_overwritten_and_of_several_none_is_made(repo: Repo) -> None:
    (tree(repo) / "kai").mkdir(parents=True)
    repo.git("branch", "worktrees/zoe")
    done = run("worktree", "ann", "kai", "zoe", "--repo", repo.path)
    assert (done.code, done.out, done.err) == (
        1,
        "",
        "No work tree was made, because something of that name is there already, and nothing is overwritten:\n"
        f"  the folder {tree(repo)}/kai\n"
        "  the branch worktrees/zoe\n"
        "Take other names, or remove these: `dreamcatcher worktree remove NAME`; a branch that it left, because only "
        "it has the commits, goes with `git branch -D`.\n",
    )
    assert not (tree(repo) / "ann").exists()


def test_if_one_cannot_be_made_the_others_are_taken_back(repo: Repo) -> None:
    # A branch of which `worktrees/b` would have to be a folder's file: git itself refuses the second.
    repo.git("update-ref", "refs/heads/worktrees/b/c", "HEAD")
    done = run("worktree", "a", "b", "--repo", repo.path)
    assert done.code == 1 and "A git command failed" in done.err
    assert not (tree(repo) / "a").exists()
    assert [one for one in repo.refs() if "worktrees" in one] == ["refs/heads/worktrees/b/c"]


def test_what_is_in_no_commit_is_not_removed_unless_forced(repo: Repo) -> None:
    run("worktree", "ann", "kai", "--repo", repo.path)
    (tree(repo) / "kai" / "note.txt").write_text("mine")
    assert run("worktree", "list", "--repo", repo.path).out.splitlines()[2:] == [
        "  name  frame  folder",
        f"  ann     405  {tree(repo)}/ann",
        f"  kai     405  {tree(repo)}/kai  uncommitted changes",
    ]
    done = run("worktree", "remove", "ann", "kai", "--repo", repo.path)
    assert (done.code, done.err) == (
        1,
        f"Nothing was removed, because something here is in no commit yet:\n  {tree(repo)}/kai\n"
        "Commit it there, or give --force to lose it.\n",
    )
    assert (tree(repo) / "ann").is_dir()
    assert run("worktree", "remove", "ann", "kai", "--force", "--repo", repo.path).code == 0
    assert not (tree(repo) / "kai").exists()
    assert [one for one in repo.refs() if "worktrees" in one] == []


def test_a_branch_stays_while_only_it_has_its_commits(repo: Repo) -> None:
    run("worktree", "ann", "kai", "--repo", repo.path)
    commit = Repo(tree(repo) / "ann").commit({"a.txt": b"a"})
    Repo(tree(repo) / "kai").commit({"k.txt": b"k"})
    repo.git("merge", "--quiet", "worktrees/kai")
    done = run("worktree", "remove", "ann", "kai", "--repo", repo.path)
    assert (done.code, done.out) == (
        0,
        "2 working folders removed.\n\nBranches that stay, because only they have their commits\n"
        f"  worktrees/ann, at {commit}\n\n{tree(repo)}/ann\n{tree(repo)}/kai\n",
    )
    assert [one for one in repo.refs() if "worktrees" in one] == ["refs/heads/worktrees/ann"]


def test_a_folder_that_somebody_deleted_is_listed_and_forgotten(repo: Repo) -> None:
    run("worktree", "ann", "--repo", repo.path)
    shutil.rmtree(tree(repo) / "ann")
    assert run("worktree", "list", "--repo", repo.path).out.splitlines()[-1].endswith("/ann  the folder is gone")
    assert run("worktree", "remove", "ann", "--json", "--repo", repo.path).json["removed"] == [
        {"name": "ann", "path": str(tree(repo) / "ann"), "branch": "worktrees/ann", "branch_kept": False}
    ]
    assert run("worktree", "list", "--json", "--repo", repo.path).json == {"worktrees": []}


@pytest.mark.parametrize(
    ("arguments", "letter"),
    [
        (["remove", "bob"], "No work tree of ours is named bob. There are none here."),
        (["ann", "--at", "nowhere"], "nowhere is neither a frame's number nor a commit"),
        (["ann", "--at", "900"], "There is no frame 900."),
        (["ann", "--workers", "2"], "Give names, or --workers and how many."),
        (["../ann"], "'../ann' is no name of a worker"),
        (["ann", "Ann"], "'Ann' is named twice"),
    ],
)
def test_what_cannot_be_is_said(repo: Repo, arguments: list[str], letter: str) -> None:
    done = run("worktree", *arguments, "--repo", repo.path)
    assert (done.code, done.out) == (1, "")
    assert letter in " ".join(done.err.split()), done.err
    assert not tree(repo).exists()
