"""What the files say that keep refs: which branch is checked out, and that there are no refs of a kind. Both are asked
again and again, and a git process is a hundred times as slow. https://git-scm.com/docs/gitrepository-layout
"""

from __future__ import annotations

import os
import re

from merge_bot.git.process import raw, text

_BRANCH = re.compile(rb"ref: (refs/heads/\S+)\n")
_REFTABLE = b"refs/heads/.invalid"


def plain_branch(git_dir: str | os.PathLike[str], common_dir: str | os.PathLike[str]) -> str | None:
    """The full name of the branch in HEAD; None where only git itself can tell.

    That is with a detached HEAD, where refs are kept in a reftable, and where the branch is another name of a branch.
    """
    named = _BRANCH.fullmatch(_read(os.path.join(git_dir, "HEAD")))
    if named is None or named[1] == _REFTABLE:
        return None
    branch = text(named[1])
    return None if _read(os.path.join(common_dir, branch)).startswith(b"ref:") else branch


def surely_none(common_dir: str | os.PathLike[str], prefix: str) -> bool:
    """Whether there is no ref below `prefix` (which ends with a slash) for certain; False where only git can tell."""
    if os.path.exists(os.path.join(common_dir, "reftable")) or os.path.exists(os.path.join(common_dir, prefix)):
        return False
    return raw(prefix) not in _read(os.path.join(common_dir, "packed-refs"))


def _read(path: str) -> bytes:
    """A file's bytes; nothing where it cannot be read: a packed ref has no file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
