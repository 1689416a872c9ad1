"""A decoded picture, and what encoders and checks need of it (plain values)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedding.image import Unreadable

if TYPE_CHECKING:
    from embedding.local.keypoints import Keypoints

Pixels = NDArray[np.uint8]  # (height, width, 3), RGB
Size = tuple[int, int]  # height, width
Box = tuple[float, float, float, float]  # left, top, right, bottom, as fractions of the picture's width and height

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
PLAIN_READING = "plain"  # as viewers show it
UNSTRETCHED_READING, NEGATIVE_READING = "unstretched", "negative"  # as it may have been before an edit


@dataclass(frozen=True, slots=True)
class Picture:
    """The first frame of a file, as a viewer would show it.

    Attributes:
        pixels: (height, width, 3) uint8 sRGB, C-contiguous; upright, transparency over white. May be reduced to 1/8,
            1/4 or 1/2 of the size, rounded up, if that was allowed.
        size: height and width of the whole frame.
        format: JPEG, PNG, …
        frames: number of pictures in the file, at least 1; counting stops at `frames.MOST_FRAMES`.
    """

    pixels: Pixels
    size: Size
    format: str
    frames: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What is needed of each view of a picture.

    Attributes:
        keypoints: corners and their descriptors.
        hash: the PDQ hash.
        pixels: the pixels themselves.
        least_side: shorter side in pixels that the pixels may be reduced to; None: every pixel counts.
        mirror: the same of the mirror image: vectors, keypoints and hashes cannot be derived from the picture's own.
    """

    keypoints: bool = False
    hash: bool = False
    pixels: bool = False
    least_side: int | None = None
    mirror: bool = False

    def covered_by(self, met: "Needs") -> bool:
        """Whether everything that is needed is in `met` too."""
        pairs = ((self.keypoints, met.keypoints), (self.hash, met.hash), (self.pixels, met.pixels))
        return all(needed <= there for needed, there in (*pairs, (self.mirror, met.mirror)))

    def joined(self, other: "Needs") -> "Needs":
        """What both need together; pixels are reduced no further than both allow."""
        sides = [one.least_side for one in (self, other) if one.pixels]
        return Needs(
            keypoints=self.keypoints or other.keypoints,
            hash=self.hash or other.hash,
            pixels=self.pixels or other.pixels,
            least_side=None if None in sides else max((side for side in sides if side), default=None),
            mirror=self.mirror or other.mirror,
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to make of a file.

    Attributes:
        needs: of each view.
        max_pixels: cap on width x height of a frame; a JPEG of up to 64 times as many is decoded to a smaller size.
        max_views: number of views; 1: only the first frame that is not plain, as a reference is stored.
        reduce: whether JPEGs may be decoded to a smaller size if the needs allow it.
    """

    needs: Needs
    max_pixels: int
    max_views: int = 1
    reduce: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Hash:
    """A PDQ hash.

    Attributes:
        bits: bool (256,), in the order of the usual hexadecimal form.
        quality: 0 to 100, PDQ's measure of gradients.
    """

    bits: NDArray[np.bool_]
    quality: int


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What encoders and checks need of one view; None where it is not needed.

    Attributes:
        size: height and width of the view in the file.
        pixels: as large, or reduced as far as `Needs.least_side` allows.
    """

    size: Size
    keypoints: "Keypoints | None" = None
    hash: Hash | None = None
    pixels: Pixels | None = None

    def has(self, needs: Needs) -> bool:
        """Whether everything that is needed of a view was made of this one."""
        pairs = (needs.keypoints, self.keypoints), (needs.hash, self.hash), (needs.pixels, self.pixels)
        return all(made is not None for needed, made in pairs if needed)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One view of a picture: a frame, a part of it, and how its pixels are read.

    Attributes:
        frame: its number in the file, from 0: frame of an animation, page, or picture of several.
        box: the part of the frame.
        reading: `plain`, another way in which viewers show the file, or how it may have been before an edit.
        own: what is needed of it.
        mirror: the same of its mirror image; None if it is not needed.
        second: a second look at what another view shows as well; see second_looks.py.
    """

    frame: int
    box: Box
    reading: str
    own: Prepared
    mirror: Prepared | None = None
    second: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What was found in a file.

    Attributes:
        format: JPEG, PNG, …
        size: height and width of the whole picture, upright.
        frames: number of pictures in the file, at least 1; counting stops at `frames.MOST_FRAMES`.
        views: at least one, the whole of a frame first.
        frames_judged: frames that were looked at, also those that are plain or like another one.
        unseen_windows: number of windows, or readings of them, that were left out.
        partly: why the file must not be allowed by these views alone, because it holds more than could be looked at.
    """

    format: str
    size: Size
    frames: int
    views: tuple[Seen, ...]
    frames_judged: tuple[int, ...] = (0,)
    unseen_windows: int = 0
    partly: Unreadable | None = None
