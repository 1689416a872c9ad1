"""Record batches as a broker stores them, compressed or not."""

from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
BASE = 1_000


def made(values, codec=None, offsets=None, headers=()):
    """The batch of these values, at the offsets BASE, BASE + 1 …, or BASE plus the given ones."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=CODECS.get(codec, 0),
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2_000_000_000,
    )
    for offset, value in zip(offsets or range(len(values)), values, strict=True):
        builder.append(offset, timestamp=1, key=b"k", value=value, headers=list(headers))
    data = bytearray(builder.build())
    data[:8] = BASE.to_bytes(8)  # the broker's part, which is outside of the checksum
    return bytes(data)


def opened(data):
    return DefaultRecordBatch(data)
