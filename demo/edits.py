"""The edits that the demo makes, and why a perceptual hash misses some."""

from demo.pictures import half
from harness.changes import (
    blurred,
    coloured,
    combined,
    cropped,
    grey,
    mirrored,
    plain_copy,
    quarter_turn,
    recompressed,
    resized,
    stretched,
    turned,
    written_over,
)
from harness.edits import Edit
from harness.frames import captioned, collage, pasted_in, screenshot, sticker
from harness.screens import photo_of_a_screen

MOVED = "its parts move, but the hash compares the same places"
COVERED = "the part that is covered changes a part of the hash"
FRAMED = "it is a part of another picture, but the hash is of the whole"

_COLOURED, _TEXT, _JPEG = coloured((0.65, 0.85), (1.2, 1.5)), written_over((1, 1), (0.07, 0.1)), ((18, 40), (30, 60))
EDITS = (
    Edit("plain copy", plain_copy),
    Edit("recompressed", recompressed(*_JPEG)),
    Edit("resized", resized((0.3, 0.6))),
    Edit("stretched", stretched((0.8, 0.9), (1.1, 1.25))),
    Edit("grey", grey),
    Edit("colours", _COLOURED),
    Edit("blurred", blurred((0.004, 0.011))),
    Edit("text over it", _TEXT, COVERED),
    Edit("sticker", sticker((0.04, 0.08)), COVERED),
    Edit("cropped", cropped((0.3, 0.64)), MOVED),
    Edit("hard crop", cropped((0.09, 0.16)), MOVED),
    Edit("mirrored", mirrored, MOVED),
    Edit("rotated", turned((8, 15)), MOVED),
    Edit("quarter turn", quarter_turn, MOVED),
    Edit("caption", captioned, FRAMED),
    Edit("screenshot", screenshot, FRAMED),
    Edit("collage", collage(2, 300, cut=False), FRAMED),
    Edit("in a picture", pasted_in((0.22, 0.28), (800, 600)), FRAMED),
    Edit("photo of a screen", photo_of_a_screen((0.1, 0.16), 0.1, (4, 8)), MOVED),
    Edit("combination", combined(cropped((0.36, 0.72)), _COLOURED, _TEXT, recompressed(*_JPEG)), MOVED),
)
OTHERS = 3  # other pictures that an edit needs
OTHER_HALF = Edit("the other half", lambda picture, _rng, *_: half(picture, left=False))
BY_NAME = {each.name: each for each in EDITS}
LIGHT = tuple(each for each in EDITS if not each.against)  # those despite which a perceptual hash should find a picture
