"""Pictures → views: the one place that knows how a picture is looked at, for judging it and for making references.

encode     vectors by the encoder, and its keypoints where it works on them
detect     else keypoints of their own, where a set's check needs them
mirror     the mirror image likewise: neither vectors nor keypoints of it follow from the picture's own
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
    """What is needed of a picture beside its vector."""

    keypoints: bool = False
    mirror: bool = False

    def within(self, met: "Needs") -> bool:
        """Whether nothing is needed that is not met."""
        return self.keypoints <= met.keypoints and self.mirror <= met.mirror


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A picture as it is compared.

    Attributes:
        vector: float32 (d,), unit length.
        keypoints: None where no check needs them.
    """

    vector: NDArray[np.float32]
    keypoints: "Keypoints | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A picture's view, and that of its mirror image where it is needed."""

    view: View
    mirror: View | None = None


def least_side(encoder: Encoder, needs: Needs) -> int | None:
    """How far JPEGs may be reduced, in pixels of the shorter side; None: not at all. Keypoints need every pixel."""
    return None if needs.keypoints else encoder.least_side


def look(
    encoder: Encoder, pictures: Sequence[Pixels], needs: Needs, sizes: Sequence[Size] | None = None
) -> list[Look | None]:
    """One for each of n pictures, in their order; None where it is featureless, or its mirror image if that is needed.

    Args:
        encoder: makes the vectors.
        pictures: (height, width, 3) uint8 RGB each; reduced as far as `least_side` allows.
        needs: what there is to be beside the vectors.
        sizes: that they had before they were reduced; None: none was.
    """
    sizes = sizes or [(pixels.shape[0], pixels.shape[1]) for pixels in pictures]
    views = _views(encoder, pictures, sizes, needs)
    if not needs.mirror:
        return [Look(view) if view else None for view in views]
    seen = [index for index, view in enumerate(views) if view]
    turned = _views(encoder, [mirrored(pictures[index]) for index in seen], [sizes[index] for index in seen], needs)
    mirrors = dict(zip(seen, turned, strict=True))
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
        from embedding.local.keypoints import detect  # noqa: PLC0415 (OpenCV, and only where a set checks)

        keypoints = encoded.keypoints or [detect(pixels) for pixels in pictures]
    return [
        None if featureless else View(vector, found)
        for vector, featureless, found in zip(encoded.vectors, encoded.featureless, keypoints, strict=True)
    ]
