"""Where a partition is read from, for every committed offset that there may be."""

import pytest
from fake_kafka import TOPIC, FakeTopic
from kafka import OffsetAndMetadata, TopicPartition

from consumer.notes import Note
from consumer.offsets import Offsets, Place, TopicMissing

FIRST, OTHER = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)


class Consumer:
    """Partitions that begin at `begins` and end at `ends`, where an open transaction may follow."""

    def __init__(self, committed, begins=0, ends=40):
        self.commits, self.begins, self.ends = committed, begins, ends

    def committed(self, at, *, metadata, timeout_ms):  # noqa: ARG002 (kafka-python's signature)
        return self.commits.get(at)

    def commit(self, offsets, timeout_ms):  # noqa: ARG002
        self.commits |= offsets

    def beginning_offsets(self, partitions, timeout_ms):  # noqa: ARG002
        return dict.fromkeys(partitions, self.begins)

    def end_offsets(self, partitions, timeout_ms):  # noqa: ARG002
        return dict.fromkeys(partitions, self.ends)


def at(offset, text='{"topic":"first"}'):
    return OffsetAndMetadata(offset, text, -1)


def offsets(consumer, *, start="earliest", high_water=40):
    return Offsets(consumer, FakeTopic(), start, lambda _: high_water)


def errors(caplog):
    return [each.message for each in caplog.records if each.levelname == "ERROR"]


def test_reading_goes_on_at_the_committed_offset_and_nothing_is_committed(caplog):
    consumer = Consumer({FIRST: at(7), OTHER: at(40)})
    consumer.commit = None  # must not be called
    assert offsets(consumer).find({FIRST, OTHER}) == {
        FIRST: Place(7, Note(topic="first")),
        OTHER: Place(40, Note(topic="first")),
    }
    assert errors(caplog) == []


@pytest.mark.parametrize(("start", "begins"), [("earliest", 3), ("latest", 40)])
def test_a_partition_has_a_committed_offset_before_its_first_event_is_taken(start, begins):
    consumer = Consumer({}, begins=3)
    places = offsets(consumer, start=start)
    places.find({FIRST})
    assert consumer.commits == {FIRST: at(begins)}
    consumer.ends = 50  # ten events later, with nothing published yet …
    assert places.find({FIRST})[FIRST].offset == begins  # … they are read again


def test_events_that_retention_deleted_before_they_were_judged_are_logged_and_reading_goes_on(caplog):
    assert offsets(Consumer({FIRST: at(5)}, begins=12), start="latest").find({FIRST})[FIRST].offset == 12
    (logged,) = caplog.records
    assert "deleted by retention" in logged.message
    assert logged.fields == {"partition": 0, "events": 7}


def test_each_deleted_event_is_counted_once_whether_it_was_read_ahead_or_not():
    counted, consumer = [], Consumer({FIRST: at(5)}, begins=12)
    places = Offsets(
        consumer, FakeTopic(), "earliest", None, lambda _at, first, events: counted.append((first, events))
    )
    places.overtaken(FIRST, 8, 12)  # 5 to 7 are under way
    places.overtaken(FIRST, 8, 12)
    places.find({FIRST})  # they were dropped
    consumer.begins = 20
    places.find({FIRST})
    assert counted == [(12, 4), (12, 3), (20, 8)]


def test_the_deleted_events_of_a_topic_that_was_made_again_count_too():
    counted, consumer = [], Consumer({FIRST: at(5)}, begins=12)
    places = Offsets(consumer, FakeTopic(), "earliest", None, lambda _at, _first, events: counted.append(events))
    places.find({FIRST})
    places._topic.id = "second"
    places.find({FIRST})
    places.overtaken(FIRST, 5, 12)
    assert counted == [7, 7]


def test_an_offset_beyond_the_end_is_logged_once_and_reading_begins_at_the_first_event(caplog):
    consumer = Consumer({FIRST: at(500)}, begins=3)
    places = offsets(consumer, start="latest")
    assert [places.find({FIRST})[FIRST].offset for _ in range(2)] == [3, 3]
    assert consumer.commits == {FIRST: at(3)}
    (logged,) = caplog.records
    assert "beyond the end" in logged.message
    assert logged.fields == {"partition": 0, "offset": 500, "end": 40, "begins": 3}


def test_an_offset_in_a_transaction_that_is_still_open_is_not_beyond_the_end(caplog):
    assert offsets(Consumer({FIRST: at(45)}), high_water=45).find({FIRST})[FIRST].offset == 45
    assert errors(caplog) == []


def test_an_offset_of_a_topic_that_was_deleted_means_nothing_in_its_successor(caplog):
    consumer = Consumer({FIRST: at(7, '{"topic":"an older one"}')})
    assert offsets(consumer, start="latest").find({FIRST}) == {FIRST: Place(0, Note(topic="first"))}
    assert consumer.commits == {FIRST: at(0)}
    assert "deleted and made again" in errors(caplog)[0]


def test_a_topic_that_is_made_again_is_read_from_its_beginning_also_with_start_latest(caplog):
    consumer = Consumer({FIRST: at(7), OTHER: at(7)})
    places = offsets(consumer, start="latest")
    places.find({FIRST, OTHER})
    consumer.commits.clear()  # Kafka deletes them with the topic
    places._topic.id = "second"
    assert [places.find({each})[each].offset for each in (FIRST, OTHER)] == [0, 0]
    assert consumer.commits == dict.fromkeys((FIRST, OTHER), at(0, '{"topic":"second"}'))
    assert len(errors(caplog)) == 2


@pytest.mark.parametrize("text", ["", "a note of somebody else", '["json"]', '{"topic":3}', None, '{"unknown":1}'])
def test_metadata_that_another_program_wrote_does_not_matter(text):
    assert offsets(Consumer({FIRST: at(7, text)})).find({FIRST}) == {FIRST: Place(7, Note())}


def test_brokers_that_do_not_tell_a_topics_id_are_no_reason_to_begin_anew():
    consumer = Consumer({FIRST: at(7)})
    places = offsets(consumer)
    places._topic.id = ""
    assert places.find({FIRST})[FIRST].offset == 7


def test_offsets_of_a_topic_that_is_missing_are_not_asked_for():
    places = offsets(Consumer({}))
    places._topic.missing = True
    with pytest.raises(TopicMissing):
        places.find({FIRST})
    assert places.find(set()) == {}
