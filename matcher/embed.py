"""One part of a batch on its worker: fetch → look into the file → vectors. No other thread works on these images.

Files are opened in decoder processes; the views of a part's images are encoded together, in smaller groups if they are
many or have many pixels, so that memory is bounded.
"""

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from embedding.allocator import release_free_memory
from embedding.encoders import Encoders, Loaded
from embedding.fetch.fetcher import Fetcher
from embedding.image import Facts, Image, Reason, Unreadable
from embedding.look import Look, Pair, encode_each, joined, together
from embedding.picture import Looked, Seen, Wanted
from embedding.processes.decoders import Decoders
from matcher.demand import Demand
from matcher.duplicates import Duplicates

if TYPE_CHECKING:
    from concurrent.futures import Future

# A group of views is encoded when it has so many pixels (96 MB of RGB), or is so large (2 MB of keypoints).
GROUP_PIXELS = 32_000_000
GROUP_VIEWS = 64
RELEASE_AFTER = 128  # images, some seconds at full load: then freed memory is returned to the system

STAGES = ("fetch", "decode", "encode", "search", "check")

# These may be due to the state of the machine, so the same bytes are tried again.
_TEMPORARY = frozenset({Reason.DECODE_CRASHED, Reason.DECODE_MEMORY_LIMIT, Reason.DECODE_TIMED_OUT})

Key = tuple[str, Demand]  # digest of the bytes, and what was needed


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """The result for an image's bytes.

    Attributes:
        sha256: of the bytes; empty if they could not be fetched.
        digests: SHA-256 and, if they are needed, MD5 and SHA-1 of the bytes.
        facts: about the file; None if it could not be decoded.
        problem: why there is no look; else None.
        looks: the views that have enough detail for at least one encoder; empty if there is a problem.
        without: why no view has a vector of an encoder, by the encoder's fingerprint.
        frames_judged: frames that were looked at.
        unseen_windows: number of windows of long pictures that were left out.
        partly: why the file must not be allowed by these views alone.
        fetched: whether its bytes could be fetched.
        duplicate: the same bytes were embedded recently, or are being embedded by another thread.
    """

    sha256: str = ""
    digests: tuple[str, ...] = ()
    facts: Facts | None = None
    problem: Unreadable | None = None
    looks: tuple[Look, ...] = ()
    without: Mapping[str, Reason] = field(default_factory=dict)
    frames_judged: tuple[int, ...] = ()
    unseen_windows: int = 0
    partly: Unreadable | None = None
    fetched: bool = True
    duplicate: bool = False


class Clock:
    """Seconds of work per stage, all threads together. Safe to use from several threads.

    Attributes:
        seconds: of work, by stage.
        when: stage → when its first part began and its last one ended, in seconds since 1970; without those not done.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.when: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time of the `with` body to the stage."""
        began, started = time.time(), time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            with self._lock:
                self.seconds[stage] += seconds
                first, last = self.when.get(stage, (began, began))
                self.when[stage] = min(first, began), max(last, began + seconds)


class Embedder:
    """Embeds images. Safe to use from several threads.

    Args:
        encoders: make vectors of views.
        fetcher: fetches an image's bytes.
        decoders: open files; closed with the embedder.
        max_pixels: cap on width x height of one picture.
        max_views: cap on the views of one picture.
        reduce: decode JPEGs at a fraction of their size where that changes the vectors by rounding only.
        recent_bytes: memory for recent embeddings, see `Duplicates`.
    """

    def __init__(  # noqa: PLR0913 (its parts and limits, by name)
        self,
        encoders: Encoders,
        fetcher: Fetcher,
        decoders: Decoders,
        *,
        max_pixels: int,
        max_views: int,
        reduce: bool,
        recent_bytes: int,
    ) -> None:
        self.encoders = encoders
        self._fetcher = fetcher
        self._decoders = decoders
        self._limits = max_pixels, max_views, reduce
        self._recent: Duplicates[Key, Embedded] = Duplicates(recent_bytes)
        self._unreleased = 0  # images since memory was last returned
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the decoder processes. Can be repeated."""
        self._decoders.close()

    def embed(self, images: Sequence[Image], demand: Demand, clock: Clock) -> list[Embedded]:
        """One result per image, in order.

        Raises:
            EncoderError: a set needs an encoder that is not configured.
            NoDecoder: no process can be started to open files.
        """
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
                key = (hashlib.sha256(data).hexdigest(), demand)
                made, ours = self._recent.claim(key)
                coming.append((made, not ours))
                if ours:
                    claimed[key] = data
            self._make(claimed, demand, clock)
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

    def _make(self, claimed: Mapping[Key, bytes], demand: Demand, clock: Clock) -> None:
        """Make and settle all claimed results."""
        encoders = [self.encoders.with_fingerprint(each) for each in sorted(demand.encoders)]
        wanted = Wanted(together([each.encoder for each in encoders], demand.needs), *self._limits)
        group: list[_Opened] = []
        for key, data in claimed.items():
            with clock("decode"):
                found = self._decoders.look_into(data, wanted)
            digests = _digests(key, data)
            if isinstance(found, Unreadable):
                keep = found.reason not in _TEMPORARY
                self._recent.settle(key, Embedded(key[0], digests, problem=found), keep=keep)
                continue
            group.append(_Opened(key, len(data), digests, found))
            if _pixels(group) > 3 * GROUP_PIXELS or sum(len(each.found.views) for each in group) >= GROUP_VIEWS:
                self._encode(group, encoders, demand, clock)
                group.clear()
        if group:
            self._encode(group, encoders, demand, clock)

    def _encode(self, group: Sequence["_Opened"], encoders: Sequence[Loaded], demand: Demand, clock: Clock) -> None:
        pictures = [each.found.views for each in group]
        with clock("encode"):
            made = {
                each.encoder.fingerprint: encode_each(
                    each.encoder, pictures, mirror=each.encoder.fingerprint in demand.mirrored
                )
                for each in encoders
            }
        for index, each in enumerate(group):
            embedded = _embedded(each, {fingerprint: pairs[index] for fingerprint, pairs in made.items()}, encoders)
            keep = Reason.ENCODER_FAILED not in embedded.without.values()
            self._recent.settle(each.key, embedded, keep=keep)


@dataclass(frozen=True, slots=True)
class _Opened:
    key: Key
    size: int
    digests: tuple[str, ...]
    found: Looked


def _digests(key: Key, data: bytes) -> tuple[str, ...]:
    """SHA-256 and, if they are needed, MD5 and SHA-1. These two only name files in other people's lists."""
    sha256, demand = key
    if not demand.digests:
        return (sha256,)
    older = (hashlib.md5(data, usedforsecurity=False), hashlib.sha1(data, usedforsecurity=False))
    return (sha256, *(each.hexdigest() for each in older))


def _embedded(each: _Opened, made: Mapping[str, list[Pair] | None], encoders: Sequence[Loaded]) -> Embedded:
    """The result for one picture.

    Args:
        each: the picture.
        made: by the encoder's fingerprint the pairs of its views; None: the encoder failed.
        encoders: all that are needed.
    """
    demand = each.key[1]
    looks = joined(each.found.views, {key: pairs for key, pairs in made.items() if pairs}, keypoints=demand.keypoints)
    # An image that is only compared by its bytes needs no vector.
    usable = tuple(look for look in looks if look.view.vectors)
    there = {fingerprint for look in usable for fingerprint in look.view.vectors}
    without = {
        fingerprint: Reason.ENCODER_FAILED if pairs is None else Reason.FEATURELESS
        for fingerprint, pairs in made.items()
        if fingerprint not in there
    }
    return Embedded(
        sha256=each.key[0],
        digests=each.digests,
        facts=_facts(each),
        problem=_problem(without, encoders) if made and not usable else None,
        looks=usable,
        without=without,
        frames_judged=each.found.frames_judged,
        unseen_windows=each.found.unseen_windows,
        partly=each.found.partly,
    )


def _problem(without: Mapping[str, Reason], encoders: Sequence[Loaded]) -> Unreadable:
    """Why none of the encoders has a vector."""
    failed = [each.name for each in encoders if without[each.encoder.fingerprint] is Reason.ENCODER_FAILED]
    if failed:
        return Unreadable(Reason.ENCODER_FAILED, f"the encoder {' and '.join(failed)} failed for this image")
    names = " and ".join(each.name for each in encoders)
    return Unreadable(Reason.FEATURELESS, f"too little detail for {names} to distinguish it from other pictures")


def _pixels(group: Sequence[_Opened]) -> int:
    """Bytes of pixels that a group holds."""
    return sum(_bytes(view) for each in group for view in each.found.views)


def _bytes(view: Seen) -> int:
    return sum(one.pixels.size for one in (view.own, view.mirror) if one is not None and one.pixels is not None)


def _facts(each: _Opened) -> Facts:
    found = each.found
    height, width = found.size
    damaged = found.partly is not None and found.partly.reason is Reason.DAMAGED
    return Facts(each.key[0], each.size, found.format, width, height, found.frames, damaged)
