"""A picture beside a reference, as one SVG: where the reference lies, and the corners of both that agree.

Shared by `vigilens scan --explain` and the demo's report. No script; what strangers wrote is escaped.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np

from embedding.local.keypoints import Keypoints
from embedding.picture import Pixels
from matcher.check.align import Floats
from matcher.evidence import Corners
from matcher.explain import Overlay

WIDTH, GAP = 1000, 20  # units of the drawing; each picture has half of the rest
TALLEST = 600  # units: taller pictures are drawn narrower
QUALITY = 70  # of WebP: edges stay, and the page small

CSS = """
.overlay { display: block; width: 100%; height: auto; }
.overlay * { vector-effect: non-scaling-stroke; }
.overlay .frame { fill: #8883; }
.overlay .edge { fill: none; stroke: #888; opacity: .6; }
.overlay .dots { fill: none; stroke: #4af; stroke-width: 2; stroke-linecap: round; opacity: .6; }
.overlay .halo { fill: none; stroke: #000; stroke-width: 5; opacity: .5; }
.overlay .region { fill: #ffd40018; stroke: #ffd400; stroke-width: 2.5; }
.overlay .back { fill: none; stroke: #ffd400; stroke-width: 1.5; stroke-dasharray: 5 4; }
.overlay .pairs { fill: none; stroke: #39e07a; stroke-width: 1; opacity: .22; transition: opacity .15s; }
.overlay .ends { fill: none; stroke: #39e07a; stroke-width: 3; stroke-linecap: round; opacity: .9; }
.overlay:hover .pairs { opacity: .8; }
"""


@dataclass(frozen=True, slots=True)
class Face:
    """One of the two pictures.

    Attributes:
        width, height: in any unit.
        href: a data URI, or "#id" of a <symbol> of the page; empty: there is no picture, and a frame is drawn.
        dots: positions to mark, fractions of width and height.
    """

    width: float
    height: float
    href: str = ""
    dots: Floats | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a picture is drawn."""

    left: float
    top: float
    width: float
    height: float

    def at(self, x: float, y: float) -> str:
        """A position of the picture in the drawing."""
        return f"{self.left + x * self.width:.0f} {self.top + y * self.height:.0f}"


def drawing(incoming: Face, reference: Face, overlay: Overlay | None, label: str) -> str:
    """The picture left, the reference right, and how one lies in the other.

    Args:
        incoming: the picture.
        reference: the same of the reference.
        overlay: None: nothing is joined.
        label: what is to be seen, for those who cannot.
    """
    half = (WIDTH - GAP) / 2
    sizes = [_within(each, half) for each in (incoming, reference)]
    tallest = max(height for _, height in sizes)
    here, there = (
        _Place(left + (half - width) / 2, (tallest - height) / 2, width, height)
        for left, (width, height) in zip((0.0, half + GAP), sizes, strict=True)
    )
    return (
        f'<svg class="overlay" viewBox="0 0 {WIDTH} {tallest:.0f}" role="img" aria-label="{escape(label)}">'
        f"{_face(incoming, here)}{_face(reference, there)}{_laid(overlay, here, there) if overlay else ''}</svg>"
    )


def symbol(name: str, width: float, height: float, href: str) -> str:
    """A picture that several drawings of a page share, as "#name"; stands in an <svg> of its own."""
    return (
        f'<symbol id="{name}" viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none">'
        f'<image width="{width:g}" height="{height:g}" href="{href}" preserveAspectRatio="none"/></symbol>'
    )


def picture_of(pixels: Pixels, side: int) -> str:
    """The picture, its longer side at most `side` pixels, as a data URI."""
    factor = min(1.0, side / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, file = cv2.imencode(".webp", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return f"data:image/webp;base64,{base64.b64encode(file.tobytes()).decode()}"


def dots_of(keypoints: Keypoints) -> Floats:
    """(n, 2): where they are, as fractions of width and height."""
    return (keypoints.points / (keypoints.width, keypoints.height)).astype(np.float32)


def _within(face: Face, half: float) -> tuple[float, float]:
    """Width and height of the largest drawing that fits."""
    factor = min(half / face.width, TALLEST / face.height)
    return face.width * factor, face.height * factor


def _face(face: Face, place: _Place) -> str:
    box = f'x="{place.left:.1f}" y="{place.top:.1f}" width="{place.width:.1f}" height="{place.height:.1f}"'
    if face.href.startswith("#"):
        drawn = f'<use {box} href="{face.href}"/>'
    elif face.href:
        drawn = f'<image {box} href="{face.href}" preserveAspectRatio="none"/>'
    else:
        drawn = f'<rect class="frame" {box}/>'
    drawn += f'<rect class="edge" {box}/>'
    return drawn + (_dots("dots", (place.at(x, y) for x, y in face.dots.tolist())) if face.dots is not None else "")


def _laid(overlay: Overlay, here: _Place, there: _Place) -> str:
    ends = [(here.at(x, y), there.at(u, v)) for x, y, u, v in overlay.pairs.tolist()]
    joined = "".join(f"M{first}L{second}" for first, second in ends)
    region, back = _outline(overlay.region, here), _outline(overlay.back, there)
    return (
        f'<path class="pairs" d="{joined}"/>{_dots("ends", (end for pair in ends for end in pair))}'
        f'<path class="halo" d="M{region}Z"/><polygon class="region" points="{region}"/>'
        f'<path class="back" d="M{back}Z"/>'
    )


def _dots(name: str, places: Iterable[str]) -> str:
    return f'<path class="{name}" d="{"".join(f"M{place}h0" for place in places)}"/>'


def _outline(corners: Corners, place: _Place) -> str:
    """The part of a quadrilateral that lies in the picture: of a crop all corners may be outside."""
    frame = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    _, inside = cv2.intersectConvexConvex(np.array(corners, np.float32), frame)
    points = corners if inside is None or len(inside) < 3 else inside.reshape(-1, 2).tolist()  # noqa: PLR2004 (a triangle)
    return " ".join(place.at(x, y) for x, y in points)
