"""Draws a picture beside a reference, as one SVG: where the reference lies, and the corners of both that agree.

Used by `vigilens scan --explain` and the demo's report. It has no scripts, and escapes foreign text.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from markupsafe import Markup

from embedding.local.keypoints import Keypoints
from embedding.picture import Pixels
from matcher.check.projective import Floats
from matcher.evidence import Corners
from matcher.explain import Overlay

WIDTH, GAP = 1000, 20  # units of the drawing; each picture gets half of the rest
TALLEST = 600  # units: taller pictures are made smaller
QUALITY = 70  # of WebP: keeps edges sharp and the page small
_FRAME = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)  # corners of a picture, upper left first


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One of the two pictures of a drawing.

    Attributes:
        width, height: in any unit; only their ratio counts.
        href: a data URI, or "#id" of a <symbol> in the page. If empty, there is no picture, and a frame is drawn.
        dots: positions to mark, as fractions of width and height.
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
        """Return where a position of the picture is in the drawing."""
        return f"{self.left + x * self.width:.0f} {self.top + y * self.height:.0f}"


def drawing(incoming: Panel, reference: Panel, overlay: Overlay | None, label: str) -> Markup:
    """Return an <svg>: the picture on the left, the reference on the right, and how one lies in the other.

    Args:
        incoming: the picture.
        reference: the reference.
        overlay: how one lies in the other. None: no corners are joined.
        label: text for screen readers.
    """
    half = (WIDTH - GAP) / 2
    sizes = [_within(each, half) for each in (incoming, reference)]
    tallest = max(height for _, height in sizes)
    left, right = (
        _Place(x + (half - width) / 2, (tallest - height) / 2, width, height)
        for x, (width, height) in zip((0.0, half + GAP), sizes, strict=True)
    )
    parts = [_panel(incoming, left), _panel(reference, right)]
    if overlay:
        parts += _joined(overlay, left, right)
    return Markup('<svg class="overlay" viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, tallest, label, Markup("").join(parts)
    )


def symbol(name: str, panel: Panel) -> Markup:
    """Return a picture as a <symbol>, for an <svg> of its own: several drawings of a page can share it as "#name"."""
    return Markup(
        '<symbol id="{name}" viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none">'
        '<image width="{width:g}" height="{height:g}" href="{href}" preserveAspectRatio="none"/></symbol>'
    ).format(name=name, width=panel.width, height=panel.height, href=panel.href)


def panel_of(pixels: Pixels, side: int) -> Panel:
    """Return the picture as a data URI, its longer side at most `side` pixels."""
    height, width, _ = pixels.shape
    factor = min(1.0, side / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, file = cv2.imencode(".webp", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return Panel(width, height, f"data:image/webp;base64,{base64.b64encode(file.tobytes()).decode()}")


def dots_of(keypoints: Keypoints) -> Floats:
    """Return the positions of the keypoints, (n, 2), as fractions of width and height."""
    return (keypoints.points / (keypoints.width, keypoints.height)).astype(np.float32)


def _within(panel: Panel, half: float) -> tuple[float, float]:
    """Return width and height of the largest drawing that fits."""
    factor = min(half / panel.width, TALLEST / panel.height)
    return panel.width * factor, panel.height * factor


def _panel(panel: Panel, place: _Place) -> Markup:
    box = Markup('x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"').format(
        place.left, place.top, place.width, place.height
    )
    if panel.href.startswith("#"):
        picture = Markup('<use {} href="{}"/>').format(box, panel.href)
    elif panel.href:
        picture = Markup('<image {} href="{}" preserveAspectRatio="none"/>').format(box, panel.href)
    else:
        picture = Markup('<rect class="frame" {}/>').format(box)
    dots = () if panel.dots is None else [_dots("dots", (place.at(x, y) for x, y in panel.dots.tolist()))]
    return Markup("").join([picture, Markup('<rect class="edge" {}/>').format(box), *dots])


def _joined(overlay: Overlay, left: _Place, right: _Place) -> list[Markup]:
    """Return lines between the corners that agree, and for each picture the outline of the part that both show."""
    ends = [(left.at(x, y), right.at(u, v)) for x, y, u, v in overlay.pairs.tolist()]
    lines = "".join(f"M{first}L{second}" for first, second in ends)
    shared = _shared(overlay.region)
    region, back = _outline(shared, left), _outline(_in_reference(shared, overlay.region), right)
    return [
        Markup('<path class="pairs" d="{}"/>').format(lines),
        _dots("ends", (end for pair in ends for end in pair)),
        Markup('<path class="halo" d="M{0}Z"/><polygon class="region" points="{0}"/>').format(region),
        Markup('<path class="back" d="M{}Z"/>').format(back),
    ]


def _dots(name: str, places: Iterable[str]) -> Markup:
    return Markup('<path class="{}" d="{}"/>').format(name, "".join(f"M{place}h0" for place in places))


def _shared(region: Corners) -> Floats:
    """Return the part of a region that is in the picture: the corners of a cropped reference may be outside."""
    corners = np.array(region, np.float32)
    _, inside = cv2.intersectConvexConvex(corners, _FRAME)
    return corners if inside is None or len(inside) < 3 else inside.reshape(-1, 2).astype(np.float32)  # noqa: PLR2004 (a triangle)


def _in_reference(points: Floats, region: Corners) -> Floats:
    """Return where points of the region are in the reference, which may be seen at an angle."""
    map_ = cv2.getPerspectiveTransform(np.array(region, np.float32), _FRAME)
    return np.asarray(cv2.perspectiveTransform(points[None], map_)[0], np.float32)


def _outline(points: Floats, place: _Place) -> str:
    return " ".join(place.at(x, y) for x, y in points.tolist())
