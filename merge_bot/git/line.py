"""What is new on branches that only grow: from each tip back to the commit that was the newest one last time.

Read commit by commit from the objects, all branches at once, so that no branch can hide anything of another one, and a
thousand branches need no thousand processes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from merge_bot.git.repository import Repository

_COMMITTED = re.compile(rb"^committer .*> (\d{1,15}) [+-]\d{4}$", re.M)


@dataclass(slots=True)
class Line:
    """`commits` maps each new commit to those parents that the repository has; `times` to when, in seconds since 1970.

    `is_rewound`: the commit of last time is not behind the tip. `is_cut`: the history ends before anything is known of
    that (a shallow clone). `is_long`: there are more commits than were asked for, and not all were looked at.
    """

    commits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    is_rewound: bool = False
    is_cut: bool = False
    is_long: bool = False


def lines_of(repository: Repository, tips: Mapping[str, str], until: Mapping[str, str], limit: int) -> dict[str, Line]:
    """What is new on each branch of `tips` (name → newest commit) since `until` (name → the newest one last time)."""
    boundary = repository.shallow_boundary()
    lines = {name: Line(is_rewound=name in until) for name in tips}
    frontier = {name: {tip} for name, tip in tips.items()}
    parents: dict[str, tuple[str, ...]] = {}
    times: dict[str, int] = {}
    while frontier:
        for name, commits in list(frontier.items()):
            if until.get(name) in commits:
                lines[name].is_rewound = False
                commits.remove(until[name])
        unread = {one for commits in frontier.values() for one in commits} - parents.keys()
        read = repository.read_commits(unread)
        parents |= {one: _parents(data) for one, data in read.items()}
        times |= {one: _time(data) for one, data in read.items()}
        for name, commits in list(frontier.items()):
            frontier[name] = _step(lines[name], commits, parents, boundary, until.get(name))
            if len(lines[name].commits) > limit:
                lines[name].is_long = True
            if not frontier[name] or lines[name].is_long:
                del frontier[name]
    for name, line in lines.items():
        line.times = {one: times[one] for one in line.commits}
        line.is_cut = line.is_cut and (line.is_rewound or name not in until)
        if line.is_rewound and not line.is_cut and repository.has_commit(until[name]):
            _forget(repository, line, until[name])
    return lines


def _step(
    line: Line, commits: set[str], parents: Mapping[str, tuple[str, ...]], boundary: frozenset[str], until: str | None
) -> set[str]:
    """Take in these commits; the ones to look at next."""
    further: set[str] = set()
    for commit in commits:
        above = parents[commit]
        if commit in boundary:
            # Its parents are named in it all the same, but not there.
            line.is_rewound = line.is_rewound and until not in above
            line.is_cut = line.is_cut or bool(set(above) - {until})
            above = ()
        line.commits[commit] = above
        further.update(one for one in above if one not in line.commits)
    return further


def _forget(repository: Repository, line: Line, newest: str) -> None:
    """A branch that was cut back and grown again still has old commits in it, which are known."""
    known = repository.git.run("rev-list", "--end-of-options", newest).out.decode().split()
    for commit in line.commits.keys() & set(known):
        del line.commits[commit]


def _parents(commit: bytes) -> tuple[str, ...]:
    """The parents that a commit names, whether or not they are here."""
    head = commit.partition(b"\n\n")[0]
    return tuple(line[7:].decode() for line in head.split(b"\n") if line.startswith(b"parent "))


def _time(commit: bytes) -> int:
    """When it was committed; 0 where the commit does not say that in git's way."""
    found = _COMMITTED.search(commit.partition(b"\n\n")[0])
    return int(found[1]) if found else 0
