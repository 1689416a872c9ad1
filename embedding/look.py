"""Views → looks: the vectors that encoders make of what was prepared of each view.

Untrusted files are opened and prepared in processes of their own (embedding/processes/); this runs in the service.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedding.encoder import Encoded, Encoder
from embedding.picture import PLAIN_READING, WHOLE, Box, Needs, Pixels, Prepared, Seen, Size

if TYPE_CHECKING:
    from embedding.local.keypoints import Keypoints

log = logging.getLogger("vigilens.encoder")

Vector = NDArray[np.float32]  # (d,), unit length


class Vectors(NamedTuple):
    """What an encoder makes of a view.

    Attributes:
        whole: (d,), unit length.
        parts: (k, d), see `Encoded`.
    """

    whole: Vector
    parts: NDArray[np.float32]


Pair = tuple[Vectors | None, Vectors | None]  # of a view and of its mirror image; None: featureless, or not wanted


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is compared of a view.

    Attributes:
        vectors: by the encoder's fingerprint; none of an encoder for which the view is featureless.
        keypoints: None if no check needs them.
        parts: (k, d) by the encoder's fingerprint, see `Encoded`.
    """

    vectors: Mapping[str, Vector]
    keypoints: "Keypoints | None" = None
    parts: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A view of a picture, its mirror image's view if that is needed, and which view it is: see `Seen`."""

    view: View
    mirror: View | None = None
    frame: int = 0
    box: Box = WHOLE
    reading: str = PLAIN_READING
    second: bool = False


def encode(encoder: Encoder, seen: Sequence[Seen], *, mirror: bool = False) -> list[Pair]:
    """The vectors of each view, and of its mirror image if that is wanted.

    Args:
        encoder: makes the vectors.
        seen: n ≥ 0 views, prepared with at least the encoder's needs.
        mirror: whether the mirror images are prepared and wanted.
    """
    own = _vectors(encoder, [one.own for one in seen])
    if not mirror:
        return [(vectors, None) for vectors in own]
    turned = iter(_vectors(encoder, [one.mirror for one in seen if one.mirror]))
    return [(vectors, next(turned) if one.mirror else None) for one, vectors in zip(seen, own, strict=True)]


def encode_each(
    encoder: Encoder, pictures: Sequence[Sequence[Seen]], *, mirror: bool = False
) -> list[list[Pair] | None]:
    """The same for the views of several pictures, encoded together.

    If the encoder raises, each picture is encoded once more alone: one picture must not cost the others their vectors.

    Returns:
        Per picture the pairs of its views; None if the encoder raises for this picture alone too.
    """
    try:
        pairs = iter(encode(encoder, [one for seen in pictures for one in seen], mirror=mirror))
        return [[next(pairs) for _ in seen] for seen in pictures]
    except Exception as error:  # noqa: BLE001 (a model can raise anything, also for a single odd picture)
        log.warning("the encoder %s failed, so its pictures are encoded one by one: %s", encoder.fingerprint, error)
    return [_alone(encoder, seen, mirror=mirror) for seen in pictures]


def _alone(encoder: Encoder, seen: Sequence[Seen], *, mirror: bool) -> list[Pair] | None:
    try:
        return encode(encoder, seen, mirror=mirror)
    except Exception:
        log.exception("the encoder %s failed for one picture", encoder.fingerprint)
        return None


def joined(seen: Sequence[Seen], made: Mapping[str, Sequence[Pair]], *, keypoints: bool) -> list[Look]:
    """The looks at one picture's views.

    Args:
        seen: the views.
        made: by the encoder's fingerprint, the pairs of all views.
        keypoints: whether they are kept.
    """
    looks = []
    for index, one in enumerate(seen):
        pairs = {fingerprint: of_encoder[index] for fingerprint, of_encoder in made.items()}
        own, turned = (
            {fingerprint: vectors for fingerprint, pair in pairs.items() if (vectors := pair[side]) is not None}
            for side in (0, 1)
        )
        mirror = _view(turned, one.mirror, keypoints=keypoints) if one.mirror else None
        view = _view(own, one.own, keypoints=keypoints)
        looks.append(Look(view, mirror, one.frame, one.box, one.reading, one.second))
    return looks


def _view(made: Mapping[str, Vectors], prepared: Prepared, *, keypoints: bool) -> View:
    return View(
        {fingerprint: vectors.whole for fingerprint, vectors in made.items()},
        prepared.keypoints if keypoints else None,
        {fingerprint: vectors.parts for fingerprint, vectors in made.items() if len(vectors.parts)},
    )


def look(
    encoders: Sequence[Encoder], pictures: Sequence[Pixels], needs: Needs, sizes: Sequence[Size] | None = None
) -> list[Look]:
    """The looks at pictures that are trusted: they are prepared in this process.

    Args:
        encoders: make the vectors.
        pictures: (height, width, 3) uint8 RGB each; reduced as far as the encoders' `least_side` allows.
        needs: what to make besides the vectors.
        sizes: their sizes before they were reduced; None: none was reduced.
    """
    from embedding.prepare import prepare_both  # noqa: PLC0415 (loads OpenCV)

    sizes = sizes or [pixels.shape[:2] for pixels in pictures]
    wanted = replace(together(encoders, needs), least_side=None)
    both = [prepare_both(pixels, size, wanted) for pixels, size in zip(pictures, sizes, strict=True)]
    seen = [Seen(0, WHOLE, PLAIN_READING, own, mirror) for own, mirror in both]
    made = {each.fingerprint: encode(each, seen, mirror=needs.mirror) for each in encoders}
    return joined(seen, made, keypoints=needs.keypoints)


def look_closely(encoders: Sequence[Encoder], pixels: Pixels, needs: Needs) -> list[Look]:
    """The looks at a trusted still picture as at an untrusted one: at the whole, and second looks."""
    from embedding.local.keypoints import Detected, working_copy  # noqa: PLC0415 (loads OpenCV)
    from embedding.prepare import prepare_both  # noqa: PLC0415 (loads OpenCV)
    from embedding.second_looks import second_looks  # noqa: PLC0415 (loads OpenCV)

    size = pixels.shape[:2]
    wanted = replace(together(encoders, needs), least_side=None)
    if not wanted.keypoints:
        return look(encoders, [pixels], needs)
    detected = Detected(working_copy(pixels))
    own, mirror = prepare_both(pixels, size, wanted, detected)
    seen = [Seen(0, WHOLE, PLAIN_READING, own, mirror), *second_looks(pixels, size, wanted, detected)]
    made = {each.fingerprint: encode(each, seen, mirror=needs.mirror) for each in encoders}
    return [each for each in joined(seen, made, keypoints=needs.keypoints) if each.view.vectors]


def together(encoders: Sequence[Encoder], needs: Needs) -> Needs:
    """What these encoders need of a view, and these needs."""
    for encoder in encoders:
        needs = needs.joined(encoder.needs)
    return needs


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


def _vectors(encoder: Encoder, prepared: Sequence[Prepared]) -> list[Vectors | None]:
    """Of each view; None where it is featureless, or has not what the encoder needs."""
    usable = [one for one in prepared if one.has(encoder.needs)]
    if not usable:
        return [None] * len(prepared)
    encoded = encoder.encode(usable)
    none = np.zeros((len(usable), 0, encoded.vectors.shape[1]), np.float32)
    rows = zip(
        encoded.vectors, none if encoded.parts is None else encoded.parts, encoded.featureless.tolist(), strict=True
    )
    found = iter([None if featureless else Vectors(whole, parts) for whole, parts, featureless in rows])
    return [next(found) if one.has(encoder.needs) else None for one in prepared]
