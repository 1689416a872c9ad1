"""Which events are judged alone, and which are given up, for every note that the last process may have left."""

import pytest
from fake_kafka import TOPIC, record
from kafka import TopicPartition

from consumer.attempts import Attempts, withdrawn
from consumer.events import read
from consumer.notes import Note
from consumer.offsets import Place
from embedding.image import Reason

FIRST, OTHER = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)


def events(at, *offsets):
    return [read(record(at, offset), 100) for offset in offsets]


def admitted(attempts, batch):
    """The offsets and reasons of the events, and what is noted where."""
    taken, notes = attempts.admit(batch, "us", "T")
    said = {at: (each.offset, Note.read(each.metadata)) for at, each in notes.items()}
    assert all(note.topic == "T" and note.by == "us" for _, note in said.values())
    return (
        [(each.offset, each.image.problem and each.image.problem.reason) for each in taken],
        {at: (offset, note.attempt, note.until) for at, (offset, note) in said.items()},
    )


def after(note, living=(), offset=7):
    """Attempts that begin where another process left `note`."""
    attempts = Attempts()
    attempts.begin({FIRST: Place(offset, note)}, living)
    return attempts


def left(attempt, until=9):
    return Note(topic="T", attempt=attempt, until=until, by="another")


def test_the_first_attempt_on_each_partition_is_noted_with_its_events_and_the_next_ones_are_not():
    attempts = after(Note())
    assert not attempts.careful
    batch = [*events(FIRST, 7, 8, 11), *events(OTHER, 3)]
    assert admitted(attempts, batch)[1] == {FIRST: (7, 1, 12), OTHER: (3, 1, 4)}
    assert admitted(attempts, events(FIRST, 12)) == ([(12, None)], {})


def test_after_a_process_ended_each_event_of_its_attempt_is_judged_alone_and_noted_before():
    attempts = after(left(1, until=9))
    assert attempts.careful
    assert admitted(attempts, events(FIRST, 7)) == ([(7, None)], {FIRST: (7, 2, 9)})
    assert attempts.careful
    assert admitted(attempts, events(FIRST, 8)) == ([(8, None)], {FIRST: (8, 2, 9)})
    assert not attempts.careful
    assert admitted(attempts, events(FIRST, 9, 10)) == ([(9, None), (10, None)], {FIRST: (9, 1, 11)})


def test_events_of_other_partitions_are_judged_alone_and_noted_meanwhile_too():
    """Without a note, one of them could end the process again and again before the suspects come."""
    attempts = after(left(1))
    assert admitted(attempts, events(OTHER, 3)) == ([(3, None)], {OTHER: (3, 2, 4)})
    assert admitted(attempts, events(OTHER, 4)) == ([(4, None)], {OTHER: (4, 2, 5)})
    assert attempts.careful


@pytest.mark.parametrize("attempt", [2, 3])
def test_an_event_that_ended_processes_alone_is_tried_until_three_have_ended(attempt):
    assert admitted(after(left(attempt)), events(FIRST, 7)) == ([(7, None)], {FIRST: (7, attempt + 1, 9)})


@pytest.mark.parametrize("attempt", [4, 5, 99])
def test_then_it_is_given_up_and_the_event_after_it_is_not(attempt):
    attempts = after(left(attempt))
    assert admitted(attempts, events(FIRST, 7)) == ([(7, Reason.GAVE_UP)], {})
    assert admitted(attempts, events(FIRST, 8)) == ([(8, None)], {FIRST: (8, 2, 9)})


def test_a_picture_that_is_given_up_says_why():
    ((event,), _) = after(left(4)).admit(events(FIRST, 7), "us", "T")
    assert event.image.problem.detail.startswith("3 processes ended while they judged this image alone")


def test_an_attempt_of_a_living_process_was_interrupted_and_does_not_count():
    assert not after(left(1), living=["another", "us"]).careful
    attempts = after(left(3), living=["another", "us"])
    assert admitted(attempts, events(FIRST, 7)) == ([(7, None)], {FIRST: (7, 3, 9)})


def test_our_own_attempt_does_not_count_either():
    attempts = after(Note())
    attempts.admit(events(FIRST, 7), "us", "T")
    places = {FIRST: Place(7, Note(topic="T", attempt=1, until=8, by="us"))}
    assert not attempts.others(places)
    attempts.begin(places, ())
    assert not attempts.careful
    assert admitted(attempts, events(FIRST, 7)) == ([(7, None)], {FIRST: (7, 1, 8)})


def test_only_attempts_of_others_are_a_reason_to_ask_for_the_members():
    assert Attempts().others({FIRST: Place(7, left(1))})
    assert not Attempts().others({FIRST: Place(7, Note(topic="T"))})


def test_suspects_that_are_no_longer_in_the_topic_are_forgotten():
    attempts = after(left(1, until=9))
    assert admitted(attempts, events(FIRST, 20)) == ([(20, None)], {FIRST: (20, 2, 21)})
    assert not attempts.careful


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        (left(1), Note(topic="T")),
        (left(3), Note(topic="T", attempt=2, until=9)),
    ],
)
def test_an_attempt_that_is_withdrawn_leaves_those_before_it(note, expected):
    assert withdrawn(note) == expected
    assert after(withdrawn(left(3))).careful
    assert admitted(after(withdrawn(left(5))), events(FIRST, 7))[0] == [(7, Reason.GAVE_UP)]
