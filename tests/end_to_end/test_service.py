"""The whole service on a real broker and the real Milvus client: `vigilens run`, its verdicts read by librdkafka."""

import json
import re
import time
from collections import Counter

import pytest
from confluent_kafka import Producer
from drawn import drawn, encoded
from PIL import ImageDraw
from running_service import PATIENCE_S, produce, read_committed, running
from service_fixtures import ALLOWED, BLOCK, KNOWN, UNRELATED, event, make_set, reference, settings, verdicts

from harness.readers import committed
from reference_sets.model import Kind, Thresholds
from reference_sets.store import Store
from vigilens.answers import meeting


def test_a_copy_is_blocked_an_unrelated_picture_allowed_and_an_allowed_picture_vetoes_only_itself(
    kafka_cluster, topics, milvus, encoder
):
    stamped = drawn(ALLOWED)
    ImageDraw.Draw(stamped).rectangle((10, 10, 30, 30), fill="white")
    with Store(milvus.uri) as store:  # the allowed picture looks like a harmful one: a confirmed false alarm
        store.upsert("known", [reference(encoder, stamped, "stamped")])
    small = drawn(KNOWN).resize((160, 120))
    sent = [
        event("copy", drawn(KNOWN), user=7),
        event("small copy", small),
        event("unrelated", drawn(UNRELATED)),
        event("false alarm", drawn(ALLOWED)),
    ]
    with running(settings(kafka_cluster, topics, milvus.uri)) as service:
        produce(kafka_cluster.bootstrap, topics.images, sent)
        said = verdicts(kafka_cluster, topics, 4)
        assert meeting.is_ours(meeting.place(milvus.uri))  # it has commands of this user run in a helper
        service.end()
    assert not meeting.is_ours(meeting.place(milvus.uri))
    decisions = {name: each["decision"] for name, each in said.items()}
    assert decisions.pop("small copy") in ("block", "review")
    assert decisions == {"copy": "block", "unrelated": "allow", "false alarm": "allow"}
    copy = said["copy"]
    assert copy["decided_by"] == "known"
    assert copy["attributes"] == {"user": 7}
    encoder_entry = {"name": "pdq", "fingerprint": encoder.fingerprint, "looked": True, "reason": None}
    assert copy["encoders"] == [encoder_entry]
    assert copy["source"] == {"kind": "record", "address": None, "fetched": True}
    (match,) = copy["matches"]
    assert match["reference"]["label"] == "known-1"
    known = next(each for each in copy["sets"] if each["set"] == "known")
    assert [one["label"] for one in known["candidates"]] == ["known-1", "stamped"]
    assert (match["level"], match["decided_on"]) == ("block", "similarity")
    assert match["margin"] == pytest.approx(match["score"] - BLOCK, abs=1e-6)
    assert {each["set"]: each["vetoed_by"] for each in said["false alarm"]["matches"]} == {
        "known": "allowed",
        "allowed": None,
    }


def test_a_verdict_is_a_cloudevent_with_the_events_key_in_the_partition_of_the_event(kafka_cluster, topics, milvus):
    with running(settings(kafka_cluster, topics, milvus.uri)):
        picture = encoded(drawn(UNRELATED))
        produce(kafka_cluster.bootstrap, topics.images, [(b"\xffkey", picture, [], 2), (None, picture, [], 1)])
        records = read_committed(kafka_cluster.bootstrap, topics.verdicts, 2)
    found = {record.partition(): record for record in records}
    assert found[2].key() == b"\xffkey"
    assert found[1].key() is None
    headers = dict(found[2].headers())
    assert headers["ce_specversion"] == b"1.0"
    assert re.fullmatch(rf"{topics.images}@[\w-]{{22}}/2/0", headers["ce_id"].decode())
    assert headers["ce_type"] == b"vigilens.verdict.v2"
    assert headers["ce_subject"] == f"{topics.images}/2/0".encode()
    assert headers["content-type"] == b"application/json"


def produce_in_transactions(bootstrap, topic, events):
    """Send the events in three transactions, and a fourth one that is aborted."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": topic})
    producer.init_transactions(PATIENCE_S)
    parts = (events[0::3], producer.commit_transaction), (events[1:8], producer.abort_transaction)
    rest = (events[1::3], producer.commit_transaction), (events[2::3], producer.commit_transaction)
    for part, end in (*parts, *rest):
        producer.begin_transaction()
        for key, value, _, _ in part:
            producer.produce(topic, value=value, key=key)
        producer.flush(PATIENCE_S)
        end(PATIENCE_S)


def test_adding_up_the_metrics_topic_gives_exactly_the_verdicts(kafka_cluster, topics, milvus):
    sent = [event(f"e{number}", drawn([KNOWN, UNRELATED][number % 2])) for number in range(150)]
    sent += [(b"odd", b"not a picture", [], None)] * 5
    run = settings(kafka_cluster, topics, milvus.uri, VIGILENS_BATCH__IMAGES="16", VIGILENS_METRICS__HEARTBEAT_S="1")
    with running(run) as service:
        produce_in_transactions(kafka_cluster.bootstrap, topics.images, sent)
        records = read_committed(kafka_cluster.bootstrap, topics.verdicts, len(sent))
        at = service.metric("vigilens_lag_timestamp_seconds")
        service.wait_until_metric("vigilens_lag_timestamp_seconds", lambda later: later > at)
        assert service.wait_until_metric("vigilens_consumer_lag", lambda lag: lag == 0) == 0  # markers are no events
        assert abs(time.time() - service.metric("vigilens_set_changed_timestamp_seconds", set="known")) < 600
        shown = service.get("/metrics")[1]
        service.end()
        added = [json.loads(each.value()) for each in committed(kafka_cluster.bootstrap, topics.metrics)]
    heartbeats = [each for each in added if each["kind"] == "heartbeat"]
    assert heartbeats
    assert not any(each["verdicts"] or each["decisions"] or each["matches"] for each in heartbeats)
    references = [one for each in added for one in each["references"]]
    assert sum(one["matches"] for one in references) == 75
    assert {(one["set"], one["id"]) for one in references} == {("known", "id-known-1")}
    assert sum(each["verdicts"] for each in added) == len(records) == len(sent)
    decisions, reasons, ages = Counter(), Counter(), Counter()
    for each in added:
        decisions.update(each["decisions"])
        reasons.update(each["reasons"])
        ages.update(each["age_s"])
    assert decisions == {"block": 75, "allow": 75, "unscannable": 5}
    assert reasons == {"unknown_format": 5}
    assert sum(ages.values()) == len(sent)
    assert 'vigilens_verdicts_total{decision="block"} 75.0' in shown
    assert 'vigilens_set_references{set="known"} 1.0' in shown
    assert 'vigilens_candidate_score_count{measure="similarity",set="known"} 150.0' in shown
    assert f'vigilens_set_threshold{{level="block",measure="similarity",set="known"}} {BLOCK}' in shown


def test_a_set_that_changes_while_the_service_runs_changes_the_verdict_and_its_version(
    kafka_cluster, topics, milvus, encoder
):
    run = settings(kafka_cluster, topics, milvus.uri, VIGILENS_SETS__REFRESH_S="0")
    with running(run) as service, Store(milvus.uri) as store:
        make_set(store, encoder, "another", Kind.HARMFUL, [])  # without a harmful set the service would wait
        produce(kafka_cluster.bootstrap, topics.images, [event("before", drawn(UNRELATED))])
        service.until("batch")
        store.upsert("known", [reference(encoder, drawn(UNRELATED), "known-now")])
        produce(kafka_cluster.bootstrap, topics.images, [event("after", drawn(UNRELATED))])
        service.until("batch")
        store.change("known", thresholds=Thresholds(0.9, 0.95), kind=Kind.REFERENCE)
        produce(kafka_cluster.bootstrap, topics.images, [event("reported", drawn(UNRELATED))])
        said = verdicts(kafka_cluster, topics, 3)
    known = {name: next(each for each in verdict["sets"] if each["set"] == "known") for name, verdict in said.items()}
    assert [said[name]["decision"] for name in ("before", "after", "reported")] == ["allow", "block", "allow"]
    assert known["before"]["version"] < known["after"]["version"] < known["reported"]["version"]
    assert (known["reported"]["kind"], known["reported"]["rules"]["similarity"]["block"]) == ("reference", 0.95)
    assert [each["set"] for each in said["reported"]["matches"]] == ["known"]
