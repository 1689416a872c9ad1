"""The straight line from bytes to verdicts, with sets that want more of an image than its vector."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from detailed import cropped, detailed
from drawn import encoded
from PIL import Image as Pictures

from embedding.choose import choose
from embedding.fetch.fetcher import Fetcher, FetchRules
from embedding.image import Inline
from embedding.look import look
from embedding.probe import probe_vector
from matcher.embed import Embedder
from matcher.judge import Image, Judge
from matcher.search import Examiner
from matcher.workers import Workers
from reference_sets.in_force import Look, Watch
from reference_sets.model import Kind, Mirrored, ReferenceSet, Thresholds, Verify
from reference_sets.parts import needs, reference
from reference_sets.store import Store

PDQ = choose("pdq")
RULES = FetchRules(max_bytes=10_000_000, roots=(), hosts=(), allow_http=False, timeout_s=1.0)


def described(name, **wishes):
    probe = tuple(probe_vector(PDQ).tolist())
    limits = Thresholds(0.7578125, 0.84375)
    return ReferenceSet(name, Kind.HARMFUL, "test", 50, limits, PDQ.fingerprint, PDQ.dimension, 1, probe, **wishes)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One set where PDQ decides alone, and one where the check may raise its level and images are mirrored too."""
    with Store(str(tmp_path_factory.mktemp("judge") / "sets.db")) as opened:
        for known in (
            described("alone"),
            described("supported", verify=Verify.SUPPORTS, mirrored=Mirrored.QUERIED),
        ):
            opened.create(known)
            looks = look(PDQ, [detailed(seed) for seed in range(300, 304)], needs(known))
            references = [reference(one, f"id-{n}", "") for n, one in enumerate(looks)]
            opened.upsert(known.name, references)
        yield opened


def judge(store, watch, encoder=PDQ, recent_bytes=1 << 20, **others):
    examiner = Examiner(store, top_k=5, shortlist=20, keep_bytes=1 << 24)
    bring, reduce = others.get("fetcher", Fetcher(RULES)), others.get("reduce", True)
    embedder = Embedder(encoder, bring, max_pixels=10_000_000, reduce=reduce, recent_bytes=recent_bytes)
    return Judge(embedder=embedder, examiner=examiner, watch=watch, workers=Workers(2))


def image(pixels):
    return Image("event", "image", Inline(encoded(Pictures.fromarray(np.ascontiguousarray(pixels)), quality=80)))


class Counting:
    """PDQ, which counts how many pictures it is given at a time."""

    name, dimension, fingerprint, how, least_side = PDQ.name, PDQ.dimension, PDQ.fingerprint, PDQ.how, None
    together = 8

    def __init__(self, least_together=1):
        self.least_together = least_together
        self.given = []

    def encode(self, pictures, sizes=None):
        self.given.append(len(pictures))
        return PDQ.encode(pictures, sizes)


def without_time(judged):
    return [each.model_dump(exclude={"timings", "judged_at"}) for each in judged.verdicts]


def matches(judged):
    return [(each.decision, [match.set for match in each.matches]) for each in judged.verdicts]


def test_the_check_finds_what_the_hash_alone_does_not(store):
    images = [image(cropped(detailed(301), 0.0, 0.1, 0.7, 0.9)), image(detailed(302)[:, ::-1]), image(detailed(999))]
    watch = Watch(store, [], PDQ.fingerprint, 60)
    judged = judge(store, watch).judge(images)
    assert matches(judged) == [("block", ["supported"]), ("block", ["supported"]), ("allow", [])]
    crop, mirrored = (verdict.matches[0] for verdict in judged.verdicts[:2])
    assert (crop.verified, crop.evidence.mirrored) == (True, False)
    assert crop.margin < 0 < crop.evidence.margin  # similarity was far from it, the check gave the level
    assert (mirrored.nearest.id, mirrored.evidence.mirrored) == ("id-2", True)
    assert judged.seconds["verify"] > 0


def test_a_set_that_did_not_match_has_the_checks_score_too_so_that_near_misses_can_be_counted(store):
    watch = Watch(store, [], PDQ.fingerprint, 60)
    copy, stranger = judge(store, watch).judge([image(detailed(301)), image(detailed(999))]).verdicts
    assert [one.check_score is None for one in copy.sets] == [True, False]  # one set does not check
    assert 0 <= stranger.sets[1].check_score < stranger.sets[1].check_review < copy.sets[1].check_score


class Changing:
    """The sets as a judge sees them, with a set that begins to check after the images were encoded."""

    def __init__(self, store):
        alone, supported = store.describe("alone"), store.describe("supported")
        self.looks = [Look((alone,), (4,)), *[Look((alone, supported), (4, 4))] * 10]

    def look(self, *, fresh=False):  # noqa: ARG002 (the signature of a watch)
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


def test_a_set_that_begins_to_check_while_a_batch_is_under_way_is_not_matched_without_it(store):
    judged = judge(store, Changing(store)).judge([image(cropped(detailed(301), 0.0, 0.1, 0.7, 0.9))])
    assert matches(judged) == [("block", ["supported"])]
    assert judged.verdicts[0].matches[0].verified is True


@pytest.mark.parametrize(("least", "two"), [(1, [1, 1]), (2, [2])])
def test_a_batch_is_embedded_in_equal_parts_as_the_encoder_wants_them_and_as_many_for_each_worker(store, least, two):
    watch, encoder = Watch(store, ["alone"], PDQ.fingerprint, 60), Counting(least)
    seen = {}
    for number in (1, 2, 3, 9, 16, 17):
        encoder.given.clear()
        judged = judge(store, watch, encoder).judge([image(detailed(400 + each)) for each in range(number)])
        assert len(judged.verdicts) == number
        seen[number] = sorted(encoder.given)
    assert seen == {1: [1], 2: two, 3: [1, 2], 9: [4, 5], 16: [8, 8], 17: [2, 5, 5, 5]}


def test_an_exact_duplicate_is_embedded_once_and_has_a_verdict_of_its_own(store):
    watch, encoder = Watch(store, ["supported"], PDQ.fingerprint, 60), Counting()
    copy, other = image(cropped(detailed(301), 0.0, 0.1, 0.7, 0.9)), image(detailed(999))
    judging = judge(store, watch, encoder)
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


def test_a_duplicate_is_judged_by_the_sets_of_now(store):
    watch, encoder = Changing(store), Counting()
    watch.looks = [Look((store.describe("alone"),), (4,))]
    judging, copy = judge(store, watch, encoder), image(detailed(301))
    assert matches(judging.judge([copy])) == [("block", ["alone"])]
    known = store.describe("alone")
    raised = dataclasses.replace(known, thresholds=Thresholds(0.99999, 1.0), version=9)
    watch.looks = [Look((raised,), (4,))]
    judged = judging.judge([copy])
    assert (matches(judged), judged.duplicates) == ([("allow", [])], 1)


def test_without_memory_for_it_a_duplicate_of_an_earlier_batch_is_embedded_again(store):
    watch, encoder = Watch(store, ["alone"], PDQ.fingerprint, 60), Counting()
    judging = judge(store, watch, encoder, recent_bytes=0)
    assert [judging.judge([image(detailed(301))]).duplicates for _ in range(2)] == [0, 0]
    assert encoder.given == [1, 1]


def test_what_the_encoder_raises_ends_the_batch_and_is_not_remembered_of_the_picture(store):
    class Failing(Counting):
        def encode(self, pictures, sizes=None):
            if not self.given:
                self.given.append(len(pictures))
                raise ArithmeticError("once")
            return super().encode(pictures, sizes)

    judging = judge(store, Watch(store, ["alone"], PDQ.fingerprint, 60), Failing())
    with pytest.raises(ArithmeticError):
        judging.judge([image(detailed(301))])
    assert matches(judging.judge([image(detailed(301))])) == [("block", ["alone"])]


class Reducible(Counting):
    """PDQ that says it could do with a shorter side of 64, and keeps what it is given."""

    least_side = 64

    def encode(self, pictures, sizes=None):
        self.given += [(each.shape[:2], size) for each, size in zip(pictures, sizes, strict=True)]
        return PDQ.encode(pictures)


@pytest.mark.parametrize(
    ("sets", "reduce", "eighths"), [(["alone"], True, 2), (["alone"], False, 8), (["supported"], True, 8)]
)
def test_jpegs_are_reduced_for_the_encoder_alone_and_where_that_is_wished(store, sets, reduce, eighths):
    encoder, pixels = Reducible(), np.ascontiguousarray(detailed(401)[:320, :320])
    judging = judge(store, Watch(store, sets, PDQ.fingerprint, 60), encoder, reduce=reduce)
    (verdict,) = judging.judge([image(pixels)]).verdicts
    assert set(encoder.given) == {((40 * eighths, 40 * eighths), (320, 320))}
    assert (verdict.image.width, verdict.image.height) == (320, 320)


def test_a_fetch_that_fails_for_a_bug_leaves_nobody_waiting_for_what_was_claimed(store):
    class Failing(Fetcher):
        def fetch(self, source):
            if source.data == b"bug":
                raise ArithmeticError("a bug")
            return super().fetch(source)

    judging = judge(store, Watch(store, ["alone"], PDQ.fingerprint, 60), fetcher=Failing(RULES))
    with pytest.raises(ArithmeticError):
        judging.judge([image(detailed(301)), Image("event", "image", Inline(b"bug"))])
    with ThreadPoolExecutor(1) as again:
        assert matches(again.submit(judging.judge, [image(detailed(301))]).result(60)) == [("block", ["alone"])]


def test_a_small_batch_should_be_begun_when_no_worker_has_anything_to_do(store):
    class Asking(Counting):
        def encode(self, pictures, sizes=None):
            self.given.append(judging.idle())
            return PDQ.encode(pictures, sizes)

    encoder = Asking()
    judging = judge(store, Watch(store, ["alone"], PDQ.fingerprint, 60), encoder)
    assert judging.idle()
    judging.judge([image(detailed(301))])
    assert encoder.given == [False]
    assert judging.idle()


def test_memory_of_pictures_goes_back_to_the_system_every_so_many_images(store, monkeypatch):
    given_back = []
    monkeypatch.setattr("matcher.embed.GIVE_BACK_AFTER", 6)
    monkeypatch.setattr("matcher.embed.give_back", lambda: given_back.append(sum(encoder.given)))
    encoder = Counting()
    judging = judge(store, Watch(store, ["alone"], PDQ.fingerprint, 60), encoder)
    for number in range(7):  # a part of two each
        judging.judge([image(detailed(310 + number)), image(detailed(330 + number))])
    assert given_back == [6, 12]
