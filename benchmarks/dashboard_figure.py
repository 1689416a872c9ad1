"""Draws the dashboard as Grafana lays it out, from the answers that `benchmarks.outage` kept.

    python -m benchmarks.dashboard_figure after.json docs/dashboard.png

The panels, their places, queries and units are those of ops/grafana/vigilens.json; the lines are drawn by matplotlib.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmarks.outage import ONE_SET, STEP_S
from ops.grafana.dashboard import dashboard

Answer = Sequence[Mapping[str, Any]]
BACKGROUND, PANEL, TEXT = "#111217", "#181b1f", "#ccccdc"
WIDTH, UNIT = 24, 0.26  # inches of a unit of the grid's height
LEGENDS = 6


def main(file: Path, image: Path) -> None:
    """Draw all panels."""
    run = json.loads(file.read_text())
    panels = dashboard()["panels"]
    rows = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in panels)
    figure = plt.figure(figsize=(15, rows * UNIT), facecolor=BACKGROUND)
    for panel in panels:
        if panel["type"] == "row":
            _row(figure, panel, rows)
        else:
            _panel(figure, panel, rows, run)
    figure.savefig(image, dpi=64, facecolor=BACKGROUND, pil_kwargs={"optimize": True})


def _box(place: Mapping[str, int], rows: int) -> tuple[float, float, float, float]:
    return place["x"] / WIDTH, 1 - (place["y"] + place["h"]) / rows, place["w"] / WIDTH, place["h"] / rows


def _row(figure: Figure, panel: Mapping[str, Any], rows: int) -> None:
    left, low, _, high = _box(panel["gridPos"], rows)
    title = panel["title"].replace("$set", ONE_SET)
    figure.text(left + 0.005, low + high / 2, f"▾ {title}", color=TEXT, fontsize=11, va="center", weight="bold")


def _panel(figure: Figure, panel: Mapping[str, Any], rows: int, run: Mapping[str, Any]) -> None:
    left, low, wide, high = _box(panel["gridPos"], rows)
    gap, head, foot = 0.003, 0.9 / rows, 1.3 / rows
    figure.add_artist(Rectangle((left + gap, low + gap / 3), wide - 2 * gap, high - gap / 1.5, color=PANEL, zorder=-1))
    figure.text(left + 2 * gap, low + high - head / 1.4, panel["title"], color=TEXT, fontsize=8, va="center")
    axis = figure.add_axes((left + 0.03, low + foot, wide - 0.04, high - head - foot - 0.4 / rows), facecolor=PANEL)
    axis.tick_params(colors=TEXT, labelsize=6, length=2)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.grid(color="#2c2f36", linewidth=0.5)
    answers = [(target["legendFormat"], run["dashboard"][target["expr"]]) for target in panel["targets"]]
    draw = {"stat": _stat, "table": _table, "heatmap": _heatmap}.get(panel["type"], _lines)
    draw(axis, panel, answers, run["marks"]["began"])


def _legend(form: str, labels: Mapping[str, str]) -> str:
    for name, value in labels.items():
        form = form.replace("{{" + name + "}}", value)
    return form


def _points(series: Mapping[str, Any], began: float) -> tuple[list[float], list[float]]:
    """Times and values; a gap, where Prometheus had no value, has a NaN."""
    points = [(float(at) - began, float(value)) for at, value in series["values"]]
    times, values = [at for at, _ in points[:1]], [value for _, value in points[:1]]
    for (before, _), (at, value) in pairwise(points):
        if at - before > 2 * STEP_S:
            times.append(before + STEP_S)
            values.append(math.nan)
        times.append(at)
        values.append(value)
    return times, values


def _lines(axis: Axes, panel: Mapping[str, Any], answers: Sequence[tuple[str, Answer]], began: float) -> None:
    colours = {
        each["matcher"]["options"]: "tab:" + each["properties"][0]["value"]["fixedColor"].replace("yellow", "olive")
        for each in panel["fieldConfig"]["overrides"]
    }
    for form, answer in answers:
        for series in answer:
            name = _legend(form, series["metric"])
            axis.plot(*_points(series, began), linewidth=0.9, label=name, color=colours.get(name))
    handles, labels = axis.get_legend_handles_labels()
    if not handles:
        axis.text(0.5, 0.5, "No data", transform=axis.transAxes, ha="center", color="#777", fontsize=8)
        return
    axis.set_ylim(bottom=0)
    axis.legend(
        handles[:LEGENDS],
        labels[:LEGENDS],
        fontsize=5.5,
        ncols=2,
        loc="upper left",
        framealpha=0.4,
        facecolor=PANEL,
        edgecolor=PANEL,
        labelcolor=TEXT,
    )


def _stat(axis: Axes, panel: Mapping[str, Any], answers: Sequence[tuple[str, Answer]], began: float) -> None:
    ((_, answer),) = answers
    axis.axis("off")
    times, values = _points(answer[0], began) if answer else ([], [math.nan])
    axis.fill_between(times, values[: len(times)], color="tab:blue", alpha=0.25)
    shown = f"{values[-1]:.3g}{' s' if panel['fieldConfig']['defaults']['unit'] == 's' else ''}"
    axis.text(0.5, 0.5, shown, transform=axis.transAxes, ha="center", va="center", color="#73bf69", fontsize=17)


def _table(axis: Axes, _panel: Mapping[str, Any], answers: Sequence[tuple[str, Answer]], _began: float) -> None:
    axis.axis("off")
    first, *more = [answer for _, answer in answers]
    lines = []
    newest = max((series["values"][-1][0] for series in first), default=0.0)
    for series in (one for one in first if one["values"][-1][0] == newest):
        facts = [f"{name}: {value}" for name, value in series["metric"].items() if name != "__name__"]
        same = [one for answer in more for one in answer if one["metric"].get("set") == series["metric"].get("set")]
        lines.append("    ".join([*facts, *(f"{float(one['values'][-1][1]):.4g}" for one in same)]))
    text = "\n".join(lines) or "No data"
    axis.text(0, 1, text, transform=axis.transAxes, va="top", color=TEXT, fontsize=7, linespacing=1.8)


def _heatmap(axis: Axes, _panel: Mapping[str, Any], answers: Sequence[tuple[str, Answer]], began: float) -> None:
    ((_, answer),) = answers
    buckets = sorted(answer, key=lambda each: float(each["metric"]["le"]))
    columns = [dict(zip(*_points(each, began), strict=True)) for each in buckets]
    times = sorted({at for column in columns for at in column})
    grid = [[column.get(at) or 0.0 for at in times] for column in columns]
    single = [[high - low for high, low in zip(row, before, strict=True)] for before, row in pairwise(grid)]
    if times:
        axis.imshow(
            [grid[0], *single],
            aspect="auto",
            origin="lower",
            cmap="inferno",
            extent=(times[0], times[-1], -0.5, len(buckets) - 0.5),
        )
        places = range(0, len(buckets), max(1, len(buckets) // 6))
        axis.set_yticks(list(places), [buckets[each]["metric"]["le"] for each in places])
    axis.grid(visible=False)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
