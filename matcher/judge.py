"""The straight line for one batch: images in, verdicts out, one for each, in their order."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from embedding.decode import Picture, decode
from embedding.encoder import Encoder, Pixels
from embedding.fetch import Fetcher
from embedding.keypoints import Keypoints, detect
from embedding.source import Reason, Unreadable
from matcher.compose import Case, Image, compose
from matcher.examine import Examiner, Found, Needs, View
from matcher.verdict import ImageFacts, Timings, Verdict
from reference_sets.look import Look, Watch
from reference_sets.store import UnknownSet

__all__ = ["Image", "Judge", "Judged"]

# Pictures are decoded and encoded a few at a time, so that memory is bounded by pixels and not by the batch: 32 million
# pixels are 96 MB of RGB. Eight pictures are where the throughput of small models levels off on one core.
GROUP_PICTURES = 8
GROUP_PIXELS = 32_000_000

STAGES = ("fetch", "decode", "encode", "search", "verify")


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
        examiner: searches the sets and checks what it finds.
        watch: which sets there are, with their thresholds and versions.
        fetcher: gets an image's bytes.
        max_pixels: cap on width x height of one picture.
    """

    def __init__(
        self, *, encoder: Encoder, examiner: Examiner, watch: Watch, fetcher: Fetcher, max_pixels: int
    ) -> None:
        self._encoder = encoder
        self._examiner = examiner
        self._watch = watch
        self._fetcher = fetcher
        self._max_pixels = max_pixels

    def judge(self, images: Sequence[Image]) -> Judged:
        """Verdicts for `images`, one each, in their order.

        Raises:
            Away: Milvus stayed away for longer than we may wait.
            StoreError: the sets cannot be matched by this encoder.
        """
        clock = _Clock()
        look = self._watch.look()
        while True:
            needs = Needs.of(look.sets)
            cases = [Case(image) for image in images]
            self._embed(cases, needs, clock)
            look = self._find([case for case in cases if case.view is not None], clock)
            if Needs.of(look.sets).within(needs):
                break  # else a set has changed meanwhile, and wants what was not made of the images
        timings = Timings(**{f"{stage}_ms": round(clock.seconds[stage] * 1000, 3) for stage in STAGES})
        verdicts = tuple(compose(case, look.sets, self._encoder.fingerprint, timings) for case in cases)
        return Judged(verdicts, clock.seconds, look)

    def _embed(self, cases: Sequence[Case], needs: Needs, clock: _Clock) -> None:
        """Fill in facts and views of each case, or its problem."""
        group: list[tuple[Case, Picture]] = []
        for case in cases:
            picture = self._open(case, clock)
            if isinstance(picture, Unreadable):
                case.problem = picture
                continue
            group.append((case, picture))
            if len(group) == GROUP_PICTURES or sum(_pixels(each) for _, each in group) > GROUP_PIXELS:
                self._encode(group, needs, clock)
                group.clear()
        if group:
            self._encode(group, needs, clock)

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

    def _encode(self, group: Sequence[tuple[Case, Picture]], needs: Needs, clock: _Clock) -> None:
        pictures = [picture.pixels for _, picture in group]
        with clock("encode"):
            views = self._views(pictures, needs)
            mirrored = [np.ascontiguousarray(pixels[:, ::-1]) for pixels in pictures] if needs.mirror else []
            mirrors = self._views(mirrored, needs) if mirrored else [None] * len(group)
        for (case, _), view, mirror in zip(group, views, mirrors, strict=True):
            if view is None or (needs.mirror and mirror is None):
                case.problem = Unreadable(
                    Reason.FEATURELESS,
                    f"too little detail for {self._encoder.name} to tell it from other pictures",
                )
            else:
                case.view, case.mirror = view, mirror

    def _views(self, pictures: Sequence[Pixels], needs: Needs) -> list[View | None]:
        """What the pictures are compared by; None for those with too little detail."""
        encoded = self._encoder.encode(pictures)
        keypoints: Sequence[Keypoints | None] = [None] * len(pictures)
        if needs.keypoints:
            keypoints = encoded.keypoints or [detect(pixels) for pixels in pictures]
        return [
            None if featureless else View(vector, found)
            for vector, featureless, found in zip(encoded.vectors, encoded.featureless, keypoints, strict=True)
        ]

    def _find(self, cases: Sequence[Case], clock: _Clock) -> Look:
        """Fill in each case's candidates, one search per set; returns the look that the search rests on."""
        look = self._watch.look()
        if not cases:
            return look
        views, mirrors = [case.view for case in cases if case.view], [case.mirror for case in cases]
        with clock("search"):
            try:
                found = self._searched(look, views, mirrors)
                again = self._watch.look()
            except UnknownSet:  # dropped since the look was taken
                found, again = [], self._watch.look(fresh=True)
            if not found or again.sets != look.sets:  # the search may have waited for minutes
                look, found = again, self._searched(again, views, mirrors)
        with clock("verify"):
            checked = [
                self._examiner.check(known, views, mirrors, per_set)
                for known, per_set in zip(look.sets, found, strict=True)
            ]
        for case, per_set_candidates in zip(cases, zip(*checked, strict=True), strict=True):
            case.found = list(per_set_candidates)
        return look

    def _searched(self, look: Look, views: Sequence[View], mirrors: Sequence[View | None]) -> list[list[Found]]:
        """Per set, per image: what is near it and its mirror image."""
        return [self._examiner.search(known, views, mirrors) for known in look.sets]


def _pixels(picture: Picture) -> int:
    height, width, _ = picture.pixels.shape
    return int(height * width)
