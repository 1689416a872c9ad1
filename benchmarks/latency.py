"""How long a verdict takes: pictures arrive at random, at shares of the service's capacity, and one by one.

    python -m benchmarks.latency [--network ViT-B-32 | --words] [--seconds 30] [--quick]

Arrivals are a Poisson process: the pauses between pictures are exponential. A verdict's time is from the moment at
which its picture was due to be sent until a reader of committed records has the verdict, so a late sender hides no
delay. The broker, the sender and the reader share the cores with the service. The capacity is measured again before
each load, with pictures that are all sent at once, because a shared machine varies in speed. The last line is JSON: for
each share of the capacity, and as "single" for one picture on an idle topic, `p50_ms`, `p95_ms` and `p99_ms`.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from benchmarks.jpegs import endless, jpegs
from benchmarks.machine import sentence
from benchmarks.processes import Process, receive_first
from benchmarks.service import rate
from benchmarks.stream import IMAGES, KNOWN, NETWORK, PARTITIONS, WORDS, Stream, stream
from benchmarks.weights import add_option
from harness.readers import Reader

DISTINCT = 50  # pictures; each is sent with another comment, so that none is an exact duplicate
LOADS = (0.25, 0.5, 0.75, 0.9)
SINGLES = 25
WARM = 64  # pictures sent before the measured ones, so that everything is loaded
SILENCE_S = 60.0


class Exchange:
    """Sends pictures with numbers as keys, and measures when their verdicts come.

    Args:
        bootstrap: address of the broker.
        reader: of the verdicts.
        files: pictures to send.
    """

    def __init__(self, bootstrap: str, reader: Reader, files: Iterator[bytes]) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
        self._reader = reader
        self._files = files
        self._sent = 0

    def at(self, due: np.ndarray) -> np.ndarray:
        """Send pictures at these times (n,), in seconds from now; returns the seconds that each verdict took (n,)."""
        first, started = self._sent, time.perf_counter()
        self._sent += len(due)
        sender = threading.Thread(target=self._send, args=(first, started + due))
        sender.start()
        taken = np.full(len(due), np.nan)
        while np.isnan(taken).any():
            record = self._reader.next(SILENCE_S)
            if record is None:
                raise SystemExit(f"no verdict for {SILENCE_S:.0f} s")
            number = int(record.key() or b"") - first
            taken[number] = time.perf_counter() - started - due[number]
        sender.join()
        return taken

    def capacity(self, count: int) -> float:
        """Images per second when `count` are sent at once."""
        return rate(sorted(self.at(np.zeros(count)).tolist()))

    def _send(self, first: int, times: np.ndarray) -> None:
        for number, when in enumerate(times, first):
            data = next(self._files)
            time.sleep(max(0.0, when - time.perf_counter()))
            self._producer.produce(IMAGES, data, key=str(number), partition=number % PARTITIONS)
            self._producer.poll(0)
        self._producer.flush()


def set_up(pipe: Connection, here: Stream, encoder: str, known: int) -> None:
    """Run in a separate process while the broker starts: makes the weights and the set that the service needs."""
    here.judge(encoder, known)[0].close()
    pipe.send("done")


def percentiles(taken: np.ndarray) -> dict[str, float]:
    """Percentiles in milliseconds; `taken` is in seconds."""
    return {f"p{share}_ms": round(float(np.percentile(taken, share)) * 1000, 1) for share in (50, 95, 99)}


def measure(here: Stream, options: argparse.Namespace) -> dict[str, object]:
    """Measure single pictures, and all loads."""
    seconds, rng = options.seconds, np.random.default_rng(options.seed)
    settings = here.settings(options.encoder, "latency")
    with here.verdicts() as reader, here.service(settings):
        exchange = Exchange(here.bootstrap, reader, endless(jpegs(DISTINCT, 640, 480)))
        exchange.at(np.zeros(WARM))
        result: dict[str, object] = {"encoder": WORDS if options.words else options.network}
        pauses = [exchange.at(np.zeros(1)) for _ in range(SINGLES)]
        result["single"] = percentiles(np.concatenate(pauses))
        print(f"one picture on an idle topic: {result['single']}", flush=True)
        for load in options.loads:
            capacity = exchange.capacity(round(seconds * 40))
            count = round(capacity * load * seconds)
            due = np.cumsum(rng.exponential(1 / (capacity * load), count))
            result[f"{load:.0%}"] = found = {"capacity_per_s": round(capacity, 1), **percentiles(exchange.at(due))}
            print(f"{load:.0%} of the capacity, {count} pictures: {found}", flush=True)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    which = parser.add_mutually_exclusive_group()
    add_option(which)
    which.add_argument("--words", action="store_true", help="measure the encoder words instead of a network")
    parser.add_argument("--seconds", type=float, default=30.0, help="duration of each load [30]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="3 seconds at half of the capacity, 64 references")
    options = parser.parse_args()
    options.encoder, options.known, options.loads = WORDS if options.words else NETWORK, KNOWN, LOADS
    if options.quick:
        options.seconds, options.known, options.loads = 3.0, 64, LOADS[1:2]
    print(f"{sentence()}; seed {options.seed}", flush=True)

    def begin(here: Stream) -> Process:
        return Process(set_up, here, options.encoder, options.known, one_thread=True)

    with tempfile.TemporaryDirectory() as folder, stream(Path(folder), options.network, begin) as (here, pipe):
        receive_first(pipe)
        result = measure(here, options)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
