"""The Grafana dashboard as a file: what the script makes, of metrics that exist, and all of them."""

import itertools
import json
import re
from pathlib import Path

from ruamel.yaml import YAML

from consumer import metric_names
from ops.grafana import dashboard

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "ops/prometheus/vigilens.rules.yml").read_text()
BOARD = json.loads(dashboard.FILE.read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
CORE = {"timeseries", "stat", "table", "heatmap"}  # panel types that Grafana contains


def shown_names(metric):
    endings = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    return {metric.name + ending for ending in endings[metric.kind]}


def test_the_file_is_what_the_script_makes():
    assert dashboard.FILE.read_text() == dashboard.text(), "run `make dashboard`"


def test_each_metric_of_the_service_is_on_the_dashboard_or_in_a_rule():
    used = set(re.findall(r"vigilens_\w+", " ".join(QUERIES) + RULES))
    assert [metric.name for metric in metric_names.ALL if not shown_names(metric) & used] == []


def test_the_dashboard_and_the_rules_use_no_metric_that_does_not_exist():
    selected = set(re.findall(r"(?<![\w:#/])vigilens_\w+", " ".join(QUERIES) + re.sub(r"#.*", "", RULES)))
    assert selected - set().union(*map(shown_names, metric_names.ALL)) == set()


def test_panels_have_ids_of_their_own_and_do_not_overlap():
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    taken = set()
    for place in (panel["gridPos"] for panel in BOARD["panels"]):
        cells = set(
            itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
        )
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_no_panel_needs_a_plugin_and_each_asks_the_chosen_data_source():
    assert {panel["type"] for panel in PANELS} <= CORE
    sources = [each["datasource"]["uid"] for panel in PANELS for each in (panel, *panel["targets"])]
    assert set(sources) == {"${datasource}"}


def test_each_query_is_of_the_chosen_jobs():
    """ALERTS is of all: an alert about a job without targets has no job."""
    wrong = [
        expr
        for expr in QUERIES
        for selector in re.findall(r"(?:vigilens|process)_\w+(?:\{[^}]*\})?", expr)
        if 'job=~"$job"' not in selector
    ]
    assert wrong == []


def test_compose_puts_the_dashboard_where_the_provisioning_looks_for_it():
    grafana = ROOT / "ops/grafana/provisioning"
    (provider,) = YAML(typ="safe").load(grafana / "dashboards/vigilens.yml")["providers"]
    (source,) = YAML(typ="safe").load(grafana / "datasources/prometheus.yml")["datasources"]
    services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    mounts = dict(mount.split(":")[:2] for mount in services["grafana"]["volumes"])
    assert mounts["./ops/grafana/vigilens.json"] == f"{provider['options']['path']}/vigilens.json"
    assert source["url"].removeprefix("http://").split(":")[0] in services
