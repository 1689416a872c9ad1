"""Kafka's compression codecs, in steps: so a batch that would fill the memory is noticed before it does.

kafka-python decompresses a batch in one call. 300 KB of gzip can expand to 300 MB, and 90 KB of zstd to 900 MB.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator

from kafka import codec as libraries  # it holds the libraries that are installed, or None

_STEP = 1_048_576  # most bytes of one step's output; a block of snappy is one step, see `_snappy`
_INPUT = 65_536  # bytes given to a decoder at a time: what it does not use is copied with each step
_XERIAL = b"\x82SNAPPY\0"
_XERIAL_HEADER = 16
_AS_GZIP = 31  # zlib's window of 32 KiB, behind a header of gzip


class Corrupt(Exception):  # noqa: N818 (an answer, not an error)
    """The data cannot be decompressed."""


class TooLarge(Exception):  # noqa: N818 (an answer, not an error)
    """The data expands to more bytes than are permitted."""


def missing() -> list[str]:
    """The codecs that kafka-python cannot read, because their libraries are not installed."""
    found = {"snappy": libraries.has_snappy(), "lz4": libraries.has_lz4(), "zstd": libraries.has_zstd()}
    return [name for name, there in found.items() if not there]


def expand(number: int, data: memoryview, limit: int) -> bytearray:
    """The decompressed data.

    Args:
        number: of the codec, as in a batch's attributes.
        data: what is compressed.
        limit: most bytes of the result. Little more memory than this is used.

    Raises:
        TooLarge: there are more.
        Corrupt: this is not such data.
    """
    expanded = bytearray()
    for step in steps(number, data, limit):
        if len(expanded) + len(step) > limit:
            raise TooLarge
        expanded += step
    return expanded


def steps(number: int, data: memoryview, largest: int) -> Iterator[bytes]:
    """The decompressed data in parts of at most `largest` bytes, each with memory for little more than itself.

    Raises:
        TooLarge: a block that can only be decompressed whole has more than `largest`.
        Corrupt: this is not such data.
    """
    decompress = _CODECS.get(number)
    if decompress is None:
        raise Corrupt(f"there is no codec {number}")
    try:
        yield from decompress(data, largest)
    except (TooLarge, Corrupt, MemoryError):
        raise
    except Exception as error:  # the libraries raise errors of many kinds
        raise Corrupt(f"{decompress.__name__.removeprefix('_')}: {error}") from error


def _pieces(data: memoryview) -> Iterator[memoryview]:
    return (data[start : start + _INPUT] for start in range(0, len(data), _INPUT))


def _gzip(data: memoryview, _: int) -> Iterator[bytes]:
    decoder = zlib.decompressobj(_AS_GZIP)
    for piece in _pieces(data):
        rest: bytes | memoryview = piece
        while True:
            if decoder.eof:  # Java's reader accepts several files after one another, and so do we
                decoder = zlib.decompressobj(_AS_GZIP)
            step = decoder.decompress(rest, _STEP)
            yield step
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            if not rest and (decoder.eof or len(step) < _STEP):
                break
    if not decoder.eof:
        raise Corrupt("gzip: the data ends too early")


def _lz4(data: memoryview, _: int) -> Iterator[bytes]:
    decoder = libraries.lz4.LZ4FrameDecompressor()
    for piece in _pieces(data):
        yield decoder.decompress(piece, _STEP)
        while not decoder.needs_input and not decoder.eof:
            yield decoder.decompress(b"", _STEP)
        if decoder.eof:
            return
    raise Corrupt("lz4: the data ends too early")


def _zstd(data: memoryview, _: int) -> Iterator[bytes]:
    decoder = libraries.zstd.ZstdDecompressor()
    with decoder.stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
        while step := reader.read(_STEP):
            yield step


def _snappy(data: memoryview, largest: int) -> Iterator[bytes]:
    """Snappy has no steps, but each block begins with its size. Java's client writes blocks of 32 KiB."""
    decompress: Callable[[bytes], bytes] = libraries.snappy.decompress
    if bytes(data[: len(_XERIAL)]) != _XERIAL:
        yield decompress(_block(data, largest))
        return
    start = _XERIAL_HEADER
    while start < len(data):
        (size,) = struct.unpack_from("!i", data, start)
        start += 4
        if not 0 < size <= len(data) - start:
            raise Corrupt("snappy: a block ends outside of the data")
        yield decompress(_block(data[start : start + size], largest))
        start += size


def _block(block: memoryview, largest: int) -> bytes:
    """The block, if it does not claim to expand to more than `largest` bytes."""
    claimed = 0
    for place, byte in enumerate(block[:5]):
        claimed |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 (the last byte of a varint)
            break
    if claimed > largest:
        raise TooLarge
    return bytes(block)


_CODECS: dict[int, Callable[[memoryview, int], Iterator[bytes]]] = {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
