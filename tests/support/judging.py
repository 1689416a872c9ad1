"""A judge with PDQ on real sets, for the tests of its parts."""

import numpy as np
from drawn import encoded
from opening import shared
from PIL import Image as Pictures
from ready import Ready

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
    kind, category = wishes.pop("kind", Kind.HARMFUL), wishes.pop("category", "test")
    return ReferenceSet(name, kind, category, 50, limits, PDQ.fingerprint, PDQ.dimension, 1, probe, **wishes)


def reference(name, view):
    features = pack(view.keypoints) if view.keypoints else b""
    return Reference(name, f"label of {name}", tuple(view.vectors[PDQ.fingerprint].tolist()), features)


def in_force(store, *use):
    return SetsInForce(store, use, fits(Ready(PDQ)), 60)


def judge(store, sets, encoder=PDQ, recent_bytes=1 << 20, **others):
    searcher = Searcher(others.get("searched", store), top_k=5, shortlist=20, keep_bytes=1 << 24)
    embedder = Embedder(
        encoder if isinstance(encoder, Ready) else Ready(encoder),
        others.get("fetcher", Fetcher(RULES)),
        others.get("decoders", shared()),
        max_pixels=10_000_000,
        max_views=others.get("max_views", 12),
        reduce=others.get("reduce", True),
        recent_bytes=recent_bytes,
    )
    unseen = others.get("unseen", "allow")
    return Judge(embedder=embedder, searcher=searcher, sets=sets, workers=Workers(2), unseen=unseen)


def image(pixels):
    return Image("event", "image", Inline(encoded(Pictures.fromarray(np.ascontiguousarray(pixels)), quality=80)))


class Counting:
    """PDQ, which counts how many pictures it is given at a time."""

    name, dimension, fingerprint, backend, needs = PDQ.name, PDQ.dimension, PDQ.fingerprint, PDQ.backend, PDQ.needs
    batch_size = 8

    def __init__(self, min_batch_size=1):
        self.min_batch_size = min_batch_size
        self.given = []

    def encode(self, prepared):
        self.given.append(len(prepared))
        return PDQ.encode(prepared)


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
