"""Judges one batch: images in, verdicts out, one for each, in their order."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from embedding.encoder import Encoder, EncoderError
from embedding.image import Image, Reason
from embedding.look import Look
from embedding.probe import probe_vector
from matcher.candidates import candidates_of_looks
from matcher.compose import EncoderUsed, UnseenMeans, compose
from matcher.demand import Demand, demand_of
from matcher.embed import Clock, Embedded, Embedder
from matcher.evidence import Candidate
from matcher.levels import Compared
from matcher.search import NOT_NORMALISED, Found, Near, Nearest, ReferenceKeypoints, Searcher, comparable
from matcher.verdict import Timings, Verdict
from matcher.views import placed, with_content, with_differences
from matcher.workers import Workers
from reference_sets.canary import Recall
from reference_sets.in_force import SetsInForce, Snapshot
from reference_sets.in_memory.constants import EXACT, EXACT_NAME, is_exact
from reference_sets.model import ReferenceSet
from reference_sets.store import UnknownSet

ONE_PART = 8  # images in a part if no encoder says what is fastest


@dataclass(frozen=True, slots=True)
class Judged:
    """The result of a batch.

    Attributes:
        verdicts: in the order of the images.
        seconds: of work in each stage for the whole batch, all workers together.
        snapshot: the sets as they were searched.
        duplicates: number of images whose bytes had been embedded recently, so that they were not embedded again.
        damaged: set → number of its references that are left out because they are damaged, if there are any.
        recalls: set → what its approximate index finds of planted copies, if it has one.
        when: stage → when its first part began and its last one ended, in seconds since 1970.
    """

    verdicts: tuple[Verdict, ...]
    seconds: dict[str, float]
    snapshot: Snapshot
    duplicates: int
    damaged: Mapping[str, int]
    recalls: Mapping[str, Recall] = field(default_factory=dict)
    when: Mapping[str, tuple[float, float]] = field(default_factory=dict)


class Judge:
    """Judges batches of images. Safe to call from several threads: earlier batches are served first.

    Args:
        embedder: fetches, decodes and encodes images.
        searcher: searches the sets and checks what it finds.
        sets: the sets in force, with their thresholds and versions.
        workers: do what takes processor time: embedding and checking.
        unseen: the decision instead of allow if frames or parts of an image were not looked at.
    """

    def __init__(
        self,
        *,
        embedder: Embedder,
        searcher: Searcher,
        sets: SetsInForce,
        workers: Workers,
        unseen: UnseenMeans = "allow",
    ) -> None:
        self._embedder = embedder
        self._searcher = searcher
        self._sets = sets
        self._workers = workers
        self._unseen: UnseenMeans = unseen
        self._numbers = itertools.count()

    def idle(self) -> bool:
        """Whether no worker has anything to do, so that a batch of any size should be started."""
        return self._workers.idle

    def sets(self) -> Snapshot:
        """The sets in force, as of a moment ago.

        Raises:
            SetsUnfit: the sets cannot be used as they are.
            Away: Milvus was away for longer than we may wait.
            StoreError: Milvus refuses.
        """
        return self._sets.read()

    def close(self) -> None:
        """Stop the workers and the decoders. Can be repeated."""
        self._workers.close()
        self._embedder.close()

    def judge(self, images: Sequence[Image]) -> Judged:
        """Verdicts for `images`, one each, in their order.

        Raises:
            SetsUnfit: the sets cannot be used as they are; try again after they have changed.
            Away: Milvus was away for longer than we may wait.
            StoreError: Milvus refuses.
            EncoderError: an encoder is broken: it failed for all images of the batch.
        """
        clock, number = Clock(), next(self._numbers)
        snapshot = self._sets.read()
        while True:
            demand = demand_of(snapshot.sets)
            embed = partial(self._embedder.embed, demand=demand, clock=clock)
            parts = self._parts(images, demand)
            embedded = [one for part in self._workers.spread(number, embed, parts) for one in part]
            self._raise_if_broken(embedded, demand)
            snapshot, found = self._find(embedded, clock, number)
            if demand_of(snapshot.sets).covered_by(demand):
                break  # otherwise a set has changed meanwhile and needs more than was made of the images
        timings = Timings(**{f"{stage}_ms": round(seconds * 1000, 3) for stage, seconds in clock.seconds.items()})
        used, now = self._used(demand_of(snapshot.sets)), datetime.now(UTC)
        verdicts = tuple(
            compose(image, one, compared, used, timings, now, unseen=self._unseen)
            for image, one, compared in zip(images, embedded, found, strict=True)
        )
        duplicates = sum(one.duplicate for one in embedded)
        damaged, recalls = self._searcher.damaged(snapshot.sets), self._searcher.recalls(snapshot.sets)
        return Judged(verdicts, clock.seconds, snapshot, duplicates, damaged, recalls, clock.when)

    def _used(self, demand: Demand) -> tuple[EncoderUsed, ...]:
        """The encoders that the sets need, by name; the one of exact lists last."""
        loaded = [self._embedder.encoders.with_fingerprint(each) for each in sorted(demand.encoders)]
        used = sorted(EncoderUsed(each.name, each.encoder.fingerprint) for each in loaded)
        return (*used, EncoderUsed(EXACT_NAME, EXACT)) if demand.digests else tuple(used)

    def _parts(self, images: Sequence[Image], demand: Demand) -> list[Sequence[Image]]:
        """Equal parts, the same number for each worker, of sizes that suit the encoders; the last may be smaller.

        A network reads all of its weights for each part. Still, at half of the capacity verdicts come sooner than with
        a small batch on each worker: 95 % within 322 ms instead of 459, in one comparison.
        """
        encoders = [self._embedder.encoders.with_fingerprint(each).encoder for each in demand.encoders]
        usual = max((each.batch_size for each in encoders), default=ONE_PART)
        number = _up(_up(len(images), usual), self._workers.threads) * self._workers.threads
        least = max((each.min_batch_size for each in encoders), default=1)
        size = max(least, _up(len(images), max(1, number)))
        return [images[start : start + size] for start in range(0, len(images), size)]

    def _raise_if_broken(self, embedded: Sequence[Embedded], demand: Demand) -> None:
        """Raise EncoderError if an encoder failed for all pictures, and it is the encoder's fault rather than theirs.

        The packaged probe picture tells: whoever sends a few odd pictures at once must not be able to end the process.
        """
        opened = {one.sha256: one for one in embedded if one.facts}
        for fingerprint in demand.encoders if opened else ():
            if any(one.without.get(fingerprint) is not Reason.ENCODER_FAILED for one in opened.values()):
                continue
            loaded = self._embedder.encoders.with_fingerprint(fingerprint)
            if not _works(loaded.encoder):
                raise EncoderError(
                    f"the encoder {loaded.name} fails for all pictures, as the log says above; correct "
                    f"[encoders.{loaded.name}], or free the memory or device that it needs"
                )

    def _find(self, embedded: Sequence[Embedded], clock: Clock, number: int) -> tuple[Snapshot, list[list[Compared]]]:
        """The sets as they were searched, and per image each set with its candidates; one search per set."""
        looks = [look for one in embedded for look in one.looks]
        snapshot = self._sets.read()
        while True:
            try:
                snapshot, searched = self._read_near(snapshot, looks, clock)
                same = self._same_content(snapshot, embedded)
                break
            except UnknownSet:  # dropped since the snapshot was taken
                snapshot = self._sets.read(fresh=True)
        near = iter([(look, [each.near(index) for each in searched]) for index, look in enumerate(looks)])
        per_image = [[next(near) for _ in one.looks] for one in embedded]
        # On one worker: checking has many short steps and waits for the GIL between them, so two workers are no faster.
        (checked,) = self._workers.spread(number, partial(_check, clock=clock), [per_image])
        compared = []
        for one, views in zip(embedded, checked, strict=True):
            content = [[each for digest in one.digests for each in of_set.get(digest, [])] for of_set in same]
            compared.append(_compared(snapshot, one, views, content))
        return snapshot, compared

    def _read_near(self, snapshot: Snapshot, looks: Sequence[Look], clock: Clock) -> tuple[Snapshot, list["_Searched"]]:
        """The newest snapshot, and per set the references near each look with what is stored of them."""
        with clock("search"):
            found = self._searched(snapshot, looks)
            again = self._sets.read()
            if again.sets != snapshot.sets:  # the search may have waited for minutes
                snapshot, found = again, self._searched(again, looks)
            nearest = self._backgrounds(snapshot, looks)
        with clock("check"):
            known = [self._searcher.read_keypoints(each, near) for each, near in zip(snapshot.sets, found, strict=True)]
        return snapshot, [_Searched(*each) for each in zip(snapshot.sets, found, known, nearest, strict=True)]

    def _searched(self, snapshot: Snapshot, looks: Sequence[Look]) -> list[list[Found]]:
        """Per set and look, the references near it and near its mirror image."""
        return [self._searcher.search(known, looks) if looks else [] for known in snapshot.sets]

    def _backgrounds(self, snapshot: Snapshot, looks: Sequence[Look]) -> list[list[Nearest]]:
        """Per set and look, how near the set's background is."""
        return [
            self._searcher.background(known, snapshot.backgrounds[known.background], looks)
            if looks and known.background
            else [NOT_NORMALISED] * len(looks)
            for known in snapshot.sets
        ]

    def _same_content(self, snapshot: Snapshot, embedded: Sequence[Embedded]) -> list[dict[str, list[Candidate]]]:
        """Per set, the references that are exactly one of the images, by digest."""
        digests = {digest for one in embedded for digest in one.digests}
        return [self._searcher.same_content(known, digests) if digests else {} for known in snapshot.sets]


@dataclass(frozen=True, slots=True)
class _Searched:
    """A set, per look what was found in it, what is stored of that, and per look how near its background is."""

    set: ReferenceSet
    found: list[Found]
    stored: ReferenceKeypoints
    nearest: list[Nearest]

    def near(self, look: int) -> Near:
        """What was found for the look with this number."""
        return Near(self.set, self.found[look], self.stored, self.nearest[look])


def _check(images: Sequence[list[tuple[Look, list[Near]]]], clock: Clock) -> list[list[list[list[Candidate]]]]:
    """Per image, look and set, the candidates."""
    with clock("check"):
        return [candidates_of_looks(near) for near in images]


def _compared(
    snapshot: Snapshot, one: Embedded, found: Sequence[list[list[Candidate]]], same: Sequence[list[Candidate]]
) -> list[Compared]:
    """Each set with an image's candidates, or why it was not compared.

    Args:
        snapshot: the sets.
        one: the image.
        found: per view and set, the candidates.
        same: per set, references that are exactly this file.
    """
    compared = []
    for index, known in enumerate(snapshot.sets):
        reason = _not_compared(known, one)
        views = [
            candidate
            for view, (look, per_set) in enumerate(zip(one.looks, found, strict=True))
            for candidate in placed(per_set[index], view, look.box)
        ]
        views = with_differences(views, one.looks)
        empty = not snapshot.sizes[index]
        compared.append(Compared(known, with_content(views, same[index]), reason, empty))
    return compared


def _not_compared(known: ReferenceSet, one: Embedded) -> Reason | None:
    """Why a set was not compared with an image; None if it was. Exact lists only need the file's bytes."""
    if is_exact(known.encoder):
        return None if one.sha256 else _reason(one)
    if not one.looks:
        return _reason(one)
    if any(comparable(known, look) for look in one.looks):
        return None
    return one.without.get(known.encoder, Reason.FEATURELESS)


def _reason(one: Embedded) -> Reason:
    return one.problem.reason if one.problem else Reason.NOT_COMPARED


def _works(encoder: Encoder) -> bool:
    """Whether the encoder can still encode the packaged probe picture."""
    try:
        probe_vector(encoder)
    except Exception:  # noqa: BLE001 (a broken model can raise anything)
        return False
    return True


def _up(number: int, by: int) -> int:
    """`number` / `by`, rounded up."""
    return -(-number // by)
