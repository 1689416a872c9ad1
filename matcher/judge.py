"""The straight line for one batch: images in, verdicts out, one for each, in their order."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedding.decode import Picture, decode
from embedding.encoder import Encoder
from embedding.fetch import Fetcher
from embedding.source import Reason, Unreadable
from matcher.compose import Case, Image, compose
from matcher.verdict import ImageFacts, Timings, Verdict
from reference_sets.look import Look, Watch
from reference_sets.model import Neighbour
from reference_sets.store import Store, UnknownSet

__all__ = ["Image", "Judge", "Judged"]

# Pictures are decoded and encoded a few at a time, so that memory is bounded by pixels and not by the batch: 32 million
# pixels are 96 MB of RGB. Eight pictures are where the throughput of small models levels off on one core.
GROUP_PICTURES = 8
GROUP_PIXELS = 32_000_000

STAGES = ("fetch", "decode", "encode", "search")


@dataclass(frozen=True, slots=True)
class Judged:
    """What a batch came to.

    Attributes:
        verdicts: in the order of the images.
        seconds: that each stage took for the whole batch.
        look: the sets as they were searched.
    """

    verdicts: tuple[Verdict, ...]
    seconds: dict[str, float]
    look: Look


class _Clock:
    """Seconds per stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started


class Judge:
    """Judges batches of images. Safe to call from several threads.

    Args:
        encoder: makes pictures comparable.
        store: where the sets are searched.
        watch: which sets there are, with their thresholds and versions.
        fetcher: gets an image's bytes.
        max_pixels: cap on width x height of one picture.
        top_k: neighbours asked for per set and image, at least 2.
    """

    def __init__(  # noqa: PLR0913 (the parts of the line, each of them once)
        self, *, encoder: Encoder, store: Store, watch: Watch, fetcher: Fetcher, max_pixels: int, top_k: int
    ) -> None:
        self._encoder = encoder
        self._store = store
        self._watch = watch
        self._fetcher = fetcher
        self._max_pixels = max_pixels
        self._top_k = top_k

    def judge(self, images: Sequence[Image]) -> Judged:
        """Verdicts for `images`, one each, in their order.

        Raises:
            Away: Milvus stayed away for longer than we may wait.
            StoreError: the sets cannot be matched by this encoder.
        """
        clock = _Clock()
        cases = [Case(image) for image in images]
        self._embed(cases, clock)
        with clock("search"):
            look = self._search([case for case in cases if case.vector is not None])
        timings = Timings(**{f"{stage}_ms": round(clock.seconds[stage] * 1000, 3) for stage in STAGES})
        verdicts = tuple(compose(case, look.sets, self._encoder.fingerprint, timings) for case in cases)
        return Judged(verdicts, clock.seconds, look)

    def _embed(self, cases: Sequence[Case], clock: _Clock) -> None:
        """Fill in facts and vector of each case, or its problem."""
        group: list[tuple[Case, Picture]] = []
        for case in cases:
            picture = self._open(case, clock)
            if isinstance(picture, Unreadable):
                case.problem = picture
                continue
            group.append((case, picture))
            if len(group) == GROUP_PICTURES or sum(_pixels(each) for _, each in group) > GROUP_PIXELS:
                self._encode(group, clock)
                group.clear()
        if group:
            self._encode(group, clock)

    def _open(self, case: Case, clock: _Clock) -> Picture | Unreadable:
        source = case.image.source
        if isinstance(source, Unreadable):
            return source
        with clock("fetch"):
            data = self._fetcher.fetch(source)
        if isinstance(data, Unreadable):
            return data
        with clock("decode"):
            picture = decode(data, self._max_pixels)
            if isinstance(picture, Picture):
                height, width, _ = picture.pixels.shape
                case.facts = ImageFacts(
                    sha256=hashlib.sha256(data).hexdigest(),
                    bytes=len(data),
                    format=picture.format,
                    width=width,
                    height=height,
                    frames=picture.frames,
                )
        return picture

    def _encode(self, group: Sequence[tuple[Case, Picture]], clock: _Clock) -> None:
        with clock("encode"):
            encoded = self._encoder.encode([picture.pixels for _, picture in group])
        for (case, _), vector, featureless in zip(group, encoded.vectors, encoded.featureless, strict=True):
            if featureless:
                case.problem = Unreadable(
                    Reason.FEATURELESS,
                    f"too little detail for {self._encoder.name} to tell it from other pictures",
                )
            else:
                case.vector = vector

    def _search(self, cases: Sequence[Case]) -> Look:
        """Fill in what each case's vector finds, one search per set; returns the look that the search rests on."""
        look = self._watch.look()
        if not cases:
            return look
        vectors = np.stack([case.vector for case in cases if case.vector is not None])
        try:
            found = self._neighbours(look, vectors)
            again = self._watch.look()
        except UnknownSet:  # dropped since the look was taken
            found, again = [], self._watch.look(fresh=True)
        if not found or again.sets != look.sets:  # the search may have waited for minutes
            look, found = again, self._neighbours(again, vectors)
        for case, per_set in zip(cases, zip(*found, strict=True), strict=True):
            case.found = list(per_set)
        return look

    def _neighbours(self, look: Look, vectors: NDArray[np.float32]) -> list[list[list[Neighbour]]]:
        """Per set, per vector (n, d): the nearest references, nearest first."""
        return [self._store.search(known.name, vectors, self._top_k) for known in look.sets]


def _pixels(picture: Picture) -> int:
    height, width, _ = picture.pixels.shape
    return int(height * width)
