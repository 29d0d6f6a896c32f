"""`dreamcatcher demo lost-update`: two machines read one number, compute, and write it."""

from __future__ import annotations

import json
from pathlib import Path

from merge_bot.canonical import document
from merge_bot.cli.demo_machines import SEATS, SHOW
from merge_bot.cli.demo_stage import (
    Machine,
    clone_of,
    delivered,
    genesis,
    git,
    machines,
    merge,
    remote_of,
    say,
    schema_of,
    show,
)  # fmt: skip

_BEFORE, _FIRST, _SECOND = 10, 3, 2
_RIGHT = _BEFORE - _FIRST - _SECOND


def play(root: Path) -> bool:
    """Whether the plain way lost a sale, and ours did not."""
    root.mkdir(parents=True, exist_ok=True)
    say(f"{_BEFORE} seats are left. Two shops, each a machine with a clone of its own, sell {_FIRST} and {_SECOND}.")
    show(f"  {_RIGHT} have to be left.  ({root})")
    plain = _plain(root)
    ours = _ours(root)
    say("What is left")
    show(f"  the plain way    {plain}: {_verdict(plain)}")
    show(f"  Dream Catcher    {ours}: {_verdict(ours)}")
    came_true = plain != _RIGHT and ours == _RIGHT
    say("The plain way lost a sale; ours did not." if came_true else "That is NOT as it should have come out.")
    return came_true


def _plain(root: Path) -> int:
    say("The plain way: read the file, compute, commit, push; whoever is not first fetches, and pushes again")
    remote = remote_of(root, "plain", {SEATS: json.dumps({SHOW: _BEFORE}).encode() + b"\n"})
    parts = [Machine(f"shop-{n}", "sell_plainly", clone_of(remote, n), str(sold)) for n, sold in _sales()]
    with machines(*parts):
        for shop in parts:
            shop.hear()
        for shop in parts:
            shop.go()
            shop.hear()
    left: int = json.loads(git(remote, "show", f"main:{SEATS}"))[SHOW]
    return left


def _ours(root: Path) -> int:
    say("Dream Catcher: each write says what it was computed from (Worker.update)")
    place = f"state/shows/{SHOW}.json"
    files = schema_of("shows", "show", left="integer") | {place: document({"show": SHOW, "left": _BEFORE})}
    remote = remote_of(root, "dreamcatcher", files, genesis(b""))
    first, second = (Machine(f"shop-{n}", "sell", clone_of(remote, n), str(sold)) for n, sold in _sales())
    with machines(first, second):
        first.hear()
        second.hear()
        for shop, worker in ((first, "shop-1"), (second, "shop-2")):
            shop.go()
            shop.hear()
            delivered(remote, worker, 1)
        merge(remote)
        first.hear()
        if second.hear().startswith("reads"):
            second.go()
            second.hear()
            delivered(remote, "shop-2", 2)
            merge(remote)
            second.hear()
    left: int = json.loads(git(remote, "show", f"main:{place}"))["left"]
    return left


def _sales() -> list[tuple[int, int]]:
    return [(1, _FIRST), (2, _SECOND)]


def _verdict(left: int) -> str:
    sold = _FIRST + _SECOND
    return "right" if left == _RIGHT else f"wrong: {sold} were sold, and {_BEFORE - left} are gone"
