"""Bad values that must not stop a service, each with the reason that its verdict should give."""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from embedding.image import Reason

BOMB_SIDE = 30_000  # pixels: 900 million of them in about 110 KB


@dataclass(frozen=True, slots=True)
class BadInput:
    """A bad value.

    Attributes:
        name: what is wrong with it, for the report.
        value: value of the record; None is a tombstone.
        reason: the reason that the verdict should give.
    """

    name: str
    value: bytes | None
    reason: Reason


def bad_inputs(jpeg: bytes) -> tuple[BadInput, ...]:
    """Return all bad values.

    Args:
        jpeg: a good picture; one of the values is a damaged copy.
    """
    return (
        BadInput("no value", None, Reason.EMPTY_VALUE),
        BadInput("empty value", b"", Reason.EMPTY_VALUE),
        BadInput("a text", b"This is not a picture, but somebody sent it.\n" * 20, Reason.UNKNOWN_FORMAT),
        BadInput("random bytes", bytes((73 * n * n + 11) % 251 for n in range(4096)), Reason.UNKNOWN_FORMAT),
        BadInput("cut off in the middle", jpeg[: len(jpeg) // 2], Reason.DAMAGED),
        BadInput("a decompression bomb", bomb(), Reason.TOO_MANY_PIXELS),
        BadInput("JSON without a source", b'{"id": "nothing"}', Reason.MALFORMED_EVENT),
        BadInput("JSON with bad base64", b'{"id": "letters", "data": "@@@ not base64 @@@"}', Reason.BAD_BASE64),
        _json("a path outside the permitted folders", Reason.SOURCE_NOT_ALLOWED, path="/etc/hostname"),
        _json("an address of no permitted host", Reason.SOURCE_NOT_ALLOWED, url="https://example.com/picture.jpg"),
    )


def bomb() -> bytes:
    """Return a small PNG file of a black picture of BOMB_SIDE x BOMB_SIDE pixels: 113 MB when unpacked."""
    header = struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 1, 0, 0, 0, 0)  # 1 bit grey
    packer = zlib.compressobj(9)
    row = bytes(1 + (BOMB_SIDE + 7) // 8)
    packed = b"".join(packer.compress(row) for _ in range(BOMB_SIDE)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunks((b"IHDR", header), (b"IDAT", packed), (b"IEND", b"")))


def _chunks(*parts: tuple[bytes, bytes]) -> Iterator[bytes]:
    for kind, data in parts:
        yield struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _json(name: str, reason: Reason, **source: str) -> BadInput:
    return BadInput(name, json.dumps({"id": name, **source}).encode(), reason)
