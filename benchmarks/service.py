"""What Kafka and exactly-once cost: the same pictures judged in this process, and by `vigilens run` through a broker.

    python -m benchmarks.service [--images 2000] [--quick]

Both ways use the same judge, sets, Milvus (a `milvus-lite server`) and number of batches under way. The last line is
JSON; its key `kafka_over_in_process` is the ratio of images per second.
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition
from kafka import KafkaAdminClient
from PIL import Image as Picture

from config.load import load
from demo.broker import kafka
from demo.leash import Leash
from embedding.source import Inline
from matcher.judge import Image, Judge
from reference_sets.lite_server import lite_server
from reference_sets.model import Kind, Reference, ReferenceSet, Thresholds
from vigilens import wiring

KNOWN = 1_000  # references in the one set
DISTINCT = 50  # pictures, sent again and again
PARTITIONS = 4
TOPICS = ("vigilens.images", "vigilens.verdicts", "vigilens.metrics")


def pictures(count: int) -> list[bytes]:
    """JPEGs of 640x480, about 90 KB each: soft blobs under noise."""
    rng = np.random.default_rng(0)
    files = []
    for _ in range(count):
        coarse = Picture.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((640, 480))
        noisy = np.asarray(coarse, dtype=np.int16) + rng.integers(-20, 21, (480, 640, 3))
        file = io.BytesIO()
        Picture.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=80)
        files.append(file.getvalue())
    return files


def judge_of(uri: str) -> tuple[Judge, int, int]:
    """A judge by the default settings with one set of random references; images per batch; batches under way."""
    os.environ["VIGILENS_MILVUS__URI"] = uri
    settings = load()
    encoder, store = wiring.encoder(settings), wiring.store(settings)
    from embedding.probe import probe_vector  # noqa: PLC0415 (needed here only)

    vectors = np.random.default_rng(1).choice([-1 / 16, 1 / 16], (KNOWN, encoder.dimension))
    probe = tuple(map(float, probe_vector(encoder)))
    thresholds = Thresholds(0.7578125, 0.84375)
    store.create(
        ReferenceSet("known", Kind.HARMFUL, "bench", 50, thresholds, encoder.fingerprint, encoder.dimension, 1, probe)
    )
    store.upsert("known", [Reference(f"r{n}", f"r{n}", tuple(map(float, row))) for n, row in enumerate(vectors)])
    judge = wiring.judge(settings, encoder, store, wiring.watch(settings, store, encoder))
    return judge, settings.batch.images, settings.batch.depth


def in_process(judge: Judge, files: Sequence[bytes], size: int, depth: int) -> float:
    """Images per second without Kafka."""
    images = [Image(str(number), str(number), Inline(data)) for number, data in enumerate(files)]
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    with ThreadPoolExecutor(depth) as workers:
        list(workers.map(judge.judge, batches[:depth]))  # the first calls load what is loaded late
        started = time.perf_counter()
        judged = sum(len(each.verdicts) for each in workers.map(judge.judge, batches))
    return judged / (time.perf_counter() - started)


def fill(bootstrap: str, files: Sequence[bytes]) -> None:
    """Make the topics and send all pictures."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics({name: {"num_partitions": PARTITIONS} for name in TOPICS}, wait_for_metadata=True)
    admin.close()
    producer = Producer({"bootstrap.servers": bootstrap})
    for number, data in enumerate(files):
        producer.produce(TOPICS[0], data, partition=number % PARTITIONS)
        producer.poll(0)
    producer.flush()


def through_kafka(folder: Path, files: Sequence[bytes], size: int) -> float:
    """Images per second from the first committed batch to the last; the topic is full before the service starts."""
    with kafka(folder / "kafka") as cluster, Leash() as leash:
        fill(cluster.bootstrap, files)
        environment = {"VIGILENS_KAFKA__BOOTSTRAP_SERVERS": cluster.bootstrap, "VIGILENS_HTTP__PORT": "0"}
        leash.start([sys.executable, "-m", "vigilens.cli", "run"], folder / "service.log", env=os.environ | environment)
        reader = Consumer(
            {"bootstrap.servers": cluster.bootstrap, "group.id": "bench", "isolation.level": "read_committed"}
        )
        reader.assign([TopicPartition(TOPICS[1], number, 0) for number in range(PARTITIONS)])
        came: list[float] = []
        while len(came) < len(files):
            if (record := reader.poll(60)) is None:
                raise SystemExit(f"no verdict for a minute; see {folder}/service.log")
            if record.error() is None:
                came.append(time.perf_counter())
        reader.close()
    return (len(files) - size) / (came[-1] - came[size - 1])


def main() -> None:
    """Measure both ways and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--quick", action="store_true", help="500 images")
    options = parser.parse_args()
    distinct = pictures(DISTINCT)
    files = [distinct[number % DISTINCT] for number in range(500 if options.quick else options.images)]
    with tempfile.TemporaryDirectory() as folder, lite_server(Path(folder) / "sets.db") as uri:
        judge, size, depth = judge_of(uri)
        print(f"{len(files)} pictures of {len(distinct[0]) >> 10} KB, batches of {size}, {depth} under way")
        alone = in_process(judge, files, size, depth)
        print(f"in process     {alone:7.1f} images/s")
        through = through_kafka(Path(folder), files, size)
        print(f"through Kafka  {through:7.1f} images/s")
    result = {"images": len(files), "in_process_per_s": alone, "kafka_per_s": through}
    print(json.dumps(result | {"kafka_over_in_process": through / alone}))


if __name__ == "__main__":
    main()
