"""Pure. What a frame is merged onto: each collection's store, with the clocks of its fields, and the open conflicts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from merge_bot.collection import LAST_WRITER_WINS, Collection, Collections
from merge_bot.conflicts import Conflicts
from merge_bot.layouts.base import Opening
from merge_bot.layouts.catalog import open_store
from merge_bot.paths import Paths
from merge_bot.state import Files
from merge_bot.strategies.base import Ground


class Grounds(dict[str, Ground]):
    """Each collection's ground. They share the open conflicts."""

    conflicts: Conflicts

    @classmethod
    def open(
        cls,
        files: Files,
        paths: Paths,
        collections: Collections,
        frame: int,
        rolled_back: int | None,
        closed: Iterable[tuple[str, str, str]] = (),
    ) -> Grounds:
        """For frame number `frame`; `closed` are the conflicts that are settled, by collection, key and field."""
        shared: dict[str, Any] = {}
        grounds = cls()
        grounds.conflicts = Conflicts.read(files, paths)
        for place in closed:
            grounds.conflicts.close(*place)
        for name, rules in collections.items():
            store = open_store(Opening(rules, files, paths, frame, shared))
            clocks, of_clocks = None, clock_rules(rules, paths)
            if rules.strategy == LAST_WRITER_WINS:
                clocks = open_store(Opening(of_clocks, files, paths, frame, shared))
            grounds[name] = Ground(store, clocks, grounds.conflicts, frame, rolled_back, clocks_at=of_clocks.path)
        return grounds


def clock_rules(rules: Collection, paths: Paths) -> Collection:
    """Clocks lie as their entities do: a file a key beside `entities`, one file beside `file`."""
    path = paths.clocks(rules.name)
    if rules.layout == "file":
        path += ".json"
    return replace(rules, path=path, pointer="", shape="object", key=(), schema={}, references={}, sections=())
