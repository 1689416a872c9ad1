"""Keypoints as one compact value, to be stored beside a reference's vector: 17 KB for 450 keypoints.

0   1 byte    version, 1
1   1 byte    unused
2   2 bytes   n, number of keypoints
4   2 bytes   width and 2 bytes height, in 65,535ths of the longest side
8   n rows    of the points, angles, scales and descriptors, column by column; all numbers little-endian
"""

import struct

import numpy as np

from embedding.local.keypoints import DESCRIPTOR_BYTES, MAX_KEYPOINTS, Keypoints

VERSION = 1
_HEADER = struct.Struct("<BxHHH")
_UNIT = 65_535  # positions and sizes are fractions of the longest side
_ANGLES = 256 / 360  # an angle is one byte: steps of 1.4 degrees
# A scale is one byte too: 255 · (1 + log2(scale) / 8), from 1/256 of the picture to the whole, in steps of 2 %.
_OCTAVES = 8
_ROW_BYTES = 2 + 2 + 1 + 1 + DESCRIPTOR_BYTES
_DEGREES = np.arange(256, dtype=np.float32) / np.float32(_ANGLES)
_SCALES = np.exp2((np.arange(256, dtype=np.float32) / 255 - 1) * _OCTAVES).astype(np.float32)
MAX_BYTES = _HEADER.size + MAX_KEYPOINTS * _ROW_BYTES


class FeaturesError(ValueError):
    """The bytes are not features that this version can read."""


def pack(keypoints: Keypoints) -> bytes:
    """At most MAX_BYTES; the same keypoints give the same bytes."""
    size = round(keypoints.width * _UNIT), round(keypoints.height * _UNIT)
    scales = np.log2(np.maximum(keypoints.scales, 2.0**-_OCTAVES)) / _OCTAVES
    return b"".join(
        (
            _HEADER.pack(VERSION, len(keypoints), *size),
            np.rint(keypoints.points.clip(0, 1) * _UNIT).astype("<u2").tobytes(),
            (np.rint(keypoints.angles * _ANGLES).astype(np.int64) % 256).astype(np.uint8).tobytes(),
            np.rint(255 * (1 + scales)).clip(0, 255).astype(np.uint8).tobytes(),
            keypoints.descriptors.tobytes(),
        )
    )


def unpack(data: bytes) -> Keypoints:
    """The keypoints that `pack` wrote, with positions to 1/65,535, angles to 0.7 degrees, scales to 1.1 %.

    Raises:
        FeaturesError: another version, or damaged bytes.
    """
    if len(data) < _HEADER.size:
        raise FeaturesError(f"{len(data)} bytes are no features: add the pictures again")
    version, count, width, height = _HEADER.unpack_from(data)
    if version != VERSION:
        raise FeaturesError(f"the features are of version {version}, this is {VERSION}: add the pictures again")
    if count > MAX_KEYPOINTS or len(data) != _HEADER.size + count * _ROW_BYTES or not width or not height:
        raise FeaturesError("the features are damaged: add the pictures again")
    body = np.frombuffer(data, np.uint8, offset=_HEADER.size)
    points, angles, scales = body[: 4 * count], body[4 * count : 5 * count], body[5 * count : 6 * count]
    return Keypoints(
        points=(points.view("<u2").reshape(count, 2) / np.float32(_UNIT)).astype(np.float32),
        descriptors=body[6 * count :].reshape(count, DESCRIPTOR_BYTES),
        angles=_DEGREES[angles],
        scales=_SCALES[scales],
        width=width / _UNIT,
        height=height / _UNIT,
    )
