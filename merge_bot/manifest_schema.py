"""Pure. The manifest's shape as a JSON Schema. Every manifest that is read is held against it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merge_bot.json_schema import Schema

_FRAME = {"type": "integer", "minimum": 0}
_COUNT = {"type": "integer", "minimum": 0}
_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_OBJECT = {"type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})$"}
_COMMIT = {"anyOf": [_OBJECT, {"type": "null"}]}

DELTA: dict[str, Any] = {
    "title": "A delta that this frame consumed",
    "type": "object",
    "properties": {
        "delta": {"description": "SHA-256 of its bytes", **_SHA256},
        "outcome": {"description": "what became of it, as its receipt says", "type": "string", "minLength": 1},
        "source": {"description": "the path that it came under", "type": "string"},
        "stream_id": {"type": "string"},
        "utc": {"type": "string"},
        "frame": {"description": "the frame that it says it is of", **_FRAME},
        "blob": {"description": "its bytes' id in git", **_OBJECT},
        "file": {"description": "where its bytes are kept, if that is here; a duplicate has no copy", "type": "string"},
        "mode": {"description": "git's file mode, where it was not a plain file", "type": "string"},
        "branch": {"description": "whose delta branch it came by", "type": "string"},
        "commit": {"description": "where on that branch its bytes are, if the frame's folder holds none", **_OBJECT},
        "refused": {"description": "why nothing from that branch could enter", "type": "string"},
        "gone": {"description": "it had left the inbox before the merge, and was read from history", "const": True},
    },
    "required": ["delta", "outcome", "source"],
    "dependentRequired": {"commit": ["branch", "blob"]},
    "additionalProperties": False,
}

MOVED: dict[str, Any] = {
    "title": "A delta that a rollback took out of the state, or brought back",
    "type": "object",
    "properties": {
        "delta": {"description": "SHA-256 of its bytes", **_SHA256},
        "merged_in": {"description": "the frame that had merged it", **_FRAME},
        "outcome": {"description": "what became of it then", "enum": ["applied", "late"]},
        "frame": {"description": "the frame that it says it is of", **_FRAME},
        "source": {"description": "the path that it had come under", "type": "string"},
    },
    "required": ["delta", "merged_in", "outcome", "frame", "source"],
    "additionalProperties": False,
}

ROLLBACK: dict[str, Any] = {
    "title": "What a rollback did",
    "type": "object",
    "properties": {
        "to": {"description": "the frame whose state came back", **_FRAME},
        "undone": {"type": "array", "items": MOVED},
        "restored": {"type": "array", "items": MOVED},
        "requeued": {"description": "whether the undone ones were put up again", "type": "boolean"},
    },
    "required": ["to", "undone", "restored", "requeued"],
    "additionalProperties": False,
}

DECIDED: dict[str, Any] = {
    "title": "A decision that this frame took, and what it changed",
    "type": "object",
    "properties": {
        "op": {"description": "which operation of `_control`", "type": "string"},
        "by": {"description": "SHA-256 of the delta that asked for it", **_SHA256},
        "at": {"description": "its place in that delta, a JSON pointer", "type": "string"},
        "delta": {"description": "SHA-256 of the delta that it was about", **_SHA256},
        "amended": {"description": "SHA-256 of the delta that took its place", **_SHA256},
        "filed": {"description": "the frames whose ledger tells of that one", "type": "array", "items": _FRAME},
        "worker": {"description": "the worker that it was about", "type": "string"},
        "epoch": {"description": "the worker's epoch from then on", **_FRAME},
        "lease": {"description": "the worker's lease from then on", "enum": ["held", "ended"]},
        "collection": {"description": "of a conflict that it resolved: the collection", "type": "string"},
        "key": {"description": "of a conflict that it resolved: the key", "type": "string"},
        "field": {"description": "of a conflict that it resolved: the field", "type": "string"},
        "ledger": {"description": "the frames whose ledger tells of it", "type": "array", "items": _FRAME},
    },
    "required": ["op"],
    "additionalProperties": False,
}

EDIT: dict[str, Any] = {
    "title": "A file that another hand had changed",
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "before": {"description": "blob id of what the manifest before had proven, null: nothing", **_COMMIT},
        "after": {"description": "blob id of what the other hand left, null: nothing", **_COMMIT},
        "delta": {"description": "SHA-256 of what the other hand left (of a file removed: of nothing)", **_SHA256},
        "outcome": {"enum": ["applied", "quarantined"]},
        "file": {"description": "where reverted bytes are kept", "type": "string"},
        "commit": {"description": "the newest commit that changed it", "type": "string"},
        "author": {"description": "Name <email>", "type": "string"},
        "date": {"type": "string"},
    },
    "required": ["path", "before", "after", "delta", "outcome", "commit", "author", "date"],
    "additionalProperties": False,
}

MANIFEST: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "The manifest of a frame: its proof",
    "type": "object",
    "properties": {
        "frame": {"description": "the frame's number", **_FRAME},
        "kind": {"enum": ["genesis", "merge", "adopt", "revert", "rollback"]},
        "time": {"description": "the merge's clock, RFC 3339", "type": "string"},
        "base": {"description": "the commit that was read", **_COMMIT},
        "landed": {"description": "the commit in which the frame before came to the branch", **_COMMIT},
        "state_tree": {"description": "git's tree of everything canonical", **_OBJECT},
        "counts": {"description": "records by collection", "type": "object", "additionalProperties": _COUNT},
        "files": {
            "description": "what each file is that the frame wrote, by path",
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {"sha256": _SHA256, "records": _COUNT},
                "required": ["sha256"],
                "additionalProperties": False,
            },
        },
        "deltas": {"type": "array", "items": DELTA},
        "settings": {"description": "blob id of the settings", **_COMMIT},
        "schemas": {"description": "blob ids by path", "type": "object", "additionalProperties": _OBJECT},
        "adopted": {"description": "blob ids by path", "type": "object", "additionalProperties": _OBJECT},
        "previous": {"description": "digest of the manifest before", "anyOf": [_SHA256, {"type": "null"}]},
        "rules": {"description": "the version of the merge rules", "type": "integer", "minimum": 1},
        "rollback": ROLLBACK,
        "edits": {"description": "what was adopted or reverted", "type": "array", "items": EDIT},
        "marks": {
            "description": "the newest consumed commit of each delta branch that was read on, by worker",
            "type": "object",
            "additionalProperties": _OBJECT,
        },
        "control": {"type": "array", "items": DECIDED},
        "rolled_back": {"description": "the newest rollback before this frame", **_FRAME},
        "kept_from": {"description": "archives of frames before this one are only in history", **_FRAME},
    },
    "required": ["frame", "kind", "time", "base", "state_tree", "counts", "files", "deltas", "previous", "rules"],
    "additionalProperties": False,
}


@cache
def manifest_schema() -> Schema:
    """The schema, compiled once."""
    from merge_bot.json_schema import Schema

    return Schema(MANIFEST)
