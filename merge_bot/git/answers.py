"""Pure. What a remote's words mean when git could not read from it: no rights, no repository, or no answer at all."""

from __future__ import annotations

import re

from merge_bot.errors import DreamcatcherError, RemoteRefused, RemoteUnreachable
from merge_bot.git import remote_letters as letters

NO_RIGHTS = re.compile(
    rb"returned error: 40[13]|Authentication failed|could not read (Username|Password)|Permission to .* denied|"
    rb"Permission denied|access to repository not granted|terminal prompts disabled|Invalid username or"
)
_NO_REPOSITORY = re.compile(
    rb"returned error: 404|repository '.*' not found|Repository not found|does not appear to be a git repository|"
    rb"not a git repository"
)
_UNREACHABLE = re.compile(
    rb"unable to access|unable to connect|Could not (resolve|read from|connect)|Couldn't connect|Connection (refused|"
    rb"reset|timed out|closed)|RPC failed|hung up unexpectedly|early EOF|unexpected disconnect|protocol error|"
    rb"bad line length|returned error: [45]\d\d|expected flush|invalid server response|Operation too slow|Empty reply"
)


def unread(url: str, stderr: bytes) -> DreamcatcherError | None:
    """What to raise about a fetch that failed; None if the words are not about the remote."""
    if NO_RIGHTS.search(stderr):
        return RemoteRefused(letters.no_rights(url, stderr, writing=False))
    if _NO_REPOSITORY.search(stderr):
        return RemoteRefused(letters.no_repository(url, stderr))
    if _UNREACHABLE.search(stderr):
        return RemoteUnreachable(letters.unreachable(url, stderr))
    return None
