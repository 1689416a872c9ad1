from pathlib import Path

from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from consumer import metric_names
from consumer.batch import Batch
from consumer.metrics import MAX_SETS, Metrics
from consumer.records import TOP_REFERENCES, BatchMetrics, SetCount, heartbeat, metrics_of
from matcher.judge import Judged
from matcher.verdict import Verdict, example
from reference_sets.canary import Recall
from reference_sets.in_force import Snapshot
from reference_sets.model import Kind, ReferenceSet, Thresholds

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


def test_a_metrics_record_names_the_references_that_matched_most_and_only_so_many():
    match = example()["matches"][0]
    seen = [f"ref-{number:03}" for number in range(TOP_REFERENCES + 10)] + ["ref-059"]
    verdicts = tuple(
        Verdict.model_validate(example() | {"matches": [match | {"reference": match["reference"] | {"id": id_}}]})
        for id_ in seen
    )
    judged = Judged(verdicts, {}, Snapshot((), (), {}), 0, {})
    top = metrics_of(Batch((), None, {}), judged, "group", "instance").references
    assert [each.id for each in top] == ["ref-059", *seen[: TOP_REFERENCES - 1]]
    assert [each.matches for each in top[:2]] == [2, 1]


def test_a_strict_reader_of_openmetrics_takes_the_page_whatever_sets_are_called_and_scores_are():
    near = example()["sets"][0]
    candidate = near["candidates"][0] | {"similarity": -0.25, "normalised": None}
    name = 'a "set"\n\\ # {x="y"} 1'
    one = Verdict.model_validate(example() | {"sets": [near | {"set": name, "candidates": [candidate]}]})
    metrics, judged = Metrics(), Judged((one,), {}, Snapshot((), (), {name: "why"}), 0, {}, {})
    metrics.published(Batch((), None, {}), judged, metrics_of(Batch((), None, {}), judged, "group", "instance"))
    families = {each.name: each for each in text_string_to_metric_families(generate_latest(metrics.registry).decode())}
    scores = families["vigilens_candidate_score"].samples
    assert {each.labels["set"] for each in scores} == {name}
    assert {each.value for each in scores if each.name.endswith("_sum")} >= {0.0}


def test_what_is_wrong_with_a_set_is_seen_however_many_there_are():
    metrics, skipped = Metrics(), {f"set-{number}": "why" for number in range(MAX_SETS + 5)}
    judged = Judged((), {}, Snapshot((), (), skipped), 0, dict.fromkeys(skipped, 2), {"late": Recall(0.9, 0.8)})
    metrics.published(Batch((), None, {}), judged, metrics_of(Batch((), None, {}), judged, "group", "instance"))
    value = metrics.registry.get_sample_value
    assert value("vigilens_set_comparable", {"set": "other"}) == 0
    assert value("vigilens_references_damaged", {"set": "other"}) == 10
    assert value("vigilens_index_recall_lower", {"set": "other"}) == 0.8


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


def test_names_of_sets_make_a_bounded_number_of_series():
    metrics, known = (
        Metrics(),
        [
            ReferenceSet(f"set_{number}", Kind.HARMFUL, "c", 50, Thresholds(0.1, 0.2), "words:x", 4, 1, (1.0, 0, 0, 0))
            for number in range(500)
        ],
    )
    skipped = {f"foreign_{number}": "another encoder" for number in range(500)}
    counts = tuple(SetCount(set=each.name, level="review", matches=1) for each in known)
    snapshot = Snapshot(tuple(known), (1,) * len(known), skipped)
    added = heartbeat("g", "i", (), {}).model_copy(update={"matches": counts, "verdicts": 500})
    metrics.published(Batch((), None, {}), Judged((), {}, snapshot, 0, {}), added)
    series = [
        sample.labels["set"] for f in metrics.registry.collect() for sample in f.samples if "set" in sample.labels
    ]
    assert len(set(series)) == MAX_SETS + 1
    matched = metrics.registry.get_sample_value("vigilens_matches_total", {"set": "other", "level": "review"})
    assert matched == 500 - MAX_SETS
    # Of those that share a series, some are compared and some are not: the worst is shown.
    assert metrics.registry.get_sample_value("vigilens_set_comparable", {"set": "other"}) == 0
    assert metrics.registry.get_sample_value("vigilens_sets_skipped") == 500
