"""The straight line from bytes to verdicts, with sets that want more of an image than its vector."""

import numpy as np
import pytest
from detailed import cropped, detailed
from drawn import encoded
from PIL import Image as Pictures

from embedding.choose import choose
from embedding.fetch import Fetcher, FetchRules
from embedding.probe import probe_vector
from embedding.source import Inline
from matcher.examine import Examiner
from matcher.judge import Image, Judge
from reference_sets.look import Look, Watch
from reference_sets.model import Kind, Mirrored, Reference, ReferenceSet, Thresholds, Verify
from reference_sets.sight import see
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
            sights = see(PDQ, known, [detailed(seed) for seed in range(300, 304)])
            references = [Reference(f"id-{n}", "", one.own.vector, one.own.features) for n, one in enumerate(sights)]
            opened.upsert(known.name, references)
        yield opened


def judge(store, watch):
    examiner = Examiner(store, top_k=5, shortlist=20, keep_bytes=1 << 24)
    return Judge(encoder=PDQ, examiner=examiner, watch=watch, fetcher=Fetcher(RULES), max_pixels=10_000_000)


def image(pixels):
    return Image("event", "image", Inline(encoded(Pictures.fromarray(np.ascontiguousarray(pixels)), quality=80)))


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
