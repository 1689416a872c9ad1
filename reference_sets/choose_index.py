"""Gives a set an approximate index, if it finds planted copies and saves time on the Milvus that is used.

The parameters are measured there: first all planted copies are searched exactly. Then the index is built, with such
parameters for searches that a service misses nothing meanwhile, and searched with more and more until it finds enough.
If it never does, or takes as long as the exact search, the set is searched exactly again.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_sets.in_memory.hash_table import only_hashes
from reference_sets.model import Neighbour, ReferenceSet, Verify
from reference_sets.planted import Planted, bounds, planted
from reference_sets.store import Store
from vectors.errors import StoreError
from vectors.index import EXACT, HNSW, Index

TARGET = 0.995  # of the planted copies that the exact search finds
COPIES = 1024
_SAMPLE = 5000  # references that copies are planted of
_BATCH = 64  # queries of one search, as in a batch of the service
_LEAST = 1000  # references: with fewer, an exact search takes no time


class IndexRefused(StoreError):  # noqa: N818 (named after what happened)
    """An index is not worth it. The set is searched exactly. The message says what was measured."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of an index.

    Attributes:
        index: with the parameters that were chosen.
        recall: share of the planted copies that it finds, of those that the exact search finds.
        lower: lower 95 % bound of that share.
        copies: number of these copies.
        exact_ms, ms: of one of 64 queries, without and with it; wall time.
    """

    index: Index
    recall: float
    lower: float
    copies: int
    exact_ms: float
    ms: float


def choose(  # noqa: PLR0913 (the last three by keyword)
    store: Store,
    name: str,
    kind: str,
    top_k: int,
    *,
    slower: bool = False,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> Measured:
    """Give a set an approximate index, and return what was measured.

    Args:
        store: where the set is.
        name: of the set.
        kind: one of `vectors.index.APPROXIMATE`.
        top_k: neighbours of a search, as the service searches the set.
        slower: keep an index that finds enough, even if it takes as long as the exact search.
        seed: of the planted copies.
        progress: called with a line about each step.

    Raises:
        IndexRefused: see there.
        StoreError, Away: see `Store`.
    """
    known, number = store.describe(name), store.count(name)
    if only_hashes(known):
        raise IndexRefused(f"only hashes decide in {name}, which are searched in memory: there is no index to choose")
    if number < _LEAST:
        raise IndexRefused(f"{name} has {number:,} references: below {_LEAST:,} an exact search takes no time")
    if known.index != EXACT:
        store.set_index(name, EXACT, {})
    trial = _Trial(store, known, top_k, seed)
    exact = trial.found(Index())
    exact_ms = trial.ms
    progress(f"exact search: {exact.sum():,} of {COPIES:,} planted copies found, {exact_ms:.2f} ms for each")
    wide = Index(kind, _built(kind, number))
    progress(f"building {kind} of {number:,} references")
    try:
        store.set_index(name, kind, dict(wide.build))
        measured = _chosen(trial, wide, exact, exact_ms, progress)
        if not slower:
            _check_time(name, measured)
        store.set_index(name, kind, _options(measured, number))
    except BaseException:
        store.set_index(name, EXACT, {})
        raise
    return measured


def _chosen(
    trial: "_Trial", wide: Index, exact: NDArray[np.bool_], exact_ms: float, progress: Callable[[str], None]
) -> Measured:
    """Return the index with the fewest cells or neighbours that finds enough."""
    recall = 0.0
    for search in _steps(wide):
        index = Index(wide.kind, wide.build, search)
        hits, of = int((trial.found(index) & exact).sum()), int(exact.sum())
        recall = hits / max(of, 1)
        shown = ", ".join(f"{key} {value}" for key, value in search.items())
        progress(f"{wide.kind}, {shown}: {recall:.4f} of these, {trial.ms:.2f} ms")
        if recall >= TARGET:
            return Measured(index, recall, bounds(hits, of)[0], of, exact_ms, trial.ms)
    raise IndexRefused(
        f"{trial.name} is searched exactly: {wide.kind} finds {recall:.4f} of the planted copies that an exact search "
        f"finds, and {TARGET} are needed"
    )


def _check_time(name: str, measured: Measured) -> None:
    if measured.ms >= measured.exact_ms:
        raise IndexRefused(
            f"{name} is searched exactly: {measured.index.kind} finds {measured.recall:.4f} of the planted copies, but "
            f"takes {measured.ms:.2f} ms for each, and the exact search {measured.exact_ms:.2f} ms"
        )


def _built(kind: str, number: int) -> dict[str, int]:
    """Return what an index is built with: FAISS's guideline of 4 √n cells, and usual values for a graph."""
    if kind == HNSW:
        return {"M": 32, "efConstruction": 200}
    return {"nlist": int(min(max(16, 2 ** round(np.log2(4 * np.sqrt(number)))), 16_384))}


def _steps(wide: Index) -> Sequence[dict[str, int]]:
    """Return parameters of searches, each about 1.4 times as thorough as the one before."""
    if wide.kind == HNSW:
        return [{"ef": round(64 * 2 ** (step / 2))} for step in range(15)]
    cells = wide.build["nlist"]
    shares = sorted({max(1, round(cells * 2 ** (-step / 2))) for step in range(13)})
    return [{"nprobe": one} for one in shares]


def _options(measured: Measured, number: int) -> dict[str, float | int]:
    found = {"recall": round(measured.recall, 5), "lower": round(measured.lower, 5), "references": number}
    return {**measured.index.build, **measured.index.search, **found}


class _Trial:
    """Searches for planted copies, and measures the time.

    Attributes:
        name: of the set.
        ms: wall time for one copy in the last search; the median of the batches, because others use the machine too.
    """

    def __init__(self, store: Store, known: ReferenceSet, top_k: int, seed: int) -> None:
        self._store, self.name, self._top_k = store, known.name, top_k
        random = np.random.default_rng(seed)
        keys, vectors = store.sample(known.name, _SAMPLE, random)
        self._copies: Planted = planted(vectors, COPIES, least(known), random)
        self._sources = [keys[row] for row in self._copies.sources]
        self.ms = 0.0

    def found(self, index: Index) -> NDArray[np.bool_]:
        """Return for each copy whether its reference is found."""
        answers: list[list[Neighbour]] = []
        vectors = self._copies.vectors
        self._store.search(self.name, vectors[:1], self._top_k, index=index)  # loads what is needed
        times: list[float] = []
        for start in range(0, len(vectors), _BATCH):
            started = time.perf_counter()
            answers += self._store.search(self.name, vectors[start : start + _BATCH], self._top_k, index=index)
            times.append(time.perf_counter() - started)
        self.ms = statistics.median(times) * 1000 / _BATCH
        return np.array([key in map(_key, near) for key, near in zip(self._sources, answers, strict=True)])


def least(known: ReferenceSet) -> float:
    """Return the lowest similarity at which a copy matters for a set."""
    return -1.0 if known.verify is Verify.REQUIRED else known.thresholds.review


def _key(one: Neighbour) -> tuple[str, bool]:
    return one.id, one.mirrored
