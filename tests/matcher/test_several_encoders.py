"""Several encoders judge one image: it is opened once, and each is asked for its vectors and answers for itself."""

import dataclasses
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from detailed import cropped, detailed
from judging import PDQ, Changing, Counting, described, image, in_force, judge, matches, reference
from opening import shared
from PIL import Image as Pictures
from ready import Ready

from embedding.encoder import Encoded, EncoderError
from embedding.image import Image, Inline
from embedding.look import look
from embedding.picture import Needs
from embedding.probe import probe_picture
from matcher.demand import demand_of
from matcher.explain import explain, why
from matcher.search import Searcher
from reference_sets.in_force import SetsInForce, Snapshot, fits
from reference_sets.in_memory.constants import EXACT, IN_MEMORY, NO_VECTOR
from reference_sets.model import Reference, Verify
from reference_sets.store import Store

KNOWN = range(300, 304)


class Colours:
    """An encoder of 8 mean colours. Grey pictures are featureless; `fails_for` says which pictures make it raise."""

    name, dimension, fingerprint, backend, batch_size = "colours", 8, "colours:1", "float32", 8
    min_batch_size, needs = 1, Needs(pixels=True)

    def __init__(self, fails_for=lambda _: False):
        self.given, self.fails_for = [], fails_for

    def encode(self, prepared):
        self.given.append(len(prepared))
        pictures = [one.pixels for one in prepared]
        if any(self.fails_for(each) for each in pictures):
            raise ArithmeticError("a bug of the model")
        halves = [
            [*p[:, : p.shape[1] // 2].mean((0, 1)), *p[:, p.shape[1] // 2 :].mean((0, 1)), 1, 2] for p in pictures
        ]
        vectors = np.asarray(halves, np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Encoded(vectors, np.array([bool((p[..., 0] == p[..., 1]).all()) for p in pictures]))


class CountingDecoders:
    """The decoders, which count the files that they open and remember what was wanted."""

    def __init__(self):
        self.wanted = []

    def look_into(self, data, wanted):
        self.wanted.append(wanted)
        return shared().look_into(data, wanted)

    def close(self):
        """Nothing: the processes are shared by all tests."""


COLOURS = Colours()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A set of hashes, one of colours, and an exact list, of the same pictures."""
    with Store(str(tmp_path_factory.mktemp("several") / "sets.db")) as opened:
        pdq, colours = described("hashes", category="a"), described("colours", category="a")
        colours = replace(colours, encoder=COLOURS.fingerprint, dimension=8, probe=probe())
        exact = described("exact", category="b", index=IN_MEMORY)
        exact = replace(exact, encoder=EXACT, dimension=2, probe=NO_VECTOR)
        for known in (pdq, colours, exact):
            opened.create(known)
        looks = look([PDQ, COLOURS], [detailed(seed) for seed in KNOWN], demand_of([pdq, colours]).needs)
        opened.upsert("hashes", [reference(f"id-{number}", one.view) for number, one in enumerate(looks)])
        vectors = [tuple(one.view.vectors[COLOURS.fingerprint].tolist()) for one in looks]
        opened.upsert("colours", [Reference(f"id-{number}", "", each) for number, each in enumerate(vectors)])
        digests = [hashlib.new(kind, b"no picture").hexdigest() for kind in ("md5", "sha1")]
        opened.upsert("exact", [Reference(f"{each}-{0:016x}", each, NO_VECTOR, digest=each) for each in digests])
        yield opened


def without_colour(pixels):
    return np.asarray(Pictures.fromarray(pixels).convert("L").convert("RGB"))


def probe():
    return tuple(look([COLOURS], [detailed(1)], Needs())[0].view.vectors[COLOURS.fingerprint].tolist())


def sets(store, *names):
    return Changing(store, Snapshot(tuple(map(store.describe, names)), (4,) * len(names), {}))


def judged(store, encoders, images, *names, **others):
    if all(each.fingerprint != PDQ.fingerprint for each in encoders) and "hashes" in names:
        encoders = [PDQ, *encoders]
    return judge(store, sets(store, *names), Ready(*encoders), **others).judge(images)


def outcome(verdict):
    return verdict.decision, verdict.reason, [(each.set, each.compared, each.reason) for each in verdict.sets]


def test_a_file_is_opened_once_for_all_encoders_and_each_gives_its_own_vectors(store):
    decoders, pdq, colours = CountingDecoders(), Counting(), Colours()
    both = judged(store, [pdq, colours], [image(detailed(301))] * 3, "hashes", "colours", decoders=decoders)
    assert len(decoders.wanted) == 1  # exact duplicates are not opened either
    assert (decoders.wanted[0].needs.hash, decoders.wanted[0].needs.pixels) == (True, True)
    assert (pdq.given, colours.given) == ([1], [1])
    verdict = both.verdicts[0]
    assert [(each.name, each.looked) for each in verdict.encoders] == [("colours", True), ("pdq", True)]
    assert {(each.set, each.encoder) for each in verdict.sets} == {("hashes", "pdq"), ("colours", "colours")}
    assert {each.set: each.corroborated_by for each in verdict.matches} == {
        "hashes": ("colours",),
        "colours": ("hashes",),
    }


def test_only_the_encoders_that_the_sets_need_are_asked(store):
    colours = Colours()
    judged(store, [PDQ, colours], [image(detailed(301))], "hashes")
    assert colours.given == []


def test_a_picture_that_one_encoder_cannot_compare_is_judged_by_the_others_and_the_verdict_says_so(store):
    grey = without_colour(detailed(301))
    (copy,) = judged(store, [PDQ, COLOURS], [image(grey)], "hashes", "colours").verdicts
    assert outcome(copy) == ("block", None, [("hashes", True, None), ("colours", False, "featureless")])
    assert [(each.name, each.looked, each.reason) for each in copy.encoders] == [
        ("colours", False, "featureless"),
        ("pdq", True, None),
    ]


def test_an_image_is_allowed_if_one_set_of_each_group_was_compared_and_not_otherwise(store):
    grey = without_colour(detailed(999))
    one_group, alone = (
        judged(store, [PDQ, COLOURS], [image(grey)], *names).verdicts[0]
        for names in (["hashes", "colours"], ["colours"])
    )
    assert one_group.decision == "allow"
    assert (alone.decision, alone.reason) == ("unscannable", "featureless")
    apart = dataclasses.replace(store.describe("colours"), category="c")
    two = Changing(store, Snapshot((store.describe("hashes"), apart), (4, 4), {}))
    (verdict,) = judge(store, two, Ready(PDQ, COLOURS)).judge([image(grey)]).verdicts
    assert (verdict.decision, verdict.reason) == ("unscannable", "featureless")
    assert "colours" in verdict.detail


def test_a_picture_for_which_an_encoder_raises_costs_only_that_encoder_and_only_that_picture(store):
    odd = detailed(301)
    colours = Colours(fails_for=lambda pixels: pixels.shape[1] == odd.shape[1] // 2)
    crop = image(cropped(odd, 0.0, 0.0, 0.5, 1.0))
    images = [image(detailed(302)), crop, image(detailed(303)), image(detailed(999))]
    verdicts = judged(store, [PDQ, colours], images, "hashes", "colours").verdicts
    assert [[each.looked for each in one.encoders] for one in verdicts] == [
        [True, True],
        [False, True],
        *[[True, True]] * 2,
    ]
    failed = verdicts[1]
    assert outcome(failed)[2] == [("hashes", True, None), ("colours", False, "encoder_failed")]
    assert matches_by_set(verdicts[0]) == {"hashes", "colours"}


def matches_by_set(verdict):
    return {each.set for each in verdict.matches}


@pytest.mark.parametrize("number", [1, 3])
def test_pictures_with_which_the_only_encoder_fails_are_unscannable_and_not_allowed(store, number):
    colours = Colours(fails_for=lambda pixels: pixels.shape != probe_picture().shape)
    verdicts = judged(store, [colours], [image(detailed(999 + each)) for each in range(number)], "colours").verdicts
    assert [(one.decision, one.reason) for one in verdicts] == [("unscannable", "encoder_failed")] * number
    assert colours.given[-1] == 1  # the probe picture, which the encoder still knows: the pictures are odd


def test_a_verdict_is_explained_without_the_encoder_that_failed_for_the_picture(store):
    encoders = PDQ, Colours(fails_for=lambda pixels: pixels.shape != probe_picture().shape)
    (verdict,) = judged(store, encoders, [image(detailed(301))], "hashes", "colours").verdicts
    searcher = Searcher(store, top_k=5, shortlist=5, keep_bytes=0)
    said = explain(detailed(301), verdict, encoders=Ready(*encoders), searcher=searcher, store=store)
    first, second = map(why, said)
    assert first.startswith("block: the similarity ")
    assert second == "no match: the set's encoder failed for this picture, as the log says"


@pytest.mark.parametrize("number", [1, 3])
def test_an_encoder_that_fails_for_all_pictures_of_a_batch_ends_the_process(store, number):
    broken = Colours(fails_for=lambda _: True)
    with pytest.raises(EncoderError, match=r"the encoder colours fails for all pictures.*\[encoders.colours\]"):
        judged(store, [PDQ, broken], [image(detailed(400 + each)) for each in range(number)], "hashes", "colours")


def test_what_an_encoder_failed_for_is_not_kept_for_duplicates(store):
    colours = Colours(fails_for=lambda _: len(colours.given) <= 2)
    judging = judge(store, sets(store, "colours"), Ready(colours))
    copy = image(detailed(301))
    assert judging.judge([copy]).verdicts[0].reason == "encoder_failed"
    assert matches(judging.judge([copy])) == [("block", ["colours"])]


def test_a_set_of_another_encoder_that_comes_during_a_batch_is_judged_by_too(store):
    first = Snapshot((store.describe("hashes"),), (4,), {})
    both = Snapshot((store.describe("hashes"), store.describe("colours")), (4, 4), {})
    changing = Changing(store, first, both)
    (verdict,) = judge(store, changing, Ready(PDQ, COLOURS)).judge([image(detailed(301))]).verdicts
    assert [(each.set, each.compared) for each in verdict.sets] == [("hashes", True), ("colours", True)]


def test_a_set_whose_encoder_is_not_configured_is_skipped_later_and_refused_at_the_start(store):
    in_use = SetsInForce(store, ["hashes"], fits(Ready(PDQ)), 0)
    assert [known.name for known in in_use.read().sets] == ["hashes"]
    with pytest.raises(Exception, match=r"the set colours was made by another encoder: no table \[encoders.NAME\]"):
        in_force(store, "hashes", "colours").read()


def test_an_exact_list_finds_a_file_that_cannot_be_decoded_and_an_unknown_one_is_not_allowed(store):
    files = [Image("e", "i", Inline(data)) for data in (b"no picture", b"another")]
    known, unknown = judged(store, [PDQ], files, "hashes", "exact").verdicts
    assert (known.decision, known.decided_by, known.matches[0].decided_on) == ("block", "exact", "content")
    assert known.matches[0].reference.label == hashlib.md5(b"no picture", usedforsecurity=False).hexdigest()
    assert [(each.set, each.compared) for each in known.sets] == [("hashes", False), ("exact", True)]
    assert (unknown.decision, unknown.reason) == ("unscannable", "unknown_format")


def test_with_exact_lists_only_a_picture_is_opened_and_allowed_if_it_is_none_of_them(store):
    found, other = judged(store, [PDQ], [Image("e", "i", Inline(b"no picture")), image(detailed(5))], "exact").verdicts
    assert (found.decision, other.decision) == ("block", "allow")
    assert (other.views, other.image.format) == ((), "JPEG")
    assert [(each.name, each.looked) for each in other.encoders] == [("exact", True)]


def test_keypoints_are_found_only_if_a_set_checks(store):
    decoders = CountingDecoders()
    judged(store, [PDQ, COLOURS], [image(detailed(301))], "hashes", "colours", decoders=decoders)
    checks = dataclasses.replace(store.describe("hashes"), verify=Verify.SUPPORTS)
    judge(store, Changing(store, Snapshot((checks,), (4,), {})), decoders=decoders).judge([image(detailed(301))])
    assert [one.needs.keypoints for one in decoders.wanted] == [False, True]
