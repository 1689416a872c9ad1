"""A record that kafka-python cannot read, between two that it can."""

import pytest
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

MARK = "MARKMARK"


def batch(names):
    """The bytes of a record batch with one record for each header name; `MARK` becomes bytes that are not UTF-8."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=100_000,
    )
    for offset, name in enumerate(names):
        builder.append(offset, timestamp=1, key=b"k", value=b"value-%d" % offset, headers=[(name, b"v"), ("x", None)])
    return bytes(builder.build()).replace(MARK.encode(), b"\xff\xfe" * 4)


@pytest.mark.usefixtures("unpatched")
def test_the_unpatched_client_stops_at_such_a_record():
    with pytest.raises(CorruptRecordError):
        list(DefaultRecordBatch(batch(["a", MARK, "b"])))


@pytest.mark.usefixtures("patched")
def test_a_header_name_that_is_not_utf8_is_read_with_replacement_characters_and_its_neighbours_unchanged():
    read = list(DefaultRecordBatch(batch(["a", MARK, "ä", MARK])))
    assert [each.value for each in read] == [b"value-0", b"value-1", b"value-2", b"value-3"]
    assert [each.headers[0][0] for each in read] == ["a", "\ufffd" * 8, "ä", "\ufffd" * 8]
    assert [each.headers[1] for each in read] == [("x", None)] * 4
    assert all(type(each.value) is bytes for each in read)
