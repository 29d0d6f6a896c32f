"""Pure. The manifest: frame N's proof. It names the digest of the one before, so the frames are a chain.

Its size grows with the frame, not with the state. It is written once, into the frame's own folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from merge_bot import letters
from merge_bot.canonical import digest, document, fields_of
from merge_bot.errors import UnreadableState
from merge_bot.paths import Paths
from merge_bot.state import Files, read_json

RULES_VERSION = 1
"""The version of the merge rules: replay is byte for byte within one version."""

GENESIS, MERGE = "genesis", "merge"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One frame's proof.

    `base` is the commit that was read (None: there was none), `state_tree` git's tree id of everything canonical,
    `files` the SHA-256 and record count of each state file that the frame wrote, `counts` every collection's
    records afterwards, `deltas` what was consumed, `previous` the digest of the manifest before.
    """

    frame: int
    kind: str
    time: str
    base: str | None
    state_tree: str
    counts: Mapping[str, int]
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    deltas: tuple[Mapping[str, Any], ...] = ()
    settings: str | None = None
    schemas: Mapping[str, str] = field(default_factory=dict)
    adopted: Mapping[str, str] = field(default_factory=dict)
    previous: str | None = None
    rules: int = RULES_VERSION

    def as_bytes(self) -> bytes:
        return document(fields_of(self))

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest's bytes: what `_meta.json` and the next manifest name."""
        return digest(self.as_bytes())


def read_manifest(files: Files, paths: Paths, frame: int, expected: str | None = None) -> Manifest:
    """Frame `frame`'s manifest. Raises UnreadableState if it is missing, damaged, or not the `expected` digest."""
    path = paths.manifest(frame)
    value = read_json(files, path)
    if value is None:
        raise UnreadableState(letters.missing_manifest(path, frame))
    try:
        manifest = Manifest(**{**value, "deltas": tuple(value["deltas"])})
    except (TypeError, KeyError):
        raise UnreadableState(letters.wrong_shape(path, "a manifest")) from None
    data = files.read(path)
    if expected is not None and digest(data or b"") != expected:
        raise UnreadableState(letters.manifest_changed(path, expected))
    return manifest
