"""Views → looks: the vectors that encoders make of what was prepared of each view.

Untrusted files are opened and prepared in processes of their own (embedding/processes/); this runs in the service.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedding.encoder import Encoded, Encoder
from embedding.picture import PLAIN_READING, WHOLE, Box, Needs, Pixels, Prepared, Seen, Size

if TYPE_CHECKING:
    from embedding.local.keypoints import Keypoints


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is compared of a view.

    Attributes:
        vector: float32 (d,), unit length.
        keypoints: None if no check needs them.
    """

    vector: NDArray[np.float32]
    keypoints: "Keypoints | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A view of a picture, its mirror image's view if that is needed, and which view it is: see `Seen`."""

    view: View
    mirror: View | None = None
    frame: int = 0
    box: Box = WHOLE
    reading: str = PLAIN_READING


def encode(encoder: Encoder, seen: Sequence[Seen], needs: Needs) -> list[Look | None]:
    """One look per view, in order; None where it is featureless, or its mirror image is and is needed.

    Args:
        encoder: makes the vectors.
        seen: prepared with at least these needs and the encoder's own.
        needs: what to keep besides the vectors.
    """
    views = _encoded(encoder, [one.own for one in seen], needs)
    looks = [
        Look(view, None, one.frame, one.box, one.reading) if view else None
        for one, view in zip(seen, views, strict=True)
    ]
    if not needs.mirror:
        return looks
    turned = [one.mirror for one, view in zip(seen, views, strict=True) if view and one.mirror]
    mirrors = iter(_encoded(encoder, turned, needs))
    return [replace(one, mirror=mirror) if one and (mirror := next(mirrors)) else None for one in looks]


def look(
    encoder: Encoder, pictures: Sequence[Pixels], needs: Needs, sizes: Sequence[Size] | None = None
) -> list[Look | None]:
    """The same for pixels that are trusted: they are prepared in this process.

    Args:
        encoder: makes the vectors.
        pictures: (height, width, 3) uint8 RGB each; reduced as far as the encoder's `least_side` allows.
        needs: what to make besides the vectors.
        sizes: their sizes before they were reduced; None: none was reduced.
    """
    from embedding.prepare import prepare_both  # noqa: PLC0415 (loads OpenCV)

    sizes = sizes or [pixels.shape[:2] for pixels in pictures]
    wanted = replace(encoder.needs.joined(needs), least_side=None)
    both = [prepare_both(pixels, size, wanted) for pixels, size in zip(pictures, sizes, strict=True)]
    return encode(encoder, [Seen(0, WHOLE, PLAIN_READING, own, mirror) for own, mirror in both], needs)


def encode_pictures(encoder: Encoder, pictures: Sequence[Pixels], sizes: Sequence[Size] | None = None) -> Encoded:
    """Vectors of n trusted pictures, n ≥ 1, in their order; see `look`."""
    from embedding.prepare import prepare  # noqa: PLC0415 (loads OpenCV)

    sizes = sizes or [pixels.shape[:2] for pixels in pictures]
    pairs = zip(pictures, sizes, strict=True)
    needs = replace(encoder.needs, least_side=None)
    return encoder.encode([prepare(pixels, size, needs) for pixels, size in pairs])


def mirrored(pixels: Pixels) -> Pixels:
    """The mirror image, C-contiguous."""
    return np.ascontiguousarray(pixels[:, ::-1])


def _encoded(encoder: Encoder, prepared: Sequence[Prepared], needs: Needs) -> list[View | None]:
    if not prepared:
        return []
    encoded = encoder.encode(prepared)
    return [
        None if featureless else View(vector, one.keypoints if needs.keypoints else None)
        for vector, featureless, one in zip(encoded.vectors, encoded.featureless, prepared, strict=True)
    ]
