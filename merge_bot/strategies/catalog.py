"""Pure. Every strategy by name, loaded when it is first used, with the layouts that it can live in (default first)."""

from __future__ import annotations

from importlib import import_module

from merge_bot.strategies.base import Strategy

STRATEGIES = {
    "append": "merge_bot.strategies.append:Append",
    "observe": "merge_bot.strategies.observe:Observe",
    "sum": "merge_bot.strategies.sum:Sum",
    "union": "merge_bot.strategies.union:Union",
    "last-writer-wins": "merge_bot.strategies.last_writer_wins:LastWriterWins",
    "sections": "merge_bot.strategies.last_writer_wins:LastWriterWins",
}

LAYOUTS_OF = {
    "append": ("segments", "file"),
    "observe": ("segments", "entities", "file"),
    "sum": ("file",),
    "union": ("file", "entities"),
    "last-writer-wins": ("entities", "file"),
    "sections": ("file",),
}


def strategy(name: str) -> Strategy:
    """The strategy of this name."""
    module, _, attribute = STRATEGIES[name].partition(":")
    made: Strategy = getattr(import_module(module), attribute)()
    return made
