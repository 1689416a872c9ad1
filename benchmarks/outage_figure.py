"""Draws the picture in docs/alerts.md from two results of `benchmarks.outage`.

python -m benchmarks.outage_figure before.json after.json docs/outage.png
"""

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

TITLES = ("before: lag is set when a batch is published", "now: measured on a timer, by a client of its own")
RIGHT = (("members", "members of the group", "tab:green"), ("ready", "ready processes", "tab:olive"))
COLOURS = {"milvus stops": "tab:red", "milvus is back": "tab:green", "kill -9": "black"}


def main(before: Path, after: Path, image: Path) -> None:
    """Draw both runs side by side."""
    figure, axes = plt.subplots(3, 2, figsize=(11, 6.5), sharex="col", sharey="row", layout="constrained")
    for column, (file, title) in enumerate(zip((before, after), TITLES, strict=True)):
        run = json.loads(file.read_text())
        waiting, oldest, group = axes[:, column]
        waiting.set_title(title, fontsize=10)
        _really(waiting, run)
        _line(waiting, run, "lag", "vigilens_consumer_lag, all partitions", "tab:blue")
        _line(oldest, run, "oldest", "vigilens_oldest_waiting_seconds", "tab:purple")
        for name, label, colour in RIGHT:
            _line(group, run, name, label, colour)
        _line(group, run, "owned", "partitions owned by processes that answer", "tab:orange")
        group.set_xlabel("seconds")
        for axis in axes[:, column]:
            _marks(axis, run, named=axis is waiting)
    for axis, label in zip(axes[:, 0], ("events", "seconds", "number"), strict=True):
        axis.set_ylabel(label)
    for axis in axes[:, 0]:  # the others share it
        axis.set_ylim(0, axis.get_ylim()[1] * 1.35)  # room for the legend
    for axis in axes.flat:
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=7, loc="upper right")
        else:
            axis.text(0.5, 0.5, "no such metric", transform=axis.transAxes, ha="center", color="grey")
    figure.savefig(image, dpi=90)


def _really(axis: Axes, run: dict[str, Any]) -> None:
    times, counts = zip(*run["really"], strict=True)
    began = run["marks"]["began"]
    axis.fill_between([at - began for at in times], counts, color="0.85", label="really waiting")


def _line(axis: Axes, run: dict[str, Any], name: str, label: str, colour: str) -> None:
    """A series, with gaps where Prometheus had none."""
    began = run["marks"]["began"]
    for series in run["figure"][name]:
        points = [(float(at) - began, float(value)) for at, value in series["values"]]
        pieces = groupby(enumerate(points), key=lambda each: round(each[1][0]) - each[0])
        for number, (_, piece) in enumerate(pieces):
            times, values = zip(*(point for _, point in piece), strict=True)
            axis.plot(times, values, color=colour, linewidth=1.5, label="" if number else label)


def _marks(axis: Axes, run: dict[str, Any], *, named: bool) -> None:
    for what, colour in COLOURS.items():
        at = run["marks"][what] - run["marks"]["began"]
        axis.axvline(at, color=colour, linewidth=0.8, linestyle=":")
        if named:
            axis.annotate(
                what, (at, 0.65), xycoords=("data", "axes fraction"), rotation=90, va="top", ha="right", fontsize=7
            )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
