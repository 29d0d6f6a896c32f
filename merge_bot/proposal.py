"""Pure. What a pull request says about its frame: a hidden marker for us, and words for people.

The marker is the first line of the body and nowhere else, so that no text of a worker's can be one:

    <!-- dreamcatcher: {"base":"main","commit":"…","deltas":"…","frame":406,"inputs":"…"} -->
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from merge_bot.manifest import Manifest

HEAD_PREFIX = "dreamcatcher/"
LABEL = "dreamcatcher"
_MARKER = re.compile(r"<!-- dreamcatcher: (\{[^\r\n]{0,4000}\}) -->(?:\r?\n|\Z)")


def head_branch(base: str) -> str:
    """The one branch that proposes frames to `base`, both without `refs/heads/`."""
    return f"{HEAD_PREFIX}{base}"


def rollback_branch(base: str) -> str:
    """The branch that proposes a rollback of `base`: not the one of frames, which each run makes anew."""
    return f"{HEAD_PREFIX}{base}.rollback"


@dataclass(frozen=True, slots=True)
class Marker:
    """What a pull request carries. `deltas` is the digest of the set of its deltas, `inputs` of all that the frame was
    made from, `commit` the commit as we made it. `withdrawn`: closed by us, so that it vetoes nothing.
    """

    base: str
    frame: int
    deltas: str
    inputs: str
    commit: str
    withdrawn: bool = False

    def line(self) -> str:
        """The marker as a line of the body."""
        told = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return f"<!-- dreamcatcher: {told.replace('<', chr(92) + 'u003c').replace('>', chr(92) + 'u003e')} -->"

    @classmethod
    def read(cls, body: str) -> Marker | None:
        """The marker of a body; None if it has none that is whole."""
        found = _MARKER.match(body)
        try:
            value = json.loads(found[1]) if found else None
        except ValueError:
            return None
        match value:
            case {
                "base": str(base), "frame": int(frame), "deltas": str(deltas), "inputs": str(inputs),
                "commit": str(commit), "withdrawn": bool(withdrawn),
            }:  # fmt: skip
                return cls(base, frame, deltas, inputs, commit, withdrawn)
        return None

    @staticmethod
    def replaced(body: str, marker: Marker) -> str:
        """`body` under another marker."""
        found = _MARKER.match(body)
        return f"{marker.line()}\n{body[found.end() if found else 0 :]}"


def deltas_digest(manifest: Manifest) -> str:
    """The set of a frame's deltas, and of other hands' changes, as one SHA-256: a copy under another name changes
    nothing."""
    edits = {f"{row['delta']} {row['path']}" for row in manifest.edits or ()}
    return _digest([*_going_back(manifest), *sorted({str(row["delta"]) for row in manifest.deltas} | edits)])


def inputs_digest(manifest: Manifest, version: str) -> str:
    """Everything that decides what a frame becomes, but for the time: equal inputs make an equal frame."""
    sources = sorted(f"{row['delta']} {row['source']}" for row in manifest.deltas)
    which = (str(manifest.rules), str(manifest.frame), str(manifest.base))
    return _digest([version, *which, *_going_back(manifest), *sources])


def _going_back(manifest: Manifest) -> list[str]:
    """What makes a rollback another one than any other."""
    told = manifest.rollback
    return [] if told is None else [f"rollback to {told['to']}", f"requeued {told['requeued']}"]


def _digest(words: Iterable[str]) -> str:
    return sha256("\n".join(words).encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame is proposed: branches, its marker, and the repository's page ("" if unknown)."""

    base: str
    head: str
    marker: Marker
    web_url: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """A pull request's title, body and labels, each within GitHub's limits, with nothing in them that takes effect."""

    title: str
    body: str
    labels: tuple[str, ...]

    def labels_beside(self, there: Iterable[str]) -> tuple[str, ...] | None:
        """All labels that the pull request is to have: these, and of those that are `there` whatever people added.

        None if it has them already. GitHub tells no two labels apart by case.
        """
        there = list(there)
        wanted = {one.casefold(): one for one in self.labels}
        kept = {one.casefold(): one for one in there if not one.startswith(f"{LABEL}: ") or one.casefold() in wanted}
        wanted |= kept
        return None if wanted.keys() == {one.casefold() for one in there} else tuple(sorted(wanted.values()))
