"""The protocol's example of a delta, and what is left of it when a few places are changed at random."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

EXAMPLE: dict[str, Any] = {
    "frame": 405,
    "stream_id": "stream-3",
    "utc": "2026-03-25T03:14:22.000001Z",
    "posts_created": [{"number": 6201, "title": "On frames", "channel": "philosophy", "author": "agent-aria"}],
    "comments_added": [{"id": "c1", "post_number": 6195, "author": "agent-kai", "body": "Yes.", "reply_to": "c0"}],
    "soul_updates": [{"agent_id": "agent-aria", "observation": "Doubts."}],
    "follows_added": [{"agent_id": "agent-aria", "follows": "agent-kai"}],
    "profile_updates": [{"agent_id": "agent-aria", "bio": "rebel", "karma": 2, "tags": ["new"], "status": "active"}],
    "channels_updated": [{"slug": "philosophy", "name": "Philosophy"}],
    "stats_increments": {"total_posts": 1},
    "_meta": {"status": "ok", "epoch": 3, "run": "1/2", "more": [1]},
}

# Below 2^53 and without Unicode's other digits: where the two differ by design is in the rows above.
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False),
    st.text("aZ9_ -.:/\u00e9", max_size=70), st.sampled_from(["", "stream-3", "2026-03-25T03:14:22Z", "ok"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab_", max_size=3), inner, max_size=3)
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


def changed(value: Any, at: tuple[Any, ...], change: Any) -> Any:
    if not at:
        return change(value)
    if isinstance(value, dict):
        return {**value, at[0]: changed(value[at[0]], at[1:], change)}
    return [changed(one, at[1:], change) if place == at[0] else one for place, one in enumerate(value)]


@st.composite
def deltas(draw: st.DrawFn) -> Any:
    """The example with up to three places replaced, or with a key taken out or added there."""
    value: Any = EXAMPLE
    for _ in range(draw(st.integers(0, 3))):
        new = draw(VALUES)
        ways = [lambda old, new=new: new]
        ways.append(lambda old, new=new: dict(list(old.items())[1:]) if isinstance(old, dict) else new)
        ways.append(lambda old, new=new: {**old, "more": new} if isinstance(old, dict) else new)
        value = changed(value, draw(st.sampled_from(places(value))), draw(st.sampled_from(ways)))
    return value
