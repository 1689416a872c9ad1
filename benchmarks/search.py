"""The cost of a search: sets of 1k to 1M references on Milvus Lite and on a Milvus server, one search per batch.

    python -m benchmarks.search [--sizes 1000,10000,100000,1000000] [--where lite,server] [--keypoints]
        [--hashes] [--quick]

The vectors are random unit vectors: the cost of an exact search does not depend on them. They are added and searched
through the service's store. Hashes are searched as the service does, in this process. The last line is JSON.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks import search_hashes
from benchmarks.machine import machine, sentence
from benchmarks.search_places import Lite, Place, Server
from harness.milvus_server import NoMilvus, program
from patience import Patience
from reference_sets.in_memory.hashes import BYTES
from reference_sets.model import Kind, Reference, ReferenceSet, Thresholds
from reference_sets.store import Store

DIMENSION = 512
SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUICK = (1_000, 10_000)
BATCHES = (1, 8, 64, 256)
TOPS = (5, 50)  # sets.top_k, and sets.shortlist
AT_ONCE = 2_000  # references made and added at a time
KEYPOINTS_BYTES = 17_100  # 450 keypoints of 38 bytes, as most pictures have (docs/copies.md)
LEAST_FREE = 4 << 30  # bytes of memory to leave for other programs
CALL_S = 600.0  # a server that is full takes minutes for one call
READY_S = 120.0  # a server answers 15 s after its start, later on a busy machine
_SET = "known"

_began = time.monotonic()


@dataclass
class Row:
    """The measurements of one set. Times in milliseconds are by "TOP x BATCH"; a batch is one search.

    Attributes:
        where: name of the place.
        wanted: references to add.
        keypoints: whether references have keypoints.
        hashes: whether it is a list of hashes, which this process searches in its memory.
        seconds: for which each search is repeated, at least three times.
        references: in the set; fewer than `wanted` if they did not fit or took too long.
        load_s: to add them all and to write them as one segment.
        open_s: after a restart, from the start (Lite) or from the first answer (server) to the first result.
        memory: bytes of the process after the searches, less those before there was a set.
        peak: the maximum of the same, after it was opened again.
        disk: bytes of its data on the disk.
        raw: bytes of the vectors or hashes alone.
        costs: of the service, for hashes.
        wall_ms: wall time of one search.
        cpu_ms: processor time of one search, in both processes together.
        stopped: why the measurement ended early; empty if it did not.
    """

    where: str
    wanted: int
    keypoints: bool
    hashes: bool
    seconds: float
    references: int = 0
    load_s: float = 0.0
    open_s: float = 0.0
    memory: int = 0
    peak: int = 0
    disk: int = 0
    raw: int = 0
    costs: search_hashes.Costs | None = None
    wall_ms: dict[str, float] = field(default_factory=dict)
    cpu_ms: dict[str, float] = field(default_factory=dict)
    stopped: str = ""


class _TooMuch(Exception):  # noqa: N818 (named after what happened)
    """Not enough memory or time; the text says which."""


def say(line: str) -> None:
    """Print a line of progress on stderr: stdout is for the result."""
    print(f"[{time.monotonic() - _began:6.1f}] {line}", file=sys.stderr, flush=True)


def measure(place: Place, row: Row, limit_s: float, *, reopen: bool) -> None:
    """Fill a set, open it again, search it; writes the measurements into the row."""
    deadline = time.monotonic() + limit_s
    store = _opened(place.start())
    try:
        before = place.rss
        _fill(store, row, deadline)
        say(f"{row.where}: {row.references:,} references added in {row.load_s:.1f} s")
        if reopen:
            store.close()
            place.stop()
            store = _reopened(place, row)
            say(f"{row.where}: opened again in {row.open_s:.1f} s")
        if row.hashes:
            find, row.costs = search_hashes.prepared(store, _SET)
        else:
            find = _vector_search(store)
        _search(find, place, row, deadline)
        row.memory, row.peak, row.disk = place.rss - before, place.peak - before, place.disk
    except _TooMuch as why:
        row.stopped = str(why)
        say(f"{row.where}: stopped at {row.references:,} references: {why}")
    finally:
        store.close()
        place.end()


def _opened(uri: str) -> Store:
    return Store(uri, timeout_s=CALL_S, patience=Patience(READY_S))


def _fill(store: Store, row: Row, deadline: float) -> None:
    thresholds = Thresholds(0.7, 0.8)
    described = ReferenceSet(_SET, Kind.HARMFUL, "bench", 50, thresholds, "bench:0", DIMENSION, 1, (0.0,) * DIMENSION)
    store.create(search_hashes.of_hashes(described) if row.hashes else described)
    said = begun = time.monotonic()
    hashes = search_hashes.hashes(row.wanted, AT_ONCE)
    for part in hashes if row.hashes else _references(row.wanted, keypoints=row.keypoints):
        _check(deadline)
        store.upsert(_SET, part)
        row.references += len(part)
        row.load_s = time.monotonic() - begun
        if time.monotonic() - said > 10:  # noqa: PLR2004 (seconds between two lines)
            said = time.monotonic()
            say(f"{row.where}: {row.references:,} of {row.wanted:,} references added")
    store.flush(_SET)
    row.load_s = time.monotonic() - begun
    row.raw = row.references * (BYTES if row.hashes else DIMENSION * 4)


def _references(count: int, *, keypoints: bool) -> Iterator[list[Reference]]:
    size = KEYPOINTS_BYTES if keypoints else 0
    for start in range(0, count, AT_ONCE):
        rows, random = _unit(min(AT_ONCE, count - start), start), np.random.default_rng(start)
        yield [
            Reference(f"r{start + place}", f"label {start + place}", tuple(row), random.bytes(size))
            for place, row in enumerate(rows.tolist())
        ]


def _unit(rows: int, seed: int) -> NDArray[np.float32]:
    """Random unit vectors (rows, DIMENSION)."""
    vectors = np.random.default_rng((5, seed)).standard_normal((rows, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _check(deadline: float) -> None:
    """Check memory and time. Called between two calls to Milvus: a call under way is not interrupted."""
    if (free := psutil.virtual_memory().available) < LEAST_FREE:
        raise _TooMuch(f"the machine has only {free / 2**30:.1f} GiB of free memory")
    if time.monotonic() > deadline:
        raise _TooMuch("the time limit was over")


def _reopened(place: Place, row: Row) -> Store:
    begun = time.monotonic()
    store = _opened(place.start())
    if isinstance(place, Server):
        begun = time.monotonic()  # the start of the server itself does not depend on the set
    if row.hashes:
        search_hashes.first_result(store, _SET)
    else:
        store.search(_SET, _unit(1, -1 % 2**31), 1)
    row.open_s = time.monotonic() - begun
    return store


Find = Callable[[int, int], Any]  # the nearest so many of so many queries


def _vector_search(store: Store) -> Find:
    queries = _unit(max(BATCHES), 2**31)
    return lambda batch, top: store.search(_SET, queries[:batch], top)


def _search(find: Find, place: Place, row: Row, deadline: float) -> None:
    for top in TOPS:
        for batch in BATCHES:
            walls: list[float] = []
            cpus: list[float] = []
            enough = time.monotonic() + row.seconds
            while len(walls) < 3 or (len(walls) < 15 and time.monotonic() < enough):  # noqa: PLR2004 (a median of some)
                _check(deadline)
                cpu, begun = place.cpu_s + time.process_time(), time.perf_counter()
                find(batch, top)
                walls.append(time.perf_counter() - begun)
                cpus.append(place.cpu_s + time.process_time() - cpu)
            row.wall_ms[f"{top} x {batch}"] = 1000 * statistics.median(walls)
            # The mean, not the median: processor time is counted in steps of 10 ms.
            row.cpu_ms[f"{top} x {batch}"] = 1000 * statistics.fmean(cpus)


def show(rows: Sequence[Row]) -> None:
    """Print two tables in Markdown: the cost of a search, and the cost of a set."""
    print("\n| where | references | top | " + " | ".join(f"{n} at once" for n in BATCHES) + " | an image of 64 | CPU |")
    print("|---|---|---|" + "---|" * (len(BATCHES) + 2))
    for row in rows:
        for top in TOPS if row.wall_ms else ():
            cells = [f"{row.wall_ms[f'{top} x {batch}']:.1f} ms" for batch in BATCHES]
            each = [f"{times[f'{top} x 64'] / 64:.2f} ms" for times in (row.wall_ms, row.cpu_ms)]
            print("| " + " | ".join([_name(row), f"{row.references:,}", str(top), *cells, *each]) + " |")
    mib = 2**20
    print("\n| where | references | added in | opened in | memory | a reference | to raw vectors | at most | on disk |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        count = max(1, row.references)
        cells = [f"{row.load_s:.1f} s", f"{row.open_s:.1f} s", f"{row.memory / mib:,.0f} MiB"]
        cells += [f"{row.memory / count / 1024:.1f} KiB", f"{row.memory / max(1, row.raw):.1f}"]
        cells += [f"{size / mib:,.0f} MiB" for size in (row.peak, row.disk)]
        print("| " + " | ".join([_name(row), f"{row.references:,}", *cells]) + f" | {row.stopped}".rstrip("| ") + " |")
    for row in rows:
        if row.costs:
            print(
                f"\n{_name(row)}, {row.references:,}: {row.costs.own / mib:,.0f} MiB in the service; it starts in "
                f"{row.costs.copied_s:.1f} s with a copy on disk; a change is in force after {row.costs.change_s:.2f} s"
            )


def _name(row: Row) -> str:
    return row.where + (", with keypoints" if row.keypoints else ", hashes" if row.hashes else "")


def main() -> None:
    """Measure everything that the options name; print tables, then JSON."""
    options = _options()
    print(sentence(), flush=True)
    rows: list[Row] = []
    for kind in options.where:
        if kind is Server:
            try:
                program()
            except NoMilvus as why:
                say(f"{why}; the server is left out")
                continue
        for references in options.sizes[-1:] if options.quick and kind is Server else options.sizes:
            seconds = 0.3 if options.quick else 1.5
            rows.append(Row(kind.name, references, options.keypoints, options.hashes, seconds))
            with tempfile.TemporaryDirectory() as folder:
                # A server takes a minute to stop and to start: too long for --quick.
                reopen = kind is Lite or not options.quick
                measure(kind(Path(folder)), rows[-1], options.limit_s, reopen=reopen)
            say(json.dumps(asdict(rows[-1])))
    show(rows)
    print(json.dumps(_result(rows)))


def _result(rows: Sequence[Row]) -> dict[str, Any]:
    return {"machine": machine(), "dimension": DIMENSION, "rows": [asdict(row) for row in rows]}


def _options() -> argparse.Namespace:
    places: dict[str, type[Place]] = {"lite": Lite, "server": Server}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="references, comma-separated (%(default)s)")
    parser.add_argument("--where", default=",".join(places), help="places, comma-separated (%(default)s)")
    parser.add_argument("--keypoints", action="store_true", help="with keypoints, as for the check: 17 KB each")
    parser.add_argument("--hashes", action="store_true", help="lists of hashes, which are searched in memory")
    parser.add_argument("--limit-s", type=float, default=1200, help="seconds for one set, at most (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="1,000 and 10,000 on Lite, 10,000 on the server")
    options = parser.parse_args()
    options.sizes = QUICK if options.quick else [int(size) for size in options.sizes.split(",")]
    options.where = [places[name] for name in options.where.split(",")]
    return options


if __name__ == "__main__":
    main()
