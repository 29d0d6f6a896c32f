"""What it costs to push at once, as lines; deterministic, without a clock in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

from tests.benchmarks.contention import BRANCHES, RETRIES, UNTIL_IN, Measured

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "contention"
STYLES = {UNTIL_IN: ("#e45756", "-"), RETRIES: ("#f2a03d", "-"), BRANCHES: ("#4c78a8", "-")}
TITLES = {"pushes": "pushes", "seconds": "seconds until the last has ended", "lost": "deltas lost"}


def draw(measured: Sequence[Measured], path: Path) -> None:
    """Pushes, seconds and losses beside each other, a line for each way."""
    from matplotlib import pyplot

    figure, places = pyplot.subplots(1, len(TITLES), figsize=(12, 3.8), layout="constrained")
    for place, (what, title) in zip(places, TITLES.items(), strict=True):
        for way, (colour, line) in STYLES.items():
            some = sorted((one for one in measured if one.way == way), key=lambda one: one.workers)
            if what == "lost" and way == UNTIL_IN:
                continue  # nobody gives up there
            values = [one.median(what) for one in some]
            place.plot([one.workers for one in some], values, line, color=colour, marker="o", markersize=4, label=way)
        place.set_xlabel("workers")
        place.set_title(title, loc="left", fontsize=10)
        place.grid(alpha=0.3)
        place.set_xlim(left=0)
        place.set_ylim(bottom=0)
    handles, labels = places[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
