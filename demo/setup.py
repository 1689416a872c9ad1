"""Starts what the demo needs, in order: broker and Milvus, topics, sets, service."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from rich.markup import escape

from config.load import PREFIX, load
from config.settings import Settings
from consumer import topics as kafka_topics
from consumer.clients import Connection
from demo import sets
from demo.kafka_io import Topics
from demo.pictures import DemoError
from embedding.encoders import Encoders
from harness.broker import Cluster, kafka
from harness.processes import Leash
from harness.service import Service, service, write_settings
from reference_sets.store import Store
from vectors.lite_server import lite_server
from vigilens import wiring

PARTITIONS = 4
MAX_BYTES, MAX_ATTRIBUTES_BYTES = 20_971_520, 16_384  # [images] of default.toml
OURS = ".vigilens-demo"  # marks the folder that the next run may remove


@dataclass(frozen=True, slots=True)
class Services:
    """What is running.

    Attributes:
        work: folder of this run.
        ready_s: seconds from the service's start until it was ready.
    """

    work: Path
    bootstrap: str
    topics: Topics
    encoders: Encoders
    store: Store
    settings: Settings
    service: Service
    ready_s: float


def fresh(folder: Path) -> Path:
    """Creates an empty folder `run` in `folder`, and returns it. Removes only what an earlier demo wrote.

    Raises:
        DemoError: the folder exists, and the demo did not write it.
    """
    work = folder.resolve() / "run"
    if work.exists():
        if not (work / OURS).exists():
            raise DemoError(f"{work} was not written by the demo; choose another --folder")
        shutil.rmtree(work)
    (work / "inbox").mkdir(parents=True)
    (work / OURS).touch()
    return work


def set_up(stack: ExitStack, work: Path, say: Callable[[str], None]) -> Services:
    """Starts broker and Milvus at the same time; then topics, sets and service, each of which needs those before it.

    Args:
        stack: stops what was started, in reverse order.
        work: an empty folder, see `fresh`.
        say: prints a step; its text is markup for rich.
    """
    with ThreadPoolExecutor(1) as thread:
        milvus = thread.submit(stack.enter_context, lite_server(work / "sets.db"))
        cluster = stack.enter_context(kafka(work, say=lambda text: say(escape(text))))
    topics, uri = stack.enter_context(_topics(cluster)), milvus.result()
    say(f"Kafka answers at {cluster.bootstrap}")
    settings = _settings(work, cluster.bootstrap, topics, uri)
    encoders = wiring.encoders(settings)
    store = stack.enter_context(wiring.store(settings))
    made = sets.make(store, encoders, settings)
    say("Milvus Lite holds " + ", ".join(f"{each.name} ({each.kind})" for each in made))
    running = stack.enter_context(service(work, work / "vigilens.toml", stack.enter_context(Leash())))
    ready_s = running.wait_until_ready()
    say(f"the service is ready, {ready_s:.1f} s after its start; its log is {running.log}")
    return Services(work, cluster.bootstrap, topics, encoders, store, settings, running, ready_s)


@contextmanager
def _topics(cluster: Cluster) -> Iterator[Topics]:
    """Creates the topics, as `vigilens check --create-topics` does.

    On brokers that the demo did not start, they get unique names and are removed at the end.
    """
    prefix = "vigilens" if cluster.nodes else f"vigilens-demo-{uuid.uuid4().hex[:8]}"
    topics = Topics(f"{prefix}.images", f"{prefix}.verdicts", f"{prefix}.metrics", f"{prefix}.alerts")
    names = list(astuple(topics))
    with kafka_topics.admin(Connection(cluster.bootstrap)) as admin:
        needs = kafka_topics.needs(
            topics.images,
            topics.verdicts,
            topics.metrics,
            MAX_BYTES,
            MAX_ATTRIBUTES_BYTES,
            alerts=topics.alerts,
        )
        kafka_topics.create(admin, needs, PARTITIONS, -1)
    try:
        yield topics
    finally:
        if not cluster.nodes:
            with kafka_topics.admin(Connection(cluster.bootstrap)) as admin:
                admin.delete_topics(names)


def _settings(work: Path, bootstrap: str, topics: Topics, uri: str) -> Settings:
    """Writes the service's vigilens.toml and reads it, without the variables VIGILENS_… of this shell."""
    write_settings(
        work / "vigilens.toml",
        {
            "kafka": {
                "bootstrap_servers": bootstrap,
                "group": topics.images.replace(".images", "-demo"),
                "instance": "demo",
                "images_topic": topics.images,
                "verdicts_topic": topics.verdicts,
                "metrics_topic": topics.metrics,
                "alerts_topic": topics.alerts,
            },
            "images": {"roots": [str(work / "inbox")]},
            "milvus": {"uri": uri},
            "sets": {"use": [plan.name for plan in sets.ALL]},
            "http": {"port": 0},
            "log": {"format": "json"},
        },
    )
    removed = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(PREFIX)}
    try:
        return load(work / "vigilens.toml")
    finally:
        os.environ.update(removed)
