"""Whole processes end of one event, one after the other, on a real broker; the judge is made by hand."""

import json
import threading
from collections import Counter

import pytest
from fake_runs import NOTHING_KNOWN, EndedError, allow_images
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from running_service import produce, read_committed

from consumer.clients import Connection, GroupSettings
from consumer.intake import Limits
from consumer.metrics import Metrics
from consumer.notes import Note
from consumer.service import Plan, run
from embedding.image import Inline
from patience import Away

PATIENCE_S = 60.0


class Judge:
    """Ends the process when it judges certain bytes, with `error`.

    Attributes:
        looked: (offset, size of its batch) → how often it was judged.
        began: set when an image has been judged.
    """

    def __init__(self, error=EndedError):
        self.error, self.looked, self.began = error, Counter(), threading.Event()

    def judge(self, images):
        for image in images:
            self.looked[image.position.offset, len(images)] += 1
            if image.problem is None and image.source == Inline(b"killing"):
                raise self.error("ended")
        self.began.set()
        return allow_images(images)

    def idle(self):
        return True

    def sets(self):
        return NOTHING_KNOWN

    def close(self):
        """Nothing to do."""


def plan(cluster, topics, instance="i"):
    return Plan(
        connection=Connection(cluster.bootstrap),
        group=GroupSettings(topics.group, "earliest", 10.0, 60.0),
        limits=Limits(images=4, size=1 << 20, wait_s=0.0, max_attributes_bytes=1024),
        instance=instance,
        images_topic=topics.images,
        verdicts_topic=topics.verdicts,
        metrics_topic=topics.metrics,
        alerts_topic=topics.alerts,
        heartbeat_s=60.0,
        transaction_timeout_s=5.0,
        depth=2,
        fetch_timeout_s=1.0,
        decode_timeout_s=10.0,
        give_up_s=PATIENCE_S,
        http_host="127.0.0.1",
        http_port=0,
    )


class Processes:
    """Runs the service in a thread, again whenever it ends of an event, until the `with` block ends."""

    def __init__(self, plan, judge):
        self.plan, self.judge, self.ended, self.over = plan, judge, 0, False
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.over and self.ended < 20:
            self.stopping = threading.Event()  # the service sets it when it ends
            try:
                run(self.plan, lambda _patience: self.judge, Metrics(), self.stopping)
            except EndedError:
                self.ended += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.stopping.set()
        self.thread.join(PATIENCE_S)


def send(cluster, topics, values):
    produce(cluster.bootstrap, topics.images, [(None, value, [], 0) for value in values])


def verdicts(cluster, topics, count):
    return [json.loads(each.value()) for each in read_committed(cluster.bootstrap, topics.verdicts, count)]


@pytest.fixture
def noted(kafka_cluster, topics):
    """Reads the offset of partition 0 and its note."""
    consumer = KafkaConsumer(bootstrap_servers=kafka_cluster.bootstrap, group_id=topics.group, enable_auto_commit=False)

    def read():
        committed = consumer.committed(TopicPartition(topics.images, 0), metadata=True)
        return committed.offset, Note.read(committed.metadata)

    yield read
    consumer.close()


def test_an_event_that_ends_every_process_is_given_up_and_all_others_are_judged(kafka_cluster, topics, noted):
    send(kafka_cluster, topics, [b"a", b"b", b"killing", b"c", b"d", b"e"])
    with Processes(plan(kafka_cluster, topics), Judge()) as processes:
        said = verdicts(kafka_cluster, topics, 6)
    assert [each["position"]["offset"] for each in said] == list(range(6))
    assert [each["reason"] for each in said] == [None, None, "gave_up", None, None, None]
    assert 4 <= processes.ended <= 5
    assert processes.judge.looked[2, 1] == 3 + 1  # alone, three times; then as an event that is given up
    offset, note = noted()
    assert (offset, note.attempt, len(note.topic)) == (6, 0, 22)


def test_an_orderly_end_withdraws_its_attempt_and_an_unknown_error_does_not(kafka_cluster, topics, noted):
    send(kafka_cluster, topics, [b"a", b"killing"])
    for error, attempts in ((EndedError, 1), (Away, 1), (Away, 1), (EndedError, 2), (Away, 2), (EndedError, 3)):
        with pytest.raises(error):
            run(plan(kafka_cluster, topics), lambda _: Judge(error=error), Metrics(), threading.Event())  # noqa: B023
        assert noted()[1].attempt == attempts


@pytest.mark.parametrize(("lives", "reason"), [(True, None), (False, "gave_up")])
def test_an_attempt_counts_only_if_its_process_has_ended(kafka_cluster, topics, lives, reason):
    """The other member of the group reads another topic, so that our process gets the event."""
    send(kafka_cluster, topics, [b"a"])
    other = KafkaConsumer(
        topics.metrics, bootstrap_servers=kafka_cluster.bootstrap, group_id=topics.group, enable_auto_commit=False
    )
    while not other.assignment():
        other.poll(100)
    note = Note(attempt=4, until=1, by=other.group_metadata().member_id)
    other.commit({TopicPartition(topics.images, 0): OffsetAndMetadata(0, note.text(), -1)})
    if not lives:
        other.close()
    with Processes(plan(kafka_cluster, topics), Judge()) as processes:
        while not processes.judge.began.wait(0.1):
            if lives:
                other.poll(100)
        (said,) = verdicts(kafka_cluster, topics, 1)
    if lives:
        other.close()
    assert said["reason"] == reason
