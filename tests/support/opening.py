"""Decoder processes that the tests of a process share, because a spawner takes a second to start."""

import atexit
from functools import cache

import numpy as np

from embedding.decode.compare import small
from embedding.image import Unreadable
from embedding.picture import Looked, Needs, Wanted
from embedding.processes.decoders import Decoders
from embedding.views import look_into

MAX_PIXELS = 64_000_000
KEYPOINTS = Needs(keypoints=True)
PIXELS = Needs(pixels=True)


class Shared(Decoders):
    """They stay when a test closes them."""

    def close(self):
        """Leave them to the next test."""

    def end(self):
        super().close()


@cache
def shared():
    """Two decoder processes with the limits of the default settings."""
    decoders = Shared(2)
    atexit.register(decoders.end)
    return decoders


def wanted(max_views=12, needs=PIXELS, max_pixels=MAX_PIXELS, **more):
    return Wanted(needs, max_pixels, max_views, **more)


def views_of(data, max_views=12, **more):
    """What `look_into` finds in this process; the file must be readable."""
    found = look_into(data, wanted(max_views, **more))
    assert isinstance(found, Looked), found
    return found


def reason_of(data, **more):
    """Why `look_into` finds nothing."""
    found = look_into(data, wanted(**more))
    assert isinstance(found, Unreadable), "it was read"
    return found.reason


def showing(found, picture, levels=10):
    """The views that show a Pillow image, by their frame, box and reading."""
    grey = small(np.asarray(picture.convert("RGB")))
    return [
        (seen.frame, seen.box, seen.reading)
        for seen in found.views
        if seen.own.pixels is not None and np.abs(small(seen.own.pixels) - grey).mean() < levels
    ]


def frames_showing(found, picture):
    return [frame for frame, _, _ in showing(found, picture)]


def flat(found):
    """All values of what was found, to compare: `==` of arrays is no single answer."""
    facts = (found.format, found.size, found.frames, found.frames_judged, found.unseen_windows, found.partly)
    views = [
        (seen.frame, seen.box, seen.reading, seen.second, one is not None, *(_values(one) if one else ()))
        for seen in found.views
        for one in (seen.own, seen.mirror)
    ]
    return facts, views


def _values(prepared):
    points, hashed, pixels = prepared.keypoints, prepared.hash, prepared.pixels
    if points is not None:
        yield from (points.width, points.height)
        yield from (part.tobytes() for part in (points.points, points.descriptors, points.angles, points.scales))
    if hashed is not None:
        yield from (hashed.quality, hashed.bits.tobytes())
    yield None if pixels is None else (pixels.shape, pixels.tobytes())
    yield prepared.size
