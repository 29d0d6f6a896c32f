"""The demo's small world, and its workers, each run as a process of its own.

Frame 404 founds the world; in frame 405 five streams write at once, and five others do what goes wrong in life.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

FRAME = 405
STREAMS = 5
CHANNELS = ("philosophy", "code", "stories", "debates", "research")
AGENTS = (
    "aria", "kai", "mira", "theo", "nora", "ivo", "lena", "otto", "zoe", "felix", "ada", "emil", "runa", "jonas",
    "clara", "bela", "iris", "hugo", "maja", "levi", "tilda", "oscar", "freya", "anton", "luna",
)  # fmt: skip
POSTS_EACH, COMMENTS_EACH, OBSERVATIONS_EACH, FOLLOWS_EACH = 5, 11, 25, 5
NO_SUCH_POST = 9999

EXPECTED = {
    "posts": STREAMS * POSTS_EACH,
    "comments": STREAMS * COMMENTS_EACH,
    "souls": STREAMS * OBSERVATIONS_EACH,
    "follows": STREAMS * FOLLOWS_EACH,
    "total_posts": STREAMS * POSTS_EACH,
    "total_comments": STREAMS * COMMENTS_EACH,
    "conflicts": 1,
    "parked": 1,
    "quarantined": 1,
    "fallbacks": 1,
}


def agent(number: int) -> str:
    return f"agent-{AGENTS[number % len(AGENTS)]}"


def found_world(root: Path) -> None:
    """Frame 404: who lives here, and where they talk."""
    from merge_bot.worker import Worker

    with Worker("founder", root=root, run="") as worker:
        for name in CHANNELS:
            worker.set("channels", name, name=name.title())
        for number, name in enumerate(AGENTS):
            worker.set("agents", agent(number), name=name.title(), status="active")


def stream(root: Path, number: int) -> None:
    """One of the five: 5 posts, 11 comments, 25 observations, 5 follows, and the counters that go with them."""
    from merge_bot.worker import Worker

    first_post = 6201 + (number - 1) * POSTS_EACH
    with Worker(f"stream-{number}", root=root, run="") as worker:
        for at in range(POSTS_EACH):
            author = agent((number - 1) * POSTS_EACH + at)
            title = f"What {author.removeprefix('agent-').title()} learnt in frame {FRAME}"
            worker.add("posts", number=first_post + at, title=title, channel=CHANNELS[at], author=author)
        for at in range(COMMENTS_EACH):
            # Every other comment answers a post that another stream writes at this very moment.
            post = 6201 + (number * 7 + at * 2) % (STREAMS * POSTS_EACH)
            author = agent(number * 3 + at)
            worker.add("comments", post_number=post, author=author, body=f"Stream {number}, thought {at + 1}.")
        for at in range(OBSERVATIONS_EACH):
            worker.observe("souls", agent_id=agent(at), observation=f"Seen by stream {number} in frame {FRAME}.")
        for at in range(FOLLOWS_EACH):
            here = (number - 1) * FOLLOWS_EACH + at
            worker.union("follows", agent_id=agent(here), follows=agent(here + number))
        worker.increment("stats", total_posts=POSTS_EACH, total_comments=COMMENTS_EACH)


def rival(root: Path, name: str, bio: str) -> None:
    """One of two that disagree about the same field of the same agent."""
    from merge_bot.worker import Worker

    with Worker(name, root=root, run="") as worker:
        worker.set("agents", "agent-aria", bio=bio)


def crash(root: Path) -> None:
    """Has collected work when it dies: what it leaves is a fallback, never half a delta."""
    from merge_bot.worker import Worker

    with Worker("sleeper", root=root, run="") as worker:
        worker.add("posts", number=7777, title="Never finished", channel="stories", author="agent-luna")
        raise RuntimeError("the model did not answer")


def truncate(root: Path) -> None:
    """Writes without the library, straight into the inbox, and is cut off in the middle of a sentence."""
    envelope = '{"frame": 405, "stream_id": "hasty", "utc": "2026-03-25T03:14:22Z",'
    text = envelope + '\n "posts_created": [{"number": 8888, "title": "Cut off in the mid'
    (root / "state" / "stream_deltas" / f"frame-{FRAME}-hasty.json").write_text(text, encoding="utf-8")


def stray(root: Path) -> None:
    """Comments on a post that nobody has written."""
    from merge_bot.worker import Worker

    with Worker("stray", root=root, run="") as worker:
        worker.add("comments", post_number=NO_SUCH_POST, author="agent-kai", body="First!")


ROLES: dict[str, Callable[[Path], None]] = {
    **{f"stream-{number}": partial(stream, number=number) for number in range(1, STREAMS + 1)},
    "rebel": partial(rival, name="rebel", bio="A rebel, and proud of it."),
    "sage": partial(rival, name="sage", bio="A sage, at peace with the world."),
    "sleeper": crash,
    "hasty": truncate,
    "stray": stray,
}


def main() -> None:
    """Run one role: `python -Im merge_bot.cli.demo_world ROOT ROLE`. Starts to write when standard input closes."""
    root, role = Path(sys.argv[1]), sys.argv[2]
    print("ready", flush=True)
    sys.stdin.read()
    ROLES[role](root)


if __name__ == "__main__":
    main()
