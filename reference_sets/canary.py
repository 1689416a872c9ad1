"""The recall canary: every minute, planted copies go through the live search of each set with an approximate index.

A copy counts if its cosine is above that of the last neighbour that was returned: then an exact search would list its
reference. If too few are found in three rounds in a row, the set is searched so thoroughly that nothing is missed, as
long as it is small enough for that, and the log says so.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from reference_sets.choose_index import least
from reference_sets.indexes import index
from reference_sets.model import ReferenceSet
from reference_sets.planted import bounds, planted
from reference_sets.store import Store
from vectors.errors import StoreError
from vectors.index import APPROXIMATE, Index

log = logging.getLogger("vigilens.sets")

EVERY_S = 60.0
COPIES = 64  # in a round: one search of a batch
_SAMPLE = 200  # references that they are planted of
_ROUNDS = 30  # of which the recall is reported
_TOO_LOW = 3  # rounds in a row, until something is done
# An index is chosen that finds .995. A random sample of copies may have a little less, and so may one whose references
# have changed. With fewer than this, copies are missed that matter.
LOWEST = 0.985
_FITS = 500_000  # references: with as many, an exact search for a batch of 64 takes seconds

_Which = tuple[str, str, str, str]  # set, its creation, index and options


class Recall(NamedTuple):
    """Share of the planted copies that were found lately, its lower 95 % bound, and whether it stays too low."""

    share: float
    lower: float
    low: bool = False


@dataclass(slots=True)
class _State:
    """What is known of an index. Hits and copies of the last rounds; rounds in a row that were too low."""

    next: float = 0.0
    rounds: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_ROUNDS))
    low: int = 0
    thorough: bool = False

    def counts(self) -> tuple[int, int]:
        return sum(hits for hits, _ in self.rounds), sum(of for _, of in self.rounds)


class Canary:
    """Watches what the approximate indexes miss. Safe to use from several threads.

    Args:
        store: where the sets are.
        clock: seconds, rising.
        seed: of the planted copies.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic, seed: int | None = None) -> None:
        self._store = store
        self._clock = clock
        self._random = np.random.default_rng(seed)
        self._states: dict[_Which, _State] = {}

    def index(self, known: ReferenceSet, top_k: int) -> Index:
        """Return the index to search a set with; once in a minute, measure its recall first.

        Args:
            known: the set.
            top_k: neighbours of a search.

        Raises:
            Away: Milvus does not answer.
        """
        usual = index(known)
        if known.index not in APPROXIMATE:
            return usual
        state = self._states.setdefault(_which(known), _State())
        if self._clock() >= state.next:
            state.next = self._clock() + EVERY_S  # first, so that no other thread begins too
            try:
                self._round(known, usual, top_k, state)
            except StoreError as error:  # the search itself reports what concerns it
                log.warning("the recall of an index is not known", extra=_fields(known, why=str(error)))
        return Index(usual.kind, usual.build) if state.thorough else usual

    def recalls(self, sets: Sequence[ReferenceSet]) -> Mapping[str, Recall]:
        """Set → what its index finds, for those with an approximate one that was measured."""
        found: dict[str, Recall] = {}
        for known in sets:
            if (state := self._states.get(_which(known))) and (counts := state.counts())[1]:
                found[known.name] = Recall(counts[0] / counts[1], bounds(*counts)[0], state.low >= _TOO_LOW)
        return found

    def _round(self, known: ReferenceSet, usual: Index, top_k: int, state: _State) -> None:
        keys, vectors = self._store.sample(known.name, _SAMPLE, self._random)
        if len(keys) <= min(top_k, _SAMPLE - 1):  # all references of a small set are found
            return
        copies = planted(vectors, COPIES, least(known), self._random)
        answers = self._store.search(known.name, copies.vectors, top_k, index=usual)
        hits, of = 0, 0
        for near, source, cosine in zip(answers, copies.sources, copies.cosines, strict=True):
            found = bool(keys[source] in {(one.id, one.mirrored) for one in near})
            hits += found
            of += found or not near or bool(cosine > near[-1].score)
        state.rounds.append((hits, of))
        low = any(bounds(*counts)[1] < LOWEST for counts in ((hits, of), state.counts()))
        state.low = state.low + 1 if low else 0
        if state.low == _TOO_LOW:
            self._act(known, state)

    def _act(self, known: ReferenceSet, state: _State) -> None:
        hits, of = state.counts()
        state.thorough = self._store.count(known.name) <= _FITS
        what = "it is searched exactly from now on" if state.thorough else "it is too large to be searched exactly"
        log.warning(
            "the index of a set misses too many copies, and %s; choose its parameters again with `vigilens sets index`",
            what,
            extra=_fields(known, found=hits, of=of, lowest=LOWEST),
        )


def _which(known: ReferenceSet) -> _Which:
    return known.name, known.created, known.index, known.index_options


def _fields(known: ReferenceSet, **more: object) -> dict[str, object]:
    return {"fields": {"set": known.name, "index": known.index, **more}}
