"""What GitHub does to a repository, done to a real bare one with real git: merges of each kind, commits, refs."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

GITHUB = ("GitHub", "noreply@github.com")
ZEROS = "0" * 40


class Refused(Exception):
    """What git would not do, in GitHub's words."""


class BareGit:
    """A bare repository. Commits made here carry the time of the commit that they are made from."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *arguments: str, stdin: bytes = b"", check: bool = True, **environment: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, input=stdin, capture_output=True, env={**os.environ, **environment}
        )  # fmt: skip
        if check and done.returncode:
            raise Refused(done.stderr.decode(errors="replace"))
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def tip(self, branch: str) -> str | None:
        """The commit of a branch, None if there is none."""
        return self.run("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}", check=False) or None

    def tree(self, commit: str) -> str:
        return self.run("rev-parse", f"{commit}^{{tree}}")

    def is_ancestor(self, older: str, newer: str) -> bool:
        done = subprocess.run(["git", "merge-base", "--is-ancestor", older, newer], cwd=self.path, capture_output=True)
        return done.returncode == 0

    def commits(self, base: str, head: str) -> list[str]:
        """What `head` has and `base` has not, the oldest first."""
        return self.run("rev-list", "--reverse", f"{base}..{head}").split()

    def message(self, commit: str) -> str:
        return self.run("log", "-1", "--format=%B", commit)

    def commit(self, tree: str, parents: Sequence[str], message: str, committer: tuple[str, str] = GITHUB) -> str:
        when = self.run("log", "-1", "--format=%cI", parents[-1])
        who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER")
               for part, value in (("NAME", committer[0]), ("EMAIL", committer[1]), ("DATE", when))}  # fmt: skip
        given = [word for parent in parents for word in ("-p", parent)]
        return self.run("commit-tree", tree, *given, stdin=message.encode(), **who)

    def merged_tree(self, base: str, head: str) -> str | None:
        """The tree of a merge, None where it conflicts."""
        done = subprocess.run(
            ["git", "merge-tree", "--write-tree", base, head], cwd=self.path, capture_output=True, check=False
        )
        return done.stdout.decode().split()[0] if done.returncode == 0 else None

    def merge(self, base: str, head: str, method: str, message: str) -> str:
        """The commit that merging `head` onto `base` makes. Raises Refused on conflicts."""
        tree = self.merged_tree(base, head)
        if tree is None:
            raise Refused("Pull Request is not mergeable")
        if method == "merge":
            return self.commit(tree, [base, head], message)
        if method == "squash":
            return self.commit(tree, [base], message)
        with tempfile.TemporaryDirectory() as folder:
            place = f"{folder}/rebase"
            self.run("worktree", "add", "--quiet", "--detach", place, base)
            try:
                who = {"GIT_COMMITTER_NAME": GITHUB[0], "GIT_COMMITTER_EMAIL": GITHUB[1]}
                self.run("-C", place, "cherry-pick", *self.commits(base, head), **who)
                return self.run("-C", place, "rev-parse", "HEAD")
            finally:
                self.run("worktree", "remove", "--force", place)

    def commit_files(self, parent: str, additions: Mapping[str, bytes], deletions: Sequence[str], message: str) -> str:
        """A commit on `parent` with these files put (mode 100644) and removed."""
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": f"{folder}/index"}
            self.run("read-tree", parent, **index)
            lines = [b"0 %s\t%s\n" % (ZEROS.encode(), path.encode()) for path in deletions]
            for path, data in additions.items():
                blob = self.run("hash-object", "-w", "--stdin", stdin=data)
                lines.append(b"100644 %s\t%s\n" % (blob.encode(), path.encode()))
            self.run("update-index", "--index-info", stdin=b"".join(lines), **index)
            tree = self.run("write-tree", **index)
        return self.commit(tree, [parent], message)

    def update_refs(self, changes: Sequence[tuple[str, str, str | None]]) -> None:
        """Move refs (full name, new, expected) all or none; zeros are absence. Raises Refused."""
        lines = [f"update {name} {new} {old or ''}".rstrip() for name, new, old in changes]
        self.run("update-ref", "--stdin", stdin="".join(f"{line}\n" for line in ["start", *lines, "commit"]).encode())
