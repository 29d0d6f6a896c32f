"""Pure. What the README says of the measured, made from the results: a test holds the one against the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.benchmarks.contention import BRANCHES, RETRIES, UNTIL_IN
from tests.benchmarks.peers.judge import Verdict

Results = Mapping[str, Any]
"""A report's JSON."""


def of_frames(full: Results) -> Iterator[str]:
    """Of `full.json`."""
    seconds = {(one["case"]["name"], one["case"]["way"]): one["seconds"] for one in full["cases"]}
    found = {one["goal"]: float(one["measured"]) for one in full["goals"]}
    memory = 1 / found["L: our peak memory over the plain way's"]
    ours, plain = seconds["L", "ours"], seconds["L", "plain"]
    yield f"take {ours:.1f} s, the plain way {plain:.1f} s and {memory:.1f} times the memory"
    ten = found["ten times the deltas (100 to 1,000, onto a million): the time"]
    large = found["the same small frame onto a state 100 times larger: the time"]
    yield f"ten times the deltas cost {ten:.1f} times as much"
    yield f"a small frame on a state a hundred times larger {large:.1f} times"
    if ("L", "floor") in seconds:
        yield f"reading, parsing, validating, hashing and writing alone take {seconds['L', 'floor']:.1f} s"


def of_large(extra: Results) -> Iterator[str]:
    """Of `xl.json`."""
    cases = {(one["case"]["name"], one["case"]["way"]): one for one in extra["cases"]}
    ours = cases["XL", "ours"]
    memory = ours["memory"]["together"] / 1e6
    yield f"A million records in 10,000 deltas take {ours['seconds']:.0f} s and {memory:,.0f} MB"


def of_branches(branches: Results) -> Iterator[str]:
    """Of `branches.json`."""
    seconds = {(one["case"]["name"], one["case"]["way"]): one["seconds"] for one in branches["cases"]}
    if ("L", "ours") in seconds:
        yield f"by 1,000 branches of a remote, from fetch to push: {seconds['L', 'ours']:.1f} s"


def of_growth(growth: Results) -> Iterator[str]:
    """Of `growth.json`."""
    first, last = growth["marks"][0], growth["marks"][-1]
    packed, processor = last["packed"] / last["deltas"], last["processor"] / first["processor"]
    yield f"After {last['frame']:,} small frames the repository takes {packed:.1f} times the bytes of their deltas"
    yield f"a merge {processor:.1f} times the processor time that it took after {first['frame']:,}"


def of_contention(contention: Results) -> Iterator[str]:
    """Of `contention.json`, for the greatest number of workers that each way was measured with."""
    of = {way: max((one for one in contention["cases"] if one["way"] == way), key=_workers) for way in WAYS}
    until, retries, branches = of[UNTIL_IN], of[RETRIES], of[BRANCHES]
    yield f"{until['workers']} workers that push to one branch at once need {until['pushes']:,.0f} pushes"
    yield f"of {retries['workers']} that retry five times {retries['lost']:,.0f} lose their delta"
    lost = f"{branches['lost']:,.0f}" if branches["lost"] else "none"
    yield f"with a branch each {branches['workers']} need {branches['pushes']:,.0f} and lose {lost}"


def of_peers(peers: Results) -> Iterator[str]:
    """Of `peers.json`: the lines of a table, seconds by size, and what was wrong at the largest that a peer managed."""
    shapes = [size["shape"] for size in peers["sizes"]]
    sizes = [f"{one['deltas']:,} × {one['records a delta']} onto {one['records before']:,}" for one in shapes]
    yield f"| deltas × records | {' | '.join(sizes)} | lost or wrong |"
    for row in zip(*(size["peers"] for size in peers["sizes"]), strict=True):
        seconds = (f"{one['seconds']:.2f} s" if one.get("seconds") else "not run" for one in row)
        largest = [one["wrong"] for one in row if one.get("seconds")][-1]
        wrong = [words.partition(":")[0] for words in Verdict(**largest).words()]
        yield f"| {row[0]['peer']} | {' | '.join(seconds)} | {', '.join(wrong) or 'nothing'} |"


def of_keys(keys: Results) -> Iterator[str]:
    """Of `keys.json`, where key files are put together."""

    def seconds(what: str, records: int, frame: int) -> str:
        rows = [one for one in keys["rows"] if one["runs"] and (one["records"], one["frame"]) == (records, frame)]
        said = sorted({f"{one[what]:.1f}" for one in rows})
        return " to ".join([said[0], *said[1:][-1:]]) + " s"

    small, large = seconds("keys", 10**7, 200), seconds("keys", 10**7, 200_000)
    yield f"{small} of CPU for a small frame and {large} for one of 200,000 records"
    million, ten_millions = (seconds("fold", records, 200_000) for records in (10**6, 10**7))
    yield f"{million} after its process began onto a million records, {ten_millions} onto ten million"


def of_fetching(fetching: Sequence[Results]) -> Iterator[str]:
    """Of `fetching.json`."""
    ours, whole = fetching[-1]["filtered"], fetching[-1]["whole"]
    size = f"{whole['megabytes'] / 1000:.1f} GB"
    yield f"onto a state of {size}, {fetching[-1]['frame']} records took"
    yield f"[{ours['megabytes']:.1f} MB in {ours['requests']} requests]"
    yield f"and {ours['seconds']:.1f} s; by a shallow clone, which is all {size}, {whole['seconds']:.0f} s"


WAYS = (UNTIL_IN, RETRIES, BRANCHES)


def _workers(case: Mapping[str, Any]) -> int:
    workers: int = case["workers"]
    return workers
