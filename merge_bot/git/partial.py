"""A repository of our own in which only trees are whole: the contents of files stay at its remote until they are read.

Only a fetch is told of that. Git, told of it, would bring each object that it misses by itself, a request an object;
as its other processes know of no place to fetch from, what is missing is reported as missing, and whoever asked
fetches all of it at once (`Objects`).

Trees always come whole. They could be left behind as well, but servers that are asked for trees down to some depth
may refuse (it is slow to compute), and to ask for them level by level costs a request a level.
"""

from __future__ import annotations

import re

_NO_FILTER = re.compile(rb"filter '?[^']*'? not supported")
_NO_OBJECTS = re.compile(rb"not our ref|unadvertised object")


class Partial:
    """What the fetches of such a repository say, from its remote `name`. `leaves`: contents still stay behind."""

    def __init__(self, name: str) -> None:
        self.leaves = True
        self._name = name

    def fetch(self, *options: str) -> tuple[str, ...]:
        """The command of a fetch, up to its own options."""
        told = (f"remote.{self._name}.promisor=true", f"remote.{self._name}.partialclonefilter=blob:none")
        filtered = "--filter=blob:none" if self.leaves else "--no-filter"
        return ("-c", told[0], "-c", told[1], "fetch", filtered, *options)


def leaves_nothing_out(stderr: bytes) -> bool:
    """Whether a server refused the filter. Old servers do not: they ignore it, and send everything."""
    return _NO_FILTER.search(stderr) is not None


def gives_no_objects(stderr: bytes) -> bool:
    """Whether a server refused to send single objects by their ids."""
    return _NO_OBJECTS.search(stderr) is not None
