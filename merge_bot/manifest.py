"""Pure. The manifest: frame N's proof. It names the digest of the one before, so the frames are a chain.

Its size grows with the frame, not with the state. It is written once, into the frame's own folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from merge_bot import letters
from merge_bot.canonical import digest, document
from merge_bot.errors import UnreadableState
from merge_bot.manifest_schema import manifest_schema
from merge_bot.paths import Paths
from merge_bot.state import Files, parse_json

RULES_VERSION = 3
"""The version of the merge rules: replay is byte for byte within one version."""

GENESIS, MERGE, ROLLBACK, ADOPT, REVERT = "genesis", "merge", "rollback", "adopt", "revert"
_LATER = ("landed", "rollback", "kept_from", "marks", "control", "rolled_back", "edits")  # that older manifests lack


class Manifest(NamedTuple):
    """One frame's proof.

    `base` is the commit that was read (None: there was none), `state_tree` git's tree id of everything canonical,
    `files` the SHA-256 and record count of each state file that the frame wrote, `counts` every collection's
    records afterwards, `deltas` what was consumed, `previous` the digest of the manifest before, `landed` the commit
    in which that one came to the branch: squash and rebase merges make commits of their own. `rollback` says what a
    rollback did: the frame that it went back `to`, the deltas `undone` and `restored`, whether they were `requeued`.
    Archives of frames before `kept_from` are no longer in the tree, only in history. `marks` names the newest consumed
    commit of each delta branch that the frame read on. `control` are the decisions that the frame took.
    `rolled_back` is the newest rollback before it.
    `edits` are the files that another hand had changed, of a frame that adopts or reverts that: what lay there before
    and after, who did it, when.
    """

    frame: int
    kind: str
    time: str
    base: str | None
    state_tree: str
    counts: Mapping[str, int]
    files: Mapping[str, Mapping[str, Any]] = {}
    deltas: tuple[Mapping[str, Any], ...] = ()
    settings: str | None = None
    schemas: Mapping[str, str] = {}
    adopted: Mapping[str, str] = {}
    previous: str | None = None
    rules: int = RULES_VERSION
    landed: str | None = None
    rollback: Mapping[str, Any] | None = None
    kept_from: int | None = None
    marks: Mapping[str, str] | None = None
    control: Sequence[Mapping[str, Any]] | None = None
    rolled_back: int | None = None
    edits: Sequence[Mapping[str, Any]] | None = None

    def as_bytes(self) -> bytes:
        """Without fields that came later and say nothing here, so that an older manifest keeps its bytes."""
        return document({name: one for name, one in self._asdict().items() if one is not None or name not in _LATER})

    @property
    def newest_rollback(self) -> int | None:
        """The newest frame up to this one that made an earlier state the newest."""
        return self.frame if self.kind == ROLLBACK else self.rolled_back

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest's bytes: what `_meta.json` and the next manifest name."""
        return digest(self.as_bytes())


def read_manifest(files: Files, paths: Paths, frame: int, expected: str | None = None) -> Manifest:
    """Frame `frame`'s manifest. Raises UnreadableState if it is missing, damaged, or not the `expected` digest."""
    path = paths.manifest(frame)
    data = files.read(path)
    if data is None:
        raise UnreadableState(letters.missing_manifest(path, frame))
    return parse_manifest(data, path, frame, expected)


def parse_manifest(data: bytes, path: str, frame: int, expected: str | None = None) -> Manifest:
    """The manifest of `frame` in these bytes, which lie at `path`. Raises UnreadableState as `read_manifest`."""
    if expected is not None and digest(data) != expected:
        raise UnreadableState(letters.manifest_changed(path, expected))
    value = parse_json(data, path)
    rules = value.get("rules") if isinstance(value, dict) else None
    if isinstance(rules, int) and rules > RULES_VERSION:
        raise UnreadableState(letters.newer_rules(path, rules, RULES_VERSION))
    if not manifest_schema().is_valid(value) or value["frame"] != frame:
        raise UnreadableState(letters.manifest_misshapen(path, frame, _first_problem(value)))
    return Manifest(**{**value, "deltas": tuple(value["deltas"])})


def _first_problem(value: Any) -> tuple[str, str]:
    """The JSON pointer and the sentence of the first thing that the manifest's schema says is wrong."""
    from merge_bot.strict_json import pointer
    from merge_bot.wording import violation

    for finding in manifest_schema().findings(value):
        return pointer(*finding.path), violation(finding)
    return "/frame", ""
