"""Partitions that the unpatched client would stop reading, without an error, are still read."""

from functools import partial

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import KafkaTimeoutError, UnknownBrokerIdError
from kafka.net.manager import KafkaConnectionManager
from kafka.net.transport import KafkaTCPTransport
from kafka.record.default_records import DefaultRecordBatch
from kafka.structs import MemberState

from consumer import kafka_patches, record_batches
from consumer.clients import Connection, GroupSettings, build_consumer
from consumer.lifecycle import CannotStart

RECORDS = 10  # in each of two partitions


pytestmark = pytest.mark.usefixtures("unpatched")


@pytest.fixture
def both(topics):
    return [TopicPartition(topics.images, number) for number in range(2)]


@pytest.fixture
def consumer(both, kafka_cluster):
    consumer = KafkaConsumer(bootstrap_servers=kafka_cluster.bootstrap, auto_offset_reset="earliest")
    consumer.assign(both)
    yield consumer
    consumer.close()


@pytest.fixture
def asked(consumer, monkeypatch):
    """The broker answers that it does not lead, as after an election, until the client asks for the cluster's state."""
    consumer.end_offsets(consumer.assignment(), timeout_ms=30_000)  # the client learns the leaders
    answer, known, asked = Fetcher._send_list_offsets_request, consumer._cluster._last_successful_refresh_ms, []

    async def refuse(fetcher, node_id, wanted):
        asked.append(node_id)
        if fetcher._manager.cluster._last_successful_refresh_ms == known:
            return {}, set(wanted)
        return await answer(fetcher, node_id, wanted)

    monkeypatch.setattr(Fetcher, "_send_list_offsets_request", refuse)
    return asked


def test_the_unpatched_client_asks_a_former_leader_for_offsets_until_it_times_out(consumer, asked):
    with pytest.raises(KafkaTimeoutError):
        consumer.end_offsets(consumer.assignment(), timeout_ms=500)
    assert len(asked) > 20


def test_a_request_for_offsets_finds_the_new_leader(consumer, asked):
    kafka_patches.apply()
    kafka_patches.apply()  # twice does no harm
    assert consumer.end_offsets(consumer.assignment(), timeout_ms=30_000) == dict.fromkeys(consumer.assignment(), 0)
    assert len(asked) <= 5


@pytest.fixture
def held_back(consumer, both, kafka_cluster):
    """One partition was paused after a part of it was read, and is resumed now; the other was read meanwhile."""
    send(kafka_cluster, both)
    (first,) = until(consumer, 1, most=1)
    paused = next(each for each in both if each.partition == first.partition)
    consumer.pause(paused)
    assert {record.partition for record in until(consumer, RECORDS)} == {1 - first.partition}
    consumer.resume(paused)
    return first.partition


def send(cluster, both):
    """Fill the partitions."""
    producer = KafkaProducer(bootstrap_servers=cluster.bootstrap)
    for number in range(2 * RECORDS):
        producer.send(both[number % 2].topic, b"%d" % number, partition=number % 2)
    producer.close()


def until(consumer, count, *, most=100, polls=100):
    """Poll until there are `count` records, `polls` times at most; returns the records."""
    records = []
    while len(records) < count and polls > 0:
        records += [record for polled in consumer.poll(100, max_records=most).values() for record in polled]
        polls -= 1
    return records


@pytest.mark.usefixtures("held_back")
def test_the_unpatched_client_never_reads_a_paused_partition_again(consumer):
    assert until(consumer, 1, polls=20) == []


def test_a_partition_that_was_paused_is_read_to_its_end(consumer, held_back):
    kafka_patches.apply()
    records = until(consumer, RECORDS - 1)
    assert {record.partition for record in records} == {held_back}
    assert [record.offset for record in records] == list(range(1, RECORDS))


@pytest.fixture
def elsewhere(consumer, both, kafka_cluster):
    """The client takes an unknown broker for a partition's leader, until it asks for the cluster's state."""
    send(kafka_cluster, both)
    consumer.beginning_offsets(both, timeout_ms=30_000)
    for partition in both:
        consumer.seek(partition, 0)
    consumer._cluster._partitions[both[0].topic][both[0].partition].leader_id = 99
    return both[0]


def test_the_unpatched_client_fails_at_an_unknown_leader_and_then_skips_its_partition(consumer, elsewhere):
    with pytest.raises(UnknownBrokerIdError):
        consumer.beginning_offsets([elsewhere], timeout_ms=30_000)
    with pytest.raises(UnknownBrokerIdError):
        until(consumer, 2 * RECORDS)
    assert {record.partition for record in until(consumer, 2 * RECORDS, polls=20)} == {1 - elsewhere.partition}


def test_a_request_for_offsets_and_a_fetch_wait_until_the_leader_is_known(consumer, elsewhere):
    kafka_patches.apply()
    assert consumer.beginning_offsets([elsewhere], timeout_ms=30_000) == {elsewhere: 0}
    consumer._cluster._partitions[elsewhere.topic][elsewhere.partition].leader_id = 99
    assert len(until(consumer, 2 * RECORDS)) == 2 * RECORDS


@pytest.fixture
def leader(kafka_cluster, topics):
    """A consumer as the service has it, with all patches, in a group of three partitions. It will lead the group."""
    leader = build(kafka_cluster, topics)
    yield leader
    leader.close(autocommit=False)


def is_member(leader):
    """After one poll."""
    leader.poll(1_000)
    return leader.group_metadata().state == MemberState.STABLE


def gain_partitions(leader, cluster, topics):
    """Give the topic five partitions, not three. The leader joins again, in polls that end at once."""
    assert any(is_member(leader) for _ in range(60))
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    admin.create_partitions({topics.images: 5})
    admin.close()
    coordinator = leader._coordinator
    wait = partial(coordinator._net.run, coordinator._manager.wait_for)
    while not kafka_patches._must_join(coordinator):
        wait(coordinator._cluster.request_update(), 30_000)
    leader.poll(0)
    wait(coordinator._join_task, 30_000)


def test_the_unpatched_leader_that_joins_in_several_polls_is_no_longer_a_member(
    leader, kafka_cluster, topics, monkeypatch
):
    monkeypatch.setattr(ConsumerCoordinator, "need_rejoin", kafka_patches._must_join)
    gain_partitions(leader, kafka_cluster, topics)
    until(leader, 1, polls=20)
    assert leader.group_metadata().state == MemberState.REBALANCING
    assert len(leader.assignment()) == 3


def test_a_leader_that_joins_in_several_polls_has_the_new_partitions(leader, kafka_cluster, topics):
    gain_partitions(leader, kafka_cluster, topics)
    until(leader, 1, polls=20)
    assert leader.group_metadata().state == MemberState.STABLE
    assert len(leader.assignment()) == 5


def build(cluster, topics):
    group = GroupSettings(topics.group, "earliest", 10.0, 60.0)
    return build_consumer(Connection(cluster.bootstrap), topics.images, group, images=64, size=1 << 20)


def test_the_consumer_that_we_build_is_patched(kafka_cluster, topics):
    build(kafka_cluster, topics).close(autocommit=False)
    assert Fetcher._send_list_offsets_requests is kafka_patches._look_up_at_the_leader
    assert Fetcher.fetched_records is kafka_patches._take_held_back_records
    assert KafkaConnectionManager.send is kafka_patches._send_or_fail
    assert ConsumerCoordinator.need_rejoin is kafka_patches._must_join_until_joined
    assert DefaultRecordBatch.__iter__ is record_batches.read
    assert Fetcher.PartitionRecords.take is record_batches.take
    assert Fetcher._append is kafka_patches._append_until_full
    assert (record_batches.limits.batch, record_batches.limits.poll) == (134_217_728, 1 << 20)
    assert KafkaTCPTransport.__init__ is kafka_patches._open_with_large_receives


def test_a_version_of_the_client_that_was_not_tried_is_refused():
    with pytest.raises(CannotStart, match=r"kafka-python 3\.1\.0 is installed.*pip install 'kafka-python=="):
        kafka_patches.apply(version="3.1.0")
