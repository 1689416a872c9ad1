"""The cost of Kafka and exactly-once: the same pictures judged in this process, and by `vigilens run` through a broker.

    python -m benchmarks.service [--network ViT-B-32] [--images 1500] [--rounds 3] [--quick]

Both ways use the same judge, set, Milvus (a `milvus-lite server`), number of workers and of batches under way. The
topic is filled before the service starts, and the broker runs on the same cores. Then a process for each core, with one
worker each, judges in one Kafka group; these start before the pictures are sent (not with --quick). The last line is
JSON with ratios of images per second. With the network: `kafka_over_in_process`, and `processes_over_in_process` for a
process for each core. `words_over_network`: the default encoder with its geometric check over the network, both through
Kafka; `words_processes_over_network`: the same with a process for each core for the default encoder.
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil

from benchmarks.jpegs import endless, jpegs
from benchmarks.machine import sentence
from benchmarks.processes import Process, answer, receive_first
from benchmarks.stream import ENCODERS, KNOWN, LIVE, NETWORK, WORDS, Stream, Tables, stream
from benchmarks.weights import add_option
from embedding.image import Image, Inline
from harness.readers import Reader
from matcher.judge import Judge, Judged
from matcher.workers import cores

DISTINCT = 50  # pictures; each is sent with another comment, so that none is an exact duplicate
WARM = 64  # pictures judged before the measured ones: a batch, of which each worker gets parts
LEAST = 256  # pictures for each core: in a group of processes, 128 are under way on each
SILENCE_S = 120.0
_TOGETHER_S = 0.03  # verdicts with shorter pauses between them are of one batch, if there are longer pauses too


@dataclass(slots=True)
class Measured:
    """The measurements of one encoder, a value per round: images/s of each way, and CPU ms per image through Kafka."""

    in_process: list[float] = field(default_factory=list)
    kafka: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    processes: list[float] = field(default_factory=list)
    service_ms: list[float] = field(default_factory=list)
    broker_ms: list[float] = field(default_factory=list)
    stages_ms: dict[str, float] = field(default_factory=dict)


def serve(pipe: Connection, here: Stream, encoder: str, known: int) -> None:
    """The process that judges without Kafka: answers ("judge", files) with `in_process`; ("warm", files) warms up."""
    judge, settings = here.judge(encoder, known)
    size, depth = settings.batch.images, settings.batch.depth
    pipe.send("the judge is ready")
    answer(
        pipe,
        {
            "warm": lambda files: len(_judged(judge, files, size, depth)),
            "judge": lambda files: in_process(judge, files, size, depth),
        },
    )
    judge.close()


def in_process(judge: Judge, files: Sequence[bytes], size: int, depth: int) -> tuple[float, dict[str, float]]:
    """Images per second without Kafka, and milliseconds of work per image and stage."""
    judged = _judged(judge, files, size, depth)
    came = [when for each, when in judged for _ in each.verdicts]
    stages = judged[0][0].seconds
    return rate(came), {name: sum(each.seconds[name] for each, _ in judged) / len(files) * 1000 for name in stages}


def _judged(judge: Judge, files: Sequence[bytes], size: int, depth: int) -> list[tuple[Judged, float]]:
    """Judge all batches, `depth` of them at a time; returns each with the time at which it was judged."""
    images = [Image(str(number), str(number), Inline(data)) for number, data in enumerate(files)]
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    with ThreadPoolExecutor(depth) as under_way:
        return [(each, time.perf_counter()) for each in under_way.map(judge.judge, batches)]


def rate(came: Sequence[float]) -> float:
    """Images per second, without the first eighth: after that the number of batches under way is at its maximum.

    A batch's verdicts come together. The batches of a full topic come tenths of a second apart, or milliseconds if
    several processes publish. So counting begins after the last verdict of a batch: otherwise its images would count,
    but not the time for them. The last quarter always counts.

    Args:
        came: when each verdict came, in seconds, ascending.

    Raises:
        SystemExit: they all came at once.
    """
    first = max(1, len(came) // 8)
    pauses = np.diff(came[first - 1 : len(came) * 3 // 4])
    first += int(np.argmax(pauses >= min(_TOGETHER_S, pauses.max())))
    if came[-1] - came[first - 1] < _TOGETHER_S:
        raise SystemExit("all verdicts came at once, which gives no rate: take more pictures")
    return (len(came) - first) / (came[-1] - came[first - 1])


def through_kafka(
    here: Stream, settings: Path, count: int, measured: Measured, *, program: str = "vigilens.cli"
) -> float:
    """Images per second of `vigilens run`, or of another `program`; appends the CPU times to `measured`."""
    with here.verdicts() as reader, here.service(settings, program) as process:
        came: list[float] = []
        while len(came) < count // 8:
            came.append(_arrival(reader, here))
        first, before = len(came), [_cpu_s(_with_decoders(process)), _cpu_s(here.brokers())]
        while len(came) < count:
            came.append(_arrival(reader, here))
        after = [_cpu_s(_with_decoders(process)), _cpu_s(here.brokers())]
    if program == "vigilens.cli":
        spent = [(late - early) / (count - first) * 1000 for late, early in zip(after, before, strict=True)]
        measured.service_ms.append(spent[0])
        measured.broker_ms.append(spent[1])
    return rate(came)


def by_processes(here: Stream, encoder: str, files: Sequence[bytes], turn: int) -> float:
    """Images per second of a process for each core, in a group that has judged all earlier pictures."""
    group = f"{encoder}-processes"
    more: Tables = {"kafka": {"group": group, "images_topic": LIVE[encoder]}, "batch": {"workers": 1}}
    with here.verdicts() as reader, ExitStack() as stack:
        for number in range(cores()):
            stack.enter_context(here.service(here.settings(encoder, f"{group}-{turn}-{number}", more)))
        here.wait_for_members(group, cores())
        sender = stack.enter_context(ThreadPoolExecutor(1))
        sent = sender.submit(here.fill, files, LIVE[encoder])
        came: list[float] = []
        while len(came) < len(files):
            came.append(_arrival(reader, here))
        sent.result()
    return rate(came)


def _arrival(reader: Reader, here: Stream) -> float:
    """Wait for the next verdict; returns when it came."""
    if reader.next(SILENCE_S) is None:
        raise SystemExit(f"no verdict for {SILENCE_S:.0f} s; see the logs below {here.folder}")
    return time.perf_counter()


def _with_decoders(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def measure(
    here: Stream, alone: Mapping[str, Connection], rounds: int, images: int, *, quick: bool
) -> dict[str, Measured]:
    """Measure all ways with all encoders in turn, round after round; with `quick` in-process and through Kafka only."""
    files = list(islice(endless(jpegs(DISTINCT, 640, 480)), images))
    here.fill(files)
    say(f"{images} JPEGs of 640 x 480, {sum(map(len, files)) // images >> 10} KB each")
    measured = {encoder: Measured() for encoder in alone}
    for encoder, pipe in alone.items():
        say(f"{_name(here.network, encoder)}: {receive_first(pipe)}")
    for turn, (encoder, found) in itertools.product(range(rounds), measured.items()):
        alone[encoder].send(("warm", _again(files, rounds + turn)[:WARM]))  # so that everything is loaded
        alone[encoder].recv()
        alone[encoder].send(("judge", _again(files, turn)))
        reached, found.stages_ms = alone[encoder].recv()
        found.in_process.append(reached)
        settings = here.settings(encoder, f"{encoder}-{turn}")
        found.kafka.append(through_kafka(here, settings, images, found))
        if rounds > 1:
            settings = here.settings(encoder, f"{encoder}-{turn}-plain")
            found.plain.append(through_kafka(here, settings, images, found, program="benchmarks.no_transactions"))
        if not quick:
            found.processes.append(by_processes(here, encoder, _again(files, turn), turn))
        say(_line(_name(here.network, encoder), found))
    return measured


def say(line: str) -> None:
    """Print and flush."""
    print(line, flush=True)


def _again(files: Sequence[bytes], turn: int) -> list[bytes]:
    """The files with other digests, so that pictures of an earlier turn are embedded again."""
    return list(islice(endless(files), (turn + 1) * len(files), (turn + 2) * len(files)))


def _name(network: str, encoder: str) -> str:
    return network if encoder == NETWORK else "words with check"


def _line(name: str, found: Measured) -> str:
    ways = {
        "in process": found.in_process,
        "through Kafka": found.kafka,
        "without transactions": found.plain,
        "a process per core": found.processes,
    }
    return f"{name}, images/s: " + ", ".join(f"{way} {each[-1]:.1f}" for way, each in ways.items() if each)


def result(name: str, measured: dict[str, Measured]) -> dict[str, object]:
    """Medians, and medians of the rounds' ratios; `name` is the network's name."""
    facts: dict[str, object] = {_name(name, encoder): _facts(found) for encoder, found in measured.items()}
    network, words = measured[NETWORK], measured.get(WORDS)
    facts["kafka_over_in_process"] = _ratio(network.kafka, network.in_process)
    if network.processes:
        facts["processes_over_in_process"] = _ratio(network.processes, network.in_process)
    if words:
        facts["words_over_network"] = _ratio(words.kafka, network.kafka)
        facts["words_processes_over_network"] = _ratio(words.processes, network.kafka)
    return facts


def _facts(found: Measured) -> dict[str, object]:
    facts: dict[str, object] = {
        "in_process_per_s": _median(found.in_process),
        "kafka_per_s": _median(found.kafka),
        "kafka_over_in_process": _ratio(found.kafka, found.in_process),
        "service_cpu_ms_per_image": _median(found.service_ms),
        "broker_cpu_ms_per_image": _median(found.broker_ms),
        "work_ms_per_image": {stage: round(value, 2) for stage, value in found.stages_ms.items()},
    }
    more = {"without_transactions_per_s": found.plain, "process_per_core_per_s": found.processes}
    return facts | {name: _median(values) for name, values in more.items() if values}


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 2)


def _ratio(these: Sequence[float], those: Sequence[float]) -> float:
    return round(statistics.median(this / that for this, that in zip(these, those, strict=True)), 3)


def main() -> None:
    """Measure all ways and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    least = LEAST * cores()
    add_option(parser)
    parser.add_argument("--images", type=int, default=max(1_500, least), help="images per round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all ways (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="the network only, 192 images, 64 references, one round")
    options = parser.parse_args()
    if options.images < least:
        parser.error(f"--images must be {least} or more on this machine: with fewer, all of them are under way at once")
    rounds, images, known = (1, 192, 64) if options.quick else (options.rounds, options.images, KNOWN)
    encoders = ENCODERS[: 1 if options.quick else None]
    say(f"{sentence()}; {known} references")

    @contextmanager
    def begin(here: Stream) -> Iterator[dict[str, Connection]]:
        with ExitStack() as stack:
            yield {each: stack.enter_context(Process(serve, here, each, known, one_thread=True)) for each in encoders}

    with tempfile.TemporaryDirectory() as folder, stream(Path(folder), options.network, begin) as (here, alone):
        measured = measure(here, alone, rounds, images, quick=options.quick)
    print(json.dumps(result(options.network, measured)))


if __name__ == "__main__":
    main()
