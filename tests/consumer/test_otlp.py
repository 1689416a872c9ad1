"""Metrics and traces for a collector, which may be away or not answer."""

import sys
from dataclasses import replace

import pytest
from collector import collecting
from fake_runs import allow_images
from kafka import TopicPartition
from running_service import produce, read_committed
from serving import plan_for, serving

from consumer.batch import Batch, Event
from consumer.lifecycle import CannotStart
from consumer.metrics import Metrics
from consumer.otlp import sender
from consumer.otlp.committed import Committed
from consumer.otlp.switch import sending
from consumer.trace_context import TraceContext
from embedding.image import Image, Inline, Position

SPAN = "00f067aa0ba902b7"


def event(number, trace=None):
    at = TopicPartition("images", 0)
    image = Image(f"e{number}", "i", Inline(b"x"), None, {}, Position("images", 0, number, None))
    return Event(image, None, at, number, None, trace)


def committed(events):
    judged = allow_images([each.image for each in events])
    when = {"decode": (1000.0, 1001.5), "search": (1001.5, 1002.0)}
    judged = replace(judged, seconds={"decode": 2.5, "search": 0.5, "check": 0.0}, when=when)
    return Committed(Batch(events, None, {}, taken_at=999.0), judged, 1003.0, 1003.5)


def trace_id(number):
    return f"{number:032x}"


def lost(metrics, signal):
    return metrics.registry.get_sample_value("vigilens_otlp_lost_total", {"signal": signal}) or 0


def test_the_same_metrics_are_sent_with_their_names_and_the_process_they_are_of():
    metrics = Metrics()
    for name, value in (("decode", 0.02), ("decode", 0.2), ("decode", 99.0), ("check", 0.01)):
        metrics._values["vigilens_stage_seconds"].labels(name).observe(value)
    metrics._values["vigilens_verdicts"].labels("block").inc(3)
    with collecting() as (collector, address), sending(address + "/", metrics, "g", "host-0"):
        pass
    sent = collector.metrics
    assert sent["vigilens_verdicts"].sum.is_monotonic
    (point,) = [
        each for each in sent["vigilens_verdicts"].sum.data_points if each.attributes[0].value.string_value == "block"
    ]
    assert (point.as_double, point.start_time_unix_nano > 0) == (3.0, True)
    stages = {
        each.attributes[0].value.string_value: each for each in sent["vigilens_stage_seconds"].histogram.data_points
    }
    decode = stages["decode"]
    assert (decode.count, sum(decode.bucket_counts), decode.bucket_counts[-1]) == (3, 3, 1)
    assert len(decode.bucket_counts) == len(decode.explicit_bounds) + 1
    assert decode.sum == pytest.approx(99.22)
    assert not decode.HasField("max")
    assert (stages["check"].count, sent["vigilens_stage_seconds"].unit) == (1, "s")
    assert sent["vigilens_ready"].gauge.data_points[0].as_double == 0.0
    shown = {family.name for family in metrics.registry.collect() if family.samples}
    assert set(sent) == shown
    resource = collector.resource("/v1/metrics")
    assert (resource["service.name"], resource["service.namespace"]) == ("vigilens", "g")
    assert (resource["service.instance.id"], bool(resource["service.version"])) == ("host-0", True)


def test_a_batch_is_a_trace_with_its_stages_and_links_to_the_traces_of_its_events():
    recorded = TraceContext(trace_id(1), SPAN, "01", "a=1")
    events = [event(0, recorded), event(1, recorded), event(2, TraceContext(trace_id(2), SPAN, "00")), event(3)]
    with collecting() as (collector, address), sending(address, Metrics(), "g", "i") as trace:
        trace(committed(events))
    spans = collector.spans
    assert set(spans) == {"batch", "decode", "search", "publish"}
    (batch,), (decode,) = spans["batch"], spans["decode"]
    assert (batch.start_time_unix_nano, batch.end_time_unix_nano) == (999 * 10**9, int(1003.5 * 10**9))
    assert (decode.start_time_unix_nano, decode.end_time_unix_nano) == (1000 * 10**9, int(1001.5 * 10**9))
    assert (decode.trace_id, decode.parent_span_id) == (batch.trace_id, batch.span_id)
    assert [each.value.double_value for each in decode.attributes] == [2.5]  # of work, on several workers
    (link,) = batch.links  # each once, and only of those that are recorded
    assert (link.trace_id.hex(), link.span_id.hex()) == (trace_id(1), SPAN)
    attributes = {each.key: each.value for each in batch.attributes}
    assert attributes["messaging.batch.message_count"].int_value == 4
    assert attributes["vigilens.events_with_trace"].int_value == 3


def test_a_batch_has_at_most_128_links():
    events = [event(number, TraceContext(trace_id(number + 1), SPAN, "01")) for number in range(200)]
    with collecting() as (collector, address), sending(address, Metrics(), "g", "i") as trace:
        trace(committed(events))
    assert len(collector.spans["batch"][0].links) == 128


def test_what_a_collector_does_not_take_is_counted_and_logged_once_until_it_works_again(caplog):
    caplog.set_level("INFO", "vigilens.otlp")
    metrics = Metrics()
    with collecting(status=400) as (collector, address), sending(address, metrics, "g", "i", 0.02) as trace:
        trace(committed([event(0)]))
        while lost(metrics, "metrics") < 3:
            collector.asked.wait()
        collector.status = 200
        while not collector.came["/v1/metrics"]:
            collector.asked.wait()
    assert lost(metrics, "traces") == 4
    assert [each.message for each in caplog.records] == [
        "OpenTelemetry is not sent; the service goes on",
        "OpenTelemetry is sent again",
    ]


def test_spans_for_which_there_is_no_room_are_counted(monkeypatch):
    monkeypatch.setattr(sender, "MOST_SPANS", 10)
    metrics = Metrics()
    with collecting() as (collector, address), sending(address, metrics, "g", "i") as trace:
        for number in range(5):
            trace(committed([event(number)]))
    assert lost(metrics, "traces") == 10
    assert sum(map(len, collector.spans.values())) == 10


def test_the_service_sends_both_and_its_verdicts_carry_the_traces_on(kafka_cluster, topics, monkeypatch):
    parent = f"00-{trace_id(7)}-{SPAN}-01".encode()
    produce(kafka_cluster.bootstrap, topics.images, [(None, b"a", [("traceparent", parent)], 0)])
    with collecting() as (collector, address):
        with serving(plan_for(monkeypatch, kafka_cluster, topics, VIGILENS_OTLP__ENDPOINT=address)):
            (said,) = read_committed(kafka_cluster.bootstrap, topics.verdicts, 1)
        assert dict(said.headers())["traceparent"] == parent
        assert [link.trace_id.hex() for batch in collector.spans["batch"] for link in batch.links] == [trace_id(7)]
        assert "vigilens_verdicts" in collector.metrics


def test_a_collector_that_does_not_answer_delays_neither_verdicts_nor_the_end(kafka_cluster, topics, monkeypatch):
    monkeypatch.setattr(sender, "END_S", 0.2)
    produce(kafka_cluster.bootstrap, topics.images, [(None, b"a", [], 0)])
    with collecting() as (collector, address):
        collector.open.clear()
        with serving(plan_for(monkeypatch, kafka_cluster, topics, VIGILENS_OTLP__ENDPOINT=address)):
            read_committed(kafka_cluster.bootstrap, topics.verdicts, 1)
        assert not collector.came["/v1/traces"]  # the service has ended


def test_without_the_extra_an_endpoint_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    with (
        pytest.raises(CannotStart, match=r"pip install 'vigilens\[otlp\]'"),
        sending("http://localhost:4318", Metrics(), "g", "i"),
    ):
        raise AssertionError("it started")
