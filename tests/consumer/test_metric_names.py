from pathlib import Path

from consumer import metric_names
from consumer.metrics import Metrics
from consumer.records import BatchMetrics

METRICS = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


def shown_name(metric):
    return metric.name + ("_total" if metric.kind == "counter" else "")


def test_every_metric_is_in_the_docs_with_its_kind_labels_and_help():
    for metric in metric_names.ALL:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        line = f"| `{shown_name(metric)}` | {metric.kind} | {labels} | {metric.help} |".replace("|  |", "| |")
        assert line in METRICS, line


def test_the_docs_name_no_metric_that_does_not_exist():
    named = {word for word in METRICS.split("`") if word.startswith("vigilens_")}
    assert named == {shown_name(metric) for metric in metric_names.ALL}


def test_the_list_has_all_metrics_and_the_port_shows_all_of_them():
    declared = [each for each in vars(metric_names).values() if isinstance(each, metric_names.Metric)]
    assert sorted(declared, key=id) == sorted(metric_names.ALL, key=id)
    shown = {family.name for family in Metrics().registry.collect()}
    assert {name for name in shown if not name.startswith("vigilens_")} >= {
        "process_start_time_seconds",
        "python_gc_collections",
    }
    assert {name for name in shown if name.startswith("vigilens_")} == {metric.name for metric in metric_names.ALL}


def test_every_key_of_a_metrics_record_is_in_the_docs():
    section = METRICS.partition("## The metrics topic")[2]
    assert [key for key in BatchMetrics.model_fields if f"`{key}`" not in section] == []


def test_each_wait_ends_separately_and_is_logged_once(caplog):
    metrics = Metrics()
    metrics.set_waiting("start", None)
    metrics.set_waiting("milvus", "milvus: refused")
    metrics.set_waiting("kafka", "kafka: refused")
    metrics.set_waiting("kafka", None)
    assert metrics.waiting == "milvus: refused"
    logged = [(each.message, each.fields["for"]) for each in caplog.records]
    assert logged == [("waiting", "milvus"), ("waiting", "kafka")]
    metrics.set_waiting("milvus", None)
    assert metrics.waiting == ""
