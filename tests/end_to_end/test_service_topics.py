"""The service when its topic or its committed offsets are not what they were."""

import re

from drawn import drawn
from kafka import KafkaAdminClient, KafkaConsumer, OffsetAndMetadata, TopicPartition
from running_service import produce, read_committed, running
from service_fixtures import KNOWN, event, settings

EVENTS = 5


def send(cluster, topics, names):
    """Events of one partition."""
    produce(cluster.bootstrap, topics.images, [(*event(name, drawn(KNOWN))[:3], 0) for name in names])


def ids(cluster, topics, count):
    """The ids of all verdicts."""
    records = read_committed(cluster.bootstrap, topics.verdicts, count)
    return [dict(each.headers())["ce_id"].decode() for each in records]


def rewinds(service):
    return float(re.search(r"^vigilens_rewinds_total (\S+)", service.get("/metrics")[1], re.MULTILINE)[1])


def test_a_committed_offset_beyond_the_end_is_an_error_and_the_events_that_are_there_are_judged(
    kafka_cluster, topics, milvus
):
    send(kafka_cluster, topics, map(str, range(EVENTS)))
    at = TopicPartition(topics.images, 0)
    consumer = KafkaConsumer(bootstrap_servers=kafka_cluster.bootstrap, group_id=topics.group, enable_auto_commit=False)
    consumer.assign([at])
    consumer.commit({at: OffsetAndMetadata(1_000, "", -1)})
    consumer.close()
    with running(settings(kafka_cluster, topics, milvus.uri)) as service:
        assert len(ids(kafka_cluster, topics, EVENTS)) == EVENTS
        assert rewinds(service) <= 3
        service.wait_until_ready_says(200)
        code, log = service.end()
    assert (code, log.count("the committed offset is beyond the end")) == (0, 1)


def test_events_of_a_topic_that_is_made_again_have_verdicts_with_other_ids_and_without_it_the_service_is_not_ready(
    kafka_cluster, topics, milvus
):
    admin = KafkaAdminClient(bootstrap_servers=kafka_cluster.bootstrap)
    with running(settings(kafka_cluster, topics, milvus.uri)) as service:
        send(kafka_cluster, topics, map(str, range(EVENTS)))
        before = ids(kafka_cluster, topics, EVENTS)
        admin.delete_topics([topics.images])
        service.wait_until_ready_says(503)
        assert f"there is no topic {topics.images}" in service.get("/ready")[1]
        kafka_cluster.make_topics({topics.images: 3})
        service.wait_until_ready_says(200)
        send(kafka_cluster, topics, map(str, range(EVENTS)))
        now = ids(kafka_cluster, topics, 2 * EVENTS)[EVENTS:]
        admin.delete_topics([topics.images])
        kafka_cluster.make_topics({topics.images: 3})  # at once
        send(kafka_cluster, topics, map(str, range(2 * EVENTS)))
        last = ids(kafka_cluster, topics, 4 * EVENTS)[2 * EVENTS :]
        assert service.end()[0] == 0
    admin.close()
    assert len({*before, *now, *last}) == 4 * EVENTS
    for names in (before, now, last):
        assert [int(name.rpartition("/")[2]) for name in names] == list(range(len(names)))
        assert len({name.partition("/")[0] for name in names}) == 1
