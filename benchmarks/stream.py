"""The parts that `service` and `latency` run: a broker, Milvus, a set, a judge in this process, and `vigilens run`."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
from confluent_kafka import ConsumerGroupState, Producer
from confluent_kafka.admin import AdminClient

from benchmarks import weights
from benchmarks.processes import threads
from config.load import load
from config.settings import Settings
from embedding.encoder import Encoder
from embedding.look import look
from harness.broker import kafka
from harness.processes import Leash
from harness.readers import Reader
from harness.service import service, write_settings
from matcher.judge import Judge
from reference_sets.defaults import new_set
from reference_sets.model import Reference, ReferenceSet, Verify
from reference_sets.parts import needs, reference
from training.pictures import picture
from vectors.lite_server import lite_server
from vigilens import wiring

NETWORK, WORDS = ENCODERS = ("network", "words")
KNOWN = 1_000  # references in the one set
PARTITIONS = 4
IMAGES, VERDICTS, METRICS = "vigilens.images", "vigilens.verdicts", "vigilens.metrics"
# For pictures that are sent while a group with this encoder runs: pictures for the other encoder would be judged first.
LIVE = {NETWORK: "vigilens.live.network", WORDS: "vigilens.live.words"}
NO_BROKER = "127.0.0.1:9092"  # for the settings of a judge without Kafka
_TOGETHER = 64  # references that are made at a time
_JOINED_S = 60.0

Begun = TypeVar("Begun")
Tables = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Stream:
    """The addresses and files of the running parts.

    Attributes:
        bootstrap: address of the broker; NO_BROKER until it has started.
        uri: of Milvus.
        folder: for logs, settings and weights.
        network: the model of the encoder NETWORK: its name in OpenCLIP, or "timm:" and its name in timm.
    """

    bootstrap: str
    uri: str
    folder: Path
    network: str = weights.MODEL

    def settings(self, encoder: str, name: str = "bench", more: Tables | None = None) -> Path:
        """Write NAME.toml with the settings for NETWORK or WORDS, the group `name`, and `more`; returns the file."""
        tables: Tables = {
            "kafka": {"bootstrap_servers": self.bootstrap, "group": name},
            "batch": {},
            "milvus": {"uri": self.uri},
            "sets": {"use": [f"known_{encoder}"]},
            f"encoders.{NETWORK}": weights.settings(self.folder, self.network),
            "http": {"port": 0},
            "log": {"format": "json"},
        }
        for table, values in (more or {}).items():
            tables[table] = tables.get(table, {}) | values
        file = self.folder / f"{name}.toml"
        write_settings(file, tables)
        return file

    def judge(self, encoder: str, count: int = KNOWN) -> tuple[Judge, Settings]:
        """The service's judge, in this process. Makes what it needs: weights, and a set of `count` references."""
        settings = load(self.settings(encoder, f"{encoder}-judge"))
        if encoder == NETWORK:
            weights.checkpoint(self.folder, self.network)
        encoders, store = wiring.encoders(settings), wiring.store(settings)
        name = f"known_{encoder}"
        if all(known.name != name for known in store.sets()):
            made = encoders.get(encoder)
            known = new_set(made, name)
            store.create(known)
            store.upsert(name, _references(made, known, count))
            store.flush(name)
        return wiring.judge(settings, encoders, store, wiring.sets_in_force(settings, store, encoders)), settings

    def fill(self, files: Sequence[bytes], topic: str = IMAGES) -> None:
        """Send the pictures to `topic`."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "queue.buffering.max.kbytes": 500_000})
        for number, data in enumerate(files):
            producer.produce(topic, data, partition=number % PARTITIONS)
            producer.poll(0)
        producer.flush()

    @contextmanager
    def service(self, settings: Path, program: str = "vigilens.cli") -> Iterator[psutil.Process]:
        """`vigilens run` with these settings, ready; yields its process.

        Its libraries have one thread each, as `vigilens` sets it, even if another program loads them earlier.
        """
        folder = settings.with_suffix("")
        folder.mkdir()
        with threads(one_thread=True), Leash() as leash, service(folder, settings, leash, program) as running:
            running.wait_until_ready()
            yield psutil.Process(running.pid)

    def wait_for_members(self, group: str, count: int) -> None:
        """Wait until the group is stable and has `count` members."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        until = time.monotonic() + _JOINED_S
        while time.monotonic() < until:
            found = admin.describe_consumer_groups([group])[group].result()
            if found.state == ConsumerGroupState.STABLE and len(found.members) == count:
                return
            time.sleep(0.2)
        raise SystemExit(f"the group {group} has not {count} members after {_JOINED_S:.0f} s")

    def verdicts(self) -> Reader:
        """A reader of the verdicts that are committed from now on."""
        return Reader(self.bootstrap, VERDICTS, from_now=True)

    def brokers(self) -> list[psutil.Process]:
        """The brokers' processes."""
        return [child for child in psutil.Process().children(recursive=True) if child.name() == "java"]


@contextmanager
def stream(
    folder: Path, network: str, begin: Callable[[Stream], AbstractContextManager[Begun]]
) -> Iterator[tuple[Stream, Begun]]:
    """Start Milvus, a broker and topics; `begin` is entered before the broker starts, so that both start together."""
    with ExitStack() as stack:
        here = Stream(NO_BROKER, stack.enter_context(lite_server(folder / "sets.db")), folder, network)
        begun = stack.enter_context(begin(here))
        cluster = stack.enter_context(kafka(folder / "kafka"))
        cluster.make_topics(dict.fromkeys((IMAGES, *LIVE.values(), VERDICTS, METRICS, "vigilens.alerts"), PARTITIONS))
        yield replace(here, bootstrap=cluster.bootstrap), begun


def _references(encoder: Encoder, known: ReferenceSet, count: int) -> list[Reference]:
    """References of drawn pictures if the set has a check, else random vectors."""
    rng = np.random.default_rng(1)
    if known.verify is Verify.OFF:
        vectors = rng.normal(size=(count, known.dimension))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return [Reference(f"r{number}", "", tuple(map(float, one))) for number, one in enumerate(vectors)]
    references: list[Reference] = []
    while len(references) < count:
        looks = look([encoder], [picture(rng) for _ in range(_TOGETHER)], needs(known))
        made = (reference(one, known, f"r{number}", "") for number, one in enumerate(looks, len(references)))
        references += [one for one in made if one]
    return references[:count]
