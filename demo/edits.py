"""The edits that the demo shows: the everyday ones of the catalogue."""

from harness.edits import EVERYDAY

EDITS = EVERYDAY
BY_NAME = {each.name: each for each in EDITS}
LIGHT = tuple(each for each in EDITS if not each.against)  # those that a perceptual hash should follow
