"""Batches that expand to more than the memory should hold, or cannot be read: each record is returned once."""

import random
import struct
import tracemalloc
from types import SimpleNamespace

import pytest
from kafka import codec as libraries
from made_batches import BASE, CODECS, made, opened

from consumer import decompression, kafka_patches, record_batches
from consumer.decompression import Corrupt, TooLarge
from consumer.events import read as read_event
from consumer.lifecycle import CannotStart
from consumer.record_batches import MAX_HEADERS, Limits, Refused
from embedding.image import Reason

LIMIT = 4_000_000
EVERY = [None, *CODECS]

pytestmark = pytest.mark.usefixtures("patched")


@pytest.fixture(autouse=True)
def limited(patched):  # noqa: ARG001 (first the patches, then the limit)
    kafka_patches.apply(Limits(batch=LIMIT))


def reasons(records):
    return [each.value.problem.reason if isinstance(each.value, Refused) else None for each in records]


def peak(work):
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codec", EVERY)
def test_records_within_the_limit_are_read_as_they_were_written(codec, rng):
    values = [None, b"", rng.randbytes(100_000), b"x" * 3_000_000, *[b"%d" % number for number in range(100)]]
    records = list(opened(made(values, codec, headers=[("a", b"b"), ("c", None)])))
    assert [each.value for each in records] == values
    assert [each.offset for each in records] == list(range(BASE, BASE + len(values)))
    assert {(each.key, each.timestamp, tuple(each.headers)) for each in records} == {
        (b"k", 1, (("a", b"b"), ("c", None)))
    }


@pytest.mark.parametrize("codec", EVERY)
def test_each_record_of_a_batch_that_is_too_large_is_refused_and_memory_is_bounded(codec):
    data = made([b"small", bytes(8 * LIMIT), b"small too"], codec)
    records, bytes_used = peak(lambda: list(opened(data)))
    assert reasons(records) == [Reason.RECORDS_TOO_LARGE] * 3
    assert [(each.offset, each.key, each.value) for each in records] == [(BASE + n, None, b"") for n in range(3)]
    assert "kafka.max_batch_bytes" in records[0].value.problem.detail
    assert bytes_used < 3 * LIMIT + 2 * len(data)


@pytest.mark.parametrize("codec", EVERY)
@pytest.mark.parametrize("large", [0, 2 * LIMIT])
def test_a_compacted_batch_loses_and_invents_no_record(codec, large):
    offsets = [0, 1, 7, *range(20, 3_000, 3)]
    values = [b"a", bytes(large), *[b"b" * (each % 700) for each in offsets[2:]]]
    data = made(values, codec, offsets)
    records, bytes_used = peak(lambda: list(opened(data)))
    assert [each.offset for each in records] == [BASE + each for each in offsets]
    assert set(reasons(records)) == ({Reason.RECORDS_TOO_LARGE} if large else {None})
    assert bytes_used < 6 * LIMIT + 2 * len(data)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_a_batch_that_cannot_be_decompressed_gives_each_record_a_reason(codec, damage, rng):
    data = made([rng.randbytes(5_000), b"b", rng.randbytes(5_000)], codec)
    body = {"cut": data[:-3_000], "noise": data[:61] + rng.randbytes(len(data) - 61), "empty": data[:61]}[damage]
    records = list(opened(body))
    assert [each.offset for each in records] == [BASE, BASE + 1, BASE + 2]
    assert reasons(records)[-1] is Reason.MALFORMED_EVENT
    assert set(reasons(records)) <= {None, Reason.MALFORMED_EVENT, Reason.RECORDS_TOO_LARGE}


def test_random_damage_never_raises_and_never_changes_the_number_of_records(rng):
    for codec in EVERY:
        whole = made([rng.randbytes(300), b"b" * 2_000, b"c"] * 5, codec)
        for _ in range(300):
            data = bytearray(whole)
            for _ in range(rng.choice([1, 1, 5])):
                data[rng.randrange(61, len(data))] = rng.randrange(256)
            records = list(opened(data[: rng.choice([len(data), rng.randrange(61, len(data))])]))
            assert len(records) == 15


def test_what_was_read_before_the_damage_is_kept():
    records = list(opened(made([b"a", b"b" * 1_000, b"c"])[:-500]))
    assert [each.offset for each in records] == [BASE, BASE + 1, BASE + 2]
    assert reasons(records) == [None, Reason.MALFORMED_EVENT, Reason.MALFORMED_EVENT]


def test_a_codec_that_does_not_exist_is_a_reason_too():
    data = bytearray(made([b"a", b"b"]))
    struct.pack_into(">h", data, 21, 6)
    assert reasons(opened(bytes(data))) == [Reason.MALFORMED_EVENT] * 2


def test_a_missing_library_ends_the_start_and_no_record_is_refused_for_it(monkeypatch):
    monkeypatch.setattr(libraries, "zstd", None)
    with pytest.raises(CannotStart, match=r"pip install 'kafka-python\[zstd\]'"):
        kafka_patches.apply()


def test_a_block_of_snappy_that_claims_gigabytes_is_not_believed():
    claim = memoryview(b"\xff\xff\xff\xff\x0f" + b"a" * 100)
    with pytest.raises(TooLarge):
        decompression.expand(2, claim, LIMIT)
    xerial = b"\x82SNAPPY\0" + struct.pack("!iii", 1, 1, len(claim)) + claim.tobytes()
    with pytest.raises(TooLarge):
        decompression.expand(2, memoryview(xerial), LIMIT)
    with pytest.raises(Corrupt):
        decompression.expand(2, memoryview(xerial[:16] + struct.pack("!i", -1) + claim.tobytes()), LIMIT)


def test_a_record_with_too_many_headers_is_refused_and_its_neighbours_are_read():
    data = made([b"a", b"b"], "gzip", headers=[("h", b"v")] * (MAX_HEADERS + 1))
    records = list(opened(data))
    assert reasons(records) == [Reason.MALFORMED_EVENT] * 2
    assert [(each.key, each.headers) for each in records] == [(b"k", [])] * 2
    assert reasons(opened(made([b"a"], headers=[("h", b"v")] * MAX_HEADERS))) == [None]


def test_a_refused_record_is_an_event_that_says_why():
    (record,) = opened(made([bytes(2 * LIMIT)], "zstd"))
    taken = SimpleNamespace(
        topic="images", partition=1, offset=record.offset, key=record.key, value=record.value, headers=[], timestamp=1
    )
    event = read_event(taken, 1_000)
    assert (event.image.event_id, event.image.source, event.offset) == (f"images/1/{BASE}", None, BASE)
    assert event.image.problem.reason is Reason.RECORDS_TOO_LARGE


def test_a_poll_returns_when_its_records_have_enough_bytes():
    kafka_patches.apply(Limits(batch=LIMIT, poll=1_000))
    part = SimpleNamespace(
        record_iterator=iter([SimpleNamespace(key=b"k", value=b"v" * 399) for _ in range(9)]),
        _maybe_raise_next_inline_exception=lambda: None,
    )
    assert [len(record_batches.take(part, most)) for most in (100, 100, 2, 100)] == [3, 3, 2, 1]


@pytest.mark.parametrize("codec", CODECS)
def test_data_that_ends_with_a_step_is_whole(codec):
    for size in range(decompression._STEP - 60, decompression._STEP + 3):
        (record,) = opened(made([bytes(size)], codec))
        assert record.value == bytes(size)


def test_random_numbers_of_records_are_found_in_steps_of_any_size(monkeypatch):
    numbers = random.Random(1)
    for _ in range(20):
        monkeypatch.setattr(decompression, "_STEP", numbers.choice([1, 7, 30, 1_000]))
        offsets = sorted(numbers.sample(range(10_000), 50))
        values = [bytes(numbers.choice([0, 1, 100, 5_000])) for _ in offsets]
        for codec in ("gzip", "zstd", "lz4"):
            batch = opened(made(values, codec, [0, *[each + 1 for each in offsets[1:]]]))
            assert [each - BASE for each in record_batches._offsets_within(batch)] == [
                0,
                *[each + 1 for each in offsets[1:]],
            ]
