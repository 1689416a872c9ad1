"""Makes small pictures as data URIs, so that the report is one file."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from markupsafe import Markup

from demo.pictures import DemoError, Sample, load
from embedding.decode.decoder import decode
from embedding.image import Unreadable
from embedding.picture import Pixels
from vigilens.pages.overlay import Panel, panel_of, symbol

MAX_PIXELS = 10_000_000  # more than any picture of the demo has
SIDE = 280  # pixels of the longer side: twice what the page shows, for dense screens


def pixels_of(data: bytes) -> Pixels:
    """Decodes a picture that the demo made, exactly as the service does.

    Raises:
        DemoError: it cannot be decoded.
    """
    picture = decode(data, MAX_PIXELS)
    if isinstance(picture, Unreadable):
        raise DemoError(f"the demo's own picture cannot be read: {picture.detail}")
    return picture.pixels


def thumbnail(data: bytes) -> Panel:
    """Returns a thumbnail of an encoded picture, its longer side at most SIDE pixels."""
    return panel_of(pixels_of(data), SIDE)


def reference_thumbnails(samples: Iterable[Sample]) -> dict[str, Panel]:
    """Returns label → thumbnail of each reference."""
    return {sample.label: panel_of(np.asarray(load(sample)), SIDE) for sample in samples}


def shared(thumbnails: Mapping[str, Panel]) -> tuple[Markup, dict[str, Panel]]:
    """Returns each picture once, as a <symbol>, and panels that refer to them: many cards show the same reference."""
    names = {label: f"r{number}" for number, label in enumerate(thumbnails)}
    symbols = Markup("").join(symbol(names[label], each) for label, each in thumbnails.items())
    return symbols, {label: replace(each, href=f"#{names[label]}") for label, each in thumbnails.items()}
