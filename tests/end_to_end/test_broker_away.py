"""The service while the broker is away. It has its own cluster, which other tests do not use."""

import json

import pytest
from drawn import drawn
from kafka import KafkaAdminClient
from run import Topics, missing
from running_service import produce, running
from service_fixtures import KNOWN, event, settings, verdicts

from harness.broker import NoKafka, kafka


@pytest.fixture
def own_cluster(tmp_path):
    try:
        with kafka(tmp_path / "kafka") as cluster:
            if not cluster.nodes:
                pytest.skip("KAFKA_BOOTSTRAP_SERVERS names a broker that is not ours to stop")
            yield cluster
    except NoKafka as why:
        missing(str(why))


def test_the_service_waits_for_a_broker_that_is_away_and_each_event_has_one_verdict_afterwards(own_cluster, milvus):
    topics = Topics("images", "verdicts", "metrics", "group")
    admin = KafkaAdminClient(bootstrap_servers=own_cluster.bootstrap)
    names = (topics.images, topics.verdicts, topics.metrics)
    admin.create_topics({name: {"num_partitions": 3} for name in names}, wait_for_metadata=True)
    admin.close()
    (node,) = own_cluster.nodes
    with running(settings(own_cluster, topics, milvus.uri)) as service:
        produce(own_cluster.bootstrap, topics.images, [event(f"a{n}", drawn(KNOWN)) for n in range(10)])
        verdicts(own_cluster, topics, 10)
        assert service.wait_until_metric("vigilens_consumer_lag", lambda lag: lag == 0) == 0
        node.stop()
        service.wait_until_ready_says(503)
        said = json.loads(service.get("/ready")[1])["dependencies"]["kafka"]["waiting"]
        assert f"no broker answers at {own_cluster.bootstrap}: connection refused" in said
        assert service.metric("vigilens_consumer_lag") == 0  # as it was last seen
        node.start()
        own_cluster.wait()
        produce(own_cluster.bootstrap, topics.images, [event(f"b{n}", drawn(KNOWN)) for n in range(10)])
        said = verdicts(own_cluster, topics, 20)
        service.wait_until_ready_says(200)
        code, log = service.end()
    assert {each["decision"] for each in said.values()} == {"block"}
    assert code == 0, log
