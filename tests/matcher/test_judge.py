"""From bytes to verdicts, with sets that need more of an image than its vector."""

import dataclasses

import numpy as np
import pytest
from detailed import cropped, detailed
from judging import Changing, image, in_force, judge, matches, snapshot

from embedding.image import File, Image, Url
from reference_sets.in_force import Snapshot
from reference_sets.model import Thresholds, Verify
from reference_sets.store import UnknownSet


@pytest.fixture(name="store")
def _store(judged_sets):
    return judged_sets


def test_the_check_finds_copies_that_the_hash_alone_does_not_find(store):
    images = [image(cropped(detailed(301), 0.0, 0.1, 0.7, 0.9)), image(detailed(302)[:, ::-1]), image(detailed(999))]
    judged = judge(store, in_force(store)).judge(images)
    assert matches(judged) == [("block", ["supported"]), ("block", ["supported"]), ("allow", [])]
    crop, mirrored = (verdict.matches[0] for verdict in judged.verdicts[:2])
    assert (crop.decided_on, crop.score, crop.check.mirrored) == ("check", crop.check.score, False)
    assert crop.similarity.score < crop.similarity.threshold  # the similarity was far below, the check gave the level
    assert (mirrored.reference.id, mirrored.check.mirrored) == ("id-2", True)
    assert judged.seconds["check"] > 0
    decode, search, check = (judged.when[stage] for stage in ("decode", "search", "check"))
    assert decode[0] <= search[0] <= check[0]
    assert all(first <= last for first, last in (decode, search, check))


def test_a_set_that_did_not_match_lists_its_best_candidates_so_that_near_misses_can_be_counted(store):
    copy, unrelated = judge(store, in_force(store)).judge([image(detailed(301)), image(detailed(999))]).verdicts
    assert [each.candidates[0].check is None for each in copy.sets] == [True, False]  # one set does not check
    assert [each.compared for each in (*copy.sets, *unrelated.sets)] == [True] * 4
    (best, *_), limits = unrelated.sets[1].candidates, unrelated.sets[1].rules.check
    assert 0 <= best.check < limits.review < copy.sets[1].candidates[0].check
    assert {one.label for one in unrelated.sets[0].candidates} <= {f"label of id-{number}" for number in range(4)}


def test_a_verdict_has_the_source_of_its_image_even_if_that_was_refused(store):
    judging = judge(store, in_force(store, "alone"))
    refused = [Image("e", "i", Url("https://me:secret@evil.example/a")), Image("e", "i", File("/etc/passwd" * 900))]
    good, url, path, nothing = judging.judge([image(detailed(301)), *refused, Image("e", "i", None)]).verdicts
    assert good.source.model_dump() == {"kind": "record", "address": None, "fetched": True}
    assert url.source.model_dump() == {"kind": "url", "address": "https://***@evil.example/a", "fetched": False}
    assert (path.source.kind, len(path.source.address), path.source.fetched) == ("path", 4096, False)
    assert (nothing.source, nothing.reason) == (None, "malformed_event")
    assert [each.compared for each in (*url.sets, *path.sets)] == [False, False]
    assert {each.reason for each in (*url.sets, *url.encoders)} == {"source_not_allowed"}


def test_an_image_without_enough_corners_is_not_allowed_if_a_harmful_set_needs_them(store):
    bare = dataclasses.replace(store.describe("supported"), verify=Verify.REQUIRED, group="other")
    sets = Changing(store, Snapshot((store.describe("alone"), bare), (4, 4), {}))
    wave = (np.sin(np.arange(512) / 20) + 1) * 127  # soft stripes: gradients for PDQ, and no corner
    stripes = np.broadcast_to(wave[None, :, None], (512, 512, 3)).astype(np.uint8)
    (verdict,) = judge(store, sets).judge([image(stripes)]).verdicts
    assert [each.compared for each in verdict.sets] == [True, False]
    assert (verdict.decision, verdict.reason) == ("unscannable", "featureless")
    assert "supported could not be compared" in verdict.detail


def test_a_set_that_starts_to_check_during_a_batch_is_not_matched_without_the_check(store):
    judged = judge(store, Changing(store)).judge([image(cropped(detailed(301), 0.0, 0.1, 0.7, 0.9))])
    assert matches(judged) == [("block", ["supported"])]
    assert judged.verdicts[0].matches[0].decided_on == "check"


def test_sets_that_changed_during_the_search_are_searched_again_and_named_with_their_new_version(store):
    before = snapshot(store, "alone")
    raised = dataclasses.replace(before.sets[0], thresholds=Thresholds(0.99999, 1.0), version=9)
    sets = Changing(store, before, before, Snapshot((raised,), (4,), {}))
    (verdict,) = judge(store, sets).judge([image(cropped(detailed(301), 0.01, 0.01, 0.99, 0.99))]).verdicts
    assert [each.version for each in verdict.sets] == [9]
    assert verdict.decision == "allow"


class Dropping:
    """The store, in which a set is dropped before one of the calls that read it."""

    def __init__(self, store, name, call):
        self._store, self._name, self._call = store, name, call

    def __getattr__(self, call):
        def dropped(name, *arguments, **options):
            if (name, call) == (self._name, self._call):
                raise UnknownSet(name, "here")
            return getattr(self._store, call)(name, *arguments, **options)

        return dropped


@pytest.mark.parametrize("call", ["search", "features"])
def test_a_set_that_is_dropped_while_it_is_read_is_not_in_the_verdict_and_the_others_are_searched(store, call):
    before = [snapshot(store, "alone", "supported")] * (2 if call == "search" else 3)
    sets = Changing(store, *before, snapshot(store, "alone"))
    judged = judge(store, sets, searched=Dropping(store, "supported", call)).judge([image(detailed(301))])
    assert sets.fresh == 1  # the snapshot that contains it is not read again
    assert [each.set for each in judged.verdicts[0].sets] == ["alone"]
    assert matches(judged) == [("block", ["alone"])]
