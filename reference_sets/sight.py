"""Pictures as a set compares them: vectors, with keypoints and mirror images in the sets that want them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedding.encoder import Encoder
from embedding.picture import Pixels, Size
from reference_sets.model import Mirrored, ReferenceSet, Seen, Verify

if TYPE_CHECKING:
    from embedding.local.keypoints import Keypoints


@dataclass(frozen=True, slots=True)
class Sight:
    """What a reference keeps of a picture.

    Attributes:
        own: the picture itself.
        mirror: its mirror image, in a set that stores those.
        checkable: False where the set checks geometrically and there are too few keypoints for that.
    """

    own: Seen
    mirror: Seen | None
    checkable: bool


def see(
    encoder: Encoder, described: ReferenceSet, pictures: Sequence[Pixels], sizes: Sequence[Size] | None = None
) -> list[Sight | None]:
    """One for each picture; None where it, or the mirror image that the set stores, is featureless.

    Args:
        encoder: the one that made the set.
        described: the set; it says whether keypoints and mirror images are wanted.
        pictures: (height, width, 3) uint8 RGB each; reduced to `least_side` at most.
        sizes: that they had before they were reduced; None: none was.
    """
    sizes = sizes or [(one.shape[0], one.shape[1]) for one in pictures]
    looks = _looks(encoder, pictures, sizes, described.verify)
    if described.mirrored is not Mirrored.STORED:
        return [look and Sight(look[0], None, look[1]) for look in looks]
    # Neither vectors nor keypoints of a mirror image follow from the picture's own: it is looked at anew.
    telling = [np.ascontiguousarray(one[:, ::-1]) for one, look in zip(pictures, looks, strict=True) if look]
    their_sizes = [size for size, look in zip(sizes, looks, strict=True) if look]
    mirrored = iter(_looks(encoder, telling, their_sizes, described.verify))
    return [_both(look, next(mirrored)) if look else None for look in looks]


_Look = tuple[Seen, bool]  # and whether it has enough keypoints for the check, if there is one


def _both(look: _Look, mirror: _Look | None) -> Sight | None:
    return mirror and Sight(look[0], mirror[0], look[1] and mirror[1])


def least_side(encoder: Encoder, described: ReferenceSet) -> int | None:
    """How far JPEGs may be reduced for `see`; None: not at all. The check's keypoints need every pixel."""
    return encoder.least_side if described.verify is Verify.OFF else None


def _looks(encoder: Encoder, pictures: Sequence[Pixels], sizes: Sequence[Size], verify: Verify) -> list[_Look | None]:
    """One for each picture; None where it is featureless."""
    if not pictures:
        return []
    encoded = encoder.encode(pictures, sizes)
    looks: list[_Look | None] = []
    for index, (pixels, values) in enumerate(zip(pictures, encoded.vectors, strict=True)):
        vector = tuple(values.tolist())
        if encoded.featureless[index]:
            looks.append(None)
        elif verify is Verify.OFF:
            looks.append((Seen(vector), True))
        else:
            features, enough = _features(pixels, encoded.keypoints[index] if encoded.keypoints else None)
            looks.append((Seen(vector, features), enough))
    return looks


def _features(pixels: Pixels, keypoints: "Keypoints | None") -> tuple[bytes, bool]:
    """The keypoints, packed, and whether they are enough for a check."""
    from embedding.local.features import pack  # noqa: PLC0415 (OpenCV)
    from embedding.local.keypoints import MIN_KEYPOINTS, detect  # noqa: PLC0415 (OpenCV)

    found = detect(pixels) if keypoints is None else keypoints
    return pack(found), len(found) >= MIN_KEYPOINTS
