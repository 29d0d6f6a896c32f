"""The schemas of all collections as one, for a whole delta: what the plain way and the floor hold a delta against."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def delta_schema(folder: Path) -> dict[str, Any]:
    """Of the schemas in a folder. Updates need only their key; counters come as one object."""
    return schema_of_delta(file.read_bytes() for file in sorted(folder.glob("*.schema.json")))


def schema_of_delta(files: Iterable[bytes]) -> dict[str, Any]:
    """The same, of the files' contents."""
    properties: dict[str, Any] = {"frame": {"type": "integer"}, "stream_id": {"type": "string"}}
    properties["utc"] = {"type": "string"}
    for file in files:
        schema = json.loads(file)
        rules = schema["x-merge"]
        if rules["strategy"] == "last-writer-wins":
            schema["required"] = rules["key"]
        whole = schema if rules["strategy"] == "sum" else {"type": "array", "items": schema}
        properties |= dict.fromkeys(rules["delta"], whole)
    required = ["frame", "stream_id", "utc"]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
