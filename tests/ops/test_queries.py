"""Every query of the dashboard and the rules on a real Prometheus, which scrapes real processes: under load, with a set
that cannot be compared, while Milvus is away, after `kill -9` of one of two, and when none is left.

The rules are loaded with seconds for minutes, so that what fires after ten minutes does so after ten seconds.
"""

import math
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from watched import WAITING, in_seconds, watched

from ops.grafana import dashboard

RULES = Path(__file__).parents[2] / "ops/prometheus/vigilens.rules.yml"
VARIABLES = {"$job": ".+", "$set": ".+", "$__rate_interval": "10s", "$__range": "60s", "[5m:15s]": "[10s:1s]"}


@pytest.fixture(scope="module")
def seen(kafka_cluster, make_topics, encoder, tmp_path_factory):
    with watched(kafka_cluster, make_topics(), encoder, RULES, tmp_path_factory.mktemp("watched")) as found:
        yield found


def asked(expr):
    """A query of the dashboard with values for its variables."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return expr


def compared(expr):
    """The query with 0 and 1 as the results of its comparisons, so that it has series where nothing is wrong, too."""
    parts = re.split(r"(\{[^}]*\})", expr)
    return "".join(part if part[:1] == "{" else re.sub(r"(==|!=|>=|<=|>|<)", r"\1 bool", part) for part in parts)


def test_every_query_of_the_dashboard_has_series(seen):
    queries = [target["expr"] for panel in dashboard.dashboard()["panels"] for target in panel.get("targets", ())]
    assert len(queries) > 50
    assert [expr for expr in queries if not any(map(math.isfinite, seen.series(asked(expr))))] == []


def test_every_query_of_the_rules_has_series(seen):
    rules = [
        rule for group in YAML(typ="safe").load(in_seconds(RULES.read_text()))["groups"] for rule in group["rules"]
    ]
    silent = [rule for rule in rules if not seen.series(rule["expr"]) and not seen.series(compared(rule["expr"]))]
    assert [rule.get("alert", rule.get("record")) for rule in silent] == []


def test_in_an_outage_the_numbers_tell_what_waits_and_for_how_long(seen):
    assert max(seen.series("sum(max by (partition) (vigilens_consumer_lag))")) >= WAITING
    assert max(seen.series("vigilens_oldest_waiting_seconds")) > 3
    assert max(seen.series('vigilens_waiting{for="milvus"}')) == 1
    assert (min(seen.series("max(vigilens_ready)")), max(seen.series("sum(vigilens_ready)"))) == (0, 2)


def test_the_numbers_tell_which_partitions_have_no_owner_and_how_many_members_are_left(seen):
    assert max(seen.series("max(vigilens_group_unowned_partitions)")) >= 1
    assert set(seen.series("max(vigilens_group_members)")) >= {1, 2}


def test_alerts_fire_with_the_labels_by_which_they_are_routed(seen):
    (skipped,) = seen.fired["VigilensSetNotComparable"]
    assert (skipped["set"], skipped["severity"]) == ("foreign", "critical")
    assert [each["severity"] for each in seen.fired["VigilensPartitionsUnowned"]] == ["critical"]
    recall = seen.prometheus.query_range('ALERTS{alertname="VigilensRecallLow"}', seen.began, seen.ended)
    assert {(each["metric"]["set"], each["metric"]["category"]) for each in recall} == {("known", "test")}
