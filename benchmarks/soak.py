"""A long run on mixed and hostile pictures, through Kafka: `python -m benchmarks.soak [--images 20000]`.

One service judges JPEGs, animations, transparent, long, damaged and hostile files, and a decoder process is killed now
and then. At the end there must be exactly one verdict for each event. Memory is that of the service and its decoders
together (proportional set size: shared pages count once), open files and processes are counted too; all are compared
between the first and the last quarter of the run. The last line is JSON.
"""

import argparse
import io
import json
import os
import signal
import statistics
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import psutil
from confluent_kafka import Message
from PIL import Image

from benchmarks.jpegs import endless, jpegs
from benchmarks.machine import machine, sentence
from benchmarks.stream import IMAGES, WORDS, Stream, stream

_SECONDS = 3600.0  # for all verdicts
_EVERY_S = 2.0  # between two samples
_KILL_S = 15.0  # between two kills of a decoder
_HOSTILE_EACH = 10  # one of so many pictures is not an ordinary JPEG
_AHEAD = 1000  # pictures that are sent before their verdicts are read
_CPU_S = 1.0  # decode.cpu_s: few pictures take so long, and the run should not wait for them


@dataclass(slots=True)
class Samples:
    """What was seen while the service ran."""

    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)
    kills: int = 0


def others(ordinary: Sequence[bytes]) -> list[bytes]:
    """Files that are not ordinary JPEGs."""
    # Small ones: with Kafka's default a record has at most 1 MiB.
    pictures = [Image.open(io.BytesIO(data)).convert("RGB").resize((320, 240)) for data in ordinary[:4]]
    first, *rest = pictures
    long = Image.new("RGB", (first.width, 8 * first.height))
    for number, each in enumerate(2 * pictures):
        long.paste(each, (0, number * first.height))
    ink = first.copy()
    ink.putalpha(rest[0].convert("L"))
    good = ordinary[0]
    return [
        good[:-2],
        good[: len(good) // 2],
        b"a text",
        b"%PDF-1.7 a document",
        _saved(first, "GIF", save_all=True, append_images=rest, duration=[100, 100, 3000, 100]),
        _saved(first, "WEBP", save_all=True, append_images=rest, duration=100),
        _saved(first, "PNG", save_all=True, append_images=rest, default_image=True),
        _saved(first, "TIFF", save_all=True, append_images=rest),
        _saved(ink, "PNG"),
        _saved(long, "JPEG", quality=80),
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="data:image/png;base64,AAAA"/></svg>',
        _strips(),
        _slow(),
    ]


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def _strips() -> bytes:
    """A TIFF of two rows that names 20,000 strips."""
    width, strips = 4000, 20_000
    tags = [(256, 4, 1, width), (257, 4, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 1, strips, 200)]
    tags += [(277, 3, 1, 1), (278, 4, 1, 1), (279, 1, strips, 200)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4 + strips)


def _slow() -> bytes:
    """A small file of a large picture, which takes longer to decode than this run permits."""
    return _saved(Image.new("RGBA", (8000, 8000), (10, 20, 30, 100)), "WEBP", lossless=True)


def mixed(count: int) -> Iterator[bytes]:
    """`count` pictures, all different files."""
    ordinary = jpegs(32, 640, 480)
    odd, rare = others(ordinary)[:-1], others(ordinary)[-1]
    for number, data in enumerate(islice(endless(ordinary), count)):
        if number % 2000 == 1999:  # noqa: PLR2004 (they take seconds each)
            yield rare + number.to_bytes(4, "big")
        elif number % _HOSTILE_EACH == 0:
            yield odd[number // _HOSTILE_EACH % len(odd)] + number.to_bytes(4, "big")
        else:
            yield data


def run(here: Stream, count: int) -> tuple[Counter[str], Samples, float]:
    """How many verdicts each event has, what was sampled, and seconds."""
    judge, _ = here.judge(WORDS)  # makes the set
    judge.close()
    settings = here.settings(WORDS, "soak", {"decode": {"cpu_s": _CPU_S}, "kafka": {"images_topic": IMAGES}})
    got: Counter[str] = Counter()
    samples = Samples()
    with here.verdicts() as reader, here.service(settings) as process:
        files = mixed(count)
        started = sampled = killed = time.monotonic()
        sent = 0
        while sum(got.values()) < count and time.monotonic() - started < _SECONDS:
            if sent - sum(got.values()) < _AHEAD:
                part = list(islice(files, _AHEAD))
                here.fill(part)
                sent += len(part)
            if message := reader.next(0.5):
                got[event_of(message)] += 1
            now = time.monotonic()
            if now - killed > _KILL_S:
                killed, samples.kills = now, samples.kills + _kill_a_decoder(process)
            if now - sampled > _EVERY_S:
                sampled = now
                _sample(process, samples)
        seconds = time.monotonic() - started
        while message := reader.next(3.0):  # one that is published twice
            got[event_of(message)] += 1
    return got, samples, seconds


def event_of(message: Message) -> str:
    """The event that a verdict is about."""
    return str(json.loads(message.value() or b"{}")["event_id"])


def _kill_a_decoder(process: psutil.Process) -> int:
    """Kill one, as the system does when memory is short."""
    spawners = process.children()
    decoders = [child for spawner in spawners for child in spawner.children()]
    for decoder in decoders[:1]:
        os.kill(decoder.pid, signal.SIGKILL)
    return len(decoders[:1])


def _sample(process: psutil.Process, samples: Samples) -> None:
    family = [process, *process.children(recursive=True)]
    try:
        samples.memory.append(sum(one.memory_full_info().pss for one in family) / 1e6)
    except psutil.NoSuchProcess:
        return
    samples.files.append(process.num_fds())
    samples.processes.append(len(family))


def quarters(values: Sequence[float]) -> tuple[float, float]:
    """Medians of the second and of the last quarter: in the first one caches fill."""
    size = max(1, len(values) // 4)
    return statistics.median(values[size : 2 * size] or values), statistics.median(values[-size:])


def main() -> None:
    """Run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000, help="pictures to send (%(default)s)")
    options = parser.parse_args()
    print(sentence(), flush=True)
    with tempfile.TemporaryDirectory() as folder, stream(Path(folder), "", lambda _: nullcontext()) as (here, _):
        got, samples, seconds = run(here, options.images)
    before, after = quarters(samples.memory)
    facts = {
        "events": options.images,
        "lost": options.images - len(got),
        "twice": sum(count > 1 for count in got.values()),
        "images_per_s": round(options.images / seconds, 1),
        "decoders_killed": samples.kills,
        "memory_mb": [round(before), round(after)],
        "memory_ratio": round(after / before, 3),
        "open_files": [int(value) for value in quarters(samples.files)],
        "processes": [int(value) for value in quarters(samples.processes)],
    }
    print(json.dumps({"machine": machine(), **facts}))
    if facts["lost"] or facts["twice"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
