"""A judge with PDQ on real sets, for the tests of its parts."""

import numpy as np
from drawn import encoded
from PIL import Image as Pictures

from embedding.choose import choose
from embedding.fetch.fetcher import Fetcher, FetchRules
from embedding.image import Image, Inline
from embedding.local.features import pack
from embedding.probe import probe_vector
from matcher.embed import Embedder
from matcher.judge import Judge
from matcher.search import Searcher
from matcher.workers import Workers
from reference_sets.in_force import SetsInForce, Snapshot, fits
from reference_sets.model import Kind, Reference, ReferenceSet, Thresholds

PDQ = choose("pdq")
RULES = FetchRules(max_bytes=10_000_000, roots=(), hosts=(), allow_http=False, timeout_s=1.0)


def described(name, **wishes):
    probe = tuple(probe_vector(PDQ).tolist())
    limits = Thresholds(0.7578125, 0.84375)
    return ReferenceSet(name, Kind.HARMFUL, "test", 50, limits, PDQ.fingerprint, PDQ.dimension, 1, probe, **wishes)


def reference(name, view):
    features = pack(view.keypoints) if view.keypoints else b""
    return Reference(name, f"label of {name}", tuple(view.vector.tolist()), features)


def in_force(store, *use):
    return SetsInForce(store, use, fits(PDQ), 60)


def judge(store, sets, encoder=PDQ, recent_bytes=1 << 20, **others):
    searcher = Searcher(others.get("searched", store), top_k=5, shortlist=20, keep_bytes=1 << 24)
    bring, reduce = others.get("fetcher", Fetcher(RULES)), others.get("reduce", True)
    embedder = Embedder(encoder, bring, max_pixels=10_000_000, reduce=reduce, recent_bytes=recent_bytes)
    return Judge(embedder=embedder, searcher=searcher, sets=sets, workers=Workers(2))


def image(pixels):
    return Image("event", "image", Inline(encoded(Pictures.fromarray(np.ascontiguousarray(pixels)), quality=80)))


class Counting:
    """PDQ, which counts how many pictures it is given at a time."""

    name, dimension, fingerprint, backend, least_side = PDQ.name, PDQ.dimension, PDQ.fingerprint, PDQ.backend, None
    batch_size = 8

    def __init__(self, min_batch_size=1):
        self.min_batch_size = min_batch_size
        self.given = []

    def encode(self, pictures, sizes=None):
        self.given.append(len(pictures))
        return PDQ.encode(pictures, sizes)


def without_time(judged):
    return [each.model_dump(exclude={"timings", "judged_at"}) for each in judged.verdicts]


def matches(judged):
    return [(each.decision, [match.set for match in each.matches]) for each in judged.verdicts]


def snapshot(store, *names):
    return Snapshot(tuple(map(store.describe, names)), (4,) * len(names), {})


class Changing:
    """The sets in force, another snapshot at each reading; the last one stays."""

    def __init__(self, store, *snapshots):
        self.snapshots = list(snapshots) or [snapshot(store, "alone"), snapshot(store, "alone", "supported")]
        self.fresh = 0

    def read(self, *, fresh=False):
        self.fresh += fresh
        return self.snapshots.pop(0) if len(self.snapshots) > 1 else self.snapshots[0]
