"""A part of a batch on its worker: fetch → decode → look. Share-nothing: no other thread works on these images.

The pictures of a part are encoded together, fewer if they are large, so that memory is bounded by pixels.
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

# 32 million pixels are 96 MB of RGB: a group of pictures is closed when it has more.
GROUP_PIXELS = 32_000_000
RELEASE_AFTER = 128  # images: so often, every few seconds at full load, what they took goes back to the system

STAGES = ("fetch", "decode", "encode", "search", "check")

Key = tuple[str, Needs]  # digest of the bytes, and what was needed


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """What became of an image's bytes.

    Attributes:
        facts: of the file; None if it could not be decoded.
        problem: why there is no look.
        look: None if there is a problem.
        fetched: whether its bytes were had.
        duplicate: the same bytes were embedded recently, or are right now.
    """

    facts: Facts | None = None
    problem: Unreadable | None = None
    look: Look | None = None
    fetched: bool = True
    duplicate: bool = False


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
        recent_bytes: of memory for recent embeddings, see `Duplicates`.
    """

    def __init__(self, encoder: Encoder, fetcher: Fetcher, *, max_pixels: int, reduce: bool, recent_bytes: int) -> None:
        self.encoder = encoder
        self._fetcher = fetcher
        self._max_pixels = max_pixels
        self._reduce = reduce
        self._recent: Duplicates[Key, Embedded] = Duplicates(recent_bytes)
        self._kept = 0  # images that may have left memory behind
        self._lock = threading.Lock()

    def embed(self, images: Sequence[Image], needs: Needs, clock: Clock) -> list[Embedded]:
        """One for each image, in their order."""
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
            self._recent.forsake(claimed, error)
            raise
        return [each if isinstance(each, Embedded) else replace(each[0].result(), duplicate=each[1]) for each in coming]

    def _release_memory(self, coming: int) -> None:
        with self._lock:
            due = self._kept >= RELEASE_AFTER
            self._kept = coming if due else self._kept + coming
        if due:
            release_free_memory()

    def _fetched(self, image: Image) -> bytes | Unreadable:
        if image.problem:
            return image.problem
        if image.source is None:
            return Unreadable(Reason.MALFORMED_EVENT, "the event names no image")
        return self._fetcher.fetch(image.source)

    def _make(self, claimed: Mapping[Key, bytes], needs: Needs, clock: Clock) -> None:
        """Settle all that was claimed."""
        least = least_side(self.encoder, needs) if self._reduce else None
        group: list[_Opened] = []
        for key, data in claimed.items():
            with clock("decode"):
                picture = decode(data, self._max_pixels, least)
            if isinstance(picture, Unreadable):
                self._recent.settle(key, Embedded(problem=picture), keep=False)  # memory may just have been short
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
        return f"too little detail for {self.encoder.name} to tell it from other pictures"


@dataclass(frozen=True, slots=True)
class _Opened:
    key: Key
    picture: Picture
    facts: Facts


def _facts(key: Key, data: bytes, picture: Picture) -> Facts:
    height, width = picture.size
    return Facts(key[0], len(data), picture.format, width, height, picture.frames)
