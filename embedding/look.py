"""Pictures → views: the one place that prepares a picture for comparison, both images to judge and references.

encode     vectors by the encoder, and keypoints if it works on them
detect     otherwise keypoints are detected separately, if a set's check needs them
mirror     the same for the mirror image: its vector and keypoints cannot be derived from the picture's own
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedding.encoder import Encoder
from embedding.picture import Pixels, Size

if TYPE_CHECKING:
    from embedding.local.keypoints import Keypoints


@dataclass(frozen=True, slots=True)
class Needs:
    """What is needed of a picture besides its vector."""

    keypoints: bool = False
    mirror: bool = False

    def covered_by(self, met: "Needs") -> bool:
        """Whether everything that is needed is in `met` too."""
        return self.keypoints <= met.keypoints and self.mirror <= met.mirror


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is compared of a picture.

    Attributes:
        vector: float32 (d,), unit length.
        keypoints: None if no check needs them.
    """

    vector: NDArray[np.float32]
    keypoints: "Keypoints | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A picture's view, and its mirror image's view if that is needed."""

    view: View
    mirror: View | None = None


def least_side(encoder: Encoder, needs: Needs) -> int | None:
    """Shorter side in pixels that JPEGs may be reduced to; None: not at all. Keypoints need every pixel."""
    return None if needs.keypoints else encoder.least_side


def look(
    encoder: Encoder, pictures: Sequence[Pixels], needs: Needs, sizes: Sequence[Size] | None = None
) -> list[Look | None]:
    """One look per picture, in order; None where the picture is featureless, or its mirror image is and is needed.

    Args:
        encoder: makes the vectors.
        pictures: (height, width, 3) uint8 RGB each; reduced as far as `least_side` allows.
        needs: what to make besides the vectors.
        sizes: their sizes before they were reduced; None: none was reduced.
    """
    sizes = sizes or [(pixels.shape[0], pixels.shape[1]) for pixels in pictures]
    views = _views(encoder, pictures, sizes, needs)
    if not needs.mirror:
        return [Look(view) if view else None for view in views]
    usable = [index for index, view in enumerate(views) if view]
    turned = _views(encoder, [mirrored(pictures[index]) for index in usable], [sizes[index] for index in usable], needs)
    mirrors = dict(zip(usable, turned, strict=True))
    return [Look(view, mirror) if view and (mirror := mirrors[index]) else None for index, view in enumerate(views)]


def mirrored(pixels: Pixels) -> Pixels:
    """The mirror image, C-contiguous."""
    return np.ascontiguousarray(pixels[:, ::-1])


def _views(encoder: Encoder, pictures: Sequence[Pixels], sizes: Sequence[Size], needs: Needs) -> list[View | None]:
    if not pictures:
        return []
    encoded = encoder.encode(pictures, sizes)
    keypoints: Sequence[Keypoints | None] = [None] * len(pictures)
    if needs.keypoints:
        from embedding.local.keypoints import detect  # noqa: PLC0415 (loads OpenCV, needed only if a set checks)

        keypoints = encoded.keypoints or [detect(pixels) for pixels in pictures]
    return [
        None if featureless else View(vector, found)
        for vector, featureless, found in zip(encoded.vectors, encoded.featureless, keypoints, strict=True)
    ]
