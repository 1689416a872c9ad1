"""A reference that several views show in one place has one appearance: the best view says in what it differs."""

from dataclasses import replace

import numpy as np
import pytest
from deciding import checked

from embedding.look import Look, View
from matcher.views import with_differences

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
RIGHT = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
WORDS = ((0.1, 0.2, 0.4, 0.3),)


def looks(*places):
    view = View({"pdq:0": np.zeros(2, np.float32)})
    return [Look(view, None, frame, reading=reading) for frame, reading in places]


def seen(in_window, whole, places=((0, "plain"), (0, "plain"))):
    """What a window says in which nothing differs, beside another view."""
    found = with_differences([whole, in_window._replace(view=1)], looks(*places))
    return found[1].evidence.differs


def test_a_window_in_which_nothing_differs_has_the_differences_of_the_whole():
    assert seen(checked(0.9, 0.7, region=LEFT), checked(0.9, 0.8, region=LEFT, differs=WORDS)) == WORDS


@pytest.mark.parametrize(
    ("in_window", "whole"),
    [
        (checked(0.9, 0.8, region=LEFT), checked(0.9, 0.7, region=LEFT, differs=WORDS)),
        (checked(0.9, 0.7, region=RIGHT), checked(0.9, 0.8, region=LEFT, differs=WORDS)),
        (checked(0.9, 0.7, "other", region=LEFT), checked(0.9, 0.8, region=LEFT, differs=WORDS)),
    ],
    ids=["the window is better", "elsewhere", "another reference"],
)
def test_otherwise_it_speaks_for_itself(in_window, whole):
    assert seen(in_window, whole) == ()


@pytest.mark.parametrize(("box", "differs"), [((0.0, 0.28, 0.5, 1.0), WORDS), ((0.0, 0.1, 0.5, 1.0), ())])
def test_a_better_window_has_the_differences_that_it_cuts_off(box, differs):
    whole, window = looks((0, "plain"), (0, "plain"))
    candidates = [checked(0.9, 0.7, region=LEFT, differs=WORDS), checked(0.9, 0.8, region=LEFT, view=1)]
    found = with_differences(candidates, [whole, replace(window, box=box)])
    assert found[1].evidence.differs == differs


@pytest.mark.parametrize("other", [(1, "plain"), (0, "on_black")])
def test_another_frame_or_reading_says_nothing(other):
    in_window, whole = checked(0.9, 0.7, region=LEFT), checked(0.9, 0.8, region=LEFT, differs=WORDS)
    assert seen(in_window, whole, ((0, "plain"), other)) == ()
