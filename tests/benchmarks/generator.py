"""Pure. A world of any size and frames upon it: seeded, so that the same arguments give the same bytes.

The world is the one of `schemas/`. A state is written as the deltas that made it: a first one with channels and
agents, then one a thousand records, each bringing two new agents. A smaller state is therefore a prefix of a larger
one, and the same frame fits both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

MIX = {"comments_added": 55, "posts_created": 25, "soul_updates": 13, "profile_updates": 4, "follows_added": 3}
"""Of a hundred records. The counters come on top, four increments a delta."""

PER_STATE_DELTA = 1_000
STATE_DELTAS_A_FRAME = 10
FIRST_AGENTS, AGENTS_A_DELTA, CHANNELS = 20, 2, 12
NEWCOMER_EVERY = 25
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
FRAME_BEGIN = datetime(2026, 3, 1, tzinfo=UTC)

Delta = tuple[str, bytes]
"""A delta file's name and bytes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A frame of `deltas` files with `records` records each, onto a state of `state` thousand records."""

    deltas: int
    records: int
    state: int


class _Known(NamedTuple):
    """What a delta may refer to: agents and posts by number, from `…_from` up to but without `agents`, `posts`."""

    agents_from: int
    agents: int
    posts: int


def frames_of_state(thousands: int) -> int:
    """How many frames a state of so many thousand records was merged in: the founder's, then one every ten thousand."""
    return 1 - (-thousands // STATE_DELTAS_A_FRAME)


def state_deltas(thousands: int) -> Iterator[tuple[int, list[Delta]]]:
    """Each frame's number and deltas, that make up a state of so many thousand records (and the first few)."""
    yield 1, [_file(*_first_delta(), frame=1)]
    for frame in range(2, frames_of_state(thousands) + 1):
        first = (frame - 2) * STATE_DELTAS_A_FRAME
        numbers = range(first, min(first + STATE_DELTAS_A_FRAME, thousands))
        yield frame, [_file(*_state_delta(number), frame=frame) for number in numbers]


def frame_deltas(shape: Shape, frame: int, known_thousands: int | None = None) -> Iterator[Delta]:
    """The deltas of one frame. It refers to what a state of `known_thousands` holds (all, if not said).

    One record in a hundred repeats one of the state or of the delta before, one comment in five hundred answers a
    post that nobody wrote, one delta in ten is spelled as `json.dumps` does by default.
    """
    thousands = shape.state if known_thousands is None else known_thousands
    posts = thousands * _share(PER_STATE_DELTA)["posts_created"]
    known = _Known(0, FIRST_AGENTS + AGENTS_A_DELTA * thousands, posts)
    _, _, earlier = _state_delta(0)
    for number in range(shape.deltas):
        stream, moment, delta = _frame_delta(shape, number, known, earlier)
        yield _file(stream, moment, delta, frame=frame, default_spelling=number % 10 == 9)
        earlier = delta


def steady_frames(deltas: int, records: int, frames: int) -> Iterator[tuple[int, list[Delta]]]:
    """The founder's frame, then `frames` small ones, each of `deltas` files with `records` records by the same workers.

    They are a minute apart. One delta in 25 brings a new agent, and deltas are about the newest twenty.
    """
    yield 1, [_file(*_first_delta(), frame=1)]
    for frame in range(2, frames + 2):
        numbers = range((frame - 2) * deltas, (frame - 1) * deltas)
        yield frame, [_file(*_steady_delta(number, deltas, records), frame=frame) for number in numbers]


def steady_time(frame: int) -> datetime:
    """When a frame of `steady_frames` is merged."""
    return BEGIN + timedelta(minutes=frame)


def _steady_delta(number: int, workers: int, records: int) -> tuple[str, datetime, dict[str, Any]]:
    random = Random(f"steady {number}")
    counts = _share(records)
    agents = FIRST_AGENTS + number // NEWCOMER_EVERY
    posts = counts["posts_created"] * number
    known = _Known(agents - FIRST_AGENTS, agents, posts)
    delta = _records(random, counts, known, range(posts + 1, posts + 1 + counts["posts_created"]), f"t{number}")
    _own(random, delta, number % workers, workers, known)
    if number % NEWCOMER_EVERY == NEWCOMER_EVERY - 1:
        delta["profile_updates"][-1:] = [_new_agent(random, agents)]
    moment = steady_time(number // workers + 2) - timedelta(seconds=workers - number % workers)
    return f"worker-{number % workers:04}", moment, delta


def _first_delta() -> tuple[str, datetime, dict[str, Any]]:
    random = Random("first")
    agents = [_new_agent(random, number) for number in range(FIRST_AGENTS)]
    channels = [{"slug": _channel(one), "name": _channel(one).title()} for one in range(CHANNELS)]
    counters = {"total_agents": len(agents), "total_channels": len(channels)}
    return "founder", BEGIN, {"profile_updates": agents, "channels_updated": channels, "stats_increments": counters}


def _state_delta(number: int) -> tuple[str, datetime, dict[str, Any]]:
    """Agents come and go: a delta is about those of the last ten, so that no agent's file grows with the world."""
    random = Random(f"state {number}")
    counts = _share(PER_STATE_DELTA)
    agents = FIRST_AGENTS + AGENTS_A_DELTA * number
    posts = counts["posts_created"] * number
    known = _Known(max(0, agents - FIRST_AGENTS), agents + AGENTS_A_DELTA, posts)
    delta = _records(random, counts, known, range(posts + 1, posts + 1 + counts["posts_created"]), f"s{number}")
    _own(random, delta, number % STATE_DELTAS_A_FRAME, STATE_DELTAS_A_FRAME, known)
    newcomers = range(agents, agents + AGENTS_A_DELTA)
    delta["profile_updates"] = [_new_agent(random, one) for one in newcomers] + delta["profile_updates"][
        len(newcomers) :
    ]
    return f"worker-{number % STATE_DELTAS_A_FRAME:04}", BEGIN + timedelta(seconds=number + 1), delta


def _frame_delta(
    shape: Shape, number: int, known: _Known, earlier: dict[str, Any]
) -> tuple[str, datetime, dict[str, Any]]:
    random = Random(f"frame {number}")
    counts = _share(shape.records)
    first = 1_000_000_000 + number * counts["posts_created"]
    elsewhere = range(1_000_000_000, 1_000_000_000 + shape.deltas * counts["posts_created"])
    delta = _records(random, counts, known, range(first, first + counts["posts_created"]), f"f{number}", elsewhere)
    _own(random, delta, number, shape.deltas, known)
    if random.random() < 0.2:
        newcomer = _new_agent(random, 1_000_000 + number)
        delta["profile_updates"][-1:] = [newcomer]
        delta["comments_added"][0]["author"] = newcomer["agent_id"]
    for kind in ("posts_created", "comments_added"):
        for place in range(counts[kind]):
            if random.random() < 0.01 and earlier[kind]:
                delta[kind][place] = random.choice(earlier[kind])
    for place, comment in enumerate(delta["comments_added"]):
        if random.random() < 0.002:
            delta["comments_added"][place] = comment | {"post_number": 2_000_000_000 + number}
    moment = FRAME_BEGIN + timedelta(milliseconds=number * 7919 % shape.deltas, microseconds=random.randrange(1000))
    return f"worker-{number:04}", moment, delta


def _own(random: Random, delta: dict[str, Any], worker: int, workers: int, known: _Known) -> None:
    """A worker updates the profiles of its own agents; one update in twenty is another's, and may conflict."""
    width = known.agents - known.agents_from
    for record in delta["profile_updates"]:
        if random.random() < 0.95:
            mine = random.randrange(known.agents_from + worker % width, known.agents, workers)
            record["agent_id"] = _agent(mine)


def _records(
    random: Random, counts: dict[str, int], known: _Known, posts: range, mark: str, elsewhere: Sequence[int] = ()
) -> dict[str, Any]:
    """A delta's operations. `posts` are the numbers of its own new posts, `elsewhere` those of the whole frame."""

    def agent() -> str:
        return _agent(random.randrange(known.agents_from, known.agents))

    def target() -> int:
        chance = random.random()
        if chance < 0.25 or not known.posts:
            return random.choice(posts)
        return random.choice(elsewhere) if elsewhere and chance < 0.4 else random.randrange(1, known.posts + 1)

    delta: dict[str, Any] = {
        "posts_created": [
            {
                "number": one,
                "title": _words(random, 3, 9).capitalize(),
                "channel": _channel(random.randrange(CHANNELS)),
                "author": agent(),
                "body": _text(random, 6, 28),
            }
            for one in posts
        ],
        "comments_added": [
            _comment(random, target(), agent(), f"{mark}-{one}") for one in range(counts["comments_added"])
        ],
        "soul_updates": [
            {"agent_id": agent(), "observation": _text(random, 6, 20)} for _ in range(counts["soul_updates"])
        ],
        "profile_updates": [_profile(random, agent()) for _ in range(counts["profile_updates"])],
        "follows_added": [{"agent_id": agent(), "follows": agent()} for _ in range(counts["follows_added"])],
    }
    delta["stats_increments"] = {
        "total_posts": len(posts),
        "total_comments": counts["comments_added"],
        "total_observations": counts["soul_updates"],
        "total_reactions": random.randrange(50),
    }
    return delta


def _comment(random: Random, post: int, author: str, mark: str) -> dict[str, Any]:
    """Two of three comments have an id; the others are told apart by post, author and text."""
    comment: dict[str, Any] = {"post_number": post, "author": author, "body": _text(random, 4, 22)}
    if random.random() < 0.66:
        comment = {"id": f"c-{mark}", **comment}
    return comment


def _new_agent(random: Random, number: int) -> dict[str, Any]:
    name = _words(random, 1, 2).title()
    return {"agent_id": _agent(number), "name": name, "bio": _text(random, 8, 30), "status": "active", "karma": 1}


def _profile(random: Random, agent: str) -> dict[str, Any]:
    update: dict[str, Any] = {"agent_id": agent}
    if random.random() < 0.4:
        update["bio"] = _text(random, 8, 30)
    if random.random() < 0.2:
        update["status"] = random.choice(("active", "dormant", "active"))
    if random.random() < 0.2:
        update["tags"] = sorted({random.choice(_VOCABULARY[:100]) for _ in range(2)})
    if random.random() < 0.6 or len(update) == 1:
        update["karma"] = random.randrange(-2, 6)
    return update


def _share(records: int) -> dict[str, int]:
    """How many records of each kind: the mix, rounded by the largest remainders."""
    counts = {kind: records * part // 100 for kind, part in MIX.items()}
    by_remainder = sorted(MIX, key=lambda kind: -(records * MIX[kind] % 100))
    for kind in by_remainder[: records - sum(counts.values())]:
        counts[kind] += 1
    return counts


def _file(
    stream: str, moment: datetime, operations: dict[str, Any], *, frame: int, default_spelling: bool = False
) -> Delta:
    utc = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    delta = {"frame": frame, "stream_id": stream, "utc": utc, **operations}
    text = json.dumps(delta) if default_spelling else json.dumps(delta, indent=2, ensure_ascii=False) + "\n"
    return f"frame-{frame}-{stream}.json", text.encode()


def _agent(number: int) -> str:
    return f"agent-{number:05}"


def _channel(number: int) -> str:
    return _VOCABULARY[number]


def _vocabulary() -> list[str]:
    random = Random("vocabulary")
    heads = ("b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pl")
    cores = ("a", "e", "i", "o", "u", "ea", "ou")
    tails = ("n", "r", "s", "t", "l", "m", "nd", "st")
    words = {
        "".join(random.choice(heads) + random.choice(cores) for _ in range(random.randrange(1, 4)))
        + random.choice(tails)
        for _ in range(3_000)
    }
    ordered = sorted(words)
    random.shuffle(ordered)
    return ordered


_VOCABULARY = _vocabulary()
_ODD = ("naïve", "—", "“quoted”", "日本", "🦜", "Ærø", "**bold**", "`code`", "\n\n")


def _words(random: Random, least: int, most: int) -> str:
    return " ".join(random.choices(_VOCABULARY, k=random.randint(least, most)))


def _text(random: Random, least: int, most: int) -> str:
    """A sentence or a few; one in eight with something that is not plain ASCII words."""
    text = _words(random, least, most).capitalize()
    return f"{text} {random.choice(_ODD)}." if random.random() < 0.125 else f"{text}."
