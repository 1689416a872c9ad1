"""Makes the dashboard: `python -m ops.grafana.dashboard` writes vigilens.json beside this file."""

import json
from pathlib import Path
from typing import Any

from consumer import metric_names as m
from ops.grafana import rows_sets, rows_traffic
from ops.grafana.panels import SOURCE

FILE = Path(__file__).with_name("vigilens.json")
UID = "vigilens"  # the address of the dashboard: links to it stay as they are
ROWS = (*rows_traffic.ROWS, *rows_sets.ROWS)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row in ROWS:
        made, y = row.as_json(len(panels) + 1, y)
        panels += made
    return {
        "annotations": {"list": [_alerts()]},
        "description": "What Vigilens judges, how fast, and what waits. Made by ops/grafana/dashboard.py.",
        "editable": True,
        "graphTooltip": 1,
        "links": [],
        "panels": panels,
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": ["vigilens"],
        "templating": {"list": _variables()},
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "title": "Vigilens",
        "uid": UID,
        "version": 1,
    }


def text() -> str:
    """The file's text."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


def _variables() -> list[dict[str, Any]]:
    return [
        {
            "current": {},
            "includeAll": False,
            "label": "Data source",
            "multi": False,
            "name": "datasource",
            "options": [],
            "query": "prometheus",
            "refresh": 1,
            "type": "datasource",
        },
        _of_labels("job", "Job", f"label_values({m.READY.name}, job)"),
        _of_labels("set", "Set", f'label_values({m.SET_VERSION.name}{{job=~"$job"}}, set)'),
    ]


def _of_labels(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": SOURCE,
        "definition": query,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": name,
        "options": [],
        "query": {"qryType": 1, "query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "type": "query",
    }


def _alerts() -> dict[str, Any]:
    """Where an alert began to fire, as a line in all graphs."""
    return {
        "datasource": SOURCE,
        "enable": True,
        "expr": 'ALERTS{alertname=~"Vigilens.*",alertstate="firing"}',
        "iconColor": "red",
        "name": "Alerts",
        "titleFormat": "{{alertname}}",
    }


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
