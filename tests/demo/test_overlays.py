"""Where the report draws a known picture that is a part of another one, or on a screen seen at an angle."""

import cv2
import numpy as np
import pytest

from demo.edits import BY_NAME, OTHERS
from demo.pictures import Role, load, of
from embedding.local.keypoints import detect
from matcher.explain import StoredKeypoints, overlay_of

SEED = 3


@pytest.mark.parametrize(
    ("edit", "least", "most"), [("in a picture", 0.2, 0.3), ("photo of a screen", 0.4, 0.95), ("collage", 0.1, 0.25)]
)
@pytest.mark.parametrize("sample", of(Role.KNOWN)[:2], ids=lambda sample: sample.label)
def test_the_region_covers_about_the_share_that_the_known_picture_has(sample, edit, least, most):
    known, others = load(sample), [load(each) for each in of(Role.INNOCENT)[:OTHERS]]
    edited = np.array(BY_NAME[edit].apply(known, SEED, *others))
    overlay = overlay_of(edited, StoredKeypoints(detect(np.array(known)), None), mirror=False)
    assert overlay is not None
    assert len(overlay.region) == 4
    assert least < cv2.contourArea(np.array(overlay.region, np.float32)) < most
