"""Pure. What is said where deltas and rules have drifted apart, and something was taken nevertheless."""

from __future__ import annotations

from typing import Any

from merge_bot.wording import counted, named, printable, shown


def refers_to_nothing(field: str, target: str, value: Any, pointer: str, count: int) -> str:
    """A note of a receipt: a lenient reference was taken though it names nothing."""
    others = f" (and {counted(count - 1, 'more reference')} like it)" if count > 1 else ""
    return (
        f"{printable(pointer[:200])}: {named(field)} names {shown(value)}, which is not in {named(target)}{others}; "
        'it was taken, because this reference says "on_missing": "warn"'
    )
