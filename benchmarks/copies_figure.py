"""Draws the picture in docs/copies.md: a known photograph, and a copy mirrored and cropped below a caption.

python -m benchmarks.copies_figure docs/copies.jpg
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont, ImageOps

from demo.pictures import folder
from embedding.local.keypoints import detect
from matcher.check.common import check
from matcher.check.weigh import Alignment

LINES = 60  # for pairs of corners that agree; more would hide the pictures


def main() -> None:
    """Edit, check, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    known = Image.open(folder() / "chelsea.png").convert("RGB")
    shown = _captioned(ImageOps.mirror(known).crop((60, 20, 400, 290)))
    mirror = ImageOps.mirror(known)
    (found,) = check(detect(np.array(shown)), [detect(np.array(mirror))])
    if found is None:
        raise SystemExit("the edited picture was not found")
    _draw(options.file, known, shown, found)


def _captioned(picture: Image.Image) -> Image.Image:
    bar = 90
    canvas = Image.new("RGB", (picture.width, picture.height + bar), "white")
    canvas.paste(picture, (0, bar))
    draw = ImageDraw.Draw(canvas)
    draw.text((12, 10), "when the alarm rings\nand it is Saturday", font=ImageFont.load_default(28), fill="black")
    return canvas


def _draw(file: Path, known: Image.Image, shown: Image.Image, found: Alignment) -> None:
    gap, below = 110, 20
    canvas = Image.new("RGB", (known.width + gap + shown.width, max(known.height, shown.height) + below), "white")
    canvas.paste(known, (0, 0))
    canvas.paste(shown, (known.width + gap, 0))
    figure = Figure(figsize=(8, 8 * canvas.height / canvas.width), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(canvas)
    axes.set_axis_off()
    left = known.width + gap
    region = np.array([*found.region, found.region[0]]) * shown.size + (left, 0)
    axes.plot(region[:, 0], region[:, 1], color="#e4572e", linewidth=2.5, clip_on=True)
    step = max(1, len(found.pairs) // LINES)
    for x, y, known_x, known_y in found.pairs[::step]:
        ends_x = ((1 - known_x) * known.width, left + x * shown.width)  # the mirror image was found
        ends_y = (known_y * known.height, y * shown.height)
        axes.plot(ends_x, ends_y, color="#2e86ab", linewidth=0.6, alpha=0.7, marker="o", markersize=2)
    axes.set_xlim(0, canvas.width)
    axes.set_ylim(canvas.height, 0)
    figure.savefig(file)


if __name__ == "__main__":
    main()
