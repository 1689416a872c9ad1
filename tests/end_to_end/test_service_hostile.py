"""Hostile events: each gets one verdict, and the service goes on."""

import json
from collections import Counter

import psutil
from drawn import drawn
from hostile import hostile_inputs
from kafka import KafkaProducer
from running_service import produce, read_committed, running
from service_fixtures import KNOWN, event, settings

BODIES = [
    b"{}",
    b"[]",
    b"null",
    b'{"id": 1}',
    b'{"id": "a", "data": 5}',
    b'{"id": "a", "data": "%%%"}',
    b'{"id": "a", "data": ""}',
    b'{"id": "a", "data": "aGVsbG8="}',
    b'{"id": "a", "path": "/etc/passwd"}',
    b'{"id": "a", "path": "../../etc/passwd"}',
    b'{"id": "a", "path": "/dev/zero"}',
    b'{"id": "a", "path": "\\u0000"}',
    b'{"id": "a", "url": "http://169.254.169.254/latest/meta-data"}',
    b'{"id": "a", "url": "https://localhost/"}',
    b'{"id": "a", "url": "file:///etc/passwd"}',
    b'{"id": "a", "url": "gopher://x"}',
    b'{"id": "a", "url": "https://user:password@example.com/"}',
    b'{"id": "a", "url": "https://[::1"}',
    b'{"id": "a", "url": "\\ud800"}',
    b'{"id": "\\ud800", "path": "a"}',
    b'{"id": "a", "path": "a", "url": "b"}',
    b'{"id": "a", "path": "a", "attributes": {"n": NaN}}',
    b'{"id": "a", "path": "a", "attributes": {"n": 1e999}}',
    b'{"id": "a", "path": "a", "attributes": ' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"}",
    b'{"id": "a", "path": "a", "attributes": {"a": "' + b"b" * 500_000 + b'"}}',
    b'{"id": "' + b"a" * 500_000 + b'", "path": "a"}',
    b'{"id": ' + b"9" * 9000 + b', "path": "a"}',
    b"{" + b" " * 100_000,
    b'{"id": "a", "id": "b", "path": "c"}',
    '{"id": "\u202e\u0000", "path": "\U0001f600"}'.encode(),
]


def odd_events():
    """Values, keys and headers that no honest producer sends."""
    yield "no value", (b"k", None, [], 0)
    yield "no key and no value", (None, None, [], 0)
    yield "a long key", (b"k" * 100_000, b"{}", [], 0)
    yield "an empty key", (b"", b"{", [], 0)
    yield "many headers", (None, b"x", [(f"h{n}", b"v") for n in range(500)], 0)
    yield "headers without values", (None, b"x", [("ce_id", None), ("content-type", None)], 0)
    yield "broken header", (None, b"x", [("ce_specversion", b"\xff\xfe")], 0)
    for number, body in enumerate(BODIES):
        yield f"body {number}", (None, body, [], 0)
        yield (
            f"body {number} as a structured CloudEvent",
            (
                None,
                body,
                [("content-type", b"application/cloudevents+json")],
                0,
            ),
        )


def test_two_hundred_hostile_events_get_one_verdict_each_in_order_and_the_service_goes_on(
    kafka_cluster, make_topics, milvus, capsys
):
    topics = make_topics(partitions=1)
    odd = dict(odd_events())
    pictures = {name: (name.encode(), value, [], 0) for name, value in hostile_inputs().items()}
    sent = [*odd.values(), *pictures.values(), event("still alive", drawn(KNOWN))]
    assert len(sent) > 200
    with running(settings(kafka_cluster, topics, milvus.uri)) as service:
        process = psutil.Process(service.process.pid)
        produce(kafka_cluster.bootstrap, topics.images, sent)
        records = read_committed(kafka_cluster.bootstrap, topics.verdicts, len(sent))
        peak = process.memory_info().rss
        code, _ = service.end()
    said = [json.loads(record.value()) for record in records]
    assert [each["position"]["offset"] for each in said] == list(range(len(sent)))
    assert said[-1]["decision"] == "block"
    assert code == 0
    reasons = Counter(each["reason"] for each in said)
    with capsys.disabled():
        print(f"\n{len(sent)} hostile events, {peak >> 20} MiB resident: {dict(reasons)}")  # noqa: T201 (for the docs)
    for name, each in zip(odd, said, strict=False):
        assert each["decision"] == "unscannable", f"{name}: {each}"
        assert each["detail"]


def test_a_record_batch_that_expands_to_too_much_gives_each_of_its_records_a_verdict(
    kafka_cluster, make_topics, milvus
):
    topics = make_topics(partitions=1)
    limits = {"VIGILENS_IMAGES__MAX_BYTES": "1000000", "VIGILENS_KAFKA__MAX_BATCH_BYTES": "3000000"}
    large = KafkaProducer(
        bootstrap_servers=kafka_cluster.bootstrap,
        compression_type="gzip",
        max_request_size=100_000_000,
        batch_size=100_000_000,
        linger_ms=1_000,
    )
    for value in (b"in the same batch", bytes(30_000_000)):
        large.send(topics.images, key=b"k", value=value, partition=0)
    large.close()
    with running(settings(kafka_cluster, topics, milvus.uri, **limits)) as service:
        produce(kafka_cluster.bootstrap, topics.images, [event("still alive", drawn(KNOWN))])
        records = read_committed(kafka_cluster.bootstrap, topics.verdicts, 3)
        code, _ = service.end()
    assert code == 0
    said = [json.loads(record.value()) for record in records]
    assert [each["position"]["offset"] for each in said] == [0, 1, 2]
    assert [each["reason"] for each in said] == ["records_too_large", "records_too_large", None]
    assert [record.key() for record in records] == [None, None, b"still alive"]
    assert said[0]["event_id"] == f"{topics.images}/0/0"
    assert said[2]["decision"] == "block"
