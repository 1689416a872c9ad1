"""Pictures as small data URIs, so that the report is one file."""

import base64
from collections.abc import Iterable
from io import BytesIO

from PIL import Image

from demo.pictures import Sample, load

SIDE = 280  # pixels of the longer side: twice what the page shows, for dense screens


def thumb(picture: Image.Image) -> str:
    """The picture, at most SIDE pixels, as `data:image/webp;base64,…`."""
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    file = BytesIO()
    small.save(file, "WEBP", quality=62)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def thumb_of(data: bytes) -> str:
    """The same, of an encoded picture that the demo made itself."""
    with Image.open(BytesIO(data)) as picture:
        return thumb(picture)


def reference_thumbs(samples: Iterable[Sample]) -> dict[str, str]:
    """Label → data URI of each reference."""
    return {sample.label: thumb(load(sample)) for sample in samples}
