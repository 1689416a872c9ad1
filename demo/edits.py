"""The edits that the demo makes: the everyday ones of the harness."""

from harness.edits import EVERYDAY

EDITS = EVERYDAY
BY_NAME = {each.name: each for each in EDITS}
LIGHT = tuple(each for each in EDITS if not each.against)  # those despite which a perceptual hash should find a picture
