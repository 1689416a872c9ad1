"""The alert rules by their examples, and whom the example of an Alertmanager tells."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops"
RULES = OPS / "prometheus/vigilens.rules.yml"
EXAMPLES = sorted((OPS / "prometheus/tests").glob("*.yml"))
ROUTES = OPS / "alertmanager/alertmanager.yml"
DOCS = (ROOT / "docs/alerts.md").read_text()
GROUPS = YAML(typ="safe").load(RULES)["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}


def examples():
    """Each example: its name, the alert that it is about, and whether it expects it."""
    for path in EXAMPLES:
        for example in YAML(typ="safe").load(path)["tests"]:
            for expected in example["alert_rule_test"]:
                yield example["name"], expected["alertname"], bool(expected["exp_alerts"])


def test_promtool_finds_no_mistake_in_the_configuration_and_its_rules(tool):
    well, said = tool("promtool", "check", "config", OPS / "prometheus/prometheus.yml")
    assert well, said


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_gives_the_alerts_that_it_expects(tool, path):
    well, said = tool("promtool", "test", "rules", path.name, folder=path.parent)
    assert well, said


def test_each_alert_has_an_example_that_fires_and_one_that_stays_silent():
    assert {(alert, fires) for _, alert, fires in examples()} == {
        (alert, fires) for alert in ALERTS for fires in (True, False)
    }


def test_each_example_says_in_its_name_what_it_shows():
    assert [
        name
        for name, alert, fires in examples()
        if not name.startswith(f"{alert} {'fires' if fires else 'is silent'} ")
    ] == []


def test_each_alert_has_a_severity_a_summary_a_description_and_an_entry_in_the_docs():
    entries = set(re.findall(r"^## (Vigilens\w+)$", DOCS, re.MULTILINE))
    assert entries == set(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}, name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"].endswith(f"/docs/alerts.md#{name.lower()}")


def test_each_entry_of_the_docs_says_what_it_means_what_to_look_at_what_to_do_and_when_it_is_nothing():
    parts = ("**What it means.**", "**Look at**", "**Do.**", "**It is nothing**")
    entries = [entry for entry in DOCS.split("\n## ") if entry.startswith("Vigilens")]
    assert [(entry.split()[0], part) for entry in entries for part in parts if part not in entry] == []


def test_the_log_lines_that_the_docs_name_are_written_by_the_service():
    program = "".join(
        path.read_text()
        for room in ("alerting", "consumer", "reference_sets", "matcher")
        for path in (ROOT / room).rglob("*.py")
    )
    sentences = [each for each in re.findall(r"`([a-z][^`]*)`", " ".join(DOCS.split())) if each.count(" ") >= 3]
    lines = [each.partition(" N,")[0] for each in sentences if not each.startswith("vigilens ")]
    assert len(lines) > 5
    assert [line for line in lines if line not in program] == []


def test_the_docs_and_the_routes_name_no_alert_that_does_not_exist():
    named = set(re.findall(r"Vigilens[A-Z]\w+", DOCS + ROUTES.read_text()))
    assert named <= set(ALERTS)


def test_the_example_of_an_alertmanager_has_no_mistake(tool):
    well, said = tool("amtool", "check-config", ROUTES)
    assert well, said


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=VigilensNoneReady severity=critical", "on-call"),
        ("alertname=VigilensLagBurn severity=warning", "operators"),
        ("alertname=VigilensBreakerTripped severity=info set=memes", "trust-and-safety"),
        (
            "alertname=VigilensMatchBurst severity=warning set=known category=csam",
            "trust-and-safety-urgent,trust-and-safety",
        ),
        (
            "alertname=VigilensSetNotComparable severity=critical set=known category=csam",
            "trust-and-safety-urgent,on-call",
        ),
        ("alertname=VigilensSetNotComparable severity=critical set=spam category=spam", "on-call"),
        (
            "alertname=VigilensRecallLow severity=warning set=known category=csam",
            "trust-and-safety-urgent,operators",
        ),
        ("alertname=VigilensRecallLow severity=warning set=spam category=spam", "spam-team"),
    ],
)
def test_alerts_are_routed_by_severity_set_and_category(tool, labels, receivers):
    well, said = tool("amtool", "config", "routes", "test", f"--config.file={ROUTES}", *labels.split())
    assert (well, said.strip()) == (True, receivers)
