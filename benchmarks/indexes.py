"""Approximate indexes beside exact search: what they find of planted copies, and what a search costs.

    python -m benchmarks.indexes [--references 30000] [--where lite,server] [--kinds ivf_flat,ivf_sq8,hnsw]
        [--vectors FILE.npy]

Each index gets the parameters that `vigilens sets index` would choose, also if it is slower than an exact search. Then
the recall canary watches it as it is, and sabotaged: with one cell or the fewest neighbours. Without a file of vectors
(rows, dimension) of an encoder, random ones are taken, which lie along few directions as those of `words` do. The last
line is JSON.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine, sentence
from benchmarks.search import AT_ONCE, CALL_S, READY_S, say
from benchmarks.search_places import Lite, Place, Server
from patience import Patience
from reference_sets.canary import EVERY_S, Canary
from reference_sets.choose_index import IndexRefused, choose
from reference_sets.model import Kind, Reference, ReferenceSet, Thresholds
from reference_sets.planted import planted
from reference_sets.store import Store
from vectors.index import APPROXIMATE, EXACT, Index

TOP = 35  # sets.shortlist
_SET = "known"
_BATCH = 64
_ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """One index. Times are milliseconds for one of 64 queries: `cpu_ms` of all processes, the others wall time."""

    where: str
    kind: str
    options: dict[str, int]
    recall: float
    exact_ms: float
    ms: float
    exact_cpu_ms: float
    cpu_ms: float
    canary: float
    sabotaged: float
    noticed_after: int


def vectors_of(options: argparse.Namespace) -> NDArray[np.float32]:
    """Unit vectors (references, dimension)."""
    if options.vectors:
        found = np.load(options.vectors)[: options.references]
    else:
        spread = np.exp(-np.arange(512) / 76)  # 57 % of the squares along 32 directions, 97 % along 128
        found = np.random.default_rng(5).standard_normal((options.references, 512)) * spread
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def measure(place: Place, vectors: NDArray[np.float32], kinds: list[str]) -> Iterator[Row]:
    """Fill a set with these vectors, and measure each index."""
    with Store(place.start(), timeout_s=CALL_S, patience=Patience(READY_S)) as store:
        dimension = vectors.shape[1]
        store.create(
            ReferenceSet(_SET, Kind.HARMFUL, "", 50, Thresholds(-1, 1), "bench:0", dimension, 1, (0.0,) * dimension)
        )
        for start in range(0, len(vectors), AT_ONCE):
            rows = enumerate(vectors[start : start + AT_ONCE].tolist(), start)
            store.upsert(_SET, [Reference(_id(number), "", tuple(vector)) for number, vector in rows])
        store.flush(_SET)
        say(f"{place.name}: {len(vectors):,} references added")
        queries = planted(vectors[:5000], _BATCH, -1, np.random.default_rng(1)).vectors
        exact = _cpu_ms(place, store, queries, Index())
        for kind in kinds:
            try:
                found = choose(store, _SET, kind, TOP, slower=True, progress=lambda line: say(f"{place.name}: {line}"))
            except IndexRefused as why:
                say(f"{place.name}: {why}")
                continue
            cpu = _cpu_ms(place, store, queries, found.index)
            canary, _ = _watched(store)
            least = {name: 1 for name in found.index.search if name == "nprobe"} or {"ef": TOP}
            store.set_index(_SET, kind, {**found.index.build, **least})
            sabotaged, noticed = _watched(store)
            options = {**found.index.build, **found.index.search}
            yield Row(
                place.name,
                kind,
                options,
                found.recall,
                found.exact_ms,
                found.ms,
                exact,
                cpu,
                canary,
                sabotaged,
                noticed,
            )
        store.set_index(_SET, EXACT, {})


def _id(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:40]


def _cpu_ms(place: Place, store: Store, queries: NDArray[np.float32], index: Index) -> float:
    store.search(_SET, queries, TOP, index=index)
    before = place.cpu_s + time.process_time()
    for _ in range(_ROUNDS):
        store.search(_SET, queries, TOP, index=index)
    return (place.cpu_s + time.process_time() - before) * 1000 / _ROUNDS / len(queries)


def _watched(store: Store) -> tuple[float, int]:
    """What the canary finds in some rounds, and after how many it searches exactly; 0: it does not."""
    now = [0.0]
    canary = Canary(store, lambda: now[0], seed=2)
    known = store.describe(_SET)
    noticed = 0
    for number in range(1, _ROUNDS + 1):
        now[0] += EVERY_S
        if not canary.index(known, TOP).search and not noticed:
            noticed = number
    return canary.recalls([known])[_SET].share, noticed


def show(rows: Sequence[Row]) -> None:
    """Print a table in Markdown."""
    times = ("exact, CPU", "with it, CPU", "exact, wall", "with it, wall")
    heads = ("where", "index", "finds", *times, "canary", "sabotaged", "noticed after")
    sys.stdout.write(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n")
    for row in rows:
        shown = " ".join((row.kind, *(f"{name} {value}" for name, value in row.options.items())))
        cells = [row.where, shown, f"{row.recall:.4f}"]
        cells += [f"{ms:.2f} ms" for ms in (row.exact_cpu_ms, row.cpu_ms, row.exact_ms, row.ms)]
        cells += [f"{row.canary:.3f}", f"{row.sabotaged:.3f}", str(row.noticed_after or "-")]
        sys.stdout.write(f"| {' | '.join(cells)} |\n")


def main() -> None:
    """Measure what the options name; print a table in Markdown, then JSON."""
    places: dict[str, type[Place]] = {"lite": Lite, "server": Server}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=int, default=30_000, help="(%(default)s)")
    parser.add_argument("--where", default=",".join(places), help="places, comma-separated (%(default)s)")
    parser.add_argument("--kinds", default=",".join(APPROXIMATE), help="indexes, comma-separated (%(default)s)")
    parser.add_argument("--vectors", type=Path, help="a file of NumPy with the vectors of an encoder")
    options = parser.parse_args()
    sys.stdout.write(f"{sentence()}\n\n")
    vectors, rows = vectors_of(options), list[Row]()
    for name in options.where.split(","):
        with tempfile.TemporaryDirectory() as folder:
            place = places[name](Path(folder))
            try:
                rows += measure(place, vectors, options.kinds.split(","))
            finally:
                place.end()
    show(rows)
    sys.stdout.write(json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows]}) + "\n")


if __name__ == "__main__":
    main()
