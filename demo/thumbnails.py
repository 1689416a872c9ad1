"""Pictures as small data URIs, so that the report is one file."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from demo.pictures import DemoError, Sample, load
from embedding.decode.decoder import decode
from embedding.image import Unreadable
from embedding.picture import Pixels
from vigilens.pages.overlay import Face, picture_of, symbol

MAX_PIXELS = 10_000_000  # more than any picture of the demo has
SIDE = 280  # pixels of the longer side: twice what the page shows, for dense screens


def pixels_of(data: bytes) -> Pixels:
    """Of an encoded picture that the demo made itself, to the pixel as the service sees it."""
    picture = decode(data, MAX_PIXELS)
    if isinstance(picture, Unreadable):
        raise DemoError(f"the demo's own picture cannot be read: {picture.detail}")
    return picture.pixels


def face_of(pixels: Pixels) -> Face:
    """The picture, at most SIDE pixels."""
    height, width, _ = pixels.shape
    return Face(width, height, picture_of(pixels, SIDE))


def reference_faces(samples: Iterable[Sample]) -> dict[str, Face]:
    """Label → each reference."""
    return {sample.label: face_of(np.asarray(load(sample))) for sample in samples}


def shared(faces: Mapping[str, Face]) -> tuple[str, dict[str, Face]]:
    """Each picture once, as HTML that shows nothing, and faces that point to it."""
    named = {label: replace(face, href=f"#r{number}") for number, (label, face) in enumerate(faces.items())}
    symbols = (symbol(named[label].href[1:], face.width, face.height, face.href) for label, face in faces.items())
    return f'<svg class="shared" aria-hidden="true">{"".join(symbols)}</svg>', named
