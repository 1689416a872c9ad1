"""Families of edits that people make to a picture before they post it again; `benchmarks.copies` measures with them.

HARD is similar to DISC21's edits, PHONE is what phones and feeds do, EVERYDAY are edits that a viewer hardly minds and
that move a picture far from its original in a search. docs/copies.md has the figures: do not change what an edit draws
at random, nor the order of it. Random choices are drawn from a seed.
"""

from dataclasses import dataclass
from random import Random

from harness.changes import (
    Change,
    Picture,
    blended,
    blurred,
    coloured,
    combined,
    cropped,
    gamma,
    grey,
    mirrored,
    mottled,
    negative,
    noisy,
    quarter_turn,
    recompressed,
    resized,
    stock_text,
    stretched,
    thumbnail,
    turned,
    written_over,
)
from harness.frames import captioned, collage, padded, pasted_in, screenshot, sticker
from harness.screens import desktop, photo_of_a_screen, tilted

OTHERS = 8  # other pictures, at most, that an edit puts beside, below or over the picture


@dataclass(frozen=True, slots=True)
class Edit:
    """One kind of edit.

    Attributes:
        name: in reports.
        change: makes the edit; see `apply`.
        against: why a perceptual hash may miss it; empty if it should find it.
    """

    name: str
    change: Change
    against: str = ""

    def apply(self, picture: Picture, seed: int, *others: Picture) -> Picture:
        """The edited picture, in RGB; `picture` is not changed.

        Args:
            picture: in RGB, each side 64 pixels or more.
            seed: the same seed gives the same edit.
            others: unrelated pictures, for the edits that paste one over or beside it: OTHERS are enough for each.
        """
        return self.change(picture, Random(f"{self.name} {seed}"), *others)  # noqa: S311 (nothing secret)


_COLOURED, _TEXT = coloured((0.45, 0.75), (1.35, 1.9)), written_over((1, 3), (0.09, 0.17))
HARD = (
    Edit("recompressed", recompressed((6, 25))),
    Edit("shrunk", resized((0.13, 0.4))),
    Edit("stretched", stretched((0.55, 0.75), (1.35, 1.8))),
    Edit("cropped", cropped((0.45, 0.8))),
    Edit("hard crop", cropped((0.18, 0.4))),
    Edit("mirrored", mirrored),
    Edit("quarter turn", quarter_turn),
    Edit("small turn", turned((4, 30))),
    Edit("colours", _COLOURED),
    Edit("grey", grey),
    Edit("blurred", blurred((0.007, 0.018))),
    Edit("noise", noisy((18, 45))),
    Edit("text over it", _TEXT),
    Edit("caption", captioned),
    Edit("padding", padded((0.08, 0.3))),
    Edit("pasted in", pasted_in((0.35, 0.6), (640, 480))),
    Edit("sticker", sticker((0.15, 0.33))),
    Edit("screenshot", screenshot),
    Edit("combination", combined(cropped((0.5, 0.75)), _COLOURED, _TEXT, recompressed((6, 25)))),
)

_PAGE = (1024, 768)
PHONE = (
    Edit("in a picture, 25 %", pasted_in((0.25, 0.25), _PAGE)),
    Edit("in a picture, 12 %", pasted_in((0.12, 0.12), _PAGE)),
    Edit("in a picture, 6 %", pasted_in((0.06, 0.06), _PAGE)),
    Edit("one of 4", collage(2, 480, cut=True)),
    Edit("one of 9", collage(3, 320, cut=True)),
    Edit("tilted, 15 %", tilted((0.11, 0.15))),
    Edit("tilted, 30 %", tilted((0.22, 0.3))),
    Edit("photo of a screen", photo_of_a_screen((0.07, 0.1), 0.12, (6, 10))),
    Edit("hard photo of a screen", photo_of_a_screen((0.16, 0.22), 0.25, (14, 20))),
    Edit("cropped to 20 %", cropped((0.2, 0.2))),
    Edit("cropped to 10 %", cropped((0.1, 0.1))),
    Edit("stretched 1:2", stretched((0.5, 0.5), (0.5, 0.5))),
    Edit("stretched 1:3", stretched((1 / 3, 1 / 3), (1 / 3, 1 / 3))),
    Edit("negative", negative),
    Edit("desktop, 16 %", desktop((0.16, 0.16))),
    Edit("blend, 50 %", blended(0.5)),
    Edit("thumbnail of 64", combined(thumbnail(64), recompressed((80, 80)))),
)

_GAMMA = gamma((0.5, 0.7), (1.4, 2.0))
EVERYDAY = (
    Edit("turn, crop, gamma", combined(turned((15, 15)), cropped((0.6, 0.6)), _GAMMA)),
    Edit("stock text", stock_text((0.35, 0.5))),
    Edit("blend, 35 %", blended(0.35)),
    Edit("mottle of 20", mottled(20)),
    Edit("mottle of 14", mottled(14)),
)

FAMILIES = {"hard": HARD, "phone": PHONE, "everyday": EVERYDAY}
