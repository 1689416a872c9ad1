"""The straight line for one batch: images in, verdicts out, one for each, in their order."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from matcher.compose import Case, Image, compose
from matcher.embed import STAGES, Clock, Embedder
from matcher.search import Examiner, Found, Known, Needs, View, candidates
from matcher.verdict import Timings, Verdict
from matcher.workers import Workers
from reference_sets.in_force import Look, Watch
from reference_sets.store import UnknownSet

__all__ = ["Image", "Judge", "Judged"]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a batch came to.

    Attributes:
        verdicts: in the order of the images.
        seconds: of work in each stage for the whole batch, of all workers together.
        look: the sets as they were searched.
        duplicates: images whose exact bytes were embedded of late, and not again.
    """

    verdicts: tuple[Verdict, ...]
    seconds: dict[str, float]
    look: Look
    duplicates: int


class Judge:
    """Judges batches of images. Safe to call from several threads: earlier batches are served first.

    Args:
        embedder: makes pictures comparable.
        examiner: searches the sets and checks what it finds.
        watch: which sets there are, with their thresholds and versions.
        workers: do what takes a processor's time: embedding and checking.
    """

    def __init__(self, *, embedder: Embedder, examiner: Examiner, watch: Watch, workers: Workers) -> None:
        self._embedder = embedder
        self._examiner = examiner
        self._watch = watch
        self._workers = workers
        self._numbers = itertools.count()

    def idle(self) -> bool:
        """Whether no worker has anything to do, so that a batch of any size should be begun."""
        return self._workers.idle

    def close(self) -> None:
        """Judge no more. Can be repeated."""
        self._workers.close()

    def judge(self, images: Sequence[Image]) -> Judged:
        """Verdicts for `images`, one each, in their order.

        Raises:
            Away: Milvus stayed away for longer than we may wait.
            StoreError: the sets cannot be matched by this encoder.
        """
        clock, number = Clock(), next(self._numbers)
        look = self._watch.look()
        while True:
            needs = Needs.of(look.sets)
            cases = [Case(image) for image in images]
            self._workers.spread(number, partial(self._embedder.embed, needs=needs, clock=clock), self._parts(cases))
            look = self._find([case for case in cases if case.view is not None], clock, number)
            if Needs.of(look.sets).within(needs):
                break  # else a set has changed meanwhile, and wants what was not made of the images
        timings = Timings(**{f"{stage}_ms": round(clock.seconds[stage] * 1000, 3) for stage in STAGES})
        verdicts = tuple(compose(case, look.sets, self._embedder.encoder.fingerprint, timings) for case in cases)
        return Judged(verdicts, clock.seconds, look, sum(case.duplicate for case in cases))

    def _parts(self, cases: Sequence[Case]) -> list[Sequence[Case]]:
        """Equal parts, as many for each worker, none larger or smaller than the encoder wants; the last may be smaller.

        A network reads all of its weights for each part, and yet verdicts come sooner so at half of the capacity than
        with a small batch on one worker beside another batch on the next: 95 % within 322 ms instead of 459, in one
        comparison.
        """
        encoder = self._embedder.encoder
        number = _up(_up(len(cases), encoder.together), self._workers.threads) * self._workers.threads
        size = max(encoder.least_together, _up(len(cases), max(1, number)))
        return [cases[start : start + size] for start in range(0, len(cases), size)]

    def _find(self, cases: Sequence[Case], clock: Clock, number: int) -> Look:
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
            known = [self._examiner.read(each, near) for each, near in zip(look.sets, found, strict=True)]
        near = [(case, [per_set[index] for per_set in found]) for index, case in enumerate(cases)]
        # On one worker: in many short steps, between which Python's lock is asked for, two get no further than one.
        self._workers.spread(number, partial(_check, known=known, clock=clock), [near])
        return look

    def _searched(self, look: Look, views: Sequence[View], mirrors: Sequence[View | None]) -> list[list[Found]]:
        """Per set, per image: what is near it and its mirror image."""
        return [self._examiner.search(known, views, mirrors) for known in look.sets]


def _check(near: Sequence[tuple[Case, list[Found]]], known: Sequence[Known], clock: Clock) -> None:
    """Fill in each case's candidates, per set."""
    with clock("verify"):
        for case, found in near:
            pairs = zip(found, known, strict=True)
            case.found = [candidates(case.view, case.mirror, each, kept) for each, kept in pairs if case.view]


def _up(number: int, by: int) -> int:
    """`number` / `by`, rounded up."""
    return -(-number // by)
