"""The edits that the demo makes: the everyday ones of the harness."""

from demo.pictures import half
from harness.edits import EVERYDAY, Edit

EDITS = EVERYDAY
OTHER_HALF = Edit("the other half", lambda picture, _rng, *_: half(picture, left=False))
BY_NAME = {each.name: each for each in EDITS}
LIGHT = tuple(each for each in EDITS if not each.against)  # those despite which a perceptual hash should find a picture
