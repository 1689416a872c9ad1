"""Panels, queries and rows, as Grafana's JSON has them. Only panel types that Grafana itself contains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consumer.metric_names import Metric

COLUMNS = 24  # of Grafana's grid
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
DECISIONS = {"allow": "green", "review": "yellow", "block": "red", "unscannable": "purple"}


def of(metric: Metric | str, suffix: str = "", **labels: str) -> str:
    """A selector of the metric's series in the chosen jobs.

    Args:
        metric: one of ours, or the name of another one.
        suffix: "bucket", "sum" or "count" of a histogram; a counter's `_total` is added.
        labels: further labels; a value that begins with "$" is a variable of the dashboard.
    """
    name = metric if isinstance(metric, str) else metric.name + ("_total" if metric.kind == "counter" else "")
    known = {"job": "$job", **labels}
    matchers = [
        f'{label}=~"{value}"' if value.startswith("$") else f'{label}="{value}"' for label, value in known.items()
    ]
    return f"{name}{'_' if suffix else ''}{suffix}{{{','.join(matchers)}}}"


def rate(selector: str) -> str:
    """Per second, over the interval that Grafana chooses."""
    return f"rate({selector}[$__rate_interval])"


@dataclass(frozen=True, slots=True)
class Query:
    """A query and its legend. `table`: one row for each series, as of now. `heat`: a histogram's buckets."""

    expr: str
    legend: str = ""
    table: bool = False
    heat: bool = False

    def as_json(self, number: int) -> dict[str, Any]:
        """As the target with this number, from 0, of a panel."""
        kind = "table" if self.table else "heatmap" if self.heat else "time_series"
        return {
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": self.expr,
            "format": kind,
            "instant": self.table,
            "legendFormat": self.legend or "__auto",
            "range": not self.table,
            "refId": chr(ord("A") + number),
        }


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel; `more` and `options` are added to what its kind has.

    Args:
        title: what the figure is, with its unit where it needs one.
        queries: in the order of their letters.
        kind: Grafana's panel type.
        unit: Grafana's name of the unit.
        text: what a reader should know, shown at the title.
        width: in columns of 24.
        height: in units of Grafana's grid.
        stacked: lines are areas that add up.
        steps: value from which a stat has a colour → the colour.
        colours: legend → colour.
        options: of the panel type.
        more: other keys of the panel.
    """

    title: str
    queries: Sequence[Query]
    kind: str = "timeseries"
    unit: str = "short"
    text: str = ""
    width: int = 8
    height: int = 8
    stacked: bool = False
    steps: Mapping[float, str] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """At this place of the grid, with this id."""
        return {
            "datasource": SOURCE,
            "description": self.text,
            "fieldConfig": {"defaults": self._defaults(), "overrides": self._overrides()},
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "id": number,
            "options": {**_OPTIONS.get(self.kind, {}), **self.options},
            "targets": [query.as_json(place) for place, query in enumerate(self.queries)],
            "title": self.title,
            "type": self.kind,
            **self.more,
        }

    def _defaults(self) -> dict[str, Any]:
        steps: list[dict[str, Any]] = [{"color": "green" if self.steps else "blue", "value": None}]
        steps += [{"color": colour, "value": value} for value, colour in self.steps.items()]
        made: dict[str, Any] = {"unit": self.unit, "thresholds": {"mode": "absolute", "steps": steps}}
        if self.kind == "timeseries":
            made |= {"min": 0, "color": {"mode": "palette-classic"}, "custom": _STACKED if self.stacked else _LINES}
        return made

    def _overrides(self) -> list[dict[str, Any]]:
        return [
            {
                "matcher": {"id": "byName", "options": name},
                "properties": [{"id": "color", "value": {"fixedColor": colour, "mode": "fixed"}}],
            }
            for name, colour in self.colours.items()
        ]


@dataclass(frozen=True, slots=True)
class Row:
    """A headline and its panels, left to right. `repeat`: a variable, of which each value has a row of its own."""

    title: str
    panels: Sequence[Panel]
    repeat: str = ""

    def as_json(self, number: int, y: int) -> tuple[list[dict[str, Any]], int]:
        """The row with its panels, the first with this id, and the height at which the next row begins."""
        header: dict[str, Any] = {
            "collapsed": False,
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
            "id": number,
            "panels": [],
            "title": self.title,
            "type": "row",
        }
        if self.repeat:
            header["repeat"] = self.repeat
        made, x, y, tallest = [header], 0, y + 1, 0
        for place, panel in enumerate(self.panels, number + 1):
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            made.append(panel.as_json(place, x, y))
            x, tallest = x + panel.width, max(tallest, panel.height)
        return made, y + tallest


_LINES = {"fillOpacity": 0, "lineWidth": 1, "showPoints": "never", "spanNulls": False}
_STACKED = {**_LINES, "fillOpacity": 40, "stacking": {"group": "A", "mode": "normal"}}
_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "colorMode": "value",
        "graphMode": "area",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    },
    "table": {"cellHeight": "sm", "showHeader": True},
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5, "steps": 64},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "le"},
        "tooltip": {"mode": "single", "yHistogram": True},
        "yAxis": {"axisPlacement": "left"},
    },
}
