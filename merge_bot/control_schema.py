"""Pure. The shape of `_control`: what people and workers may decide in a delta, one strict schema an operation.

A request is an object with `op` and what that operation needs, `{"op": "drop", "delta": "<SHA-256>", "frame": 405,
"reason": "…"}`. What it then does is for `control`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from merge_bot.json_schema import Schema

CONTROL = "_control"
MAX_REQUESTS = 1000
MAX_REASON = 500
_DELTA = {
    "description": "The SHA-256 of the delta's bytes, in lowercase hex.",
    "type": "string",
    "pattern": "^[0-9a-f]{64}$",
}
_FRAME = {
    "description": "The frame in whose archive the delta lies: state/frames/…/<frame>/.",
    "type": "integer",
    "minimum": 0,
    "maximum": 10**15,
}
STREAM = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"}
_ENVELOPE = frozenset({"frame", "stream_id", "utc", "_meta", CONTROL})
_WORKER = {"description": "Which worker: its stream_id.", **STREAM}
_EPOCH = {
    "description": "The epoch of the lease that this ends, as workers.json names it.",
    "type": "integer",
    "minimum": 1,
    "maximum": 10**15,
}
_PLACE = {"delta": _DELTA, "frame": _FRAME}

FIELDS: dict[str, dict[str, Any]] = {
    "claim": {},
    "release": {"epoch": _EPOCH},
    "reclaim": {"worker": _WORKER, "epoch": _EPOCH},
    "enable": {"worker": _WORKER},
    "retry": _PLACE,
    "requeue": _PLACE,
    "resolve": {
        "collection": {
            "description": "The collection of an open conflict, as conflicts.json names it.",
            "type": "string",
        },
        "key": {"description": "The key there.", "type": "string"},
        "field": {"description": "The field there; * is a whole record.", "type": "string"},
        "frame": {
            "description": "The frame of the conflict: another one since is another conflict.",
            "type": "integer",
            "minimum": 0,
            "maximum": 10**15,
        },
        "value": {"description": "What the field is to hold; of a whole record nothing: the first stays."},
    },
    "amend": {
        **_PLACE,
        "with": {
            "description": "The whole delta that takes its place, of the same worker.",
            "type": "object",
        },
    },
    "drop": {
        **_PLACE,
        "reason": {
            "description": "Why, for those who come after.",
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_REASON,
        },
    },
}
"""What each operation needs beside `op`, by its name. All of it, and nothing else; see also `OPTIONAL`."""

OF_LEASES = frozenset({"claim", "release", "reclaim"})
"""Operations that need no lease, because they are about one."""

OPTIONAL: frozenset[tuple[str, str]] = frozenset({("resolve", "value")})
"""(operation, field) of what may be left out."""


def request_schema(op: str) -> dict[str, Any]:
    """The JSON Schema of one operation's request."""
    fields = FIELDS[op]
    return {
        "type": "object",
        "properties": {"op": {"const": op}, **fields},
        "required": ["op", *(name for name in fields if (op, name) not in OPTIONAL)],
        "additionalProperties": False,
    }


def control_schema() -> dict[str, Any]:
    """The JSON Schema of `_control` as the delta's schema holds it."""
    return {
        "description": "Decisions, not data: they are merged, receipted and replayed like everything else. Workers "
        "write none of these unless they are told to.",
        "type": "array",
        "maxItems": MAX_REQUESTS,
        "items": {"anyOf": [request_schema(op) for op in FIELDS]},
    }


@cache
def compiled(op: str) -> Schema:
    """One operation's schema, compiled once."""
    return Schema(request_schema(op))


def is_about_leases(document: Mapping[str, Any]) -> bool:
    """Whether a delta's object, or its operations alone, hold nothing but requests about leases."""
    requests = document.get(CONTROL)
    if not isinstance(requests, list) or not requests or document.keys() - _ENVELOPE:
        return False
    return all(isinstance(one, dict) and one.get("op") in OF_LEASES for one in requests)


def fractions(request: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Where a request says 405.0. JSON Schema takes it for an integer; as a frame's number it would be another."""
    for name, schema in FIELDS[request["op"]].items():
        if schema.get("type") == "integer" and isinstance(request.get(name), float):
            yield name, request[name]
