"""Pictures per second, from a JPEG's bytes to its vector: ours against two usual ways, in one run, as ratios.

    python -m benchmarks.throughput [--rounds 3] [--quick] [--soak [100000]]

The ways take turns in each round; the median counts. ViT-B-32 has random weights, the pictures are made at run time.
The limit is the rate that decoding alone and embedding alone permit together: 1 / (1 / decode + 1 / embed). With
--soak: memory after many pictures of many sizes against memory after 1,000. The last line is JSON.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.jpegs import endless, jpegs
from benchmarks.machine import OtherLoad, machine, sentence
from benchmarks.processes import Process, receive_first
from benchmarks.throughput_ways import serve, soak
from benchmarks.weights import checkpoint

SIZES = {"640x480": (640, 480), "1280x960": (1280, 960), "12 MP": (4000, 3000)}
# Pictures of one turn: a few seconds of each way on 2 cores. The loader needs several batches to reach its full rate.
COUNTS = {
    "640x480": {"naive": 64, "loader": 256, "ours": 512},
    "1280x960": {"naive": 48, "loader": 192, "ours": 512},
    "12 MP": {"naive": 24, "loader": 128, "ours": 128},
}
QUICK = {"naive": 24, "loader": 96, "ours": 192}
DISTINCT = {"640x480": 48, "1280x960": 24, "12 MP": 8}
# Cores that other programs may keep busy. They slow the naive loop most, whose threads wait for each other.
MOST_OTHERS = 0.1
NAMES = {"openclip": "ViT-B-32", "words": "words"}
# The turns of a round: process, encoder, way.
TURNS = (
    ("theirs", "openclip", "naive"),
    ("theirs", "openclip", "loader"),
    *((name, name, way) for name in NAMES for way in ("ours", "decode", "embed")),
)
_SOAKED = ((200, 150), (640, 480), (480, 640), (800, 600), (1280, 960), (1600, 1200), (333, 517), (1024, 300))
_OF_EACH = 4  # pictures of each of these sizes

Rates = dict[str, float]  # way → pictures per second

_began = time.monotonic()


def say(line: str) -> None:
    """Print a line of progress on stderr: stdout is for the result."""
    print(f"[{time.monotonic() - _began:6.1f}] {line}", file=sys.stderr, flush=True)


def measure(weights: Path, rounds: int, *, quick: bool) -> tuple[dict[str, dict[str, Rates]], dict[str, str]]:
    """Rates by encoder and size; and each process's way of computing (numeric type, threads)."""
    rates: dict[str, dict[str, Rates]] = {name: {} for name in NAMES}
    with ExitStack() as stack:
        pipes = {
            kind: stack.enter_context(Process(serve, kind, weights, one_thread=kind != "theirs"))
            for kind in ("theirs", *NAMES)
        }
        how = {kind: receive_first(pipe) for kind, pipe in pipes.items()}
        for kind, text in how.items():
            say(f"{kind}: {text}")
        for size in list(SIZES)[: 1 if quick else None]:
            files = jpegs(DISTINCT[size], *SIZES[size])
            say(f"{size}: {len(files)} pictures of {statistics.fmean(map(len, files)) / 1024:.0f} KB made")
            stream, counts = endless(files), QUICK if quick else COUNTS[size]
            found = [_round(pipes, stream, counts, f"{size}, round {number + 1}") for number in range(rounds)]
            for _, name, way in TURNS:
                rates[name].setdefault(size, {})[way] = statistics.median(each[name, way] for each in found)
    return rates, how


def _round(
    pipes: Mapping[str, Connection], stream: Iterator[bytes], counts: Mapping[str, int], title: str
) -> dict[tuple[str, str], float]:
    """Each way once, one after the other; pictures per second by encoder and way."""
    rates: dict[tuple[str, str], float] = {}
    for kind, name, way in TURNS:
        pipes[kind].send((way, list(islice(stream, counts.get(way, counts["ours"])))))
        rates[name, way] = pipes[kind].recv()
        say(f"{title}: {NAMES[name]}, {way}: {rates[name, way]:.1f} pictures/s")
    return rates


def ratios(rates: Rates, vit: Rates) -> Rates:
    """The ratios of one encoder and size; `vit` has the rates of the two usual ways, which use ViT-B-32."""
    limit = 1 / (1 / rates["decode"] + 1 / rates["embed"])
    return {
        "ours_over_naive": rates["ours"] / vit["naive"],
        "ours_over_loader": rates["ours"] / vit["loader"],
        "share_of_limit": rates["ours"] / limit,
    }


def show(rates: Mapping[str, Mapping[str, Rates]]) -> None:
    """Print a table in Markdown, in pictures per second."""
    print(
        "\n| encoder | pictures | naive | loader | decode alone | embed alone | ours | / naive | / loader | of limit |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, sizes in rates.items():
        for size, each in sizes.items():
            alone = [
                f"{each[way]:.1f}" if way in each else "" for way in ("naive", "loader", "decode", "embed", "ours")
            ]
            claimed = ratios(each, rates["openclip"][size])
            over = [f"{claimed[key]:.2f}" for key in ("ours_over_naive", "ours_over_loader", "share_of_limit")]
            print("| " + " | ".join([NAMES[name], size, *alone, *over]) + " |")


def soaked(weights: Path, count: int) -> dict[str, float]:
    """Memory after `count` pictures over memory after 1,000, by encoder."""
    files = [data for width, height in _SOAKED for data in jpegs(_OF_EACH, width, height)]
    found = {}
    for name, shown in NAMES.items():
        with Process(soak, name, weights, files, count, one_thread=True) as pipe:
            marks: list[tuple[int, int]] = []
            while not marks or marks[-1][0] < count:
                marks.append(pipe.recv())
                say(f"{shown}: {marks[-1][1] / 2**20:,.0f} MiB after {marks[-1][0]:,} pictures")
        found[name] = marks[-1][1] / marks[0][1]
        print(f"{shown}: memory after {count:,} pictures / after {marks[0][0]:,}: {found[name]:.3f}", flush=True)
    return found


def main() -> None:
    """Measure; print tables, then JSON."""
    options = _options()
    print(sentence(), flush=True)
    result: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        weights = checkpoint(Path(folder))
        if options.soak:
            memory = soaked(weights, options.soak)
            result |= {"pictures": options.soak, "memory_ratio": max(memory.values()), "memory_ratios": memory}
        else:
            load = OtherLoad()
            rates, how = measure(weights, options.rounds, quick=options.quick)
            show(rates)
            if (others := load.cores) > MOST_OTHERS:
                print(f"\nOther programs kept {others:.1f} cores busy: the ratios mean nothing. Use an idle machine.")
            result |= _claims(rates) | {"others_cores": others, "how": how, "pictures_per_s": rates}
    print(json.dumps(result))


def _claims(rates: Mapping[str, Mapping[str, Rates]]) -> dict[str, Any]:
    """The ratios of the first size with ViT-B-32, then all by encoder and size."""
    by_size = {
        name: {size: ratios(each, rates["openclip"][size]) for size, each in sizes.items()}
        for name, sizes in rates.items()
    }
    return {**by_size["openclip"][next(iter(SIZES))], "by_encoder_and_size": by_size}


def _options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="640x480 only, fewer pictures, one round")
    parser.add_argument(
        "--soak", type=int, nargs="?", const=100_000, metavar="N", help="memory after N pictures instead (%(const)s)"
    )
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds = 1
    return options


if __name__ == "__main__":
    main()
