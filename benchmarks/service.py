"""What Kafka and exactly-once cost: the same pictures judged in this process, and by `vigilens run` through a broker.

    python -m benchmarks.service [--images 1500] [--rounds 3] [--quick]

Both ways use the same judge, set, Milvus (a `milvus-lite server`), number of workers and of batches under way. The
topic is full before the service starts, and the broker runs on the same cores. The last line is JSON: its key
`kafka_over_in_process` is the ratio of images per second with ViT-B-32, `words_over_vit` that of the default encoder
with its geometric check to ViT-B-32, both through Kafka.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
from confluent_kafka import Consumer

from benchmarks.jpegs import endless, jpegs
from benchmarks.machine import sentence
from benchmarks.stream import Stream, reading, stream
from benchmarks.throughput_processes import Process, answer
from embedding.source import Inline
from matcher.judge import Image, Judge

DISTINCT = 50  # pictures; each is sent with another comment, so that none is an exact duplicate
ENCODERS = ("openclip", "words")
NAMES = {"openclip": "ViT-B-32", "words": "words with check"}
WARM = 64  # pictures before those that count
SILENCE_S = 120.0


@dataclass(slots=True)
class Measured:
    """Of one encoder, a value per round: images per second of each way, and CPU ms per image through Kafka."""

    in_process: list[float] = field(default_factory=list)
    kafka: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    service_ms: list[float] = field(default_factory=list)
    broker_ms: list[float] = field(default_factory=list)
    stages_ms: dict[str, float] = field(default_factory=dict)


def serve(pipe: Connection, here: Stream, encoder: str) -> None:
    """The process that judges without Kafka: answers (anything, files) with `in_process`."""
    judge, settings = here.judge(encoder)
    pipe.send("ready")
    answer(pipe, {"judge": lambda files: in_process(judge, files, settings.batch.images, settings.batch.depth)})
    judge.close()


def in_process(judge: Judge, files: Sequence[bytes], size: int, depth: int) -> tuple[float, dict[str, float]]:
    """Images per second without Kafka, and milliseconds of work per image and stage."""
    images = [Image(str(number), str(number), Inline(data)) for number, data in enumerate(files)]
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    with ThreadPoolExecutor(depth) as under_way:
        started = time.perf_counter()
        judged = list(under_way.map(judge.judge, batches))
        seconds = time.perf_counter() - started
    stages = {stage: sum(each.seconds[stage] for each in judged) / len(files) * 1000 for stage in judged[0].seconds}
    return len(files) / seconds, stages


def through_kafka(
    here: Stream, settings: Path, count: int, measured: Measured, *, program: str = "vigilens.cli"
) -> float:
    """Images per second from the second committed batch to the last."""
    with reading(here.bootstrap) as reader, here.service(settings, program) as process:
        came: list[float] = []
        before: list[float] = []
        while len(came) < count:
            came += _arrived(reader, here)
            if not before and len(came) >= count // 8:  # warm, and the first batches are through
                first, before = len(came), [_cpu_s([process]), _cpu_s(here.brokers())]
        after = [_cpu_s([process]), _cpu_s(here.brokers())]
    if program == "vigilens.cli":
        spent = [(late - early) / (count - first) * 1000 for late, early in zip(after, before, strict=True)]
        measured.service_ms.append(spent[0])
        measured.broker_ms.append(spent[1])
    return (len(came) - first) / (came[-1] - came[first - 1])


def _arrived(reader: Consumer, here: Stream) -> list[float]:
    """When a verdict came; nothing if it was another word of the broker."""
    record = reader.poll(SILENCE_S)
    if record is None:
        raise SystemExit(f"no verdict for {SILENCE_S:.0f} s; see the logs below {here.folder}")
    return [] if record.error() else [time.perf_counter()]


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def measure(here: Stream, rounds: int, images: int) -> dict[str, Measured]:
    """All ways of all encoders in turn, round after round."""
    files = list(islice(endless(jpegs(DISTINCT, 640, 480)), images))
    here.fill(files)
    print(f"{images} JPEGs of 640 x 480, {sum(map(len, files)) // images >> 10} KB each", flush=True)
    measured = {encoder: Measured() for encoder in ENCODERS}
    for encoder, found in measured.items():
        with Process(serve, here, encoder, one_thread=True) as alone:
            alone.recv()
            for turn in range(rounds):
                alone.send(("judge", files[:WARM]))  # what is loaded late is loaded
                alone.recv()
                alone.send(("judge", _again(files, turn)))
                rate, found.stages_ms = alone.recv()
                found.in_process.append(rate)
                group = f"{encoder}-{turn}"
                found.kafka.append(through_kafka(here, here.settings(encoder, group), images, found))
                plain = here.settings(encoder, f"{group}-plain")
                found.plain.append(through_kafka(here, plain, images, found, program="benchmarks.no_transactions"))
                print(_line(encoder, found), flush=True)
    return measured


def _again(files: Sequence[bytes], turn: int) -> list[bytes]:
    """The files with other digests: what was embedded in an earlier turn must be embedded again."""
    return list(islice(endless(files), (turn + 1) * len(files), (turn + 2) * len(files)))


def _line(encoder: str, found: Measured) -> str:
    rates = (found.in_process[-1], found.kafka[-1], found.plain[-1])
    words = ("in process", "through Kafka", "without transactions")
    told = ", ".join(f"{word} {rate:.1f}" for word, rate in zip(words, rates, strict=True))
    return f"{NAMES[encoder]:<17} images/s: {told}"


def result(measured: dict[str, Measured]) -> dict[str, object]:
    """Medians and ratios."""
    told: dict[str, object] = {}
    for encoder, found in measured.items():
        ratios = [kafka / alone for kafka, alone in zip(found.kafka, found.in_process, strict=True)]
        told[encoder] = {
            "in_process_per_s": round(statistics.median(found.in_process), 1),
            "kafka_per_s": round(statistics.median(found.kafka), 1),
            "without_transactions_per_s": round(statistics.median(found.plain), 1),
            "kafka_over_in_process": round(statistics.median(ratios), 3),
            "service_cpu_ms_per_image": round(statistics.median(found.service_ms), 2),
            "broker_cpu_ms_per_image": round(statistics.median(found.broker_ms), 2),
            "work_ms_per_image": {stage: round(value, 2) for stage, value in found.stages_ms.items()},
        }
    vit, words = measured["openclip"], measured["words"]
    told["kafka_over_in_process"] = round(
        statistics.median([kafka / alone for kafka, alone in zip(vit.kafka, vit.in_process, strict=True)]), 3
    )
    told["words_over_vit"] = round(statistics.median(words.kafka) / statistics.median(vit.kafka), 3)
    return told


def main() -> None:
    """Measure both ways and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=1_500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="300 images, one round")
    options = parser.parse_args()
    rounds, images = (1, 300) if options.quick else (options.rounds, options.images)
    print(sentence(), flush=True)
    with tempfile.TemporaryDirectory() as folder, stream(Path(folder)) as here:
        measured = measure(here, rounds, images)
    print(json.dumps(result(measured)))


if __name__ == "__main__":
    main()
