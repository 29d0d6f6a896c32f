"""The edge to a workspace that belongs to another user: nothing of root's is left behind."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def hand_back(workspace: Path) -> int:
    """Gives what belongs to us inside `workspace` to the workspace's owner; returns how many paths that were.

    A container action runs as root in a workspace of the runner's user, who could not clean up after it. Links are
    not followed, files with a second name are left alone, other file systems are not entered.
    """
    us, owner = os.geteuid(), workspace.lstat()
    if us != 0 or owner.st_uid == us:
        return 0
    given = 0
    for _, folders, files, here in os.fwalk(workspace, follow_symlinks=False):
        for name in [*folders, *files]:
            try:
                found = os.stat(name, dir_fd=here, follow_symlinks=False)
                if found.st_dev != owner.st_dev:
                    folders[:] = [folder for folder in folders if folder != name]
                elif found.st_uid == us and (stat.S_ISDIR(found.st_mode) or found.st_nlink == 1):
                    os.chown(name, owner.st_uid, owner.st_gid, dir_fd=here, follow_symlinks=False)
                    given += 1
            except FileNotFoundError:  # git removes its temporary files in its own time
                continue
    return given
