"""What was made of images of late: kept within a bound, made once, and never waited for in vain."""

import numpy as np
import pytest

from embedding.source import Reason, Unreadable
from matcher.examine import Needs, View
from matcher.recent import Embedded, Recent
from matcher.verdict import ImageFacts

NEEDS = Needs(keypoints=False, mirror=False)
FACTS = ImageFacts(sha256="0" * 64, bytes=1, format="PNG", width=1, height=1, frames=1)


def embedded(number=0, size=16):
    return Embedded(FACTS, None, View(np.full(size, number, np.float32)))


def key(number, needs=NEEDS):
    return f"{number:064x}", needs


def make(recent, number, made=None):
    future, ours = recent.claim(key(number))
    if ours:
        recent.settle(key(number), made or embedded(number))
    return future.result(0), ours


def test_what_was_made_is_had_again_and_not_made_again():
    recent = Recent(1 << 20)
    made, ours = make(recent, 1)
    assert ours
    again, ours = make(recent, 1)
    assert (again, ours) == (made, False)


def test_what_is_being_made_is_made_by_one_alone_and_all_have_it():
    recent = Recent(1 << 20)
    first, ours = recent.claim(key(1))
    second, also_ours = recent.claim(key(1))
    assert (ours, also_ours) == (True, False)
    assert not second.done()
    recent.settle(key(1), made := embedded())
    assert first.result(0) is second.result(0) is made


def test_what_was_made_for_fewer_needs_is_not_enough_for_more():
    recent = Recent(1 << 20)
    make(recent, 1)
    _, ours = recent.claim(key(1, Needs(keypoints=True, mirror=False)))
    assert ours


def test_the_memory_is_bounded_and_what_was_used_last_is_kept():
    recent = Recent(10 * embedded().bytes)
    for number in range(10):
        make(recent, number)
    make(recent, 0)
    for number in range(10, 19):
        make(recent, number)
    assert not make(recent, 0)[1]
    assert make(recent, 1)[1]
    assert sum(each.result().bytes for each in recent._kept.values()) == recent._bytes <= 10 * embedded().bytes


@pytest.mark.parametrize("bound", [0, 100])
def test_what_is_larger_than_the_bound_is_handed_out_and_not_kept(bound):
    recent = Recent(bound)
    assert make(recent, 1)[1]
    assert make(recent, 1)[1]
    assert recent._bytes == 0


def test_a_file_that_could_not_be_decoded_is_tried_again():
    recent = Recent(1 << 20)
    damaged = Embedded(None, Unreadable(Reason.CORRUPT, "memory was short"))
    assert make(recent, 1, damaged) == (damaged, True)
    assert make(recent, 1)[1]


def test_who_waits_for_what_will_not_be_made_is_told_why():
    recent = Recent(1 << 20)
    recent.claim(key(1))
    recent.claim(key(2))
    waiting, _ = recent.claim(key(1))
    settled, _ = recent.claim(key(2))
    recent.settle(key(2), embedded())
    recent.forsake([key(1), key(2)], ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        waiting.result(0)
    assert settled.result(0).facts == FACTS
    assert recent.claim(key(1))[1]
