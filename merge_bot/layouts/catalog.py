"""Pure. Every layout by name, loaded when it is first used."""

from __future__ import annotations

from importlib import import_module

from merge_bot.layouts.base import Layout, Opening, Store

LAYOUTS = {
    "file": "merge_bot.layouts.file:FileStore",
    "entities": "merge_bot.layouts.entities:EntitiesStore",
    "segments": "merge_bot.layouts.segments:SegmentsStore",
}


def open_store(opening: Opening) -> Store:
    """The store of a collection by the layout that its rules name."""
    module, _, name = LAYOUTS[opening.collection.layout].partition(":")
    layout: Layout = getattr(import_module(module), name)
    return layout(opening)
