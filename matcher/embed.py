"""One part of a batch on its worker: fetch → decode → look. No other thread works on these images.

The pictures of a part are encoded together, in smaller groups if they are large, so that memory is bounded by pixels.
"""

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from embedding.allocator import release_free_memory
from embedding.decode.decoder import decode
from embedding.encoder import Encoder
from embedding.fetch.fetcher import Fetcher
from embedding.image import Facts, Image, Reason, Unreadable
from embedding.look import Look, Needs, least_side, look
from embedding.picture import Picture
from matcher.duplicates import Duplicates

if TYPE_CHECKING:
    from concurrent.futures import Future

# 32 million pixels are 96 MB of RGB: a group of pictures that has more is encoded.
GROUP_PIXELS = 32_000_000
RELEASE_AFTER = 128  # images, some seconds at full load: then freed memory is returned to the system

STAGES = ("fetch", "decode", "encode", "search", "check")

Key = tuple[str, Needs]  # digest of the bytes, and what was needed


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """The result for an image's bytes.

    Attributes:
        facts: about the file; None if it could not be decoded.
        problem: why there is no look; else None.
        look: None if there is a problem.
        fetched: whether its bytes could be fetched.
        duplicate: the same bytes were embedded recently, or are being embedded by another thread.
    """

    facts: Facts | None = None
    problem: Unreadable | None = None
    look: Look | None = None
    fetched: bool = True
    duplicate: bool = False


class Clock:
    """Seconds of work per stage, all threads together. Safe to use from several threads."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time of the `with` body to the stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[stage] += time.perf_counter() - started


class Embedder:
    """Embeds images. Safe to use from several threads.

    Args:
        encoder: makes vectors of pictures.
        fetcher: fetches an image's bytes.
        max_pixels: cap on width x height of one picture.
        reduce: decode JPEGs at a fraction of their size where that changes the vectors by rounding only.
        recent_bytes: memory for recent embeddings, see `Duplicates`.
    """

    def __init__(self, encoder: Encoder, fetcher: Fetcher, *, max_pixels: int, reduce: bool, recent_bytes: int) -> None:
        self.encoder = encoder
        self._fetcher = fetcher
        self._max_pixels = max_pixels
        self._reduce = reduce
        self._recent: Duplicates[Key, Embedded] = Duplicates(recent_bytes)
        self._unreleased = 0  # images since memory was last returned
        self._lock = threading.Lock()

    def embed(self, images: Sequence[Image], needs: Needs, clock: Clock) -> list[Embedded]:
        """One result per image, in order."""
        self._release_memory(len(images))
        claimed: dict[Key, bytes] = {}
        coming: list[Embedded | tuple[Future[Embedded], bool]] = []
        try:
            for image in images:
                with clock("fetch"):
                    data = self._fetched(image)
                if isinstance(data, Unreadable):
                    coming.append(Embedded(problem=data, fetched=False))
                    continue
                key = (hashlib.sha256(data).hexdigest(), needs)
                made, ours = self._recent.claim(key)
                coming.append((made, not ours))
                if ours:
                    claimed[key] = data
            self._make(claimed, needs, clock)
        except BaseException as error:
            self._recent.abandon(claimed, error)
            raise
        return [each if isinstance(each, Embedded) else replace(each[0].result(), duplicate=each[1]) for each in coming]

    def _release_memory(self, coming: int) -> None:
        with self._lock:
            due = self._unreleased >= RELEASE_AFTER
            self._unreleased = coming if due else self._unreleased + coming
        if due:
            release_free_memory()

    def _fetched(self, image: Image) -> bytes | Unreadable:
        if image.problem:
            return image.problem
        if image.source is None:
            return Unreadable(Reason.MALFORMED_EVENT, "the event names no image")
        return self._fetcher.fetch(image.source)

    def _make(self, claimed: Mapping[Key, bytes], needs: Needs, clock: Clock) -> None:
        """Make and settle all claimed results."""
        least = least_side(self.encoder, needs) if self._reduce else None
        group: list[_Opened] = []
        for key, data in claimed.items():
            with clock("decode"):
                picture = decode(data, self._max_pixels, least)
            if isinstance(picture, Unreadable):
                self._recent.settle(
                    key, Embedded(problem=picture), keep=False
                )  # the reason may be a temporary lack of memory
                continue
            group.append(_Opened(key, picture, _facts(key, data, picture)))
            if sum(each.picture.pixels.size for each in group) > 3 * GROUP_PIXELS:
                self._encode(group, needs, clock)
                group.clear()
        if group:
            self._encode(group, needs, clock)

    def _encode(self, group: Sequence["_Opened"], needs: Needs, clock: Clock) -> None:
        pictures, sizes = [each.picture.pixels for each in group], [each.picture.size for each in group]
        with clock("encode"):
            looks = look(self.encoder, pictures, needs, sizes)
        for each, found in zip(group, looks, strict=True):
            problem = None if found else Unreadable(Reason.FEATURELESS, self._featureless())
            self._recent.settle(each.key, Embedded(each.facts, problem, found), keep=True)

    def _featureless(self) -> str:
        return f"too little detail for {self.encoder.name} to distinguish it from other pictures"


@dataclass(frozen=True, slots=True)
class _Opened:
    key: Key
    picture: Picture
    facts: Facts


def _facts(key: Key, data: bytes, picture: Picture) -> Facts:
    height, width = picture.size
    return Facts(key[0], len(data), picture.format, width, height, picture.frames)
