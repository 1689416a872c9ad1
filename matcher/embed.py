"""A part of a batch on its worker: fetch → decode → encode. Share-nothing: no other thread works on these images.

The pictures of a part are encoded together, fewer if they are large, so that memory is bounded by pixels.
"""

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedding.allocator import give_back
from embedding.decode.decoder import decode
from embedding.encoder import Encoder
from embedding.fetch.fetcher import Fetcher
from embedding.image import Reason, Unreadable
from embedding.local.keypoints import Keypoints, detect
from embedding.picture import Picture, Pixels, Size
from matcher.compose import Case
from matcher.duplicates import Embedded, Key, Recent
from matcher.search import Needs, View
from matcher.verdict import ImageFacts

if TYPE_CHECKING:
    from concurrent.futures import Future

# 32 million pixels are 96 MB of RGB: a group of pictures is closed when it has more.
GROUP_PIXELS = 32_000_000
GIVE_BACK_AFTER = 128  # images: so often, every few seconds at full load, what they took goes back to the system

STAGES = ("fetch", "decode", "encode", "search", "verify")


class Clock:
    """Seconds of work per stage, of all threads together. Safe to use from several threads."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the seconds of the body to the stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[stage] += time.perf_counter() - started


class Embedder:
    """Embeds images. Safe to use from several threads.

    Args:
        encoder: makes pictures comparable.
        fetcher: gets an image's bytes.
        max_pixels: cap on width x height of one picture.
        reduce: let JPEGs be decoded at a fraction of their size where that changes the vectors by rounding only.
        recent_bytes: of memory for what was made of recent images, see `Recent`.
    """

    def __init__(self, encoder: Encoder, fetcher: Fetcher, *, max_pixels: int, reduce: bool, recent_bytes: int) -> None:
        self.encoder = encoder
        self._fetcher = fetcher
        self._max_pixels = max_pixels
        self._reduce = reduce
        self._recent = Recent(recent_bytes)
        self._kept = 0  # images that may have left memory behind
        self._lock = threading.Lock()

    def embed(self, cases: Sequence[Case], needs: Needs, clock: Clock) -> None:
        """Fill in facts and views of each case, or its problem; and whether it is a duplicate."""
        self._give_back(len(cases))
        claimed: dict[Key, bytes] = {}
        coming: list[tuple[Case, Future[Embedded]]] = []
        try:
            for case in cases:
                with clock("fetch"):
                    data = self._fetched(case)
                if isinstance(data, Unreadable):
                    case.problem = data
                    continue
                key = (hashlib.sha256(data).hexdigest(), needs)
                made, ours = self._recent.claim(key)
                coming.append((case, made))
                if ours:
                    claimed[key] = data
                else:
                    case.duplicate = True
            self._make(claimed, needs, clock)
        except BaseException as error:
            self._recent.forsake(claimed, error)
            raise
        for case, made in coming:
            embedded = made.result()
            case.facts, case.problem, case.view = embedded.facts, embedded.problem, embedded.view
            case.mirror = embedded.mirror

    def _give_back(self, coming: int) -> None:
        with self._lock:
            due = self._kept >= GIVE_BACK_AFTER
            self._kept = coming if due else self._kept + coming
        if due:
            give_back()

    def _fetched(self, case: Case) -> bytes | Unreadable:
        source = case.image.source
        return source if isinstance(source, Unreadable) else self._fetcher.fetch(source)

    def _make(self, claimed: Mapping[Key, bytes], needs: Needs, clock: Clock) -> None:
        """Settle all that was claimed."""
        # The check's keypoints are as large as the pixels that they are found in.
        least_side = self.encoder.least_side if self._reduce and not needs.keypoints else None
        group: list[_Opened] = []
        for key, data in claimed.items():
            with clock("decode"):
                picture = decode(data, self._max_pixels, least_side)
            if isinstance(picture, Unreadable):
                self._recent.settle(key, Embedded(None, picture))
                continue
            group.append(_Opened(key, picture, _facts(key, data, picture)))
            if sum(each.picture.pixels.size for each in group) > 3 * GROUP_PIXELS:
                self._encode(group, needs, clock)
                group.clear()
        if group:
            self._encode(group, needs, clock)

    def _encode(self, group: Sequence["_Opened"], needs: Needs, clock: Clock) -> None:
        pictures = [each.picture.pixels for each in group]
        sizes = [each.picture.size for each in group]
        with clock("encode"):
            views = self._views(pictures, sizes, needs)
            mirrored = [np.ascontiguousarray(pixels[:, ::-1]) for pixels in pictures] if needs.mirror else []
            mirrors = self._views(mirrored, sizes, needs) if mirrored else [None] * len(group)
        for each, view, mirror in zip(group, views, mirrors, strict=True):
            if view is None or (needs.mirror and mirror is None):
                what = f"too little detail for {self.encoder.name} to tell it from other pictures"
                embedded = Embedded(each.facts, Unreadable(Reason.FEATURELESS, what))
            else:
                embedded = Embedded(each.facts, None, view, mirror)
            self._recent.settle(each.key, embedded)

    def _views(self, pictures: Sequence[Pixels], sizes: Sequence[Size], needs: Needs) -> list[View | None]:
        """What the pictures are compared by; None for those with too little detail."""
        encoded = self.encoder.encode(pictures, sizes)
        keypoints: Sequence[Keypoints | None] = [None] * len(pictures)
        if needs.keypoints:
            keypoints = encoded.keypoints or [detect(pixels) for pixels in pictures]
        return [
            None if featureless else View(vector, found)
            for vector, featureless, found in zip(encoded.vectors, encoded.featureless, keypoints, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Opened:
    key: Key
    picture: Picture
    facts: ImageFacts


def _facts(key: Key, data: bytes, picture: Picture) -> ImageFacts:
    height, width = picture.size
    return ImageFacts(
        sha256=key[0], bytes=len(data), format=picture.format, width=width, height=height, frames=picture.frames
    )
