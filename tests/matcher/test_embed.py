"""How a batch is embedded: in which parts, duplicates once, JPEGs reduced where allowed."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from detailed import cropped, detailed
from drawn import encoded
from judging import PDQ, RULES, Changing, Counting, image, in_force, judge, matches, snapshot, without_time
from PIL import Image as Pictures

from embedding.fetch.fetcher import Fetcher
from embedding.image import Image, Inline
from embedding.look import encode_pictures
from embedding.picture import Needs
from matcher.embed import Clock
from reference_sets.in_force import Snapshot
from reference_sets.model import Thresholds


@pytest.fixture(name="store")
def _store(judged_sets):
    return judged_sets


@pytest.mark.parametrize(("least", "two"), [(1, [1, 1]), (2, [2])])
def test_a_batch_is_embedded_in_equal_parts_of_sizes_that_suit_the_encoder_the_same_number_per_worker(
    store, least, two
):
    sets, encoder = in_force(store, "alone"), Counting(least)
    given = {}
    for number in (1, 2, 3, 9, 16, 17):
        encoder.given.clear()
        judged = judge(store, sets, encoder).judge([image(detailed(400 + each)) for each in range(number)])
        assert len(judged.verdicts) == number
        given[number] = sorted(encoder.given)
    assert given == {1: [1], 2: two, 3: [1, 2], 9: [4, 5], 16: [8, 8], 17: [2, 5, 5, 5]}


def test_an_exact_duplicate_is_embedded_once_and_gets_its_own_verdict(store):
    sets, encoder = in_force(store, "supported"), Counting()
    copy, other = image(cropped(detailed(301), 0.0, 0.1, 0.7, 0.9)), image(detailed(999))
    judging = judge(store, sets, encoder)
    first = judging.judge([copy, other, copy, copy])
    assert sum(encoder.given) == 4  # two pictures, each with its mirror image
    assert first.duplicates == 2
    assert matches(first) == [
        ("block", ["supported"]),
        ("allow", []),
        ("block", ["supported"]),
        ("block", ["supported"]),
    ]
    encoder.given.clear()
    again = judging.judge([other, copy])
    assert (encoder.given, again.duplicates) == ([], 2)
    assert without_time(again) == [without_time(first)[1], without_time(first)[0]]


def test_two_files_that_differ_only_in_their_last_byte_are_not_duplicates(store):
    sets, encoder = in_force(store, "alone"), Counting()
    data = encoded(Pictures.fromarray(detailed(301)), quality=80)
    files = [Image("event", "image", Inline(data + bytes([end]))) for end in (0, 1)]
    judged = judge(store, sets, encoder).judge(files)
    assert (sum(encoder.given), judged.duplicates) == (2, 0)
    assert len({verdict.image.sha256 for verdict in judged.verdicts}) == 2


def test_a_duplicate_is_judged_by_the_current_sets(store):
    sets, encoder = Changing(store, snapshot(store, "alone")), Counting()
    judging, copy = judge(store, sets, encoder), image(detailed(301))
    assert matches(judging.judge([copy])) == [("block", ["alone"])]
    known = store.describe("alone")
    raised = dataclasses.replace(known, thresholds=Thresholds(0.99999, 1.0), version=9)
    sets.snapshots = [Snapshot((raised,), (4,), {})]
    judged = judging.judge([copy])
    assert (matches(judged), judged.duplicates) == ([("allow", [])], 1)


def test_without_memory_for_duplicates_one_from_an_earlier_batch_is_embedded_again(store):
    sets, encoder = in_force(store, "alone"), Counting()
    judging = judge(store, sets, encoder, recent_bytes=0)
    assert [judging.judge([image(detailed(301))]).duplicates for _ in range(2)] == [0, 0]
    assert encoder.given == [1, 1]


def test_a_picture_with_which_the_encoder_fails_once_is_encoded_again_alone(store):
    class Failing(Counting):
        def encode(self, prepared):
            if not self.given:
                self.given.append(len(prepared))
                raise ArithmeticError("once")
            return super().encode(prepared)

    judging = judge(store, in_force(store, "alone"), Failing())
    assert matches(judging.judge([image(detailed(301)), image(detailed(302))])) == [("block", ["alone"])] * 2


class Reducible(Counting):
    """PDQ that asks for pixels of a shorter side of 64 instead of a hash, and records the sizes that it is given."""

    needs = Needs(pixels=True, least_side=64)

    def encode(self, prepared):
        self.given += [(one.pixels.shape[:2], one.size) for one in prepared]
        return encode_pictures(PDQ, [one.pixels for one in prepared])


@pytest.mark.parametrize(
    ("sets", "reduce", "side"), [(["alone"], True, 80), (["alone"], False, 319), (["supported"], True, 319)]
)
def test_jpegs_are_reduced_only_if_no_set_checks_and_the_setting_is_on(store, sets, reduce, side):
    """The side is odd: otherwise the pixels that are passed on are reduced by a whole factor anyway."""
    encoder, pixels = Reducible(), np.ascontiguousarray(detailed(401)[:319, :319])
    judging = judge(store, in_force(store, *sets), encoder, reduce=reduce)
    (verdict,) = judging.judge([image(pixels)]).verdicts
    assert set(encoder.given) == {((side, side), (319, 319))}
    assert (verdict.image.width, verdict.image.height) == (319, 319)


def test_a_bug_in_a_fetch_leaves_no_caller_waiting_for_claimed_results(store):
    class Failing(Fetcher):
        def fetch(self, source):
            if source.data == b"bug":
                raise ArithmeticError("a bug")
            return super().fetch(source)

    judging = judge(store, in_force(store, "alone"), fetcher=Failing(RULES))
    with pytest.raises(ArithmeticError):
        judging.judge([image(detailed(301)), Image("event", "image", Inline(b"bug"))])
    with ThreadPoolExecutor(1) as again:
        assert matches(again.submit(judging.judge, [image(detailed(301))]).result(60)) == [("block", ["alone"])]


def test_the_judge_is_idle_when_no_worker_has_anything_to_do(store):
    class Asking(Counting):
        def encode(self, prepared):
            self.given.append(judging.idle())
            return PDQ.encode(prepared)

    encoder = Asking()
    judging = judge(store, in_force(store, "alone"), encoder)
    assert judging.idle()
    judging.judge([image(detailed(301))])
    assert encoder.given == [False]
    assert judging.idle()


def test_free_memory_is_returned_to_the_system_every_few_images(store, monkeypatch):
    released = []
    monkeypatch.setattr("matcher.embed.RELEASE_AFTER", 6)
    monkeypatch.setattr("matcher.embed.release_free_memory", lambda: released.append(sum(encoder.given)))
    encoder = Counting()
    judging = judge(store, in_force(store, "alone"), encoder)
    for number in range(7):  # a part of two each
        judging.judge([image(detailed(310 + number)), image(detailed(330 + number))])
    assert released == [6, 12]


def test_a_stage_lasts_from_the_beginning_of_its_first_part_to_the_end_of_its_last():
    clock = Clock()
    with clock("decode"):
        with clock("decode"):
            pass
        inner = clock.when["decode"]
    first, last = clock.when["decode"]
    assert first <= inner[0] <= inner[1] <= last
    with clock("decode"):
        pass
    assert clock.when["decode"][0] == first
    assert clock.when["decode"][1] >= last
    assert "search" not in clock.when
