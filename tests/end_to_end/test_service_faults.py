"""The service while Milvus or a set is missing, and when it is stopped: nothing is lost, nothing is judged twice."""

import json
import signal
from dataclasses import replace

import pytest
from drawn import drawn
from running_service import PATIENCE_S, Service, produce, read_committed, running
from service_fixtures import KNOWN, UNRELATED, event, make_set, reference, settings, verdicts

from harness.readers import Reader
from reference_sets.model import Kind
from reference_sets.store import Store
from vectors.lite_server import LiteServer


def test_while_milvus_is_away_nothing_is_allowed_and_everything_is_judged_when_it_is_back(
    kafka_cluster, topics, milvus, tmp_path
):
    port = int(milvus.uri.rpartition(":")[2])
    run = settings(kafka_cluster, topics, milvus.uri, VIGILENS_METRICS__HEARTBEAT_S="1")
    with running(run) as service, Reader(kafka_cluster.bootstrap, topics.metrics) as metrics:
        assert service.get("/ready")[0] == 200
        milvus.stop()
        service.wait_until_ready_says(503)  # although nothing comes
        produce(kafka_cluster.bootstrap, topics.images, [event(f"e{number}", drawn(KNOWN)) for number in range(20)])
        assert service.wait_until_metric("vigilens_consumer_lag", lambda lag: lag == 20) == 20
        assert service.wait_until_metric("vigilens_oldest_waiting_seconds", lambda seconds: seconds > 0)
        assert service.metric("vigilens_waiting", **{"for": "milvus"}) == 1
        heartbeats = (json.loads(metrics.next(PATIENCE_S).value()) for _ in range(100))
        assert next(each for each in heartbeats if each["waiting"] == ["milvus"])["kind"] == "heartbeat"
        assert json.loads(service.get("/ready")[1])["dependencies"]["milvus"]["waiting"].startswith("milvus: Milvus at")
        assert service.get("/live")[0] == 200
        assert read_committed(kafka_cluster.bootstrap, topics.verdicts, 0) == []
        with LiteServer(tmp_path / "sets.db", port):
            said = verdicts(kafka_cluster, topics, 20)
            service.wait_until_ready_says(200)
            assert service.end()[0] == 0
    assert {each["decision"] for each in said.values()} == {"block"}


def test_when_milvus_stays_away_the_process_ends_with_one_sentence_and_the_next_redoes_the_work(
    kafka_cluster, topics, milvus, tmp_path
):
    port = int(milvus.uri.rpartition(":")[2])
    short = settings(kafka_cluster, topics, milvus.uri, VIGILENS_WAITING__GIVE_UP_S="6.5")
    with running(short) as service:
        milvus.stop()
        produce(kafka_cluster.bootstrap, topics.images, [event("e", drawn(KNOWN))])
        assert service.process.wait(PATIENCE_S) == 1
        _, log = service.end()
    last = json.loads(log.splitlines()[-1])
    assert (last["level"], last["message"], last["error"]) == ("ERROR", "ended", "Away")
    assert "milvus stayed away for 6.5 s" in last["why"]
    assert "Traceback" not in log
    with LiteServer(tmp_path / "sets.db", port), running(short):
        assert verdicts(kafka_cluster, topics, 1)["e"]["decision"] == "block"


def test_sigterm_while_milvus_is_away_ends_the_wait_and_loses_nothing(kafka_cluster, topics, milvus, tmp_path):
    port = int(milvus.uri.rpartition(":")[2])
    with running(settings(kafka_cluster, topics, milvus.uri)) as service:
        milvus.stop()
        produce(kafka_cluster.bootstrap, topics.images, [event("e", drawn(KNOWN))])
        service.wait_until_ready_says(503)
        code, log = service.end(signal.SIGTERM)
    assert code == 0
    assert "Traceback" not in log
    with LiteServer(tmp_path / "sets.db", port), running(settings(kafka_cluster, topics, milvus.uri)):
        assert verdicts(kafka_cluster, topics, 1)["e"]["decision"] == "block"


def test_a_set_of_another_encoder_that_is_added_later_is_skipped_and_reported_and_the_service_goes_on(
    kafka_cluster, topics, milvus
):
    run = settings(kafka_cluster, topics, milvus.uri, VIGILENS_SETS__REFRESH_S="0")
    with running(run) as service, Store(milvus.uri) as store:
        foreign = replace(store.describe("known"), name="foreign", encoder="words:another", version=1)
        store.create(foreign)
        produce(kafka_cluster.bootstrap, topics.images, [event("copy", drawn(KNOWN)), event("not", drawn(UNRELATED))])
        said = verdicts(kafka_cluster, topics, 2)
        service.until("batch")
        assert (
            "the set foreign was made by another encoder" in json.loads(service.get("/ready")[1])["skipped"]["foreign"]
        )
        assert service.metric("vigilens_set_comparable", set="foreign") == 0
        (alert,) = read_committed(kafka_cluster.bootstrap, topics.alerts, 1)
        assert json.loads(alert.value())["kind"] == "set_not_comparable"
        code, log = service.end()
    assert (code, log.count('"message": "set skipped"')) == (0, 1)
    assert {name: each["decision"] for name, each in said.items()} == {"copy": "block", "not": "allow"}
    assert [each["set"] for each in said["not"]["sets"]] == ["allowed", "known"]


def test_without_a_harmful_set_nothing_is_allowed_and_the_service_waits_until_there_is_one(
    kafka_cluster, topics, milvus, encoder
):
    run = settings(kafka_cluster, topics, milvus.uri, VIGILENS_SETS__REFRESH_S="0", VIGILENS_WAITING__GIVE_UP_S="3")
    with running(run) as service, Store(milvus.uri) as store:
        store.drop("known")
        produce(kafka_cluster.bootstrap, topics.images, [event(f"e{number}", drawn(KNOWN)) for number in range(5)])
        service.wait_until_ready_says(503)
        assert "no harmful set is left" in service.get("/ready")[1]
        assert read_committed(kafka_cluster.bootstrap, topics.verdicts, 0, quiet_s=6.0) == []  # give_up_s is over
        assert service.process.poll() is None
        make_set(store, encoder, "known", Kind.HARMFUL, [reference(encoder, drawn(KNOWN), "known-1")])
        said = verdicts(kafka_cluster, topics, 5)
        service.wait_until_ready_says(200)
        assert service.end()[0] == 0
    assert {each["decision"] for each in said.values()} == {"block"}


def test_sigterm_while_the_service_waits_for_the_sets_ends_the_wait(kafka_cluster, topics, milvus):
    run = settings(kafka_cluster, topics, milvus.uri, VIGILENS_SETS__REFRESH_S="0")
    with running(run) as service, Store(milvus.uri) as store:
        store.drop("known")
        produce(kafka_cluster.bootstrap, topics.images, [event("e", drawn(KNOWN))])
        service.wait_until_ready_says(503)
        code, log = service.end(signal.SIGTERM)
    assert (code, "Traceback" in log) == (0, False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_after_a_worker_is_stopped_during_its_work_each_event_has_one_verdict(kafka_cluster, topics, milvus, number):
    sent = [event(f"e{each}", drawn(each)) for each in range(300)]
    run = settings(kafka_cluster, topics, milvus.uri, VIGILENS_BATCH__IMAGES="8")
    with running(run) as service:
        produce(kafka_cluster.bootstrap, topics.images, sent)
        service.until("batch")
        code, log = service.end(number)
    assert code == (-9 if number is signal.SIGKILL else 0), log
    with running(run):
        assert len(verdicts(kafka_cluster, topics, 300)) == 300


def test_two_workers_share_the_topic(kafka_cluster, topics, milvus):
    run = settings(kafka_cluster, topics, milvus.uri, VIGILENS_BATCH__IMAGES="4")
    with running(run) as one, running(run) as other:
        other.until("rewind")  # it has its share of the partitions
        produce(kafka_cluster.bootstrap, topics.images, [event(f"e{each}", drawn(each)) for each in range(90)])
        assert len(verdicts(kafka_cluster, topics, 90)) == 90
        for service in (one, other):
            code, log = service.end()
            assert code == 0
            assert '"images": ' in log


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"VIGILENS_KAFKA__IMAGES_TOPIC": "nowhere"}, ("CannotStart", "nowhere")),
        ({"VIGILENS_SETS__USE": "nothing"}, ("SetsUnfit", "vigilens sets create nothing")),
        ({"VIGILENS_BATCH__IMAGES": "none"}, ("SettingsError", "VIGILENS_BATCH__IMAGES")),
        (
            {"VIGILENS_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9", "VIGILENS_WAITING__GIVE_UP_S": "2.5"},
            ("Away", "kafka stayed away"),
        ),
    ],
)
def test_a_service_that_cannot_give_correct_verdicts_does_not_start_and_its_log_says_why(
    kafka_cluster, topics, milvus, wrong, why
):
    service = Service(settings(kafka_cluster, topics, milvus.uri) | wrong)
    assert service.process.wait(PATIENCE_S) == 1
    _, log = service.end()
    service.process.stderr.close()
    last = [json.loads(line) for line in log.splitlines()][-1]
    assert (last["level"], last["message"], last["error"]) == ("ERROR", "ended", why[0])
    assert why[1] in last["why"]
    assert "Traceback" not in log
