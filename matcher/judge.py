"""Judges one batch: images in, verdicts out, one for each, in their order."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from embedding.image import Image, Reason
from embedding.look import Look
from matcher.candidates import Near, candidates
from matcher.compose import EncoderUsed, compose
from matcher.embed import Clock, Embedded, Embedder
from matcher.evidence import Candidate
from matcher.levels import Compared
from matcher.search import Found, ReferenceKeypoints, Searcher, comparable, needs_of
from matcher.verdict import Timings, Verdict
from matcher.workers import Workers
from reference_sets.in_force import SetsInForce, Snapshot
from reference_sets.store import UnknownSet


@dataclass(frozen=True, slots=True)
class Judged:
    """The result of a batch.

    Attributes:
        verdicts: in the order of the images.
        seconds: of work in each stage for the whole batch, all workers together.
        snapshot: the sets as they were searched.
        duplicates: number of images whose bytes had been embedded recently, so that they were not embedded again.
        damaged: set → number of its references that are left out because they are damaged, if there are any.
    """

    verdicts: tuple[Verdict, ...]
    seconds: dict[str, float]
    snapshot: Snapshot
    duplicates: int
    damaged: Mapping[str, int]


class Judge:
    """Judges batches of images. Safe to call from several threads: earlier batches are served first.

    Args:
        embedder: fetches, decodes and encodes images.
        searcher: searches the sets and checks what it finds.
        sets: the sets in force, with their thresholds and versions.
        workers: do what takes processor time: embedding and checking.
    """

    def __init__(self, *, embedder: Embedder, searcher: Searcher, sets: SetsInForce, workers: Workers) -> None:
        self._embedder = embedder
        self._searcher = searcher
        self._sets = sets
        self._workers = workers
        self._numbers = itertools.count()

    def idle(self) -> bool:
        """Whether no worker has anything to do, so that a batch of any size should be started."""
        return self._workers.idle

    def close(self) -> None:
        """Stop the workers. Can be repeated."""
        self._workers.close()

    def judge(self, images: Sequence[Image]) -> Judged:
        """Verdicts for `images`, one each, in their order.

        Raises:
            SetsUnfit: the sets cannot be used as they are; try again after they have changed.
            Away: Milvus was away for longer than we may wait.
            StoreError: Milvus refuses.
        """
        clock, number = Clock(), next(self._numbers)
        snapshot = self._sets.read()
        while True:
            needs = needs_of(snapshot.sets)
            embed = partial(self._embedder.embed, needs=needs, clock=clock)
            embedded = [one for part in self._workers.spread(number, embed, self._parts(images)) for one in part]
            snapshot, found = self._find([one.look for one in embedded if one.look], clock, number)
            if needs_of(snapshot.sets).covered_by(needs):
                break  # otherwise a set has changed meanwhile and needs more than was made of the images
        timings = Timings(**{f"{stage}_ms": round(seconds * 1000, 3) for stage, seconds in clock.seconds.items()})
        verdicts = self._verdicts(images, embedded, snapshot, found, timings)
        duplicates = sum(one.duplicate for one in embedded)
        return Judged(verdicts, clock.seconds, snapshot, duplicates, self._searcher.damaged(snapshot.sets))

    def _parts(self, images: Sequence[Image]) -> list[Sequence[Image]]:
        """Equal parts, the same number for each worker, of sizes that suit the encoder; the last may be smaller.

        A network reads all of its weights for each part. Still, at half of the capacity verdicts come sooner than with
        a small batch on each worker: 95 % within 322 ms instead of 459, in one comparison.
        """
        encoder = self._embedder.encoder
        number = _up(_up(len(images), encoder.batch_size), self._workers.threads) * self._workers.threads
        size = max(encoder.min_batch_size, _up(len(images), max(1, number)))
        return [images[start : start + size] for start in range(0, len(images), size)]

    def _find(self, looks: Sequence[Look], clock: Clock, number: int) -> tuple[Snapshot, list[list[list[Candidate]]]]:
        """The sets as they were searched, and per look and set the candidates; one search per set."""
        snapshot = self._sets.read()
        if not looks:
            return snapshot, []
        while True:
            try:
                snapshot, found, known = self._read_near(snapshot, looks, clock)
                break
            except UnknownSet:  # dropped since the snapshot was taken
                snapshot = self._sets.read(fresh=True)
        per_set = list(zip(snapshot.sets, found, known, strict=True))
        near = [
            (look, [Near(each, of_set[index], keypoints) for each, of_set, keypoints in per_set])
            for index, look in enumerate(looks)
        ]
        # On one worker: checking has many short steps and waits for the GIL between them, so two workers are no faster.
        (checked,) = self._workers.spread(number, partial(_check, clock=clock), [near])
        return snapshot, checked

    def _read_near(
        self, snapshot: Snapshot, looks: Sequence[Look], clock: Clock
    ) -> tuple[Snapshot, list[list[Found]], list[ReferenceKeypoints]]:
        """The newest snapshot, per set and image the references near it, and per set their keypoints."""
        with clock("search"):
            found = self._searched(snapshot, looks)
            again = self._sets.read()
            if again.sets != snapshot.sets:  # the search may have waited for minutes
                snapshot, found = again, self._searched(again, looks)
        with clock("check"):
            known = [self._searcher.read_keypoints(each, near) for each, near in zip(snapshot.sets, found, strict=True)]
        return snapshot, found, known

    def _searched(self, snapshot: Snapshot, looks: Sequence[Look]) -> list[list[Found]]:
        """Per set and image, the references near it and near its mirror image."""
        return [self._searcher.search(known, looks) for known in snapshot.sets]

    def _verdicts(
        self,
        images: Sequence[Image],
        embedded: Sequence[Embedded],
        snapshot: Snapshot,
        found: Sequence[list[list[Candidate]]],
        timings: Timings,
    ) -> tuple[Verdict, ...]:
        encoder = self._embedder.encoder
        used, now, per_look = EncoderUsed(encoder.name, encoder.fingerprint), datetime.now(UTC), iter(found)
        return tuple(
            compose(image, one, _compared(snapshot, one, next(per_look) if one.look else []), used, timings, now)
            for image, one in zip(images, embedded, strict=True)
        )


def _check(near: Sequence[tuple[Look, list[Near]]], clock: Clock) -> list[list[list[Candidate]]]:
    """Per look and set, the candidates."""
    with clock("check"):
        return [candidates(look, found) for look, found in near]


def _compared(snapshot: Snapshot, one: Embedded, found: Sequence[list[Candidate]]) -> list[Compared]:
    """Each set, with its candidates, or why it was not compared."""
    if one.look is None:
        reason = one.problem.reason if one.problem else Reason.NOT_COMPARED
        return [Compared(known, reason=reason) for known in snapshot.sets]
    return [
        Compared(known, near, None if comparable(known, one.look) else Reason.FEATURELESS)
        for known, near in zip(snapshot.sets, found, strict=True)
    ]


def _up(number: int, by: int) -> int:
    """`number` / `by`, rounded up."""
    return -(-number // by)
