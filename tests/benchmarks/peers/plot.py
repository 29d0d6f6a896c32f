"""The measured peers as bars: seconds and memory, an SVG without a clock in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

from tests.benchmarks.peers.report import Measured

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "peers"
GOOD, BAD = "#4c78a8", "#e45756"


def draw(measured: Sequence[Measured], path: Path) -> None:
    """A row of bars for each size; who lost something or got it wrong is in the other colour."""
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    sizes = list(dict.fromkeys(one.size for one in measured))
    figure, places = pyplot.subplots(len(sizes), 2, figsize=(11, 3.6 * len(sizes)), squeeze=False, layout="constrained")
    for size, (left, right) in zip(sizes, places, strict=True):
        shown = [one for one in reversed(measured) if one.size == size and not one.missing]
        names = [one.entry.name for one in shown]
        colours = [GOOD if one.verdict and one.verdict.right else BAD for one in shown]
        for place, values, label in (
            (left, [one.median("processor") for one in shown], "seconds of CPU time"),
            (right, [one.median("memory") / 1e6 for one in shown], "MB of memory"),
        ):
            bars = place.barh(names, values, color=colours)
            place.bar_label(
                bars, [f"{one:,.0f}" if one >= 100 else f"{one:.3g}" for one in values], padding=3, fontsize=8
            )
            place.margins(x=0.12)
            place.set_xlabel(label)
            place.set_title(size, loc="left")
    handles = [Patch(color=GOOD, label="nothing lost or wrong"), Patch(color=BAD, label="something lost or wrong")]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, metadata={"Date": None})
