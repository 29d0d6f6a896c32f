"""Pure. Every sentence about git: what happened, why, what to do now. Secrets are masked here and in the log alike."""

from __future__ import annotations

from collections.abc import Sequence

from merge_bot.git.secrets import masked
from merge_bot.wording import printable

__all__ = ["masked"]

_LAST_LINES = 12
_MANY = 20


def said(stderr: bytes) -> str:
    """The last lines that a git process wrote, indented, masked, with nothing in them that a reader cannot see."""
    lines = stderr.decode("utf-8", "backslashreplace").splitlines()
    return "\n".join(f"  {printable(masked(line))}" for line in lines[-_LAST_LINES:] if line.strip())


def git_failed(command: str, code: int, stderr: bytes, directory: str) -> str:
    how = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
    return (
        f"A git command {how}:\n  {command}\n{said(stderr) or '  (it said nothing)'}\n"
        f"Run it by hand in {printable(directory)} to see more. If it names a lock file, see to it that no other git "
        "is running there, and delete that file."
    )


def no_git() -> str:
    return "The program `git` was not found. Install git 2.36 or newer, and see to it that it is on PATH."


def no_folder(path: str) -> str:
    return f"There is no folder {printable(path)}. Give the folder of a git repository, or make one with `git init`."


def no_repository(path: str) -> str:
    return f"{printable(path)} is not in a git repository. Change to one, give its folder, or make one with `git init`."


def not_trusted(path: str) -> str:
    return (
        f"The repository {printable(path)} belongs to another user, so git refuses to work in it (dubious ownership).\n"
        f"If you trust it, say so: git config --global --add safe.directory {printable(path)}"
    )


def no_work_tree(path: str) -> str:
    return f"{printable(path)} is a bare repository: it has no files to work with. Use a clone with a work tree."


def no_object(name: str) -> str:
    return (
        f"Object {printable(name[:80])} is not in the repository, though something in it names it. The clone may be "
        "incomplete or damaged: `git fsck` tells; a fresh clone mends it."
    )


def cannot_write(folder: str, problem: OSError) -> str:
    return (
        f"New objects cannot be written into {printable(folder)}: {problem.strerror}. Nothing was changed; make room "
        "(or give the right to write) there and run again."
    )


def other_kind(name: str, kind: str, wanted: str) -> str:
    return (
        f"Object {printable(name[:80])} is a {kind}, where a {wanted} was expected. `git fsck` tells if it is damaged."
    )


def cannot_deepen(why: str) -> str:
    return f"This clone is shallow, and the history that it lacks is needed; to fetch it failed.\n{why}"


def not_deep_enough(commit: str | None, remote: str) -> str:
    wanted = f"back to commit {commit}" if commit else "to its beginning"
    return (
        f"The history is needed {wanted}, to read every delta since, but this clone does not reach there and "
        f"{printable(remote)} has no more. Fetch it (git fetch --unshallow), or start from a full clone "
        "(fetch-depth: 0 in actions/checkout)."
    )


def unreadable_marker(path: str) -> str:
    return (
        f"{printable(path)} says that an update of the work tree was interrupted, but it cannot be read. "
        "Look at `git status`; when the work tree is as it should be, delete that file."
    )


def not_followed(commit: str, paths: Sequence[str]) -> str:
    lines = "\n".join(f"  {printable(path)}" for path in paths[:_MANY])
    more = f"\n  and {len(paths) - _MANY:,} more" if len(paths) > _MANY else ""
    return (
        f"The branch moved to {commit}, but the work tree could not follow, because of local edits here:\n"
        f"{lines}{more}\n"
        "They are untouched. Move these files away (mv, not git stash), run any dreamcatcher command, which brings "
        "the work tree along, and then put back what you need of them."
    )


def worktree_there(folders: Sequence[str], branches: Sequence[str]) -> str:
    there = [f"  the folder {printable(one)}" for one in folders[:_MANY]]
    there += [f"  the branch {printable(one)}" for one in branches[:_MANY]]
    return (
        "No work tree was made, because something of that name is there already, and nothing is overwritten:\n"
        + "\n".join(there)
        + "\nTake other names, or remove these: `dreamcatcher worktree remove NAME`; a branch that it left, because "
        "only it has the commits, goes with `git branch -D`."
    )


def no_worktree(names: Sequence[str], known: Sequence[str]) -> str:
    there = f"There are {', '.join(map(printable, known[:_MANY]))}." if known else "There are none here."
    return (
        f"No work tree of ours is named {', '.join(map(printable, names[:_MANY]))}. {there} Others are git's own "
        "business (`git worktree list`)."
    )


def worktree_changed(folders: Sequence[str]) -> str:
    lines = "\n".join(f"  {printable(one)}" for one in folders[:_MANY])
    return (
        f"Nothing was removed, because something here is in no commit yet:\n{lines}\n"
        "Commit it there, or give --force to lose it."
    )


def no_such_place(name: str) -> str:
    return (
        f"{printable(name)} is neither a frame's number nor a commit that this repository has. `dreamcatcher log` "
        "lists the frames."
    )
