"""Where the bytes of merged deltas are that the frame's folder does not hold: on the workers' delta branches.

The manifest names commit and blob there (`archive: branches`), and the SHA-256, which proves them wherever they are
found: among the objects of this repository, whatever ref they are behind, else at its remote. Of however many deltas
together, git is asked once for what is here, and the remote once for what is not; nothing of the clone's refs moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from merge_bot.errors import DreamcatcherError, GitFailed, NoSuchBranch
from merge_bot.git import Repository
from merge_bot.git.bare import REMOTE
from merge_bot.git.remote import Remote
from merge_bot.transports.base import DELTA_BRANCHES

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Brought:
    """What is not at hand: `lost` are blobs; `remote`, a name or a URL, was asked for them, and `why` is what kept it
    from answering.
    """

    lost: frozenset[str] = frozenset()
    remote: str = ""
    why: str = ""


def bring(repository: Repository, rows: Iterable[Row]) -> Brought:
    """Have the bytes of these rows of manifests at hand, as far as they can be had: of those in no frame's folder."""
    lost = _missing(repository, {str(row["blob"]) for row in rows if "file" not in row and row.get("blob")})
    if not lost:
        return Brought()
    name, why = repository.remote, ""
    try:
        remote = Remote(repository, name)
        name = remote.url if name == REMOTE else name  # what nobody gave a name
        _fetch(remote, lost)
    except DreamcatcherError as error:
        why = str(error)
    return Brought(_missing(repository, lost), name, why)


def found(repository: Repository, rows: Iterable[Row]) -> frozenset[str]:
    """Those blobs of these rows that are at hand, once they were brought; see `control.Office.found`."""
    asked = list(rows)
    return frozenset(str(row["blob"]) for row in asked) - bring(repository, asked).lost


def _missing(repository: Repository, blobs: Iterable[str]) -> frozenset[str]:
    return frozenset(blob for blob, size in repository.sizes(blobs).items() if size is None)


def _fetch(remote: Remote, blobs: frozenset[str]) -> None:
    """The blobs alone; where one is lost, or the server gives out no single objects, all that the branches hold.

    Raises RemoteUnreachable, RemoteRefused, GitFailed.
    """
    try:
        remote.fetch_objects(blobs)
    except (GitFailed, NoSuchBranch):
        remote.fetch_behind(DELTA_BRANCHES)
